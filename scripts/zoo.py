"""Train the models of the zoo, and put them into the package.

    python scripts/zoo.py                   # every model that is not there yet
    python scripts/zoo.py aae/mnist-2d ...  # these, whether or not they are

Runs stand in runs/zoo/; one that was stopped goes on where it was. At the end the table
of the page "Trained models" is written from the cards.
"""

import csv
import io
import sys
from pathlib import Path

import torch

from adv_ae import runs, zoo
from adv_ae.measures import figure as shown
from adv_ae.recipes import known
from adv_ae.zoo.pack import pack

TABLE = Path(__file__).resolve().parent.parent / "book" / "_static" / "zoo.csv"


def table() -> str:
    """A line a model, from the cards."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["model", "what it is", "on test data", "steps"])
    for name in zoo.MODELS:
        card = zoo.card(name)
        writer.writerow(
            [
                f"`{name}`",
                card.summary,
                figure(card),
                f"{card.steps:,}",
            ]
        )
    return out.getvalue()


def figure(card: zoo.Card) -> str:
    """The measure of a card in words."""
    words, value = card.measure.replace("_", " "), card.test[card.measure]
    return f"{words} {shown(card.measure, [value])}"


def main(names: list[str]) -> int:
    torch.set_num_threads(1)
    missing = [name for name in zoo.MODELS if not zoo.path(name).exists()]
    for name in [known(n, zoo.MODELS, "model of the zoo") for n in names] or missing:
        recipe, folder = zoo.MODELS[name].recipe(), f"runs/zoo/{name}"
        runs.train(recipe, recipe.dataset(), folder, resume=True, progress=True)
        card = pack(name, folder)
        print(f"{name}: {figure(card)}, {card.dtype}")
    TABLE.write_text(table())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
