"""Checkers of the exercises of chapter 08, Adversarially learned inference.

Each tests properties or closed forms, on inputs of its own: no seed matters.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from adv_ae import joints
from adv_ae.check import CheckError, equal
from adv_ae.conditionals import Deterministic
from adv_ae.games.ali import ALI
from adv_ae.priors import Normal


def exercise_1(slopes: Callable[[Tensor], tuple[Tensor, Tensor]]) -> None:
    """The slopes of the label-swapped loss in D's logit.

    Args:
        slopes: maps logits to the derivative on a pair of q, of -log(1 - D), and on a
            pair of p, of -log D.

    Raises:
        CheckError: they are not.

    Example:
        >>> exercise_1(lambda logit: (logit.sigmoid(), -(-logit).sigmoid()))
        [ok] on a pair of q: equal within 1e-06
        [ok] on a pair of p: equal within 1e-06
    """
    logit = torch.linspace(-6, 6, 13, dtype=torch.float64)
    D = logit.sigmoid()
    want = (D, D - 1)
    got = tuple(torch.as_tensor(s, dtype=torch.float64) for s in slopes(logit))
    if len(got) == 2 and all(g.shape == D.shape for g in got):
        for other, hint in (
            ((1 - D, -D), "Those are the slopes of the *saturating* loss, V itself."),
            ((D - 1, D), "The two pairs are exchanged: D is on the pair of q."),
            ((-D, 1 - D), "The sign is that of -V': a loss is descended."),
            ((1 / (1 - D), -1 / D), "Those are derivatives in D; its logit is asked."),
        ):
            if all(torch.allclose(g, o) for g, o in zip(got, other, strict=True)):
                raise CheckError(hint)
    for name, mine, theirs in zip(("q", "p"), got, want, strict=True):
        hint = "d/dl softplus(l) = D, and -log(1 - D) = softplus(l)."
        equal(f"on a pair of {name}", mine, theirs, hint=hint)


def exercise_2(encoder: Callable[[float, float], tuple[float, float]]) -> None:
    """The encoder N(a x, s^2) that is the posterior of the decoder N(b z, t^2).

    Args:
        encoder: maps b and t to a and s, s a standard deviation.

    Raises:
        CheckError: it does not.
    """
    for b, t in ((0.8, 0.6), (2.0, 0.5), (-0.5, 1.5)):
        a, s = map(float, encoder(b, t))
        total = b * b + t * t
        want = b / total, t / math.sqrt(total)
        if math.isclose(a, b) and not math.isclose(total, 1.0):
            raise CheckError("a = b only where x has variance 1.")
        if math.isclose(a, 1 / b):
            raise CheckError(
                "1 / b inverts the decoder's mean; with noise in the decoder the "
                "posterior is drawn towards the prior."
            )
        if math.isclose(a, want[0]) and math.isclose(s, want[1] ** 2):
            raise CheckError("That is the variance; s is the standard deviation.")
        hint = "Cov(x, z) = b and Var(x) = b^2 + t^2."
        equal(f"a, s for b = {b:g}, t = {t:g}", [a, s], want, 1e-9, hint)
    standard = 0.8, 0.6
    q = joints.gaussian_encoder_joint(*encoder(*standard))
    p = joints.gaussian_decoder_joint(*standard)
    equal("JS of the joints", joints.gaussian_js(q, p, 6.0, 301), 0.0)


def exercise_3(logistic: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """Draws of the logistic distribution from uniform noise, with gradients.

    Args:
        logistic: maps mu, s and noise u in (0, 1) to draws of u's shape.

    Raises:
        CheckError: other draws, or gradients that do not arrive.
    """
    mu = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    s = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    u = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)
    v = logistic(mu, s, u)
    if not isinstance(v, Tensor) or v.shape != u.shape:
        raise CheckError("Return a tensor with one draw for each u.")
    if torch.equal(v.detach(), logistic(mu, s, u.flip(0)).detach()):
        raise CheckError("The draws do not depend on u: the noise is given.")
    if torch.allclose(((v - mu) / s).sigmoid(), 1 - u):
        raise CheckError("Mirrored: the distribution function at the draw must be u.")
    if torch.allclose(v, ((u - mu) / s).sigmoid()):
        raise CheckError("That is the distribution function; invert it.")
    hint = "Solve sigmoid((v - mu) / s) = u for v."
    equal(
        "the distribution function at the draws",
        ((v - mu) / s).sigmoid(),
        u,
        1e-9,
        hint,
    )
    reached = v.requires_grad and torch.autograd.grad(
        v.sum(), (mu, s), allow_unused=True
    )
    if not reached or any(slope is None for slope in reached):
        raise CheckError("No gradient reaches mu and s: detach nothing on the way.")
    equal("slope in mu", reached[0], len(u))
    equal("slope in s", reached[1], torch.logit(u).sum())


class _Listening(nn.Module):
    """A discriminator that keeps what it is shown; its logit is a sum."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[Tensor, Tensor]] = []

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        self.seen.append((x.detach(), z.detach()))
        return x.sum(1) + z.sum(1)

    def shown(self, n: int) -> tuple[Tensor, Tensor]:
        """All pairs, those of q first: of one call or of two."""
        x, z = (torch.cat(side) for side in zip(*self.seen, strict=True))
        self.seen.clear()
        if len(x) != 2 * n:
            raise CheckError(f"D was shown {len(x)} pairs, not {n} of q and {n} of p.")
        return x, z


