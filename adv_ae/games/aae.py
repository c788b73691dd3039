"""Adversarial Autoencoders (Makhzani, Shlens, Jaitly, Goodfellow, Frey, 2015; arXiv
1511.05644): every architecture of the paper, each a few lines over the last."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adv_ae.divergences import fake, real
from adv_ae.games.models import Bidirectional
from adv_ae.priors import Mixture, OneHot, Prior


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
        yield {"reconstruction": -self.p(self.q(x).rsample()).log_prob(x).mean()}
        yield from self.regularization(self.prior.sample(len(x)), x)

    def regularization(self, z: Tensor, x: Tensor, *given: Tensor):
        """D tells z, draws of the prior, from the codes of x; then q confuses the D
        that has moved. What is `given` goes to D beside each."""
        z_hat = self.q(x).rsample()  # q has moved: draw again
        yield {"D": real(self.D(z, *given)) + fake(self.D(z_hat.detach(), *given))}
        yield {"G": real(self.D(z_hat, *given))}


class LabelInformedAAE(AAE):
    """AAE whose D(z, switch) sees the label, too: each class to its own component of
    the prior.

    The switch is one-hot with K + 1 slots: slot k < K goes with draws of component k
    and codes of class k, the last one with draws of the whole prior and codes of
    examples without a label. It is an input of D alone: encoder and decoder never see
    a label.

    Args:
        q, p: as in `AAE`.
        prior: with K components: `GaussianRing`, `SwissRoll`.
        D: discriminator D(z, switch), logits (N,), switch (N, K + 1).

    References:
        Sec. 2.3, figures 3 and 4.
    """

    prior: Mixture
    switch: Tensor

    def __init__(self, q: nn.Module, p: nn.Module, prior: Mixture, D: nn.Module):
        super().__init__(q, p, prior, D)
        self.register_buffer("switch", torch.eye(prior.k + 1))

    def play(self, x: Tensor, y: Tensor):
        """y: (N,) labels 0 .. K - 1; K, or -1, where there is none."""
        yield {"reconstruction": -self.p(self.q(x).rsample()).log_prob(x).mean()}
        anywhere = torch.randint_like(y, self.prior.k)
        known = (y >= 0) & (y < self.prior.k)
        component = torch.where(known, y, anywhere)
        z = self.prior.sample(len(x), component)
        yield from self.regularization(z, x, self.switch[y])


class SupervisedAAE(AAE):
    """AAE whose decoder p(x|y, z) is told the label: z is left with the style.

    D(z) pulls q(z) to the prior, for all classes together.

    Args:
        q, prior, D: as in `AAE`.
        p: decoder p(x|y, z); y is one-hot, (N, K).
        classes: K.

    References:
        Sec. 4, figures 6 and 7.
    """

    one_hot: Tensor

    def __init__(
        self,
        q: nn.Module,
        p: nn.Module,
        prior: Prior,
        D: nn.Module,
        classes: int = 10,
    ):
        super().__init__(q, p, prior, D)
        self.register_buffer("one_hot", torch.eye(classes))

    def play(self, x: Tensor, y: Tensor):
        """y: (N,) labels 0 .. K - 1."""
        p_x = self.p(self.one_hot[y], self.q(x).rsample())  # p(x|y, z)
        yield {"reconstruction": -p_x.log_prob(x).mean()}
        yield from self.regularization(self.prior.sample(len(x)), x)

    @torch.no_grad()
    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Mean of p(x|y, z), (N, ...); y (N,) labels, None: drawn evenly."""
        if y is None:
            y = torch.randint(len(self.one_hot), (len(z),), device=z.device)
        return self.p(self.one_hot[y], z).mean

    @torch.no_grad()
    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Mean of p(x|y, z) at the mean code of x, y its label or another one."""
        return self.decode(self.encode(x), y)


class ClusteringAAE(Bidirectional):
    """q(y, z|x) with two discriminators: softmax y to Cat(1/K), z to p(z); no labels.

    D_y sees softmax vectors as fakes, one-hot draws as real: it wants y decided, and
    all K equally often. D_z leaves to z what y does not say, the style.

    Args:
        q: encoder: (q(y|x), q(z|x)), `conditionals.TwoHeads`.
        p: decoder p(x|y, z), with a density; y (N, K) one-hot or softmax.
        prior_y: Cat(1/K) over one-hot rows.
        prior: p(z).
        D_y, D_z: discriminators, logits (N,).

    References:
        Sec. 6: figure 8 without its classification phase.
    """

    players = {"reconstruction": ("q", "p"), "D": ("D_y", "D_z"), "G": ("q",)}

    def __init__(
        self,
        q: nn.Module,
        p: nn.Module,
        prior_y: OneHot,
        prior: Prior,
        D_y: nn.Module,
        D_z: nn.Module,
    ):
        super().__init__(q, p, prior)
        self.prior_y, self.D_y, self.D_z = prior_y, D_y, D_z

    def play(self, x: Tensor):
        # Reconstruction phase: p is given the softmax vector, not a draw of y
        yield {"reconstruction": -self.p_x(*self.q_yz(x)).log_prob(x).mean()}
        # Regularization phase: the discriminators, ...
        y, z = self.prior_y.sample(len(x)), self.prior.sample(len(x))
        y_hat, z_hat = self.q_yz(x)  # q has moved
        on_y = real(self.D_y(y)) + fake(self.D_y(y_hat.detach()))
        on_z = real(self.D_z(z)) + fake(self.D_z(z_hat.detach()))
        yield {"D": on_y + on_z}
        # ... then the generator
        yield {"G": real(self.D_y(y_hat)) + real(self.D_z(z_hat))}

    def q_yz(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Softmax vector y and a draw of z."""
        q_y, q_z = self.q(x)
        return q_y.rsample(), q_z.rsample()

    def p_x(self, y: Tensor, z: Tensor) -> torch.distributions.Distribution:
        """p(x|y, z)."""
        return self.p(y, z)

    @torch.no_grad()
    def classify(self, x: Tensor) -> Tensor:
        """q(y|x), probabilities (N, K)."""
        return self.q(x)[0].probs

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Mean of q(z|x), the style, (N, d)."""
        return self.q(x)[1].mean

    @torch.no_grad()
    def codes(self, x: Tensor) -> Tensor:
        """One draw of q(z|x) per x, (N, d)."""
        return self.q(x)[1].sample()

    @torch.no_grad()
    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Mean of p(x|y, z), (N, ...); y (N, K), or (N,) heads; None: drawn from
        Cat(1/K)."""
        if y is None or y.dim() == 1:
            y = self.prior_y.sample(len(z), y)
        return self.p_x(y, z).mean

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """Mean of p(x|y, z) at the softmax vector and the mean style of x."""
        return self.decode(self.encode(x), self.classify(x))


