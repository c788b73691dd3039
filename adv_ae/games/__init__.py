"""The methods: one paper a file, each a `Game` whose `play` is the paper's algorithm
box."""

from adv_ae.games.aae import (
    AAE,
    ClusteringAAE,
    DimensionReductionAAE,
    FixedHeadsAAE,
    LabelInformedAAE,
    SemiSupervisedAAE,
    SemiSupervisedDimensionReductionAAE,
    SupervisedAAE,
)
from adv_ae.games.ali import ALI
from adv_ae.games.bigan import BiGAN
from adv_ae.games.gan import GAN, AlternatingGAN, SaturatingGAN
from adv_ae.games.gmmn import GMMN, WAEMMD, GMMNAutoencoder
from adv_ae.games.models import Bidirectional, Generative
from adv_ae.games.vae import IWAE, VAE, Autoencoder

__all__ = [
    "AAE",
    "ALI",
    "GAN",
    "GMMN",
    "IWAE",
    "VAE",
    "WAEMMD",
    "AlternatingGAN",
    "Autoencoder",
    "BiGAN",
    "Bidirectional",
    "ClusteringAAE",
    "DimensionReductionAAE",
    "FixedHeadsAAE",
    "GMMNAutoencoder",
    "Generative",
    "LabelInformedAAE",
    "SaturatingGAN",
    "SemiSupervisedAAE",
    "SemiSupervisedDimensionReductionAAE",
    "SupervisedAAE",
]
