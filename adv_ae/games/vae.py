"""Autoencoder, VAE and IWAE: one player owns q and p."""

import math

from torch import Tensor, nn
from torch.distributions import kl_divergence

from adv_ae.games.models import Bidirectional
from adv_ae.priors import Normal, Prior


class Autoencoder(Bidirectional):
    """-E_q(z|x) log p(x|z): reconstruction alone; the prior is used by `sample`
    only."""

    players = {"qp": ("q", "p")}

    def play(self, x: Tensor):
        z = self.q(x).rsample()
        yield {"qp": -self.p(z).log_prob(x).mean()}


class VAE(Bidirectional):
    """-ELBO = -E_q(z|x) log p(x|z) + KL(q(z|x) || p(z)), nats per example.

    The KL is in closed form, so the prior must be `priors.Normal` and q Gaussian; for
    other densities take `IWAE` with K = 1, the same bound with the KL drawn.

    References:
        Kingma and Welling, Auto-Encoding Variational Bayes, 2014, eq. 7 and appendix B.
    """

    prior: Normal
    players = {"qp": ("q", "p")}

    def play(self, x: Tensor):
        q_z = self.q(x)  # q(z|x)
        z = q_z.rsample()
        kl = kl_divergence(q_z, self.prior.distribution)
        yield {"qp": (kl - self.p(z).log_prob(x)).mean()}


class IWAE(Bidirectional):
    """-L_K, L_K = E log (1/K) sum_k p(x, z_k) / q(z_k|x), z_k ~ q(z|x); nats per
    example.

    K = 1 is the VAE's bound with the KL drawn instead of integrated: it takes any
    prior with a density.

    Args:
        q, p, prior: as in `Bidirectional`; all three need a density.
        K: draws per example.

    References:
        Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders, 2016, eq. 8.
    """

    players = {"qp": ("q", "p")}

    def __init__(self, q: nn.Module, p: nn.Module, prior: Prior, K: int = 5):
        super().__init__(q, p, prior)
        self.K = K

    def play(self, x: Tensor):
        x = x.repeat_interleave(self.K, dim=0)
        q_z = self.q(x)
        z = q_z.rsample()
        log_joint = self.p(z).log_prob(x) + self.prior.log_prob(z)  # log p(x, z)
        log_w = (log_joint - q_z.log_prob(z)).view(-1, self.K)
        bound = log_w.logsumexp(1) - math.log(self.K)  # log (1/K) sum_k w_k
        yield {"qp": -bound.mean()}
