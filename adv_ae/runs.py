"""Run folders: train a recipe into one, evaluate it, draw from it.

A run folder holds

- `config.json`: the recipe; with it and the weights the game is made again;
- `checkpoint/`: while the run goes on; removed at its end;
- `weights.safetensors`;
- `losses.csv` and `curves.png`: every player's loss at every step;
- `samples.png`, `reconstructions.png`, of a code in the plane `latent.png`, of a
  decoder that is given y `styles.png`;
- `metrics.json`: speed, and figures on the valid and on the test split, apart. It is
  written last: a folder that has it is finished.
"""

import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from adv_ae.data import Dataset, as_float
from adv_ae.evaluation import evaluate
from adv_ae.game import Game
from adv_ae.networks import PixelMLP
from adv_ae.networks.conv import Decoder
from adv_ae.pictures import pictures, samples, save_picture
from adv_ae.provenance import provenance
from adv_ae.ranks import present
from adv_ae.recipes import METHODS, Recipe, RecipeError, known
from adv_ae.training import (
    CheckpointError,
    History,
    adam,
    fit,
    load_weights,
    save_weights,
)


class RunError(Exception):
    """A run folder that is in the way, not there, or another run's."""


@dataclass(frozen=True)
class Machine:
    """On what a recipe is computed, and how; see `training.fit`.

    Attributes:
        device: where.
        precision: of products; None: torch's present setting.
        capture: whether steps are replayed as a CUDA graph; None: where they can be.
        compile: whether networks go through `torch.compile`.
    """

    device: str = "cpu"
    precision: str | None = None
    capture: bool | None = None
    compile: bool = False


CPU = Machine()


# ---------------------------------------------------------------- the recipe on disk


def write(path: Path, text: str) -> None:
    """Whole or not at all."""
    draft = path.with_name(path.name + ".draft")
    draft.write_text(text)
    os.replace(draft, path)


def _save_recipe(recipe: Recipe, folder: Path) -> None:
    write(folder / "config.json", json.dumps(recipe.to_dict(), indent=1))


def load_recipe(folder: str | Path) -> Recipe:
    """The recipe of a run folder.

    Raises:
        RunError: the folder has none, or one that cannot be read.
    """
    path = Path(folder) / "config.json"
    try:
        recipe = Recipe.from_dict(json.loads(path.read_text()))
        known(recipe.method, METHODS, "method")
        return recipe
    except FileNotFoundError:
        raise RunError(
            f"{folder} is no run folder: it has no config.json. "
            "Make one with: adv-ae train METHOD --out FOLDER"
        ) from None
    except RecipeError as error:
        raise RunError(f"{path}: {error}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path} cannot be read: {error!r}.") from None


def load_report(folder: str | Path) -> dict[str, Any]:
    """The content of a finished run's `metrics.json`.

    Raises:
        RunError: the folder has none.
    """
    path = Path(folder) / "metrics.json"
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}.") from None


def load(folder: str | Path, device: str = "cpu") -> tuple[Recipe, Game]:
    """A run's recipe, and its game in eval mode.

    Raises:
        RunError: no run folder, or a run that is not finished.
        CheckpointError: weights that do not fit.
    """
    recipe, path = load_recipe(folder), Path(folder) / "weights.safetensors"
    if not path.exists():
        raise RunError(f"the run in {folder} is not finished: go on with --resume.")
    game = recipe.game()
    load_weights(game, path)
    return recipe, game.to(device).eval()


# ---------------------------------------------------------------- train


def train(
    recipe: Recipe,
    dataset: Dataset,
    folder: str | Path,
    *,
    resume: bool = False,
    machine: Machine = CPU,
    progress: bool = False,
    time_limit: float | None = None,
) -> dict[str, Any]:
    """Train a recipe into a folder; killed and resumed, it ends the same.

    Of several ranks (see `adv_ae.ranks`) all train, and the first one has the folder.

    Args:
        recipe: what to train.
        dataset: on what.
        folder: new or empty, or with `resume` that of the same run.
        resume: go on where the run in the folder stands; one that is finished is left
            as it is.
        machine: where to train, and how exactly.
        progress: show a bar.
        time_limit: seconds after which the training stops, to be resumed.

    Returns:
        The content of `metrics.json`: steps, their pace, wall seconds in all; device,
        precision, threads, ranks, versions and commit of the last call that trained;
        figures of the `valid` and of the `test` split.

    Raises:
        RecipeError: the data are not for the recipe.
        RunError: the folder is in the way, or is another run's.
        TrainingError: a loss is no longer finite.
        TimeoutError: the time limit was reached.
        RankLost: another rank has ended.
    """
    folder, ranks, streams = Path(folder), present(), recipe.streams(dataset.train)
    finished = ranks.by_first(lambda: _claim(recipe, folder, resume))
    if finished:
        return finished
    start, by = time.perf_counter(), provenance(machine.device)

    def left() -> float | None:
        return None if time_limit is None else time_limit - time.perf_counter() + start

    torch.manual_seed(recipe.seed)
    game = recipe.game()
    _begin_at_mean(game, dataset)
    game.to(machine.device)
    options: dict[str, Any] = {
        "precision": machine.precision,
        "capture": machine.capture,
        "compile": machine.compile,
        "steps": recipe.steps,
        "seed": recipe.seed,
        "progress": progress,
        "every": recipe.every,
        "resume": True,
    }
    histories = {}
    first = METHODS[recipe.method].first
    if first is not None:  # a game on the same q, p and prior, by Adam at 1e-3
        before = first(game.q, game.p, game.prior)
        histories["first"] = fit(
            before,
            dataset.train.x,
            adam(before, 1e-3, recipe.betas),
            batch_size=recipe.batch_size,
            schedules=recipe.schedules(before),
            checkpoint=folder / "checkpoint" / "first",
            time_limit=left(),
            **options,
        )
    histories[recipe.method] = fit(
        game,
        streams,
        recipe.optimizers(game),
        batch_size=recipe.batch_sizes(streams),
        schedules=recipe.schedules(game),
        checkpoint=folder / "checkpoint" / recipe.method,
        time_limit=left(),
        **options,
    )
    return ranks.by_first(
        lambda: _finish(recipe, dataset, folder, game, histories, machine, by)
    )


