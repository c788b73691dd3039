"""The two joints: p(x, z) = p(z) p(x|z), and with it q(x, z) = q(x) q(z|x)."""

import torch
from torch import Tensor, nn

from adv_ae.game import Game
from adv_ae.priors import Prior


class Generative(Game):
    """p(x, z) = p(z) p(x|z).

    Args:
        p: decoder p(x|z), a conditional.
        prior: p(z).
    """

    def __init__(self, p: nn.Module, prior: Prior):
        super().__init__()
        self.p, self.prior = p, prior

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """Mean of p(x|z), (N, ...)."""
        return self.p(z).mean

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """n pictures: means of p(x|z) at z ~ p(z)."""
        return self.decode(self.prior.sample(n))


class Bidirectional(Generative):
    """p(x, z) and q(x, z) = q(x) q(z|x), q(x) the data.

    Args:
        q: encoder q(z|x), a conditional.
        p: decoder p(x|z), a conditional.
        prior: p(z).
    """

    def __init__(self, q: nn.Module, p: nn.Module, prior: Prior):
        super().__init__(p, prior)
        self.q = q

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Mean of q(z|x), (N, d); for an implicit q one draw."""
        return self.q(x).mean

    @torch.no_grad()
    def codes(self, x: Tensor) -> Tensor:
        """One draw of q(z|x) per x: over a data set, draws of the aggregated posterior
        q(z).
        """
        return self.q(x).sample()

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """Mean of p(x|z) at the mean code of x."""
        return self.decode(self.encode(x))
