"""How the results are read: one contender's time over another's, beside its goal."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PRECISIONS = ("highest", "high", "medium", "bfloat16")


@dataclass(frozen=True)
class Comparison:
    """Time of one contender over that of another, on the same work.

    Attributes:
        of, to: the contenders.
        works: on which.
        goal: what the ratio is to be at most; None: none was set.
        to_precision: at which the other is timed; None: the same as the first.
        device: where.
    """

    of: str
    to: str
    works: tuple[str, ...]
    goal: float | None = None
    to_precision: str | None = None
    device: str = "cpu"


ALL = ("aae", "bigan", "semi-supervised")
COMPARISONS = (
    Comparison("engine", "pythae", ("aae",), 0.60, "highest"),
    Comparison("engine", "pythae", ("aae",), None, "medium"),
    Comparison("limit", "pythae", ("aae",), None, "highest"),
    Comparison("engine", "floor", ("semi-supervised", "bigan"), 1.15),
    Comparison("engine", "floor", ("aae", "small")),
    Comparison("engine", "notebook", (*ALL, "small"), None, "highest"),
    Comparison("engine", "limit", ALL),
    Comparison("captured", "engine", ALL, 0.50, device="cuda"),
    Comparison("captured", "pythae", ("aae",), 0.20, "highest", "cuda"),
    Comparison("captured", "notebook", ALL, 0.10, "highest", "cuda"),
)


def ratios(runs: Mapping[Any, Sequence[Mapping[str, float]]]) -> list[dict]:
    """Every comparison whose two sides were timed: the ratio of each round, then their
    median, least and most. Several threads and GPUs are compared by the wall, one
    thread by CPU time, which other processes disturb less.

    Args:
        runs: of every configuration its rounds, in the same order.
    """
    places = {(c.work, c.contender, c.precision, c.threads, c.device): c for c in runs}
    threads = sorted({c.threads for c in runs}, reverse=True)
    found = []
    for comparison in COMPARISONS:
        for work in comparison.works:
            for n in threads:
                for precision in PRECISIONS:
                    other = comparison.to_precision or precision
                    where = (n, comparison.device)
                    a = places.get((work, comparison.of, precision, *where))
                    b = places.get((work, comparison.to, other, *where))
                    if a is not None and b is not None:
                        clock = "cpu_ms" if where == (1, "cpu") else "wall_ms"
                        pairs = zip(runs[a], runs[b], strict=True)
                        by_round = [x[clock] / y[clock] for x, y in pairs]
                        found.append(_row(comparison, a, other, by_round))
    return found


def _row(comparison: Comparison, of: Any, other: str, by_round: list[float]) -> dict:
    return {
        "work": of.work,
        "of": comparison.of,
        "precision": of.precision,
        "to": comparison.to,
        "to_precision": other,
        "fixed": comparison.to_precision is not None,
        "threads": of.threads,
        "device": of.device,
        "ratio": round(statistics.median(by_round), 3),
        "lowest": round(min(by_round), 3),
        "highest": round(max(by_round), 3),
        "goal": comparison.goal,
    }
