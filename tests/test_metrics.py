"""Metrics against planted answers, closed forms and other libraries."""

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch
from sklearn.neighbors import KernelDensity, KNeighborsClassifier

from adv_ae import metrics


def test_two_samples_of_one_law_cannot_be_told_apart():
    scores = [
        metrics.two_sample_accuracy(torch.randn(400, 2), torch.randn(400, 2), seed=s)
        for s in range(20)
    ]
    assert abs(np.mean(scores) - 0.5) < 5 * 0.5 / math.sqrt(400 * 20)


def test_two_samples_apart_or_with_a_hole_are_told_apart():
    a = torch.randn(2000, 2)
    assert metrics.two_sample_accuracy(a, a + 10) == 1.0
    hole = a[a.norm(dim=1) > 1]  # mean and shape as before, the middle gone
    assert metrics.two_sample_accuracy(a, hole) > 0.6
    shifted = metrics.two_sample_accuracy(
        torch.randn(20_000, 1), torch.randn(500, 1) + 1
    )
    assert 0.55 < shifted < scipy.stats.norm.cdf(0.5) + 0.08  # Bayes: Phi(1/2)


@pytest.mark.parametrize("k", [1, 5])
def test_nearest_neighbors_agree_with_scikit_learn(k):
    x, y = torch.randn(300, 4), torch.randint(3, (300,))
    test, truth = torch.randn(1500, 4), torch.randint(3, (1500,))
    oracle = KNeighborsClassifier(k).fit(x, y).score(test, truth)
    got = metrics.nearest_neighbor_accuracy(x, y, test, truth, k)
    assert got == pytest.approx(oracle, abs=1e-9 if k == 1 else 0.02)
    assert metrics.nearest_neighbor_accuracy(x, y, x, y) == 1.0


def test_samples_that_cannot_be_compared_are_refused():
    for a, b in ((torch.zeros(3, 2), torch.zeros(9, 2)), (torch.zeros(9, 1),) * 2):
        if a.shape != b.shape:
            with pytest.raises(ValueError, match="at least 4 rows"):
                metrics.two_sample_accuracy(a, b)


def test_sliced_wasserstein_is_exact_on_the_line_and_for_shifts():
    a, b = torch.randn(500, 1), torch.randn(500, 1) * 2
    want = (a[:, 0].sort().values - b[:, 0].sort().values).square().mean().sqrt()
    assert metrics.sliced_wasserstein(a, b) == pytest.approx(want.item(), rel=1e-5)
    z = torch.randn(200, 3)
    shift = torch.tensor([1.0, -2.0, 2.0])  # E (u's)^2 = |s|^2 / d
    got = metrics.sliced_wasserstein(z, z + shift, projections=20_000)
    assert got == pytest.approx(math.sqrt(9 / 3), rel=0.03)
    assert metrics.sliced_wasserstein(z, z[torch.randperm(200)]) == pytest.approx(0)
    with pytest.raises(ValueError, match="equal size"):
        metrics.sliced_wasserstein(z, z[:100])


def test_of_one_law_a_share_of_two_to_the_minus_k_stands_alone():
    for dim in (1, 2, 5):
        shares = [
            metrics.holes(torch.randn(500, dim), torch.randn(500, dim), k=3)
            for _ in range(40)
        ]
        sd = np.std(shares, ddof=1) / math.sqrt(40)
        assert abs(np.mean(shares) - 1 / 8) < 5 * sd + 1e-3  # 1/8 - O(1 / n)


def test_a_planted_hole_is_as_large_as_the_prior_mass_in_it():
    z, u = torch.rand(4000, 2), torch.rand(9000, 2)
    codes = u[u[:, 0] > 0.25]  # a quarter of the square is empty
    assert metrics.holes(codes, z) == pytest.approx(0.25, abs=0.04)
    assert metrics.holes(z + 5, z) == 1.0
    everywhere = metrics.holes(codes, z[z[:, 0] > 0.3])  # more codes than prior: none
    assert everywhere < 0.02