class SemiSupervisedAAE(ClusteringAAE):
    """Clustering's play, then a classification phase on a labelled mini-batch.

    Args:
        q: `conditionals.TwoHeads`; the classification phase moves its `trunk` and `y`.
        p, prior_y, prior, D_y, D_z: as in `ClusteringAAE`; K classes.

    References:
        Sec. 5, figure 8.
    """

    players = ClusteringAAE.players | {"classification": ("q.trunk", "q.y")}

    def play(self, x: Tensor, x_labelled: Tensor, y_labelled: Tensor):
        """y_labelled: (M,) labels 0 .. K - 1 of x_labelled."""
        yield from super().play(x)
        q_y, _ = self.q(x_labelled)
        y = self.prior_y.one_hot(y_labelled)
        yield {"classification": -q_y.log_prob(y).mean()}  # cross-entropy


class HeadPlusStyle(ClusteringAAE):
    """Base: the decoder is given one vector of n dimensions, head plus style: y W + z.

    `W` is (K, n); row k is the head of cluster k.
    """

    W: Tensor

    def p_x(self, y: Tensor, z: Tensor) -> torch.distributions.Distribution:
        """p(x|y W + z)."""
        return self.p(y @ self.W + z)

    @torch.no_grad()
    def represent(self, x: Tensor) -> Tensor:
        """The representation y W + z of x, (N, n)."""
        return self.classify(x) @ self.W + self.encode(x)


def head_cost(W: Tensor, eta: float) -> Tensor:
    """sum_{i<j} max(0, eta - ||w_i - w_j||): heads nearer than eta push each other
    apart. Two at the very same place have no direction to go: begin with them apart.

    Args:
        W: (K, n), a head a row.
        eta: distance from which on a pair costs nothing.

    Returns:
        Scalar, >= 0.

    References:
        Makhzani et al. (2015), sec. 7.
    """
    i, j = torch.triu_indices(len(W), len(W), 1, device=W.device)
    return F.relu(eta - (W[i] - W[j]).norm(dim=1)).sum()


class DimensionReductionAAE(HeadPlusStyle):
    """Clustering whose decoder sees y W + z: n dimensions that show clusters and
    styles.

    The heads W are learned by the reconstruction, and kept at least eta apart.

    Args:
        q, prior_y, prior, D_y, D_z: as in `ClusteringAAE`; the prior has n dimensions.
        p: decoder p(x|y W + z), with a density.
        W: (K, n), the heads to begin with.
        eta: distance of heads that costs nothing.

    References:
        Sec. 7, figure 10.
    """

    players = ClusteringAAE.players | {
        "reconstruction": ("q", "p", "W"),
        "heads": ("W",),
    }

    def __init__(
        self,
        q: nn.Module,
        p: nn.Module,
        prior_y: OneHot,
        prior: Prior,
        D_y: nn.Module,
        D_z: nn.Module,
        W: Tensor,
        eta: float,
    ):
        super().__init__(q, p, prior_y, prior, D_y, D_z)
        self.W, self.eta = nn.Parameter(W.detach().clone()), eta

    def play(self, *batch: Tensor):
        yield from super().play(*batch)
        yield {"heads": head_cost(self.W, self.eta)}


class SemiSupervisedDimensionReductionAAE(DimensionReductionAAE, SemiSupervisedAAE):
    """`DimensionReductionAAE` with the classification phase of `SemiSupervisedAAE`
    before the heads move.

    References:
        Sec. 7, figure 11.
    """

    players = SemiSupervisedAAE.players | DimensionReductionAAE.players


class FixedHeadsAAE(HeadPlusStyle, SemiSupervisedAAE):
    """`SemiSupervisedAAE` whose decoder sees y W + z with W fixed, as 10 I for n = K =
    10.

    Args:
        q, p, prior_y, prior, D_y, D_z: as in `DimensionReductionAAE`.
        W: (K, n), the heads.

    References:
        Sec. 7: the ten-dimensional representation.
    """

    def __init__(
        self,
        q: nn.Module,
        p: nn.Module,
        prior_y: OneHot,
        prior: Prior,
        D_y: nn.Module,
        D_z: nn.Module,
        W: Tensor,
    ):
        super().__init__(q, p, prior_y, prior, D_y, D_z)
        self.register_buffer("W", W.detach().clone())
