"""Train the models of the zoo, and put them into the package.

    python scripts/zoo.py                   # every model that is not there yet
    python scripts/zoo.py aae/mnist-2d ...  # these, whether or not they are

Runs stand in runs/zoo/; one that was stopped goes on where it was.
"""

import sys

import torch

from adv_ae import runs, zoo
from adv_ae.results import commit_now
from adv_ae.zoo.pack import pack


def main(names: list[str]) -> int:
    torch.set_num_threads(1)
    for name in names or [n for n in zoo.MODELS if not zoo.path(n).exists()]:
        recipe, folder, commit = (
            zoo.MODELS[name].recipe(),
            f"runs/zoo/{name}",
            commit_now(),
        )
        runs.train(recipe, recipe.dataset(), folder, resume=True, progress=True)
        card = pack(name, folder, commit)
        print(f"{name}: {card.measure} {card.test[card.measure]:.4f}, {card.dtype}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
