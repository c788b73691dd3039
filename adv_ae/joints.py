"""Two joints compared exactly: worlds of few states, where all encoders and generators
can be listed, and Gaussians in the plane.

A joint over n x's and m z's is a matrix (n, m) of masses that sum to 1. Functions of
joints take batches of them, (..., n, m), and are exact up to rounding: use float64.
"""

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from adv_ae.divergences import js_on_grid


# ---- joints ----
def encoder_joint(p_x: Tensor, q: Tensor) -> Tensor:
    """q(x, z) = q(x) q(z|x).

    Args:
        p_x: (n,) masses of the data.
        q: q(z|x) as rows (..., n, m).

    Returns:
        (..., n, m).
    """
    return p_x[:, None] * q


def decoder_joint(p_z: Tensor, p: Tensor) -> Tensor:
    """p(x, z) = p(z) p(x|z).

    Args:
        p_z: (m,) masses of the prior.
        p: p(x|z) as rows (..., m, n).

    Returns:
        (..., n, m).
    """
    return (p_z[:, None] * p).mT


def point_masses(f: Tensor, states: int) -> Tensor:
    """A deterministic map as a conditional: rows with one 1.

    Args:
        f: (..., n) of int64, values 0 .. states - 1.
        states: how many values there are.

    Returns:
        (..., n, states) of float64.
    """
    return torch.nn.functional.one_hot(f, states).double()


# ---- what D can make of them ----
def optimal_discriminator(q: Tensor, p: Tensor) -> Tensor:
    """D*(x, z) = q(x, z) / (q(x, z) + p(x, z)); nan where neither has mass.

    The density of q with respect to q + p (Radon-Nikodym derivative), which exists
    even where q and p have no density of their own.

    References:
        Dumoulin et al. (2017), proposition 1; Donahue et al. (2017), proposition 1.
    """
    return q / (q + p)


def value(q: Tensor, p: Tensor, D: Tensor | None = None) -> Tensor:
    """V(D) = E_q log D + E_p log(1 - D), nats, (...,); D None: the optimal one.

    Args:
        q, p: joints (..., n, m).
        D: (..., n, m), probabilities of 'from q'.

    Returns:
        (...,): -inf where D is sure and wrong.
    """
    if D is None:
        D = optimal_discriminator(q, p).nan_to_num(0.5)
    return (torch.xlogy(q, D) + torch.xlogy(p, 1 - D)).sum((-2, -1))


def js(q: Tensor, p: Tensor) -> Tensor:
    """JS(q, p) = (KL(q || m) + KL(p || m)) / 2, m = (q + p) / 2; nats, (...,).

    The value of the optimal D is 2 JS - log 4.

    References:
        Dumoulin et al. (2017), proposition 2; Donahue et al. (2017), proposition 2.
    """
    m = (q + p) / 2
    return (_relative_entropy(q, m) + _relative_entropy(p, m)) / 2


def _relative_entropy(a: Tensor, b: Tensor) -> Tensor:
    """KL(a || b) over the last two dimensions; 0 log 0 = 0."""
    ratio = torch.where(a > 0, a / torch.where(b > 0, b, 1), 1)
    infinite = ((a > 0) & (b == 0)).any(-1).any(-1)
    return torch.where(infinite, torch.inf, (a * ratio.log()).sum((-2, -1)))


