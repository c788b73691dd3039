"""Run folders: train a recipe into one, evaluate it, draw from it.

A run folder holds

- `config.json`: the recipe; with it and the weights the game is made again;
- `checkpoint/`: while the run goes on; removed at its end;
- `weights.safetensors`;
- `losses.csv` and `curves.png`: every player's loss at every step;
- `samples.png`, `reconstructions.png`, and of a code in the plane `latent.png`;
- `metrics.json`: speed, and figures on the valid and on the test split, apart. It is
  written last: a folder that has it is finished.
"""

import dataclasses
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from adv_ae import data, games, metrics, plots
from adv_ae.data import Dataset, as_float
from adv_ae.game import Game
from adv_ae.recipes import METHODS, Recipe, Setup
from adv_ae.training import (
    CheckpointError,
    History,
    adam,
    falling,
    fit,
    load_weights,
    save_weights,
)

SPLITS = ("train", "valid", "test")


class RunError(Exception):
    """A run folder that is in the way, not there, or another run's."""


# ---------------------------------------------------------------- the recipe on disk


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    draft = path.with_name(path.name + ".draft")
    draft.write_text(text)
    os.replace(draft, path)


def _save_recipe(recipe: Recipe, folder: Path) -> None:
    _write(folder / "config.json", json.dumps(dataclasses.asdict(recipe), indent=1))


def load_recipe(folder: str | Path) -> Recipe:
    """The recipe of a run folder.

    Raises:
        RunError: the folder has none, or one that cannot be read.
    """
    path = Path(folder) / "config.json"
    try:
        found = json.loads(path.read_text())
        setup = found.pop("setup")
        for key in ("shape", "hidden"):
            setup[key] = tuple(setup[key])
        found["betas"] = tuple(found["betas"])
        return Recipe(setup=Setup(**setup), **found)
    except FileNotFoundError:
        raise RunError(
            f"{folder} is no run folder: it has no config.json. "
            "Make one with: adv-ae train METHOD --out FOLDER"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path} cannot be read: {error!r}.") from None


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
    device: str = "cpu",
    progress: bool = False,
) -> dict[str, Any]:
    """Train a recipe into a folder; killed and resumed, it ends the same.

    Args:
        recipe: what to train.
        dataset: on what.
        folder: new or empty, or with `resume` that of the same run.
        resume: go on where the run in the folder stands; one that is finished is left
            as it is.
        device: where to train.
        progress: show a bar.

    Returns:
        The content of `metrics.json`.

    Raises:
        RunError: the folder is in the way, or is another run's.
        TrainingError: a loss is no longer finite.
    """
    folder = Path(folder)
    _claim(recipe, folder, resume)
    if (folder / "metrics.json").exists():
        shutil.rmtree(folder / "checkpoint", ignore_errors=True)
        return json.loads((folder / "metrics.json").read_text())
    method = METHODS[recipe.method]
    torch.manual_seed(recipe.seed)
    game = recipe.game().to(device)
    stages: dict[str, Game] = {recipe.method: game}
    if method.first is not None:  # the same q, p and prior
        stages = {"first": method.first(game.q, game.p, game.prior)} | stages
    fall = None if recipe.constant else falling(recipe.steps)
    histories = {}
    for stage, played in stages.items():
        last = played is game
        histories[stage] = fit(
            played,
            dataset.train.x,
            adam(played, recipe.lr if last else 1e-3, recipe.betas),
            recipe.steps,
            recipe.batch_size,
            seed=recipe.seed,
            schedules=fall and dict.fromkeys(played.players, fall),
            progress=progress,
            checkpoint=folder / "checkpoint" / stage,
            every=recipe.every,
            resume=True,
        )
    save_weights(game, folder / "weights.safetensors")
    history = histories[recipe.method]
    _write_losses(history, folder / "losses.csv")
    for name, picture in pictures(recipe, game, dataset, histories).items():
        _save_picture(picture, folder / f"{name}.png")
    report = {
        "steps": history.steps,
        "steps_per_second": round(history.steps_per_second, 1),
        "device": device,
        "torch": torch.__version__,
        "valid": evaluate(game, dataset, "valid"),
        "test": evaluate(game, dataset, "test"),
    }
    _write(folder / "metrics.json", json.dumps(report, indent=1))
    shutil.rmtree(folder / "checkpoint")
    return report


