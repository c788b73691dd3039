"""Autoencoder, VAE and IWAE: one player owns q and p."""

from torch import Tensor, nn
from torch.distributions import kl_divergence

from adv_ae.bounds import iwae, log_weights
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
        log_w = log_weights(self.q, self.p, self.prior, x, self.K)  # (K, N)
        yield {"qp": -iwae(log_w).mean()}


class BinarizedIWAE(IWAE):
    """The same on pixels that are drawn anew at every step: b ~ Bernoulli(x).

    The stochastic binarization of the benchmark on MNIST; K = 1 is its VAE. Pixels
    that are 0 or 1 already stay.

    Args:
        q, p, prior, K: as in `IWAE`; p of binary pixels, `conditionals.Bernoulli`.

    References:
        Burda et al. (2016), sec. 5 and table 1; Salakhutdinov and Murray, On the
        Quantitative Analysis of Deep Belief Networks, 2008.
    """

    def play(self, x: Tensor):
        yield from super().play(x.bernoulli())
