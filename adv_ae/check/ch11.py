"""Checkers of the exercises of chapter 11, One table.

Each tests closed forms, oracles or properties, on inputs of its own: no seed matters.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from adv_ae.check import CheckError, equal


def _same(got: object, want: object) -> bool:
    a = torch.as_tensor(got, dtype=torch.float64)
    b = torch.as_tensor(want, dtype=torch.float64)
    return a.shape == b.shape and torch.allclose(a, b, rtol=0, atol=1e-6)


def _below(z: float) -> float:
    """The standard normal distribution function."""
    return math.erfc(-z / math.sqrt(2)) / 2


def exercise_1(wrong_winner: Callable[[float, float, int], float]) -> None:
    """The probability that the means of n runs name the wrong winner.

    Args:
        wrong_winner: maps the gap > 0, the standard deviation of a run and n to it.

    Raises:
        CheckError: it does not.
    """
    for gap, sd, n in ((1.0, 1.0, 1), (0.5, 2.0, 10), (0.3, 0.1, 2)):
        z = gap / (sd * math.sqrt(2 / n))
        got, want = float(wrong_winner(gap, sd, n)), _below(-z)
        if _same(got, 1 - want):
            raise CheckError("That is the probability of the *right* winner.")
        if _same(got, _below(-gap / sd * math.sqrt(n))):
            raise CheckError("Both means vary: their variances add up, 2 sd^2 / n.")
        if n > 1 and _same(got, _below(-gap / (sd * math.sqrt(2)))):
            raise CheckError("That is for one run each; means of n vary less.")
        hint = "The difference of the means is normal; how wide is it?"
        equal(f"gap {gap:g}, sd {sd:g}, {n} runs", got, want, hint=hint)


def exercise_2(fewest: Callable[[int, float], int]) -> None:
    """The fewest pairs with which a sign-flip test can pass Holm's first step.

    Args:
        fewest: maps the number of comparisons and the level to the number of pairs.

    Raises:
        CheckError: it does not.
    """
    for m, alpha in ((1, 0.05), (25, 0.05), (26, 0.05), (119, 0.05), (1, 0.5), (32, 1)):
        got, bound = fewest(m, alpha), alpha / m
        want = next(n for n in range(1, 64) if 2.0 ** (1 - n) <= bound)
        if got == want - 1 and 2.0**-got <= bound:
            raise CheckError(
                "Two choices of signs are as extreme as the data can be, all plus and "
                "all minus: the smallest p is 2 / 2^n."
            )
        if got == want + 1 and 2.0 ** (1 - want) == bound:
            raise CheckError("A p that equals alpha / m is small enough.")
        hint = "Compare the smallest p with alpha / m."
        equal(f"{m} comparisons at {alpha:g}", got, want, hint=hint)


def _stepped_up(p: list[float]) -> list[float]:
    """Benjamini and Hochberg's adjusted values, from their definition."""
    m = len(p)
    places = sorted(p)
    return [
        min(min(1.0, places[j] * m / (j + 1)) for j in range(m) if places[j] >= value)
        for value in p
    ]


def exercise_3(false_discovery: Callable[[Tensor], Tensor]) -> None:
    """Adjusted p-values for the false-discovery rate.

    Args:
        false_discovery: maps p (m,) to (m,), in the same order.

    Raises:
        CheckError: it does not.

    References:
        Benjamini and Hochberg, Controlling the False Discovery Rate, 1995.
    """
    for p in ([0.03, 0.2, 0.04, 0.01], [0.9, 0.2, 0.045, 0.046, 0.6], [0.7]):
        given = torch.tensor(p, dtype=torch.float64)
        got = torch.as_tensor(false_discovery(given.clone()))
        want = torch.tensor(_stepped_up(p), dtype=torch.float64)
        m, places = len(p), torch.argsort(given)
        raw = given[places] * m / torch.arange(1, m + 1)
        down = ((m - torch.arange(m)) * given[places]).clamp(max=1).cummax(0).values
        if m > 1 and got.shape == want.shape:
            if _same(got, want[places]):
                raise CheckError("Give them back in the order in which they came.")
            if _same(got[places], down):
                raise CheckError("Those are Holm's.")
            if _same(got[places], raw.clamp(max=1)):
                raise CheckError(
                    "A larger p must not get a smaller adjusted one: take the minimum "
                    "over all places j >= i."
                )
            if _same(got[places], raw.clamp(max=1).cummax(0).values):
                raise CheckError("The minimum over later places, not a maximum.")
        hint = "The smallest p is multiplied by m, the largest by one."
        equal(f"adjusted, {m} of them", got, want, 1e-6, hint)


