"""AAE, GMMN, GMMN+AE and WAE-MMD line by line: who is real, who moves, in which order.

Exact, in float64; then the gradients at an optimal discriminator against quadrature.
"""

import copy

import numpy as np
import pytest
import torch
from scipy.stats import norm

from adv_ae import games, step
from adv_ae.conditionals import Deterministic, FixedScaleGaussian, Gaussian, Noisy
from adv_ae.divergences import imq, rbf
from adv_ae.games.gmmn import GMMNAutoencoder
from adv_ae.networks import MLP, Discriminator
from adv_ae.priors import GaussianRing, Normal, Prior, SwissRoll
from adv_ae.training import adam, fit

pytestmark = pytest.mark.usefixtures("double")

X, Z, N = 5, 2, 12
LR = {"reconstruction": 0.03, "D": 0.2, "G": 0.1}


class Fixed(Prior):
    """A prior that returns what it was given."""

    dim = Z

    def __init__(self, z):
        super().__init__()
        self.register_buffer("z", z)

    def sample(self, n):
        return self.z


def encoder(kind):
    return {
        "deterministic": lambda: Deterministic(MLP(X, 8, Z)),
        "gaussian": lambda: Gaussian(MLP(X, 8, 2 * Z)),
        "universal": lambda: Noisy(MLP(X + 3, 8, Z), noise=3),
    }[kind]()


def make(kind="deterministic", D=None, scale=0.5):
    prior = Fixed(torch.randn(N, Z))
    p = FixedScaleGaussian(MLP(Z, 8, X), scale)
    return games.AAE(encoder(kind), p, prior, D or Discriminator(Z, 8))


def sgd(game, lr=LR):
    return {k: torch.optim.SGD(game.weights(k), lr[k]) for k in game.players}


def log_sigmoid(logits):
    """In numpy, on its own."""
    return -np.logaddexp(0, -logits.detach().numpy())


def moved(net, loss, lr):
    """A copy of `net` after one step of gradient descent, by autograd alone."""
    after = copy.deepcopy(net)
    slopes = torch.autograd.grad(loss, list(net.parameters()), retain_graph=True)
    with torch.no_grad():
        for w, slope in zip(after.parameters(), slopes, strict=True):
            w -= lr * slope
    return after


# ---------------------------------------------------------------- losses, line by line


def test_the_prior_is_real_and_codes_are_fake():
    game, x = make(), torch.rand(N, X)
    losses = game.losses(x)
    on_prior, on_codes = game.D(game.prior.z), game.D(game.q.net(x))
    d = -(log_sigmoid(on_prior).mean() + log_sigmoid(-on_codes).mean())
    assert losses["D"].item() == pytest.approx(d, abs=1e-12)
    g = -log_sigmoid(on_codes).mean()
    assert losses["G"].item() == pytest.approx(g, abs=1e-12)


def test_reconstruction_is_summed_over_pixels_and_averaged_over_examples():
    game, x = make(scale=0.5), torch.rand(N, X)
    x_hat = game.p.net(game.q.net(x)).detach().numpy()
    want = -norm.logpdf(x.numpy(), x_hat, 0.5).sum(1).mean()
    assert game.losses(x)["reconstruction"].item() == pytest.approx(want, abs=1e-12)


def test_three_turns_in_the_papers_order():
    turns = [list(turn) for turn in make().play(torch.rand(N, X))]
    assert turns == [["reconstruction"], ["D"], ["G"]]


def test_one_step_equals_autograd_by_hand():
    """Each turn sees what the ones before have moved, D's included."""
    game, x = make(), torch.rand(N, X)
    q, p, D, z = (copy.deepcopy(n) for n in (game.q, game.p, game.D, game.prior.z))

    cost = -p(q(x).rsample()).log_prob(x).mean()
    q_, p = moved(q, cost, LR["reconstruction"]), moved(p, cost, LR["reconstruction"])
    z_hat = q_(x).rsample()
    loss = -(D(z).sigmoid().log().mean() + (1 - D(z_hat).sigmoid()).log().mean())
    D = moved(D, loss, LR["D"])
    q = moved(q_, -D(q_(x).rsample()).sigmoid().log().mean(), LR["G"])

    step(game, sgd(game), x)
    for mine, theirs in ((q, game.q), (p, game.p), (D, game.D)):
        for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["deterministic", "gaussian", "universal"])
