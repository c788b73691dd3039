"""Runs on streamed data, for the tests of each kind of it."""

import torch

from adv_ae.training import fit


def play(game, data, steps=13, **options):
    """Weights and a player's losses of a short run."""
    history = fit(game, data, steps=steps, batch_size=5, seed=1, **options)
    return game.state_dict(), history["G"]


def same(one, other):
    """Whether two states are equal bit for bit."""
    return one.keys() == other.keys() and all(
        torch.equal(one[k], other[k]) for k in one
    )
