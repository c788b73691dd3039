"""Figures of merit of a trained game on a split of its data, by the papers'
protocols."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from adv_ae import conditionals, games, metrics
from adv_ae.data import Dataset, Split, as_float
from adv_ae.networks import activations

SPLITS = ("train", "valid", "test")
SAMPLES = 10_000  # of the Parzen window, and the most points that it judges
BLOCK = 10_000  # rows that go through a network at once
MIXTURES = ("gaussian-grid", "gaussian-ring")


@torch.no_grad()
def evaluate(game: Any, dataset: Dataset, split: str = "test") -> dict[str, float]:
    """Figures of a split.

    Args:
        game: in eval mode.
        dataset: its split is measured; what has to be learned or chosen for that (a
            probe, the neighbors, the width of a window, what a cluster stands for) is
            learned from other splits than `test`.
        split: one of `SPLITS`.

    Returns:
        By name those of `measures.MEASURES`, where their protocols stand, that apply.

        - With an encoder: `squared_error`, of pictures `cross_entropy`;
          `two_sample_accuracy`; where there are labels `nearest_neighbor_accuracy` and
          `probe_error` (an encoder that takes a label is given the right one).
        - Of encoders and of a GAN's D, where there are labels: `feature_accuracy`; of
          ALI (without labels or layers) `svm_error`.
        - With classes or clusters y: `heads_used`; `classification_error` where labels
          are told, else `clustering_error`, `majority_error`, `one_to_one_error`; of
          dimension reduction `head_distance`.
        - Of a label-informed AAE: `component_error`.
        - Of an IWAE on drawn pixels: `negative_log_likelihood`,
          `likelihood_standard_error`, `importance_bound`, `annealed_bound`,
          `active_units`.
        - Of grey pictures, and where nothing else applies: `parzen_log_likelihood`,
          `parzen_standard_error`, `parzen_sigma`.
        - On a mixture in the plane: `modes_reached`, `high_quality_share`, with an
          encoder `mode_kept`.
    """
    torch.manual_seed(0)
    part: Split = getattr(dataset, split)
    labelled = part.y is not None and dataset.train.y is not None
    result: dict[str, float] = {}
    if isinstance(game, games.Bidirectional):
        result |= _reconstruction(game, part, dataset.shape)
        z = _blocks(game.codes, game, *_seen(game, part))
        told = metrics.two_sample_accuracy(z, draw_prior(game, len(z)))
        result["two_sample_accuracy"] = told
        if labelled:
            result |= _labels_of_codes(game, dataset, split)
    if labelled and _has_features(game):
        result |= _labels_of_features(game, dataset, split)
    if isinstance(game, games.BinarizedIWAE):
        result |= _likelihood(game, part)
    if isinstance(game, _CLASSIFIERS) and part.y is not None:
        result |= _heads(game, dataset, split)
    if isinstance(game, games.LabelInformedAAE) and part.y is not None:
        stands = game.prior.component(_blocks(game.codes, game, part.x)).cpu()
        result["component_error"] = (stands != part.y).double().mean().item()
    if dataset.name in MIXTURES:
        result |= _modes(game, dataset, part)
    if len(dataset.shape) == 2 or not result:
        result |= _parzen(game, dataset.valid.x[:1000], part.x)
    return result


_CLASSIFIERS = (games.ClusteringAAE, games.SemiSupervisedALI)


def _device(game: Any) -> torch.device:
    return next(game.parameters()).device


def _blocks(f: Callable[..., Tensor], game: Any, *given: Tensor) -> Tensor:
    """f of aligned tensors, by blocks of rows on the game's device; uint8 as pixels."""
    device = _device(game)

    def ready(t: Tensor) -> Tensor:
        return as_float(t.to(device)) if t.dtype == torch.uint8 else t.to(device)

    rows = zip(*(t.split(BLOCK) for t in given), strict=True)
    return torch.cat([f(*map(ready, block)) for block in rows])


