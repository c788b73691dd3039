"""Bounds against closed forms: golden numbers first, then draws within four standard
errors.

Golden numbers: z ~ N(0, 1), x|z ~ N(w z, I/2), w = (1, 2), x = (1, 1).
"""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.integrate import dblquad
from scipy.stats import norm
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from torch.distributions import Independent, MultivariateNormal, kl_divergence
from torch.distributions import Normal as Gauss

from adv_ae import bounds
from adv_ae.annealing import ais
from adv_ae.conditionals import Gaussian
from adv_ae.linear_gaussian import LinearGaussian, renyi_divergence
from adv_ae.networks import MLP
from adv_ae.priors import GaussianRing, Normal

pytestmark = pytest.mark.usefixtures("double")

LOG_P = -2.7073138859
WIDE, NARROW, POSTERIOR = (0.3, 0.20), (0.3, 0.04), (6 / 11, 1 / 11)
GOLDEN = {
    WIDE: {
        "reconstruction": -2.7947298858,
        "kl": 0.4497189562,
        "entropy": 0.6142195770,
        "cross_entropy": 1.0639385332,
        "elbo": -3.2444488421,
        "eubo": -2.4351926437,
        "renyi": {
            0.25: -2.7845882750,
            0.5: -2.8866399713,
            0.75: -3.0289850633,
            2: -math.inf,
        },
        "cubo": {1.5: -2.5971196002, 2: -2.5215691706, 3: -2.4233567767},
        "tvo": {10: (-2.749349, -2.668424), 50: (-2.715470, -2.699284)},
        "chi2": 0.449893,
    },
    NARROW: {
        "reconstruction": -1.9947298858,
        "kl": 1.1744379124,
        "entropy": -0.1904993792,
        "cross_entropy": 0.9839385332,
        "elbo": -3.1691677983,
        "eubo": -1.7283413520,
        "renyi": {
            0.25: -2.8974818652,
            0.5: -3.0194137313,
            0.75: -3.1051382979,
            2: -3.3202864261,
        },
        "cubo": {1.5: -1.4714323104, 2: math.inf, 3: math.inf},
        "tvo": {10: (-2.776211, -2.632129), 50: (-2.721596, -2.692779)},
        "chi2": math.inf,
    },
    POSTERIOR: {
        "reconstruction": -1.8141513735,
        "kl": 0.8931625124,
        "entropy": 0.2199908968,
        "cross_entropy": 1.1131534092,
        "elbo": LOG_P,
        "eubo": LOG_P,
        "renyi": dict.fromkeys((0.25, 0.5, 0.75, 2), LOG_P),
        "cubo": dict.fromkeys((1.5, 2, 3), LOG_P),
        "tvo": {10: (LOG_P, LOG_P), 50: (LOG_P, LOG_P)},
        "chi2": 0.0,
    },
}
each_q = pytest.mark.parametrize("q", GOLDEN, ids=["wide", "narrow", "posterior"])


def model():
    return LinearGaussian(torch.tensor([[1.0], [2.0]]), torch.zeros(2), 0.5**0.5)


def gaussian(mean, variance, n=1):
    loc, scale = torch.full((n, 1), mean), torch.full((n, 1), variance**0.5)
    return Independent(Gauss(loc, scale), 1)


def ones(n=1):
    return torch.ones(n, 2)


def draws(q, K, n=1):
    return bounds.log_weights(
        lambda x: gaussian(*q, len(x)), model().decoder(), Normal(1), ones(n), K
    ).detach()


def grid(q, points=20_001):
    """log w on an even grid, and the mass of q there: draws without noise."""
    mean, variance = q
    z = mean + torch.linspace(-1, 1, points)[:, None] * 12 * variance**0.5
    log_p = model().decoder()(z).log_prob(ones()) + Normal(1).log_prob(z)
    log_q = gaussian(*q).log_prob(z)
    return log_p - log_q, log_q.exp() * (z[1] - z[0])


# ------------------------------------------------------------------ closed forms


