"""The experiments of the ALI paper (Dumoulin et al., 2017): its tables, and the grid of
25 Gaussians."""

import random
from typing import Any

from adv_ae.networks import TABLES
from adv_ae.recipes.experiment import Experiment

_BETAS = "appendix A; printed in an older convention, in which beta2 = 1e-3 is 0.999"


def _by_table(name: str, examples: int) -> dict[str, Any]:
    """Options of a layer table, its epochs over so many examples."""
    table = TABLES[name]
    return {
        "networks": f"ali-{name}",
        "lr": table.lr,
        "betas": table.betas,
        "batch_size": table.batch,
        "constant": True,
        "steps": table.epochs * (examples // table.batch),
    }


_SOURCES = {
    "networks": "appendix A, the table of the data set",
    "data": "sec. 4",
    "lr": "appendix A",
    "betas": _BETAS,
    "batch_size": "appendix A",
    "constant": "appendix A: one rate",
    "steps": "appendix A: epochs",
}
# On digits: chosen on their valid split.
_FEW: dict[str, Any] = {
    "hidden": (128, 128),
    "batch_norm": True,
    "latent": 10,
    "lr": 1e-3,
    "steps": 2000,
}


def _cifar10(labels: int, reported: str) -> Experiment:
    own = {"data": "cifar10", "labels": labels}
    paper = own | _by_table("cifar10", 45_000)
    return Experiment(
        f"ali/cifar10-{labels}",
        f"CIFAR-10, {labels} labels known, no feature matching",
        "Dumoulin et al. 2017, table 2",
        "ali-semi-supervised",
        "classification_error",
        reported,
        small=_FEW | {"labels": labels // 20},
        short=paper | {"steps": 1000},
        paper=paper,
        sources=_SOURCES,
    )


_GRID: dict[str, Any] = {"data": "gaussian-grid", "latent": 2}
_GRID_SMALL = _GRID | {"hidden": (128, 128, 128), "lr": 1e-3, "batch_norm": True}
_GRID_PAPER = _GRID | {
    "examples": 100_000,
    "lr": 1e-4,
    "betas": TABLES["mixture"].betas,
    "constant": True,
    "batch_size": 100,
    "steps": 200 * 1000,
}
_MIXTURE = {"networks": "ali-mixture", "posterior": "universal"}
_GRID_SOURCES = _SOURCES | {
    "examples": "sec. 4.5: 100,000",
    "latent": "authors' code, ali_mixture.py",
    "networks": "authors' code, ali_mixture.py",
    "posterior": "authors' code; of the regression a point, by squared error",
    "prior": "authors' code",
    "code_noise": "the regression's scale: half the squared error of z",
    "hidden": "authors' code; GAN's are the same without z",
    "batch_norm": "authors' code",
    "lr": "authors' code; the paper draws rate, beta1 and init at random, ten times",
    "betas": "authors' code, beta1 = 0.8 in the older convention",
    "batch_size": "authors' code",
    "steps": "authors' code: 200 epochs",
    "init_std": "authors' code",
}

_WIDE = {"hidden": (400, 400, 400, 400), "batch_norm": True, "init_std": 0.02}
_REGRESSION = {"prior": "normal", "posterior": "deterministic", "code_noise": 1.0}


def _grid(name: str, summary: str, method: str, measure: str) -> Experiment:
    own = _REGRESSION if method == "latent-regressor" else {}
    nets = _MIXTURE if method == "ali" else _WIDE
    return Experiment(
        f"ali/grid{name}",
        f"25 Gaussians: {summary}",
        "Dumoulin et al. 2017, section 4.5",
        method,
        measure,
        "",
        small=_GRID_SMALL | own | {"steps": 3000},
        short=_GRID_PAPER | nets | own | {"steps": 10_000},
        paper=_GRID_PAPER | nets | own,
        sources=_GRID_SOURCES,
    )


def _settings(n: int) -> tuple[dict[str, Any], ...]:
    """Settings of the study: rate, beta1 and spread of the first weights at random."""
    draw = random.Random(0).uniform
    return tuple(
        {
            "lr": round(10 ** draw(-4.5, -2.5), 6),
            "betas": (round(draw(0, 0.9), 2), 0.999),
            "init_std": round(10 ** draw(-2.5, -1), 4),
        }
        for _ in range(n)
    )


def _study(name: str, method: str, reported: str) -> Experiment:
    nets = _MIXTURE if method == "ali" else _WIDE
    return Experiment(
        f"ali/modes{name}",
        f"25 Gaussians, ten random settings: modes reached by {method.upper()}'s draws",
        "Dumoulin et al. 2017, section 4.5",
        method,
        "modes_reached",
        reported,
        small=_GRID_SMALL | {"steps": 3000},
        short=_GRID_PAPER | nets | {"steps": 10_000},
        paper=_GRID_PAPER | nets,
        sources=_GRID_SOURCES
        | {"settings": "sec. 4.5: at random, ten times; their ranges are ours"},
        settings=_settings(10),
    )


_SVHN = _by_table("svhn", 531_131) | {"data": "svhn-extra"}
_SVHN_FEW = _by_table("svhn", 63_257) | {"data": "svhn", "labels": 1000}

ROWS = (
    Experiment(
        "ali/svhn-svm",
        "SVHN, an SVM on the encoder's layers, 1000 labels",
        "Dumoulin et al. 2017, table 1",
        "ali",
        "svm_error",
        "19.14 ± 0.50 %",
        small=_FEW,
        short=_SVHN | {"steps": 1000},
        paper=_SVHN,
        sources=_SOURCES
        | {"data": "authors' code: the extra split; ours: so are the 1000 labels"},
    ),
    Experiment(
        "ali/svhn-1000",
        "SVHN, 1000 labels known, no feature matching",
        "Dumoulin et al. 2017, table 1",
        "ali-semi-supervised",
        "classification_error",
        "7.42 ± 0.65 %",
        small=_FEW | {"labels": 100},
        short=_SVHN_FEW | {"steps": 1000},
        paper=_SVHN_FEW,
        sources=_SOURCES,
    ),
    _cifar10(1000, "19.98 ± 0.89 %"),
    _cifar10(2000, "19.09 ± 0.44 %"),
    _cifar10(4000, "17.99 ± 1.62 %"),
    _cifar10(8000, "17.05 ± 1.49 %"),
    _study("", "ali", "13.4 ± 5.8"),
    _study("-gan", "gan", "10.4 ± 9.2"),
    _grid("", "modes that 10,000 samples reach, one setting", "ali", "modes_reached"),
    _grid("-gan", "the same of a GAN", "gan", "modes_reached"),
    _grid(
        "-inverse",
        "points given back in their mode by a GAN and a regression of z",
        "latent-regressor",
        "mode_kept",
    ),
    _grid("-vae", "the same of a VAE", "vae", "mode_kept"),
)
