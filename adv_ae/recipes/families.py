"""Families of networks: who makes encoder, decoder and discriminators of a setup."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from torch import nn

from adv_ae.networks import (
    MLP,
    TABLES,
    Discriminator,
    InjectedDiscriminator,
    PixelMLP,
    Table,
    bigan_encoder,
    bigan_generator,
)


class Family(Protocol):
    """What a family makes. `more` numbers are given beside x or z.

    Attributes:
        noise: numbers of noise that the encoder of a posterior `universal` is given.
    """

    noise: int

    def encoder(self, outputs: int, more: int, last: nn.Module | None) -> nn.Module:
        """x -> (N, outputs)."""

    def decoder(self, more: int, last: nn.Module | None) -> nn.Module:
        """z -> (N, width), with `last` on the output."""

    def x_discriminator(self) -> nn.Module:
        """D(x)."""

    def pair_discriminator(self, more: int, outputs: int) -> nn.Module:
        """D(x, z): logits (N,), or (N, outputs)."""


class Perceptrons:
    """Perceptrons with the setup's hidden widths; AAE's appendix has two of 1000."""

    activation: type[nn.Module] = nn.ReLU
    pixels: type[MLP] = MLP

    def __init__(self, setup: Any):
        self.s, self.noise = setup, 2 * setup.latent
        self.options = {
            "activation": self.activation,
            "batch_norm": setup.batch_norm,
            "dropout": setup.hidden_dropout,
        }

    def encoder(self, outputs: int, more: int, last: nn.Module | None) -> nn.Module:
        s = self.s
        return MLP(s.width + more, *s.hidden, outputs, **self.options, last=last)

    def decoder(self, more: int, last: nn.Module | None) -> nn.Module:
        s = self.s
        widths = more + s.latent, *reversed(s.hidden), s.width
        return self.pixels(*widths, **self.options, last=last)

    def trunk(self) -> nn.Module:
        """x -> the last hidden layer, whole as those before it."""
        s, h = self.s, self.s.hidden[-1]
        net = MLP(s.width, *s.hidden, **self.options)
        net.layers.extend([nn.BatchNorm1d(h)] if s.batch_norm else [])
        net.layers.append(self.activation())
        net.layers.extend([nn.Dropout(s.hidden_dropout)] if s.hidden_dropout else [])
        return net

    def between(self, latent: int, outputs: int) -> nn.Module:
        """z -> (N, outputs), the parameters of a code below z."""
        return MLP(latent, *self.s.hidden, outputs, **self.options)

    def x_discriminator(self) -> nn.Module:
        return Discriminator(self.s.width, *self.s.hidden)

    def pair_discriminator(self, more: int, outputs: int) -> nn.Module:
        widths = self.s.width + self.s.latent + more, *self.s.hidden
        return Discriminator(*widths) if outputs == 1 else MLP(*widths, outputs)


class TanhPerceptrons(Perceptrons):
    """Perceptrons of hidden tanh units, whose decoder begins at the mean picture: the
    networks of the IWAE paper."""

    activation, pixels = nn.Tanh, PixelMLP


class BiGANNetworks:
    """The permutation-invariant networks of BiGAN's MNIST experiment, with hidden
    layers of the setup's first width."""

    def __init__(self, setup: Any):
        self.s, self.hidden, self.noise = setup, setup.hidden[0], 0

    def encoder(self, outputs: int, more: int, last: nn.Module | None) -> nn.Module:
        _alone(more)
        return bigan_encoder(self.s.width, outputs, self.hidden)

    def decoder(self, more: int, last: nn.Module | None) -> nn.Module:
        _alone(more)
        _ends_in_sigmoid(last)
        return bigan_generator(self.s.latent, self.s.width, self.hidden)

    def x_discriminator(self) -> nn.Module:
        return InjectedDiscriminator(self.s.width, 0, self.hidden)

    def pair_discriminator(self, more: int, outputs: int) -> nn.Module:
        _alone(more)
        return InjectedDiscriminator(self.s.width, self.s.latent, self.hidden)


def _alone(more: int) -> None:
    if more:
        raise ValueError("the networks 'bigan' are given x and z alone; take 'mlp'.")


def _ends_in_sigmoid(last: nn.Module | None) -> None:
    if not isinstance(last, nn.Sigmoid):
        raise ValueError(
            "these networks end in a sigmoid: take the likelihood squared-error or "
            "absolute-error, of pictures."
        )


class TableNetworks:
    """A layer table of the ALI paper."""

    def __init__(self, table: Table, setup: Any):
        self.table, self.noise = table, table.noise

    def encoder(self, outputs: int, more: int, last: nn.Module | None) -> nn.Module:
        if more < self.noise:
            raise ValueError(
                f"the networks ali-{self.table.name} are given noise: take the "
                "posterior universal."
            )
        return self.table.encoder(outputs, more - self.noise)

    def decoder(self, more: int, last: nn.Module | None) -> nn.Module:
        if len(self.table.shape) > 1:
            _ends_in_sigmoid(last)
        return self.table.decoder(more)

    def x_discriminator(self) -> nn.Module:
        raise ValueError("the ALI paper has tables of D(x, z), none of D(x).")

    def pair_discriminator(self, more: int, outputs: int) -> nn.Module:
        return self.table.discriminator(outputs, more)


#: The tables of the ALI paper by the names of their families.
#:
#: :meta hide-value:
TABLE_FAMILIES: Mapping[str, Table] = {f"ali-{name}": t for name, t in TABLES.items()}

#: The families of perceptrons.
#:
#: :meta hide-value:
PERCEPTRONS: Mapping[str, type[Perceptrons]] = {
    "mlp": Perceptrons,
    "tanh": TanhPerceptrons,
}

#: The makers of networks by name (`mlp`, `tanh`, `bigan`, and the tables of the ALI
#: paper).
#:
#: :meta hide-value:
FAMILIES: Mapping[str, Callable[[Any], Family]] = {
    **PERCEPTRONS,
    "bigan": BiGANNetworks,
    **{name: partial(TableNetworks, t) for name, t in TABLE_FAMILIES.items()},
}
