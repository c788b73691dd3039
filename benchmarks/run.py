"""`make bench`: every configuration in a process of its own, rounds of all of them in
random order; results.json and the page's tables and plot.

    make bench                                # all of it, 25 minutes
    make bench ARGS="--only 'aae/*/highest'"  # some of it, printed alone
    make bench ARGS=--quick                   # whether it works, and the engine's cost
"""

import argparse
import fnmatch
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks import page
from benchmarks.measure import WARM_UP
from benchmarks.ratios import ratios
from benchmarks.work import WORKS, has_mnist

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / ".venv-bench" / "bin" / "python"
RESULTS = ROOT / "benchmarks" / "results.json"
SEED = 0  # of the order
FOREIGN = 0.05  # of the cores: a run beside more than that is made again
TRIES = 3
ON_GPU = 50  # times as many steps there
QUICK = 1.15  # what the engine may cost over a plain loop, where CI asks
LARGE = ("aae", "bigan", "semi-supervised")


@dataclass(frozen=True)
class Configuration:
    """Who plays what, how."""

    work: str
    contender: str
    precision: str
    threads: int
    device: str = "cpu"

    @property
    def name(self) -> str:
        """What `--only` is matched with."""
        return f"{self.work}/{self.contender}/{self.precision}"

    @property
    def steps(self) -> int:
        """How many are timed."""
        steps = WORKS[self.work].steps
        if self.device != "cpu":
            return ON_GPU * steps
        return steps // 2 if self.threads == 1 else steps

    def run(self, warm_up: int = WARM_UP, steps: int | None = None) -> dict[str, float]:
        """Time it in a fresh process; `steps` None: as many as it has."""
        python = PEERS if self.contender == "pythae" else Path(sys.executable)
        return fresh(
            python,
            "benchmarks.measure",
            self.threads,
            *(self.work, self.contender, self.precision),
            *(str(self.threads), str(steps or self.steps)),
            *("--warm-up", str(warm_up), "--device", self.device),
        )


def fresh(python: Path, module: str, threads: int, *arguments: str) -> dict:
    """What a module prints on its last line, run by itself.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    done = subprocess.run(
        [str(python), "-m", module, *arguments],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        said = (done.stdout + done.stderr)[-2000:]
        raise RuntimeError(f"{module} {' '.join(arguments)} failed:\n{said}")
    return json.loads(done.stdout.splitlines()[-1])


def configurations(threads: Sequence[int]) -> list[Configuration]:
    """All that is timed on this machine."""
    precisions = ("highest", "medium", *(["bfloat16"] if _has_bfloat16() else []))
    kinds = [
        *((c, p) for c in ("engine", "floor", "limit") for p in precisions),
        ("notebook", "highest"),
    ]
    peers = [("pythae", "highest"), ("pythae", "medium")]
    on_cpu = [
        Configuration(work, contender, precision, n)
        for n in threads
        for work in LARGE
        for contender, precision in (kinds + peers if work == "aae" else kinds)
    ]
    small = [
        Configuration("small", contender, "highest", 1)
        for contender in ("engine", "notebook", "floor")
        if 1 in threads
    ]
    return on_cpu + small + (_on_gpu() if torch.cuda.is_available() else [])


def _on_gpu() -> list[Configuration]:
    ours = [(c, p) for c in ("engine", "captured") for p in ("highest", "high")]
    ours += [("captured", "bfloat16"), ("floor", "highest"), ("notebook", "highest")]
    peers = [("pythae", "highest"), ("pythae", "high")]
    return [
        Configuration(work, contender, precision, 1, "cuda")
        for work in LARGE
        for contender, precision in (ours + peers if work == "aae" else ours)
    ]


def _flags() -> set[str]:
    """The processor's instruction sets, by Linux."""
    return set(_cpuinfo("flags").split())