def _claim(recipe: Recipe, folder: Path, resume: bool) -> None:
    """Make the folder this run's, or raise."""
    if not folder.exists() or not any(folder.iterdir()):
        folder.mkdir(parents=True, exist_ok=True)
        _save_recipe(recipe, folder)
        return
    if not resume:
        raise RunError(
            f"{folder} is there already and is not overwritten: give another --out, or "
            "--resume to go on with the run in it."
        )
    there, wanted = (dataclasses.asdict(r) for r in (load_recipe(folder), recipe))
    for key in wanted:
        if there[key] != wanted[key]:
            raise RunError(
                f"the run in {folder} has {key} = {there[key]}, not {wanted[key]}; "
                "resume it with the same options, or give another --out."
            )


def _write_losses(history: History, path: Path) -> None:
    rows = np.column_stack([np.arange(1, history.steps + 1), *history.values()])
    header = ",".join(["step", *history])
    formats = ["%d"] + ["%.6g"] * len(history)
    np.savetxt(path, rows, fmt=formats, delimiter=",", header=header, comments="")


# ---------------------------------------------------------------- figures of merit


@torch.no_grad()
def draw_prior(game: Any, n: int) -> Tensor:
    """n codes that p(x) is decoded from, (n, d): draws of the prior, or, where the game
    makes codes from noise (`GMMNAutoencoder`), of those."""
    z = game.prior.sample(n)
    return game.g(z).sample() if isinstance(game, games.GMMNAutoencoder) else z


@torch.no_grad()
def evaluate(game: Any, dataset: Dataset, split: str = "test") -> dict[str, float]:
    """Figures of a split.

    Args:
        game: in eval mode.
        dataset: its split is measured; the neighbors' codes are of its train split.
        split: one of `SPLITS`.

    Returns:
        - `squared_error`: of the reconstruction, mean over pixels;
        - `cross_entropy`: of Bernoulli pixels at the reconstruction, nats per example
          (pictures only);
        - `two_sample_accuracy`: of q(z) against p(z), 1/2 at best;
        - `nearest_neighbor_accuracy`: of labels by the nearest code of the train
          split (of `train`: the second half by the first);
        - of a method without an encoder, only `parzen_log_likelihood`: nats per
          example, of at most 1,000 by 2,000 samples, the width chosen on `valid`.
    """
    torch.manual_seed(0)
    device = next(game.parameters()).device
    part, train = getattr(dataset, split), dataset.train
    x = as_float(part.x.to(device))
    if not isinstance(game, games.Bidirectional):
        draws, valid = game.sample(2000), as_float(dataset.valid.x[:1000].to(device))
        width = metrics.choose_parzen_sigma(draws, valid)
        parzen = metrics.parzen_log_likelihood(draws, x[:1000], width)
        return {"parzen_log_likelihood": parzen.mean().item()}
    x_hat = game.reconstruct(x)
    result = {"squared_error": (x_hat - x).square().mean().item()}
    if dataset.shape != (2,):
        nats = F.binary_cross_entropy(x_hat, x, reduction="none").sum(1).mean()
        result["cross_entropy"] = nats.item()
    z = game.codes(x)
    result["two_sample_accuracy"] = metrics.two_sample_accuracy(
        z, draw_prior(game, len(z))
    )
    if part.y is not None and train.y is not None:
        z, y = game.encode(x), part.y
        if split == "train":
            half = len(z) // 2
            known, of_known, z, y = z[:half], y[:half], z[half:], y[half:]
        else:
            known, of_known = game.encode(as_float(train.x.to(device))), train.y
        result["nearest_neighbor_accuracy"] = metrics.nearest_neighbor_accuracy(
            known, of_known, z, y
        )
    return result


# ---------------------------------------------------------------- pictures


def _save_picture(picture: Figure, path: Path) -> None:
    """Whole or not at all; the figure is closed."""
    draft = path.with_name(path.name + ".draft")
    picture.savefig(draft, format="png")
    plt.close(picture)
    os.replace(draft, path)


