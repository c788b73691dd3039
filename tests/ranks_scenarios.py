"""What `test_ranks.py` has several processes do.

A program: it imports torch once and forks the ranks of every scenario, so that ten
scenarios cost little more than one. They meet as torchrun's workers do.
"""

import math
import os
import signal
import sys
import traceback
from pathlib import Path

import torch
import torch.distributed as dist
from test_conformance import GAMES, batch
from torch import nn

from adv_ae import games, step, training
from adv_ae.conditionals import Bernoulli, Gaussian
from adv_ae.game import Game
from adv_ae.networks import MLP, Discriminator
from adv_ae.priors import Normal
from adv_ae.ranks import joined
from adv_ae.training import adam, fit

GAME_STEPS = 4
STEPS = 30
OPTIONS = {"steps": STEPS, "batch_size": 10, "seed": 1, "every": 5}
DATA = torch.rand(64, 6, generator=torch.Generator().manual_seed(1))


# ---- every game, a few steps
def built(name):
    """A game of the conformance suite in float64, its Adams, and its batch."""
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    game = GAMES[name]().double()
    optimizers = {k: torch.optim.Adam(game.weights(k), 0.01) for k in game.players}
    data = [t.double() if t.is_floating_point() else t for t in batch(game)]
    return game, optimizers, data


def noise_of(rank):
    """State of the generator of a rank at the first step."""
    return torch.Generator().manual_seed(100 + rank).get_state()


def every_game(ranks, _):
    """{name: (losses of every step, weights)} of ranks that average gradients."""
    found = {}
    for name in GAMES:
        game, optimizers, data = built(name)
        mine = [t[ranks.share(len(t))] for t in data]
        torch.set_rng_state(noise_of(ranks.rank))
        losses = torch.zeros(GAME_STEPS, len(game.players))
        with ranks.averaging(optimizers):
            for i in range(GAME_STEPS):
                report = step(game, optimizers, *mine)
                losses[i] = torch.stack([report[k] for k in game.players])
        ranks.mean_(losses)
        found[name] = losses, game.state_dict()
    torch.set_default_dtype(torch.float32)
    return found


def noise(ranks, _):
    torch.manual_seed(5)
    ranks.spread_noise()
    return torch.rand(4)


# ---- fit
def aae():
    """With all that a checkpoint must keep: batch norm, dropout, noise."""
    q = Gaussian(MLP(6, 8, 4, batch_norm=True))
    D = Discriminator(2, 8, dropout=0.1)
    return games.AAE(q, Bernoulli(MLP(2, 8, 6)), Normal(2), D)


def trained(folder, seed=0, game=None, **options):
    """(losses, weights, random numbers) of a run that goes on where it stands."""
    torch.manual_seed(seed)
    game = game or aae()
    options = OPTIONS | {"checkpoint": folder, "resume": True} | options
    history = fit(game, DATA, adam(game, 1e-2), **options)
    return dict(history), game.state_dict(), torch.rand(3)


def ends_at(rank, at, how):
    """A callback by which a rank comes to an end after a step."""

    def end(game, i, losses):
        if i == at and dist.get_rank() == rank:
            how()

    return end


def killed(rank, at):
    return ends_at(rank, at, lambda: os.kill(os.getpid(), signal.SIGKILL))


def told(rank, at, by):
    """Twice: torchrun passes on what the terminal has sent already."""
    return ends_at(rank, at, lambda: [os.kill(os.getpid(), by) for _ in range(2)])


class Rows(Game):
    """Remembers the rows that it is given; `broken` gives the step and the rank at
    which its loss is nan."""

    players = {"m": ("m",)}

    def __init__(self, broken=None):
        super().__init__()
        self.m, self.rows, self.broken = nn.Parameter(torch.zeros(())), [], broken

    def play(self, x):
        self.rows.append(x.long().tolist())
        bad = self.broken == (len(self.rows), dist.get_rank() if self.broken else 0)
        yield {"m": (x - self.m).square().mean() * (math.nan if bad else 1.0)}