def js_parts(q: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    """JS of the joints = JS of the x's + what the codes add, both >= 0.

    JS(q(x,z), p(x,z)) = JS(q(x), p(x)) + (E_q KL(q(z|x) || m(z|x)) + E_p KL(p(z|x) ||
    m(z|x))) / 2 with m = (q + p) / 2: the chain rule of the relative entropy. The first
    is what a GAN on x sees; the second is zero iff q(z|x) = p(z|x) wherever both have
    x.

    Returns:
        The two parts, (...,).
    """
    of_x = js(q.sum(-1, keepdim=True), p.sum(-1, keepdim=True))
    return of_x, js(q, p) - of_x


def mutual_information(q: Tensor) -> Tensor:
    """I(x; z) = KL(q(x, z) || q(x) q(z)), nats, (...,)."""
    return _relative_entropy(q, q.sum(-1, keepdim=True) * q.sum(-2, keepdim=True))


def returned(q: Tensor, p: Tensor) -> Tensor:
    """P(x^ = x): of x from the data, z ~ q(z|x) and x^ ~ p(x|z), (...,).

    Equal joints do not make it 1: with q(z|x) = p(z) and p(x|z) = q(x) they are equal,
    and it is sum_x q(x)^2.

    Args:
        q, p: joints (..., n, m); every z that q uses must have mass under p.
    """
    p_z = p.sum(-2, keepdim=True)
    given_z = torch.where(p_z > 0, p / torch.where(p_z > 0, p_z, 1), 0)  # p(x|z)
    return (q * given_z).sum((-2, -1))


# ---- a small world, whole ----
def maps(n: int, m: int) -> Tensor:
    """All m^n maps from n states to m, (m^n, n) of int64, in lexicographic order."""
    return torch.tensor(list(itertools.product(range(m), repeat=n)))


def given_back(E: Tensor, G: Tensor) -> Tensor:
    """Which x have G(E(x)) = x, (..., n) of bool.

    Args:
        E: (..., n) of int64, codes 0 .. m - 1.
        G: (..., m) of int64, in a batch like E's.
    """
    batch = torch.broadcast_shapes(E.shape[:-1], G.shape[:-1])
    n, m = E.shape[-1], G.shape[-1]
    back = G.expand(*batch, m).gather(-1, E.expand(*batch, n))  # G(E(x))
    return back == torch.arange(n)


@dataclass(frozen=True)
class World:
    """All pairs of maps E: x -> z and G: z -> x of a small world.

    Attributes:
        E: (A, n), all encoders.
        G: (B, m), all generators.
        value: (A, B), max_D V of each pair, nats.
        given_back: (A, B), mass of the x with G(E(x)) = x.
    """

    E: Tensor
    G: Tensor
    value: Tensor
    given_back: Tensor

    def optima(self, tolerance: float = 1e-9) -> Tensor:
        """Pairs of the least value: (count, 2) rows into E and G."""
        return (self.value < self.value.min() + tolerance).nonzero()


def world(p_x: Tensor, p_z: Tensor) -> World:
    """Every pair (E, G) of a world with given masses, and its value: 65,536 pairs for 4
    x's and 4 z's.

    With n x's and n z's of equal mass the value is -k/n log 4 where k x's are given
    back, and the least, -log 4, belongs to the n! pairs with E = G^-1.

    Args:
        p_x: (n,) masses of the data, float64.
        p_z: (m,) masses of the prior, float64.

    References:
        Donahue et al. (2017), theorems 1 to 3.
    """
    n, m = len(p_x), len(p_z)
    E, G = maps(n, m), maps(m, n)
    q = encoder_joint(p_x, point_masses(E, m))[:, None]
    p = decoder_joint(p_z, point_masses(G, n))[None]
    back = given_back(E[:, None], G[None])
    return World(E, G, value(q, p), (back * p_x).sum(-1))


def l0_value(p_x: Tensor, p_z: Tensor, E: Tensor, G: Tensor) -> Tensor:
    """max_D V written as an l0 autoencoder: it counts what is given back, exactly.

    E_x[1{p(E(x)) > 0, G(E(x)) = x} log f(x, E(x))] + E_z[1{q(G(z)) > 0, E(G(z)) = z}
    log(1 - f(G(z), z))], f = D*.

    Args:
        p_x: (n,); p_z: (m,); E: (n,) of int64; G: (m,) of int64.

    Returns:
        Scalar, nats; equal to `value` of the two joints.

    References:
        Donahue et al. (2017), theorem 3.
    """
    n, m = len(p_x), len(p_z)
    q = encoder_joint(p_x, point_masses(E, m))
    p = decoder_joint(p_z, point_masses(G, n))
    f = optimal_discriminator(q, p)
    x, z = torch.arange(n), torch.arange(m)
    kept_x = (p_x > 0) & (p_z[E] > 0) & (G[E] == x)
    kept_z = (p_z > 0) & (p_x[G] > 0) & (E[G] == z)
    of_x = (p_x * torch.where(kept_x, f[x, E], 1).log()).sum()
    of_z = (p_z * torch.where(kept_z, 1 - f[G, z], 1).log()).sum()
    return of_x + of_z


# ---- Gaussian joints ----
def gaussian_encoder_joint(a: float, s: float) -> MultivariateNormal:
    """q(x, z): x ~ N(0, 1), z|x ~ N(a x, s^2); s is a standard deviation, > 0."""
    cov = [[1.0, a], [a, a * a + s * s]]
    return _normal(cov)


def gaussian_decoder_joint(b: float, t: float) -> MultivariateNormal:
    """p(x, z): z ~ N(0, 1), x|z ~ N(b z, t^2); t is a standard deviation, > 0.

    It is the encoder's joint for a = b = rho and s^2 = t^2 = 1 - rho^2, whatever rho.
    """
    cov = [[b * b + t * t, b], [b, 1.0]]
    return _normal(cov)


def _normal(cov: list[list[float]]) -> MultivariateNormal:
    matrix = torch.tensor(cov, dtype=torch.float64)
    zero = torch.zeros(2, dtype=torch.float64)
    return MultivariateNormal(zero, matrix, validate_args=False)


def gaussian_js(
    q: MultivariateNormal, p: MultivariateNormal, reach: float = 9.0, n: int = 1201
) -> Tensor:
    """JS of two centered Gaussian joints of (x, z), by quadrature, nats.

    Args:
        q, p: in the plane, float64.
        reach: of the grid, in the larger standard deviation of each axis.
        n: points an axis.

    Raises:
        ValueError: a joint is narrower than the grid can see.
    """
    variance = torch.maximum(q.variance, p.variance)
    u, v = (
        torch.linspace(-reach * sd, reach * sd, n, dtype=torch.float64)
        for sd in variance.sqrt().tolist()
    )
    step = max(float(u[1] - u[0]), float(v[1] - v[0]))
    for joint in (q, p):
        narrow = torch.linalg.eigvalsh(joint.covariance_matrix)[0].sqrt().item()
        if narrow < step / 2:
            raise ValueError(
                f"a joint has standard deviation {narrow:.2g} across its ridge, the "
                f"grid a step of {step:.2g}: take more points n."
            )
    grid = torch.cartesian_prod(u, v)
    dx = float((u[1] - u[0]) * (v[1] - v[0]))
    return js_on_grid(q.log_prob(grid), p.log_prob(grid), dx)
