"""Chapter 09's checkers: the printed solutions pass, plausible wrong answers fail."""

import math

import pytest
import torch
import torch.nn.functional as F

from adv_ae.check import CheckError, ch09
from adv_ae.divergences import fake, real
from adv_ae.games import JointLatentRegressor

LOG2 = math.log(2)


def test_the_printed_solutions_pass(printed, capsys):
    ch09.exercise_1(printed["count"])
    ch09.exercise_2(printed["inverse_value"])
    ch09.exercise_3(printed["saturating"], printed["inverse"])
    ch09.exercise_4(printed["MyJLR"])
    ch09.exercise_5(printed["js_at_least"], printed["loss_of_best"])
    assert capsys.readouterr().out.count("[ok]") == 17


@pytest.mark.parametrize("seed", range(5))
def test_no_seed_matters(printed, seed):
    torch.manual_seed(seed)
    ch09.exercise_4(printed["MyJLR"])


def at_least(n, k):
    return math.comb(n, k) * math.perm(n, k) * n ** (2 * (n - k))


def shared(n, k):  # the right total, wrong shares
    return n ** (2 * n) * (k == 0)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (at_least, "Subtract"),
        (lambda n, k: math.comb(n, k) * math.perm(n, k), "add up to"),
        (lambda n, k: 0, "add up to"),
        (shared, "one to one"),
        (lambda n, k: 1 // 0, "ZeroDivisionError"),
    ],
)
def test_wrong_counts(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch09.exercise_1(answer)


def inverse_value(q, p, log=torch.xlogy):
    return (log(q, q / (q + p)) + log(p, p / (q + p))).sum()


def naive(a, b):
    return a * b.log()


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda p_x, p_z, E: inverse_value(p_x, p_z[E.argsort()]), "inverse of E"),
        (lambda p_x, p_z, E: inverse_value(p_x, p_z[E], naive), "xlogy"),
        (lambda p_x, p_z, E: -inverse_value(p_x, p_z[E]), "sign"),
        (
            lambda p_x, p_z, E: (inverse_value(p_x, p_z[E]) + math.log(4)) / 2,
            "2 JS - log 4",
        ),
        (lambda p_x, p_z, E: torch.tensor(-math.log(4)), "Sum"),
        (lambda p_x, p_z, E: torch.xlogy(p_x, p_x / (p_x + p_z[E])), "shape"),
    ],
)
def test_wrong_values(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch09.exercise_2(answer)


def saturating(on_E, on_G):
    return F.logsigmoid(on_E).mean() + F.logsigmoid(-on_G).mean()


def inverse(on_E, on_G):
    return F.softplus(on_E).mean() + F.softplus(-on_G).mean()


@pytest.mark.parametrize(
    ("first", "second", "hint"),
    [
        (inverse, saturating, "saturating: that is the other"),
        (saturating, saturating, "inverse: that is the other"),
        (lambda a, b: -saturating(a, b), inverse, "a \\*loss\\* is descended"),
        (saturating, lambda a, b: -inverse(a, b), "a \\*loss\\* is descended"),
        (
            saturating,
            lambda a, b: -(1 - a.sigmoid()).log().mean() - b.sigmoid().log().mean(),
            "inverse: not finite",
        ),
        (saturating, lambda a, b: 4 * inverse(a, b), "not their sum"),
        (lambda a, b: saturating(a, b) / 2, inverse, "half of it"),
        (saturating, lambda a, b: F.softplus(a).mean(), "exchanged"),
    ],
)
def test_wrong_losses(first, second, hint):
    with pytest.raises(CheckError, match=hint):
        ch09.exercise_3(first, second)


class MyJLR(JointLatentRegressor):
    """The right answer, in pieces that the wrong ones replace."""

    def adversarial(self, on_p):
        return real(on_p)

    def cost(self, z, x_tilde):
        return -self.q(x_tilde).log_prob(z).mean() / z.shape[1]

    def on_d(self, x, x_tilde):
        return real(self.D(x)) + fake(self.D(x_tilde))

    def play(self, x):
        z = self.prior.sample(len(x))
        x_tilde = self.p(z).rsample()
        GE = self.adversarial(self.D(x_tilde)) + self.weight * self.cost(z, x_tilde)
        yield {"D": self.on_d(x, x_tilde), "GE": GE}


class Detached(MyJLR):
    def cost(self, z, x_tilde):
        return super().cost(z, x_tilde.detach())


class Summed(MyJLR):
    def cost(self, z, x_tilde):
        return super().cost(z, x_tilde) * z.shape[1]


class Forgotten(MyJLR):
    def cost(self, z, x_tilde):
        return 0.0


class Ascends(MyJLR):
    def cost(self, z, x_tilde):
        return -super().cost(z, x_tilde)


class Squared(MyJLR):
    def cost(self, z, x_tilde):
        return (z - self.q(x_tilde).mean).square().mean()


class Saturates(MyJLR):
    def adversarial(self, on_p):
        return -fake(on_p)


class Swapped(MyJLR):
    def on_d(self, x, x_tilde):
        return fake(self.D(x)) + real(self.D(x_tilde))


class InTurn(MyJLR):
    def play(self, x):
        for turn in super().play(x):
            yield {"D": turn["D"]}
            yield {"GE": turn["GE"]}


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (Detached, "no .detach"),
        (Summed, "divide by them"),
        (Forgotten, "is missing"),
        (Ascends, "Minus q's log_prob"),
        (Squared, "Minus q's log_prob"),
        (Saturates, "Non-saturating"),
        (Swapped, "plain GAN's"),
        (InTurn, "One turn"),
    ],
)
def test_wrong_regressors(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch09.exercise_4(answer)


def test_another_way_to_write_the_right_regressor():
    ch09.exercise_4(MyJLR)


def floor(loss):
    return max(0.0, LOG2 - loss)


def of_best(n, k):
    return k / n * LOG2


@pytest.mark.parametrize(
    ("first", "second", "hint"),
    [
        (lambda loss: LOG2 - loss / 2, of_best, "mean. of both"),
        (lambda loss: LOG2 - loss, of_best, "proves nothing"),
        (lambda loss: loss, of_best, "at most 2 JS"),
        (floor, lambda n, k: 2 * of_best(n, k), "half of it"),
        (floor, lambda n, k: LOG2 - of_best(n, k), "D's loss rises"),
        (floor, lambda n, k: k * LOG2, "k/n log 4"),
    ],
)
def test_wrong_promises(first, second, hint):
    with pytest.raises(CheckError, match=hint):
        ch09.exercise_5(first, second)
