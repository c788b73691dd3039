"""Bounds on log p(x), and log p(x) itself where it can be had. Nats per example.

Bounds that are made of draws take `log_w`, the logarithms of importance weights
w = p(x, z) / q(z|x) with z ~ q(z|x): shape (K, N), K draws for each of N examples.
Annealing is in `adv_ae.annealing`, closed forms in `adv_ae.linear_gaussian`.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence
from torch.distributions import Normal as _Normal

from adv_ae.priors import Normal, Prior

Conditional = Callable[[Tensor], Distribution]


# ---- from importance weights ----
def log_weights(
    q: Conditional, p: Conditional, prior: Prior, x: Tensor, K: int
) -> Tensor:
    """log w = log p(z) + log p(x|z) - log q(z|x), z ~ q(z|x): (K, N), with gradients.

    Args:
        q, p: conditionals with densities; q draws with `rsample`.
        prior: p(z) with a density.
        x: (N, ...).
        K: draws for each example.
    """
    q_z = q(x)
    z = q_z.rsample((K,))
    return _log_joint(p, prior, x, z) - q_z.log_prob(z)


def path_log_weights(
    q: Conditional, p: Conditional, prior: Prior, x: Tensor, K: int
) -> Tensor:
    """`log_weights` whose gradient reaches q along z only, not through its density.

    The part left out has mean zero under the ELBO. The gradient of `elbo` of this is
    "sticking the landing", which is exactly zero at q = p(z|x); `dreg` is its like for
    `iwae`.

    Args:
        q: returns `Independent(Normal)`, such as `conditionals.Gaussian`.
        p, prior, x, K: as in `log_weights`.

    References:
        Roeder, Wu and Duvenaud, Sticking the Landing, 2017, sec. 3.
    """
    base = q(x).base_dist  # type: ignore[attr-defined]
    z = base.rsample((K,))
    held = _Normal(base.loc.detach(), base.scale.detach(), validate_args=False)
    log_q = held.log_prob(z).flatten(2).sum(2)
    return _log_joint(p, prior, x, z) - log_q


def _log_joint(p: Conditional, prior: Prior, x: Tensor, z: Tensor) -> Tensor:
    """log p(x, z), (K, N), of z (K, N, d)."""
    flat = z.flatten(0, 1)
    each = p(flat).log_prob(x.expand(len(z), *x.shape).flatten(0, 1))
    return (each + prior.log_prob(flat)).view(len(z), len(x))


def elbo(log_w: Tensor) -> Tensor:
    """E_q log w <= log p(x), (N,); the gap is KL(q(z|x) || p(z|x)).

    References:
        Kingma and Welling, Auto-Encoding Variational Bayes, 2014, eq. 2.
    """
    return log_w.mean(0)


def iwae(log_w: Tensor) -> Tensor:
    """log (1/K) sum_k w_k, (N,): in the mean at most log p(x), and rising with K.

    References:
        Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders, 2016, eq. 8.
    """
    return log_w.logsumexp(0) - math.log(len(log_w))


def dreg(log_w: Tensor) -> Tensor:
    """sum_k (w_k / sum w)^2 log w_k, (N,): its gradient, not its value, is wanted.

    With `path_log_weights` it is an unbiased gradient of `iwae` for the encoder (for
    the decoder take `iwae` itself) that does not drown in noise as K grows.

    References:
        Tucker et al., Doubly Reparameterized Gradient Estimators, 2019, sec. 3.
    """
    return (log_w.detach().softmax(0).square() * log_w).sum(0)


def renyi(log_w: Tensor, alpha: float) -> Tensor:
    """log E_q[w^(1 - alpha)] / (1 - alpha), (N,): log p(x) - D_alpha(q || p(z|x)).

    Non-increasing in alpha: log p(x) at 0, the ELBO at 1, above log p(x) below 0. A
    mean over K draws stands for E_q, so that alpha = 0 is `iwae`, not log p(x).

    References:
        Li and Turner, Renyi Divergence Variational Inference, 2016, sec. 3.
    """
    if alpha == 1:
        return elbo(log_w)
    return iwae((1 - alpha) * log_w) / (1 - alpha)


def cubo(log_w: Tensor, n: float = 2.0) -> Tensor:
    """log E_q[w^n] / n, (N,): log p(x) + (n - 1)/n D_n(p(z|x) || q), an upper bound.

    Infinite where q is too narrow. The estimate from K draws is too low on average
    (Jensen), and may lie below log p(x): it bounds nothing for certain.

    References:
        Dieng et al., Variational Inference via chi Upper Bound Minimization, 2017, sec.
        2.
    """
    return renyi(log_w, 1 - n)


def eubo(log_w: Tensor) -> Tensor:
    """E_{p(z|x)} log w = log p(x) + KL(p(z|x) || q), (N,), by self-normalized weights.

    Biased for finite K, down towards the ELBO.
    """
    return (log_w.softmax(0) * log_w).sum(0)


def tvo(log_w: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    """Lower and upper sums of log p(x) = integral over [0, 1] of E_beta log w.

    E_beta is under q^(1 - beta) p(x, z)^beta, normalized: q at 0, p(z|x) at 1. The
    integrand never decreases, so left and right Riemann sums enclose its integral. One
    interval gives the ELBO and the EUBO.

    Args:
        log_w: (K, N).
        betas: (T + 1,), rising from 0 to 1.

    Returns:
        Two of (N,), by self-normalized weights.

    References:
        Masrani, Le and Wood, The Thermodynamic Variational Objective, 2019, sec. 3.
    """
    means = torch.stack([((b * log_w).softmax(0) * log_w).sum(0) for b in betas])
    width = betas.diff().unsqueeze(1)
    return (width * means[:-1]).sum(0), (width * means[1:]).sum(0)


# ---- the bound's terms ----
class Terms(NamedTuple):
    """The bound, written twice: reconstruction - kl, and reconstruction + entropy -
    cross_entropy. Each (N,) nats.
    """

    reconstruction: Tensor
    kl: Tensor
    entropy: Tensor
    cross_entropy: Tensor


def elbo_terms(
    q: Conditional, p: Conditional, prior: Normal, x: Tensor, K: int = 1
) -> Terms:
    """E_q log p(x|z), KL(q || p(z)), H(q) and -E_q log p(z), as `Terms`.

    All but the reconstruction, a mean over K draws, are in closed form.

    Args:
        q: returns `Independent(Normal)`.
        p: a conditional with a density.
        prior: p(z), normal.
        x: (N, ...).
        K: draws for each example.

    References:
        Makhzani et al., Adversarial Autoencoders, 2015, eq. 2.
    """
    q_z = q(x)
    z = q_z.rsample((K,)).flatten(0, 1)
    log_lik = p(z).log_prob(x.expand(K, *x.shape).flatten(0, 1)).view(K, -1).mean(0)
    spread = (q_z.variance / prior.scale.square()).sum(1) / 2
    ce = spread - prior.log_prob(q_z.mean)  # -log p(z) is quadratic in z
    kl = kl_divergence(q_z, prior.distribution)
    return Terms(log_lik, kl, q_z.entropy(), ce)


def log_aggregated(q_z: Distribution, z: Tensor) -> Tensor:
    """log q(z) = log (1/N) sum_n q(z|x_n), the aggregated posterior.

    Args:
        q_z: q(z|x_n) of N examples.
        z: (..., d).

    Returns:
        (...) nats.
    """
    each = q_z.log_prob(z.unsqueeze(-2))  # (..., N)
    return each.logsumexp(-1) - math.log(each.shape[-1])


class Surgery(NamedTuple):
    """Two parts of KL(q(z|x_n) || p(z)) whose means over n are I(n; z) and KL(q(z) ||
    p(z)). Each (N,) nats.
    """

    information: Tensor
    marginal_kl: Tensor


def surgery(q_z: Distribution, prior: Prior, K: int = 100) -> Surgery:
    """mean_n KL(q(z|x_n) || p(z)) = I(n; z) + KL(q(z) || p(z)), by K draws of each q.

    Args:
        q_z: q(z|x_n) of the whole data set, N examples; cost K N^2.
        prior: p(z) with a density.
        K: draws for each example.

    References:
        Hoffman and Johnson, ELBO surgery, 2016.
    """
    z = q_z.sample((K,))
    log_q = log_aggregated(q_z, z)
    own = q_z.log_prob(z)
    return Surgery((own - log_q).mean(0), (log_q - prior.log_prob(z)).mean(0))


def surgery_by_quadrature(
    q_z: Distribution, prior: Prior, points: int = 200, extent: float = 6.0
) -> Surgery:
    """`surgery` by an even grid of codes, one or two dimensions.

    Args:
        q_z, prior: as in `surgery`.
        points, extent: as in `log_likelihood_by_quadrature`.
    """
    z, log_cell = _grid(prior.dim, points, extent, q_z.mean)
    own, log_q = q_z.log_prob(z.unsqueeze(-2)), log_aggregated(q_z, z).unsqueeze(1)
    mass = (own + log_cell).exp()  # (M, N)
    ratio = log_q - prior.log_prob(z).unsqueeze(1)
    return Surgery((mass * (own - log_q)).sum(0), (mass * ratio).sum(0))


def _grid(dim: int, points: int, extent: float, like: Tensor) -> tuple[Tensor, float]:
    """Codes on an even grid (points^dim, dim), and the log of a cell's volume."""
    if dim > 2:
        raise ValueError(
            f"quadrature wants a code of one or two dimensions, not {dim}; "
            "take the importance-weighted bound with many draws."
        )
    axis = torch.linspace(-extent, extent, points, dtype=like.dtype, device=like.device)
    z = torch.cartesian_prod(*[axis] * dim).view(-1, dim)
    return z, dim * math.log(2 * extent / (points - 1))


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
    z, log_cell = _grid(prior.dim, points, extent, x)
    total = torch.full_like(x[:, 0], -torch.inf)
    for part in z.split(max(1, 2**23 // x.numel())):
        log_joint = p(part).log_prob(x.unsqueeze(1)) + prior.log_prob(part)  # (N, M)
        total = torch.logaddexp(total, log_joint.logsumexp(1) + log_cell)
    return total