def exercise_4(Blurred: type[ALI]) -> None:
    """An ALI whose D sees all pictures with noise and all codes without.

    Args:
        Blurred: subclass of `ALI` that reads `self.std`.

    Raises:
        CheckError: noise is missing, of another size, not fresh, or on the codes.
    """
    n, std = 4000, 0.25
    q, p = Deterministic(nn.Linear(3, 2)), Deterministic(nn.Linear(2, 3))
    D = _Listening()
    game = type("Quarter", (Blurred,), {"std": std})(q, p, Normal(2), D)
    of_q = torch.zeros(n, 3), torch.ones(n, 2)
    of_p = torch.ones(n, 3), torch.zeros(n, 2)
    with torch.no_grad():
        logits = game.judge(of_q, of_p)
        x, z = D.shown(n)
        game.judge(of_q, of_p)
        x_again, _ = D.shown(n)
    if not torch.equal(z, torch.cat([of_q[1], of_p[1]])):
        raise CheckError("The codes arrive changed: noise belongs on pictures alone.")
    noise = x - torch.cat([of_q[0], of_p[0]])
    for name, part in (("q", noise[:n]), ("p", noise[n:])):
        if not part.any():
            raise CheckError(
                f"Pictures of {name} arrive without noise: noise on one side alone "
                "gives the pairs away."
            )
    same = torch.allclose(noise[:n], noise[n:], atol=1e-5)
    if same or torch.allclose(noise[0], noise[1], atol=1e-5):
        raise CheckError("Every picture wants noise of its own.")
    if torch.equal(x, x_again):
        raise CheckError("The same noise at every call: draw it in judge.")
    hint = f"Gaussian noise of standard deviation self.std, here {std:g}, mean 0."
    equal("deviation of the noise on q's pictures", noise[:n].std(), std, 0.01, hint)
    equal("deviation of the noise on p's pictures", noise[n:].std(), std, 0.01, hint)
    equal("its mean", noise.mean(), 0, 0.02, hint)
    want = (x.sum(1) + z.sum(1)).chunk(2)
    hint = "judge returns D's logits on q's pairs, then on p's."
    equal("logits", torch.stack(list(logits)), torch.stack(list(want)), hint=hint)


def exercise_5(
    squared_error: Callable[[float], float], information: Callable[[float], float]
) -> None:
    """What comes back in the family N(rho x, 1 - rho^2), N(rho z, 1 - rho^2).

    Args:
        squared_error: maps rho to E (x - x^)^2, x^ drawn from the decoder.
        information: maps rho to I(x; z), nats.

    Raises:
        CheckError: they do not.
    """
    rhos = (0.0, 0.5, -0.9)
    got = [float(squared_error(rho)) for rho in rhos]
    if all(math.isclose(g, (1 - r**2) ** 2) for g, r in zip(got, rhos, strict=True)):
        raise CheckError("That is for x^ = rho^2 x; its draws have noise, twice.")
    if all(math.isclose(g, 1 - r**4) for g, r in zip(got, rhos, strict=True)):
        raise CheckError("That is for the *mean* of p(x|z); x^ is drawn from it.")
    hint = "Var(x^) = 1 and Cov(x, x^) = rho^2."
    equal("squared error", got, [2 - 2 * r**2 for r in rhos], hint=hint)
    told = [float(information(rho)) for rho in rhos]
    want = [-math.log(1 - r**2) / 2 for r in rhos]
    if all(math.isclose(t, w / math.log(2)) for t, w in zip(told, want, strict=True)):
        raise CheckError("Those are bits; nats are asked.")
    hint = "H(z) - H(z|x): half the log of a ratio of variances."
    equal("information", told, want, hint=hint)


def exercise_6(log_odds: Callable[[Tensor], Tensor]) -> None:
    """Log odds of "from q" for a D with K + 1 outputs, the last for "from p".

    Args:
        log_odds: maps logits (n, K + 1) to (n,).

    Raises:
        CheckError: it does not, or it overflows.
    """
    logits = torch.tensor(
        [[0.0, 0.0, 0.0, 0.0], [2.0, -1.0, 0.5, 1.0], [-3.0, 4.0, 0.0, -2.0]],
        dtype=torch.float64,
    )
    probabilities = logits.softmax(1)
    of_q, of_p = probabilities[:, :-1].sum(1), probabilities[:, -1]
    want = of_q.log() - of_p.log()
    got = torch.as_tensor(log_odds(logits), dtype=torch.float64)
    if got.shape == want.shape:
        for other, hint in (
            (-want, "The sign: odds *for* q, which has the first K outputs."),
            (of_q, "That is the probability; log odds are asked."),
            (of_q.log(), "That is the log of the probability."),
            (logits[:, :-1].max(1).values - logits[:, -1], "Sum over classes: no max."),
            (logits[:, :-1].sum(1) - logits[:, -1], "Sum probabilities, not logits."),
        ):
            if torch.allclose(got, other):
                raise CheckError(hint)
    equal("log odds", got, want, 1e-9, "log sum of e^l over the K classes, minus l_K.")
    large = torch.as_tensor(log_odds(1000 * logits), dtype=torch.float64)
    if not large.isfinite().all():
        raise CheckError("It overflows for large logits: use logsumexp.")
    print("[ok] finite for logits of a thousand")