def exercise_4(density: Callable[[Tensor, Tensor, int], Tensor]) -> None:
    """Density of samples in the balls of the data.

    Args:
        density: maps data (N, d), samples (M, d) and k to a number.

    Raises:
        CheckError: it does not.

    References:
        Naeem et al., Reliable Fidelity and Diversity Metrics for Generative Models,
        2020, sec. 3.
    """
    real = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    fake = torch.tensor([[0.5], [0.9], [20.0]])
    # radii for k = 1: 1, 1, 2, 4; balls that hold the samples: 2, 2 (of 0 and of 1), 0
    # radii for k = 2: 3, 2, 3, 6; balls that hold them: 3, 3 (of 0, 1 and 3), 0
    # where a datum is its own first neighbor: 0 for k = 1, 4 / (2 * 3) for k = 2
    for k, want, itself in ((1, 4 / 3, 0.0), (2, 1.0, 2 / 3)):
        got = float(density(real, fake, k))
        if k == 2 and _same(got, 2 * want):
            raise CheckError("Divide by k: with k neighbors the balls are larger.")
        if _same(got, want * 3 / 4):
            raise CheckError("The mean over the M samples, not over the N data.")
        if _same(got, itself):
            raise CheckError("The nearest neighbor of a datum is not itself.")
        hint = "In how many balls does each sample stand?"
        equal(f"four data, three samples, k = {k}", got, want, hint=hint)
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(1000, 2, generator=generator)
    b = torch.randn(1000, 2, generator=generator)
    equal("one law", float(density(a, b, 5)), 1.0, 0.1, "About 1 is expected.")


def exercise_5(stopped: Callable[[Tensor], Tensor]) -> None:
    """How often one of many looks is significant.

    Args:
        stopped: maps differences (experiments, runs) to the share of experiments in
            which a t-test over the first 3, 4, ... runs has p < 0.05 at least once.

    Raises:
        CheckError: it does not.
    """
    from scipy import stats

    generator = torch.Generator().manual_seed(0)
    d = torch.randn(400, 12, generator=generator, dtype=torch.float64)
    looks = torch.stack(
        [
            torch.as_tensor(stats.ttest_1samp(d[:, :n].numpy(), 0.0, axis=1).pvalue)
            for n in range(3, 13)
        ]
    )
    want = (looks < 0.05).any(0).double().mean()
    got = float(stopped(d.clone()))
    if _same(got, (looks[-1] < 0.05).double().mean()):
        raise CheckError("That is one look, at the end.")
    if _same(got, (looks < 0.05).double().mean()):
        raise CheckError(
            "That is the share of *looks*; an experiment that finds something once is "
            "stopped there and published."
        )
    if _same(got, (looks[1:] < 0.05).any(0).double().mean()):
        raise CheckError("The first look is at three runs.")
    if _same(got, (looks[:-1] < 0.05).any(0).double().mean()):
        raise CheckError("The last look is at all runs.")
    hint = "Student's t with n - 1 degrees of freedom, two-sided, at every look."
    equal("400 experiments without a difference", got, want, hint=hint)
    equal("a difference that all see", float(stopped(d + 9)), 1.0, hint=hint)


def exercise_6(best_of: Callable[[int], float]) -> None:
    """The expected largest of n standard normal draws.

    Args:
        best_of: maps n to it, to three decimals.

    Raises:
        CheckError: it does not.
    """
    root = math.sqrt(math.pi)
    known = {  # closed forms; the last from tables of normal order statistics
        1: 0.0,
        2: 1 / root,
        3: 1.5 / root,
        4: 6 / root / math.pi * math.atan(math.sqrt(2)),
        10: 1.53875,
    }
    for n, want in known.items():
        got = float(best_of(n))
        if n > 2 and abs(got - math.sqrt(2 * math.log(n))) < 1e-6:
            raise CheckError("sqrt(2 log n) is the limit for many runs, too much here.")
        if n > 1 and abs(got + want) < 5e-4:
            raise CheckError("That is the *smallest*.")
        hint = "Integrate v times the density of the largest."
        equal(f"best of {n}", got, want, 5e-4, hint)