@each_q
@pytest.mark.parametrize(
    "name", ["reconstruction", "elbo", "eubo", "renyi", "cubo", "tvo", "chi2"]
)
def test_golden_numbers(q, name):
    method, want = getattr(model(), name), GOLDEN[q][name]
    of = gaussian(*q), ones()
    if name == "tvo":
        for T, pair in want.items():
            got = [t.item() for t in method(*of, torch.linspace(0, 1, T + 1))]
            assert got == pytest.approx(pair, abs=1e-6)
    elif isinstance(want, dict):
        for order, number in want.items():
            assert method(*of, order).item() == pytest.approx(number, abs=1e-8)
    else:
        tolerance = 1e-6 if name == "chi2" else 1e-8
        assert method(*of).item() == pytest.approx(want, abs=tolerance)


def test_the_truth_of_the_golden_model():
    assert model().log_likelihood(ones()).item() == pytest.approx(LOG_P, abs=1e-9)
    post = model().posterior(ones())
    assert post.mean.item() == pytest.approx(6 / 11, abs=1e-12)
    assert post.variance.item() == pytest.approx(1 / 11, abs=1e-12)


@each_q
def test_golden_terms_and_the_two_writings(q):
    of = (lambda x: gaussian(*q, len(x))), model().decoder(), Normal(1), ones()
    terms, want = bounds.elbo_terms(*of, K=100_000), GOLDEN[q]
    for name in ("kl", "entropy", "cross_entropy"):
        assert getattr(terms, name).item() == pytest.approx(want[name], abs=1e-8)
    assert terms.reconstruction.item() == pytest.approx(want["reconstruction"], abs=0.1)
    assert (terms.cross_entropy - terms.entropy).item() == pytest.approx(
        terms.kl.item(), abs=1e-12
    )


def test_terms_with_a_wide_prior_and_several_codes():
    q, prior = Gaussian(MLP(2, 6)), Normal(3, 5.0).double()
    x = torch.randn(7, 2)
    terms = bounds.elbo_terms(q, Gaussian(MLP(3, 4)), prior, x, K=2)
    assert [t.shape for t in terms] == [(7,)] * 4
    drawn = -prior.log_prob(q(x).sample((200_000,)).view(-1, 3)).view(-1, 7).mean(0)
    torch.testing.assert_close(terms.cross_entropy, drawn, atol=5e-3, rtol=0)
    torch.testing.assert_close(terms.cross_entropy - terms.entropy, terms.kl)


def random_model(D=5, d=3):
    return LinearGaussian(torch.randn(D, d), torch.randn(D), 0.6)


def random_q(n, d=3):
    root = torch.randn(n, d, d) / 2
    return MultivariateNormal(torch.randn(n, d), root @ root.mT + torch.eye(d) / 4)


def test_reconstruction_minus_kl_is_log_p_minus_the_gap():
    m, x, q = random_model(), torch.randn(6, 5), random_q(6)
    prior = MultivariateNormal(torch.zeros(3), torch.eye(3))
    torch.testing.assert_close(
        m.elbo(q, x), m.reconstruction(q, x) - kl_divergence(q, prior)
    )


def test_everything_is_log_p_at_the_posterior():
    m, x = random_model(), torch.randn(6, 5)
    post, log_p = m.posterior(x), m.log_likelihood(x)
    for got in (
        m.elbo(post, x),
        m.eubo(post, x),
        m.cubo(post, x, 3.0),
        m.renyi(post, x, 0.3),
        *m.tvo(post, x, torch.linspace(0, 1, 4)),
    ):
        torch.testing.assert_close(got, log_p, atol=1e-9, rtol=0)