def met_often(*args, **options):
    """`trained`, in a run whose ranks meet at every fourth step."""
    training.LOOK = 4
    return trained(*args, **options)


def rows(folder, steps, seed=0, broken=None, **options):
    """The rows of each step of 2 to an epoch of 23."""
    game = Rows(broken)
    torch.manual_seed(seed)
    fit(
        game,
        torch.arange(23.0),
        adam(game, 1e-2),
        steps,
        10,
        checkpoint=folder,
        resume=True,
        **options,
    )
    return game.rows


# name: the calls, one after the other, each on so many ranks
SCENARIOS = {
    "games": [(2, every_game)],
    "noise": [(2, noise)],
    "whole": [(2, lambda ranks, at: trained(at, seed=ranks.rank))],
    "alone": [(1, lambda _, at: trained(at))],
    "resumed": [
        (2, lambda _, at: trained(at, callbacks=[killed(1, 2)])),  # before the first
        (2, lambda _, at: trained(at, callbacks=[killed(1, 13)])),
        (2, lambda _, at: trained(at, callbacks=[killed(0, 26)])),
        (2, lambda _, at: trained(at)),
    ],
    "terminated": [
        (2, lambda _, at: met_often(at, callbacks=[told(1, 7, signal.SIGTERM)])),
        (2, lambda _, at: met_often(at, callbacks=[told(0, 12, signal.SIGINT)])),
        (2, lambda ranks, at: met_often(at, time_limit=1e9 if ranks.rank else 1e-9)),
        (2, lambda _, at: trained(at)),
    ],
    "nan": [(2, lambda _, at: rows(at, 20, broken=(14, 1), every=5))],
    "rows": [(2, lambda ranks, at: rows(at, 7, seed=ranks.rank))],
    "rows 2 to 1": [
        (2, lambda _, at: rows(at, 7)),
        (1, lambda _, at: rows(at, 9)),
    ],
    "rows 1 to 2": [
        (1, lambda _, at: rows(at, 7)),
        (2, lambda _, at: rows(at, 9)),
    ],
    "another's folder": [
        (1, lambda _, at: rows(at, 7)),
        (2, lambda _, at: trained(at)),
    ],
    "uneven": [(2, lambda _, at: trained(at, batch_size=9))],
    "2 to 1": [
        (2, lambda _, at: trained(at, callbacks=[killed(0, 18), killed(1, 18)])),
        (1, lambda _, at: trained(at)),
    ],
    "1 to 2": [
        (1, lambda _, at: trained(at, time_limit=1e-9)),
        (2, lambda _, at: trained(at)),
    ],
}


def rank_of(rank, size, work, folder, call):
    """Body of a process: `work`, and its outcome in a file."""
    signal.alarm(60)  # whatever hangs, ends
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(size),
    }
    try:
        with joined() as ranks:
            outcome = work(ranks, folder / "checkpoint")
    except BaseException as error:
        traceback.print_exc()
        outcome = f"{type(error).__name__}: {error}"
    torch.save(outcome, folder / f"call-{call}-{rank}.pt")


def meeting_point():
    """Where ranks find each other, as torchrun has it: at a free port."""
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }
    return store


def main(folder):
    torch.set_num_threads(1)
    trained(None, steps=1)  # imports what optimizers need, once
    for name, calls in SCENARIOS.items():
        place = folder / name
        place.mkdir()
        for call, (size, work) in enumerate(calls):
            store = meeting_point()  # lives until all of them have ended
            for child in [forked(r, size, work, place, call) for r in range(size)]:
                os.waitpid(child, 0)
            del store


def forked(*args):
    """Number of a process that is this rank."""
    child = os.fork()
    if child == 0:
        try:
            rank_of(*args)
        finally:
            sys.stderr.flush()
            os._exit(0)
    return child


if __name__ == "__main__":
    main(Path(sys.argv[1]))
