"""Divergences: what the games descend, each beside its formula."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Kernel = Callable[[Tensor], Tensor]


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


# ---- by a kernel ----
def rbf(*scales: float) -> Kernel:
    """Sum of Gaussian kernels exp(-d^2 / (2 s^2)).

    Characteristic: it compares all moments.
    """
    return lambda d2: torch.stack([(-d2 / (2 * s * s)).exp() for s in scales]).sum(0)


def imq(*scales: float) -> Kernel:
    """Sum of inverse multiquadrics c / (c + d^2), c = s^2.

    WAE takes c = 2 dim(z) (sec. 4).
    """
    return lambda d2: torch.stack([s * s / (s * s + d2) for s in scales]).sum(0)


def mmd2(a: Tensor, b: Tensor, kernel: Kernel) -> Tensor:
    """Unbiased estimate of MMD^2 = E k(a, a') + E k(b, b') - 2 E k(a, b).

    Its mean is zero when both samples come from one law; a single one may
    be negative.

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
    """JS(p, q) = KL(p || m)/2 + KL(q || m)/2, m = (p + q)/2.

    By quadrature, nats in [0, log 2].
    """
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
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