def _seen(game: Any, part: Split) -> list[Tensor]:
    """What the encoder is given: x, and y where it was trained with it."""
    told = isinstance(game, games.ConditionalALI) and part.y is not None
    return [part.x, part.y] if told else [part.x]  # type: ignore[list-item]


def _halves(values: Tensor, y: Any) -> tuple[tuple[Tensor, Any], tuple[Tensor, Any]]:
    half = len(values) // 2
    return (values[:half], y[:half]), (values[half:], y[half:])


def _known_and_asked(
    dataset: Dataset, split: str, of: Callable[[Split], Tensor]
) -> tuple[tuple[Tensor, Any], tuple[Tensor, Any]]:
    """Something of the examples, with their labels: of the train split, and of the
    split that is asked about; of `train` itself its two halves."""
    part: Split = getattr(dataset, split)
    if split == "train":
        return _halves(of(part), part.y)
    return (of(dataset.train), dataset.train.y), (of(part), part.y)


@torch.no_grad()
def draw_prior(game: Any, n: int) -> Tensor:
    """n codes that p(x) is decoded from, (n, d): draws of the prior, or, where the game
    makes codes from noise (`GMMNAutoencoder`), of those."""
    z = game.prior.sample(n)
    return game.g(z).sample() if isinstance(game, games.GMMNAutoencoder) else z


def beside_x(game: Any, y: Tensor | None) -> list[Tensor]:
    """What `game.reconstruct` is given beside x: labels, where it takes them."""
    takes = isinstance(game, games.SupervisedAAE | games.ConditionalALI)
    return [y] if takes and y is not None else []


def _reconstruction(game: Any, part: Split, shape: tuple[int, ...]) -> dict[str, float]:
    x_hat = _blocks(game.reconstruct, game, part.x, *beside_x(game, part.y))
    x = as_float(part.x.to(x_hat.device))
    result = {"squared_error": (x_hat - x).square().mean().item()}
    if shape != (2,):
        nats = F.binary_cross_entropy(x_hat, x, reduction="none").sum(1).mean()
        result["cross_entropy"] = nats.item()
    return result


def _labels_of_codes(game: Any, dataset: Dataset, split: str) -> dict[str, float]:
    """What codes tell of labels."""
    known, asked = _known_and_asked(
        dataset, split, lambda part: _blocks(game.encode, game, *_seen(game, part))
    )
    return {
        "nearest_neighbor_accuracy": metrics.nearest_neighbor_accuracy(*known, *asked),
        "probe_error": 1 - metrics.probe_accuracy(*known, *asked),
    }


def _has_features(game: Any) -> bool:
    """Is there a D of x alone, or an encoder that is given x alone?"""
    if isinstance(game, games.ConditionalALI | games.HierarchicalALI):
        return False
    q = getattr(game, "q", None)
    implicit = isinstance(q, conditionals.Noisy)
    return isinstance(game, games.GAN) or (
        isinstance(q, conditionals.Conditional) and not implicit
    )


def features(game: Any, x: Tensor, last: int = 1) -> Tensor:
    """The last hidden layers of the encoder, or of a GAN's D, side by side.

    Args:
        game: in eval mode.
        x: (N, D), as it is in a data set.
        last: how many layers.

    Returns:
        (N, width of them all).

    References:
        Donahue et al. (2017), sec. 4.2: the layer before the output; Dumoulin et al.
        (2017), sec. 4.3: the last three, and the code.
    """
    net = game.D if isinstance(game, games.GAN) else game.q.net
    return _blocks(lambda x: torch.cat(activations(net, x)[-last:], 1), game, x)


