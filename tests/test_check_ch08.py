"""Chapter 08's checkers: the printed solutions pass, plausible wrong answers fail."""

import math

import pytest
import torch

from adv_ae.check import CheckError, ch08
from adv_ae.games.ali import ALI


def test_the_printed_solutions_pass(printed, capsys):
    ch08.exercise_1(printed["slopes"])
    ch08.exercise_2(printed["encoder"])
    ch08.exercise_3(printed["logistic"])
    ch08.exercise_4(printed["Blurred"])
    ch08.exercise_5(printed["squared_error"], printed["information"])
    ch08.exercise_6(printed["log_odds"])
    assert capsys.readouterr().out.count("[ok]") == 17


@pytest.mark.parametrize("seed", range(5))
def test_no_seed_matters(printed, seed):
    torch.manual_seed(seed)
    ch08.exercise_4(printed["Blurred"])


def D(logit):
    return logit.sigmoid()


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda v: (1 - D(v), -D(v)), "saturating"),
        (lambda v: (D(v) - 1, D(v)), "exchanged"),
        (lambda v: (-D(v), 1 - D(v)), "descended"),
        (lambda v: (1 / (1 - D(v)), -1 / D(v)), "derivatives in D"),
        (lambda v: (D(v), D(v)), "off by"),
        (lambda v: (D(v).mean(), D(v).mean() - 1), "shape"),
    ],
)
def test_wrong_slopes(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch08.exercise_1(answer)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda b, t: (b, t), "only where x has variance 1"),
        (lambda b, t: (1 / b, t / b), "drawn towards the prior"),
        (lambda b, t: (b / (b**2 + t**2), t**2 / (b**2 + t**2)), "variance"),
        (lambda b, t: (b / (b**2 + t**2), t), "Cov"),
    ],
)
def test_wrong_encoders(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch08.exercise_2(answer)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda mu, s, u: mu - s * torch.logit(u), "Mirrored"),
        (lambda mu, s, u: ((u - mu) / s).sigmoid(), "invert"),
        (lambda mu, s, u: mu + s * torch.logit(torch.rand(len(u)).double()), "Solve"),
        (lambda mu, s, u: mu + s * torch.full_like(u, 0.3), "do not depend"),
        (lambda mu, s, u: mu + s * u, "Solve"),
        (lambda mu, s, u: (mu + s * torch.logit(u)).mean(), "one draw for each"),
        (lambda mu, s, u: (mu + s * torch.logit(u)).detach(), "No gradient"),
        (lambda mu, s, u: mu.detach() + s * torch.logit(u), "No gradient"),
    ],
)
def test_wrong_draws(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch08.exercise_3(answer)


class Pieces(ALI):
    """The right answer, in pieces that the wrong ones replace."""

    std = 0.1

    def noise(self, x):
        return self.std * torch.randn_like(x)

    def judge(self, of_q, of_p):
        (x, z_hat), (x_tilde, z) = of_q, of_p
        noisy = (x + self.noise(x), z_hat), (x_tilde + self.noise(x_tilde), z)
        return super().judge(*noisy)


class OneSide(Pieces):
    def judge(self, of_q, of_p):
        x, z_hat = of_q
        return ALI.judge(self, (x + self.noise(x), z_hat), of_p)


class OtherSide(Pieces):
    def judge(self, of_q, of_p):
        x_tilde, z = of_p
        return ALI.judge(self, of_q, (x_tilde + self.noise(x_tilde), z))


class OnCodes(Pieces):
    def judge(self, of_q, of_p):
        noisy = [(x + self.noise(x), z + self.noise(z)) for x, z in (of_q, of_p)]
        return ALI.judge(self, *noisy)


class Same(Pieces):
    def judge(self, of_q, of_p):
        noise = self.noise(of_q[0])
        return ALI.judge(self, *[(x + noise, z) for x, z in (of_q, of_p)])


class Shared(Pieces):
    def noise(self, x):
        return self.std * torch.randn(1, x.shape[1])


class Frozen(Pieces):
    def judge(self, of_q, of_p):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return super().judge(of_q, of_p)


class Variance(Pieces):
    def noise(self, x):
        return self.std**0.5 * torch.randn_like(x)


class Evenly(Pieces):
    def noise(self, x):
        return self.std * torch.rand_like(x)


class Fixed(Pieces):
    def noise(self, x):
        return 0.1 * torch.randn_like(x)


class Exchanged(Pieces):
    def judge(self, of_q, of_p):
        return super().judge(of_q, of_p)[::-1]


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (ALI, "of q arrive without noise"),
        (OneSide, "of p arrive without noise"),
        (OtherSide, "of q arrive without noise"),
        (OnCodes, "codes arrive changed"),
        (Same, "noise of its own"),
        (Shared, "noise of its own"),
        (Frozen, "draw it in judge"),
        (Variance, "standard deviation"),
        (Evenly, "standard deviation"),
        (Fixed, "standard deviation"),
        (Exchanged, "q's pairs, then on p's"),
    ],
)
def test_wrong_noise(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch08.exercise_4(answer)


def test_another_way_to_write_the_right_noise():
    ch08.exercise_4(Pieces)


def error(rho):
    return 2 - 2 * rho**2


def nats(rho):
    return -math.log(1 - rho**2) / 2


@pytest.mark.parametrize(
    ("squared_error", "information", "hint"),
    [
        (lambda r: (1 - r**2) ** 2, nats, "noise, twice"),
        (lambda r: 1 - r**4, nats, "mean. of p"),
        (lambda r: 1 - r**2, nats, "Cov"),
        (error, lambda r: nats(r) / math.log(2), "bits"),
        (error, lambda r: 2 * nats(r), "half the log"),
        (error, lambda r: -nats(r), "half the log"),
    ],
)
def test_wrong_numbers_of_what_comes_back(squared_error, information, hint):
    with pytest.raises(CheckError, match=hint):
        ch08.exercise_5(squared_error, information)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda v: v[:, -1] - v[:, :-1].logsumexp(1), "The sign"),
        (lambda v: 1 - v.softmax(1)[:, -1], "That is the probability"),
        (lambda v: (1 - v.softmax(1)[:, -1]).log(), "log of the probability"),
        (lambda v: v[:, :-1].max(1).values - v[:, -1], "no max"),
        (lambda v: v[:, :-1].sum(1) - v[:, -1], "not logits"),
        (lambda v: v[:, :-1].exp().sum(1).log() - v[:, -1], "overflows"),
        (lambda v: v[:, 1:].logsumexp(1) - v[:, 0], "off by"),
    ],
)
def test_wrong_log_odds(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch08.exercise_6(answer)
