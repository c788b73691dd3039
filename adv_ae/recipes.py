"""Recipes: each method by name, with networks and learning rates that work, as data."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from torch import nn

from adv_ae import conditionals, games, priors
from adv_ae.divergences import rbf
from adv_ae.game import Game
from adv_ae.networks import MLP, Discriminator

POSTERIORS = ("deterministic", "gaussian", "universal")
PRIORS: Mapping[str, Callable[[int], priors.Prior]] = {
    "normal": priors.Normal,
    "uniform": priors.Uniform,
    "mixture": lambda dim: priors.GaussianRing(),
    "swiss-roll": lambda dim: priors.SwissRoll(),
}
PLANE = ("mixture", "swiss-roll")  # priors of a code in the plane


class RecipeError(ValueError):
    """A name that is not known, or choices that do not go together."""


@dataclass(frozen=True)
class Setup:
    """What the networks of a method depend on.

    Attributes:
        shape: of one example; (2,) is a point of the plane, all else pictures.
        latent: dimension of z.
        hidden: widths of the encoder's hidden layers, of D's too; the decoder has them
            in reverse.
        posterior: one of `POSTERIORS`, or None for a method without an encoder.
        prior: one of `PRIORS`.
    """

    shape: tuple[int, ...]
    latent: int
    hidden: tuple[int, ...]
    posterior: str | None
    prior: str

    @property
    def width(self) -> int:
        """Numbers in one example."""
        return math.prod(self.shape)

    def encoder(self, last: nn.Module | None = None) -> nn.Module:
        """q(z|x) with the posterior that was chosen."""
        if self.posterior == "gaussian":
            return conditionals.Gaussian(MLP(self.width, *self.hidden, 2 * self.latent))
        if self.posterior == "universal":
            noise = 2 * self.latent
            net = MLP(self.width + noise, *self.hidden, self.latent)
            return conditionals.Noisy(net, noise)
        net = MLP(self.width, *self.hidden, self.latent, last=last)
        return conditionals.Deterministic(net)

    def decoder(self) -> nn.Module:
        """p(x|z) with a density: Bernoulli pixels; in the plane, Gaussian."""
        net = MLP(self.latent, *reversed(self.hidden), self.width)
        if self.shape == (2,):
            return conditionals.FixedScaleGaussian(net, 0.1)
        return conditionals.Bernoulli(net)

    def generator(self) -> nn.Module:
        """p(x|z) that is drawn from: deterministic, sigmoid pixels."""
        last = None if self.shape == (2,) else nn.Sigmoid()
        net = MLP(self.latent, *reversed(self.hidden), self.width, last=last)
        return conditionals.Deterministic(net)

    def discriminator(self, width: int) -> nn.Module:
        """D on rows of that width."""
        return Discriminator(width, *self.hidden)

    def p_z(self) -> priors.Prior:
        """p(z)."""
        return PRIORS[self.prior](self.latent)


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
        lr: learning rate of all players, or of each.
        betas: of Adam.
        latent: dimension of z by default; of sets of 784 pixels `latent_large`.
        batch_size: by default.
        first: game on the same q, p and prior that is played before, if any.
    """

    summary: str
    paper: str
    game: type[Game]
    parts: Callable[[Setup], tuple]
    posteriors: tuple[str, ...] = POSTERIORS
    priors: tuple[str, ...] = tuple(PRIORS)
    lr: float | Mapping[str, float] = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    latent: int = 2
    latent_large: int = 2
    batch_size: int = 100
    first: type[Game] | None = None

    def build(self, setup: Setup) -> Game:
        """The game with fresh weights."""
        return self.game(*self.parts(setup))


def _reconstructing(s: Setup) -> tuple:
    return s.encoder(), s.decoder(), s.p_z()


def _aae(s: Setup) -> tuple:
    return *_reconstructing(s), s.discriminator(s.latent)


def _gan(s: Setup) -> tuple:
    return s.generator(), s.p_z(), s.discriminator(s.width)


def _gmmn(s: Setup) -> tuple:
    return s.generator(), s.p_z(), rbf(0.5, 1.0, 2.0, 4.0, 8.0)


def _gmmn_autoencoder(s: Setup) -> tuple:
    """Codes in the unit cube: sigmoid, as in the paper."""
    net = MLP(s.latent, *s.hidden, s.latent, last=nn.Sigmoid())
    g, kernel = conditionals.Deterministic(net), rbf(0.05, 0.15, 0.5, 1.5)
    return s.encoder(nn.Sigmoid()), s.decoder(), s.p_z(), g, kernel


def _joint(s: Setup) -> tuple:
    D = s.discriminator(s.width + s.latent)
    return s.encoder(), s.generator(), s.p_z(), D


