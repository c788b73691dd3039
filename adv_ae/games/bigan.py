"""Adversarial Feature Learning (Donahue, Kraehenbuehl, Darrell, 2017; arXiv
1605.09782): BiGAN, its variants, and the baselines of its tables."""

from torch import Tensor, nn

from adv_ae.divergences import fake, real
from adv_ae.games.ali import ALI, Pair
from adv_ae.games.models import Bidirectional
from adv_ae.priors import Prior


class BiGAN(ALI):
    """ALI with deterministic maps E and G: V(D, E, G) = E log D(x, E(x)) + E log(1 -
    D(G(z), z)).

    The game is ALI's own (they were found at the same time); here q(z|x) and p(x|z)
    are point masses at E(x) and G(z) (sec. 3). E and G descend the inverse objective,
    with D's labels swapped, and all three move at once (sec. 3.4).

    Args:
        E: encoder, `conditionals.Deterministic`; also known as `q`.
        G: generator, `conditionals.Deterministic`; also known as `p`.
        prior: p(z), U[-1, 1]^50 in the paper's MNIST experiment.
        D: discriminator D(x, z), logits (N,).
    """

    def __init__(self, E: nn.Module, G: nn.Module, prior: Prior, D: nn.Module):
        super().__init__(E, G, prior, D)

    def judge(self, of_E: Pair, of_G: Pair) -> tuple[Tensor, Tensor]:
        """D's logits on both pairs, each by a call of its own: batch norm in D sees
        them apart, as in the authors' code."""
        return self.D(*of_E), self.D(*of_G)

    def E(self, x: Tensor) -> Tensor:
        """E(x), (N, d)."""
        return self.q(x).rsample()

    def G(self, z: Tensor) -> Tensor:
        """G(z), (N, ...)."""
        return self.p(z).rsample()


class SaturatingBiGAN(BiGAN):
    """E and G descend the value itself, E log D(x, E(x)) + E log(1 - D(G(z), z)), which
    is flat where D is sure."""

    def play(self, x: Tensor):
        on_E, on_G = self.judge(*self.pairs(x))
        D = real(on_E) + fake(on_G)
        yield {"D": D, "G": -D}


class AlternatingBiGAN(BiGAN):
    """D moves first, then E and G against the D that has moved, on new pairs.

    At twice the cost of a step: the paper moves all at once for speed (sec. 3.4).
    """

    def play(self, x: Tensor):
        on_E, on_G = self.judge(*self.pairs(x))
        yield {"D": real(on_E) + fake(on_G)}
        on_E, on_G = self.judge(*self.pairs(x))
        yield {"G": fake(on_E) + real(on_G)}


class GeneralizedBiGAN(BiGAN):
    """D sees (g_X(x), E(x)) and (G(z), g_Z(z)): E may look at x in a finer resolution
    than G draws in.

    At the optimum there is for almost every x a z with E(x) = g_Z(z) and G(z) = g_X(x),
    and for almost every z such an x (sec. 3.5).

    Args:
        E: encoder of x.
        G: generator, draws in the resolution of g_X.
        prior: p(z).
        D: discriminator D(g_X(x), g_Z(z)), logits (N,).
        g_X: module x -> (N, ...), such as average pooling; 112 x 112 to 64 x 64 pixels
            in the paper.
        g_Z: module z -> (N, ...), the identity in the paper's experiments.
    """

    def __init__(
        self,
        E: nn.Module,
        G: nn.Module,
        prior: Prior,
        D: nn.Module,
        g_X: nn.Module,
        g_Z: nn.Module,
    ):
        super().__init__(E, G, prior, D)
        self.g_X, self.g_Z = g_X, g_Z

    def pairs(self, x: Tensor) -> tuple[Pair, Pair]:
        """(g_X(x), E(x)) and (G(z), g_Z(z))."""
        (x, z_hat), (x_tilde, z) = super().pairs(x)
        return (self.g_X(x), z_hat), (x_tilde, self.g_Z(z))


class LatentRegressor(Bidirectional):
    """A GAN, and beside it E learns to tell z from G(z): -E_p(x,z) log q(z|x).

    Reconstruction with the roles swapped: z is given back, and only drawn pictures are
    ever encoded. G does not answer for it.

    Args:
        E: encoder, a conditional with a density: `Signs` for z in [-1, 1]^d, as in
            the authors' code, or `FixedScaleGaussian`; also known as `q`.
        G: generator, `conditionals.Deterministic`; also known as `p`.
        prior: p(z).
        D: discriminator D(x), logits (N,).

    References:
        Sec. 4.1 (latent regressor, LR).
    """

    players = {"D": ("D",), "G": ("p",), "E": ("q",)}

    def __init__(self, E: nn.Module, G: nn.Module, prior: Prior, D: nn.Module):
        super().__init__(E, G, prior)
        self.D = D

    def play(self, x: Tensor):
        z = self.prior.sample(len(x))
        x_tilde = self.p(z).rsample()
        on_data, on_p = self.D(x), self.D(x_tilde)
        regression = -self.q(x_tilde.detach()).log_prob(z).mean()
        yield {"D": real(on_data) + fake(on_p), "G": real(on_p), "E": regression}


class JointLatentRegressor(LatentRegressor):
    """G answers for the regression, too: it is to draw what E can read.

    Args:
        E, G, prior, D: as in `LatentRegressor`.
        weight: of the regression per dimension of z; 0.25 in the authors' code (at 1,
            they say, it degenerates).

    References:
        Sec. 4.1 (joint latent regressor, JLR).
    """

    players = {"D": ("D",), "GE": ("p", "q")}

    def __init__(
        self,
        E: nn.Module,
        G: nn.Module,
        prior: Prior,
        D: nn.Module,
        weight: float = 0.25,
    ):
        super().__init__(E, G, prior, D)
        self.weight = weight

    def play(self, x: Tensor):
        z = self.prior.sample(len(x))
        x_tilde = self.p(z).rsample()
        on_data, on_p = self.D(x), self.D(x_tilde)
        regression = -self.q(x_tilde).log_prob(z).mean() / self.prior.dim
        GE = real(on_p) + self.weight * regression
        yield {"D": real(on_data) + fake(on_p), "GE": GE}
