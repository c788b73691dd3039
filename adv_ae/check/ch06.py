"""Checkers of the exercises of chapter 06, Style and content.

Each tests properties or closed forms, on inputs of its own: no seed matters.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from adv_ae.check import CheckError, equal
from adv_ae.conditionals import Bernoulli, Deterministic
from adv_ae.divergences import Kernel, imq, mmd2, real
from adv_ae.games import SupervisedAAE
from adv_ae.networks import MLP, Discriminator
from adv_ae.priors import Normal


def _entropy(table: Tensor) -> float:
    return -torch.xlogy(table, table).sum().item()


def exercise_1(cuts: Callable[[int], Tensor]) -> None:
    """Cut N(0, 1) into K slices of equal mass.

    Args:
        cuts: maps K to the K - 1 points between the slices, ascending.

    Raises:
        CheckError: slices are not of equal mass.
    """
    for K in (2, 3, 10):
        got = torch.as_tensor(cuts(K), dtype=torch.float64)
        if got.shape == (K + 1,):
            raise CheckError("Leave the two ends, minus and plus infinity, away.")
        if got.shape != (K - 1,):
            raise CheckError(
                f"K = {K} slices have {K - 1} cuts; the shape is {tuple(got.shape)}."
            )
        even = torch.arange(1, K, dtype=torch.float64) / K
        if torch.allclose(got, even, atol=1e-6):
            raise CheckError("Those are the masses below the cuts; where do they lie?")
        masses = torch.special.ndtr(got)
        hint = "The mass below cut k is k / K, in ascending order."
        equal(f"masses below the cuts, K = {K}", masses, even, 1e-5, hint)


def exercise_2(nats: Callable[[Tensor, Tensor], Tensor]) -> None:
    """A lower bound on I(y; z) from a probe's logits on held-out codes.

    Args:
        nats: maps logits (N, K) and labels y (N,) to nats.

    Raises:
        CheckError: it does not.
    """
    even, uneven = torch.arange(12) % 3, torch.tensor([0] * 6 + [1] * 4 + [2] * 2)
    for name, y in (("even classes", even), ("uneven classes", uneven)):
        share = y.bincount().double() / len(y)
        spread = torch.sin(torch.arange(36.0)).view(12, 3).double()
        for probe, logits in (
            ("a sure and right probe", 60.0 * F.one_hot(y, 3).double()),
            ("a probe that knows the shares only", share.log().expand(12, 3)),
            ("some probe", spread),
        ):
            cost = F.cross_entropy(logits, y).item()
            H, got = _entropy(share), float(nats(logits, y))
            want = H - cost
            if abs(got - want) > 1e-5:
                _mistaken_bound(got, H, cost, len(share))
            hint = "H(y) - mean of -log r(y|z), natural logarithms."
            equal(f"{name}: {probe}", got, want, 1e-5, hint)


def _mistaken_bound(got: float, H: float, cost: float, K: int) -> None:
    """Name the usual mistakes."""

    def is_(other: float) -> bool:
        return math.isclose(got, other, abs_tol=1e-5)

    if is_(cost - H):
        raise CheckError("The other way round: a good probe gives a large bound.")
    if is_((H - cost) / math.log(2)):
        raise CheckError("Those are bits; nats are asked.")
    if is_(-cost) or is_(cost):
        raise CheckError("That is the cross-entropy alone: H(y) is missing.")
    if is_(math.log(K) - cost):
        raise CheckError(
            "H(y) = log K holds for equally frequent classes only: take the entropy of "
            "their shares."
        )


def exercise_3(table: Tensor) -> None:
    """An encoder of 2 digits x 3 styles that reconstructs, matches and does not leak.

    Args:
        table: (2, 3, 6), q(z|x): table[y, s] are the probabilities of the six codes
            for digit y in style s.

    Raises:
        CheckError: no such encoder.
    """
    q = torch.as_tensor(table, dtype=torch.float64)
    if q.shape != (2, 3, 6):
        raise CheckError(f"The table is (2, 3, 6), not {tuple(q.shape)}.")
    if q.min() < 0 or not torch.allclose(q.sum(2), torch.ones(2, 3).double()):
        raise CheckError("table[y, s] are probabilities: not negative, with sum 1.")
    joint = q / 6  # of digit, style, code
    R = _entropy(joint) - _entropy(joint.sum(1))  # H(x, z) - H(y, z) = H(x|y, z)
    if R > 1e-6:
        raise CheckError(
            f"R* = {R:.4f}: two styles of one digit share a code, which the decoder "
            "cannot tell apart."
        )
    print("[ok] R* = 0: the decoder, told the digit, knows the picture")
    q_z = joint.sum((0, 1))
    equal("q(z) is even", q_z, torch.full((6,), 1 / 6), 1e-6, "Every code 1/6.")
    leak = math.log(2) + _entropy(q_z) - _entropy(joint.sum(1))
    hint = "Both digits must use every code equally often."
    equal("I(y; z)", leak, 0.0, 1e-6, hint)


def exercise_4(
    class_mmd: Callable[[Tensor, Tensor, Tensor, Kernel], Tensor],
) -> None:
    """The MMD of every class to the prior, averaged over the classes' shares.

    Args:
        class_mmd: maps codes z (N, d), labels y (N,), draws of the prior (M, d) and a
            kernel to sum_y q(y) MMD^2(q(z|y), p(z)).

    Raises:
        CheckError: it does not.
    """
    y = torch.tensor([0] * 6 + [1] * 3 + [2] * 3)
    z = torch.cos(torch.arange(24.0)).view(12, 2).double() + y[:, None]
    draws, kernel = torch.sin(torch.arange(30.0)).view(15, 2).double(), imq(1.0)
    each = torch.stack([mmd2(z[y == k], draws, kernel) for k in range(3)])
    share = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)
    want = (share * each).sum()
    got = torch.as_tensor(class_mmd(z, y, draws, kernel), dtype=torch.float64)
    if got.shape == () and torch.isclose(got, mmd2(z, draws, kernel)):
        raise CheckError("All codes together: that is what D(z) sees. Class by class.")
    if got.shape == () and torch.isclose(got, each.mean()):
        raise CheckError("Weigh each class by its share q(y).")
    if got.shape == () and torch.isclose(got, each.sum()):
        raise CheckError("The mean over classes, weighted by q(y), not the sum.")
    hint = "sum_y q(y) mmd2(codes of class y, draws, kernel)."
    equal("class by class", got, want, 1e-6, hint)
    other = 2 - y  # classes in another order, nothing else
    equal("names of classes do not matter", class_mmd(z, other, draws, kernel), want)


def exercise_5(Guesser: type[SupervisedAAE]) -> None:
    """A supervised AAE with a player that guesses the label from the code.

    Args:
        Guesser: subclass of `SupervisedAAE`, made from q, p, prior, D, C, classes, with
            a number `weight`.

    Raises:
        CheckError: players, turns or losses are not as asked.
    """
    q, p = Deterministic(MLP(5, 8, 2)), Bernoulli(MLP(5, 8, 5))
    D, C = Discriminator(2, 8), MLP(2, 8, 3)
    x, y = torch.linspace(0, 1, 60).view(12, 5), torch.arange(12) % 3
    for weight in (0.7, 0.0):
        game = type("Weighted", (Guesser,), {"weight": weight})(
            q, p, Normal(2), D, C, 3
        )
        if tuple(game.players.get("C", ())) != ("C",):
            raise CheckError("players['C'] = ('C',): C moves its own weights only.")
        order = [name for turn in game.play(x, y) for name in turn]
        turns = [set(turn) for turn in game.play(x, y)]
        if sorted(order) != ["C", "D", "G", "reconstruction"]:
            raise CheckError(f"Each of the four players moves once, not {order}.")
        if turns[0] != {"reconstruction"} or turns[-1] != {"G"}:
            raise CheckError(
                f"The turns are {turns}; wanted: the reconstruction, then D and C, "
                "then G against the C that has moved."
            )
        losses, codes = game.losses(x, y), q(x).mean
        cost = F.cross_entropy(C(codes), y)
        plain = SupervisedAAE(q, p, Normal(2), D, 3).losses(x, y)
        hint = "As in SupervisedAAE: the decoder is told the label."
        first = losses["reconstruction"]
        equal("reconstruction", first, plain["reconstruction"], 1e-5, hint)
        hint = "C's loss is its cross-entropy on the codes."
        equal("C's loss", losses["C"], cost, 1e-5, hint)
        fooled = real(D(codes))
        if weight and torch.isclose(losses["G"], fooled + weight * cost, atol=1e-5):
            raise CheckError("That helps C. The encoder wants C to be *wrong*.")
        if weight and torch.isclose(losses["G"], -weight * cost, atol=1e-5):
            raise CheckError("The encoder plays against D as well.")
        hint = "-E log D on the codes, minus weight times C's cross-entropy."
        want = fooled - weight * cost
        equal(f"G's loss, weight {weight:g}", losses["G"], want, 1e-5, hint)


def exercise_6(value: Callable[[int], float]) -> None:
    """Value of the label-matched game for codes in K slices of the prior.

    Args:
        value: maps K, the number of equally frequent classes, to V(D*) in nats.

    Raises:
        CheckError: it does not.
    """
    Ks = (1, 2, 10)
    got = [float(value(K)) for K in Ks]
    want = [math.log(K) - (1 + 1 / K) * math.log(1 + K) for K in Ks]

    def is_(other: list[float]) -> bool:
        return all(
            math.isclose(g, o, abs_tol=1e-6) for g, o in zip(got, other, strict=True)
        )

    if is_([v + math.log(4) for v in want]):
        raise CheckError("That is 2 JS; the value is log 4 below.")
    if is_([(v + math.log(4)) / 2 for v in want]):
        raise CheckError("That is JS itself; V = 2 JS - log 4.")
    if is_([math.log(1 / (1 + K)) + math.log(K / (1 + K)) for K in Ks]):
        raise CheckError(
            "Of the prior only 1 / K lies in the slice; elsewhere D* = 1 and log D = 0."
        )
    hint = "In its slice q(z|y) = K p(z), so D* = 1 / (1 + K); outside D* = 1."
    equal("V(D*)", got, want, 1e-6, hint)
