"""Checkers of the exercises of chapter 02, "The bound".

Each tests properties or closed forms, on inputs of its own: no seed matters.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from adv_ae.check import CheckError, equal


def _table(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a.double(), b.double(), atol=1e-6)


def exercise_1(kl: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    """KL(N(mean, diag(std^2)) || N(0, prior_std^2 I)).

    Args:
        kl: maps mean (N, d), std (N, d) and a number to (N,), nats.

    Raises:
        CheckError: it does not.
    """
    mean = _table([[0.0, 0.0, 0.0], [0.5, -1.0, 2.0]])
    std = _table([[1.0, 1.0, 1.0], [0.3, 1.5, 0.8]])
    for tau in (1.0, 5.0):
        got = torch.as_tensor(kl(mean, std, tau))
        prior = torch.distributions.Normal(0.0, tau)
        each = torch.distributions.kl_divergence(
            torch.distributions.Normal(mean, std), prior
        )
        want = each.sum(1)
        if got.shape != want.shape:
            raise CheckError(f"One value an example: (2,), got {tuple(got.shape)}.")
        if _same(got, want / 3):
            raise CheckError("That is the mean over dimensions; the KL is their sum.")
        if _same(got, -want):
            raise CheckError("A divergence is not negative: turn the sign.")
        as_variance = torch.distributions.Normal(mean, std.sqrt())
        if _same(got, torch.distributions.kl_divergence(as_variance, prior).sum(1)):
            raise CheckError("`std` is a standard deviation: square it.")
        narrow = torch.distributions.Normal(0.0, 1.0)
        plain = torch.distributions.kl_divergence(
            torch.distributions.Normal(mean, std), narrow
        )
        if tau != 1 and _same(got, plain.sum(1)):
            raise CheckError("The prior's standard deviation is not used.")
        hint = "Per dimension: log(tau / std) + (std^2 + mean^2) / (2 tau^2) - 1/2."
        equal(f"KL to a prior of standard deviation {tau:g}", got, want, 1e-6, hint)


def exercise_2(iwae: Callable[[Tensor], Tensor]) -> None:
    """log (1/K) sum_k w_k.

    Args:
        iwae: maps log weights (K, N) to (N,), nats.

    Raises:
        CheckError: it does not.
    """
    log_w = _table([[-1.0, 2.0], [-3.0, 0.5], [0.2, 0.1]])
    want, got = log_w.exp().mean(0).log(), torch.as_tensor(iwae(log_w))
    if got.shape == (3,):
        raise CheckError("Draws are rows: average over dimension 0.")
    if got.shape != (2,):
        raise CheckError(f"One value an example: (2,), got {tuple(got.shape)}.")
    if _same(got, want + math.log(3)):
        raise CheckError("Too high by log K: a mean of the weights, not their sum.")
    if _same(got, log_w.mean(0)):
        raise CheckError("That is the ELBO: take the mean before the logarithm.")
    equal("the mean of three weights", got, want)
    far = _table([[-2000.0], [-2001.0]])
    low = torch.as_tensor(iwae(far))
    hint = "exp(-2000) is 0 in floating point: stay in logs, take logsumexp."
    equal("tiny weights", low, [-2000 + math.log((1 + math.exp(-1)) / 2)], 1e-6, hint)


def exercise_3(mean_field: Callable[[Tensor], tuple[Tensor, Tensor]]) -> None:
    """The diagonal Gaussian that is best for the ELBO, and the gap it leaves.

    Args:
        mean_field: maps a covariance (d, d) to variances (d,) and nats.

    Raises:
        CheckError: it does not.
    """
    for Sigma in (
        _table([[1.0, 0.8], [0.8, 1.0]]),
        _table([[2.0, 0.3, -0.5], [0.3, 0.7, 0.2], [-0.5, 0.2, 1.0]]),
    ):
        answer = mean_field(Sigma)
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise CheckError("Return two things: variances (d,), then the gap.")
        variances, gap = (torch.as_tensor(a).double() for a in answer)
        if _same(variances, Sigma.diagonal()):
            raise CheckError(
                "These are the marginal variances, best for KL(p || q). The ELBO's gap "
                "is KL(q || p): differentiate that one."
            )
        precision = torch.linalg.inv(Sigma)
        hint = "Write KL(q || p) with the precision matrix, and differentiate by v_i."
        equal("variances", variances, 1 / precision.diagonal(), 1e-6, hint)
        d = len(Sigma)
        p = torch.distributions.MultivariateNormal(torch.zeros(d).double(), Sigma)
        q = torch.distributions.MultivariateNormal(
            torch.zeros(d).double(), variances.diag()
        )
        want = torch.distributions.kl_divergence(q, p)
        if _same(gap, 2 * want):
            raise CheckError("Twice too much: a KL of Gaussians has a half in front.")
        hint = "Put the best variances into KL(q || p); the trace becomes d."
        equal("gap", gap, want, 1e-6, hint)


def exercise_4(largest_n: Callable[[float, float], float]) -> None:
    """The supremum of the orders for which CUBO_n of two Gaussians is finite.

    Args:
        largest_n: maps the variances of q(z|x) and of p(z|x) to a number or inf.

    Raises:
        CheckError: it does not.
    """
    pairs = [(0.04, 1 / 11), (0.5, 0.6), (1.0, 2.0)]
    got = [float(largest_n(*pair)) for pair in pairs]
    want = [v / (v - s) for s, v in pairs]
    if all(abs(g - s / (v - s)) < 1e-6 for g, (s, v) in zip(got, pairs, strict=True)):
        raise CheckError("One too few: n s_q^2 = (n - 1) s_p^2 at the edge.")
    hint = "The coefficient of z^2 in n log p - (n - 1) log q must stay negative."
    equal("narrow encoders", got, want, 1e-6, hint)
    for pair in ((0.2, 1 / 11), (1.0, 1.0)):
        if float(largest_n(*pair)) != math.inf:
            raise CheckError("An encoder at least as wide: every order is finite.")
    print("[ok] wide encoders: no limit")


def exercise_5(baseline: Callable[[Tensor, Tensor], Tensor]) -> None:
    """The constant c that makes the variance of (f - c) g smallest.

    Args:
        baseline: maps draws of f and of the score g, both (K,), to a number.

    Raises:
        CheckError: it does not.
    """
    eps = torch.linspace(-4, 4, 4001, dtype=torch.float64)
    normal = torch.distributions.Normal(0.0, 1.0).icdf(
        (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    )
    for f in (-((normal - 0.8) ** 2), normal**2 + normal):
        c = torch.as_tensor(baseline(f, normal)).double()
        if c.shape != ():
            raise CheckError(f"One number is asked, not shape {tuple(c.shape)}.")
        if _same(c, f.mean()):
            raise CheckError(
                "That is the mean of f. Draws with a large score weigh more: write "
                "the second moment of (f - c) g and differentiate by c."
            )
        second = ((f[:, None] - c - eps) ** 2 * normal[:, None] ** 2).mean(0)
        best = eps[second.argmin()].item()
        hint = "The mean of (f - c) g does not depend on c: minimize E (f - c)^2 g^2."
        equal("moving it only hurts", best, 0.0, 2e-3, hint)


def exercise_6(K: int) -> None:
    """Draws with which the wide encoder of the chapter misses 0.01 nat.

    Args:
        K: how many.

    Raises:
        CheckError: far off.
    """
    if K == 45:
        raise CheckError("The law has 2 K in the denominator.")
    if K < 22:
        raise CheckError("Too few: more than a hundredth of a nat is missing.")
    if K > 26:
        raise CheckError("Fewer do. The law says chi^2 / (2 K), with chi^2 = 0.45.")
    print("[ok] about as many draws as the law says")
