"""Chapter 07's checkers: the printed solutions pass, plausible wrong answers fail."""

import math

import pytest
import torch

from adv_ae.check import CheckError, ch07
from adv_ae.divergences import fake, real
from adv_ae.games.aae import ClusteringAAE


def test_the_printed_solutions_pass(printed, capsys):
    ch07.exercise_1(printed["least_error"])
    ch07.exercise_2(printed["pushes"])
    ch07.exercise_3(printed["floor"])
    ch07.exercise_4(printed["noise"])
    ch07.exercise_5(printed["pairs"])
    ch07.exercise_6(printed["PairAAE"])
    assert capsys.readouterr().out.count("[ok]") >= 19


@pytest.mark.parametrize("seed", range(5))
def test_no_seed_matters(printed, seed):
    torch.manual_seed(seed)
    ch07.exercise_5(printed["pairs"])
    ch07.exercise_6(printed["PairAAE"])


def gaps(shares):
    return (shares - 1 / len(shares)).abs()


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda s: gaps(s).sum(), "Twice"),
        (lambda s: gaps(s).max(), "Add up"),
        (lambda s: 0.0, "give the rest away"),
        (lambda s: 1 - s.max(), "give the rest away"),
        (lambda s: torch.xlogy(s, s * len(s)).sum(), "give the rest away"),
    ],
)
def test_wrong_prices(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch07.exercise_1(answer)


def test_another_way_to_say_the_right_price():
    ch07.exercise_1(lambda s: float((s - 1 / len(s)).clamp_min(0).sum()))


def push(W, eta, unit=True, only_near=True, times=1):
    between = W[:, None] - W[None]
    distance = between.norm(dim=2, keepdim=True)
    near = distance < eta if only_near else torch.ones_like(distance)
    length = distance.clamp_min(1e-12) if unit else 1
    return times * (near * between / length).sum(1)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda W, eta: push(W, eta, times=-1), "apart"),
        (lambda W, eta: push(W, eta, times=2), "once in the cost"),
        (lambda W, eta: push(W, eta, unit=False), "divide by the distance"),
        (lambda W, eta: push(W, eta, only_near=False), "do not push"),
        (lambda W, eta: push(W, 1.5 * eta), "eta"),
        (lambda W, eta: push(W, eta)[0], "shape"),
    ],
)
def test_wrong_pushes(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch07.exercise_2(answer)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda K: 0, "one softmax"),
        (lambda K: math.log(K), "undecided"),
        (lambda K: math.log(1 + (K - 1) * math.e), "worst"),
        (lambda K: math.log(math.e + K) - 1, "K - 1 zeros"),
        (lambda K: math.log(math.e + K - 1), "K - 1 zeros"),
    ],
)
def test_wrong_floors(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch07.exercise_3(answer)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda nats, n: math.exp(-2 * nats / n), "variance"),
        (lambda nats, n: math.exp(-nats), "all n"),
        (lambda nats, n: math.exp(nats / n), "sign"),
        (lambda nats, n: 1 - nats / n, "log s"),
    ],
)
def test_wrong_budgets(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch07.exercise_4(answer)


def batches(n, size, shuffled=True):
    return (torch.randperm(n) if shuffled else torch.arange(n)).split(size)


def zipped(long, short, size):
    return zip(batches(long, size), batches(short, size)[: short // size], strict=False)


def same_order(long, short, size):
    few = batches(short, size)[: short // size]
    for i, rows in enumerate(batches(long, size)):
        yield rows, few[i % len(few)]


def pass_by_pass(long, short, size, shuffled=True):
    few = torch.cat([torch.randperm(short) for _ in range(long // short + 1)])
    for i, rows in enumerate(batches(long, size, shuffled)):
        yield rows, few[i * size : (i + 1) * size]


def first_only(long, short, size):
    for rows in batches(long, size):
        yield rows, torch.randperm(size)


def with_replacement(long, short, size):
    for _, few in pass_by_pass(long, short, size):
        yield torch.randint(long, (size,)), few


def beyond(long, short, size):
    for rows, few in pass_by_pass(long, short, size):
        yield rows, few + 1


def small(long, short, size):
    for rows, few in pass_by_pass(long, short, size):
        yield rows, few[:-1]


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (zipped, "zip"),
        (same_order, "times"),
        (first_only, "times"),
        (with_replacement, "every row of the long stream once"),
        (beyond, "0 .. short - 1"),
        (small, "20 rows"),
        (lambda a, b, c: list(pass_by_pass(a, b, c))[:-1], "50 batches"),
        (lambda a, b, c: pass_by_pass(a, b, c, shuffled=False), "long stream, too"),
    ],
)
def test_wrong_streams(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch07.exercise_5(answer)


def test_the_same_order_in_every_pass_is_seen():
    def again(long, short, size):
        few = torch.randperm(short).repeat(long // short + 1)
        for i, rows in enumerate(batches(long, size)):
            yield rows, few[i * size : (i + 1) * size]

    with pytest.raises(CheckError, match="same order"):
        ch07.exercise_5(again)


def test_another_way_to_cycle():
    ch07.exercise_5(pass_by_pass)


class Pair(ClusteringAAE):
    """The right answer, in pieces that the wrong ones replace."""

    players = ClusteringAAE.players | {"D": ("D",)}

    def __init__(self, q, p, prior_y, prior, D):
        super().__init__(q, p, prior_y, prior, None, None)
        self.D = D

    def real_pair(self, x):
        return self.prior_y.sample(len(x)), self.prior.sample(len(x))

    def fake_pair(self, y_hat, z_hat):
        return y_hat, z_hat

    def on_g(self, said):
        return real(said)

    def play(self, x):
        yield {"reconstruction": -self.p_x(*self.q_yz(x)).log_prob(x).mean()}
        fakes = self.fake_pair(*self.q_yz(x))
        on_fake = self.D(*(f.detach() for f in fakes))
        yield {"D": real(self.D(*self.real_pair(x))) + fake(on_fake)}
        yield {"G": self.on_g(self.D(*fakes))}


class Flipped(Pair):
    def play(self, x):
        for turn in super().play(x):
            if "D" in turn:
                y_hat, z_hat = self.q_yz(x)
                on_fake = self.D(y_hat.detach(), z_hat.detach())
                turn = {"D": fake(self.D(*self.real_pair(x))) + real(on_fake)}
            yield turn


class Mixed(Pair):
    def fake_pair(self, y_hat, z_hat):
        return y_hat, z_hat.roll(1, 0)


class SoftReals(Pair):
    def real_pair(self, x):
        return torch.full((len(x), 3), 1 / 3), self.prior.sample(len(x))


class CodesAsReals(Pair):
    def real_pair(self, x):
        return self.prior_y.sample(len(x)), self.q_yz(x)[1].detach()


class Rounded(Pair):
    def fake_pair(self, y_hat, z_hat):
        return y_hat.round(decimals=1), z_hat


class Saturates(Pair):
    def on_g(self, said):
        return -fake(said)


class NoReconstruction(Pair):
    def play(self, x):
        _, *rest = super().play(x)
        yield from rest


class ZFirst(Pair):
    def real_pair(self, x):
        return super().real_pair(x)[::-1]


class MovesMore(Pair):
    players = ClusteringAAE.players | {"D": ("D", "p")}

    def play(self, x):
        for turn in super().play(x):
            if "D" in turn:
                turn = {"D": turn["D"] + 0 * sum(w.sum() for w in self.p.parameters())}
            yield turn


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (Flipped, "Real: the priors"),
        (Mixed, "same"),
        (SoftReals, "one-hot"),
        (CodesAsReals, "draw z from its prior"),
        (Rounded, "softmax vector"),
        (Saturates, "Non-saturating"),
        (NoReconstruction, "turns"),
        (ZFirst, "D\\(y, z\\)"),
        (MovesMore, "no other"),
    ],
)
def test_wrong_pairs(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch07.exercise_6(answer)


def test_another_way_to_write_the_right_pairs():
    ch07.exercise_6(Pair)
