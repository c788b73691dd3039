"""What each precision costs in accuracy: the error of one gradient, and the quality
that a short run ends with. `python -m
benchmarks.accuracy`, as JSON on the last line."""

import copy
import json

import torch
from torch import Tensor

from adv_ae.data import as_float, digits
from adv_ae.game import Game
from adv_ae.precision import at_precision
from adv_ae.priors import Prior
from adv_ae.training import fit
from benchmarks.work import WORKS

PRECISIONS = ("highest", "medium", "bfloat16")
SEEDS = 5
STEPS = 1000  # of a run on digits


class Drawn(Prior):
    """A draw that was made before: the same at every precision.

    Args:
        z: (N, dim), what `sample(N)` returns.
    """

    z: Tensor

    def __init__(self, z: Tensor):
        super().__init__()
        self.register_buffer("z", z)

    def sample(self, n: int) -> Tensor:
        return self.z[:n]


def gradients(game: Game, x: Tensor) -> dict[str, Tensor]:
    """Of every player's loss by all its weights as they are, each as one vector."""
    losses = game.losses(x)
    return {
        player: torch.cat(
            [
                slope.flatten()
                for slope in torch.autograd.grad(
                    loss, game.weights(player), retain_graph=True
                )
            ]
        )
        for player, loss in losses.items()
    }


def gradient_errors(precision: str) -> dict[str, float]:
    """``|g - g*| / |g*|`` of every player of the AAE at its first step, g* in
    float64."""
    work = WORKS["aae"]
    game = work.game("cpu")
    x = as_float(work.data()[0][0][: work.batch])
    game.prior = Drawn(game.prior.sample(work.batch))
    with at_precision(game, precision):
        found = gradients(game, x)
    exact = gradients(copy.deepcopy(game).double(), x.double())
    return {k: float((found[k] - g).norm() / g.norm()) for k, g in exact.items()}


def minibatch_noise() -> dict[str, float]:
    """``|g_1 - g_2| / (sqrt(2) |mean|)`` of the same gradients, of two minibatches with
    a prior's draw each: what a gradient differs by whatever the precision."""
    work = WORKS["aae"]
    game = work.game("cpu")
    x = as_float(work.data()[0][0][: 2 * work.batch])
    first, second = (gradients(game, half) for half in x.chunk(2))
    return {
        k: float((g - second[k]).norm() / (g + second[k]).norm() * 2**0.5)
        for k, g in first.items()
    }


def reconstruction(precision: str, seed: int) -> float:
    """-log p(x | z), nats a digit, on held-out digits after a run of the small AAE."""
    data = digits()
    torch.manual_seed(seed)
    game = WORKS["small"].build()
    fit(game, data.train.x, steps=STEPS, seed=seed, precision=precision)
    x = data.test.x
    with torch.no_grad(), at_precision(game, precision):
        return float(-game.p(game.encode(x)).log_prob(x).mean())


def accuracy() -> dict:
    """Of every precision, beside the noise of minibatches."""
    torch.set_num_threads(1)
    precisions = {
        precision: {
            "gradient": gradient_errors(precision),
            "reconstruction": [reconstruction(precision, s) for s in range(SEEDS)],
        }
        for precision in PRECISIONS
    }
    return {"precisions": precisions, "minibatch": minibatch_noise()}


if __name__ == "__main__":
    print(json.dumps(accuracy()))
