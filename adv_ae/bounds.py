"""Bounds on log p(x), and log p(x) itself where it can be had. Nats per example."""

import math

import torch
from torch import Tensor, nn

from adv_ae.priors import Prior


@torch.no_grad()
def log_likelihood_by_quadrature(
    p: nn.Module, prior: Prior, x: Tensor, points: int = 100, extent: float = 6.0
) -> Tensor:
    """log p(x) = log sum_z p(z) p(x|z) dz over an even grid of codes.

    For smooth integrands that vanish at the edge, an even grid is exact to many
    digits once its spacing is below the narrowest posterior's standard deviation:
    refine `points` and see that nothing moves. The cost grows as points^dim.

    Args:
        p: decoder p(x|z), a conditional with a density; put it into eval mode.
        prior: p(z) with a density, of one or two dimensions.
        x: (N, D).
        points: of the grid along each axis.
        extent: the grid spans [-extent, extent] along each axis.

    Returns:
        (N,) nats.

    Raises:
        ValueError: the code has more than two dimensions.
    """
    if prior.dim > 2:
        raise ValueError(
            f"quadrature wants a code of one or two dimensions, not {prior.dim}; "
            "take the importance-weighted bound with many draws."
        )
    axis = torch.linspace(-extent, extent, points, dtype=x.dtype, device=x.device)
    z = torch.cartesian_prod(*[axis] * prior.dim).view(-1, prior.dim)
    log_cell = prior.dim * math.log(2 * extent / (points - 1))
    total = torch.full_like(x[:, 0], -torch.inf)
    for part in z.split(max(1, 2**23 // x.numel())):
        log_joint = p(part).log_prob(x.unsqueeze(1)) + prior.log_prob(part)  # (N, M)
        total = torch.logaddexp(total, log_joint.logsumexp(1) + log_cell)
    return total
