"""Autoencoder, VAE and IWAE against numpy, scipy and closed forms.

Exact first, in float64; then means over draws, within four standard errors.
"""

import itertools

import numpy as np
import pytest
import torch
from scipy.stats import bernoulli, multivariate_normal, norm

from adv_ae import games
from adv_ae.conditionals import Bernoulli, FixedScaleGaussian, Gaussian
from adv_ae.networks import MLP
from adv_ae.priors import Normal, SwissRoll

pytestmark = pytest.mark.usefixtures("double")

D, DIM = 6, 3


def make(Game, p=Bernoulli, scale=1.0, **options):
    """A small game on random weights."""
    q = Gaussian(MLP(D, 8, 2 * DIM))
    return Game(q, p(MLP(DIM, 8, D)), Normal(DIM, scale), **options)


def kl_by_hand(mean, std, scale):
    """KL(N(mean, std^2) || N(0, scale^2)) summed over dimensions, in numpy."""
    ratio = (std / scale) ** 2
    return 0.5 * (ratio + (mean / scale) ** 2 - 1 - np.log(ratio)).sum(1)


def same_draw(game, x, seed=3):
    """The draw that the game makes after that seed, and the code's mean and std."""
    torch.manual_seed(seed)
    q = game.q(x)
    z = q.rsample()
    torch.manual_seed(seed)
    return z, q.base_dist.loc.detach().numpy(), q.base_dist.scale.detach().numpy()


# ------------------------------------------------------------------ VAE, line by line


@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_vae_is_kl_minus_bernoulli_log_likelihood(scale):
    game, x = make(games.VAE, scale=scale), (torch.rand(20, D) > 0.5).double()
    z, mean, std = same_draw(game, x)
    loss = game.losses(x)["qp"].item()
    probs = game.p(z).mean.detach().numpy()
    log_lik = bernoulli.logpmf(x.numpy().astype(int), probs).sum(1)
    want = (kl_by_hand(mean, std, scale) - log_lik).mean()
    assert loss == pytest.approx(want, abs=1e-10)


@pytest.mark.parametrize("noise", [1.0, 0.3])
def test_vae_is_kl_minus_gaussian_log_likelihood(noise):
    game = make(games.VAE, lambda net: FixedScaleGaussian(net, noise))
    x = torch.rand(20, D)
    z, mean, std = same_draw(game, x)
    loss = game.losses(x)["qp"].item()
    x_hat = game.p(z).mean.detach().numpy()
    log_lik = norm.logpdf(x.numpy(), x_hat, noise).sum(1)
    want = (kl_by_hand(mean, std, 1.0) - log_lik).mean()
    assert loss == pytest.approx(want, abs=1e-6)  # scale is a float32 buffer


def test_autoencoder_has_no_kl():
    game, x = make(games.Autoencoder), (torch.rand(20, D) > 0.5).double()
    z, _, _ = same_draw(game, x)
    want = -game.p(z).log_prob(x).mean()
    torch.testing.assert_close(game.losses(x)["qp"], want)


@pytest.mark.parametrize("Game", [games.IWAE, games.BinarizedIWAE])
def test_iwae_is_the_log_of_mean_weights(Game):
    game, x = make(Game, K=4), (torch.rand(7, D) > 0.5).double()
    if Game is games.BinarizedIWAE:  # bits are drawn first, and stay what they are
        torch.manual_seed(3)
        x.bernoulli()
        state = torch.get_rng_state()
    else:
        state = torch.manual_seed(3).get_state()
    q = game.q(x)
    torch.set_rng_state(state)
    z = q.rsample((4,))
    torch.manual_seed(3)
    loss = game.losses(x)["qp"].item()
    mean, std = (v.detach().numpy() for v in (q.base_dist.loc, q.base_dist.scale))
    probs = game.p(z.flatten(0, 1)).mean.detach().numpy().reshape(4, 7, D)
    log_w = bernoulli.logpmf(x.numpy().astype(int), probs).sum(2)
    z = z.detach().numpy()
    log_w += (norm.logpdf(z) - norm.logpdf(z, mean, std)).sum(2)
    want = -np.log(np.exp(log_w).mean(0)).mean()
    assert loss == pytest.approx(want, abs=1e-10)


def test_pixels_are_drawn_anew_at_every_step():
    """Grey 1/4 is a bit in a quarter of the draws, and no grey reaches the loss."""
    game, seen = make(games.BinarizedIWAE, K=1), []
    game.q.register_forward_hook(lambda q, given, out: seen.append(given[0]))
    for _ in range(500):
        game.losses(torch.full((8, D), 0.25, dtype=torch.float64))
    bits = torch.stack(seen)
    assert set(bits.unique().tolist()) == {0.0, 1.0}
    assert abs(bits.mean().item() - 0.25) < 4 * (0.1875 / bits.numel()) ** 0.5
    assert (bits.std(0) > 0).all()


