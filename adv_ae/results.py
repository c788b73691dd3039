"""What the experiments measured: one JSON file a run, and `reproduce`, which makes
them."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from adv_ae import runs
from adv_ae.measures import figure
from adv_ae.ranks import ALONE, Ranks
from adv_ae.recipes import EXPERIMENTS, Experiment

FOLDER = Path("results")


def name_of(row: Experiment, size: str, seed: int, length: float = 1.0) -> str:
    """Of a run: `aae/clustering-16/short-0`, four times as long `.../short-x4-0`."""
    times = "" if length == 1 else f"-x{length:g}"
    return f"{row.name}/{size}{times}-{seed}"


def reproduce(
    experiments: list[Experiment],
    size: str,
    seeds: int,
    *,
    length: float = 1.0,
    results: Path = FOLDER,
    folder: Path = Path("runs"),
    machine: runs.Machine = runs.CPU,
    progress: bool = False,
    time_limit: float | None = None,
    ranks: Ranks = ALONE,
    say: Callable[[str], None] = print,
) -> bool:
    """Run what `results` does not have yet, seed by seed, and write each as it ends.

    Stopped at any moment it goes on, called again, where it was.

    Args:
        experiments: rows of the papers' tables.
        size: one of `recipes.SIZES`.
        seeds: 0 .. seeds - 1 are run.
        length: of a run, in lengths of the size: whether length explains a figure.
        results: folder of the JSON files.
        folder: of run folders, weights and pictures.
        machine: where to train, and how exactly.
        progress: show a bar.
        time_limit: seconds, after which the run at hand stops with a checkpoint.
        ranks: the runs are dealt out to them, to rank r of W every W-th from the r-th
            on; they do not communicate.
        say: gets a line a run.

    Returns:
        Whether all of this rank is there.

    Raises:
        RunError: a run folder is another run's.
        DataError: a data set is not to be had.
        TrainingError: a loss is no longer finite.
        RecipeError: of so small a length no step is left.
    """
    start = time.perf_counter()
    runs_of_all = [(seed, row) for seed in range(seeds) for row in experiments]
    for seed, row in runs_of_all[ranks.rank :: ranks.size]:
        name = name_of(row, size, seed, length)
        path = results / f"{name}.json"
        if path.exists():
            say(f"{name}: there already")
            continue
        left = None
        if time_limit is not None:
            left = time_limit - (time.perf_counter() - start)
            if left <= 0:
                return False
        try:
            result = measure(row, size, seed, folder, machine, progress, left, length)
        except TimeoutError:
            say(f"{name}: not finished; call again to go on")
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        runs.write(path, json.dumps(result) + "\n")
        say(f"{name}: {row.measure} {show(row, [result['test'][row.measure]])}")
    return True


def measure(
    row: Experiment,
    size: str,
    seed: int,
    folder: Path,
    machine: runs.Machine,
    progress: bool = False,
    time_limit: float | None = None,
    length: float = 1.0,
) -> dict[str, Any]:
    """Run an experiment, or go on with it, and return its result.

    Returns:
        Names, the content of `metrics.json` (see `runs.train`), and the whole recipe.
    """
    recipe = row.recipe(size, seed, length)
    report = runs.train(
        recipe,
        recipe.dataset(),
        folder / name_of(row, size, seed, length),
        resume=True,
        machine=machine,
        progress=progress,
        time_limit=time_limit,
    )
    return {
        "experiment": row.name,
        "size": size,
        "length": length,
        "seed": seed,
        "measure": row.measure,
        **report,
        "recipe": recipe.to_dict(),
    }


def load(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """All results in a folder, in the order of the experiments and files' names."""
    found = []
    for name in EXPERIMENTS:
        for path in sorted((folder / name).glob("*.json")):
            found.append({"length": 1.0} | json.loads(path.read_text()))
    return found


def measured(found: list[dict[str, Any]], row: Experiment) -> Mapping[str, list[float]]:
    """Of each size, at its full length, the experiment's measure on the test split, one
    a seed."""
    by_size: dict[str, list[float]] = {}
    for result in found:
        if result["experiment"] == row.name and result["length"] == 1:
            by_size.setdefault(result["size"], []).append(result["test"][row.measure])
    return by_size


def show(row: Experiment, values: list[float]) -> str:
    """Mean and standard deviation over seeds as the paper prints them, and how many."""
    seeds = "1 seed" if len(values) == 1 else f"{len(values)} seeds"
    return f"{figure(row.measure, values)} ({seeds})"
