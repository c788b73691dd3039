"""The experiments of the AAE paper (Makhzani et al., 2015)."""

from collections.abc import Mapping
from typing import Any

from adv_ae.recipes.experiment import OURS as _OURS
from adv_ae.recipes.experiment import Experiment

EPOCH = 500  # steps, of 50,000 digits by batches of 100

_ADVERSARIES = ("D", "G")


def _by_sgd(
    reconstruction: float, adversaries: float, **more: float
) -> dict[str, Mapping]:
    """Rates of a player by SGD, with the paper's momenta: 0.9 for the costs, 0.1 for
    the adversaries (appendix A.2)."""
    lr = {"reconstruction": reconstruction, **dict.fromkeys(_ADVERSARIES, adversaries)}
    momentum = dict.fromkeys(lr | more, 0.9) | dict.fromkeys(_ADVERSARIES, 0.1)
    return {
        "lr": lr | more,
        "optimizer": dict.fromkeys(lr | more, "sgd"),
        "momentum": momentum,
    }


_FEW = {  # semi-supervised, appendix A.2.1
    "hidden": (1000, 1000),
    "latent": 10,
    "likelihood": "squared-error",
    "noise": 0.3,
    "init_std": 0.01,
    "steps": 5000 * EPOCH,
    "drops": (50 * EPOCH, 1000 * EPOCH),
    **_by_sgd(0.01, 0.1, classification=0.1),
}
_FEW_SOURCES = {
    "hidden": "appendix A.2.1",
    "latent": "appendix A.2.1",
    "likelihood": "appendix A.2.1: half squared error",
    "noise": "appendix A.2.1: on the input, in training",
    "lr": "appendix A.2.1",
    "momentum": "appendix A.2.1",
    "drops": "appendix A.2.1: after the epochs 50 and 1000",
    "steps": "appendix A.2.1: 5000 epochs, of 50,000 digits by batches of 100",
    "init_std": "appendix A.1",
    "batch_size": "appendix A.1: 100",
}
_FEW_SMALL = {"hidden": (100, 100), "latent": 5, "noise": 0.3, "steps": 2000}
_FEW_SHORT = {"latent": 10, "noise": 0.3, "steps": 10_000}

_CLUSTERS = {  # appendix A.3
    "hidden": (3000, 3000),
    "latent": 5,
    "likelihood": "squared-error",
    "dropout": 0.2,
    "init_std": 0.01,
    "steps": 1500 * EPOCH,
    "drops": (50 * EPOCH,),
    **_by_sgd(0.01, 0.1),
}
_CLUSTERS_SOURCES = {
    "hidden": "appendix A.3",
    "latent": "appendix A.3",
    "likelihood": "appendix A.3: half squared error, sigmoid output",
    "dropout": "appendix A.3: at the input only",
    "lr": "appendix A.3",
    "momentum": "appendix A.3",
    "drops": "appendix A.3: after epoch 50",
    "steps": "appendix A.3: 1500 epochs, of 50,000 digits by batches of 100",
    "init_std": "appendix A.1",
    "batch_size": "appendix A.1: 100",
}
_CLUSTERS_SMALL: dict[str, Any] = {  # a narrow, noisy style: the rest is left to y
    "hidden": (100, 100),
    "latent": 2,
    "noise": 0.3,
    "code_noise": 0.7,
    "y_noise": 0.3,
    "betas": (0.1, 0.999),
}
_CLUSTERS_SHORT = _CLUSTERS_SMALL | {"hidden": (1000, 1000), "steps": 10_000}

_PLANE_SOURCES = _FEW_SOURCES | {
    "latent": "figure 11",
    "eta": _OURS,
    "spread": "ours: heads begin at random",
    "lr": "of the heads ours, the rest appendix A.2.1",
}
_PLANE = _FEW | {"latent": 2}
_IN_THE_PLANE = {"latent": 2, "code_noise": 0.5, "y_noise": 0.3}


def _few(name: str, labels: int | None, reported: str) -> Experiment:
    known_ = "all" if labels is None else str(labels)
    return Experiment(
        f"aae/semi-supervised-{name}",
        f"classes and styles, {known_} labels known",
        "Makhzani et al. 2015, table 2",
        "aae-semi-supervised",
        "classification_error",
        reported,
        small=_FEW_SMALL | {"labels": labels and min(labels, 500)},
        short=_FEW_SHORT | {"labels": labels},
        paper=_FEW | {"labels": labels},
        sources=_FEW_SOURCES,
    )


def _clusters(heads: int, reported: str) -> Experiment:
    return Experiment(
        f"aae/clustering-{heads}",
        f"{heads} clusters and styles, no labels",
        "Makhzani et al. 2015, table 3",
        "aae-clustering",
        "clustering_error",
        reported,
        small=_CLUSTERS_SMALL | {"heads": heads},
        short=_CLUSTERS_SHORT | {"heads": heads},
        paper=_CLUSTERS | {"heads": heads},
        sources=_CLUSTERS_SOURCES,
    )