def _finish(
    recipe: Recipe,
    dataset: Dataset,
    folder: Path,
    game: Any,
    histories: dict[str, History],
    machine: Machine,
    by: dict[str, Any],
) -> dict[str, Any]:
    """Fill the folder of a run that has ended; the content of `metrics.json`."""
    history = histories[recipe.method]
    save_weights(game, folder / "weights.safetensors")
    _write_losses(history, folder / "losses.csv")
    for name, picture in pictures(recipe, game, dataset, histories).items():
        save_picture(picture, folder / f"{name}.png")
    report = {
        "steps": history.steps,
        "steps_per_second": round(history.steps_per_second, 1),
        "seconds": round(sum(h.total_seconds for h in histories.values()), 3),
        "precision": machine.precision or torch.get_float32_matmul_precision(),
        "ranks": present().size,
        **by,
        "valid": evaluate(game, dataset, "valid"),
        "test": evaluate(game, dataset, "test"),
    }
    write(folder / "metrics.json", json.dumps(report, indent=1))
    shutil.rmtree(folder / "checkpoint")
    return report


def _begin_at_mean(game: Any, dataset: Dataset) -> None:
    """Decoders of ALI's tables and of the IWAE begin at the mean of 500 pictures, as in
    the authors' code."""
    net = getattr(getattr(game, "p", None), "net", None)
    if isinstance(net, Decoder | PixelMLP) and len(dataset.shape) > 1:
        net.set_output_bias(as_float(dataset.train.x[:500]).mean(0))


def _claim(recipe: Recipe, folder: Path, resume: bool) -> dict[str, Any] | None:
    """Make the folder this run's, or raise; the metrics of a run that is finished."""
    if not folder.exists() or all(p.suffix == ".draft" for p in folder.iterdir()):
        folder.mkdir(parents=True, exist_ok=True)
        _save_recipe(recipe, folder)
        return None
    if not resume:
        raise RunError(
            f"{folder} is there already and is not overwritten: give another --out, or "
            "--resume to go on with the run in it."
        )
    there, wanted = (r.to_dict() for r in (load_recipe(folder), recipe))
    for key in wanted:
        if there[key] != wanted[key]:
            raise RunError(
                f"the run in {folder} has {key} = {there[key]}, not {wanted[key]}; "
                "resume it with the same options, or give another --out."
            )
    if not (folder / "metrics.json").exists():
        return None
    shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    return json.loads((folder / "metrics.json").read_text())


def _write_losses(history: History, path: Path) -> None:
    rows = np.column_stack([np.arange(1, history.steps + 1), *history.values()])
    header = ",".join(["step", *history])
    formats = ["%d"] + ["%.6g"] * len(history)
    np.savetxt(path, rows, fmt=formats, delimiter=",", header=header, comments="")


def sample(folder: str | Path, n: int, seed: int, out: str | Path | None) -> Path:
    """Draw n examples from a finished run into a picture.

    Returns:
        Where it is: `out`, or `samples-SEED.png` in the folder.

    Raises:
        RunError, CheckpointError: as in `load`.
    """
    recipe, game = load(folder)
    out = Path(out) if out is not None else Path(folder) / f"samples-{seed}.png"
    if not out.parent.is_dir():
        raise RunError(f"{out.parent} is not a folder; make it first.")
    torch.manual_seed(seed)
    save_picture(samples(game, recipe.setup.shape, n), out)
    return out


def measure(folder: str | Path, split: str, device: str = "cpu") -> dict[str, float]:
    """Figures of a finished run on a split of its data set; see `evaluate`.

    Raises:
        RunError, CheckpointError: as in `load`.
        DataError: the data set is not to be had.
    """
    recipe, game = load(folder, device)
    return evaluate(game, recipe.dataset(), split)


__all__ = [
    "CheckpointError",
    "Machine",
    "RunError",
    "evaluate",
    "load",
    "load_report",
    "measure",
    "sample",
    "train",
]
