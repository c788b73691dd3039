"""Checkers of the exercises of chapter 04, Adversarial autoencoder.

Each tests properties or closed forms, on inputs of its own: no seed matters.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from adv_ae.check import CheckError, equal
from adv_ae.conditionals import FixedScaleGaussian, Gaussian
from adv_ae.divergences import real
from adv_ae.game import step
from adv_ae.games import AAE
from adv_ae.networks import MLP, Discriminator
from adv_ae.priors import GaussianRing, Normal


def exercise_1(best_logit: Callable[[Tensor, float, float], Tensor]) -> None:
    """The logit of the optimal D for codes N(m, s^2) against the prior N(0, 1).

    Args:
        best_logit: maps z (N,), m and s to (N,).

    Raises:
        CheckError: it does not.
    """
    z = torch.linspace(-3, 3, 13, dtype=torch.float64)
    for m, s in ((1.0, 1.0), (-0.5, 2.0), (2.0, 0.3)):
        prior, codes = -z.square() / 2, -((z - m) / s).square() / 2 - math.log(s)
        want = prior - codes  # the constants cancel
        got = torch.as_tensor(best_logit(z, m, s), dtype=torch.float64)
        if got.shape == want.shape and not torch.allclose(got, want):
            if torch.allclose(got, -want):
                raise CheckError("The other way round: the *prior* is real.")
            if torch.allclose(got, want.sigmoid()):
                raise CheckError("That is D itself; its logit is asked.")
        hint = "log p(z) - log q(z); do not forget log s."
        equal(f"logit for codes N({m:g}, {s:g}^2)", got, want, 1e-6, hint)


class _Counted(Normal):
    """A prior that keeps its draws."""

    def __init__(self, dim: int):
        super().__init__(dim)
        self.drawn: list[Tensor] = []

    def sample(self, n: int) -> Tensor:
        self.drawn.append(super().sample(n))
        return self.drawn[-1]


def exercise_2(Game: type[AAE]) -> None:
    """An AAE whose discriminator moves k times, each time on fresh draws.

    Args:
        Game: subclass of `AAE` that reads `self.k`.

    Raises:
        CheckError: turns, draws or losses are not as asked.
    """
    prior = _Counted(2)
    q, p = Gaussian(MLP(5, 8, 4)), FixedScaleGaussian(MLP(2, 8, 5))
    k = 3
    game = type("Thrice", (Game,), {"k": k})(q, p, prior, Discriminator(2, 8))
    x = torch.linspace(0, 1, 30).view(6, 5)
    turns = [list(turn) for turn in game.play(x)]
    if turns != [["reconstruction"], *[["D"]] * k, ["G"]]:
        raise CheckError(
            f"With k = {k} the turns are {turns}; wanted are the reconstruction, then "
            f"{k} turns of D, then one of G."
        )
    print("[ok] turns: reconstruction, k times D, G")
    seen: list[Tensor] = []
    hook = game.D.register_forward_hook(lambda _, given, out: seen.append(given[0]))
    prior.drawn.clear()
    moves = {k: torch.optim.SGD(game.weights(k), 0.1) for k in game.players}
    before = [w.clone() for w in game.weights("reconstruction")]
    step(game, moves, x)
    hook.remove()
    if all(
        torch.equal(a, b)
        for a, b in zip(before, game.weights("reconstruction"), strict=True)
    ):
        raise CheckError("The reconstruction phase moves nothing.")
    draws = [s for s in seen if any(torch.equal(s, z) for z in prior.drawn)]
    if len(prior.drawn) != k or len(draws) != k:
        raise CheckError(
            f"D's {k} moves want {k} draws of the prior, each shown to D; "
            f"{len(prior.drawn)} were made, {len(draws)} shown."
        )
    codes = [s for s in seen if not any(torch.equal(s, z) for z in prior.drawn)]
    for i, a in enumerate(codes):
        if any(torch.equal(a, b) for b in codes[:i]):
            raise CheckError("Draw the codes anew for each move, the encoder's too.")
    print("[ok] fresh draws of prior and codes")
    kept = torch.get_rng_state()
    last = game.losses(x)["G"]
    torch.set_rng_state(kept)
    game.q(x).rsample()  # of the reconstruction
    for _ in range(k):
        Normal(2).sample(len(x)), game.q(x).rsample()
    want = real(game.D(game.q(x).rsample()))
    hint = "The encoder's loss is -E log D on codes, as in AAE."
    equal("the encoder's loss", last, want, 1e-5, hint)


def exercise_3(a: float, s: float, w: float, v: float) -> None:
    """Numbers for which q(z) is the prior and the AAE's cost is negative.

    Args:
        a, s: encoder N(a x, s^2).
        w, v: decoder N(w z, v^2).

    Raises:
        CheckError: q(z) is not N(0, 1), or the cost is not below zero.
    """
    if not (s > 0 and v > 0):
        raise CheckError("s and v are standard deviations: positive.")
    total = a**2 + s**2
    if abs(total - 1) > 1e-6:
        raise CheckError(
            f"q(z) has variance a^2 + s^2 = {total:.4g}; the prior has 1, so the game "
            "would not be at its optimum."
        )
    print("[ok] q(z) = p(z)")
    squared = (1 - w * a) ** 2 + (w * s) ** 2
    cost = 0.5 * (math.log(2 * math.pi * v**2) + squared / v**2)
    information = 0.5 * math.log(total / s**2)
    if cost >= 0:
        raise CheckError(
            f"The cost R is {cost:.4g}, not below zero. Let the code tell more about x "
            f"(I is {information:.3g} nats) and let the decoder trust it."
        )
    print(f"[ok] A = {cost:.4f} < 0 < 1.4189; I = {information:.4f} nats are not paid")


def exercise_4(weight: Callable[[float], float]) -> None:
    """The weight of the game at which a WAE-GAN is an AAE.

    Args:
        weight: maps the decoder's standard deviation to lambda.

    Raises:
        CheckError: it does not.

    Example:
        >>> exercise_4(lambda sigma: 2 * sigma**2)
        [ok] lambda: equal within 1e-06
    """
    sigmas = (0.1, 0.5, 2.0)
    got = [float(weight(sigma)) for sigma in sigmas]
    want = [2 * sigma**2 for sigma in sigmas]

    def is_(other: list[float]) -> bool:
        return all(math.isclose(g, o) for g, o in zip(got, other, strict=True))

    if is_([1 / w for w in want]):
        raise CheckError("That is the weight of the *cost* in the AAE; turn it over.")
    if is_([w / 2 for w in want]):
        raise CheckError("Almost: a Gaussian has *half* the squared error.")
    hint = "Multiply the AAE's objective until the squared error stands alone."
    equal("lambda", got, want, hint=hint)


class _Sum(nn.Module):
    """net(x, eta) = W x + U eta, to see what arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.W = nn.Parameter(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]]))
        self.U = nn.Parameter(torch.tensor([[2.0, 0.0], [0.0, 0.5], [1.0, 1.0]]))

    def forward(self, x: Tensor, eta: Tensor) -> Tensor:
        if eta.shape != (len(x), 3):
            raise CheckError(
                f"net got noise of shape {tuple(eta.shape)}, not ({len(x)}, 3)."
            )
        return x @ self.W + eta @ self.U


