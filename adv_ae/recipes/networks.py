"""What the networks of a method depend on, as data, and the networks made of it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adv_ae import conditionals, priors
from adv_ae.networks import MLP, Corrupted, Discriminator, GaussianNoise
from adv_ae.recipes.families import FAMILIES, Family, Perceptrons

POSTERIORS = ("deterministic", "gaussian", "universal", "signs")
PRIORS: Mapping[str, Callable[[int, float], priors.Prior]] = {
    "normal": priors.Normal,
    "uniform": lambda dim, std: priors.Uniform(dim),
    "mixture": lambda dim, std: priors.GaussianRing(),
    "swiss-roll": lambda dim, std: priors.SwissRoll(),
}
PLANE = ("mixture", "swiss-roll")  # priors of a code in the plane
LIKELIHOODS = ("bernoulli", "squared-error", "absolute-error")


@dataclass(frozen=True)
class Setup:
    """What the networks of a method depend on.

    Attributes:
        shape: of one example; (2,) is a point of the plane, all else pictures.
        latent: dimension of z.
        hidden: widths of the encoder's hidden layers, of D's too; the decoder has them
            in reverse.
        posterior: one of `POSTERIORS`, or None for a method without an encoder;
            `signs` is deterministic, in (-1, 1)^latent.
        prior: one of `PRIORS`.
        prior_std: standard deviation of the prior `normal`.
        likelihood: of pictures: `bernoulli`, or `squared-error`, the half of it summed
            over pixels, of a network that ends in a sigmoid; `absolute-error` likewise.
        noise: standard deviation of Gaussian noise on the encoder's input in training.
        dropout: rate at the encoder's input.
        code_noise: standard deviation of Gaussian noise on the code of the posterior
            `deterministic`, which is then N(net(x), code_noise^2 I).
        y_noise: standard deviation of Gaussian noise on what D(y) sees in training.
        init_std: of all weights at the start; None: torch's own.
        heads: of y: classes or clusters, where a method has them.
        spread: standard deviation of heads W at the start, where a method learns them.
        eta: distance of two heads that costs nothing.
        networks: one of `FAMILIES`.
        batch_norm: of perceptrons of q and p, not of D.
        cycle: weight of ALICE's cycle cost.
        hidden_dropout: rate after the hidden layers of perceptrons q and p, not of D.
        draws: K of an importance-weighted bound.
    """

    shape: tuple[int, ...]
    latent: int
    hidden: tuple[int, ...]
    posterior: str | None
    prior: str
    prior_std: float = 1.0
    likelihood: str = "bernoulli"
    noise: float = 0.0
    dropout: float = 0.0
    code_noise: float = 0.0
    y_noise: float = 0.0
    init_std: float | None = None
    heads: int = 10
    spread: float = 2.0
    eta: float = 5.0
    networks: str = "mlp"
    batch_norm: bool = False
    cycle: float = 0.1
    hidden_dropout: float = 0.0
    draws: int = 5

    @property
    def width(self) -> int:
        """Numbers in one example."""
        return math.prod(self.shape)

    @property
    def family(self) -> Family:
        """Makes the networks."""
        return FAMILIES[self.networks](self)

    def encoder(self, last: nn.Module | None = None, more: int = 0) -> nn.Module:
        """q(z|x), or q(z|x, y) with `more` numbers of y, with the posterior that was
        chosen."""

        def net(outputs: int, noise: int = 0, last: nn.Module | None = None):
            return self._corrupted(self.family.encoder(outputs, more + noise, last))

        return self._q_z(net, last)

    def two_heads(self) -> nn.Module:
        """q(y, z|x): softmax y and z on one trunk."""
        trunk, h = Perceptrons(self).trunk(), self.hidden[-1]
        y = conditionals.Categorical(MLP(h, self.heads))

        def net(outputs: int, noise: int = 0, last: nn.Module | None = None):
            return MLP(h + noise, outputs, last=last)

        return conditionals.TwoHeads(self._corrupted(trunk), y, self._q_z(net))

    def _q_z(
        self, net: Callable[..., nn.Module], last: nn.Module | None = None
    ) -> nn.Module:
        """The posterior over a net of so many outputs and inputs more."""
        if self.posterior == "gaussian":
            return conditionals.Gaussian(net(2 * self.latent))
        if self.posterior == "universal":
            noise = self.family.noise
            if not noise:
                raise ValueError(
                    f"the networks {self.networks!r} take no noise, so the posterior "
                    "cannot be universal."
                )
            return conditionals.Noisy(net(self.latent, noise), noise)
        if self.posterior == "signs":
            return conditionals.Signs(net(self.latent))
        point = net(self.latent, last=last)
        if self.code_noise:
            return conditionals.FixedScaleGaussian(point, self.code_noise)
        return conditionals.Deterministic(point)

    def _corrupted(self, net: nn.Module) -> nn.Module:
        """The network with noise and dropout at its input, where asked for."""
        kinds: list[nn.Module] = [GaussianNoise(self.noise)] if self.noise else []
        kinds += [nn.Dropout(self.dropout)] if self.dropout else []
        return Corrupted(nn.Sequential(*kinds), net) if kinds else net

    def decoder(self, more: int = 0) -> nn.Module:
        """p(x|z), or p(x|y, z) with `more` numbers of y, with a density; in the plane
        Gaussian."""
        squashed = self.likelihood != "bernoulli" and self.shape != (2,)
        net = self.family.decoder(more, nn.Sigmoid() if squashed else None)
        if self.shape == (2,):
            return conditionals.FixedScaleGaussian(net, 0.1)
        if self.likelihood == "squared-error":
            return conditionals.FixedScaleGaussian(net)
        if self.likelihood == "absolute-error":
            return conditionals.FixedScaleLaplace(net)
        return conditionals.Bernoulli(net)

    def generator(self, more: int = 0) -> nn.Module:
        """p(x|z), or p(x|z, y), that is drawn from: deterministic, sigmoid pixels."""
        last = None if self.shape == (2,) else nn.Sigmoid()
        return conditionals.Deterministic(self.family.decoder(more, last))

    def discriminator(self, width: int) -> nn.Module:
        """D on codes of that width: a perceptron."""
        return Discriminator(width, *self.hidden)

    def x_discriminator(self) -> nn.Module:
        """D(x)."""
        return self.family.x_discriminator()

    def pair_discriminator(self, more: int = 0, outputs: int = 1) -> nn.Module:
        """D(x, z), or D(x, z, y) with `more` numbers of y."""
        return self.family.pair_discriminator(more, outputs)

    def discriminator_y(self) -> nn.Module:
        """D(y), with noise on y where asked for."""
        D = self.discriminator(self.heads)
        return Corrupted(GaussianNoise(self.y_noise), D) if self.y_noise else D

    def p_z(self) -> priors.Prior:
        """p(z)."""
        return PRIORS[self.prior](self.latent, self.prior_std)

    def W(self) -> Tensor:
        """Heads to begin with, (heads, latent)."""
        return self.spread * torch.randn(self.heads, self.latent)
