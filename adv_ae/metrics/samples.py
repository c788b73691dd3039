"""Samples of p(x): modes, moments, and the Parzen window."""

import math

import torch
from torch import Tensor

from adv_ae import divergences


def frechet(a: Tensor, b: Tensor) -> float:
    """Squared Frechet distance of the Gaussians with the samples' means and
    covariances.

    Blind to everything but the first two moments: two laws may differ and have 0. From
    samples it is too large, by O(1 / n).

    Args:
        a: (n, d), n >= 2.
        b: (m, d), m >= 2.

    Returns:
        Squared distance, in squared units of the data.

    References:
        Heusel et al., GANs Trained by a Two Time-Scale Update Rule, 2017, eq. 6.
    """
    moments = [(s.double().mean(0), torch.cov(s.double().T)) for s in (a, b)]
    (mean_a, cov_a), (mean_b, cov_b) = moments
    d = len(mean_a)  # of one dimension torch.cov makes a number
    return divergences.frechet(
        mean_a, cov_a.view(d, d), mean_b, cov_b.view(d, d)
    ).item()


def parzen_log_likelihood(samples: Tensor, x: Tensor, sigma: float) -> Tensor:
    """log (1/M) sum_m N(x; s_m, sigma^2 I): the Parzen window estimate of log p(x).

    In float64 and in blocks: 10,000 samples against 10,000 points fit in 1 GB. Its mean
    over test points is what the GAN and AAE papers report; the standard error is
    ``.std() / sqrt(N)``. In many dimensions it says little: see Theis et al. (2016).

    Args:
        samples: (M, d), drawn from the model.
        x: (N, d).
        sigma: width of the window, one standard deviation.

    Returns:
        (N,) nats.

    References:
        Makhzani et al. (2015), sec. 3 and table 1, after Goodfellow et al. (2014),
        sec. 5.
    """
    s, d = samples.double(), samples.shape[1]
    constant = math.log(len(s)) + d * math.log(sigma * math.sqrt(2 * math.pi))
    blocks = [
        (-torch.cdist(block.double(), s).square() / (2 * sigma**2)).logsumexp(1)
        for block in x.split(500)
    ]
    return torch.cat(blocks) - constant


def choose_parzen_sigma(samples: Tensor, validation: Tensor) -> float:
    """The width, of ten from 0.1 to 1, with the highest mean log-likelihood.

    Args:
        samples: (M, d), drawn from the model.
        validation: (N, d), not the test data.

    References:
        The protocol of Goodfellow et al. (2014): widths logspace(-1, 0, 10).
    """
    widths = torch.logspace(-1, 0, 10, dtype=torch.float64).tolist()
    return max(
        widths,
        key=lambda w: parzen_log_likelihood(samples, validation, w).mean().item(),
    )


def modes_covered(x: Tensor, centers: Tensor, radius: float, at_least: int = 1) -> int:
    """Number of centers with at least so many of the points within `radius`.

    A point counts for the center nearest to it.

    Args:
        x: (N, d).
        centers: (K, d).
        radius: usually three standard deviations of a mode.
        at_least: points that make a mode covered; 1 takes a stray point for a mode.
    """
    distance, nearest = torch.cdist(x, centers).min(1)
    counts = nearest[distance < radius].bincount(minlength=len(centers))
    return int((counts >= at_least).sum())


def high_quality_share(x: Tensor, centers: Tensor, radius: float) -> float:
    """Share of the points that lie within `radius` of a center; arguments as above."""
    return (torch.cdist(x, centers).min(1).values < radius).double().mean().item()