def exercise_5(Universal: Callable[[nn.Module, int], nn.Module]) -> None:
    """Codes z = net(x, eta), eta ~ N(0, I): the universal approximator posterior.

    Args:
        Universal: makes a module from net and the dimension of eta; the module maps x
            (N, d) to codes.

    Raises:
        CheckError: it does not.
    """
    net = _Sum()
    q = Universal(net, 3)
    n = 20_000
    x = torch.tensor([[0.5, -1.0, 2.0]]).expand(n, 3)
    z = q(x)
    if not isinstance(z, Tensor) or z.shape != (n, 2):
        raise CheckError("forward returns the codes, a tensor (N, 2).")
    if z.std(0).max() < 1e-6:
        raise CheckError("All rows have one code: each row wants noise of its own.")
    if torch.equal(z, q(x)):
        raise CheckError("The same noise at every call: draw it in forward.")
    mean, cov = x[:1] @ net.W, net.U.T @ net.U
    hint = "eta is standard normal: mean 0, variance 1."
    equal("mean of the codes", z.mean(0), mean[0], 0.1, hint)
    equal("their covariance", torch.cov(z.T), cov, 0.3, hint)
    weights = list(q.parameters())
    reached = weights and z.requires_grad
    if reached:
        slopes = torch.autograd.grad(z.sum(), weights, allow_unused=True)
        reached = all(slope is not None for slope in slopes)
    if not reached:
        raise CheckError("Gradients must reach all of net: keep it as a submodule.")
    print("[ok] gradients reach the network")


def exercise_6(petal: Callable[[Tensor, int], Tensor]) -> None:
    """Draws of one component of the ring of ten from standard normal noise.

    Args:
        petal: maps noise (n, 2) and k to draws (n, 2).

    Raises:
        CheckError: it does not.
    """
    ring = GaussianRing()
    zero, one = torch.zeros(1, 2), torch.eye(2)
    for k in (0, 3, 7):
        at = petal(zero, k)
        if at.shape == (1, 2) and torch.allclose(at, torch.zeros(1, 2), atol=1e-6):
            raise CheckError("The center is 1.4 from the origin, not at it.")
        hint = "Angle 2 pi k / 10, distance 1.4."
        equal(f"center of petal {k}", at, ring.means[k : k + 1], 1e-5, hint)
        axes = petal(one, k) - at
        want = (ring.rotation[k] * ring.scale).T
        lengths = axes.norm(dim=1)
        if torch.allclose(lengths, ring.scale**2, atol=1e-4):
            raise CheckError("Those are the variances; scale by standard deviations.")
        if torch.allclose(lengths, ring.scale.sqrt(), atol=1e-3):
            raise CheckError("0.5 and 0.1 *are* the standard deviations: no root.")
        hint = "First along the ray, then across it; turn the noise as well."
        equal(f"  its two axes, {k}", axes, want, 1e-5, hint)
