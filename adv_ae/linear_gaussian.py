"""The model in which every bound has a closed form. Nats per example."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, MultivariateNormal, kl_divergence

from adv_ae.conditionals import FixedScaleGaussian


@dataclass
class LinearGaussian:
    """z ~ N(0, I), x|z ~ N(W z + b, scale^2 I): probabilistic PCA.

    The encoders q(z|x) that the methods take are Gaussian with or without
    correlations: `MultivariateNormal` or `Independent(Normal)`, one for each row of x.

    Args:
        W: (D, d).
        b: (D,).
        scale: standard deviation of the noise.

    References:
        Tipping and Bishop, Probabilistic Principal Component Analysis, 1999, sec. 3.
    """

    W: Tensor
    b: Tensor
    scale: float

    @classmethod
    def fit(cls, x: Tensor, d: int) -> "LinearGaussian":
        """Maximum likelihood, by eigenvalues of the covariance of x (N, D).

        W = U (L - scale^2 I)^1/2 of the d largest; scale^2 is the mean of the others.
        """
        values, vectors = torch.linalg.eigh(x.T.cov(correction=0))
        noise = values[:-d].mean()
        W = vectors[:, -d:] * (values[-d:] - noise).sqrt()
        return cls(W.flip(1), x.mean(0), noise.sqrt().item())

    def decoder(self) -> FixedScaleGaussian:
        """p(x|z) as a conditional, for the methods of the package."""
        D, d = self.W.shape
        net = nn.Linear(d, D).to(self.W)
        net.load_state_dict({"weight": self.W, "bias": self.b})
        p = FixedScaleGaussian(net)
        p.scale = self.W.new_tensor(self.scale)
        return p

    # ---- the truth ----
    def log_likelihood(self, x: Tensor) -> Tensor:
        """log p(x) = log N(x; b, W W^T + scale^2 I), (N,)."""
        noise = self.scale**2 * torch.eye(len(self.b)).to(self.W)
        return MultivariateNormal(self.b, self.W @ self.W.T + noise).log_prob(x)

    def posterior(self, x: Tensor) -> MultivariateNormal:
        """p(z|x) = N(M^-1 W^T (x - b), scale^2 M^-1), M = W^T W + scale^2 I."""
        M = self.W.T @ self.W + self.scale**2 * torch.eye(self.W.shape[1]).to(self.W)
        mean = torch.linalg.solve(M, self.W.T @ (x - self.b).T).T
        cov = self.scale**2 * torch.linalg.inv(M)
        return MultivariateNormal(mean, (cov + cov.T) / 2)

    # ---- the bound's terms ----
    def reconstruction(self, q: Distribution, x: Tensor) -> Tensor:
        """E_q log p(x|z), (N,)."""
        mean, cov = _moments(q)
        error = (x - self.b - mean @ self.W.T).square().sum(1)
        spread = torch.einsum("di,nij,dj->n", self.W, cov, self.W)
        return -(error + spread) / (2 * self.scale**2) - len(self.b) / 2 * math.log(
            2 * math.pi * self.scale**2
        )

    def elbo(self, q: Distribution, x: Tensor) -> Tensor:
        """log p(x) - KL(q || p(z|x)), (N,)."""
        return self.log_likelihood(x) - kl_divergence(_joint(q), self.posterior(x))

    # ---- other bounds ----
    def eubo(self, q: Distribution, x: Tensor) -> Tensor:
        """log p(x) + KL(p(z|x) || q), (N,)."""
        return self.log_likelihood(x) + kl_divergence(self.posterior(x), _joint(q))

    def renyi(self, q: Distribution, x: Tensor, alpha: float) -> Tensor:
        """log p(x) - D_alpha(q || p(z|x)), (N,), alpha >= 0."""
        gap = renyi_divergence(_joint(q), self.posterior(x), alpha)
        return self.log_likelihood(x) - gap

    def cubo(self, q: Distribution, x: Tensor, n: float = 2.0) -> Tensor:
        """log p(x) + (n - 1)/n D_n(p(z|x) || q), (N,), n >= 1; infinite where q is too
        narrow.
        """
        gap = renyi_divergence(self.posterior(x), _joint(q), n)
        return self.log_likelihood(x) + (n - 1) / n * gap

    def chi2(self, q: Distribution, x: Tensor) -> Tensor:
        """Var_q(w) / p(x)^2 = exp D_2(p(z|x) || q) - 1, (N,)."""
        return renyi_divergence(self.posterior(x), _joint(q), 2.0).expm1()

    def expected_log_weight(self, q: Distribution, x: Tensor, beta: float) -> Tensor:
        """E log w under q^(1 - beta) p(x, z)^beta, (N,): the ELBO at 0, EUBO at 1."""
        q, post = _joint(q), self.posterior(x)
        parts = ((1 - beta) * q.precision_matrix, beta * post.precision_matrix)
        cov = torch.linalg.inv(parts[0] + parts[1])
        pull = parts[0] @ q.mean.unsqueeze(2) + parts[1] @ post.mean.unsqueeze(2)
        at = MultivariateNormal((cov @ pull).squeeze(2), (cov + cov.mT) / 2)
        ratio = kl_divergence(at, q) - kl_divergence(at, post)  # E log post - log q
        return self.log_likelihood(x) + ratio

    def tvo(self, q: Distribution, x: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
        """Left and right Riemann sums of `expected_log_weight`, two of (N,)."""
        means = torch.stack([self.expected_log_weight(q, x, b) for b in betas.tolist()])
        width = betas.diff().unsqueeze(1)
        return (width * means[:-1]).sum(0), (width * means[1:]).sum(0)


def renyi_divergence(
    a: MultivariateNormal, b: MultivariateNormal, alpha: float
) -> Tensor:
    """D_alpha(a || b) = log E_b[(a / b)^alpha] / (alpha - 1), nats; KL at alpha = 1.

    With S = alpha B + (1 - alpha) A it is alpha/2 d^T S^-1 d + (log|S| - (1 - alpha)
    log|A| - alpha log|B|) / (2 (1 - alpha)), d the difference of the means, and
    infinite where S is not positive definite.

    References:
        Gil, Alajaji and Linder, Renyi divergence measures for commonly used univariate
        continuous distributions, 2013, table 2.
    """
    if alpha == 1:
        return kl_divergence(a, b)
    A, B = a.covariance_matrix, b.covariance_matrix
    S = alpha * B + (1 - alpha) * A
    finite = torch.linalg.eigvalsh(S).amin(-1) > 0
    eye = torch.eye(S.shape[-1]).to(S)
    S = torch.where(finite[..., None, None], S, eye)
    d = (a.mean - b.mean).unsqueeze(-1)
    quadratic = (d.mT @ torch.linalg.solve(S, d)).squeeze(-1).squeeze(-1)
    logs = S.logdet() - (1 - alpha) * A.logdet() - alpha * B.logdet()
    value = alpha / 2 * quadratic + logs / (2 * (1 - alpha))
    return torch.where(finite, value, torch.inf)


def _moments(q: Distribution) -> tuple[Tensor, Tensor]:
    """Mean (N, d) and covariance (N, d, d)."""
    if isinstance(q, MultivariateNormal):
        return q.mean, q.covariance_matrix
    return q.mean, torch.diag_embed(q.variance)


def _joint(q: Distribution) -> MultivariateNormal:
    return MultivariateNormal(*_moments(q))
