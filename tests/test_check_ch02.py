"""Chapter 02's checkers: the printed solutions pass, plausible wrong answers fail."""

import math

import pytest
import torch

from adv_ae.check import CheckError, ch02


def test_the_printed_solutions_pass(printed, capsys):
    ch02.exercise_1(printed["kl"])
    ch02.exercise_2(printed["iwae"])
    ch02.exercise_3(printed["mean_field"])
    ch02.exercise_4(printed["largest_n"])
    ch02.exercise_5(printed["baseline"])
    ch02.exercise_6(printed["K"])
    assert capsys.readouterr().out.count("[ok]") == 13


def right_kl(mean, std, t):
    return (((mean**2 + std**2) / t**2 - 1) / 2 - std.log() + math.log(t)).sum(1)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda m, s, t: right_kl(m, s, t).mean(), "One value an example"),
        (lambda m, s, t: right_kl(m, s, t) / 3, "their sum"),
        (lambda m, s, t: -right_kl(m, s, t), "not negative"),
        (lambda m, s, t: right_kl(m, s.sqrt(), t), "square it"),
        (lambda m, s, t: right_kl(m, s, 1.0), "not used"),
        (lambda m, s, t: right_kl(m, s, t**0.5), "Per dimension"),
        (lambda m, s, t: right_kl(m, s, t) + s.log().sum(1), "Per dimension"),
    ],
)
def test_wrong_divergences(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch02.exercise_1(answer)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda w: w.logsumexp(1) - math.log(2), "rows"),
        (lambda w: w.exp().mean().log(), "One value an example"),
        (lambda w: w.logsumexp(0), "log K"),
        (lambda w: w.mean(0), "before the logarithm"),
        (lambda w: w.exp().mean(0).log(), "logsumexp"),
        (lambda w: w.amax(0), "off by"),
    ],
)
def test_wrong_weights(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch02.exercise_2(answer)


def best(Sigma):
    Lambda = torch.linalg.inv(Sigma)
    return 1 / Lambda.diagonal(), Lambda.diagonal().log().sum() - Lambda.logdet()


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda S: best(S)[0], "two things"),
        (lambda S: (S.diagonal(), best(S)[1] / 2), "marginal"),
        (lambda S: (torch.linalg.eigvalsh(S), best(S)[1] / 2), "precision"),
        (best, "Twice"),
        (lambda S: (best(S)[0], -best(S)[1] / 2), "trace"),
    ],
)
def test_wrong_mean_fields(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch02.exercise_3(answer)


def edge(q, post):
    return math.inf if q >= post else post / (post - q)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda q, post: edge(q, post) - 1, "One too few"),
        (lambda q, post: edge(q**0.5, post**0.5), "coefficient"),
        (lambda q, post: abs(post / (post - q)) if post != q else 2.0, "every order"),
    ],
)
def test_wrong_orders(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch02.exercise_4(answer)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda f, g: f, "One number"),
        (lambda f, g: f.mean(), "mean of f"),
        (lambda f, g: (f * g).mean() / (g**2).mean(), "minimize"),
        (lambda f, g: torch.tensor(0.0), "minimize"),
    ],
)
def test_wrong_baselines(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch02.exercise_5(answer)


@pytest.mark.parametrize(("K", "hint"), [(45, "2 K"), (10, "Too few"), (100, "Fewer")])
def test_wrong_numbers_of_draws(K, hint):
    with pytest.raises(CheckError, match=hint):
        ch02.exercise_6(K)


def test_the_law_of_draws_holds_where_the_chapter_uses_it():
    """Exercise 6: the gap of the wide encoder at 24 draws is below 0.01, at 22 not."""
    torch.manual_seed(0)
    z = 0.3 + 0.2**0.5 * torch.randn(24 * 200_000, dtype=torch.float64)
    log_ratio = -5.5 * (z - 6 / 11) ** 2 + 2.5 * (z - 0.3) ** 2
    log_w = log_ratio + 0.5 * math.log(11 * 0.2)  # log p(z|x) / q(z|x)
    for K, low, high in ((24, 0.0092, 0.01), (20, 0.0112, 0.0121)):
        w = log_w[: K * 200_000].view(K, -1).exp().mean(0)
        control = w - 1 - (w - 1) ** 2 / 2  # of mean -chi^2 / 2K, nearly log w
        gap = 0.449893 / (2 * K) - (w.log() - control).mean().item()
        assert low < gap < high