def test_the_generator_turn_reaches_every_weight_of_the_encoder(kind):
    game = make(kind)
    loss = game.losses(torch.rand(N, X))["G"]
    for w, slope in zip(
        game.weights("G"), torch.autograd.grad(loss, game.weights("G")), strict=True
    ):
        assert slope.abs().sum() > 0, w.shape
    assert {id(w) for w in game.weights("G")} == {id(w) for w in game.q.parameters()}


def test_codes_are_detached_where_d_moves():
    """D's loss must not hold the encoder's graph: the encoder is not D's to move."""
    game, x = make("gaussian"), torch.rand(N, X)
    loss = game.losses(x)["D"]
    slopes = torch.autograd.grad(loss, list(game.q.parameters()), allow_unused=True)
    assert slopes == (None,) * len(slopes)


@pytest.mark.parametrize("kind", ["gaussian", "universal"])
def test_d_and_g_see_one_draw_made_after_the_reconstruction(kind):
    game, x = make(kind), torch.rand(N, X)
    seen, drawn = [], []
    game.p.register_forward_hook(lambda _, given, out: drawn.append(given[0].detach()))
    game.D.register_forward_hook(lambda _, given, out: seen.append(given[0].detach()))
    step(game, sgd(game), x)
    on_prior, on_codes, in_turn_of_g = seen
    assert torch.equal(on_prior, game.prior.z)
    assert torch.equal(on_codes, in_turn_of_g)  # D has moved in between
    assert not torch.allclose(drawn[0], on_codes)  # q has moved since


# ------------------------------------------------------------------------- posteriors


def test_the_deterministic_posterior_has_no_randomness_of_its_own():
    game, x = make("deterministic"), torch.rand(1, X).expand(50, X)
    assert game.codes(x).std(0).max() < 1e-12
    with pytest.raises(TypeError, match="no density"):
        game.q(x).log_prob(game.codes(x))


def test_the_gaussian_posterior_has_the_moments_that_it_says():
    q, x = encoder("gaussian"), torch.rand(1, X)
    mean, log_std = q.net(x)[0].chunk(2)
    draws = q(x.expand(40_000, X)).sample()
    z = (draws.mean(0) - mean) / (log_std.exp() / 200)
    assert z.abs().max() < 4.5
    torch.testing.assert_close(draws.std(0), log_std.exp(), rtol=0.02, atol=0)


def test_the_universal_posterior_can_be_anything_a_function_of_noise_can_be():
    class Sign(torch.nn.Module):  # two points: no Gaussian
        def forward(self, x, eta):
            return x[:, :1] + eta.sign()

    q = Noisy(Sign(), noise=1)
    draws = q(torch.full((4000, X), 0.5)).rsample()[:, 0]
    assert set(draws.tolist()) == {-0.5, 1.5}
    assert abs((draws > 0).double().mean() - 0.5) < 4 * 0.5 / 4000**0.5


@pytest.mark.parametrize("prior", [SwissRoll(), GaussianRing(), Normal(2)])
@pytest.mark.parametrize("kind", ["deterministic", "gaussian", "universal"])
def test_any_posterior_plays_with_any_prior_that_can_be_drawn(kind, prior):
    game, x = make(kind), torch.rand(N, X)
    game.prior = prior.double()
    report = step(game, sgd(game), x)
    assert all(v.isfinite() for v in report.values())


# ------------------------------------- gradients at an optimal discriminator


