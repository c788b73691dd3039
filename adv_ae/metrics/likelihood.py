"""log p(x) of models with a density p(x|z), from many draws. Nats per example."""

import math

import torch
from torch import Tensor, nn

from adv_ae import bounds
from adv_ae.annealing import ais
from adv_ae.priors import Prior

ROWS, DRAWS = 100, 250  # of one block: 25,000 codes are decoded at once
SOME = 1000  # rows that are judged with many draws


@torch.no_grad()
def importance_log_likelihood(
    q: nn.Module, p: nn.Module, prior: Prior, x: Tensor, draws: int = 5000
) -> Tensor:
    """log (1/K) sum_k p(x, z_k) / q(z_k|x), z_k ~ q(z|x): in the mean at most log p(x).

    Args:
        q, p, prior: with densities.
        x: (N, D).
        draws: K, a multiple of 250 or below it.

    Returns:
        (N,) nats.

    References:
        Burda et al. (2016), eq. 8 and sec. 5: K = 5000.
    """
    few = min(draws, DRAWS)

    def of(rows: Tensor) -> Tensor:
        sums = [
            bounds.log_weights(q, p, prior, rows, few).logsumexp(0)
            for _ in range(draws // few)
        ]
        return torch.stack(sums).logsumexp(0) - math.log(few * len(sums))

    return torch.cat([of(rows) for rows in x.split(ROWS)])


def mean_log_likelihood(
    q: nn.Module, p: nn.Module, prior: Prior, x: Tensor, draws: int = 5000
) -> tuple[float, float]:
    """Mean of `importance_log_likelihood` over all x, at a fraction of its cost.

    By difference: all rows with K = 250, and what more draws add, from 1,000 rows taken
    at random (always the same), on the same footing; with K draws for every row the
    mean would be the same but for chance.

    Args:
        q, p, prior, draws: as in `importance_log_likelihood`.
        x: (N, D).

    Returns:
        Nats per example, and the standard error that the difference has.

    Departs: Burda et al. (2016) take K = 5000 for every row.
    """
    few = importance_log_likelihood(q, p, prior, x, DRAWS)
    some = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:SOME]
    some = some.sort().values.to(x.device)
    more = importance_log_likelihood(q, p, prior, x[some], draws) - few[some]
    error = more.std().item() / len(more) ** 0.5
    return (few.mean() + more.mean()).item(), error


def annealed_log_likelihood(
    p: nn.Module,
    prior: Prior,
    x: Tensor,
    chains: int = 10,
    temperatures: int = 200,
    step_size: float = 0.1,
) -> Tensor:
    """log of the mean weight of chains of annealed importance sampling from p(z) to
    p(x, z): in the mean at most log p(x), and blind to q.

    Args:
        p, prior: with densities.
        x: (N, D).
        chains, temperatures, step_size: as in `annealing.ais`.

    Returns:
        (N,) nats.

    References:
        Wu et al., On the Quantitative Analysis of Decoder-Based Generative Models,
        2017, sec. 3.
    """
    shape = (chains, len(x))

    def log_joint(z: Tensor) -> Tensor:
        flat = z.flatten(0, 1)
        each = p(flat).log_prob(x.expand(chains, *x.shape).flatten(0, 1))
        return each.view(shape) + prior.log_prob(z)

    z = prior.sample(chains * len(x)).view(*shape, -1)
    log_w = ais(prior.log_prob, log_joint, z, temperatures, step_size)
    return log_w.logsumexp(0) - math.log(chains)