def test_half_as_dense_codes_leave_three_halves_to_the_minus_k():
    z = torch.rand(3000, 1)
    codes = torch.cat([torch.rand(1000, 1) / 2 + 1, torch.rand(1000, 1)])[:3000]
    got = metrics.holes(codes, z[:2000], k=2)  # q is half as dense on [0, 1]
    assert got == pytest.approx((2 / 3) ** 2, abs=0.05)


def test_holes_refuse_samples_that_are_too_few_or_of_other_widths():
    for a, b in ((torch.zeros(9, 2), torch.zeros(50, 2)), (torch.zeros(50, 1),) * 2):
        if a.shape != b.shape:
            with pytest.raises(ValueError, match="k \\+ 2 = 10 rows"):
                metrics.holes(a, b)
    with pytest.raises(ValueError, match="of one width"):
        metrics.holes(torch.zeros(50, 1), torch.zeros(50, 2))


def test_frechet_of_samples_is_the_closed_form_of_their_moments():
    a, b = torch.randn(400, 3), 2 * torch.randn(700, 3) + 1
    gap = a.double().mean(0) - b.double().mean(0)
    A, B = np.cov(a.double().T), np.cov(b.double().T)
    root = scipy.linalg.sqrtm(A @ B).real
    want = gap.square().sum().item() + np.trace(A + B - 2 * root)
    assert metrics.frechet(a, b) == pytest.approx(want, rel=1e-6)
    line = metrics.frechet(a[:, :1], a[:, :1] + 3)
    assert line == pytest.approx(9, rel=1e-5)
    assert metrics.frechet(a, a) == pytest.approx(0, abs=1e-9)


def test_parzen_agrees_with_scipy_and_needs_little_memory():
    s, x = torch.randn(60, 1).double(), torch.randn(40, 1).double()
    oracle = scipy.stats.gaussian_kde(s[:, 0].numpy(), bw_method="scott")
    sigma = float(oracle.covariance[0, 0] ** 0.5)
    got = metrics.parzen_log_likelihood(s, x, sigma)
    np.testing.assert_allclose(got, oracle.logpdf(x[:, 0].numpy()))
    far = metrics.parzen_log_likelihood(s, torch.full((1, 1), 1e3), 0.1)
    assert far.isfinite().all()  # in logs: nothing underflows


def test_parzen_of_one_point_is_a_gaussian_and_of_many_scikit_learns():
    s, x = torch.randn(1, 3), torch.randn(700, 3)
    want = scipy.stats.norm(s.double(), 0.3).logpdf(x.double()).sum(1)
    np.testing.assert_allclose(metrics.parzen_log_likelihood(s, x, 0.3), want)
    s = torch.randn(50, 3)
    oracle = KernelDensity(bandwidth=0.3).fit(s.double()).score_samples(x.double())
    np.testing.assert_allclose(metrics.parzen_log_likelihood(s, x, 0.3), oracle)


def test_the_width_is_chosen_where_validation_is_likeliest():
    samples, validation = torch.randn(300, 5), torch.randn(200, 5)
    chosen = metrics.choose_parzen_sigma(samples, validation)
    widths = np.logspace(-1, 0, 10)
    scores = [
        KernelDensity(bandwidth=w).fit(samples.double()).score(validation.double())
        for w in widths
    ]
    assert chosen == pytest.approx(widths[int(np.argmax(scores))])


def test_modes_are_counted_by_who_comes_near():
    centers = torch.tensor([[0.0, 0], [5, 0], [0, 5]])
    x = torch.tensor([[0.1, 0], [0, -0.1], [5, 0.2], [2.5, 2.5]])
    assert metrics.modes_covered(x, centers, 0.3) == 2
    assert metrics.modes_covered(x, centers, 0.15) == 1
    assert metrics.high_quality_share(x, centers, 0.3) == 0.75
    assert metrics.high_quality_share(x, centers, 0.15) == 0.5