class Optimal(torch.nn.Module):
    """log p(z) - log q(z), p = N(0, 1), q = N(m, s^2): the logit of the optimal D."""

    def __init__(self, m, s):
        super().__init__()
        self.m, self.s = m, s
        self.unused = torch.nn.Parameter(torch.zeros(()))

    def forward(self, z):
        ratio = ((z - self.m) / self.s).square() - z.square()
        return (ratio / 2 + np.log(self.s)).squeeze(1) + 0 * self.unused


class Affine(torch.nn.Module):
    """x -> m + s x, in the place of an encoder network."""

    def __init__(self, m, s):
        super().__init__()
        self.m = torch.nn.Parameter(torch.tensor(float(m)))
        self.s = torch.nn.Parameter(torch.tensor(float(s)))

    def forward(self, x):
        return self.m + self.s * x


def quantiles(n):
    """x ~ N(0, 1) without noise."""
    return torch.tensor(norm.ppf((np.arange(n) + 0.5) / n))[:, None]


def softened(m, s):
    """2 KL((p + q) / 2 || p) for p = N(0, 1), q = N(m, s^2), by quadrature."""
    z = np.linspace(-12, 12, 40_001)
    p, q = norm.pdf(z), norm.pdf(z, m, s)
    mean = (p + q) / 2
    return (2 * mean * (np.log(mean) - norm.logpdf(z))).sum() * (z[1] - z[0])


@pytest.mark.parametrize(("m", "s"), [(1.5, 1.0), (-0.8, 0.6), (0.0, 1.4)])
def test_at_the_optimal_d_the_encoder_descends_a_divergence(m, s):
    """The non-saturating turn of G has the gradient of 2 KL((p + q) / 2 || p)."""
    net = Affine(m, s)
    p = FixedScaleGaussian(Affine(0, 1))
    game = games.AAE(Deterministic(net), p, Normal(1), Optimal(m, s))
    loss = game.losses(quantiles(20_000))["G"]
    got = torch.autograd.grad(loss, [net.m, net.s])
    h = 1e-4
    want = (
        (softened(m + h, s) - softened(m - h, s)) / (2 * h),
        (softened(m, s + h) - softened(m, s - h)) / (2 * h),
    )
    np.testing.assert_allclose([float(g) for g in got], want, atol=2e-3)
    if m:
        assert got[0] * m > 0.1  # descending brings the mean to the prior's


@pytest.mark.parametrize("Game", [games.VAE, games.IWAE])
def test_who_needs_a_density_says_so_and_says_who_does_not(Game):
    p = FixedScaleGaussian(MLP(Z, 8, X))
    game = Game(encoder("gaussian"), p, SwissRoll())
    with pytest.raises(TypeError, match=r"SwissRoll .*AAE"):
        game.losses(torch.rand(N, X))


def test_at_the_match_the_encoder_stands_still():
    net = Affine(0, 1)
    p = FixedScaleGaussian(Affine(0, 1))
    game = games.AAE(Deterministic(net), p, Normal(1), Optimal(0.0, 1.0))
    loss = game.losses(quantiles(1000))["G"]
    assert loss.item() == pytest.approx(np.log(2))
    got = torch.autograd.grad(loss, [net.m, net.s])
    assert max(abs(float(g)) for g in got) < 1e-12


def test_aae_brings_codes_to_a_far_prior():
    """Short run: codes that start near 0 end with the mean and spread of the prior."""
    torch.set_default_dtype(torch.float32)
    x = torch.rand(300, X)
    prior = Fixed(torch.randn(100, Z) * 0.5 + 2)
    game = games.AAE(
        encoder("gaussian"),
        FixedScaleGaussian(MLP(Z, 8, X)),
        prior.float(),
        Discriminator(Z, 32),
    )
    fit(game, x, adam(game, 5e-3, (0.5, 0.999)), steps=600, seed=0)
    z = game.codes(x)
    assert (z.mean(0) - 2).abs().max() < 0.35
    assert 0.25 < z.std(0).mean() < 0.8


