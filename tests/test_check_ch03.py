"""Chapter 03's checkers: the printed solutions pass, plausible wrong answers fail."""

import math

import pytest
import torch
import torch.nn.functional as F

from adv_ae.check import CheckError, ch03


def test_the_printed_solutions_pass(printed, capsys):
    ch03.exercise_1(printed["assumed_scale"])
    ch03.exercise_2(printed["log_density"])
    ch03.exercise_3(printed["log_aggregated"])
    ch03.exercise_4(printed["most_lost"], printed["largest_share"])
    ch03.exercise_5(printed["free_rate"])
    assert capsys.readouterr().out.count("[ok]") >= 14


def test_the_solution_is_torchs_continuous_bernoulli(printed):
    x, logits = torch.rand(20, 5), 4 * torch.randn(20, 5)
    theirs = torch.distributions.ContinuousBernoulli(logits=logits).log_prob(x)
    torch.testing.assert_close(
        printed["log_density"](x, logits), theirs.sum(1), atol=1e-3, rtol=1e-4
    )


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda d: d / 2, "variance"),
        (lambda d: d**0.5, "half"),
        (lambda d: 1.0, "Match"),
        (lambda d: (2 / d) ** 0.5, "Match"),
    ],
)
def test_wrong_scales(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch03.exercise_1(answer)


def cross_entropy(x, logits):
    return -(F.softplus(logits) - x * logits)


def naive(x, logits):
    return (cross_entropy(x, logits) - (torch.tanh(logits / 2) / logits).log()).sum(1)


def upside_down(x, logits):
    near = logits.abs() < 1e-3
    safe = torch.where(near, torch.ones_like(logits), logits)
    area = torch.where(near, torch.tensor(0.5).double(), torch.tanh(safe / 2) / safe)
    return (cross_entropy(x, logits) + area.log()).sum(1)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda x, logits: cross_entropy(x, logits).sum(1), "Divide by it"),
        (lambda x, logits: cross_entropy(x, logits), "Sum over pixels"),
        (lambda x, logits: cross_entropy(x, logits).mean(1), "Divide by it"),
        (naive, "0 / 0"),
        (upside_down, "Divide by it"),
    ],
)
def test_wrong_densities_of_grey_values(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch03.exercise_2(answer)


def each(z, means, stds):
    return torch.distributions.Normal(means, stds).log_prob(z[:, None])


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda *a: each(*a).sum(2).mean(1), "not of logs"),
        (lambda *a: each(*a).sum(2).logsumexp(1), "Sum over dimensions"),
        (lambda *a: each(*a).sum(2).exp().mean(1).log(), "underflows"),
        (lambda *a: each(*a).sum(2), "One value a row"),
        (lambda z, m, s: each(z, m, s**2).sum(2).logsumexp(1) - math.log(3), "off by"),
    ],
)
def test_wrong_mixtures(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch03.exercise_3(answer)


@pytest.mark.parametrize(
    ("most_lost", "share", "hint"),
    [
        (lambda s: math.log(1 - s), 0.632, "positive"),
        (lambda s: s, 0.632, "whatever r is"),
        (lambda s: -math.log(1 - s), math.exp(-1), "Solve"),
    ],
)
def test_wrong_costs_of_noise(most_lost, share, hint):
    with pytest.raises(CheckError, match=hint):
        ch03.exercise_4(most_lost, share)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda kl, floor: kl.clamp_min(floor).mean(0).sum(), "First the mean"),
        (lambda kl, floor: kl.mean(0).sum().clamp_min(floor), "First the mean"),
        (lambda kl, floor: kl.mean(0).clamp_min(floor), "scalar"),
        (lambda kl, floor: (kl.mean(0) - floor).relu().sum(), "First the mean"),
        (
            lambda kl, floor: (kl.mean(0) + (floor - kl.mean(0)).relu().detach()).sum(),
            "not charged",
        ),
    ],
)
def test_wrong_free_bits(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch03.exercise_5(answer)
