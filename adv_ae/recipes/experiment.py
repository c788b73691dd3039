"""A row of a paper's table, at three sizes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adv_ae.recipes.build import Recipe, recipe
from adv_ae.recipes.methods import known

SIZES = ("small", "short", "paper")
SHAPES = {
    "digits": (8, 8),
    "mnist": (28, 28),
    "fashion-mnist": (28, 28),
    "cifar10": (3, 32, 32),
    "svhn": (3, 32, 32),
    "svhn-extra": (3, 32, 32),
    "gaussian-grid": (2,),
}
OURS = "ours: the paper prints none"


@dataclass(frozen=True)
class Experiment:
    """A row of a paper's table, or a figure's experiment.

    Three sizes of each: `small`, on scikit-learn's digits in seconds; `short`, the
    paper's data and networks with Adam, an hour of a CPU at most; `paper`, the paper's
    own numbers, which wants a GPU. Where the options do not name a data set it is
    `digits` at the small size and `mnist` at the others.

    Attributes:
        name: `paper/experiment`.
        summary: one line.
        source: paper and table or figure.
        method: one of `METHODS`.
        measure: the figure of `evaluation.evaluate` that the paper reports, or the
            one by which we judge it.
        reported: what the paper reports, as it prints it, "" for a figure.
        small, short, paper: options of `recipe`, each.
        sources: {option: where the paper's value comes from, or why ours}.
        settings: of a study over settings: more options, of each seed its own.
    """

    name: str
    summary: str
    source: str
    method: str
    measure: str
    reported: str
    small: Mapping[str, Any] = field(hash=False)
    short: Mapping[str, Any] = field(hash=False)
    paper: Mapping[str, Any] = field(hash=False)
    sources: Mapping[str, str] = field(hash=False)
    settings: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)

    @property
    def table(self) -> str:
        """`paper/table`, by which several rows are named at once."""
        return (
            f"{self.name.split('/')[0]}/{self.source.split(', ')[1].replace(' ', '')}"
        )

    def options(self, size: str, seed: int = 0) -> dict[str, Any]:
        """Options of `recipe` at a size, of a study those of a seed's setting, too.

        Raises:
            RecipeError: there is no such size.
        """
        data = "digits" if known(size, SIZES, "size") == "small" else "mnist"
        own = self.settings[seed % len(self.settings)] if self.settings else {}
        return {"data": data, **getattr(self, size), **own}

    def recipe(self, size: str, seed: int, length: float = 1.0) -> Recipe:
        """The run of a size and a seed, `length` times as long as the size has it."""
        options = self.options(size, seed)
        data = options.pop("data")
        made = recipe(self.method, data, SHAPES[data], seed=seed, **options)
        return made.stretched(length)
