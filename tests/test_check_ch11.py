"""Chapter 11's checkers: the printed solutions pass, plausible wrong answers fail."""

import math

import pytest
import torch
from scipy import stats

from adv_ae.check import CheckError, ch11


def test_the_printed_solutions_pass(printed, capsys):
    ch11.exercise_1(printed["wrong_winner"])
    ch11.exercise_2(printed["fewest"])
    ch11.exercise_3(printed["false_discovery"])
    ch11.exercise_4(printed["density"])
    ch11.exercise_5(printed["stopped"])
    ch11.exercise_6(printed["best_of"])
    assert capsys.readouterr().out.count("[ok]") == 22


@pytest.mark.parametrize("seed", range(3))
def test_no_seed_matters(printed, seed):
    torch.manual_seed(seed)
    ch11.exercise_4(printed["density"])
    ch11.exercise_5(printed["stopped"])


def test_what_the_solutions_say_in_words(printed):
    assert printed["wrong_winner"](1.0, 1.0, 1) == pytest.approx(0.24, abs=5e-3)
    assert printed["fewest"](119, 0.05) == 13


cdf = stats.norm.cdf


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda gap, sd, n: cdf(gap / (sd * math.sqrt(2 / n))), "right. winner"),
        (lambda gap, sd, n: cdf(-gap / sd * math.sqrt(n)), "add up"),
        (lambda gap, sd, n: cdf(-gap / (sd * math.sqrt(2))), "one run each"),
        (lambda gap, sd, n: cdf(-gap / (sd * 2 / n)), "how wide"),
        (lambda gap, sd, n: 0.5, "how wide"),
    ],
)
def test_wrong_winners(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch11.exercise_1(answer)


def pairs(m, alpha):
    return max(1, math.ceil(1 + math.log2(m / alpha) - 1e-12))


def test_another_way_to_write_the_fewest_pairs():
    ch11.exercise_2(pairs)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda m, alpha: pairs(m, alpha) - 1, "all minus"),
        (
            lambda m, alpha: next(n for n in range(64) if 2 ** (1 - n) < alpha / m),
            "small enough",
        ),
        (lambda m, alpha: pairs(1, alpha), "alpha / m"),
        (lambda m, alpha: 10, "alpha / m"),
    ],
)
def test_wrong_numbers_of_pairs(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch11.exercise_2(answer)


def stepped(p, turn=lambda v: v.flip(0).cummin(0).values.flip(0), back=True):
    """Adjusted values, in pieces that the wrong answers replace."""
    m, order = len(p), p.argsort()
    adjusted = turn((p[order] * m / torch.arange(1, m + 1)).clamp(max=1))
    return torch.empty_like(p).scatter_(0, order, adjusted) if back else adjusted


def holm(p):
    order = p.argsort()
    factors = torch.arange(len(p), 0, -1)
    adjusted = (factors * p[order]).clamp(max=1).cummax(0).values
    return torch.empty_like(p).scatter_(0, order, adjusted)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (holm, "Holm"),
        (lambda p: stepped(p, back=False), "order in which they came"),
        (lambda p: stepped(p, turn=lambda v: v), "must not get a smaller"),
        (lambda p: stepped(p, turn=lambda v: v.cummax(0).values), "not a maximum"),
        (lambda p: p * len(p), "multiplied by m"),
        (lambda p: p, "multiplied by m"),
        (lambda p: stepped(p)[:1], "shape"),
    ],
)
def test_wrong_shares_of_false_alarms(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch11.exercise_3(answer)


def test_scipy_passes_for_the_share_of_false_alarms():
    ch11.exercise_3(lambda p: torch.as_tensor(stats.false_discovery_control(p.numpy())))


def inside(real, fake, k):
    radius = torch.cdist(real, real).kthvalue(k + 1, 1).values
    return (torch.cdist(real, fake) < radius[:, None]).double()


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda real, fake, k: inside(real, fake, k).sum(0).mean(), "Divide by k"),
        (lambda real, fake, k: inside(real, fake, k).sum(1).mean() / k, "not over"),
        (lambda real, fake, k: inside(real, fake, k - 1).sum(0).mean() / k, "itself"),
        (
            lambda real, fake, k: inside(real, fake, k).amax(1).mean(),  # coverage
            "how many balls",
        ),
        (lambda real, fake, k: 2.0, "how many balls"),
    ],
)
def test_wrong_densities(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch11.exercise_4(answer)


def looks(d, first=3, last=0):
    ends = range(first, d.shape[1] + 1 - last)
    p = [stats.ttest_1samp(d[:, :n].numpy(), 0.0, axis=1).pvalue for n in ends]
    return torch.stack([torch.as_tensor(v) for v in p]) < 0.05


def by_normal(d):
    ends = range(3, d.shape[1] + 1)
    z = [d[:, :n].mean(1) / d[:, :n].std(1) * math.sqrt(n) for n in ends]
    return (torch.stack(z).abs() > 1.96).any(0).double().mean()


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda d: looks(d)[-1].double().mean(), "one look"),
        (lambda d: looks(d).double().mean(), "share of .looks"),
        (lambda d: looks(d, first=4).any(0).double().mean(), "at three runs"),
        (lambda d: looks(d, last=1).any(0).double().mean(), "at all runs"),
        (by_normal, "Student's t"),
        (lambda d: looks(d, first=2).any(0).double().mean(), "Student's t"),
        (lambda d: looks(d.abs()).any(0).double().mean(), "Student's t"),
    ],
)
def test_wrong_stops(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch11.exercise_5(answer)


def largest(n, sign=1):
    v = torch.linspace(-9, 9, 4001, dtype=torch.float64)
    density = n * torch.exp(-v.square() / 2) / math.sqrt(2 * math.pi)
    below = torch.special.ndtr(v) ** (n - 1)
    return sign * float((v * density * below).sum() * (v[1] - v[0]))


def test_another_way_to_write_the_best():
    ch11.exercise_6(largest)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda n: largest(n, -1), "smallest"),
        (lambda n: 0.0 if n < 3 else math.sqrt(2 * math.log(n)), "off by"),
        (
            lambda n: largest(n) if n < 3 else math.sqrt(2 * math.log(n)),
            "limit for many",
        ),
        (lambda n: stats.norm.ppf(n / (n + 1)), "Integrate"),
    ],
)
def test_wrong_bests(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch11.exercise_6(answer)
