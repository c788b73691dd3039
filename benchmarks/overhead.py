"""What the engine costs over the plain loop, and a batch over nothing: one process, one
thread, CPU time. `python -m benchmarks.overhead`, as JSON on the last line."""

import json
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from adv_ae.batches import Batches
from benchmarks.measure import WARM_UP
from benchmarks.ours import engine, plain
from benchmarks.work import WORKS, Work

BLOCKS = 8  # of each loop, alternately; of quick steps three times as many


def _unheard(losses: Mapping[str, Tensor | float]) -> None:
    """No one asks for the losses."""


def _cpu_seconds(do: Callable[[], object]) -> float:
    start = time.process_time()
    do()
    return time.process_time() - start


def engine_overhead(work: Work) -> dict[str, float]:
    """CPU time of `fit` over that of the same modules and optimizers in a plain loop,
    the two taking turns in blocks of steps; the median over pairs of blocks."""
    steps = max(8, work.steps // 5)
    plays = {f.__name__: f(work, "highest", "cpu") for f in (engine, plain)}
    for play in plays.values():
        play(WARM_UP, _unheard)
    taken: dict[str, list[float]] = {name: [] for name in plays}
    for block in range(BLOCKS if work.steps < 100 else 3 * BLOCKS):
        for name in sorted(plays, reverse=bool(block % 2)):
            taken[name].append(_cpu_seconds(partial(plays[name], steps, _unheard)))
    ratios = [a / b for a, b in zip(taken["engine"], taken["plain"], strict=True)]
    return {
        "engine_ms": 1e3 * statistics.median(taken["engine"]) / steps,
        "plain_ms": 1e3 * statistics.median(taken["plain"]) / steps,
        "ratio": statistics.median(ratios),
        "lowest": min(ratios),
        "highest": max(ratios),
    }


def draw_ms() -> float:
    """CPU milliseconds for a batch of 100 of MNIST's shape, the epoch's permutation
    included; the median over epochs."""
    x = torch.randint(256, (60_000, 784), dtype=torch.uint8)
    batches, draws = Batches(x, 100, "cpu"), 600
    epochs = [
        _cpu_seconds(lambda: [batches.draw() for _ in range(draws)])
        for _ in range(BLOCKS)
    ]
    return 1e3 * statistics.median(epochs) / draws


def overhead() -> dict:
    """Of every work, and of a batch."""
    torch.set_num_threads(1)
    engines = {name: engine_overhead(work) for name, work in WORKS.items()}
    return {"engine": engines, "draw_ms": draw_ms()}


if __name__ == "__main__":
    print(json.dumps(overhead()))