def test_bounds_are_ordered():
    m, x, q = random_model(), torch.randn(50, 5), random_q(50)
    lower, upper = m.tvo(q, x, torch.linspace(0, 1, 5))
    chain = [
        m.renyi(q, x, 2.0),
        m.elbo(q, x),
        m.renyi(q, x, 0.5),
        m.renyi(q, x, 0.0),
        m.cubo(q, x, 1.2),
        m.cubo(q, x, 2.0),
    ]
    for low, high in itertools.pairwise(chain):
        assert (low <= high + 1e-9).all()
    log_p = m.log_likelihood(x)
    torch.testing.assert_close(chain[3], log_p)
    assert (m.elbo(q, x) < lower).all() and (lower < log_p).all()
    assert (log_p < upper).all() and (upper < m.eubo(q, x)).all()
    one = m.tvo(q, x, torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(one[0], m.elbo(q, x))
    torch.testing.assert_close(one[1], m.eubo(q, x))


@pytest.mark.parametrize("alpha", [0.3, 0.9, 1.4])
def test_renyi_divergence_by_quadrature(alpha):
    a, b = (0.3, 0.5), (-0.2, 0.8)  # means, standard deviations
    z = np.linspace(-12, 12, 100_001)
    mass = np.exp(alpha * norm.logpdf(z, *a) + (1 - alpha) * norm.logpdf(z, *b))
    want = math.log(np.trapezoid(mass, z)) / (alpha - 1)
    one = [
        MultivariateNormal(torch.tensor([m]), torch.tensor([[s * s]]))
        for m, s in (a, b)
    ]
    assert renyi_divergence(*one, alpha).item() == pytest.approx(want, abs=1e-9)


def test_renyi_divergence_at_one_is_kl():
    a, b = random_q(4), random_q(4)
    torch.testing.assert_close(renyi_divergence(a, b, 1), kl_divergence(a, b))
    sides = [renyi_divergence(a, b, alpha) for alpha in (1 - 1e-5, 1 + 1e-5)]
    assert (sides[0] < sides[1]).all()  # non-decreasing, smooth: the middle is at 1
    torch.testing.assert_close(sum(sides) / 2, kl_divergence(a, b), atol=1e-6, rtol=0)


@pytest.mark.parametrize("d", [2, 5, 10])
def test_probabilistic_pca_is_scikit_learns(d):
    x = load_digits().data / 16
    oracle = PCA(d, svd_solver="full").fit(x)
    # scikit-learn divides the covariance by n - 1
    m = LinearGaussian.fit(torch.tensor(x), d)
    grow = len(x) / (len(x) - 1)
    same = LinearGaussian(m.W * grow**0.5, m.b, m.scale * grow**0.5)
    got = same.log_likelihood(torch.tensor(x)).mean().item()
    assert got == pytest.approx(oracle.score(x), abs=1e-6)
    assert (m.log_likelihood(torch.tensor(x)).mean() >= got).item()
    inner = m.W.T @ m.W  # orthogonal columns, so that a diagonal q is exact
    torch.testing.assert_close(inner, inner.diagonal().diag(), atol=1e-8, rtol=0)


def test_the_decoder_is_the_model():
    m, x = random_model(5, 2), torch.randn(4, 5)
    p = m.decoder().double()
    got = bounds.log_likelihood_by_quadrature(p, Normal(2), x, 300, 9.0)
    torch.testing.assert_close(got, m.log_likelihood(x), atol=1e-8, rtol=0)


# ------------------------------------------------------------------ from weights


@each_q
def test_estimators_on_a_fine_grid_are_the_closed_forms(q):
    """Weigh the points by their mass: then means are integrals."""
    log_w, mass = grid(q)
    share = mass * len(mass)  # the estimators take means over all points
    m, of = model(), (gaussian(*q), ones())
    got = bounds.elbo((log_w * share)[:, None])
    torch.testing.assert_close(got, m.elbo(*of), atol=1e-9, rtol=0)
    got = bounds.iwae((log_w + share.log())[:, None])  # log E_q w
    assert got.item() == pytest.approx(LOG_P, abs=1e-9)


def test_estimators_by_hand():
    log_w = torch.tensor([[-1.0, 2.0], [-3.0, 0.5], [0.2, 0.1]])
    w = log_w.exp()
    close = torch.testing.assert_close
    close(bounds.elbo(log_w), log_w.mean(0))
    close(bounds.iwae(log_w), w.mean(0).log())
    close(bounds.renyi(log_w, 0.5), 2 * w.sqrt().mean(0).log())
    close(bounds.renyi(log_w, 2.0), -(1 / w).mean(0).log())
    close(bounds.renyi(log_w, 1), log_w.mean(0))
    close(bounds.cubo(log_w, 2), (w**2).mean(0).log() / 2)
    close(bounds.cubo(log_w, 1), bounds.iwae(log_w))
    close(bounds.eubo(log_w), (w / w.sum(0) * log_w).sum(0))
    share = (w / w.sum(0)).square()
    close(bounds.dreg(log_w), (share * log_w).sum(0))
    root = w.sqrt() / w.sqrt().sum(0)
    lower, upper = bounds.tvo(log_w, torch.tensor([0.0, 0.5, 1.0]))
    middle = (root * log_w).sum(0)
    close(lower, (log_w.mean(0) + middle) / 2)
    close(upper, (middle + bounds.eubo(log_w)) / 2)


def test_estimators_bear_extreme_weights():
    log_w = torch.tensor([[-2000.0], [-2001.0], [900.0]])
    assert bounds.iwae(log_w).item() == pytest.approx(900 - math.log(3))
    assert bounds.cubo(log_w, 3.0).item() == pytest.approx(900 - math.log(3) / 3)
    assert bounds.eubo(log_w).item() == pytest.approx(900)


def near(values, want, errors=4):
    """The mean is within so many standard errors; golden numbers have ten digits."""
    error = values.std() / len(values) ** 0.5
    assert abs(values.mean() - want) < errors * error + 1e-9, (values.mean(), error)


@each_q
def test_the_mean_log_weight_is_the_elbo(q):
    near(draws(q, 1, 100_000)[0], GOLDEN[q]["elbo"])


def test_two_draws_by_quadrature_and_by_draws():
    mean, sd = 0.3, 0.2**0.5

    def log_w(z):
        joint = norm.logpdf(z) + norm.logpdf(1, z, 0.5**0.5)
        return joint + norm.logpdf(1, 2 * z, 0.5**0.5) - norm.logpdf(z, mean, sd)

    def integrand(a, b):
        bound = np.logaddexp(log_w(a), log_w(b)) - math.log(2)
        return norm.pdf(a, mean, sd) * norm.pdf(b, mean, sd) * bound

    edges = mean - 8 * sd, mean + 8 * sd
    want = dblquad(integrand, *edges, *edges, epsabs=1e-8)[0]
    assert want == pytest.approx(-2.88872605, abs=1e-6)
    near(bounds.iwae(draws(WIDE, 2, 100_000)), want)


@pytest.mark.parametrize(
    ("q", "K", "want", "error"),
    [
        (WIDE, 5, -2.7605, 0.0012),
        (WIDE, 10, -2.7315, 0.0011),
        (WIDE, 50, -2.7107, 0.0011),
        (NARROW, 5, -2.9634, 0.0019),
        (NARROW, 50, -2.7946, 0.0037),
    ],
)
def test_more_draws_as_measured_before(q, K, want, error):
    values = bounds.iwae(draws(q, K, 20_000))
    both = math.hypot(error, values.std().item() / len(values) ** 0.5)
    assert values.mean().item() == pytest.approx(want, abs=4 * both)


def test_weights_at_the_posterior_are_constant():
    log_w = draws(POSTERIOR, 7, 3)
    torch.testing.assert_close(log_w, torch.full((7, 3), LOG_P), atol=1e-9, rtol=0)


def test_many_draws_reach_every_closed_form():
    m, of, log_w = model(), (gaussian(*WIDE), ones()), draws(WIDE, 1_000_000)
    pairs = [
        (bounds.renyi(log_w, 0.5), m.renyi(*of, 0.5)),
        (bounds.cubo(log_w, 1.5), m.cubo(*of, 1.5)),
        (bounds.eubo(log_w), m.eubo(*of)),
    ]
    betas = torch.linspace(0, 1, 11)
    pairs += zip(bounds.tvo(log_w, betas), m.tvo(*of, betas), strict=True)
    for got, want in pairs:
        assert got.item() == pytest.approx(want.item(), abs=0.02)


def test_weights_of_a_prior_without_simple_form():
    q, x = Gaussian(MLP(2, 4)), torch.randn(3, 2)
    prior = GaussianRing().double()
    log_w = bounds.log_weights(q, Gaussian(MLP(2, 4)), prior, x, 5)
    assert log_w.shape == (5, 3) and log_w.isfinite().all()


# ------------------------------------------------------------------ gradients


def encoder_gradients(log_weights, bound, q, K, repeats):
    """Rows of gradients with respect to (mean, log std) of q, for x = (1, 1)."""
    mean = torch.full((repeats, 1), q[0], requires_grad=True)
    log_std = torch.full((repeats, 1), math.log(q[1]) / 2, requires_grad=True)

    def encoder(x):
        return Independent(Gauss(mean, log_std.exp()), 1)

    log_w = log_weights(encoder, model().decoder(), Normal(1), ones(repeats), K)
    grads = torch.autograd.grad(bound(log_w).sum(), (mean, log_std))
    return torch.cat(grads, 1)


@pytest.mark.parametrize("K", [1, 5])
def test_path_gradients_have_the_same_mean(K):
    # for K = 1 the bound is the ELBO, and dreg sticks the landing
    plain = encoder_gradients(bounds.log_weights, bounds.iwae, WIDE, K, 40_000)
    path = encoder_gradients(bounds.path_log_weights, bounds.dreg, WIDE, K, 40_000)
    gap = (plain.mean(0) - path.mean(0)).abs()
    error = ((plain.var(0) + path.var(0)) / 40_000).sqrt()
    assert (gap < 4 * error).all()


def test_the_path_gradient_is_zero_at_the_posterior():
    path = encoder_gradients(
        bounds.path_log_weights, bounds.elbo, POSTERIOR, 3, repeats=10
    )
    plain = encoder_gradients(bounds.log_weights, bounds.elbo, POSTERIOR, 3, repeats=10)
    assert path.abs().max() < 1e-12 and plain.abs().max() > 1e-2


def test_gradient_signal_with_many_draws():
    def signal_to_noise(log_weights, bound, K):
        g = encoder_gradients(log_weights, bound, WIDE, K, 4000)[:, 0]
        return (g.mean().abs() / g.std()).item()

    plain = [signal_to_noise(bounds.log_weights, bounds.iwae, K) for K in (1, 64)]
    path = [signal_to_noise(bounds.path_log_weights, bounds.dreg, K) for K in (1, 64)]
    assert plain[1] < plain[0] / 3
    assert path[1] > path[0]


def test_path_weights_have_the_same_value():
    q, p, x = Gaussian(MLP(2, 4)), Gaussian(MLP(2, 4)), torch.randn(3, 2)
    values = []
    for log_weights in (bounds.log_weights, bounds.path_log_weights):
        torch.manual_seed(4)
        values.append(log_weights(q, p, Normal(2).double(), x, 5))
    torch.testing.assert_close(*values)


# ------------------------------------------------------------------ surgery

DATA = torch.tensor([[1.0, 1.0], [-1.0, -2.0], [0.0, 0.5]])


def codes(std=0.2**0.5, spread=1.0):
    mean = spread * model().posterior(DATA).mean
    return Independent(Gauss(mean, torch.full_like(mean, std)), 1)


def test_golden_surgery():
    q_z, prior = codes(), Normal(1).double()
    kl = kl_divergence(q_z, prior.distribution).mean().item()
    parts = [t.mean().item() for t in bounds.surgery_by_quadrature(q_z, prior, 2000)]
    assert kl == pytest.approx(0.5975564218, abs=1e-9)
    assert parts == pytest.approx([0.4920270563, 0.1055293654], abs=1e-8)


def test_surgery_by_draws():
    drawn = bounds.surgery(codes(), Normal(1).double(), 100_000)
    exact = bounds.surgery_by_quadrature(codes(), Normal(1).double(), 2000)
    for got, want in zip(drawn, exact, strict=True):
        torch.testing.assert_close(got, want, atol=0.02, rtol=0)


def test_surgery_in_the_plane():
    q_z = Independent(Gauss(torch.randn(4, 2), torch.rand(4, 2) + 0.3), 1)
    prior = Normal(2, 1.5).double()
    parts = bounds.surgery_by_quadrature(q_z, prior, 400, 9.0)
    torch.testing.assert_close(
        parts.information + parts.marginal_kl,
        kl_divergence(q_z, prior.distribution),
        atol=1e-8,
        rtol=0,
    )


def test_information_goes_from_zero_to_log_n():
    prior = Normal(1).double()
    none = bounds.surgery_by_quadrature(codes(1.0, 0.0), prior, 2000)
    all_ = bounds.surgery_by_quadrature(codes(0.02, 1.0), prior, 4000)  # 18 std apart
    assert none.information.mean().item() == pytest.approx(0, abs=1e-10)
    assert none.marginal_kl.mean().item() == pytest.approx(0, abs=1e-8)
    assert all_.information.mean().item() == pytest.approx(math.log(3), abs=1e-8)


def test_surgery_of_many_dimensions_is_drawn_not_gridded():
    q_z = Independent(Gauss(torch.zeros(2, 3), torch.ones(2, 3)), 1)
    assert bounds.surgery(q_z, Normal(3).double(), 2).information.abs().max() < 1e-12
    with pytest.raises(ValueError, match="one or two"):
        bounds.surgery_by_quadrature(q_z, Normal(3))


# ------------------------------------------------------------------ annealing


def sandwich(temperatures, n, prior=None, step_size=0.15):
    m, prior = model(), prior or Normal(1).double()
    x, p = ones(n), model().decoder()

    def log_joint(z):
        return p(z).log_prob(x) + prior.log_prob(z)

    low = ais(prior.log_prob, log_joint, prior.sample(n), temperatures, step_size)
    z = m.posterior(x).sample()
    return low, -ais(log_joint, prior.log_prob, z, temperatures, step_size)


@pytest.mark.parametrize("temperatures", [1, 3, 10])
def test_annealing_is_unbiased_on_both_sides(temperatures):
    """Between ends of nearly one width, where weights of both ways have variance.

    From a narrow end to a wide one they have none: from p(z|x) to the prior at one
    temperature 1/w is the harmonic mean of the likelihood.
    """
    wide, end = Normal(1).double(), Gauss(0.6, 0.8**0.5)

    def log_end(z):
        return end.log_prob(z).sum(-1) - 2.0

    low = ais(wide.log_prob, log_end, wide.sample(20_000), temperatures, 0.15)
    z = end.sample((20_000, 1))
    back = ais(log_end, wide.log_prob, z, temperatures, 0.15)
    near((low + 2.0).exp(), 1.0)
    near((back - 2.0).exp(), 1.0)


@pytest.mark.parametrize("temperatures", [1, 3, 10])
def test_annealing_from_the_prior_is_unbiased(temperatures):
    low, _ = sandwich(temperatures, 20_000)
    near((low - LOG_P).exp(), 1.0)


def test_annealing_in_one_stride_is_plain_importance_sampling():
    low, high = sandwich(1, 20_000)
    near(low, model().reconstruction(gaussian(0.0, 1.0), ones()).item())
    near(high, GOLDEN[POSTERIOR]["reconstruction"])


def test_annealing_encloses_log_p_and_closes_in():
    gaps = []
    for temperatures in (3, 10, 100):
        low, high = sandwich(temperatures, 2000)
        assert low.mean() < LOG_P < high.mean()
        gaps.append((high.mean() - low.mean()).item())
    assert gaps[0] > 2 * gaps[1] > 4 * gaps[2]


def test_hamiltonian_moves_keep_the_density():
    def log_density(z):
        return -((z / torch.tensor([1.0, 0.3])) ** 2).sum(-1) / 2

    start = torch.randn(20_000, 2) * torch.tensor([1.0, 0.3])
    nothing = ais(log_density, log_density, start, 5, step_size=0.2)
    assert (nothing == 0).all()
    from adv_ae.annealing import _hamiltonian

    z = start
    for _ in range(5):
        z = _hamiltonian(log_density, z, 0.4, 3)  # long steps: some are refused
    moved = (z != start).any(1).double().mean().item()
    assert moved > 0.9
    np.testing.assert_allclose(z.std(0), [1.0, 0.3], rtol=0.03)


def test_annealing_takes_any_batch_shape():
    def log_end(z):
        return Normal(2, 0.5).double().log_prob(z) + 3.0

    z = torch.randn(4, 5, 2)
    got = ais(Normal(2).double().log_prob, log_end, z, 20)
    assert got.shape == (4, 5)
    assert got.logsumexp((0, 1)).item() - math.log(20) == pytest.approx(3.0, abs=0.5)
