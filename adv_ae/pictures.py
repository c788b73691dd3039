"""Pictures of a run: losses, samples, reconstructions, the plane of codes."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from adv_ae import games, plots
from adv_ae.data import Dataset, as_float
from adv_ae.evaluation import beside_x, draw_prior
from adv_ae.recipes import Recipe
from adv_ae.training import History


def save_picture(picture: Figure, path: Path) -> None:
    """Whole or not at all; the figure is closed."""
    draft = path.with_name(path.name + ".draft")
    picture.savefig(draft, format="png")
    plt.close(picture)
    os.replace(draft, path)


def pictures(
    recipe: Recipe, game: Any, dataset: Dataset, histories: Mapping[str, History]
) -> dict[str, Figure]:
    """Curves, samples, and where there is an encoder reconstructions; of a code in the
    plane the codes by class over the prior beside the decoded plane; of a decoder that
    is told y a grid of styles."""
    torch.manual_seed(recipe.seed)
    device = next(game.parameters()).device
    x = as_float(dataset.valid.x[:2000].to(device))
    y = None if dataset.valid.y is None else dataset.valid.y[:2000].to(device)
    result = {"curves": curves(histories), "samples": samples(game, dataset.shape, 100)}
    if not isinstance(game, games.Bidirectional):
        return result
    result["reconstructions"] = reconstructions(game, x, y, dataset.shape)
    told = isinstance(
        game, games.SupervisedAAE | games.ClusteringAAE | games.ConditionalALI
    )
    if told and dataset.shape != (2,):
        result["styles"] = styles(game, recipe.setup.heads, dataset.shape)
    if recipe.setup.latent == 2 and (not told or hasattr(game, "represent")):
        result["latent"] = latent(game, x, y, dataset.shape)
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


def reconstructions(
    game: Any, x: Tensor, y: Tensor | None, shape: tuple[int, ...]
) -> Figure:
    """Pairs of rows: data and, below, their reconstructions."""
    n = len(x) if shape == (2,) else min(len(x), 50) // 10 * 10
    x_hat = game.reconstruct(x[:n], *beside_x(game, None if y is None else y[:n]))
    if shape == (2,):
        return _examples(x_hat, shape, 10, plots.POSTERIOR)
    rows = [v.view(-1, 10, x.shape[1]) for v in (x[:n], x_hat)]
    return _examples(torch.stack(rows, 1).flatten(0, 2), shape, 10, plots.DATA)


def styles(game: Any, heads: int, shape: tuple[int, ...]) -> Figure:
    """Means of p(x|y, z): a style z a row, a class or cluster y a column (AAE figure
    7)."""
    z = game.prior.sample(10).repeat_interleave(heads, 0)
    y = torch.arange(heads, device=z.device).repeat(10)
    return _examples(game.decode(z, y), shape, heads, plots.GENERATED)


def _examples(x: Tensor, shape: tuple[int, ...], columns: int, color: str) -> Figure:
    if shape == (2,):
        ax = plots.points(x, color=color)
    else:
        ax = plots.images(x, shape, columns)
    return cast(Figure, ax.figure)


@torch.no_grad()
def latent(game: Any, x: Tensor, y: Tensor | None, shape: tuple[int, ...]) -> Figure:
    """Codes of x by class over draws of the prior (grey), and the decoded plane: 20 x
    20 points from the 1st to the 99th percentile of those draws."""
    prior, z = draw_prior(game, 2000), game.codes(x)
    decode = game.decode
    if hasattr(game, "represent"):  # head plus style
        prior = game.prior_y.sample(2000) @ game.W + prior
        z = game.represent(x)

        def decode(v: Tensor) -> Tensor:
            return game.p(v).mean

    figure, axes = plots.figure(1, 2, width=9.0, height=4.6)
    plots.points(prior, color=plots.PRIOR, ax=axes[0], size=2)
    plots.points(z, y, ax=axes[0], size=10)
    axes[0].set_title("codes of held-out data over draws of the prior")
    edges = torch.tensor([0.01, 0.99], device=prior.device)
    (left, bottom), (right, top) = prior.quantile(edges, dim=0).tolist()
    u = torch.linspace(left, right, 20).repeat(20)
    v = torch.linspace(top, bottom, 20).repeat_interleave(20)
    decoded = decode(torch.stack([u, v], 1).to(prior.device))
    if shape == (2,):
        plots.points(decoded, color=plots.GENERATED, ax=axes[1])
    else:
        plots.images(decoded, shape, 20, ax=axes[1])
    axes[1].set_title("the decoder over the same plane")
    return figure