_INFORMED: dict[str, Any] = {  # as chapter 05; a fifth of the labels, as in the paper
    "posterior": "gaussian",
    "noise": 0.3,
    "lr": {"D": 1e-2, "G": 3e-3},
}
_SLOWER = {"lr": {"reconstruction": 3e-4, "D": 1e-3, "G": 5e-4}}  # of wide networks
_EUCLIDEAN = {"likelihood": "squared-error"}


def _label_informed(prior: str) -> Experiment:
    own = {"prior": prior}
    return Experiment(
        f"aae/label-informed-{prior}",
        "10,000 digits with labels and 40,000 without, each class to its component",
        "Makhzani et al. 2015, figure 4",
        "aae-label-informed",
        "component_error",
        "",
        small=own | _INFORMED | {"labels": 220, "hidden": (100, 100)},
        short=own | _INFORMED | {"labels": 10_000, "steps": 10_000} | _SLOWER,
        paper=own | _EUCLIDEAN | _SLOWER | {"labels": 10_000, "steps": 100 * EPOCH},
        sources={
            "labels": "sec. 2.3",
            "prior": "figure 4; its numbers as in public code",
            "likelihood": "appendix A.1",
            "hidden": "appendix A.1",
            "steps": _OURS,
            "lr": _OURS,
        },
    )


def _generative(name: str, summary: str, **own: Any) -> Experiment:
    own |= {"latent": 8, "likelihood": "squared-error", "prior_std": 5.0}
    return Experiment(
        f"aae/generative-mnist{name}",
        f"samples by the Parzen window: 8-D code, prior N(0, 25 I){summary}",
        "Makhzani et al. 2015, table 1",
        "aae",
        "parzen_log_likelihood",
        "340 ± 2 nats",
        small=own,
        short=own | {"steps": 10_000},
        paper=own | {"init_std": 0.01, "steps": 500 * EPOCH},
        sources={
            "hidden": "appendix A.1",
            "latent": "appendix A.1",
            "prior_std": "appendix A.1",
            "likelihood": "appendix A.1: Euclidean cost, sigmoid output",
            "init_std": "appendix A.1",
            "batch_size": "appendix A.1",
            "hidden_dropout": "ours: the paper names none; with it others reach 340",
            "steps": _OURS,
            "lr": _OURS,
        },
    )


ROWS = (
    _generative("", ""),
    _generative("-dropout", ", dropout in q and p", hidden_dropout=0.2),
    _label_informed("mixture"),
    _label_informed("swiss-roll"),
    Experiment(
        "aae/supervised-style",
        "the decoder is told the label: 15-D styles",
        "Makhzani et al. 2015, figure 7",
        "aae-supervised",
        "probe_error",
        "",
        small={"latent": 2, "hidden": (100, 100)},
        short={"latent": 15, "steps": 10_000},
        paper={"latent": 15, "likelihood": "squared-error", "steps": 200 * EPOCH},
        sources={
            "latent": "sec. 4",
            "hidden": "appendix A.1",
            "likelihood": "appendix A.1",
            "steps": _OURS,
            "lr": _OURS,
        },
    ),
    _few("100", 100, "1.90 ± 0.10 %"),
    _few("1000", 1000, "1.60 ± 0.08 %"),
    _few("all", None, "0.85 ± 0.02 %"),
    _clusters(16, "9.55 ± 2.05 %"),
    _clusters(30, "4.10 ± 1.13 %"),
    *(
        Experiment(
            f"aae/plane-{labels}",
            f"two dimensions, {labels} labels known",
            "Makhzani et al. 2015, figure 11",
            "aae-plane-labels",
            "classification_error",
            reported,
            small=_FEW_SMALL | _IN_THE_PLANE | {"labels": min(labels, 500)},
            short=_FEW_SHORT | _IN_THE_PLANE | {"labels": labels},
            paper=_PLANE
            | {"labels": labels}
            | _by_sgd(0.01, 0.1, classification=0.1, heads=0.01),
            sources=_PLANE_SOURCES,
        )
        for labels, reported in ((1000, "4.20 %"), (100, "6.08 %"))
    ),
    Experiment(
        "aae/plane-unlabelled",
        "two dimensions, 20 clusters, no labels",
        "Makhzani et al. 2015, figure 11",
        "aae-plane",
        "clustering_error",
        "13.95 %",
        small=_CLUSTERS_SMALL | {"heads": 20, "latent": 2},
        short=_CLUSTERS_SHORT | {"heads": 20, "latent": 2},
        paper=_CLUSTERS | {"heads": 20, "latent": 2} | _by_sgd(0.01, 0.1, heads=0.01),
        sources=_CLUSTERS_SOURCES
        | {"eta": _OURS, "spread": _OURS, "latent": "figure 11"},
    ),
    Experiment(
        "aae/ten-dimensions-100",
        "ten dimensions, heads 10 I, 100 labels known",
        "Makhzani et al. 2015, figure 11",
        "aae-fixed-heads",
        "classification_error",
        "3.90 %",
        small=_FEW_SMALL | {"latent": 10, "labels": 100},
        short=_FEW_SHORT | {"latent": 10, "labels": 100},
        paper=_FEW | {"labels": 100},
        sources=_FEW_SOURCES,
    ),
)
