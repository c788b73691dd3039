"""Checkers of chapter 01, "A classifier that measures distance".

Each takes an answer, prints one line where it is right, and raises `CheckError` with a
hint where it is not. None depends on a seed.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from adv_ae.check import CheckError, equal

Function = Callable[..., object]


def exercise_1(js: Callable[[float], float]) -> None:
    """JS(U[0, 1], U[a, a + 1]) in nats, as a function of a >= 0."""
    shifts = [0.0, 0.25, 0.5, 1.0, 3.0]
    got = [float(js(a)) for a in shifts]
    if got[0] == got[1]:
        raise CheckError(
            "the overlap matters: where both densities are 1 the mixture is 1, too, "
            "and nothing is added; what lies outside the overlap has mass a."
        )
    if abs(got[3] - 1) < 1e-6:
        raise CheckError("that is in bits; the book counts in nats, at most log 2.")
    if abs(got[3] - 2 * math.log(2)) < 1e-6:
        raise CheckError("JS takes the mean of two KLs: one half of each.")
    if got[4] > got[3] + 1e-9:
        raise CheckError("once the supports are disjoint, JS cannot grow any more.")
    equal("exercise 1", got, [min(a, 1.0) * math.log(2) for a in shifts], 1e-6)


def exercise_2(both: Function) -> None:
    """(KL(p || q), KL(q || p)) from logits of D on draws of p and on draws of q."""
    on_p = torch.tensor([2.0, 1.0, 0.5, -0.5], dtype=torch.float64)
    on_q = torch.tensor([-3.0, -1.0, 1.0], dtype=torch.float64)
    answer = both(on_p, on_q)
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise CheckError("return two numbers: KL(p || q), then KL(q || p).")
    first, second = (float(v) for v in answer)
    if abs(second + 1.0) < 1e-6 and abs(first - 0.75) < 1e-6:
        raise CheckError("KL(q || p) = E_q log(q / p): the logit is log(p / q).")
    if abs(first - 1.0) < 1e-6 and abs(second - 0.75) < 1e-6:
        raise CheckError("these are the right two numbers the other way round.")
    hint = (
        "The logit is the log ratio: no sigmoid, no exponential is wanted, two means."
    )
    equal("exercise 2", [first, second], [0.75, 1.0], 1e-6, hint)


def exercise_3(log_ratio: Callable[[Tensor, float], Tensor]) -> None:
    """log p - log q from the logits of a D whose batches had a share of real draws."""
    ratio = torch.tensor([-2.0, 0.0, 1.5], dtype=torch.float64)  # log p - log q
    for share in (0.5, 0.2, 0.9):
        D = share * ratio.exp() / (share * ratio.exp() + 1 - share)  # Bayes
        got = torch.as_tensor(log_ratio(D.logit(), share))
        if share != 0.5 and torch.allclose(got.double(), D.logit()):
            raise CheckError(
                f"with a share of {share} of real draws the logit is no longer "
                "log p - log q: write Bayes' rule with unequal prior odds."
            )
        shift = 2 * (D.logit() - ratio) + ratio
        if share != 0.5 and torch.allclose(got.double(), shift):
            raise CheckError("the right correction with the wrong sign.")
        equal(f"exercise 3, share {share}", got, ratio, 1e-5)


def exercise_4(mmd2: Callable[[float, float], float]) -> None:
    """MMD^2 of N(0, 1) and N(a, 1) with the Gaussian kernel of scale s: f(a, s)."""
    cases = [(0.0, 1.0), (1.0, 1.0), (3.0, 0.5), (2.0, 4.0)]
    got = [float(mmd2(a, s)) for a, s in cases]
    if abs(got[0]) > 1e-9:
        raise CheckError("at distance 0 the two are one law, and MMD^2 is 0.")
    want = []
    for a, s in cases:
        r2 = s * s + 2  # x - y is normal with variance 2
        want.append(2 * s / math.sqrt(r2) * (1 - math.exp(-a * a / (2 * r2))))
    if all(abs(g - w / 2) < 1e-6 for g, w in zip(got, want, strict=True)):
        raise CheckError("half of it: both E k(x, x') and E k(y, y') count.")
    if all(abs(g - w**0.5) < 1e-6 for g, w in zip(got, want, strict=True)):
        raise CheckError("that is MMD; its square is asked for.")
    hint = (
        "x - y is normal with mean -a and variance 2; the mean of exp(-u^2 / 2 s^2) "
        "over a normal u is again a Gaussian integral."
    )
    equal("exercise 4", got, want, 1e-6, hint)


def exercise_5(modulus: Callable[[float], float]) -> None:
    """Largest |eigenvalue| of one step of V = x y played in turn, by learning rate."""
    rates = [0.1, 1.0, 1.9, 2.5, 4.0]
    got = [abs(complex(modulus(r))) for r in rates]
    if all(abs(g - math.hypot(1, r)) < 1e-6 for g, r in zip(got, rates, strict=True)):
        raise CheckError("that is the play at once; here y moves first, and x sees it.")
    want = []
    for r in rates:  # eigenvalues of [[1 - r^2, -r], [r, 1]]: determinant 1
        root = math.sqrt(max(r * r - 4, 0.0))
        want.append(1.0 if r <= 2 else (r * r - 2 + r * root) / 2)
    if all(abs(g - 1) < 1e-6 for g in got):
        raise CheckError("on the circle up to some rate, yes; and beyond it?")
    hint = (
        "Write one step as a 2 x 2 matrix: its determinant is 1, its trace 2 - rate^2."
    )
    equal("exercise 5", got, want, 1e-6, hint)


def exercise_6(scale: float) -> None:
    """The scale s at which MMD^2 of N(0, 1) and N(6, 1) is steepest by distance."""
    s = torch.linspace(0.1, 30, 29_901, dtype=torch.float64)
    r2 = s * s + 2
    slope = 2 * s * 6 * r2**-1.5 * (-36 / (2 * r2)).exp()
    best = s[slope.argmax()].item()
    got = float(scale)
    if got < 0.8 * best:
        raise CheckError("too narrow: two draws 6 apart hardly see each other.")
    if got > 1.25 * best:
        raise CheckError("too wide: the kernel is nearly flat over the distance.")
    equal("exercise 6", got, best, 0.05 * best, "Take the maximum over a finer grid.")
