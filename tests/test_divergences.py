"""Divergences against closed forms."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from torch.distributions import Normal

from adv_ae import divergences as d


def test_real_and_fake_are_minus_log_d_and_minus_log_one_minus_d():
    logits = torch.tensor([0.3, -2.0], dtype=torch.float64)
    D = logits.sigmoid()
    torch.testing.assert_close(d.real(logits), -D.log().mean())
    torch.testing.assert_close(d.fake(logits), -(1 - D).log().mean())
    want = D.log().mean() + (1 - D).log().mean()
    torch.testing.assert_close(d.value(logits, logits), want)
    assert d.value(torch.zeros(3), torch.zeros(3)).item() == pytest.approx(-math.log(4))


@pytest.mark.parametrize("loss", [d.real, d.fake])
def test_losses_are_finite_and_their_gradient_is_right(loss):
    logits = torch.tensor([-100.0, 0.5, 100.0], dtype=torch.float64, requires_grad=True)
    value = loss(logits)
    assert value.isfinite() and torch.autograd.grad(value, logits)[0].isfinite().all()
    assert torch.autograd.gradcheck(loss, logits)


@pytest.mark.parametrize(
    ("mean", "js"), [(1.0, 0.11142148), (3.0, 0.52677731), (0.0, 0.0)]
)
def test_the_optimal_discriminator_has_the_value_two_js_minus_log_four(mean, js):
    grid = torch.linspace(-12, 15, 20_001, dtype=torch.float64)
    dx = (grid[1] - grid[0]).item()
    p = Normal(torch.tensor(0.0, dtype=torch.float64), 1.0).log_prob(grid)
    q = Normal(torch.tensor(mean, dtype=torch.float64), 1.0).log_prob(grid)
    assert d.js_on_grid(p, q, dx).item() == pytest.approx(js, abs=1e-8)
    assert d.kl_on_grid(q, p, dx).item() == pytest.approx(mean**2 / 2, abs=1e-8)
    logits = p - q  # log-odds of the optimal D
    softplus = torch.nn.functional.softplus
    value = -(p.exp() * softplus(-logits) + q.exp() * softplus(logits)).sum() * dx
    assert value.item() == pytest.approx(2 * js - math.log(4), abs=1e-7)


def brute(a, b, k):
    """MMD^2 by its definition, one pair at a time."""
    n, m = len(a), len(b)
    aa = sum(k(a[i], a[j]) for i in range(n) for j in range(n) if i != j)
    bb = sum(k(b[i], b[j]) for i in range(m) for j in range(m) if i != j)
    ab = sum(k(u, v) for u in a for v in b)
    return aa / (n * (n - 1)) + bb / (m * (m - 1)) - 2 * ab / (n * m)


@pytest.mark.parametrize(
    ("kernel", "k"),
    [
        (d.rbf(1.0, 2.0), lambda s: math.exp(-s / 2) + math.exp(-s / 8)),
        (d.imq(2.0), lambda s: 4 / (4 + s)),
    ],
)
def test_mmd_is_its_definition(kernel, k):
    a, b = torch.randn(4, 3).double(), torch.randn(5, 3).double()
    want = brute(a, b, lambda u, v: k((u - v).square().sum().item()))
    assert d.mmd2(a, b, kernel).item() == pytest.approx(want, abs=1e-12)


def test_mmd_of_gaussians_has_its_closed_form_in_the_mean():
    """E k(x, y) = s/r exp(-m^2 / 2 r^2) with r^2 = s^2 + 2 for N(0, 1), N(m, 1)."""
    s, m, r = 1.0, 1.5, math.sqrt(3.0)
    want = 2 * s / r * (1 - math.exp(-(m**2) / (2 * r**2)))
    draws = [
        d.mmd2(torch.randn(200, 1), torch.randn(200, 1) + m, d.rbf(s)).item()
        for _ in range(200)
    ]
    assert abs(np.mean(draws) - want) < 5 * np.std(draws) / math.sqrt(200)
    same = [
        d.mmd2(torch.randn(50, 1), torch.randn(50, 1), d.rbf(s)).item()
        for _ in range(400)
    ]
    assert abs(np.mean(same)) < 5 * np.std(same) / 20


def test_mmd_has_a_gradient_where_points_coincide():
    a = torch.ones(3, 2, dtype=torch.float64, requires_grad=True)
    b = torch.randn(4, 2, dtype=torch.float64)
    (slope,) = torch.autograd.grad(d.mmd2(a, b, d.rbf(1.0)), a)
    assert slope.isfinite().all()


def test_frechet_is_zero_at_itself_exact_on_the_line_and_scipys_elsewhere():
    A, B = torch.randn(4, 4).double(), torch.randn(4, 4).double()
    A, B, m = A @ A.T, B @ B.T, torch.randn(4).double()
    zero = torch.zeros(4).double()
    assert d.frechet(m, A, m, A).item() == pytest.approx(0, abs=1e-9)
    root = scipy.linalg.sqrtm((A @ B).numpy()).real
    want = (m @ m + A.trace() + B.trace()).item() - 2 * np.trace(root)
    assert d.frechet(zero, A, m, B).item() == pytest.approx(want)
    one = torch.eye(1).double()
    got = d.frechet(0 * one[0], one, 3 * one[0], 4 * one)
    assert got.item() == pytest.approx(9 + (2 - 1) ** 2)
    flat = torch.diag(torch.tensor([1.0, 0.0])).double()
    two = torch.zeros(2).double()
    assert d.frechet(two, flat, two, torch.eye(2).double()).item() == pytest.approx(1)