def _labels_of_features(game: Any, dataset: Dataset, split: str) -> dict[str, float]:
    """What hidden layers tell of labels."""
    known, asked = _known_and_asked(dataset, split, lambda s: features(game, s.x))
    accuracy = metrics.nearest_neighbor_accuracy(*known, *asked)
    result = {"feature_accuracy": accuracy}
    if type(game) is games.ALI:

        def of(part: Split) -> Tensor:
            z = _blocks(game.encode, game, part.x)
            return torch.cat([z, features(game, part.x, last=3)], 1)

        known, asked = _known_and_asked(dataset, split, of)
        valid = of(dataset.valid), dataset.valid.y
        n = 1000 if len(known[0]) >= 10_000 else 100
        result["svm_error"] = metrics.svm_error(known, valid, asked, n)  # type: ignore[arg-type]
    return result


def _likelihood(game: Any, part: Split) -> dict[str, float]:
    """Of binary pixels, by importance and by annealing. Lower is better."""
    torch.manual_seed(0)
    x = as_float(part.x.to(_device(game))).bernoulli()
    nats, error = metrics.mean_log_likelihood(game.q, game.p, game.prior, x)
    some = x[:100]
    drawn = metrics.importance_log_likelihood(game.q, game.p, game.prior, some)
    annealed = metrics.annealed_log_likelihood(game.p, game.prior, some)
    active = metrics.active_units(_blocks(game.encode, game, x)).sum()
    return {
        "negative_log_likelihood": -nats,
        "likelihood_standard_error": error,
        "importance_bound": -drawn.mean().item(),
        "annealed_bound": -annealed.mean().item(),
        "active_units": float(active),
    }


def _modes(game: Any, dataset: Dataset, part: Split) -> dict[str, float]:
    """Of a mixture, whose components are the labels."""
    x, y = dataset.train.x, dataset.train.y
    assert y is not None and part.y is not None  # mixtures have components
    centers = torch.stack([x[y == k].mean(0) for k in y.unique()])
    radius = 3 * (x - centers[y]).std().item()
    draws = game.sample(SAMPLES).cpu()
    result = {
        "modes_reached": float(metrics.modes_covered(draws, centers, math.inf)),
        "high_quality_share": metrics.high_quality_share(draws, centers, radius),
    }
    if isinstance(game, games.Bidirectional):
        x_hat = _blocks(game.reconstruct, game, part.x, *beside_x(game, part.y)).cpu()
        kept = torch.cdist(x_hat, centers).argmin(1) == part.y
        result["mode_kept"] = kept.double().mean().item()
    return result


def _heads(game: Any, dataset: Dataset, split: str) -> dict[str, float]:
    """Classes or clusters y against labels."""

    def seen(part: Split) -> tuple[Tensor, Any]:
        return _blocks(game.classify, game, part.x).cpu(), part.y

    named, asked = (
        seen(getattr(dataset, name))
        for name in ("train" if split == "valid" else "valid", split)
    )
    result = {"heads_used": float(len(asked[0].argmax(1).unique()))}
    if isinstance(game, games.SemiSupervisedAAE | games.SemiSupervisedALI):
        result["classification_error"] = metrics.classification_error(*asked)
    else:
        classes = int(dataset.train.y.max()) + 1  # type: ignore[union-attr]
        result |= {
            f"{name}_error": metrics.clustering_error(named, asked, rule, classes)
            for name, rule in zip(
                ("clustering", "majority", "one_to_one"), metrics.RULES, strict=True
            )
        }
    if isinstance(getattr(game, "W", None), Tensor):
        result["head_distance"] = torch.pdist(game.W.detach()).min().item()
    return result


def _parzen(game: Any, valid: Tensor, x: Tensor) -> dict[str, float]:
    draws, device = game.sample(SAMPLES), _device(game)
    valid, x = as_float(valid.to(device)), as_float(x.to(device))
    sigma = metrics.choose_parzen_sigma(draws, valid)
    nats = metrics.parzen_log_likelihood(draws, x[:SAMPLES], sigma)
    return {
        "parzen_log_likelihood": nats.mean().item(),
        "parzen_standard_error": (nats.std() / len(nats) ** 0.5).item(),
        "parzen_sigma": sigma,
    }
