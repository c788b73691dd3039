"""What the zoo's models are: a recipe each, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adv_ae.recipes import SHAPES, Recipe, recipe

EPOCH = 500  # steps, of 50,000 pictures by batches of 100
SEED = 0  # of all: the first one, not the best

# The decoder of a code in the plane ends in 512-128-784 weights, so that an explorer
# can carry it into a page; the encoder has the same widths.
_PLANE: dict[str, Any] = {"hidden": (128, 512), "latent": 2}
_WIDE: dict[str, Any] = {"hidden": (400, 400)}
# Chosen on the valid split: D quicker than G, else codes run away from D. In the plane
# a long run at these rates scrambles the digits (the cross-entropy rises from 4,000
# steps on): so it is a short one, and a code with noise.
_GENTLE: dict[str, Any] = {"lr": {"reconstruction": 5e-4, "D": 1e-3, "G": 5e-4}}
# With labels in D the reconstruction is slower still, as in the row of figure 4:
# else it lays out the plane before they do.
_SLOW: dict[str, Any] = {"lr": {"reconstruction": 3e-4, "D": 1e-3, "G": 5e-4}}
_AAE_PLANE = _PLANE | _GENTLE | {"posterior": "gaussian", "steps": 16 * EPOCH}


@dataclass(frozen=True)
class Model:
    """A model of the zoo.

    Attributes:
        summary: one line.
        method: one of `recipes.METHODS`.
        data: name of the data set.
        measure: the figure of `evaluation.evaluate` by which it is judged.
        options: of `recipes.recipe`.
    """

    summary: str
    method: str
    data: str
    measure: str
    options: Mapping[str, Any] = field(hash=False)

    def recipe(self) -> Recipe:
        """The run that makes it."""
        return recipe(
            self.method, self.data, SHAPES[self.data], seed=SEED, **self.options
        )


MODELS: Mapping[str, Model] = {
    "vae/mnist-2d": Model(
        "VAE with a code in the plane",
        "vae",
        "mnist",
        "cross_entropy",
        _PLANE | {"steps": 60 * EPOCH},
    ),
    "aae/mnist-2d": Model(
        "AAE with a code in the plane, prior N(0, I)",
        "aae",
        "mnist",
        "cross_entropy",
        _AAE_PLANE,
    ),
    "aae/mnist-mixture": Model(
        "AAE whose D is told 10,000 labels: each digit in its petal of ten Gaussians",
        "aae-label-informed",
        "mnist",
        "component_error",
        _AAE_PLANE | _SLOW | {"prior": "mixture", "labels": 10_000},
    ),
    "aae/mnist-style": Model(
        "AAE whose decoder is told the digit: a 15-D handwriting style",
        "aae-supervised",
        "mnist",
        "probe_error",
        _WIDE | _GENTLE | {"latent": 15, "steps": 20 * EPOCH},
    ),
    "aae/mnist-style-2d": Model(
        "the same with a style in the plane",
        "aae-supervised",
        "mnist",
        "probe_error",
        _AAE_PLANE,
    ),
    "aae/fashion-mnist-style-2d": Model(
        "the same on clothes: a style in the plane",
        "aae-supervised",
        "fashion-mnist",
        "probe_error",
        _AAE_PLANE,
    ),
    "aae/mnist-100-labels": Model(
        "semi-supervised AAE, 100 labels known: digit and 10-D style",
        "aae-semi-supervised",
        "mnist",
        "classification_error",
        _WIDE | {"latent": 10, "labels": 100, "noise": 0.3, "steps": 24 * EPOCH},
    ),
    "ali/mnist": Model(
        "ALI with a stochastic encoder",
        "ali",
        "mnist",
        "svm_error",
        _WIDE | {"latent": 16, "batch_norm": True, "steps": 60 * EPOCH},
    ),
    "bigan/mnist": Model(
        "BiGAN, the paper's networks of narrower layers",
        "bigan",
        "mnist",
        "feature_accuracy",
        {
            "networks": "bigan",
            "posterior": "signs",
            "hidden": (384, 384),
            "latent": 50,
            "batch_size": 128,
            "weight_decay": 2.5e-5,
            "fade": 0.01,
            "steps": 60 * 390,
        },
    ),
}
"""Every model by name."""
