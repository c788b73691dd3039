"""Divergences: what the games descend, each beside its formula."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Kernel = Callable[[Tensor], Tensor]
LOG2 = math.log(2)


# ---- by a discriminator ----
def real(logits: Tensor) -> Tensor:
    """-E[log D] with D = sigmoid(logits): the mean cost of not being called real.

    Scalar, nats.
    """
    return F.softplus(-logits).mean()  # -log sigmoid(l) = log(1 + e^-l)


def fake(logits: Tensor) -> Tensor:
    """-E[log(1 - D)]: the mean cost of not being called fake. Scalar, nats."""
    return F.softplus(logits).mean()  # -log(1 - sigmoid(l)) = log(1 + e^l)


def value(on_real: Tensor, on_fake: Tensor) -> Tensor:
    """V = E_p[log D] + E_q[log(1 - D)] of Goodfellow et al. (2014), eq. 1.

    At the optimal D it is 2 JS(p, q) - log 4; at D = 1/2 it is -log 4.
    """
    return -(real(on_real) + fake(on_fake))


def js_bound(on_real: Tensor, on_fake: Tensor) -> Tensor:
    """(V + log 4) / 2 <= JS(p, q): what a discriminator has found of the divergence.

    Equal at the optimal D, whose logit is log p - log q. Of samples that D was fitted
    to it overestimates; take held-out ones.

    Args:
        on_real: (n,) logits of D on draws of p.
        on_fake: (m,) logits of D on draws of q.

    Returns:
        Scalar, nats, at most log 2.

    References:
        Goodfellow et al., Generative Adversarial Nets, 2014, theorem 1.
    """
    return value(on_real, on_fake) / 2 + LOG2


def saturating_slope(logits: Tensor) -> Tensor:
    """d/dl log(1 - D) = -D: the slope of G's saturating loss, flat where D says fake.

    Args:
        logits: l, any shape; D = sigmoid(l).

    References:
        Goodfellow et al., Generative Adversarial Nets, 2014, sec. 3.
    """
    return -logits.sigmoid()


def non_saturating_slope(logits: Tensor) -> Tensor:
    """d/dl (-log D) = -(1 - D): the slope of G's non-saturating loss, steepest where D
    says fake.

    Args:
        logits: l, any shape; D = sigmoid(l).
    """
    return -(-logits).sigmoid()  # 1 - sigmoid(l) = sigmoid(-l)


# ---- f-divergences ----
@dataclass(frozen=True)
class FDivergence:
    """D_f(p, q) = E_q f(p / q) = max_T E_p T - E_q f*(T), f convex.

    The maximum is at T = f'(p / q). A discriminator's logit estimates log p - log q, so
    one discriminator gives a lower bound on each of them.

    Args:
        name: as in `F_DIVERGENCES`.
        f: of the ratio u = p / q > 0.
        conjugate: f*(t) = max_u u t - f(u), for t in the range of f'.
        optimal: f'(u), as a function of log u.

    References:
        Nowozin, Cseke and Tomioka, f-GAN, 2016, eq. 4 and 5, tables 1 and 5.
    """

    name: str
    f: Callable[[Tensor], Tensor]
    conjugate: Callable[[Tensor], Tensor]
    optimal: Callable[[Tensor], Tensor]

    def on_grid(self, log_p: Tensor, log_q: Tensor, dx: float) -> Tensor:
        """E_q f(p / q) by quadrature on an even grid, where both have a density.

        Args:
            log_p, log_q: log densities at the grid points, any equal shape.
            dx: volume of a grid cell.
        """
        return (log_q.exp() * self.f((log_p - log_q).exp())).sum() * dx

    def bound(self, on_p: Tensor, on_q: Tensor) -> Tensor:
        """E_p T - E_q f*(T) with T = f'(e^logit): at most D_f(p, q), up to the error of
        the means.

        Args:
            on_p: (n,) logits, or estimates of log p - log q, on draws of p.
            on_q: (m,) the same on draws of q.

        Returns:
            Scalar; nats for the members that are made of logarithms.
        """
        t_p, t_q = self.optimal(on_p), self.optimal(on_q)
        return t_p.mean() - self.conjugate(t_q).mean()


#: The f-divergences by name (Nowozin et al., tables 1 and 5), JS and total variation
#: scaled to at most log 2 and 1.
#:
#: :meta hide-value:
F_DIVERGENCES: dict[str, FDivergence] = {
    d.name: d
    for d in (
        FDivergence(  # KL(p || q)
            "kl", lambda u: torch.xlogy(u, u), lambda t: (t - 1).exp(), lambda r: 1 + r
        ),
        FDivergence(  # KL(q || p)
            "reverse kl",
            lambda u: -u.log(),
            lambda t: -1 - (-t).log(),
            lambda r: -(-r).exp(),
        ),
        FDivergence(  # E_q (p / q - 1)^2
            "pearson chi2",
            lambda u: (u - 1).square(),
            lambda t: t.square() / 4 + t,
            lambda r: 2 * r.expm1(),
        ),
        FDivergence(  # integral of (sqrt p - sqrt q)^2, at most 2
            "squared hellinger",
            lambda u: (u.sqrt() - 1).square(),
            lambda t: t / (1 - t),
            lambda r: -(-r / 2).expm1(),
        ),
        FDivergence(  # integral of |p - q| / 2, at most 1
            "total variation",
            lambda u: (u - 1).abs() / 2,
            lambda t: t,
            lambda r: r.sign() / 2,
        ),
        FDivergence(  # at most log 2
            "js",
            lambda u: (torch.xlogy(u, u) - (1 + u) * ((1 + u) / 2).log()) / 2,
            lambda t: -(2 - (2 * t).exp()).log() / 2,
            lambda r: (F.logsigmoid(r) + LOG2) / 2,
        ),
        FDivergence(  # 2 JS - log 4: T = log D, f*(T) = -log(1 - D); f(1) is not 0
            "gan",
            lambda u: torch.xlogy(u, u) - (1 + u) * (1 + u).log(),
            lambda t: -(-t.expm1()).log(),
            F.logsigmoid,
        ),
    )
}


# ---- by a kernel ----
def rbf(*scales: float) -> Kernel:
    """Sum of Gaussian kernels exp(-d^2 / (2 s^2)); characteristic: it compares all
    moments.
    """
    return lambda d2: torch.stack([(-d2 / (2 * s * s)).exp() for s in scales]).sum(0)


def imq(*scales: float) -> Kernel:
    """Sum of inverse multiquadrics c / (c + d^2), c = s^2; WAE takes c = 2 dim(z)
    (sec. 4).
    """
    return lambda d2: torch.stack([s * s / (s * s + d2) for s in scales]).sum(0)


def mmd2(a: Tensor, b: Tensor, kernel: Kernel) -> Tensor:
    """Unbiased estimate of MMD^2 = E k(a, a') + E k(b, b') - 2 E k(a, b).

    Its mean is zero when both samples come from one law; single estimates may be
    negative.

    Args:
        a: (n, d), n >= 2.
        b: (m, d), m >= 2.
        kernel: maps squared distances to kernel values, such as `rbf(1.0)`.

    Returns:
        Scalar.

    References:
        Gretton et al., A Kernel Two-Sample Test, JMLR 2012, eq. 3.
    """
    return _mean_off_diagonal(kernel(_squared(a, a))) + (
        _mean_off_diagonal(kernel(_squared(b, b))) - 2 * kernel(_squared(a, b)).mean()
    )


def polynomial_mmd2(a: Tensor, b: Tensor, degree: int) -> Tensor:
    """Unbiased MMD^2 with the kernel (u . v + 1)^degree, which is not characteristic.

    It compares the moments up to `degree` and is blind to all others.

    Args:
        a: (n, d), n >= 2.
        b: (m, d), m >= 2.
        degree: a positive whole number.

    Returns:
        Scalar.

    References:
        Gretton et al., A Kernel Two-Sample Test, JMLR 2012, sec. 2.3.
    """

    def k(u: Tensor, v: Tensor) -> Tensor:
        return (u @ v.T + 1) ** degree

    within = _mean_off_diagonal(k(a, a)) + _mean_off_diagonal(k(b, b))
    return within - 2 * k(a, b).mean()


def _squared(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distances (n, m), with a gradient also where they are zero."""
    aa, bb = a.square().sum(1), b.square().sum(1)
    return (aa[:, None] + bb[None, :] - 2 * a @ b.T).clamp_min(0)


