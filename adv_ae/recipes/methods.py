"""Each method by name, with networks and learning rates that work, as data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import torch
from torch import nn

from adv_ae import conditionals, games
from adv_ae.batches import Stream
from adv_ae.data import Split, hide_labels, labelled_rows
from adv_ae.divergences import rbf
from adv_ae.game import Game
from adv_ae.networks import MLP, init_normal_
from adv_ae.priors import OneHot
from adv_ae.recipes.families import FAMILIES, PERCEPTRONS, TABLE_FAMILIES, Perceptrons
from adv_ae.recipes.networks import PRIORS, Setup


class RecipeError(ValueError):
    """A name that is not known, or choices that do not go together."""


def known(name: str, names: Mapping[str, object] | tuple[str, ...], what: str) -> str:
    """The name, if it is one of them.

    Raises:
        RecipeError: it is not; the message suggests the nearest.
    """
    key = name.lower().replace("_", "-")
    if key in names:
        return key
    near = get_close_matches(key, list(names), n=1, cutoff=0.4)
    hint = f" did you mean {near[0]!r}?" if near else ""
    raise RecipeError(f"unknown {what} {name!r};{hint} Known: {', '.join(names)}.")


def _pictures(split: Split, K: int, labels: int | None, seed: int) -> list[Stream]:
    """x alone."""
    return [split.x]


def _labels(split: Split, K: int) -> torch.Tensor:
    if split.y is None:
        raise RecipeError("this method needs labels, and the data set has none.")
    classes = int(split.y.max()) + 1
    if classes > K:
        raise RecipeError(
            f"the data set has {classes} classes, and y only {K} heads: take "
            f"heads={classes}, or data of at most {K} classes."
        )
    return split.y


def _labelled(split: Split, K: int, labels: int | None, seed: int) -> list[Stream]:
    """Pairs (x, y), all with their labels."""
    return [(split.x, _labels(split, K))]


def _switched(split: Split, K: int, labels: int | None, seed: int) -> list[Stream]:
    """Pairs (x, y); y = K where the label is not known."""
    y = _labels(split, K)
    return [(split.x, y if labels is None else hide_labels(y, labels, seed, K))]


def _beside(split: Split, K: int, labels: int | None, seed: int) -> list[Stream]:
    """x, and beside it pairs (x, y) of the examples whose label is known."""
    y = _labels(split, K)
    rows = labelled_rows(y, len(y) if labels is None else labels, seed)
    return [split.x, (split.x[rows], y[rows])]


# Streams of a split of at most K classes, of which so many labels are known (None:
# all), chosen by a seed.
LABELS: Mapping[str, Callable[[Split, int, int | None, int], list[Stream]]] = {
    "none": _pictures,
    "all": _labelled,
    "switch": _switched,
    "beside": _beside,
}


@dataclass(frozen=True)
class Need:
    """What a setup has to be.

    Attributes:
        met: is it so?
        say: what is wrong where it is not, and what to do.
    """

    met: Callable[[Setup], bool]
    say: str


HIDDEN = Need(  # of every method
    lambda s: s.networks in PERCEPTRONS or not (s.batch_norm or s.hidden_dropout),
    "batch_norm and hidden_dropout are of perceptrons, and the networks that were "
    "chosen have their own: leave both out, or take the networks 'mlp'",
)
AXES = Need(
    lambda s: s.latent >= s.heads,
    "the heads 10 I want a dimension each: take latent >= heads, and a prior that is "
    "not of the plane",
)
COMPONENTS = Need(
    lambda s: s.heads == s.p_z().k,
    "a head is a component of the prior: leave heads at 10, and take data of at most "
    "as many classes",
)
CUBE = Need(
    lambda s: s.posterior != "signs" or s.prior == "uniform",
    "the posterior 'signs' regresses codes in [-1, 1]^d: take the prior 'uniform', or "
    "the posterior 'deterministic' with a code_noise",
)
DENSITY = Need(
    lambda s: s.posterior != "deterministic" or s.code_noise > 0,
    "the posterior 'deterministic' has no density to regress z by: take a code_noise "
    "(1 is half the squared error), or the posterior 'signs'",
)
PIXELS = Need(
    lambda s: s.shape != (2,),
    "pixels are drawn, b ~ Bernoulli(x), and points of the plane are none: take "
    "pictures, or the method 'iwae'",
)


@dataclass(frozen=True)
class Method:
    """A method of the command line.

    Attributes:
        summary: one line.
        paper: authors and year.
        game: what is played.
        parts: makes what the game is made of; draws weights from torch's global
            generator.
        posteriors: those that fit, the default first; none: there is no encoder.
        priors: those that fit, the default first.
        lr: learning rate of all players, or of some; the others' is 1e-3.
        betas: of Adam.
        latent: dimension of z by default; of sets of 784 pixels `latent_large`.
        batch_size: by default.
        first: game on the same q, p and prior that is played before, if any.
        labels: how the game is given labels, one of `LABELS`.
        heads: of y by default.
        networks: families that fit, the default first.
        needs: of the setup, beside that.
    """

    summary: str
    paper: str
    game: type[Game]
    parts: Callable[[Setup], tuple]
    posteriors: tuple[str, ...] = ("deterministic", "gaussian", "universal")
    priors: tuple[str, ...] = tuple(PRIORS)
    lr: float | Mapping[str, float] = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    latent: int = 2
    latent_large: int = 2
    batch_size: int = 100
    first: type[Game] | None = None
    labels: str = "none"
    heads: int = 10
    networks: tuple[str, ...] = ("mlp",)
    needs: tuple[Need, ...] = ()

    @property
    def rates(self) -> dict[str, float]:
        """Learning rate of each player."""
        some = self.lr if isinstance(self.lr, Mapping) else {}
        same = 1e-3 if isinstance(self.lr, Mapping) else self.lr
        return dict.fromkeys(self.game.players, same) | dict(some)

    @property
    def few_labels(self) -> bool:
        """Can it do with the labels of some examples?"""
        return self.labels in ("switch", "beside")

    def build(self, setup: Setup) -> Game:
        """The game with fresh weights."""
        game = self.game(*self.parts(setup))
        if setup.init_std is not None:
            init_normal_(game, setup.init_std)
        return game


def _reconstructing(s: Setup) -> tuple:
    return s.encoder(), s.decoder(), s.p_z()


def _importance(s: Setup) -> tuple:
    return *_reconstructing(s), s.draws


def _aae(s: Setup) -> tuple:
    return *_reconstructing(s), s.discriminator(s.latent)


def _gan(s: Setup) -> tuple:
    return s.generator(), s.p_z(), s.x_discriminator()


def _gmmn(s: Setup) -> tuple:
    return s.generator(), s.p_z(), rbf(0.5, 1.0, 2.0, 4.0, 8.0)


def _gmmn_autoencoder(s: Setup) -> tuple:
    """Codes in the unit cube: sigmoid, as in the paper."""
    net = MLP(s.latent, *s.hidden, s.latent, last=nn.Sigmoid())
    g, kernel = conditionals.Deterministic(net), rbf(0.05, 0.15, 0.5, 1.5)
    return s.encoder(nn.Sigmoid()), s.decoder(), s.p_z(), g, kernel


def _joint(s: Setup) -> tuple:
    return s.encoder(), s.generator(), s.p_z(), s.pair_discriminator()


def _joint_cycle(s: Setup) -> tuple:
    return *_joint(s), s.cycle


def _joint_classes(s: Setup) -> tuple:
    """D tells the classes, too."""
    D = s.pair_discriminator(outputs=s.heads + 1)
    return s.encoder(), s.generator(), s.p_z(), D


def _joint_given(s: Setup) -> tuple:
    """All networks are told y."""
    q, p, D = (
        make(more=s.heads) for make in (s.encoder, s.generator, s.pair_discriminator)
    )
    return q, p, OneHot(s.heads), s.p_z(), D


def _joint_layers(s: Setup) -> tuple:
    """Two codes: z_1 of twice the dimension of z_2."""
    low = 2 * s.latent
    q = [replace(s, latent=low).encoder(), s.encoder(more=low)]
    p_2 = conditionals.Gaussian(Perceptrons(s).between(s.latent, 2 * low))
    p = [s.generator(more=low), p_2]
    return q, p, s.p_z(), s.pair_discriminator(more=low)


def _regression(s: Setup) -> tuple:
    return s.encoder(), s.generator(), s.p_z(), s.x_discriminator()


def _supervised(s: Setup) -> tuple:
    p, D = s.decoder(s.heads), s.discriminator(s.latent)
    return s.encoder(), p, s.p_z(), D, s.heads


def _label_informed(s: Setup) -> tuple:
    D = s.discriminator(s.latent + s.heads + 1)
    return *_reconstructing(s), D


def _clusters(s: Setup, told: int | None = None) -> tuple:
    """`told`: how many numbers of y the decoder is given beside z."""
    p = s.decoder(s.heads if told is None else told)
    D_y, D_z = s.discriminator_y(), s.discriminator(s.latent)
    return s.two_heads(), p, OneHot(s.heads), s.p_z(), D_y, D_z


def _fixed_heads(s: Setup) -> tuple:
    """Heads 10 I, as the paper has them in ten dimensions."""
    return *_clusters(s, told=0), 10 * torch.eye(s.heads, s.latent)


def _learned_heads(s: Setup) -> tuple:
    return *_clusters(s, told=0), s.W(), s.eta


_PAIRS: Mapping[str, Any] = {  # of the games of ALI and BiGAN
    "lr": 2e-4,
    "betas": (0.5, 0.999),
    "latent": 10,
    "latent_large": 50,
}
_BIGAN: Mapping[str, Any] = {
    **_PAIRS,
    "posteriors": ("deterministic", "signs"),
    "priors": ("uniform", "normal", "mixture", "swiss-roll"),
    "networks": ("mlp", "bigan"),
}
_REGRESSOR: Mapping[str, Any] = {
    **_PAIRS,
    "posteriors": ("signs", "deterministic"),
    "priors": ("uniform", "normal"),
    "networks": ("mlp", "bigan"),
    "needs": (CUBE, DENSITY),
}

METHODS: Mapping[str, Method] = {
    "ae": Method(
        "autoencoder: reconstruction alone",
        "Hinton and Salakhutdinov 2006",
        games.Autoencoder,
        _reconstructing,
        posteriors=("deterministic", "gaussian", "universal", "signs"),
        networks=("mlp", "bigan"),
    ),
    "vae": Method(
        "variational autoencoder: KL(q(x, z) || p(x, z)), the bound in closed form",
        "Kingma and Welling 2014",
        games.VAE,
        _reconstructing,
        posteriors=("gaussian",),
        priors=("normal",),
    ),
    "iwae": Method(
        "importance-weighted autoencoder: a tighter bound from K = 5 draws of z",
        "Burda, Grosse and Salakhutdinov 2016",
        games.IWAE,
        _importance,
        posteriors=("gaussian",),
        priors=("normal", "mixture"),
        networks=("mlp", "tanh"),
    ),
    "iwae-binarized": Method(
        "the same on pixels drawn anew at every step, b ~ Bernoulli(x)",
        "Burda, Grosse and Salakhutdinov 2016",
        games.BinarizedIWAE,
        _importance,
        posteriors=("gaussian",),
        priors=("normal", "mixture"),
        networks=("mlp", "tanh"),
        latent=10,
        latent_large=50,
        needs=(PIXELS,),
    ),
    "gan": Method(
        "generative adversarial network: D(x), both at once",
        "Goodfellow et al. 2014",
        games.GAN,
        _gan,
        networks=("mlp", "bigan"),
        posteriors=(),
        lr=2e-4,
        betas=(0.5, 0.999),
        latent=10,
        latent_large=50,
    ),
    "gmmn": Method(
        "generative moment matching network: MMD between data and p(x)",
        "Li, Swersky and Zemel 2015",
        games.GMMN,
        _gmmn,
        posteriors=(),
        priors=("uniform", "normal", "mixture", "swiss-roll"),
        latent=10,
        latent_large=10,
        batch_size=200,
    ),
    "gmmn-ae": Method(
        "GMMN on the codes of an autoencoder, which is trained first",
        "Li, Swersky and Zemel 2015",
        games.GMMNAutoencoder,
        _gmmn_autoencoder,
        posteriors=("deterministic",),
        priors=("uniform", "normal", "mixture", "swiss-roll"),
        batch_size=200,
        first=games.Autoencoder,
    ),
    "wae-mmd": Method(
        "Wasserstein autoencoder: reconstruction + MMD between q(z) and p(z)",
        "Tolstikhin et al. 2018",
        games.WAEMMD,
        _reconstructing,
    ),
    "aae": Method(
        "adversarial autoencoder: reconstruction, and D(z) pulls q(z) to p(z)",
        "Makhzani et al. 2015",
        games.AAE,
        _aae,
        betas=(0.5, 0.999),
    ),
    "aae-label-informed": Method(
        "AAE whose D(z, switch) sees some labels: each class to its own component",
        "Makhzani et al. 2015, sec. 2.3",
        games.LabelInformedAAE,
        _label_informed,
        priors=("mixture", "swiss-roll"),
        betas=(0.5, 0.999),
        labels="switch",
        needs=(COMPONENTS,),
    ),
    "aae-supervised": Method(
        "AAE whose decoder is told the label: z is left with the style",
        "Makhzani et al. 2015, sec. 4",
        games.SupervisedAAE,
        _supervised,
        betas=(0.5, 0.999),
        latent_large=15,
        labels="all",
    ),
    "aae-semi-supervised": Method(
        "AAE with classes y and styles z, few of the labels known",
        "Makhzani et al. 2015, sec. 5",
        games.SemiSupervisedAAE,
        _clusters,
        betas=(0.5, 0.999),
        latent=5,
        latent_large=10,
        labels="beside",
    ),
    "aae-clustering": Method(
        "AAE with clusters y and styles z, no labels",
        "Makhzani et al. 2015, sec. 6",
        games.ClusteringAAE,
        _clusters,
        betas=(0.5, 0.999),
        latent=5,
        latent_large=5,
        heads=16,
    ),
    "aae-plane": Method(
        "AAE whose decoder sees one vector, cluster head plus style; no labels",
        "Makhzani et al. 2015, sec. 7",
        games.DimensionReductionAAE,
        _learned_heads,
        lr={"heads": 0.03},
        betas=(0.5, 0.999),
        heads=20,
    ),
    "aae-plane-labels": Method(
        "the same, few of the labels known",
        "Makhzani et al. 2015, sec. 7",
        games.SemiSupervisedDimensionReductionAAE,
        _learned_heads,
        lr={"heads": 0.03},
        betas=(0.5, 0.999),
        labels="beside",
    ),
    "aae-fixed-heads": Method(
        "the same with heads that stay, 10 I in ten dimensions",
        "Makhzani et al. 2015, sec. 7",
        games.FixedHeadsAAE,
        _fixed_heads,
        betas=(0.5, 0.999),
        latent=10,
        latent_large=10,
        labels="beside",
        needs=(AXES,),
    ),
    "ali": Method(
        "adversarially learned inference: D(x, z), a stochastic encoder",
        "Dumoulin et al. 2017",
        games.ALI,
        _joint,
        posteriors=("gaussian", "universal", "deterministic"),
        networks=tuple(FAMILIES),
        **_PAIRS,
    ),
    "ali-conditional": Method(
        "ALI whose three networks are told the label",
        "Dumoulin et al. 2017",
        games.ConditionalALI,
        _joint_given,
        posteriors=("gaussian", "universal", "deterministic"),
        labels="all",
        **_PAIRS,
    ),
    "ali-hierarchical": Method(
        "ALI with two codes, one over the other",
        "Dumoulin et al. 2016 (first version)",
        games.HierarchicalALI,
        _joint_layers,
        posteriors=("gaussian",),
        **_PAIRS,
    ),
    "ali-semi-supervised": Method(
        "ALI whose D tells the classes, too, few of the labels known",
        "Dumoulin et al. 2017",
        games.SemiSupervisedALI,
        _joint_classes,
        posteriors=("gaussian", "universal", "deterministic"),
        networks=("mlp", *TABLE_FAMILIES),
        labels="beside",
        **_PAIRS,
    ),
    "alice": Method(
        "ALI and a cycle: the code has to give the picture back",
        "Li et al. 2017",
        games.ALICE,
        _joint_cycle,
        posteriors=("gaussian", "universal", "deterministic"),
        **_PAIRS,
    ),
    "bigan": Method(
        "bidirectional GAN: D(x, z), deterministic encoder and generator",
        "Donahue, Kraehenbuehl and Darrell 2017",
        games.BiGAN,
        _joint,
        **_BIGAN,
    ),
    "bigan-alternating": Method(
        "the same, D before E and G",
        "Donahue, Kraehenbuehl and Darrell 2017",
        games.AlternatingBiGAN,
        _joint,
        **_BIGAN,
    ),
    "bigan-saturating": Method(
        "the same at once, E and G by the value itself",
        "Donahue, Kraehenbuehl and Darrell 2017",
        games.SaturatingBiGAN,
        _joint,
        **_BIGAN,
    ),
    "latent-regressor": Method(
        "GAN, and an encoder that regresses z from the generated",
        "Donahue, Kraehenbuehl and Darrell 2017",
        games.LatentRegressor,
        _regression,
        **_REGRESSOR,
    ),
    "joint-latent-regressor": Method(
        "the same, the generator answers for the regression, too",
        "Donahue, Kraehenbuehl and Darrell 2017",
        games.JointLatentRegressor,
        _regression,
        **_REGRESSOR,
    ),
}
