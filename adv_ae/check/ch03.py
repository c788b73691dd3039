"""Checkers of the exercises of chapter 03, A VAE that is measured.

Each tests properties or closed forms, on inputs of its own: no seed matters.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from adv_ae.check import CheckError, equal


def exercise_1(assumed_scale: Callable[[int], float]) -> None:
    """The noise for which squared error averaged over d pixels, plus the KL, is -ELBO.

    Args:
        assumed_scale: maps d to a standard deviation.

    Raises:
        CheckError: it does not.

    Example:
        >>> exercise_1(lambda d: (d / 2) ** 0.5)
        [ok] the scale that a mean over pixels assumes: equal within 1e-06
    """
    dims = (3, 64, 784)
    got = [float(assumed_scale(d)) for d in dims]

    def is_(other: Callable[[int], float]) -> bool:
        return all(math.isclose(g, other(d)) for g, d in zip(got, dims, strict=True))

    if is_(lambda d: d / 2):
        raise CheckError("That is the variance; the standard deviation is asked.")
    if is_(math.sqrt):
        raise CheckError(
            "Almost: the Gaussian has *half* the squared error over the variance."
        )
    want = [math.sqrt(d / 2) for d in dims]
    hint = "Match |x - x_hat|^2 / d with |x - x_hat|^2 / (2 sigma^2)."
    equal("the scale that a mean over pixels assumes", got, want, hint=hint)


def exercise_2(log_density: Callable[[Tensor, Tensor], Tensor]) -> None:
    """The continuous Bernoulli: a density of grey values that integrates to one.

    Args:
        log_density: maps x (N, d) in [0, 1] and logits (N, d) to (N,), nats.

    Raises:
        CheckError: it does not.
    """
    logits = torch.tensor([[0.4, -3.0, 1.5], [7.0, 0.0, -0.2]], dtype=torch.float64)
    x = torch.tensor([[0.1, 0.9, 0.5], [1.0, 0.3, 0.0]], dtype=torch.float64)
    got = log_density(x, logits)
    if got.shape != (2,):
        raise CheckError(f"Sum over pixels: expected (2,), got {tuple(got.shape)}.")
    if not got.isfinite().all():
        raise CheckError("A logit of 0 (lambda = 1/2) gives 0 / 0: treat it apart.")
    middle = (torch.arange(20_000, dtype=torch.float64)[:, None] + 0.5) / 20_000
    for l in (-9.0, -1.0, -0.003, 0.0, 1e-6, 0.02, 4.0):
        one = torch.full_like(middle, l)
        area = log_density(middle, one).exp().mean()
        hint = "For lambda = 1/2 the area is 1/2." if abs(l) < 0.1 else "Divide by it."
        equal(f"area of the density at logit {l:g}", area, 1.0, 1e-5, hint)
    apart = sum(log_density(x[:, [i]], logits[:, [i]]) for i in range(3))
    equal("pixels are independent", got, apart, 1e-9, "Sum over pixels.")
    ratio = log_density(x, logits) - log_density(1 - x, logits)
    equal("the logit is the slope in x", ratio, ((2 * x - 1) * logits).sum(1), 1e-9)


def exercise_3(log_aggregated: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """log q(z) of the equal mixture of N diagonal Gaussians.

    Args:
        log_aggregated: maps z (M, d), means (N, d), stds (N, d) to (M,), nats.

    Raises:
        CheckError: it does not.
    """
    means = torch.tensor([[0.0, 1.0], [2.0, -1.0], [-1.0, 0.5]], dtype=torch.float64)
    stds = torch.tensor([[1.0, 0.5], [0.3, 2.0], [0.7, 0.7]], dtype=torch.float64)
    z = torch.tensor([[0.0, 0.0], [2.0, -1.0], [1.0, 3.0], [-1.0, 0.5]]).double()
    got = log_aggregated(z, means, stds)
    if got.shape != (4,):
        raise CheckError(
            f"One value a row of z: expected (4,), got {tuple(got.shape)}."
        )
    variance = torch.diag_embed(stds**2)
    each = [
        torch.distributions.MultivariateNormal(m, v).log_prob(z)
        for m, v in zip(means, variance, strict=True)
    ]
    want = torch.stack(each).exp().mean(0).log()
    hint = "Sum over dimensions, then the mean of densities (not of logs) over N."
    equal("density of a mixture of three", got, want, 1e-9, hint)
    far = torch.full((1, 2), 1e3, dtype=torch.float64)
    if not log_aggregated(far, means, stds).isfinite().all():
        raise CheckError("It underflows far away: stay in logs, take logsumexp.")
    print("[ok] finite far away from all codes")


def exercise_4(most_lost: Callable[[float], float], largest_share: float) -> None:
    """What dilution with a share s of anything can cost in log-likelihood.

    Args:
        most_lost: maps s in [0, 1) to nats, a positive number.
        largest_share: the s that costs at most one nat.

    Raises:
        CheckError: one of them is wrong.
    """
    shares = (0.0, 0.5, 0.99)
    got = [float(most_lost(s)) for s in shares]
    if got[1] < 0:
        raise CheckError("A loss is asked, a positive number of nats.")
    hint = "p' is at least (1 - s) p, whatever r is."
    want = [-math.log(1 - s) for s in shares]
    equal("most that is lost", got, want, 1e-6, hint)
    hint = "Solve most_lost(s) = 1."
    equal("share for one nat", largest_share, 1 - math.exp(-1), 5e-3, hint)


def exercise_5(free_rate: Callable[[Tensor, float], Tensor]) -> None:
    """Free bits: each dimension's mean rate, at least the floor, summed.

    Args:
        free_rate: maps kl (N, d) and the floor to a scalar that carries gradients.

    Raises:
        CheckError: it does not.
    """
    kl = torch.tensor([[0.0, 3.0, 0.4], [0.1, 1.0, 0.8]], requires_grad=True)
    got = free_rate(kl, 0.5)
    if got.shape != ():
        raise CheckError(f"A scalar is asked, not shape {tuple(got.shape)}.")
    hint = "First the mean over the batch, then the floor for each dimension."
    equal("rate with a floor of 0.5", got, 0.5 + 2.0 + 0.6, 1e-6, hint)
    equal("floor 0 is the plain rate", free_rate(kl, 0.0), kl.mean(0).sum(), 1e-6)
    slope = torch.autograd.grad(got, kl)[0]
    hint = "Below the floor a dimension is not charged: its gradient is zero."
    want = [[0.0, 0.5, 0.5], [0.0, 0.5, 0.5]]
    equal("gradient: free below the floor", slope, want, 1e-6, hint)
