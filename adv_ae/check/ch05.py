"""Checkers of the exercises of chapter 05, Labels inside the discriminator.

Each tests properties or closed forms, on inputs of its own: no seed matters.
"""

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from adv_ae.check import CheckError, equal
from adv_ae.conditionals import Deterministic, FixedScaleGaussian
from adv_ae.divergences import fake, real
from adv_ae.games import LabelInformedAAE
from adv_ae.networks import MLP, Discriminator
from adv_ae.priors import GaussianRing


def exercise_1(positive: Callable[[Tensor, int], Tensor]) -> None:
    """The component that each row's real sample is drawn from.

    Args:
        positive: maps slots y (N,), K for "no label", and K to components (N,).

    Raises:
        CheckError: it does not.
    """
    K, n = 4, 40_000
    y = torch.arange(n) % (K + 1)
    got = torch.as_tensor(positive(y.clone(), K))
    if got.shape != y.shape or got.is_floating_point():
        raise CheckError(f"One whole number a row is wanted, ({n},) of int64.")
    none = y == K
    if (got[none] == K).any():
        raise CheckError(
            f"There is no component {K}: a row without a label draws from all of them."
        )
    if got.min() < 0 or got.max() >= K:
        raise CheckError(f"Components are 0 .. {K - 1}.")
    if not torch.equal(got[~none], y[~none]):
        raise CheckError("A labeled row's real sample comes from the component y.")
    print("[ok] labeled rows: their own component")
    counts = got[none].bincount(minlength=K) / none.sum()
    if (counts > 0.99).any():
        raise CheckError(
            "All unlabeled rows have one component: draw anew for every row."
        )
    hint = "All components equally often: randint(K), K not included."
    equal("unlabeled rows: share of each component", counts, [1 / K] * K, 0.03, hint)
    if torch.equal(got[none][:-K], got[none][K:]):  # they come round in turn
        raise CheckError("Draw them at random: in turn is not independent.")


def exercise_2(value: Callable[[Tensor, Tensor], Tensor]) -> None:
    """The value of the eleven games at the optimal D.

    Args:
        value: maps shares (S,) and divergences JS (S,) to the value.

    Raises:
        CheckError: it does not.

    Example:
        >>> exercise_2(lambda share, js: (share * (2 * js - math.log(4))).sum())
        [ok] all slots matched: equal within 1e-06
        [ok] three slots: equal within 1e-06
        [ok] a slot without rows: equal within 1e-06
    """
    log4 = math.log(4)
    for name, share, js in (
        ("all slots matched", [0.5, 0.5], [0.0, 0.0]),
        ("three slots", [0.2, 0.1, 0.7], [0.3, 0.6, 0.1]),
        ("a slot without rows", [0.4, 0.0, 0.6], [0.1, 0.69, 0.2]),
    ):
        pi = torch.tensor(share, dtype=torch.float64)
        d = torch.tensor(js, dtype=torch.float64)
        want = float((pi * (2 * d - log4)).sum())
        got = float(value(pi, d))
        hints: dict[str, Tensor | float] = {
            "Each game counts by its share of the rows.": (2 * d - log4).sum(),
            "Not the plain mean: a slot counts by its share.": (2 * d - log4).mean(),
            "That is what D minimizes; the value is what it earns.": -want,
            "The value of a game is *twice* JS, minus log 4.": (pi * (d - log4)).sum(),
            "Matched slots are worth -log 4, not zero.": (pi * 2 * d).sum(),
        }
        for hint, wrong in hints.items():
            if math.isclose(got, float(wrong)) and not math.isclose(got, want):
                raise CheckError(hint)
        equal(name, got, want, hint="A mean of 2 JS - log 4, weighted by the shares.")


