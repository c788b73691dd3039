"""Chapter 06's checkers: the printed solutions pass, plausible wrong answers fail."""

import math

import pytest
import torch
import torch.nn.functional as F

from adv_ae.check import CheckError, ch06
from adv_ae.divergences import fake, imq, mmd2, real
from adv_ae.games import SupervisedAAE


def test_the_printed_solutions_pass(printed, capsys):
    ch06.exercise_1(printed["cuts"])
    ch06.exercise_2(printed["nats"])
    ch06.exercise_3(printed["table"])
    ch06.exercise_4(printed["class_mmd"])
    ch06.exercise_5(printed["Guesser"])
    ch06.exercise_6(printed["value"])
    assert capsys.readouterr().out.count("[ok]") >= 20


@pytest.mark.parametrize("seed", range(5))
def test_no_seed_matters(printed, seed):
    torch.manual_seed(seed)
    ch06.exercise_5(printed["Guesser"])


def even(K):
    return torch.arange(1, K, dtype=torch.float64) / K


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (even, "where do they lie"),
        (lambda K: torch.special.ndtri(torch.arange(K + 1) / K), "two ends"),
        (lambda K: torch.special.ndtri(even(K)).flip(0), "ascending"),
        (lambda K: torch.linspace(-2, 2, K - 1), "k / K"),
        (lambda K: torch.zeros(K), "has shape|the shape is"),
    ],
)
def test_wrong_cuts(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch06.exercise_1(answer)


def nats(logits, y):
    share = y.bincount(minlength=logits.shape[1]).double() / len(y)
    return -torch.xlogy(share, share).sum() - F.cross_entropy(logits, y)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda logits, y: -nats(logits, y), "other way round"),
        (lambda logits, y: nats(logits, y) / math.log(2), "bits"),
        (lambda logits, y: -F.cross_entropy(logits, y), "is missing"),
        (lambda logits, y: math.log(3) - F.cross_entropy(logits, y), "shares"),
        (lambda logits, y: (logits.argmax(1) == y).double().mean(), "H.y."),
        (
            lambda logits, y: nats(logits, y).clamp_min(0) + 0.1,
            "natural logarithms",
        ),
    ],
)
def test_wrong_bounds(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch06.exercise_2(answer)


def one_code_each():
    return torch.eye(6).view(2, 3, 6)


def shared_codes():
    table = torch.zeros(2, 3, 6)
    table[:, range(3), range(3)] = 1  # a code a style, half of the codes unused
    return table


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (one_code_each(), "equally often"),
        (shared_codes(), "Every code 1/6"),
        (torch.full((2, 3, 6), 1 / 6), "share a code"),
        (torch.zeros(2, 3, 6), "sum 1"),
        (2 * one_code_each() - 1 / 6, "not negative"),
        (torch.eye(6), "2, 3, 6"),
    ],
)
def test_wrong_tables(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch06.exercise_3(answer)


def test_another_right_table():
    table = torch.zeros(2, 3, 6)
    for s in range(3):  # other pairs of codes for the second digit
        table[0, s, 2 * s : 2 * s + 2] = 0.5
        table[1, s, [(2 * s + 1) % 6, (2 * s + 2) % 6]] = 0.5
    ch06.exercise_3(table)


def each(z, y, draws, kernel):
    return [mmd2(z[y == k], draws, kernel) for k in y.unique()]


def shares(y):
    return (y.bincount() / len(y)).tolist()


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda z, y, draws, kernel: mmd2(z, draws, kernel), "Class by class"),
        (lambda *given: torch.stack(each(*given)).mean(), "Weigh each class"),
        (lambda *given: sum(each(*given)), "not the sum"),
        (lambda *given: torch.stack(each(*given)), "shape"),
        (
            lambda z, y, draws, kernel: sum(
                s * m
                for s, m in zip(shares(y), each(z, y, draws, imq(9.0)), strict=True)
            ),
            "off by",
        ),
        (
            lambda z, y, draws, kernel: sum(
                s * m
                for s, m in zip(
                    (0.5, 0.25, 0.25), each(z, y, draws, kernel), strict=True
                )
            ),
            "do not matter",
        ),
    ],
)
def test_wrong_averages(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch06.exercise_4(answer)


class Guesser(SupervisedAAE):
    """The right answer, in pieces that the wrong ones replace."""

    players = SupervisedAAE.players | {"C": ("C",)}
    weight = 1.0

    def __init__(self, q, p, prior, D, C, classes=10):
        super().__init__(q, p, prior, D, classes)
        self.C = C

    def first(self, x, y):
        p_x = self.p(self.one_hot[y], self.q(x).rsample())
        return -p_x.log_prob(x).mean()

    def on_D(self, x):
        z, z_hat = self.prior.sample(len(x)), self.q(x).rsample()
        return real(self.D(z)) + fake(self.D(z_hat.detach()))

    def cost(self, x, y):
        return F.cross_entropy(self.C(self.q(x).rsample()), y)

    def last(self, x, y):
        return real(self.D(self.q(x).rsample())) - self.weight * self.cost(x, y)

    def play(self, x, y):
        yield {"reconstruction": self.first(x, y)}
        yield {"D": self.on_D(x), "C": self.cost(x, y)}
        yield {"G": self.last(x, y)}


class InTurn(Guesser):  # C after D: right as well
    def play(self, x, y):
        yield {"reconstruction": self.first(x, y)}
        yield {"D": self.on_D(x)}
        yield {"C": self.cost(x, y)}
        yield {"G": self.last(x, y)}


class Helps(Guesser):
    def last(self, x, y):
        return real(self.D(self.q(x).rsample())) + self.weight * self.cost(x, y)


class NoD(Guesser):
    def last(self, x, y):
        return -self.weight * self.cost(x, y)


class Fixed(Guesser):
    def last(self, x, y):
        return real(self.D(self.q(x).rsample())) - self.cost(x, y)


class AtOnce(Guesser):
    def play(self, x, y):
        yield {"reconstruction": self.first(x, y)}
        yield {"D": self.on_D(x)}
        yield {"C": self.cost(x, y), "G": self.last(x, y)}


class Three(Guesser):
    def play(self, x, y):
        yield {"reconstruction": self.first(x, y)}
        yield {"D": self.on_D(x)}
        yield {"G": self.last(x, y)}


class MovesQ(Guesser):
    players = Guesser.players | {"C": ("C", "q")}


class Inverted(Guesser):
    def cost(self, x, y):
        return -super().cost(x, y)


class Untold(Guesser):
    def first(self, x, y):
        p_x = self.p(torch.zeros(len(x), 3), self.q(x).rsample())
        return -p_x.log_prob(x).mean()


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (Helps, "helps C"),
        (NoD, "against D as well"),
        (Fixed, "minus weight times"),
        (AtOnce, "has moved"),
        (Three, "moves once"),
        (MovesQ, "its own weights only"),
        (Inverted, "cross-entropy on the codes"),
        (Untold, "reconstruction"),
    ],
)
def test_wrong_guessers(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch06.exercise_5(answer)


@pytest.mark.parametrize("answer", [Guesser, InTurn])
def test_other_ways_to_write_the_guesser(answer):
    ch06.exercise_5(answer)


def value(K):
    return math.log(1 / (1 + K)) / K + math.log(K / (1 + K))


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda K: value(K) + math.log(4), "2 JS; the value"),
        (lambda K: (value(K) + math.log(4)) / 2, "JS itself"),
        (lambda K: math.log(1 / (1 + K)) + math.log(K / (1 + K)), "Of the prior"),
        (lambda K: -math.log(4), "In its slice"),
    ],
)
def test_wrong_values(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch06.exercise_6(answer)
