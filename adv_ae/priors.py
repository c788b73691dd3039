"""Priors p(z): modules with `sample(n)`, and `log_prob(z)` where the density is known.

A `Mixture` has `k` components: `sample(n, component)` draws from those that are named,
and `component(z)` tells which one z belongs to.
"""

import math

import torch
from torch import Tensor, nn
from torch.distributions import Independent
from torch.distributions import Normal as _Normal


class Prior(nn.Module):
    """Base: `dim` is the dimension of z."""

    dim: int

    def sample(self, n: int) -> Tensor:
        """n draws, (n, dim)."""
        raise TypeError(f"{type(self).__name__} must define sample(n)")

    @property
    def distribution(self) -> Independent:
        """As a `torch.distributions` object, where it is one."""
        raise TypeError(
            f"{type(self).__name__} is no torch distribution, so the VAE has no KL in "
            "closed form to it: take priors.Normal there. IWAE with K = 1 takes any "
            "prior with a log_prob, the AAE any that can be sampled."
        )

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z) in nats, (...) of z (..., dim)."""
        raise TypeError(
            f"{type(self).__name__} has samples but no density in closed form; "
            "methods that need log p(z), such as the VAE, cannot use it. The AAE can: "
            "it only needs samples."
        )


class Mixture(Prior):
    """Base of priors of `k` components of equal weight."""

    k: int

    def sample(self, n: int, component: Tensor | None = None) -> Tensor:
        """n draws, (n, dim); `component` (n,) of int64 says of which component each
        is, None: each of any."""
        raise TypeError(f"{type(self).__name__} must define sample(n, component)")

    def component(self, z: Tensor) -> Tensor:
        """The component that each z belongs to, (N,) of int64."""
        raise TypeError(f"{type(self).__name__} must define component(z)")


class Normal(Prior):
    """N(0, scale^2 I).

    Args:
        dim: dimension of z.
        scale: standard deviation (AAE's likelihood experiments take 5, appendix A.1).
    """

    loc: Tensor
    scale: Tensor

    def __init__(self, dim: int, scale: float = 1.0):
        super().__init__()
        self.dim = dim
        self.register_buffer("loc", torch.zeros(dim))
        self.register_buffer("scale", torch.full((dim,), float(scale)))

    @property
    def distribution(self) -> Independent:
        """As a `torch.distributions` object, for `kl_divergence`."""
        return Independent(
            _Normal(self.loc, self.scale, validate_args=False), 1, validate_args=False
        )

    def sample(self, n: int) -> Tensor:
        return self.loc + self.scale * torch.randn(
            n, self.dim, device=self.loc.device, dtype=self.loc.dtype
        )

    def log_prob(self, z: Tensor) -> Tensor:
        return self.distribution.log_prob(z)


class Uniform(Prior):
    """U[low, high]^dim (BiGAN: [-1, 1]^50)."""

    edges: Tensor

    def __init__(self, dim: int, low: float = -1.0, high: float = 1.0):
        super().__init__()
        self.dim = dim
        self.register_buffer("edges", torch.tensor([float(low), float(high)]))

    def sample(self, n: int) -> Tensor:
        low, high = self.edges
        u = torch.rand(n, self.dim, device=low.device, dtype=low.dtype)
        return low + (high - low) * u

    def log_prob(self, z: Tensor) -> Tensor:
        low, high = self.edges
        inside = ((low <= z) & (z <= high)).all(-1)
        log_density = -self.dim * (high - low).log()
        return torch.where(inside, log_density, -torch.inf)


class OneHot(Mixture):
    """Cat(1/K): one-hot rows of K entries."""

    eye: Tensor

    def __init__(self, k: int):
        super().__init__()
        self.dim = self.k = k
        self.register_buffer("eye", torch.eye(k))

    def sample(self, n: int, component: Tensor | None = None) -> Tensor:
        return self.eye[_component(n, self.k, component, self.eye)]

    def component(self, z: Tensor) -> Tensor:
        """The largest entry, (N,): of softmax vectors the most probable class."""
        return z.argmax(1)

    def one_hot(self, labels: Tensor) -> Tensor:
        """Labels (N,) of 0 .. K - 1 as rows, (N, K)."""
        return self.eye[labels]

    def log_prob(self, z: Tensor) -> Tensor:
        return torch.full_like(z[..., 0], -math.log(self.k))


class Empirical(Prior):
    """The law of given rows: each draw is one of them, at random.

    Args:
        rows: (N, dim), such as the attributes y of a data set.
    """

    rows: Tensor

    def __init__(self, rows: Tensor):
        super().__init__()
        self.dim = rows.shape[1]
        self.register_buffer("rows", rows.detach().clone())

    def sample(self, n: int) -> Tensor:
        return self.rows[torch.randint(len(self.rows), (n,), device=self.rows.device)]


class GaussianRing(Mixture):
    """Equal mixture of K 2-D Gaussians like petals, component k at angle 2 pi k / K
    (AAE figure 4).

    Component k is N(0, diag(along^2, across^2)) shifted by `radius` along the first
    axis, then rotated by 2 pi k / K. The paper prints no numbers; these are the ones
    that public reimplementations use.

    Args:
        k: number of components.
        radius: distance of a component's mean from the origin.
        along, across: standard deviations along the ray and across it.
    """

    rotation: Tensor
    scale: Tensor
    shift: Tensor

    def __init__(
        self, k: int = 10, radius: float = 1.4, along: float = 0.5, across: float = 0.1
    ):
        super().__init__()
        self.dim, self.k = 2, k
        angle = torch.arange(k) * 2 * math.pi / k
        c, s = angle.cos(), angle.sin()
        rows = torch.stack([c, -s, s, c], dim=1).view(k, 2, 2)
        self.register_buffer("rotation", rows)
        self.register_buffer("scale", torch.tensor([along, across]))
        self.register_buffer("shift", torch.tensor([radius, 0.0]))

    @property
    def means(self) -> Tensor:
        """Means of the components, (K, 2)."""
        return self.rotation @ self.shift

    def sample(self, n: int, component: Tensor | None = None) -> Tensor:
        k = _component(n, self.k, component, self.shift)
        noise = torch.randn(n, 2, device=self.shift.device, dtype=self.shift.dtype)
        petal = self.shift + self.scale * noise
        return (self.rotation[k] @ petal.unsqueeze(2)).squeeze(2)

    def log_prob(self, z: Tensor) -> Tensor:
        return self.log_prob_components(z).logsumexp(-1) - math.log(self.k)

    def log_prob_components(self, z: Tensor) -> Tensor:
        """log N(z; component k), (..., K)."""
        local = torch.einsum("kji,...j->...ki", self.rotation, z)  # rotate back
        petal = _Normal(self.shift, self.scale, validate_args=False)
        return petal.log_prob(local).sum(-1)

    def component(self, z: Tensor) -> Tensor:
        """The component that z most likely comes from, (N,)."""
        return self.log_prob_components(z).argmax(1)


class SwissRoll(Mixture):
    """A curve that rolls up: r = radius sqrt(u), angle = 2 pi turns sqrt(u), u ~ U[0,
    1].

    z = r (cos angle, sin angle) + noise. Component k of K is the arc u in [k, k + 1) /
    K (AAE figure 4B: each label one arc). There is no handy density.

    Args:
        k: number of arcs.
        radius: distance of the outer end from the origin.
        turns: number of turns.
        noise: standard deviation of Gaussian noise around the curve.
    """

    noise: Tensor

    def __init__(
        self, k: int = 10, radius: float = 3.0, turns: float = 2.0, noise: float = 0.0
    ):
        super().__init__()
        self.dim, self.k, self.radius, self.turns = 2, k, radius, turns
        self.register_buffer("noise", torch.tensor(float(noise)))

    def sample(self, n: int, component: Tensor | None = None) -> Tensor:
        k = _component(n, self.k, component, self.noise)
        u = torch.rand(n, device=self.noise.device, dtype=self.noise.dtype)
        z = self._curve((k + u) / self.k)
        return z + self.noise * torch.randn_like(z)

    def _curve(self, u: Tensor) -> Tensor:
        """The curve at u in [0, 1], (N, 2)."""
        root = u.sqrt()
        angle = 2 * math.pi * self.turns * root
        return (
            self.radius * root.unsqueeze(1) * torch.stack([angle.cos(), angle.sin()], 1)
        )

    def component(self, z: Tensor) -> Tensor:
        """The arc that is nearest to z, of each a hundred points, (N,)."""
        u = torch.arange(0.5, 100 * self.k, device=z.device, dtype=z.dtype)
        return torch.cdist(z, self._curve(u / (100 * self.k))).argmin(1) // 100


def _component(n: int, k: int, component: Tensor | None, like: Tensor) -> Tensor:
    """The component of each draw: given, or uniform over K."""
    if component is None:
        return torch.randint(k, (n,), device=like.device)
    if component.shape != (n,):
        raise ValueError(
            f"component must have shape ({n},), not {tuple(component.shape)}"
        )
    return component
