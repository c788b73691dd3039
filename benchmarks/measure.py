"""One configuration, timed in this process: `python -m benchmarks.measure aae engine
highest 2`, as JSON on the last line.
"""

import argparse
import importlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.work import WORKS

WARM_UP = 20  # steps before the clock starts
CONTENDERS = {  # where each is; peers are imported only where they are installed
    "engine": "benchmarks.ours",
    "captured": "benchmarks.ours",
    "plain": "benchmarks.ours",
    "notebook": "benchmarks.notebook",
    "floor": "benchmarks.floor",
    "limit": "benchmarks.limit",
    "pythae": "benchmarks.peers",
}


@dataclass(frozen=True)
class Reading:
    """The clocks at one moment, in seconds.

    Attributes:
        wall: of the world.
        cpu: what this process has used, all threads together.
        machine: what all processes of the machine have used, and what its host took
            away; nan where /proc/stat is absent.
    """

    wall: float
    cpu: float
    machine: float

    @classmethod
    def now(cls, device: str) -> "Reading":
        """After all that was asked of the device is done."""
        if device != "cpu":
            torch.cuda.synchronize()
        return cls(time.perf_counter(), time.process_time(), _machine_seconds())


def _machine_seconds() -> float:
    """Busy time of all cores since the machine began: user, nice, system, interrupts
    and stolen time of /proc/stat."""
    try:
        line = Path("/proc/stat").read_text().splitlines()[0]
    except OSError:
        return float("nan")
    user, nice, system, _idle, _wait, irq, soft, steal, *_ = map(int, line.split()[1:])
    ticks = user + nice + system + irq + soft + steal
    return ticks / os.sysconf("SC_CLK_TCK")


class Clock:
    """Counts the steps; reads the clocks after the warm-up, and after the last one."""

    def __init__(self, warm_up: int, steps: int, device: str):
        self.moments = (warm_up, warm_up + steps)
        self.steps, self.device = steps, device
        self.step = 0
        self.readings: list[Reading] = []

    def __call__(self, losses: Mapping[str, Tensor | float]) -> None:
        self.step += 1
        if self.step in self.moments:
            self.readings.append(Reading.now(self.device))

    def report(self) -> dict[str, float]:
        """Milliseconds a step, by the wall and of CPU, and the share of the machine's
        cores that others had meanwhile."""
        start, stop = self.readings
        wall, cpu = stop.wall - start.wall, stop.cpu - start.cpu
        foreign = (stop.machine - start.machine - cpu) / (wall * (os.cpu_count() or 1))
        return {
            "wall_ms": 1e3 * wall / self.steps,
            "cpu_ms": 1e3 * cpu / self.steps,
            "foreign": max(0.0, foreign),
        }


def measure(
    work: str,
    contender: str,
    precision: str,
    threads: int,
    steps: int,
    warm_up: int = WARM_UP,
    device: str = "cpu",
) -> dict[str, float]:
    """Warm up, then time so many steps."""
    torch.set_num_threads(threads)
    build = getattr(importlib.import_module(CONTENDERS[contender]), contender)
    play = build(WORKS[work], precision, device)
    clock = Clock(warm_up, steps, device)
    play(warm_up + steps, clock)
    return clock.report()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=WORKS)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("precision")
    parser.add_argument("threads", type=int)
    parser.add_argument("steps", type=int)
    parser.add_argument("--warm-up", type=int, default=WARM_UP)
    parser.add_argument("--device", default="cpu")
    print(json.dumps(measure(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
