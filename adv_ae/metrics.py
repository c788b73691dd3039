"""Metrics: what a fitted model is measured by, beside the bounds."""

import math

import torch
from torch import Tensor

from adv_ae import divergences


def active_units(means: Tensor, threshold: float = 0.01) -> Tensor:
    """Which dimensions of the code move with the data: Var_x E_q(z|x)[z_j] > threshold.

    The others are the same for every x: the encoder has left them to the prior
    (posterior collapse). Count them with `.sum()`.

    Args:
        means: (N, d), N >= 2, means of q(z|x) over a data set: `game.encode(x)`.
        threshold: a variance, in the units of z squared; for a prior of variance 1.

    Returns:
        (d,) of bool.

    Raises:
        ValueError: `means` is not (N, d) with N >= 2.

    References:
        Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders, 2016,
        sec. 5 (threshold 0.01).
    """
    if means.dim() != 2 or len(means) < 2:
        raise ValueError(
            f"means must be (N, d) with N >= 2, not {tuple(means.shape)}; "
            "give the codes of a whole data set, game.encode(x)."
        )
    return means.var(0) > threshold


def two_sample_accuracy(a: Tensor, b: Tensor, seed: int = 0) -> float:
    """How well a nearest-neighbor classifier tells a from b: 1/2 where they have one
    law, 1 where they lie apart.

    Of each sample one half, at random, is learned, the other is told apart by the vote
    of the k nearest, k = sqrt(number learned), odd. For one law the result is normal
    with mean 1/2 and standard deviation 1 / (2 sqrt(number told apart)). It sees
    differences on the scale of the k nearest and more, not finer ones.

    Args:
        a: (n, d), n >= 4, such as draws of the aggregated posterior, `game.codes(x)`.
        b: (m, d), such as draws of the prior; of the longer one as many rows, taken at
            random, count as the other has.
        seed: of the halves and the rows.

    Raises:
        ValueError: fewer than 4 rows, or other widths.

    References:
        Lopez-Paz and Oquab, Revisiting Classifier Two-Sample Tests, 2017,
        https://arxiv.org/abs/1610.06545, sec. 3 (theorem 1) and 4.1 (C2ST-KNN).
    """
    n = min(len(a), len(b))
    if n < 4 or a.shape[1:] != b.shape[1:]:
        raise ValueError(
            f"two samples of at least 4 rows of one width are wanted, not "
            f"{tuple(a.shape)} and {tuple(b.shape)}."
        )
    from sklearn.neighbors import KNeighborsClassifier

    generator = torch.Generator().manual_seed(seed)
    rows = [torch.randperm(len(s), generator=generator)[:n] for s in (a, b)]
    chosen = [s.detach().flatten(1).cpu()[r] for s, r in zip((a, b), rows, strict=True)]
    learned, told = (
        torch.cat([c[part] for c in chosen]).numpy()
        for part in (slice(n // 2), slice(n // 2, None))
    )
    k = int(len(learned) ** 0.5) | 1  # odd: no ties
    vote = KNeighborsClassifier(k).fit(learned, [0] * (n // 2) + [1] * (n // 2))
    truth = [0] * (n - n // 2) + [1] * (n - n // 2)
    return float(vote.score(told, truth))


def nearest_neighbor_accuracy(
    train_codes: Tensor, train_y: Tensor, codes: Tensor, y: Tensor, k: int = 1
) -> float:
    """Share of the codes whose label is the one that most of the k nearest codes of the
    train set have.

    Args:
        train_codes: (N, d).
        train_y: (N,) labels.
        codes: (n, d), held out.
        y: (n,) their labels.
        k: how many neighbors vote (BiGAN reports k = 1).

    References:
        Donahue, Kraehenbuehl and Darrell, Adversarial Feature Learning, 2017,
        https://arxiv.org/abs/1605.09782, sec. 4.1, table 1.
    """
    from sklearn.neighbors import KNeighborsClassifier

    vote = KNeighborsClassifier(k).fit(
        train_codes.detach().flatten(1).cpu().numpy(), train_y.cpu().numpy()
    )
    return float(vote.score(codes.detach().flatten(1).cpu().numpy(), y.cpu().numpy()))


def sliced_wasserstein(
    a: Tensor, b: Tensor, projections: int = 200, seed: int = 0
) -> float:
    """Sliced 2-Wasserstein distance of two samples of equal size.

    sqrt(E_u W_2(u'a, u'b)^2) over directions u drawn evenly from the sphere; on the
    line W_2 of two samples is the root mean square of the gaps after sorting.

    Args:
        a, b: (n, d), equally many.
        projections: directions.
        seed: of the directions.

    Returns:
        Distance, in units of the data.

    References:
        Bonneel, Rabin, Peyre and Pfister, Sliced and Radon Wasserstein Barycenters of
        Measures, 2015, sec. 2.
    """
    if len(a) != len(b):
        raise ValueError(
            f"samples must have equal size, not {len(a)} and {len(b)}; "
            "cut the longer one."
        )
    generator = torch.Generator().manual_seed(seed)
    u = torch.randn(a.shape[1], projections, generator=generator, dtype=a.dtype)
    u = (u / u.norm(dim=0)).to(a.device)
    gaps = (a @ u).sort(0).values - (b @ u).sort(0).values
    return gaps.square().mean().sqrt().item()


def holes(codes: Tensor, prior: Tensor, k: int = 8) -> float:
    """Share of the prior's draws that stand in a hole of the codes.

    A draw of the prior stands in a hole if no code is as near to it as the k-th nearest
    of the other draws: where k draws of the prior fit there is not one code. For one
    law that happens to a share of about 2^-k (0.004 for k = 8), in any dimension, since
    then each neighbor is a code or a draw with equal chances. Where the codes are r
    times as dense as the prior it happens to (1 + r)^-k. Holes smaller than the k
    nearest are not seen.

    Args:
        codes: (n, d), n > k + 1, draws of the aggregated posterior, `game.codes(x)`.
        prior: (m, d), draws of the prior; of the longer one the first as many as the
            other has count.
        k: neighbors.

    Raises:
        ValueError: fewer than k + 2 rows, or other widths.

    References:
        Our own; the count behind it is the nearest-neighbor estimate of a ratio of
        densities, as in Wang, Kulkarni and Verdu, IEEE Trans. Inf. Theory 55, 2009.
    """
    n = min(len(codes), len(prior))
    if n < k + 2 or codes.shape[1:] != prior.shape[1:]:
        raise ValueError(
            f"two samples of at least k + 2 = {k + 2} rows of one width are wanted, "
            f"not {tuple(codes.shape)} and {tuple(prior.shape)}."
        )
    codes, prior = codes[:n].double(), prior[:n].double()
    alone = [
        torch.cdist(part, prior).kthvalue(k + 1, dim=1).values  # itself is the first
        < torch.cdist(part, codes).min(1).values
        for part in prior.split(1000)
    ]
    return torch.cat(alone).double().mean().item()


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