def pictures(
    recipe: Recipe, game: Any, dataset: Dataset, histories: Mapping[str, History]
) -> dict[str, Figure]:
    """Curves, samples, and where there is an encoder reconstructions and, of a code in
    the plane, the codes by class over the prior beside the decoded plane."""
    torch.manual_seed(recipe.seed)
    device = next(game.parameters()).device
    held_out = as_float(dataset.valid.x[:2000].to(device))
    result = {"curves": curves(histories), "samples": samples(game, dataset.shape, 100)}
    if not isinstance(game, games.Bidirectional):
        return result
    result["reconstructions"] = reconstructions(game, held_out, dataset.shape)
    if recipe.setup.latent == 2:
        labels = None if dataset.valid.y is None else dataset.valid.y[:2000]
        result["latent"] = latent(game, held_out, labels, dataset.shape)
    return result


def curves(histories: Mapping[str, History]) -> Figure:
    """Losses against steps, one axes a player: means over 1/100 of the run."""
    series = {
        player if stage != "first" else f"{player} (first)": history[player]
        for stage, history in histories.items()
        for player in history
    }
    figure, axes = plots.figure(1, len(series), width=3.2 * len(series), height=2.4)
    for ax, (player, losses) in zip(np.atleast_1d(axes), series.items(), strict=True):
        window = max(1, len(losses) // 100)
        means = losses[: len(losses) // window * window].reshape(-1, window).mean(1)
        ax.plot(window * np.arange(1, len(means) + 1), means)
        ax.set_xlabel("step")
        ax.set_title(f"loss of {player}")
    return figure


def samples(game: Any, shape: tuple[int, ...], n: int) -> Figure:
    """n draws of p(x), as pictures or points."""
    return _examples(game.sample(n), shape, 10, plots.GENERATED)


def reconstructions(game: Any, x: Tensor, shape: tuple[int, ...]) -> Figure:
    """Pairs of rows: data and, below, their reconstructions."""
    if shape == (2,):
        return _examples(game.reconstruct(x), shape, 10, plots.POSTERIOR)
    x = x[: len(x[:50]) // 10 * 10]
    x_hat = game.reconstruct(x)
    rows = torch.stack([x.view(-1, 10, x.shape[1]), x_hat.view(-1, 10, x.shape[1])], 1)
    return _examples(rows.flatten(0, 2), shape, 10, plots.DATA)


def _examples(x: Tensor, shape: tuple[int, ...], columns: int, color: str) -> Figure:
    if shape == (2,):
        ax = plots.points(x, color=color)
    else:
        ax = plots.images(x, shape, columns)
    return cast(Figure, ax.figure)


def latent(
    game: Any, x: Tensor, labels: Tensor | None, shape: tuple[int, ...]
) -> Figure:
    """Codes by class over draws of the prior (grey), and the decoded plane: 20 x 20
    points from the 1st to the 99th percentile of those draws."""
    figure, axes = plots.figure(1, 2, width=9.0, height=4.6)
    prior, z = draw_prior(game, 2000), game.codes(x)
    plots.points(prior, color=plots.PRIOR, ax=axes[0], size=2)
    plots.points(z, labels, ax=axes[0], size=10)
    axes[0].set_title("codes of held-out data over draws of the prior")
    edges = torch.tensor([0.01, 0.99], device=prior.device)
    (left, bottom), (right, top) = prior.quantile(edges, dim=0).tolist()
    u = torch.linspace(left, right, 20).repeat(20)
    v = torch.linspace(top, bottom, 20).repeat_interleave(20)
    decoded = game.decode(torch.stack([u, v], 1).to(prior.device))
    if shape == (2,):
        plots.points(decoded, color=plots.GENERATED, ax=axes[1])
    else:
        plots.images(decoded, shape, 20, ax=axes[1])
    axes[1].set_title("the decoder over the same plane")
    return figure


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
    _save_picture(samples(game, recipe.setup.shape, n), out)
    return out


def measure(folder: str | Path, split: str, device: str = "cpu") -> dict[str, float]:
    """Figures of a finished run on a split of its data set; see `evaluate`.

    Raises:
        RunError, CheckpointError: as in `load`.
        DataError: the data set is not to be had.
    """
    recipe, game = load(folder, device)
    return evaluate(game, data.load(recipe.data), split)


__all__ = [
    "CheckpointError",
    "RunError",
    "evaluate",
    "load",
    "measure",
    "sample",
    "train",
]
