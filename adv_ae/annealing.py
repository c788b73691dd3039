"""Annealed importance sampling, from below and from above. Nats per example."""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor


def ais(
    log_start: Callable[[Tensor], Tensor],
    log_end: Callable[[Tensor], Tensor],
    z: Tensor,
    temperatures: int = 100,
    step_size: float = 0.1,
    leapfrog: int = 5,
) -> Tensor:
    """Annealed importance sampling: log weights, whose mean of exp is Z_end / Z_start.

    The chain goes through start^(1 - b) end^b, one Hamiltonian move at each b. In the
    mean the log weights are at most log(Z_end / Z_start). From the prior to p(x, z)
    that is a lower bound of log p(x); from exact draws of p(z|x) back to the prior,
    with the sign turned, an upper bound (bidirectional Monte Carlo).

    Args:
        log_start, log_end: log densities up to constants, (..., d) to (...).
        z: (..., d) exact draws of the start.
        temperatures: number of intervals.
        step_size, leapfrog: of the Hamiltonian moves.

    Returns:
        (...) nats.

    References:
        Neal, Annealed Importance Sampling, 2001, sec. 2; Grosse, Ghahramani and Adams,
        Sandwiching the marginal likelihood, 2015, sec. 3.
    """
    z, log_w = z.detach(), torch.zeros_like(z[..., 0])
    s = torch.linspace(-4, 4, temperatures + 1, dtype=z.dtype).sigmoid()
    betas = ((s - s[0]) / (s[-1] - s[0])).tolist()
    for before, b in itertools.pairwise(betas):
        with torch.no_grad():
            log_w += (b - before) * (log_end(z) - log_start(z))

        def between(z: Tensor, b: float = b) -> Tensor:
            return (1 - b) * log_start(z) + b * log_end(z)

        z = _hamiltonian(between, z, step_size, leapfrog)
    return log_w


def _hamiltonian(
    log_density: Callable[[Tensor], Tensor], z: Tensor, step: float, leapfrog: int
) -> Tensor:
    """One move that keeps the density, accepted or refused row by row."""

    def slope(z: Tensor) -> Tensor:
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            return torch.autograd.grad(log_density(z).sum(), z)[0]

    new, momentum = z, torch.randn_like(z)
    energy = momentum.square().sum(-1) / 2 - log_density(z).detach()
    momentum = momentum + step / 2 * slope(new)
    for i in range(leapfrog):
        new = new + step * momentum
        momentum = momentum + (step if i + 1 < leapfrog else step / 2) * slope(new)
    change = momentum.square().sum(-1) / 2 - log_density(new).detach() - energy
    accepted = torch.rand_like(change).log() < -change
    return torch.where(accepted.unsqueeze(-1), new, z)
