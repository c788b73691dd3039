"""The few distributions that `torch.distributions` lacks; all else is
`torch.distributions`."""

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

NONE = torch.Size()


class Delta(Distribution):
    """Point mass at `value`: a deterministic conditional, or one draw of an implicit
    one.

    Its `rsample()` is `value`; it has no density, so `log_prob` raises.

    Args:
        value: (N, ...) where the mass sits.
        event_dim: how many of the last dimensions make one event.
    """

    arg_constraints = {}
    support = constraints.real
    has_rsample = True

    def __init__(self, value: Tensor, event_dim: int = 1):
        self.value = value
        split = value.dim() - event_dim
        super().__init__(value.shape[:split], value.shape[split:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.value

    @property
    def variance(self) -> Tensor:
        return torch.zeros_like(self.value)

    def rsample(self, sample_shape: torch.Size = NONE) -> Tensor:
        return self.value.expand(self._extended_shape(sample_shape))

    def sample(self, sample_shape: torch.Size = NONE) -> Tensor:
        return self.rsample(sample_shape).detach()

    def log_prob(self, value: Tensor) -> Tensor:
        raise TypeError(
            "a deterministic or implicit conditional has no density; where a "
            "method needs log_prob (reconstruction, ELBO), take "
            "conditionals.FixedScaleGaussian (squared error), conditionals.Gaussian or "
            "conditionals.Bernoulli."
        )


class BernoulliPixels(torch.distributions.Bernoulli):
    """Bernoulli on each pixel; `log_prob` takes grey values in [0, 1] as well (the
    cross-entropy).

    A draw of 0 or 1 carries no gradient to the logits, so `rsample` says what to do
    instead.
    """

    def rsample(self, sample_shape: torch.Size = NONE) -> Tensor:
        raise TypeError(
            "a Bernoulli draw has no path gradient; where pixels are generated for a "
            "discriminator, take conditionals.Deterministic on a network that ends in "
            "a sigmoid, as the GAN, ALI and BiGAN papers do."
        )


class MeanCategorical(torch.distributions.OneHotCategorical):
    """Categorical over one-hot rows whose `rsample()` is its mean, the softmax vector.

    AAE feeds softmax outputs, not draws, to the decoder and to D (sec. 5, figure 8).

    Args:
        logits: (N, K).
        validate_args: as in torch's; False for the categorical inside, too, which would
            otherwise look at its logits and wait for the device.
    """

    has_rsample = True

    def __init__(self, logits: Tensor, validate_args: bool | None = None):
        inside = torch.distributions.Categorical(
            logits=logits, validate_args=validate_args
        )
        self._categorical = inside
        Distribution.__init__(
            self, inside.batch_shape, inside.param_shape[-1:], validate_args
        )

    def rsample(self, sample_shape: torch.Size = NONE) -> Tensor:
        return self.probs.expand(self._extended_shape(sample_shape))


class MeanSigns(torch.distributions.Bernoulli):
    """Independent signs -1 and 1, P(1) = sigmoid(logits); every draw is the mean, 2
    sigmoid(logits) - 1.

    `log_prob` takes z in [-1, 1] as well: minus the cross-entropy of (z + 1) / 2, which
    the mean at z makes least. BiGAN's code has codes and latent regression in this
    form (for z ~ U[-1, 1]^d).
    """

    has_rsample = True

    @property
    def mean(self) -> Tensor:
        return (self.logits / 2).tanh()  # 2 sigmoid(l) - 1

    @property
    def mode(self) -> Tensor:
        return self.mean

    @property
    def variance(self) -> Tensor:
        return torch.zeros_like(self.logits)

    def rsample(self, sample_shape: torch.Size = NONE) -> Tensor:
        return self.mean.expand(self._extended_shape(sample_shape))

    def sample(self, sample_shape: torch.Size = NONE) -> Tensor:
        return self.rsample(sample_shape).detach()

    def log_prob(self, value: Tensor) -> Tensor:
        return super().log_prob((value + 1) / 2)
