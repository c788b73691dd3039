"""Figures of merit of a trained game on a split of its data, by the papers'
protocols."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from adv_ae import games, metrics
from adv_ae.data import Dataset, Split, as_float

SPLITS = ("train", "valid", "test")
SAMPLES = 10_000  # of the Parzen window, and the most points that it judges


@torch.no_grad()
def evaluate(game: Any, dataset: Dataset, split: str = "test") -> dict[str, float]:
    """Figures of a split.

    Args:
        game: in eval mode.
        dataset: its split is measured; what has to be learned or chosen for that (a
            probe, the neighbors, the width of a window, what a cluster stands for) is
            learned from the other splits.
        split: one of `SPLITS`.

    Returns:
        Of a method with an encoder:

        - `squared_error`: of the reconstruction, mean over pixels;
        - `cross_entropy`: of Bernoulli pixels at the reconstruction, nats per example
          (pictures only);
        - `two_sample_accuracy`: of q(z) against p(z), 1/2 at best;
        - `nearest_neighbor_accuracy`: of labels by the nearest code of the train
          split (of `train`: the second half by the first);
        - `probe_error`: of the label by a linear classifier on the codes, fitted to
          the same;
        - with classes or clusters y: `classification_error` where labels are told, else
          `clustering_error` by the paper's rule, `majority_error`,
          `one_to_one_error`, the heads named on `valid` (of `valid`: on `train`);
          `heads_used`, those to which a point falls; in the plane
          `head_distance`, the least between two heads;
        - of a label-informed AAE `component_error`: share of codes that stand in
          another component than their label's.

        Of every method, for pictures: `parzen_log_likelihood` of at most 10,000
        points by 10,000 samples, nats per example, its `parzen_standard_error`, and
        `parzen_sigma`, the width, chosen on at most 1,000 points of `valid`.
    """
    torch.manual_seed(0)
    device = next(game.parameters()).device
    part: Split = getattr(dataset, split)
    x = as_float(part.x.to(device))
    result: dict[str, float] = {}
    if isinstance(game, games.Bidirectional):
        result |= _reconstruction(game, x, part.y, dataset.shape)
        z = game.codes(x)
        told = metrics.two_sample_accuracy(z, draw_prior(game, len(z)))
        result["two_sample_accuracy"] = told
        if part.y is not None and dataset.train.y is not None:
            result |= _labels_of_codes(game, dataset, split)
    if isinstance(game, games.ClusteringAAE) and part.y is not None:
        result |= _heads(game, dataset, split)
    if isinstance(game, games.LabelInformedAAE) and part.y is not None:
        stands = game.prior.component(game.codes(x)).cpu()
        result["component_error"] = (stands != part.y).double().mean().item()
    if dataset.shape != (2,) or not result:
        result |= _parzen(game, as_float(dataset.valid.x[:1000].to(device)), x)
    return result


@torch.no_grad()
def draw_prior(game: Any, n: int) -> Tensor:
    """n codes that p(x) is decoded from, (n, d): draws of the prior, or, where the game
    makes codes from noise (`GMMNAutoencoder`), of those."""
    z = game.prior.sample(n)
    return game.g(z).sample() if isinstance(game, games.GMMNAutoencoder) else z


def _reconstruction(
    game: Any, x: Tensor, y: Tensor | None, shape: tuple[int, ...]
) -> dict[str, float]:
    told = isinstance(game, games.SupervisedAAE) and y is not None
    x_hat = game.reconstruct(x, *([y.to(x.device)] if told else []))  # type: ignore[union-attr]
    result = {"squared_error": (x_hat - x).square().mean().item()}
    if shape != (2,):
        nats = F.binary_cross_entropy(x_hat, x, reduction="none").sum(1).mean()
        result["cross_entropy"] = nats.item()
    return result


def _labels_of_codes(game: Any, dataset: Dataset, split: str) -> dict[str, float]:
    """What codes tell of labels."""
    device = next(game.parameters()).device
    part: Split = getattr(dataset, split)
    z = game.encode(as_float(part.x.to(device)))
    if split == "train":
        half = len(z) // 2
        known = z[:half], part.y[:half]  # type: ignore[index]
        asked = z[half:], part.y[half:]  # type: ignore[index]
    else:
        known = game.encode(as_float(dataset.train.x.to(device))), dataset.train.y
        asked = z, part.y
    return {
        "nearest_neighbor_accuracy": metrics.nearest_neighbor_accuracy(*known, *asked),
        "probe_error": 1 - metrics.probe_accuracy(*known, *asked),
    }


def _heads(game: Any, dataset: Dataset, split: str) -> dict[str, float]:
    """Classes or clusters y against labels."""
    device = next(game.parameters()).device

    def seen(part: Split) -> tuple[Tensor, Any]:
        return game.classify(as_float(part.x.to(device))).cpu(), part.y

    named, asked = (
        seen(getattr(dataset, name))
        for name in ("train" if split == "valid" else "valid", split)
    )
    result = {"heads_used": float(len(asked[0].argmax(1).unique()))}
    if isinstance(game, games.SemiSupervisedAAE):
        result["classification_error"] = metrics.classification_error(*asked)
    else:
        result |= {
            f"{name}_error": metrics.clustering_error(named, asked, rule)
            for name, rule in zip(
                ("clustering", "majority", "one_to_one"), metrics.RULES, strict=True
            )
        }
    if isinstance(getattr(game, "W", None), Tensor):
        result["head_distance"] = torch.pdist(game.W.detach()).min().item()
    return result


def _parzen(game: Any, valid: Tensor, x: Tensor) -> dict[str, float]:
    draws = game.sample(SAMPLES)
    sigma = metrics.choose_parzen_sigma(draws, valid)
    nats = metrics.parzen_log_likelihood(draws, x[:SAMPLES], sigma)
    return {
        "parzen_log_likelihood": nats.mean().item(),
        "parzen_standard_error": (nats.std() / len(nats) ** 0.5).item(),
        "parzen_sigma": sigma,
    }
