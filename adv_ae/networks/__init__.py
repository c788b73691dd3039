"""Networks: perceptrons on tuples, and the papers' layer tables as data."""

from adv_ae.networks.alexnet import (
    AlexNetEncoder,
    ImageNetDiscriminator,
    ImageNetGenerator,
)
from adv_ae.networks.conv import Layer, Maxout
from adv_ae.networks.features import activations
from adv_ae.networks.injected import (
    Injected,
    InjectedDiscriminator,
    bigan_encoder,
    bigan_generator,
)
from adv_ae.networks.mlp import (
    MLP,
    Corrupted,
    Discriminator,
    GaussianNoise,
    PixelMLP,
    init_normal_,
)
from adv_ae.networks.tables import TABLES, Table

__all__ = [
    "MLP",
    "TABLES",
    "AlexNetEncoder",
    "Corrupted",
    "Discriminator",
    "GaussianNoise",
    "ImageNetDiscriminator",
    "ImageNetGenerator",
    "Injected",
    "InjectedDiscriminator",
    "Layer",
    "Maxout",
    "PixelMLP",
    "Table",
    "activations",
    "bigan_encoder",
    "bigan_generator",
    "init_normal_",
]
