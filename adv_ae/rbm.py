"""A restricted Boltzmann machine that is small enough to know everything about it.

Three games on the same weights: exact maximum likelihood, contrastive divergence, and
the persistent chain. All three losses are mean F(data) - mean F(model); they differ in
where the model's states come from. Binary units; nats per example.
"""

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from adv_ae.game import Game

LARGEST = 16  # units of a layer whose states are enumerated


@cache
def states(n: int) -> Tensor:
    """All binary vectors of n units, (2^n, n).

    Raises:
        ValueError: there are too many of them.
    """
    if n > LARGEST:
        raise ValueError(f"2^{n} states are too many; at most {LARGEST} units.")
    return torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * n).view(-1, n)


class RBM(Game):
    """p(v, h) = exp(v W h + b v + c h) / Z, trained by exact maximum likelihood.

    Args:
        visible, hidden: number of units.
        std: of the first weights; biases begin at zero.
    """

    players = {"rbm": ("W", "b", "c")}

    def __init__(self, visible: int, hidden: int, std: float = 0.01):
        super().__init__()
        self.W = nn.Parameter(std * torch.randn(visible, hidden))
        self.b = nn.Parameter(torch.zeros(visible))
        self.c = nn.Parameter(torch.zeros(hidden))

    def play(self, v: Tensor):
        yield {"rbm": -self.log_likelihood(v).mean()}

    def free_energy(self, v: Tensor) -> Tensor:
        """F(v) = -b v - sum_j softplus(c_j + (v W)_j), p(v) = exp(-F(v)) / Z: (N,)."""
        return -(v @ self.b) - softplus(v @ self.W + self.c).sum(-1)

    def log_partition(self) -> Tensor:
        """log Z, by all states of the smaller layer."""
        if len(self.b) <= len(self.c):
            return (-self.free_energy(self._states(len(self.b)))).logsumexp(0)
        h = self._states(len(self.c))
        return (h @ self.c + softplus(h @ self.W.T + self.b).sum(1)).logsumexp(0)

    def log_likelihood(self, v: Tensor) -> Tensor:
        """log p(v), (N,), exact."""
        return -self.free_energy(v) - self.log_partition()

    def _states(self, n: int) -> Tensor:
        return states(n).to(self.W)

    # ---- the chain ----
    @torch.no_grad()
    def gibbs(self, v: Tensor, steps: int = 1) -> Tensor:
        """v after so many rounds of h ~ p(h|v), v ~ p(v|h)."""
        for _ in range(steps):
            h = (v @ self.W + self.c).sigmoid().bernoulli()
            v = (h @ self.W.T + self.b).sigmoid().bernoulli()
        return v

    @torch.no_grad()
    def kernel(self) -> Tensor:
        """The law of one round, `T[v, v'] = sum_h p(h|v) p(v'|h)`: (2^V, 2^V)."""
        v, h = self._states(len(self.b)), self._states(len(self.c))
        return _bernoulli(v @ self.W + self.c, h) @ _bernoulli(h @ self.W.T + self.b, v)

    def mixing(self) -> float:
        """Second largest eigenvalue of `kernel`: the share that one round forgets is
        1 minus it.
        """
        p = self.log_likelihood(self._states(len(self.b))).exp().detach().sqrt()
        symmetric = p[:, None] * self.kernel() / p  # the chain is reversible
        return torch.linalg.eigvalsh((symmetric + symmetric.T) / 2)[-2].item()

    def slopes(self, data: Tensor, model: Tensor) -> Tensor:
        """Gradient of mean F(data) - mean F(model), one row of all weights.

        Args:
            data, model: probabilities of all visible states, (2^V,). With `model` the
                machine's own law it is the gradient of -log likelihood; with
                `data @ kernel^k` the mean gradient of CD-k.
        """
        F = self.free_energy(self._states(len(self.b)))
        weights = self.weights("rbm")
        grads = torch.autograd.grad(((data - model) * F).sum(), weights)
        return torch.cat([g.flatten() for g in grads])


class ContrastiveDivergence(RBM):
    """CD-k: the model's states are the data after k rounds of Gibbs sampling.

    Args:
        visible, hidden, std: as in `RBM`.
        k: rounds.

    References:
        Hinton, Training Products of Experts by Minimizing Contrastive Divergence, 2002,
        sec. 3.
    """

    def __init__(self, visible: int, hidden: int, std: float = 0.01, k: int = 1):
        super().__init__(visible, hidden, std)
        self.k = k

    def play(self, v: Tensor):
        model = self.gibbs(v, self.k)
        yield {"rbm": self.free_energy(v).mean() - self.free_energy(model).mean()}


class PersistentChain(RBM):
    """PCD: the model's states are chains that go on from where they were.

    Args:
        visible, hidden, std: as in `RBM`.
        k: rounds a step.
        chains: how many.

    References:
        Tieleman, Training Restricted Boltzmann Machines using Approximations to the
        Likelihood Gradient, 2008, sec. 3.
    """

    chain: Tensor

    def __init__(
        self,
        visible: int,
        hidden: int,
        std: float = 0.01,
        k: int = 1,
        chains: int = 100,
    ):
        super().__init__(visible, hidden, std)
        self.k = k
        self.register_buffer("chain", torch.rand(chains, visible).round())

    def play(self, v: Tensor):
        self.chain = self.gibbs(self.chain, self.k)
        yield {"rbm": self.free_energy(v).mean() - self.free_energy(self.chain).mean()}


def bars_and_stripes(side: int) -> Tensor:
    """Pictures of side x side whose rows, or whose columns, are of one color each.

    (2^(side + 1) - 2, side^2), each once.

    References:
        MacKay, Information Theory, Inference, and Learning Algorithms, 2003, sec. 43.3.
    """
    rows = states(side)[:, :, None].expand(-1, -1, side).flatten(1)
    columns = states(side)[:, None, :].expand(-1, side, -1).flatten(1)
    return torch.cat([rows, columns]).unique(dim=0)


def _bernoulli(logits: Tensor, units: Tensor) -> Tensor:
    """p(units | logits), (N, M), of logits (N, n) and states (M, n)."""
    log_p = logits @ units.T - softplus(logits).sum(1, keepdim=True)
    return log_p.exp()
