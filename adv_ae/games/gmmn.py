"""Moment matching: MMD in the place of a discriminator."""

from torch import Tensor, nn

from adv_ae.divergences import Kernel, imq, mmd2, rbf
from adv_ae.games.models import Bidirectional, Generative
from adv_ae.priors import Prior


class GMMN(Generative):
    """MMD^2 between data and p(x): one player, no discriminator.

    Args:
        p: generator p(x|z).
        prior: p(z).
        kernel: of the MMD; None: Gaussian with the scales of the paper's code.

    References:
        Li, Swersky and Zemel, Generative Moment Matching Networks, 2015, eq. 3
        (squared, and without the diagonal: the unbiased estimate).
    """

    players = {"p": ("p",)}

    def __init__(self, p: nn.Module, prior: Prior, kernel: Kernel | None = None):
        super().__init__(p, prior)
        self.kernel = kernel or rbf(2.0, 5.0, 10.0, 20.0, 40.0, 80.0)

    def play(self, x: Tensor):
        x_tilde = self.p(self.prior.sample(len(x))).rsample()
        yield {"p": mmd2(x, x_tilde, self.kernel)}


class GMMNAutoencoder(Bidirectional):
    """GMMN+AE: MMD^2 in the code space of an autoencoder that was trained before and
    stays fixed.

    `noise` is the prior of the code maker g: z = g(u), u ~ noise; p(x) is decoded from
    there.

    Args:
        q, p: encoder and decoder of a trained `Autoencoder`; nobody moves them.
        noise: p(u).
        g: conditional that makes codes from u.
        kernel: of the MMD; None: Gaussian of scale 1, as in the paper's code.

    References:
        Li, Swersky and Zemel, 2015, sec. 4.
    """

    players = {"g": ("g",)}

    def __init__(
        self,
        q: nn.Module,
        p: nn.Module,
        noise: Prior,
        g: nn.Module,
        kernel: Kernel | None = None,
    ):
        super().__init__(q, p, noise)
        self.g = g
        self.kernel = kernel or rbf(1.0)

    def play(self, x: Tensor):
        z_hat = self.q(x).rsample().detach()  # the autoencoder is fixed
        z = self.g(self.prior.sample(len(x))).rsample()
        yield {"g": mmd2(z_hat, z, self.kernel)}

    def sample(self, n: int) -> Tensor:
        """n pictures: decoded from codes g(u), u ~ noise."""
        return self.decode(self.g(self.prior.sample(n)).sample())


class WAEMMD(Bidirectional):
    """Reconstruction + weight * MMD^2(q(z), p(z)), one player.

    Args:
        q, p, prior: as in `Bidirectional`.
        weight: lambda of the paper (10 on MNIST).
        kernel: None: inverse multiquadric with C = 2 dim(z), for a prior of unit
        variance.

    References:
        Tolstikhin et al., Wasserstein Auto-Encoders, 2018, algorithm 2.
    """

    players = {"qp": ("q", "p")}

    def __init__(
        self,
        q: nn.Module,
        p: nn.Module,
        prior: Prior,
        weight: float = 10.0,
        kernel: Kernel | None = None,
    ):
        super().__init__(q, p, prior)
        self.weight = weight
        self.kernel = kernel or imq((2 * prior.dim) ** 0.5)

    def play(self, x: Tensor):
        z_hat, z = self.q(x).rsample(), self.prior.sample(len(x))
        reconstruction = -self.p(z_hat).log_prob(x).mean()
        yield {"qp": reconstruction + self.weight * mmd2(z_hat, z, self.kernel)}
