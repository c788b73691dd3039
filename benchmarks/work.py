"""What is timed: the games with their sizes, and the data."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from adv_ae.conditionals import Bernoulli, Categorical, Deterministic, TwoHeads
from adv_ae.data import as_float, digits, mnist
from adv_ae.game import Game
from adv_ae.games import AAE, BiGAN, SemiSupervisedAAE
from adv_ae.networks import MLP, Discriminator
from adv_ae.priors import Normal, OneHot, Uniform

LR = 1e-3  # of every optimizer of every contender: torch's own
LABELLED = 1000  # examples whose label is known, of the semi-supervised work

Streams = list[tuple[Tensor, ...]]
#: Called after every step with the losses that it had.
Tick = Callable[[Mapping[str, Tensor | float]], None]
#: Plays so many steps more.
Play = Callable[[int, Tick], None]


def has_mnist() -> bool:
    """Whether the folder ADV_AE_DATA has MNIST; nothing is downloaded for a timing."""
    folder = os.environ.get("ADV_AE_DATA")
    return folder is not None and (Path(folder).expanduser() / "mnist").is_dir()


def images() -> tuple[Tensor, Tensor]:
    """60,000 pictures, uint8 (N, 784), and labels (N,): MNIST's training set, or random
    bytes and labels where it is not at hand."""
    if has_mnist():
        data = mnist()
        parts = (data.train, data.valid)
        x = torch.cat([part.x for part in parts])
        return x, torch.cat([part.y for part in parts if part.y is not None])
    draw = torch.Generator().manual_seed(0)
    x = torch.randint(256, (60_000, 784), dtype=torch.uint8, generator=draw)
    return x, torch.randint(10, (60_000,), generator=draw)


def _unlabelled() -> Streams:
    x, _ = images()
    return [(x,)]


def _semi_supervised() -> Streams:
    x, y = images()
    return [(x,), (x[:LABELLED], y[:LABELLED])]


def _digits() -> Streams:
    return [(digits().train.x,)]


def _aae() -> Game:
    return AAE(
        Deterministic(MLP(784, 1000, 1000, 2)),
        Bernoulli(MLP(2, 1000, 1000, 784)),
        Normal(2),
        Discriminator(2, 1000, 1000),
    )


def _bigan() -> Game:
    return BiGAN(
        Deterministic(MLP(784, 1024, 1024, 50)),
        Deterministic(MLP(50, 1024, 1024, 784, last=nn.Sigmoid())),
        Uniform(50),
        Discriminator(834, 1024, 1024),
    )


def _semi_supervised_aae() -> Game:
    trunk = MLP(784, 1000, 1000, last=nn.ReLU())
    y, z = Categorical(MLP(1000, 10)), Deterministic(MLP(1000, 10))
    return SemiSupervisedAAE(
        TwoHeads(trunk, y, z),
        Bernoulli(MLP(20, 1000, 1000, 784)),
        OneHot(10),
        Normal(10),
        Discriminator(10, 1000, 1000),
        Discriminator(10, 1000, 1000),
    )


def _small_aae() -> Game:
    return AAE(
        Deterministic(MLP(64, 128, 128, 2)),
        Bernoulli(MLP(2, 128, 128, 64)),
        Normal(2),
        Discriminator(2, 128, 128),
    )


@dataclass(frozen=True)
class Work:
    """One game to be timed; a *step* is every update that it makes on one minibatch.

    Attributes:
        title: for the reader.
        build: makes the game with fresh weights; contenders reach for its networks.
        data: makes the streams that `fit` takes.
        batch: examples a stream and step.
        steps: that are timed in a process, on a CPU and at two threads.
    """

    title: str
    build: Callable[[], Any]
    data: Callable[[], Streams]
    batch: int
    steps: int

    def game(self, device: str) -> Any:
        """The same fresh weights for every contender, in train mode."""
        torch.manual_seed(0)
        return self.build().to(device).train()

    def streams(self, device: str) -> Streams:
        """The data, resident on the device."""
        return [tuple(t.to(device) for t in stream) for stream in self.data()]


WORKS = {
    "aae": Work("AAE", _aae, _unlabelled, 100, 60),
    "bigan": Work("BiGAN", _bigan, _unlabelled, 128, 50),
    "semi-supervised": Work(
        "Semi-supervised AAE", _semi_supervised_aae, _semi_supervised, 100, 30
    ),
    "small": Work("AAE of the chapters", _small_aae, _digits, 100, 500),
}


def batches(streams: Streams, size: int) -> Iterator[tuple[Tensor, ...]]:
    """Batches without end, drawn in a few lines by hand: an epoch is a permutation, its
    rows are gathered where the data is."""
    turns = [_endless(stream, size) for stream in streams]
    while True:
        yield tuple(t for turn in turns for t in next(turn))


def _endless(stream: tuple[Tensor, ...], size: int) -> Iterator[tuple[Tensor, ...]]:
    n = len(stream[0])
    while True:
        order = torch.randperm(n).to(stream[0].device)
        for start in range(0, n - size + 1, size):
            rows = order[start : start + size]
            drawn = [t.index_select(0, rows) for t in stream]
            yield tuple(as_float(t) if t.dtype == torch.uint8 else t for t in drawn)
