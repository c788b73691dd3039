"""Adversarial Autoencoders (Makhzani, Shlens, Jaitly, Goodfellow, Frey, 2015; arXiv
1511.05644)."""

from torch import Tensor, nn

from adv_ae.divergences import fake, real
from adv_ae.games.models import Bidirectional
from adv_ae.priors import Prior


class AAE(Bidirectional):
    """Reconstruction, while D(z) pulls the aggregated posterior q(z) = E_x q(z|x) to
    p(z).

    D's real samples are draws of the prior, its fakes are codes; the generator is the
    encoder. The posterior is whichever conditional q is (sec. 2.1): `Deterministic`,
    `Gaussian`, or `Noisy`, the universal approximator. Of the prior only samples are
    needed.

    Args:
        q, p, prior: as in `Bidirectional`; p needs a density, q and prior do not.
        D: discriminator D(z), logits (N,).

    References:
        Sec. 2, figure 1: reconstruction phase and regularization phase on each
        mini-batch.
    """

    players = {"reconstruction": ("q", "p"), "D": ("D",), "G": ("q",)}

    def __init__(self, q: nn.Module, p: nn.Module, prior: Prior, D: nn.Module):
        super().__init__(q, p, prior)
        self.D = D

    def play(self, x: Tensor):
        # Reconstruction phase: q and p
        yield {"reconstruction": -self.p(self.q(x).rsample()).log_prob(x).mean()}
        # Regularization phase: first D tells draws of the prior from codes, ...
        z = self.prior.sample(len(x))
        z_hat = self.q(x).rsample()  # q has moved: draw again
        yield {"D": real(self.D(z)) + fake(self.D(z_hat.detach()))}
        # ... then q confuses the D that has moved
        yield {"G": real(self.D(z_hat))}