METHODS: Mapping[str, Method] = {
    "ae": Method(
        "autoencoder: reconstruction alone",
        "Hinton and Salakhutdinov 2006",
        games.Autoencoder,
        _reconstructing,
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
        _reconstructing,
        posteriors=("gaussian",),
        priors=("normal", "mixture"),
    ),
    "gan": Method(
        "generative adversarial network: D(x), both at once",
        "Goodfellow et al. 2014",
        games.GAN,
        _gan,
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
        lr={"reconstruction": 1e-3, "D": 1e-3, "G": 1e-3},
        betas=(0.5, 0.999),
    ),
    "ali": Method(
        "adversarially learned inference: D(x, z), a stochastic encoder",
        "Dumoulin et al. 2017",
        games.ALI,
        _joint,
        posteriors=("gaussian", "universal", "deterministic"),
        lr=2e-4,
        betas=(0.5, 0.999),
        latent=10,
        latent_large=50,
    ),
    "bigan": Method(
        "bidirectional GAN: D(x, z), deterministic encoder and generator",
        "Donahue, Kraehenbuehl and Darrell 2017",
        games.BiGAN,
        _joint,
        posteriors=("deterministic",),
        priors=("uniform", "normal", "mixture", "swiss-roll"),
        lr=2e-4,
        betas=(0.5, 0.999),
        latent=10,
        latent_large=50,
    ),
}


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


@dataclass(frozen=True)
class Recipe:
    """A run, as `config.json` holds it; `recipe` fills in what is not said.

    Attributes:
        method, data: names.
        setup: of the networks.
        steps, batch_size, seed: of `fit`; a method with another before it (`first`)
            plays as many steps in each stage.
        lr: {player: learning rate}.
        constant: the rates stay; else they fall to 0 over the second half of the run.
        betas: of Adam.
        every: steps between checkpoints.
    """

    method: str
    data: str
    setup: Setup
    steps: int
    batch_size: int
    lr: Mapping[str, float] = field(hash=False)
    constant: bool
    betas: tuple[float, float]
    seed: int
    every: int

    def game(self) -> Game:
        """The game with fresh weights."""
        return METHODS[self.method].build(self.setup)


def recipe(
    method: str,
    data: str,
    shape: tuple[int, ...],
    *,
    steps: int = 2000,
    batch_size: int | None = None,
    lr: float | Mapping[str, float] | None = None,
    constant: bool = False,
    seed: int = 0,
    latent: int | None = None,
    posterior: str | None = None,
    prior: str | None = None,
    hidden: tuple[int, ...] | None = None,
    every: int = 1000,
) -> Recipe:
    """A run of a method on a data set; what is None is the method's own.

    The networks are the papers' 784-1000-1000-z for pictures of 784 pixels (AAE,
    appendix A.1), and have two hidden layers of 128 for smaller data.

    Args:
        method: one of `METHODS`.
        data: name of the set, kept for the record.
        shape: of one example.
        steps: how many.
        batch_size: rows a batch.
        lr: learning rate of all players, or of some, which leaves the others theirs.
        constant: do not let the rates fall.
        seed: of weights and batches.
        latent: dimension of z.
        posterior: one of `POSTERIORS`.
        prior: one of `PRIORS`.
        hidden: widths of hidden layers.
        every: steps between checkpoints.

    Raises:
        RecipeError: a name is not known, or choices do not go together.
    """
    method = known(method, METHODS, "method")
    m, large = METHODS[method], math.prod(shape) >= 784
    if posterior is not None and not m.posteriors:
        raise RecipeError(f"{method} has no encoder, so no posterior can be chosen.")
    if m.posteriors:
        posterior = known(posterior or m.posteriors[0], POSTERIORS, "posterior")
    prior = known(prior or m.priors[0], PRIORS, "prior")
    for what, name, fits in (
        ("posterior", posterior, m.posteriors),
        ("prior", prior, m.priors),
    ):
        if name is not None and name not in fits:
            raise RecipeError(
                f"{method} cannot take the {what} {name!r}; it takes {', '.join(fits)}."
            )
    if latent is None:
        latent = 2 if prior in PLANE else m.latent_large if large else m.latent
    if prior in PLANE and latent != 2:
        raise RecipeError(f"the prior {prior!r} lies in the plane: latent must be 2.")
    hidden = hidden or ((1000, 1000) if large else (128, 128))
    setup = Setup(tuple(shape), latent, tuple(hidden), posterior, prior)
    return Recipe(
        method=method,
        data=data,
        setup=setup,
        steps=steps,
        batch_size=batch_size or m.batch_size,
        lr=_rates(m, lr),
        constant=constant,
        betas=m.betas,
        seed=seed,
        every=every,
    )


def _rates(method: Method, lr: float | Mapping[str, float] | None) -> dict[str, float]:
    """{player: learning rate}, the method's own but where `lr` says otherwise."""
    players = list(method.game.players)
    own = method.lr
    if not isinstance(own, Mapping):
        own = dict.fromkeys(players, own)
    if lr is None:
        return dict(own)
    if not isinstance(lr, Mapping):
        return dict.fromkeys(players, float(lr))
    for player in lr:
        if player not in players:
            near = get_close_matches(player, players, n=1, cutoff=0.3)
            hint = f" did you mean {near[0]!r}?" if near else ""
            raise RecipeError(
                f"a learning rate for {player!r};{hint} The players are "
                f"{', '.join(players)}."
            )
    return dict(own) | {player: float(rate) for player, rate in lr.items()}