# --------------------------------------------------------------------- moment matching


def gram(kernel, a, b):
    return kernel(torch.tensor(((a[:, None] - b[None]) ** 2).sum(2))).numpy()


def mmd2_by_loops(kernel, a, b):
    """Unbiased MMD^2, by the sums of its definition."""
    a, b = a.detach().numpy(), b.detach().numpy()
    n, m = len(a), len(b)
    aa, bb, ab = gram(kernel, a, a), gram(kernel, b, b), gram(kernel, a, b)
    within = sum(aa[i, j] for i in range(n) for j in range(n) if i != j) / n / (n - 1)
    other = sum(bb[i, j] for i in range(m) for j in range(m) if i != j) / m / (m - 1)
    return within + other - 2 * ab.mean()


def test_gmmn_is_mmd_of_data_and_samples_with_the_papers_scales():
    x, z = 10 * torch.rand(N, X), torch.randn(N, Z)
    game = games.GMMN(Deterministic(MLP(Z, 8, X)), Fixed(z))
    want = mmd2_by_loops(rbf(2, 5, 10, 20, 40, 80), x, game.p.net(z))
    assert game.losses(x)["p"].item() == pytest.approx(want, abs=1e-10)


def fitted_afterwards():
    g = Deterministic(MLP(3, 8, Z))
    noise = Fixed(torch.rand(N, 3))
    p = FixedScaleGaussian(MLP(Z, 8, X))
    return GMMNAutoencoder(encoder("deterministic"), p, noise, g)


def test_gmmn_autoencoder_moves_only_the_code_maker():
    game, x = fitted_afterwards(), torch.rand(N, X)
    before = copy.deepcopy(game.state_dict())
    step(game, {"g": torch.optim.SGD(game.weights("g"), 0.5)}, x)
    changed = {k for k, v in game.state_dict().items() if not torch.equal(before[k], v)}
    assert changed == {k for k in before if k.startswith("g.")}


def test_gmmn_autoencoder_compares_codes_with_made_codes_and_decodes_these():
    game, x = fitted_afterwards(), torch.rand(N, X)
    made = game.g.net(game.prior.z)
    want = mmd2_by_loops(rbf(1.0), game.q.net(x), made)
    assert game.losses(x)["g"].item() == pytest.approx(want, abs=1e-10)
    assert torch.equal(game.sample(N), game.p.net(made))


@pytest.mark.parametrize("weight", [0.0, 10.0, 500.0])
def test_wae_is_reconstruction_plus_weighted_mmd(weight):
    x, z = torch.rand(N, X), torch.randn(N, Z)
    p = FixedScaleGaussian(MLP(Z, 8, X), 0.5)
    game = games.WAEMMD(encoder("deterministic"), p, Fixed(z), weight)
    z_hat = game.q.net(x)
    x_hat = p.net(z_hat).detach().numpy()
    reconstruction = -norm.logpdf(x.numpy(), x_hat, 0.5).sum(1).mean()
    penalty = mmd2_by_loops(imq((2 * Z) ** 0.5), z_hat, z)  # C = 2 dim(z)
    want = reconstruction + weight * penalty
    assert game.losses(x)["qp"].item() == pytest.approx(want, abs=1e-9)


def test_both_halves_of_wae_reach_the_encoder():
    x, z = torch.rand(N, X), torch.randn(N, Z)
    p = FixedScaleGaussian(MLP(Z, 8, X), 0.5)
    game = games.WAEMMD(encoder("deterministic"), p, Fixed(z), 0.0)
    slopes = []
    for weight in (0.0, 100.0):
        game.weight = weight
        (slope,) = torch.autograd.grad(
            game.losses(x)["qp"], [game.q.net.layers[0].weight]
        )
        slopes.append(slope)
    assert slopes[0].abs().sum() > 0
    assert not torch.allclose(*slopes)