def exercise_3(
    best_logit: Callable[[Tensor, Tensor, float, float], Tensor],
) -> None:
    """The optimal D's logit where a slot is shown more often as real than as fake.

    Args:
        best_logit: maps log p_s(z), log q_s(z), the slot's share among the real
            samples, and among the codes, to the logit.

    Raises:
        CheckError: it does not.
    """
    log_p = torch.tensor([-1.0, -2.0, -0.5, -4.0], dtype=torch.float64)
    log_q = torch.tensor([-1.0, -0.5, -3.0, -4.0], dtype=torch.float64)
    for rho, pi in ((0.5, 0.5), (0.1, 0.4), (0.3, 0.02)):
        ratio = math.log(rho) - math.log(pi)
        want = log_p - log_q + ratio
        got = torch.as_tensor(best_logit(log_p, log_q, rho, pi))
        if got.shape == want.shape:
            if torch.allclose(got, -want) and not torch.allclose(want, -want):
                raise CheckError("The other way round: draws of the prior are real.")
            if torch.allclose(got, want.sigmoid()):
                raise CheckError("That is D itself; its logit is asked.")
            if ratio and torch.allclose(got, log_p - log_q):
                raise CheckError("The shares do not cancel when they differ.")
            if ratio and torch.allclose(got, log_p - log_q - ratio):
                raise CheckError("The shares are upside down: rho goes with p.")
        hint = "D* = rho p / (rho p + pi q)."
        equal(f"shares {rho:g} and {pi:g}", got, want, 1e-6, hint)


def exercise_4(misplaced: Callable[[Tensor], Tensor]) -> None:
    """The least share of unlabeled digits that the last slot drives from their petal.

    Args:
        misplaced: maps the shares of the classes (K,) to a number in [0, 1).

    Raises:
        CheckError: it does not.

    Example:
        >>> exercise_4(lambda w: (w - 1 / len(w)).clamp(min=0).sum())
        [ok] equal classes: equal within 1e-06
        [ok] one class twice as frequent: equal within 1e-06
        [ok] a class that is missing: equal within 1e-06
        [ok] one class only: equal within 1e-06
    """
    for name, shares in (
        ("equal classes", [0.25] * 4),
        ("one class twice as frequent", [0.4, 0.2, 0.2, 0.2]),
        ("a class that is missing", [0.5, 0.3, 0.2, 0.0]),
        ("one class only", [1.0, 0.0]),
    ):
        w = torch.tensor(shares, dtype=torch.float64)
        excess = w - 1 / len(w)
        want = float(excess.clamp(min=0).sum())
        got = float(misplaced(w))
        if want and math.isclose(got, 2 * want):
            raise CheckError(
                "Twice too much: a digit that leaves one petal fills the gap of "
                "another. Count it once."
            )
        if want and math.isclose(got, float(excess.max())) and got < want:
            raise CheckError("Count every class that is too frequent, not one of them.")
        if want and abs(got) < 1e-9:
            raise CheckError("Excess and lack sum to zero: sum one of the two.")
        hint = "Each petal has room for a share 1/K. What is over must go elsewhere."
        equal(name, got, want, 1e-6, hint)


class _Noted(GaussianRing):
    """A ring that keeps the components it was asked for."""

    def __init__(self, k: int) -> None:
        super().__init__(k)
        self.asked: list[Tensor | None] = []

    def sample(self, n: int, component: Tensor | None = None) -> Tensor:
        self.asked.append(component)
        return super().sample(n, component)


