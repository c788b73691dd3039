"""Checkers of the exercises of chapter 09, BiGAN.

Each tests closed forms, lists of all pairs or losses at equal draws, on inputs of its
own: no seed matters.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from adv_ae import joints
from adv_ae.check import CheckError, equal
from adv_ae.conditionals import Deterministic, Signs
from adv_ae.games import JointLatentRegressor
from adv_ae.networks import MLP, Discriminator
from adv_ae.priors import Uniform

LOG2 = math.log(2)


def exercise_1(count: Callable[[int, int], int]) -> None:
    """How many pairs of maps of n states give back exactly k of them.

    Args:
        count: maps n and k to a number of pairs.

    Raises:
        CheckError: it does not.
    """
    for n in (2, 3, 4):
        even = torch.full((n,), 1 / n, dtype=torch.float64)
        back = (n * joints.world(even, even).given_back).round().long().flatten()
        want = torch.bincount(back, minlength=n + 1).tolist()
        got = [_called(count, n, k) for k in range(n + 1)]
        at_least = [
            math.comb(n, j) * math.perm(n, j) * n ** (2 * (n - j)) for j in range(n + 1)
        ]
        if got == at_least:
            raise CheckError(
                "Those count a pair once for every set of k states that it gives back: "
                "a pair with more than k is among them several times. Subtract."
            )
        if sum(got) != n ** (2 * n):
            raise CheckError(
                f"n = {n}: over all k they add up to {sum(got)}; there are "
                f"{n ** (2 * n)} pairs, and each gives back some number."
            )
        hint = "E is one to one on the states that come back, and G is fixed there."
        equal(f"n = {n}: {want}", got, want, hint=hint)


def _called(count: Callable[[int, int], int], n: int, k: int) -> int:
    try:
        return count(n, k)
    except Exception as error:
        raise CheckError(
            f"count({n}, {k}) raises {type(error).__name__}: {error}"
        ) from error


def exercise_2(inverse_value: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """max_D V of a bijection E and G = E^-1, for any masses.

    Args:
        inverse_value: maps p_x (n,), p_z (n,) and E (n,) to a scalar.

    Raises:
        CheckError: it does not.
    """
    uneven = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    other = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    zero = torch.tensor([0.5, 0.5, 0.0, 0.0], dtype=torch.float64)
    turn = torch.tensor([1, 2, 3, 0])
    for name, p_x, p_z, E in (
        ("equal masses at each pair", uneven, uneven, torch.arange(4)),
        ("turned by one", uneven, uneven, turn),
        ("other masses", uneven, other, turn),
        ("zeros", uneven, zero, turn),
    ):
        want = joints.l0_value(p_x, p_z, E, E.argsort())
        got = torch.as_tensor(inverse_value(p_x, p_z, E), dtype=torch.float64)
        if got.isnan().any():
            raise CheckError("0 log 0 is 0 here: take torch.xlogy.")
        if got.shape == want.shape:
            back = joints.l0_value(p_x, p_z, E.argsort(), E)
            if torch.isclose(got, back) and not torch.isclose(back, want):
                raise CheckError(
                    "x meets the code E(x), whose mass is p_z[E]; you have used the "
                    "inverse of E."
                )
            if torch.isclose(got, (want + math.log(4)) / 2):
                raise CheckError("That is the JS divergence; V = 2 JS - log 4.")
            if torch.isclose(got, -want) and want != 0:
                raise CheckError("The sign: both logarithms are of numbers below 1.")
        hint = "Sum p(x) log f + p(z) log(1 - f) over the pairs (x, E(x))."
        equal(f"{name}: {float(want):.4f}", got, want, 1e-9, hint)


Loss = Callable[[Tensor, Tensor], Tensor]


def exercise_3(saturating: Loss, inverse: Loss) -> None:
    """The two losses of E and G, from D's logits on both kinds of pair.

    Args:
        saturating: of (on_E, on_G), logits (N,) each; scalar.
        inverse: the same.

    Raises:
        CheckError: they are not.
    """
    on_E = torch.tensor([2.0, -1.0, 0.5, 1000.0], dtype=torch.float64)
    on_G = torch.tensor([-3.0, 0.3, -1000.0, 1.0], dtype=torch.float64)
    V = -(_softplus(-on_E) + _softplus(on_G))
    Lambda = -(_softplus(on_E) + _softplus(-on_G))
    for name, loss, want, other in (
        ("saturating", saturating, V, -Lambda),
        ("inverse", inverse, -Lambda, V),
    ):
        got = torch.as_tensor(loss(on_E, on_G), dtype=torch.float64)
        if not got.isfinite().all():
            raise CheckError(
                f"{name}: not finite at a logit of 1000, where 1 - D rounds to 0. "
                "Write it with softplus or logsigmoid."
            )
        if got.shape == want.shape:
            if torch.isclose(got, -want):
                raise CheckError(f"{name}: the sign; a *loss* is descended.")
            if torch.isclose(got, other):
                raise CheckError(f"{name}: that is the other one of the two.")
            if torch.isclose(got, want * len(on_E)):
                raise CheckError(f"{name}: the mean over pairs, not their sum.")
            if torch.isclose(got, want / 2):
                raise CheckError(f"{name}: the sum of both means, not half of it.")
        hint = "Saturating: V itself. Inverse: minus V with D and 1 - D exchanged."
        equal(name, got, want, 1e-9, hint)


def _softplus(logits: Tensor) -> Tensor:
    return torch.nn.functional.softplus(logits).mean()


def exercise_4(Game: type[JointLatentRegressor]) -> None:
    """The `play` of a joint latent regressor.

    Args:
        Game: subclass of `JointLatentRegressor`.

    Raises:
        CheckError: turns, losses or gradients are not as asked.
    """
    torch.manual_seed(0)
    E, G = Signs(MLP(5, 8, 3)), Deterministic(MLP(3, 8, 5))
    parts = E, G, Uniform(3), Discriminator(5, 8)
    x = torch.linspace(0, 1, 40).view(8, 5)
    mine, theirs = Game(*parts, weight=0.5), JointLatentRegressor(*parts, weight=0.5)
    turns = [list(turn) for turn in mine.play(x)]
    if [sorted(turn) for turn in turns] != [["D", "GE"]]:
        raise CheckError(f"One turn of the players D and GE is wanted, not {turns}.")
    print("[ok] D and GE move at once")
    got, want = _played(mine, x), _played(theirs, x)
    hint = "D's loss is the plain GAN's: real(D(x)) + fake(D(G(z)))."
    equal("loss of D", got["D"], want["D"], 1e-5, hint)
    adversarial = _played(Game(*parts, weight=0.0), x)["GE"]
    cost = (want["GE"] - _played(type(theirs)(*parts, weight=0.0), x)["GE"]) / 0.5
    regression = got["GE"] - adversarial  # at weight 1/2
    if torch.isclose(regression, 3 * cost / 2, rtol=1e-4):
        raise CheckError("log_prob is summed over z's dimensions: divide by them.")
    if torch.isclose(regression, torch.zeros(())):
        raise CheckError("self.weight times the regression is missing.")
    equal("the regression", regression, cost / 2, 1e-5, "Minus q's log_prob of z.")
    hint = "Non-saturating: real(D(G(z))), and G answers for it."
    equal("loss of G and E", got["GE"], want["GE"], 1e-5, hint)
    slopes = [
        torch.autograd.grad(_played(game, x)["GE"], list(G.parameters()))
        for game in (mine, theirs)
    ]
    if not all(map(torch.allclose, *slopes)):
        raise CheckError("G must answer for the regression: no .detach() on x~.")
    print("[ok] G answers for the regression")


def _played(game: JointLatentRegressor, x: Tensor) -> dict[str, Tensor]:
    torch.manual_seed(1)
    return game.losses(x)


def exercise_5(
    js_at_least: Callable[[float], float], loss_of_best: Callable[[int, int], float]
) -> None:
    """What D's mean loss proves, and the loss of the best D of a world of equal states.

    Args:
        js_at_least: maps D's loss, the mean of its two parts, to nats.
        loss_of_best: maps n and k, how many of n states are given back, to that loss.

    Raises:
        CheckError: they do not.
    """
    losses = (0.0, 0.0545, 0.3, LOG2)
    got = [float(js_at_least(loss)) for loss in losses]
    want = [LOG2 - loss for loss in losses]
    if all(map(math.isclose, got, [LOG2 - loss / 2 for loss in losses])):
        raise CheckError("The log shows the *mean* of both parts: V = -2 L.")
    hint = "V = -2 L is at most 2 JS - log 4."
    equal("JS that a loss proves", got, want, 1e-9, hint)
    hint = "A D worse than guessing proves nothing: 0."
    equal("  by a loss above log 2", float(js_at_least(1.0)), 0.0, 1e-9, hint)
    pairs = [(2, 1), (4, 0), (4, 3), (5, 5)]
    got = [float(loss_of_best(n, k)) for n, k in pairs]
    want = [k / n * LOG2 for n, k in pairs]
    if all(
        math.isclose(g, 2 * w, abs_tol=1e-12) for g, w in zip(got, want, strict=True)
    ):
        raise CheckError("That is -V; the log shows half of it.")
    if all(
        math.isclose(g, LOG2 - w, abs_tol=1e-12) for g, w in zip(got, want, strict=True)
    ):
        raise CheckError("That is JS: it falls as more are given back. D's loss rises.")
    equal("loss of the best D", got, want, 1e-9, "V = -k/n log 4.")