def _cpuinfo(key: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    found = (line.split(":", 1)[1] for line in lines if line.split("\t")[0] == key)
    return next(found, "").strip()


def _has_bfloat16() -> bool:
    """Whether the processor multiplies in bfloat16; where not, it takes too long."""
    return bool(_flags() & {"avx512_bf16", "amx_bf16"})


def machine() -> dict[str, str | int]:
    """What was measured on."""
    model = _cpuinfo("model name") or platform.processor() or platform.machine()
    family = f"family {_cpuinfo('cpu family')}, model {_cpuinfo('model')}"
    return {
        "cpu": f"{model} ({family})" if _cpuinfo("cpu family") else model,
        "cores": os.cpu_count() or 1,
        "isa": torch.backends.cpu.get_cpu_capability()
        + (" with bfloat16" if _has_bfloat16() else ""),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def undisturbed(configuration: Configuration) -> dict[str, float]:
    """A run beside little foreign load; after some tries the one with the least."""
    runs: list[dict[str, float]] = []
    while len(runs) < TRIES:
        runs.append(configuration.run())
        if not runs[-1]["foreign"] > FOREIGN:  # nan where it cannot be told
            break
    return min(runs, key=lambda run: run["foreign"])


def rounds(
    chosen: Sequence[Configuration], n: int
) -> dict[Configuration, list[dict[str, float]]]:
    """n rounds of all configurations, each round in an order of its own."""
    order = random.Random(SEED)
    runs: dict[Configuration, list[dict[str, float]]] = {c: [] for c in chosen}
    for i in range(n):
        for c in order.sample(chosen, len(chosen)):
            run = undisturbed(c)
            runs[c].append(run)
            print(
                f"round {i + 1}  {c.name:36} {c.device} {c.threads} threads "
                f"{run['wall_ms']:8.2f} ms, CPU {run['cpu_ms']:8.2f} ms"
                + (f"  ({run['foreign']:.0%} foreign)" * (run["foreign"] > FOREIGN)),
                flush=True,
            )
    return runs


def summary(runs: dict[Configuration, list[dict[str, float]]]) -> list[dict]:
    """Of every configuration the median, least and most over the rounds."""
    return [
        asdict(c)
        | {
            clock: _spread(run[clock] for run in of_c)
            for clock in ("wall_ms", "cpu_ms")
        }
        | {
            "rounds": len(of_c),
            "disturbed": sum(run["foreign"] > FOREIGN for run in of_c),
        }
        for c, of_c in runs.items()
    ]


def _spread(values: Iterable[float]) -> dict[str, float]:
    """Four digits are more than a clock repeats."""
    v = [float(f"{value:.4g}") for value in values]
    return {"median": statistics.median(v), "min": min(v), "max": max(v)}


def full(n: int, threads: Sequence[int]) -> None:
    """Measure all, write results.json and what the page shows."""
    start = time.perf_counter()
    python = Path(sys.executable)
    runs = rounds(configurations(threads), n)
    results: dict[str, Any] = {
        "machine": machine(),
        "data": "MNIST" if has_mnist() else "random bytes of MNIST's shape",
        "method": {"rounds": n, "warm_up": WARM_UP, "seed": SEED, "foreign": FOREIGN},
        "configurations": summary(runs),
        "ratios": ratios(runs),
        "overhead": fresh(python, "benchmarks.overhead", 1),
        "accuracy": fresh(python, "benchmarks.accuracy", 1),
    }
    results["minutes"] = round((time.perf_counter() - start) / 60, 1)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    page.write(results)
    print(f"{RESULTS}, {page.STATIC}/speed*; {results['minutes']} minutes")


def quick() -> None:
    """Every contender takes a few steps; the engine keeps within its bound."""
    for work in WORKS:
        for contender in ("engine", "plain", "notebook", "floor", "limit"):
            Configuration(work, contender, "highest", 1).run(1, 2)
            print(f"{work}/{contender} works", flush=True)
    engine = fresh(Path(sys.executable), "benchmarks.overhead", 1)["engine"]
    for work, of_work in engine.items():
        print(
            f"{work}: the engine takes {of_work['ratio']:.3f} of the plain loop's time"
        )
    over = [work for work, of_work in engine.items() if of_work["ratio"] > QUICK]
    if over:
        raise SystemExit(
            f"The engine takes more than {QUICK} of the plain loop's time for {over}: "
            "profile `step` and `fit`, or run again if the machine was not idle."
        )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[2, 1])
    parser.add_argument("--only", metavar="WORK/CONTENDER/PRECISION")
    asked = parser.parse_args()
    if asked.quick:
        quick()
    elif asked.only:
        every = configurations(asked.threads)
        chosen = [c for c in every if fnmatch.fnmatch(c.name, asked.only)]
        if not chosen:
            names = ", ".join(sorted({c.name for c in every}))
            parser.error(f"--only {asked.only} names none of {names}")
        print(json.dumps(summary(rounds(chosen, asked.rounds)), indent=1))
    else:
        full(asked.rounds, asked.threads)


if __name__ == "__main__":
    main()
