"""Conditionals q(z|x), p(x|z): modules whose forward returns a distribution.

Each wraps a network `net(u, v, ...)`, such as `networks.MLP`, that returns (N, ...)
parameters. `log_prob` of what they return is in nats per example, shape (N,), summed
over all other dimensions. Validation is off: it would wait for the device in every
step.
"""

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Laplace, Normal

from adv_ae.distributions import BernoulliPixels, Delta, MeanCategorical, MeanSigns


def _joint(base: torch.distributions.Distribution) -> Independent:
    """All dimensions but the first as one event."""
    return Independent(base, len(base.batch_shape) - 1, validate_args=False)


class Conditional(nn.Module):
    """Base: stores the network that turns what is given into parameters."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net


class Gaussian(Conditional):
    """N(mean, diag(std^2)); `net` returns (mean, log std) side by side in dimension 1.

    Args:
        net: maps what is given to (N, 2 d, ...).
    """

    def forward(self, *given: Tensor) -> Independent:
        mean, log_std = self.net(*given).chunk(2, dim=1)
        return _joint(Normal(mean, log_std.exp(), validate_args=False))


class FixedScaleGaussian(Conditional):
    """N(net(.), scale^2 I): minus its log density is half the summed squared error
    over scale^2, plus a constant.

    Args:
        net: maps what is given to the mean (N, d, ...).
        scale: standard deviation (not variance), > 0.
    """

    scale: Tensor
    family: type[Normal] | type[Laplace] = Normal

    def __init__(self, net: nn.Module, scale: float = 1.0):
        super().__init__(net)
        self.register_buffer("scale", torch.tensor(float(scale)))

    def forward(self, *given: Tensor) -> Independent:
        mean = self.net(*given)
        scale = self.scale.expand_as(mean)
        return _joint(self.family(mean, scale, validate_args=False))


class FixedScaleLaplace(FixedScaleGaussian):
    """Laplace(net(.), scale): minus its log density is the summed absolute error over
    scale, plus a constant.

    Args:
        net: maps what is given to the mean (N, d, ...).
        scale: b > 0 of the density exp(-abs(x - mean) / b) / 2b, whose standard
            deviation is sqrt(2) b.
    """

    family = Laplace


class Bernoulli(Conditional):
    """Independent Bernoulli pixels; `net` returns logits (N, d, ...).

    `.mean` is the picture of probabilities. Minus `log_prob` is the cross-entropy
    summed over pixels.
    """

    def forward(self, *given: Tensor) -> Independent:
        return _joint(BernoulliPixels(logits=self.net(*given), validate_args=False))


class Categorical(Conditional):
    """Categorical over one-hot rows; `net` returns logits (N, K); `rsample()` is the
    softmax vector."""

    def forward(self, *given: Tensor) -> MeanCategorical:
        return MeanCategorical(logits=self.net(*given), validate_args=False)


class Signs(Conditional):
    """E(x) = 2 sigmoid(net(x)) - 1 in (-1, 1)^d, with the cross-entropy of (z + 1) / 2
    as minus `log_prob`: BiGAN's encoder of codes from U[-1, 1]^d, and its latent
    regression (authors' code).

    Args:
        net: maps what is given to logits (N, d).
    """

    def forward(self, *given: Tensor) -> Independent:
        return _joint(MeanSigns(logits=self.net(*given), validate_args=False))


class Deterministic(Conditional):
    """delta(. - net(...)): the deterministic encoder of AAE and BiGAN, the decoder of
    GAN and ALI."""

    def forward(self, *given: Tensor) -> Delta:
        out = self.net(*given)
        return Delta(out, event_dim=out.dim() - 1)


class Noisy(Conditional):
    """z = net(x, eta), eta ~ N(0, I): AAE's universal-approximator posterior (sec.
    2.1), and the general change of variables of ALI (sec. 2). It can be drawn from
    but has no known density.

    Args:
        net: maps what is given, then eta, to (N, d).
        noise: dimension of eta.
    """

    def __init__(self, net: nn.Module, noise: int):
        super().__init__(net)
        self.noise = noise

    def forward(self, *given: Tensor) -> Delta:
        x = given[0]
        eta = torch.randn(len(x), self.noise, device=x.device, dtype=x.dtype)
        out = self.net(*given, eta)
        return Delta(out, event_dim=out.dim() - 1)


class TwoHeads(nn.Module):
    """q(y|x) and q(z|x) on one trunk: both heads see h = trunk(x) (AAE figure 8).

    Args:
        trunk: network x -> h.
        y: conditional on h, `Categorical`.
        z: conditional on h: `Deterministic`, `Gaussian` or `Noisy`.

    Example:
        >>> from adv_ae.networks import MLP
        >>> trunk = MLP(64, 100, 100, last=nn.ReLU())
        >>> y, z = Categorical(MLP(100, 10)), Deterministic(MLP(100, 5))
        >>> q_y, q_z = TwoHeads(trunk, y, z)(torch.rand(3, 64))
        >>> q_y.probs.shape, q_z.rsample().shape
        (torch.Size([3, 10]), torch.Size([3, 5]))
    """

    def __init__(self, trunk: nn.Module, y: nn.Module, z: nn.Module):
        super().__init__()
        self.trunk, self.y, self.z = trunk, y, z

    def forward(self, x: Tensor) -> tuple[Distribution, Distribution]:
        h = self.trunk(x)
        return self.y(h), self.z(h)