def exercise_5(Game: type[LabelInformedAAE]) -> None:
    """A label-informed AAE whose unlabeled rows draw component k with share w_k.

    Args:
        Game: subclass of `LabelInformedAAE` that reads `self.shares`, (K,).

    Raises:
        CheckError: components or losses are not as asked.
    """
    K, n = 3, 30_000
    prior = _Noted(K)
    q, p = Deterministic(MLP(4, 8, 2)), FixedScaleGaussian(MLP(2, 8, 4))
    game = Game(q, p, prior, Discriminator(2 + K + 1, 8))
    game.shares = torch.tensor([0.7, 0.2, 0.1])
    y = torch.arange(n) % (K + 1)
    x = torch.linspace(0, 1, 4 * n).view(n, 4)
    calls: list[tuple[Tensor, ...]] = []
    hook = game.D.register_forward_hook(lambda D, given, out: calls.append(given))
    turns = list(game.play(x, y))
    hook.remove()
    if [list(turn) for turn in turns] != [["reconstruction"], ["D"], ["G"]]:
        raise CheckError("The turns stay as they are: reconstruction, D, G.")
    if len(prior.asked) != 1 or prior.asked[0] is None:
        raise CheckError("One call of prior.sample, with the components, is wanted.")
    component, none = prior.asked[0], y == K
    if not torch.equal(component[~none], y[~none]):
        raise CheckError("Labeled rows keep their own component, whatever the shares.")
    print("[ok] labeled rows: their own component")
    counts = component[none].bincount(minlength=K) / none.sum()
    if torch.allclose(counts, torch.full((K,), 1 / K), atol=0.03):
        raise CheckError("Still all equally often: torch.multinomial takes shares.")
    hint = "Component k with probability self.shares[k]."
    equal("unlabeled rows: share of each component", counts, game.shares, 0.03, hint)
    if any(len(given) != 2 for given in calls):
        raise CheckError("D is given a code and a switch.")
    if not all(torch.equal(given[1], game.switch[y]) for given in calls):
        raise CheckError("The switch is that of y, for real samples and for codes.")
    print("[ok] the switch goes with codes and with draws, in D's turn and in G's")
    z, z_hat = calls[0][0], game.q(x).rsample()
    switch = game.switch[y]
    want = real(game.D(z, switch)) + fake(game.D(z_hat, switch))
    hint = "real on draws, fake on codes, as in the package."
    equal("D's loss", turns[1]["D"], want, 1e-5, hint)
    hint = "The encoder's loss is -E log D on codes."
    equal("the encoder's loss", turns[2]["G"], real(game.D(z_hat, switch)), 1e-5, hint)


def exercise_6(count: Callable[[int, int], int]) -> None:
    """How many deterministic encoders win the unlabeled slot.

    Args:
        count: maps the number K of petals, and u, of unlabeled digits a petal (K u in
            all, all different), to the number of encoders.

    Raises:
        CheckError: it does not; compared with an enumeration.

    Example:
        >>> f = math.factorial
        >>> exercise_6(lambda K, u: f(K * u) // f(u) ** K)
        [ok] K = 2, u = 1: 2 of 4 encoders
        [ok] K = 2, u = 2: 6 of 16 encoders
        [ok] K = 2, u = 3: 20 of 64 encoders
        [ok] K = 3, u = 1: 6 of 27 encoders
        [ok] K = 3, u = 2: 90 of 729 encoders
        [ok] K = 4, u = 2: 2520 of 65536 encoders
    """
    for K, u in ((2, 1), (2, 2), (2, 3), (3, 1), (3, 2), (4, 2)):
        every = itertools.product(range(K), repeat=K * u)
        want = sum(_even(codes, K) for codes in every)
        got = count(K, u)
        if got == K ** (K * u) and got != want:
            raise CheckError("Those are all encoders; count those with q_K = p.")
        if got == math.factorial(K) and got != want:
            raise CheckError(
                "Those move whole classes. Digits of one class may part as well."
            )
        if got == math.factorial(K * u) and got != want:
            raise CheckError(
                "Orders of digits within one petal are one and the same encoder."
            )
        if got != want:
            raise CheckError(
                f"K = {K}, u = {u}: {got}, but an enumeration finds {want}. Each petal "
                "gets exactly u of the K u digits."
            )
        print(f"[ok] K = {K}, u = {u}: {want} of {K ** (K * u)} encoders")


def _even(codes: Sequence[int], K: int) -> bool:
    """Does every petal get its share?"""
    return all(codes.count(k) * K == len(codes) for k in range(K))
