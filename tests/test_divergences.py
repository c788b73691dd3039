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


# ---- what a discriminator has found, and its slopes ----
def test_half_everywhere_costs_two_log_two_and_finds_nothing():
    half = torch.zeros(7, dtype=torch.float64)  # logit 0: D = 1/2
    assert (d.real(half) + d.fake(half)).item() == pytest.approx(2 * math.log(2))
    assert d.js_bound(half, half).item() == pytest.approx(0, abs=1e-15)


def test_the_bound_on_js_is_half_of_the_value_plus_log_two():
    on_real, on_fake = torch.randn(5).double(), torch.randn(9).double()
    want = (d.value(on_real, on_fake) + math.log(4)) / 2
    torch.testing.assert_close(d.js_bound(on_real, on_fake), want)
    sure = torch.full((3,), 100.0, dtype=torch.float64)
    assert d.js_bound(sure, -sure).item() == pytest.approx(math.log(2))


def test_the_slopes_are_the_derivatives_of_the_two_generator_losses():
    logits = torch.tensor([-100.0, -3, 0, 0.7, 100], dtype=torch.float64)
    logits.requires_grad_()
    n = len(logits)
    (saturating,) = torch.autograd.grad(-d.fake(logits), logits)
    torch.testing.assert_close(d.saturating_slope(logits), n * saturating)
    (other,) = torch.autograd.grad(d.real(logits), logits)
    torch.testing.assert_close(d.non_saturating_slope(logits), n * other)
    assert d.saturating_slope(logits)[0].abs() < 1e-40  # flat where D says fake
    assert d.non_saturating_slope(logits)[0].item() == pytest.approx(-1)


# ---- f-divergences ----
FS = pytest.mark.parametrize("name", d.F_DIVERGENCES)
U = torch.logspace(-2, 2, 41, dtype=torch.float64)  # ratios, on both sides of 1


@FS
def test_the_optimum_is_the_derivative_of_f(name):
    member = d.F_DIVERGENCES[name]
    u = U[(U - 1).abs() > 1e-9].clone().requires_grad_()  # |u - 1| has a kink at 1
    (slope,) = torch.autograd.grad(member.f(u).sum(), u)
    torch.testing.assert_close(member.optimal(u.detach().log()), slope)


@FS
def test_the_conjugate_is_the_largest_gap_and_is_reached_at_the_optimum(name):
    member = d.F_DIVERGENCES[name]
    t = member.optimal(U.log())
    torch.testing.assert_close(member.conjugate(t), U * t - member.f(U))
    grid = torch.logspace(-4, 4, 4001, dtype=torch.float64)
    gaps = grid[:, None] * t - member.f(grid)[:, None]  # Fenchel-Young: none is larger
    assert (gaps <= member.conjugate(t) + 1e-9).all()


@FS
def test_f_is_convex_and_zero_where_the_ratio_is_one(name):
    f = d.F_DIVERGENCES[name].f
    a, b = U[:, None], U[None]
    assert (f((a + b) / 2) <= (f(a) + f(b)) / 2 + 1e-12).all()
    at_one = f(torch.ones(1, dtype=torch.float64)).item()
    want = -math.log(4) if name == "gan" else 0.0
    assert at_one == pytest.approx(want, abs=1e-15)
    assert d.F_DIVERGENCES[name].name == name


M, S = 0.7, 1.3
TRUTH = {  # of N(0, 1) against N(M, S^2), by hand
    "kl": math.log(S) + (1 + M**2) / (2 * S**2) - 0.5,
    "reverse kl": -math.log(S) + (S**2 + M**2) / 2 - 0.5,
    "pearson chi2": S**2 / math.sqrt(2 * S**2 - 1) * math.exp(M**2 / (2 * S**2 - 1))
    - 1,
    "squared hellinger": 2
    - 2 * math.sqrt(2 * S / (1 + S**2)) * math.exp(-(M**2) / (4 * (1 + S**2))),
}


@pytest.fixture
def grid():
    x = torch.linspace(-14, 16, 60_001, dtype=torch.float64)
    one = torch.tensor(1.0, dtype=torch.float64)
    p, q = Normal(0 * one, one), Normal(M * one, S * one)
    return p.log_prob(x), q.log_prob(x), (x[1] - x[0]).item()


@FS
def test_divergences_of_gaussians_are_their_closed_forms(grid, name):
    p, q, dx = grid
    js = d.js_on_grid(p, q, dx).item()
    more = {
        "js": js,
        "gan": 2 * js - math.log(4),
        "total variation": ((p.exp() - q.exp()).abs().sum() * dx / 2).item(),
    }
    want = (TRUTH | more)[name]
    got = d.F_DIVERGENCES[name].on_grid(p, q, dx).item()
    assert got == pytest.approx(want, abs=1e-6)


