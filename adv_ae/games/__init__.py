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
from adv_ae.games.ali import (
    ALI,
    ALICE,
    ConditionalALI,
    HierarchicalALI,
    SemiSupervisedALI,
)
from adv_ae.games.bigan import (
    AlternatingBiGAN,
    BiGAN,
    GeneralizedBiGAN,
    JointLatentRegressor,
    LatentRegressor,
    SaturatingBiGAN,
)
from adv_ae.games.gan import GAN, AlternatingGAN, SaturatingGAN
from adv_ae.games.gmmn import GMMN, WAEMMD, GMMNAutoencoder
from adv_ae.games.models import Bidirectional, Generative
from adv_ae.games.vae import IWAE, VAE, Autoencoder, BinarizedIWAE

__all__ = [
    "AAE",
    "ALI",
    "ALICE",
    "GAN",
    "GMMN",
    "IWAE",
    "VAE",
    "WAEMMD",
    "AlternatingBiGAN",
    "AlternatingGAN",
    "Autoencoder",
    "BiGAN",
    "Bidirectional",
    "BinarizedIWAE",
    "ClusteringAAE",
    "ConditionalALI",
    "DimensionReductionAAE",
    "FixedHeadsAAE",
    "GMMNAutoencoder",
    "GeneralizedBiGAN",
    "Generative",
    "HierarchicalALI",
    "JointLatentRegressor",
    "LabelInformedAAE",
    "LatentRegressor",
    "SaturatingBiGAN",
    "SaturatingGAN",
    "SemiSupervisedAAE",
    "SemiSupervisedALI",
    "SemiSupervisedDimensionReductionAAE",
    "SupervisedAAE",
]
