"""All experiments of the papers by name."""

from collections.abc import Mapping

from adv_ae.recipes import aae, ali, bigan, iwae
from adv_ae.recipes.experiment import SIZES, Experiment
from adv_ae.recipes.methods import METHODS, known

ROWS = (*iwae.ROWS, *aae.ROWS, *ali.ROWS, *bigan.ROWS)
EXPERIMENTS: Mapping[str, Experiment] = {row.name: row for row in ROWS}
"""Every experiment by name."""


def rows(name: str) -> list[Experiment]:
    """The experiments of a name: one row (`aae/clustering-16`), a table
    (`aae/table2`), or a paper (`aae`).

    Raises:
        RecipeError: there are none; the message suggests the nearest name.
    """
    groups: dict[str, list[Experiment]] = {}
    for row in ROWS:
        for key in (row.name, row.table, row.name.split("/")[0]):
            groups.setdefault(key, []).append(row)
    return groups[known(name, groups, "experiment")]


def named(name: str) -> Experiment | None:
    """The experiment of that name; None if it is a method's.

    Raises:
        RecipeError: it is neither.
    """
    if "/" in name:
        return EXPERIMENTS[known(name, EXPERIMENTS, "experiment")]
    known(name, METHODS, "method")
    return None


__all__ = ["EXPERIMENTS", "SIZES", "Experiment", "named", "rows"]