@FS
def test_a_bound_is_reached_by_the_log_ratio_and_by_nothing_else(grid, name):
    p, q, dx = grid
    member = d.F_DIVERGENCES[name]
    truth = member.on_grid(p, q, dx).item()

    def bound(logit):
        t = member.optimal(logit)
        return ((p.exp() * t - q.exp() * member.conjugate(t)).sum() * dx).item()

    assert bound(p - q) == pytest.approx(truth, abs=1e-6)
    same_sign = name == "total variation"  # all that its T takes from the logit
    for wrong in (p - q + 0.3, 0 * p, *([] if same_sign else [0.8 * (p - q)])):
        assert bound(wrong) < truth - 1e-4
    # the same by draws: means in the place of integrals
    on_p, on_q = torch.randn(7).double(), torch.randn(5).double()
    want = member.optimal(on_p).mean() - member.conjugate(member.optimal(on_q)).mean()
    torch.testing.assert_close(member.bound(on_p, on_q), want)


def test_the_gan_member_is_the_value_of_the_game():
    on_p, on_q = torch.randn(50).double(), torch.randn(40).double()
    members = d.F_DIVERGENCES
    want = d.value(on_p, on_q)
    torch.testing.assert_close(members["gan"].bound(on_p, on_q), want)
    want = d.js_bound(on_p, on_q)
    torch.testing.assert_close(members["js"].bound(on_p, on_q), want)


# ---- kernels ----
def test_kernels_are_one_at_distance_zero_times_the_number_of_scales():
    d2 = torch.tensor([0.0, 1.0, 9.0], dtype=torch.float64)
    assert d.rbf(1.0, 3.0)(d2)[0].item() == d.imq(1.0, 3.0)(d2)[0].item() == 2
    want = torch.tensor([math.exp(-k / 8) for k in (0, 1, 9)], dtype=torch.float64)
    torch.testing.assert_close(d.rbf(2.0)(d2), want)
    want = torch.tensor([4 / (4 + k) for k in (0, 1, 9)], dtype=torch.float64)
    torch.testing.assert_close(d.imq(2.0)(d2), want)


def test_the_gradient_of_mmd_is_right():
    a = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    b = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)
    for kernel in (d.rbf(0.5, 2.0), d.imq(1.0)):
        assert torch.autograd.gradcheck(lambda u, v, k=kernel: d.mmd2(u, v, k), (a, b))
    assert torch.autograd.gradcheck(lambda u, v: d.polynomial_mmd2(u, v, 3), (a, b))


def test_polynomial_mmd_is_its_definition():
    a, b = torch.randn(4, 3).double(), torch.randn(5, 3).double()
    want = brute(a, b, lambda u, v: (u @ v + 1).item() ** 3)
    assert d.polynomial_mmd2(a, b, 3).item() == pytest.approx(want)


@pytest.mark.parametrize(("degree", "truth"), [(2, 0.0), (3, 0.0), (4, 8.0)])
def test_a_polynomial_sees_moments_up_to_its_degree_and_no_others(degree, truth):
    """N(0, I) against random signs: mean and covariance agree, fourth moments do not.

    E (u.v)^4 is 24 for two Gaussians, 8 for two pairs of signs, 12 across.
    """
    draws = []
    for _ in range(100):
        signs = torch.randint(2, (400, 2)).double() * 2 - 1
        got = d.polynomial_mmd2(torch.randn(400, 2).double(), signs, degree)
        draws.append(got.item())
    error = np.std(draws) / 10
    assert abs(np.mean(draws) - truth) < 5 * error
    assert truth == 0 or truth > 10 * error


# ---- the gradients that a moving Gaussian gets ----
@pytest.mark.parametrize("theta", [0.3, 1.0, 2.5, 4.0])
def test_both_losses_at_the_optimal_discriminator_descend_what_is_said(theta):
    """Data N(0, 1), samples theta + z, D optimal and held fixed: the saturating loss
    descends 2 JS, the non-saturating one KL(q || p) - 2 JS.
    """
    x = torch.linspace(-14, 18, 40_001, dtype=torch.float64)
    dx = (x[1] - x[0]).item()
    one = torch.ones((), dtype=torch.float64)
    log_p = Normal(0 * one, one).log_prob(x)
    z, weight = x, log_p.exp() * dx
    logit = theta**2 / 2 - theta * (theta + z)  # log p(x) - log q(x) at x = theta + z
    slope = -theta  # of the logit, by x
    saturating = (weight * d.saturating_slope(logit) * slope).sum().item()
    other = (weight * d.non_saturating_slope(logit) * slope).sum().item()

    def two_js(m):
        return 2 * d.js_on_grid(log_p, Normal(m * one, one).log_prob(x), dx).item()

    change = (two_js(theta + 1e-4) - two_js(theta - 1e-4)) / 2e-4
    assert saturating == pytest.approx(change, abs=1e-7)
    assert other == pytest.approx(theta - change, abs=1e-7)  # KL(q || p) = theta^2 / 2