def _mean_off_diagonal(k: Tensor) -> Tensor:
    n = len(k)
    return (k.sum() - k.diagonal().sum()) / (n * (n - 1))


# ---- of known densities ----
def kl_on_grid(log_p: Tensor, log_q: Tensor, dx: float) -> Tensor:
    """KL(p || q) = sum p (log p - log q) dx by quadrature on an even grid, nats.

    Args:
        log_p, log_q: log densities at the grid points, any equal shape.
        dx: volume of a grid cell.
    """
    return (log_p.exp() * (log_p - log_q)).sum() * dx


def js_on_grid(log_p: Tensor, log_q: Tensor, dx: float) -> Tensor:
    """JS(p, q) = KL(p || m)/2 + KL(q || m)/2, m = (p + q)/2, by quadrature.

    Nats, in [0, log 2]. Arguments as in `kl_on_grid`.
    """
    log_m = torch.logaddexp(log_p, log_q) - LOG2
    return (kl_on_grid(log_p, log_m, dx) + kl_on_grid(log_q, log_m, dx)) / 2


def frechet(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> Tensor:
    """Squared Frechet (2-Wasserstein) distance of two Gaussians.

    ``|mean_a - mean_b|^2`` + tr(A + B - 2 (A^1/2 B A^1/2)^1/2), by eigenvalues of
    symmetric matrices: exact for singular covariances, too.

    References:
        Heusel et al., GANs Trained by a Two Time-Scale Update Rule, 2017, eq. 6;
        Dowson and Landau, J. Multivariate Analysis 12, 1982.
    """
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp_min(0).sqrt().sum()
    spread = cov_a.trace() + cov_b.trace() - 2 * cross
    return (mean_a - mean_b).square().sum() + spread
