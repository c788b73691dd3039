"""Small trained models that come with the package: nothing is fetched.

Example:
    >>> from adv_ae import zoo
    >>> game = zoo.load("aae/mnist-2d")
    >>> game.sample(3).shape
    torch.Size([3, 784])
    >>> zoo.card("aae/mnist-2d").license
    'CC BY-SA 3.0'
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from adv_ae import runs
from adv_ae.game import Game
from adv_ae.recipes import Recipe, known
from adv_ae.zoo.models import MODELS, Model

__all__ = [
    "MODELS",
    "Card",
    "Model",
    "ZooError",
    "card",
    "codes",
    "load",
    "path",
    "recipe",
]

HERE = Path(__file__).resolve().parent
WEIGHTS, CODES, CARD = "weights.safetensors", "codes.safetensors", "card.json"


class ZooError(Exception):
    """A model whose files are not those of its card."""


@dataclass(frozen=True)
class Card:
    """What a model is, what made it, and how good it is.

    Attributes:
        name, summary: of the model.
        license: of the data that it learned from.
        source: where these come from.
        measure: the figure by which it is judged.
        test: all figures of `evaluation.evaluate` on the test split, of the weights as
            they are stored; `valid` likewise.
        full_precision: the measure on the test split before weights were rounded.
        dtype: of the stored weights.
        sha256: of the file of weights.
        bytes: of that file.
        steps, seconds: of the training, wall time.
        device, torch, adv_ae, commit: that it was trained by.
        recipe: the whole of it, with the seed.
    """

    name: str
    summary: str
    license: str
    source: str
    measure: str
    test: dict[str, float]
    valid: dict[str, float]
    full_precision: float
    dtype: str
    sha256: str
    bytes: int
    steps: int
    seconds: float
    device: str
    torch: str
    adv_ae: str
    commit: str
    recipe: dict[str, Any]


def path(name: str) -> Path:
    """The run folder of a model: what `runs.load` and `adv-ae sample` take.

    Raises:
        RecipeError: there is no such model; the message suggests the nearest.
    """
    return HERE / known(name, MODELS, "model of the zoo")


def card(name: str) -> Card:
    """The card of a model.

    Raises:
        RecipeError: there is no such model.
        ZooError: its card cannot be read.
    """
    file = path(name) / CARD
    try:
        return Card(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise ZooError(f"{name}: its card cannot be read: {error}. {_AGAIN}") from None


def load(name: str, device: str = "cpu") -> Game:
    """A model in eval mode, float32; its class is that of its method.

    Args:
        name: one of `MODELS`.
        device: where it goes.

    Raises:
        RecipeError: there is no such model.
        ZooError: the weights are not those of its card.
    """
    _check(name)
    return runs.load(path(name), device)[1]


def codes(name: str) -> tuple[Tensor, Tensor]:
    """Codes of the first 1,000 test pictures, and their labels: what the model makes of
    data that it has not seen, without the data.

    Returns:
        z (1000, d), one draw of q(z|x) each; y (1000,).

    Raises:
        RecipeError, ZooError: as in `load`.
    """
    _check(name)
    try:
        found = load_file(path(name) / CODES)
    except (OSError, SafetensorError) as error:
        raise ZooError(f"{name}: its codes cannot be read: {error}. {_AGAIN}") from None
    return found["z"].float(), found["y"].long()


def recipe(name: str) -> Recipe:
    """The recipe of a model, as its run folder holds it.

    Raises:
        RecipeError: there is no such model.
    """
    return runs.load_recipe(path(name))


def _check(name: str) -> None:
    expected = card(name).sha256
    try:
        found = hashlib.sha256((path(name) / WEIGHTS).read_bytes()).hexdigest()
    except OSError as error:
        raise ZooError(f"{name}: its weights cannot be read: {error}.") from None
    if found != expected:
        raise ZooError(
            f"{name}: the sha256 of its weights is {found[:12]}..., not "
            f"{expected[:12]}... as its card says. {_AGAIN}"
        )


_AGAIN = "Install adv_ae again."