def test_pixels_are_summed_and_examples_averaged():
    """Every pixel twice doubles the likelihood term; every example twice, nothing."""
    game, x = make(games.VAE), (torch.rand(20, D) > 0.5).double()
    last = game.q.net.layers[-1]
    with torch.no_grad():
        last.weight[DIM:], last.bias[DIM:] = 0.0, -25.0  # hardly any noise in z
    loss = game.losses(x)["qp"].item()
    kl = torch.distributions.kl_divergence(game.q(x), game.prior.distribution).mean()
    wide = games.VAE(game.q, game.p, game.prior)
    assert wide.losses(torch.cat([x, x]))["qp"].item() == pytest.approx(loss, abs=1e-8)
    head = game.p.net.layers[-1]
    twice = torch.nn.Linear(8, 2 * D)
    with torch.no_grad():
        twice.weight.copy_(head.weight.repeat(2, 1))
        twice.bias.copy_(head.bias.repeat(2))
    game.p.net.layers[-1] = twice
    game.q.net.layers.insert(0, Half())
    loss_twice = game.losses(torch.cat([x, x], dim=1))["qp"].item()
    assert loss_twice - kl.item() == pytest.approx(2 * (loss - kl.item()), abs=1e-7)


class Half(torch.nn.Module):
    """The first half of the pixels."""

    def forward(self, x):
        return x[:, : x.shape[1] // 2]


def test_the_prior_of_the_vae_is_the_one_given():
    """A prior twice as wide changes the loss by its closed form and nothing else."""
    narrow, x = make(games.VAE), (torch.rand(20, D) > 0.5).double()
    wide = games.VAE(narrow.q, narrow.p, Normal(DIM, 2.0))
    _, mean, std = same_draw(narrow, x)
    a = narrow.losses(x)["qp"].item()
    torch.manual_seed(3)
    b = wide.losses(x)["qp"].item()
    want = kl_by_hand(mean, std, 2.0).mean() - kl_by_hand(mean, std, 1.0).mean()
    assert b - a == pytest.approx(want, abs=1e-10)


def test_iwae_says_that_it_needs_a_density():
    q, p = Gaussian(MLP(D, 8, 4)), Bernoulli(MLP(2, 8, D))
    with pytest.raises(TypeError, match="no density"):
        games.IWAE(q, p, SwissRoll()).losses(torch.rand(4, D))


# ------------------------------------------------------------ linear-Gaussian model

W = torch.tensor(
    [[1.0], [2.0]], dtype=torch.float64
)  # x | z ~ N(W z, 0.5 I), z ~ N(0, 1)
NOISE = 0.5**0.5
LOG_P = -2.7073138859  # log p(x) at x = (1, 1)
X = torch.ones(1, 2, dtype=torch.float64)


def linear(W, noise):
    """p(x|z) = N(W z, noise^2 I), exact in float64."""
    net = MLP(W.shape[1], W.shape[0])
    with torch.no_grad():
        net.layers[0].weight.copy_(W)
        net.layers[0].bias.zero_()
    p = FixedScaleGaussian(net, noise)
    p.scale = torch.tensor(noise)
    return p


def fixed(weight, bias, std):
    """q(z|x) = N(weight x + bias, std^2), std (d,)."""
    d, pixels = weight.shape
    net = MLP(pixels, 2 * d)
    with torch.no_grad():
        net.layers[0].weight.copy_(torch.cat([weight, torch.zeros(d, pixels)]))
        net.layers[0].bias.copy_(torch.cat([bias, std.log()]))
    return Gaussian(net)


def posterior(W, noise):
    """The true posterior; W's columns must be orthogonal, or it is not diagonal."""
    M = W.T @ W + noise**2 * torch.eye(W.shape[1])
    std = noise / M.diagonal().sqrt()
    return fixed(torch.linalg.solve(M, W.T), torch.zeros(W.shape[1]), std)


def golden(Game, std, **options):
    """The game with q = N(0.3, std^2) whatever x is."""
    q = fixed(torch.zeros(1, 2), torch.tensor([0.3]), torch.tensor([std]))
    return Game(q, linear(W, NOISE), Normal(1), **options)


def mean_and_error(game, x):
    """-loss averaged over 200 draws of the game's noise, with its standard error."""
    with torch.no_grad():
        runs = torch.stack([-game.losses(x)["qp"] for _ in range(200)])
    return runs.mean().item(), runs.std().item() / 200**0.5


@pytest.mark.parametrize("K", [1, 2, 7])
def test_one_draw_of_the_true_posterior_gives_log_p(K):
    """Every weight is p(x): no draw, and no number of draws, changes the bound."""
    columns = torch.linalg.qr(torch.randn(5, 2))[0] * torch.tensor([2.0, 0.7])
    game = games.IWAE(posterior(columns, 0.6), linear(columns, 0.6), Normal(2), K=K)
    x = torch.randn(9, 5)
    cov = (columns @ columns.T + 0.36 * torch.eye(5)).numpy()
    want = multivariate_normal(np.zeros(5), cov).logpdf(x.numpy()).mean()
    assert -game.losses(x)["qp"].item() == pytest.approx(want, abs=1e-6)


def test_golden_log_likelihood():
    game = games.IWAE(posterior(W, NOISE), linear(W, NOISE), Normal(1), K=1)
    assert -game.losses(X)["qp"].item() == pytest.approx(LOG_P, abs=1e-9)


@pytest.mark.parametrize(
    ("std", "elbo"), [(0.2**0.5, -3.2444488421), (0.2, -3.1691677983)]
)
def test_golden_elbo_with_the_kl_integrated_and_drawn(std, elbo):
    x = X.expand(2000, 2)
    for game in (golden(games.VAE, std), golden(games.IWAE, std, K=1)):
        mean, error = mean_and_error(game, x)
        assert abs(mean - elbo) < 4 * error + 1e-6
        assert error < 0.01


@pytest.mark.parametrize(
    ("K", "bound", "spread"),
    [(2, -2.88872605, 0.0), (5, -2.7605, 0.0012), (10, -2.7315, 0.0011)],
)
def test_golden_importance_weighted_bounds(K, bound, spread):
    mean, error = mean_and_error(golden(games.IWAE, 0.2**0.5, K=K), X.expand(500, 2))
    assert abs(mean - bound) < 4 * (error + spread)
    assert error < 0.005


def test_the_bound_never_falls_in_K():
    bounds = [
        mean_and_error(golden(games.IWAE, 0.2, K=K), X.expand(500, 2))
        for K in (1, 2, 5, 20)
    ]
    for (low, e), (high, f) in itertools.pairwise(bounds):
        assert low < high + 4 * (e + f)
    assert bounds[0][0] + 0.2 < bounds[-1][0] < LOG_P + 4 * bounds[-1][1]


# ----------------------------------------------------------------------- gradients


@pytest.mark.parametrize(("Game", "options"), [(games.VAE, {}), (games.IWAE, {"K": 3})])
@pytest.mark.parametrize("p", [Bernoulli, FixedScaleGaussian])
def test_gradients_are_those_of_finite_differences(Game, options, p):
    """With the noise held, through the reparameterized draw and the KL."""
    game, x = make(Game, p, **options), torch.rand(4, D)
    names = [name for name, _ in game.named_weights("qp") if "bias" in name]

    def loss(*weights):
        torch.manual_seed(5)
        given = dict(zip(names, weights, strict=True))
        return torch.func.functional_call(Loss(game), prefixed(given), (x,))

    start = [dict(game.named_weights("qp"))[n].detach().clone() for n in names]
    assert torch.autograd.gradcheck(loss, [s.requires_grad_() for s in start])


class Loss(torch.nn.Module):
    """The game's loss as the forward of a module."""

    def __init__(self, game):
        super().__init__()
        self.game = game

    def forward(self, x):
        return self.game.losses(x)["qp"]


def prefixed(weights):
    return {f"game.{name}": w for name, w in weights.items()}


def test_the_posterior_is_where_the_encoder_stops():
    """At q = p(z|x) the mean gradient of the ELBO in the encoder is zero."""
    game = games.VAE(posterior(W, NOISE), linear(W, NOISE), Normal(1))
    loss = game.losses(X.expand(400_000, 2))["qp"]
    slope = torch.autograd.grad(loss, game.q.net.layers[0].bias)[0]
    assert slope.abs().max() < 0.02
    off = golden(games.VAE, 0.2**0.5)
    slope = torch.autograd.grad(
        off.losses(X.expand(400_000, 2))["qp"], off.q.net.layers[0].bias
    )[0]
    # d/dm of -ELBO: -w'(x - w m) / 0.5 + m = 11 m - 6;  d/dlog s: 11 s^2 - 1
    torch.testing.assert_close(slope, torch.tensor([-2.7, 1.2]), atol=0.03, rtol=0)


@pytest.mark.parametrize("Game", [games.VAE, games.IWAE])
def test_finite_at_extreme_logits(Game):
    game, x = make(Game), (torch.rand(6, D) > 0.5).double()
    with torch.no_grad():
        game.p.net.layers[-1].bias.copy_(torch.tensor([100.0, -100.0] * 3))
    loss = game.losses(x)["qp"]
    slopes = torch.autograd.grad(loss, game.weights("qp"))
    assert loss.isfinite() and all(s.isfinite().all() for s in slopes)
