"""GAN: D(x) against p(x|z), at once, in turn, or with the saturating loss."""

from torch import Tensor, nn

from adv_ae.divergences import fake, real
from adv_ae.games.models import Generative
from adv_ae.priors import Prior


class GAN(Generative):
    """min_G max_D E log D(x) + E log(1 - D(G(z))), both moving at once.

    G descends the non-saturating loss -E log D(G(z)): the same fixed point, a stronger
    gradient where D is sure (Goodfellow et al., sec. 3).

    Args:
        p: generator p(x|z), usually `conditionals.Deterministic`.
        prior: p(z).
        D: discriminator D(x), logits (N,).

    References:
        Goodfellow et al., Generative Adversarial Nets, 2014, eq. 1.
    """

    players = {"D": ("D",), "G": ("p",)}

    def __init__(self, p: nn.Module, prior: Prior, D: nn.Module):
        super().__init__(p, prior)
        self.D = D

    def play(self, x: Tensor):
        x_tilde = self.p(self.prior.sample(len(x))).rsample()
        on_data, on_p = self.D(x), self.D(x_tilde)
        yield {"D": real(on_data) + fake(on_p), "G": real(on_p)}


class SaturatingGAN(GAN):
    """G descends the value itself, E log(1 - D(G(z))), which is flat where D is
    sure."""

    def play(self, x: Tensor):
        x_tilde = self.p(self.prior.sample(len(x))).rsample()
        on_data, on_p = self.D(x), self.D(x_tilde)
        yield {"D": real(on_data) + fake(on_p), "G": -fake(on_p)}


class AlternatingGAN(GAN):
    """D moves first, then G against the D that has moved: algorithm 1 of the GAN
    paper, k = 1."""

    def play(self, x: Tensor):
        x_tilde = self.p(self.prior.sample(len(x))).rsample()
        yield {"D": real(self.D(x)) + fake(self.D(x_tilde.detach()))}
        x_tilde = self.p(self.prior.sample(len(x))).rsample()
        yield {"G": real(self.D(x_tilde))}
