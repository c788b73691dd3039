"""Chapter 05's checkers: the printed solutions pass, plausible wrong answers fail."""

import math

import pytest
import torch

from adv_ae.check import CheckError, ch05
from adv_ae.divergences import fake, real
from adv_ae.games import LabelInformedAAE


def test_the_printed_solutions_pass(printed, capsys):
    ch05.exercise_1(printed["positive"])
    ch05.exercise_2(printed["value"])
    ch05.exercise_3(printed["best_logit"])
    ch05.exercise_4(printed["misplaced"])
    ch05.exercise_5(printed["Weighted"])
    ch05.exercise_6(printed["count"])
    assert capsys.readouterr().out.count("[ok]") >= 22


@pytest.mark.parametrize("seed", range(5))
def test_no_seed_matters(printed, seed):
    torch.manual_seed(seed)
    ch05.exercise_1(printed["positive"])
    ch05.exercise_5(printed["Weighted"])


def in_turn(y, K):
    return torch.where(y < K, y, torch.arange(len(y)) % K)


def alternately(y, K):
    k = y.clone()
    k[y == K] = torch.arange(int((y == K).sum())) % K
    return k


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda y, K: y, "no component 4"),
        (lambda y, K: y % K, "draw anew"),
        (lambda y, K: torch.where(y < K, y, torch.randint(K, ())), "draw anew"),
        (lambda y, K: torch.randint_like(y, K), "component y"),
        (lambda y, K: torch.where(y < K, (y + 1) % K, y - 1), "component y"),
        (lambda y, K: torch.where(y < K, y, torch.randint_like(y, K - 1)), "K not inc"),
        (lambda y, K: torch.where(y < K, y, torch.randint_like(y, K + 1)), "no comp"),
        (lambda y, K: torch.where(y < K, y, -1), "0 .. 3"),
        (lambda y, K: y[y < K], "One whole number a row"),
        (lambda y, K: torch.rand(len(y)), "One whole number a row"),
        (in_turn, "at random"),
        (alternately, "at random"),
    ],
)
def test_wrong_components(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch05.exercise_1(answer)


LOG4 = math.log(4)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda share, js: (2 * js - LOG4).sum(), "share of the rows"),
        (lambda share, js: (2 * js - LOG4).mean(), "counts by its share"),
        (lambda share, js: -(share * (2 * js - LOG4)).sum(), "what it earns"),
        (lambda share, js: (share * (js - LOG4)).sum(), "twice"),
        (lambda share, js: (share * 2 * js).sum(), "not zero"),
        (lambda share, js: (share * (2 * js - math.log(2))).sum(), "weighted"),
        (lambda share, js: (share[:-1] * (2 * js - LOG4)[:-1]).sum(), "weighted"),
    ],
)
def test_wrong_values(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch05.exercise_2(answer)


def right(p, q, rho, pi):
    return p - q + math.log(rho) - math.log(pi)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda p, q, rho, pi: p - q, "do not cancel"),
        (lambda p, q, rho, pi: -right(p, q, rho, pi), "other way round"),
        (lambda p, q, rho, pi: right(p, q, pi, rho), "upside down"),
        (lambda p, q, rho, pi: right(p, q, rho, pi).sigmoid(), "D itself"),
        (lambda p, q, rho, pi: p - q + rho / pi, "rho p"),
        (lambda p, q, rho, pi: right(p, q, rho, pi)[:2], "shape"),
    ],
)
def test_wrong_logits(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch05.exercise_3(answer)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda w: (w - 1 / len(w)).abs().sum(), "Count it once"),
        (lambda w: (w - 1 / len(w)).sum(), "sum one of the two"),
        (lambda w: (w - 1 / len(w)).max(), "every class"),
        (lambda w: w.max(), "room for"),
        (lambda w: (w - 0.25).clamp(min=0).sum(), "room for"),
        (lambda w: torch.tensor(0.0), "sum one of the two"),
    ],
)
def test_wrong_shares_of_misplaced_digits(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch05.exercise_4(answer)


class Pieces(LabelInformedAAE):
    """The right answer, in pieces that the wrong ones replace."""

    def reconstruct(self, x):
        return -self.p(self.q(x).rsample()).log_prob(x).mean()

    def component(self, y):
        drawn = torch.multinomial(self.shares, len(y), replacement=True)
        return torch.where(y < self.prior.k, y, drawn)

    def slots(self, y):
        return y, y, y

    def losses_of_D(self, z, z_hat, on_real, on_code):
        return real(self.D(z, on_real)) + fake(self.D(z_hat.detach(), on_code))

    def play(self, x, y):
        yield {"reconstruction": self.reconstruct(x)}
        z = self.prior.sample(len(x), self.component(y))
        on_real, on_code, in_G = (self.switch[s] for s in self.slots(y))
        z_hat = self.q(x).rsample()
        yield {"D": self.losses_of_D(z, z_hat, on_real, on_code)}
        yield {"G": real(self.D(z_hat, in_G))}


def test_another_way_to_write_the_right_game():
    ch05.exercise_5(Pieces)


class ByOne(Pieces):  # a correct draw, by the inverse of the distribution function
    def component(self, y):
        drawn = torch.bucketize(torch.rand(len(y)), self.shares.cumsum(0))
        return torch.where(y < self.prior.k, y, drawn.clamp(max=self.prior.k - 1))


def test_another_draw():
    ch05.exercise_5(ByOne)


class Everybody(Pieces):  # labelled rows too
    def component(self, y):
        return torch.multinomial(self.shares, len(y), replacement=True)


class Complement(Pieces):
    def component(self, y):
        drawn = torch.multinomial(1 - self.shares, len(y), replacement=True)
        return torch.where(y < self.prior.k, y, drawn)


class Whole(Pieces):
    def play(self, x, y):
        yield {"reconstruction": self.reconstruct(x)}
        z = self.prior.sample(len(x))
        yield from self.regularization(z, x, self.switch[y])


class NoLabelInG(Pieces):
    def slots(self, y):
        return y, y, torch.full_like(y, self.prior.k)


class NoLabelOnCodes(Pieces):
    def slots(self, y):
        return y, torch.full_like(y, self.prior.k), y


class SlotOfTheDraw(Pieces):  # D is told what an unlabelled row was drawn from
    def play(self, x, y):
        yield {"reconstruction": self.reconstruct(x)}
        k = self.component(y)
        z = self.prior.sample(len(x), k)
        yield from self.regularization(z, x, self.switch[k])


class Swapped(Pieces):
    def losses_of_D(self, z, z_hat, on_real, on_code):
        return fake(self.D(z, on_real)) + real(self.D(z_hat.detach(), on_code))


class Saturates(Pieces):
    def play(self, x, y):
        turns = list(super().play(x, y))
        yield from turns[:2]
        z_hat = self.q(x).rsample()
        yield {"G": -fake(self.D(z_hat, self.switch[y]))}


class NoReconstruction(Pieces):
    def play(self, x, y):
        yield from list(super().play(x, y))[1:]


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (LabelInformedAAE, "Still all equally often"),
        (Everybody, "Labeled rows keep"),
        (Complement, "with probability self.shares"),
        (Whole, "with the components"),
        (NoLabelInG, "switch is that of y"),
        (NoLabelOnCodes, "switch is that of y"),
        (SlotOfTheDraw, "switch is that of y"),
        (Swapped, "real on draws"),
        (Saturates, "-E log D"),
        (NoReconstruction, "turns stay"),
    ],
)
def test_wrong_games(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch05.exercise_5(answer)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda K, u: K ** (K * u), "all encoders"),
        (lambda K, u: math.factorial(K), "whole classes"),
        (lambda K, u: math.factorial(K * u), "one and the same"),
        (lambda K, u: math.comb(K * u, u), "exactly u"),
        (lambda K, u: math.factorial(K * u) / math.factorial(u) ** u, "exactly u"),
    ],
)
def test_wrong_counts(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch05.exercise_6(answer)
