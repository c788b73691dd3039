"""What the zoo's models are: a recipe each, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adv_ae.recipes import Recipe, recipe

EPOCH = 500  # steps, of 50,000 pictures by batches of 100
SEED = 0  # of all: the first one, not the best

# The decoder of a code in the plane ends in 512-128-784 weights, so that an explorer
# can carry it into a page; the encoder has the same widths.
_PLANE: dict[str, Any] = {"hidden": (128, 512), "latent": 2, "steps": 60 * EPOCH}
_WIDE: dict[str, Any] = {"hidden": (400, 400), "steps": 60 * EPOCH}
# D quicker than G, and both than the reconstruction: else codes run away from D.
_GENTLE = {"lr": {"reconstruction": 3e-4, "D": 1e-3, "G": 5e-4}}


@dataclass(frozen=True)
class Model:
    """A model of the zoo.

    Attributes:
        summary: one line.
        method: one of `recipes.METHODS`.
        data: a data set of 28x28 pictures.
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
        return recipe(self.method, self.data, (28, 28), seed=SEED, **self.options)


MODELS: Mapping[str, Model] = {
    "vae/mnist-2d": Model(
        "VAE with a code in the plane",
        "vae",
        "mnist",
        "cross_entropy",
        _PLANE,
    ),
    "aae/mnist-2d": Model(
        "AAE with a code in the plane, prior N(0, I)",
        "aae",
        "mnist",
        "cross_entropy",
        _PLANE | _GENTLE,
    ),
    "aae/mnist-mixture": Model(
        "AAE whose D is told 10,000 labels: each digit in its petal of ten Gaussians",
        "aae-label-informed",
        "mnist",
        "component_error",
        _PLANE
        | _GENTLE
        | {"prior": "mixture", "posterior": "gaussian", "labels": 10_000},
    ),
    "aae/mnist-style": Model(
        "AAE whose decoder is told the digit: a 15-D handwriting style",
        "aae-supervised",
        "mnist",
        "probe_error",
        _WIDE | _GENTLE | {"latent": 15},
    ),
    "aae/mnist-style-2d": Model(
        "the same with a style in the plane",
        "aae-supervised",
        "mnist",
        "probe_error",
        _PLANE | _GENTLE,
    ),
    "aae/fashion-mnist-style-2d": Model(
        "the same on clothes: a style in the plane",
        "aae-supervised",
        "fashion-mnist",
        "probe_error",
        _PLANE | _GENTLE,
    ),
    "aae/mnist-100-labels": Model(
        "semi-supervised AAE, 100 labels known: digit and 10-D style",
        "aae-semi-supervised",
        "mnist",
        "classification_error",
        _WIDE | {"latent": 10, "labels": 100, "noise": 0.3},
    ),
    "ali/mnist": Model(
        "ALI with a stochastic encoder",
        "ali",
        "mnist",
        "svm_error",
        _WIDE | {"latent": 16, "batch_norm": True},
    ),
    "bigan/mnist": Model(
        "BiGAN, the paper's networks of narrower layers",
        "bigan",
        "mnist",
        "feature_accuracy",
        {
            "networks": "bigan",
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
