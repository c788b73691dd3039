"""Codes: how near their law is to the prior, and what they tell."""

import torch
from torch import Tensor


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
