"""The experiments of the IWAE paper (Burda et al., 2016): one stochastic layer on MNIST
whose pixels are drawn anew at every step."""

import itertools
from typing import Any

from adv_ae.recipes.experiment import Experiment

EPOCH = 2500  # steps, of 50,000 digits by batches of 20

_STAGES = [3**i for i in range(8)]  # epochs at the rates 1e-3 * 10^(-i / 7)
_NETWORKS: dict[str, Any] = {"networks": "tanh", "hidden": (200, 200), "latent": 50}
_PAPER: dict[str, Any] = _NETWORKS | {
    "lr": 1e-3,
    "eps": 1e-4,
    "drop": 10 ** (-1 / 7),
    "drops": tuple(EPOCH * e for e in itertools.accumulate(_STAGES[:-1])),
    "batch_size": 20,
    "steps": sum(_STAGES) * EPOCH,
}
_SMALL: dict[str, Any] = {"networks": "tanh", "hidden": (64, 64), "latent": 10}
_SOURCES = {
    "networks": "sec. 5: tanh; authors' code: the output begins at the mean picture",
    "hidden": "sec. 5",
    "latent": "sec. 5",
    "lr": "sec. 5",
    "eps": "sec. 5",
    "drop": "sec. 5",
    "drops": "sec. 5: stages of 3^i epochs",
    "batch_size": "sec. 5",
    "steps": "sec. 5: 3280 epochs, of 50,000 digits (the authors' code has 59,600)",
    "draws": "table 1",
}


def _row(K: int, summary: str, reported: str) -> Experiment:
    own = {"draws": K}
    return Experiment(
        f"iwae/k-{K}",
        summary,
        "Burda et al. 2016, table 1",
        "iwae-binarized",
        "negative_log_likelihood",
        reported,
        small=_SMALL | own | {"steps": 2000},
        short=_NETWORKS | own | {"steps": 10_000},
        paper=_PAPER | own,
        sources=_SOURCES,
    )


ROWS = (
    _row(1, "one draw: the VAE", "86.76 nats"),
    _row(5, "a bound from five draws", "85.54 nats"),
    _row(50, "a bound from fifty draws", "84.78 nats"),
)
