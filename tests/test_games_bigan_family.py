"""BiGAN, its variants and its baselines line by line.

Exact, in float64, by numpy and autograd alone; then short runs.
"""

import copy

import numpy as np
import pytest
import torch
from scipy.stats import norm
from test_games_aae import Fixed, log_sigmoid, moved, sgd
from torch import nn

from adv_ae import games, step
from adv_ae.conditionals import (
    Deterministic,
    FixedScaleGaussian,
    FixedScaleLaplace,
    Signs,
)
from adv_ae.networks import MLP, Discriminator
from adv_ae.priors import Prior, Uniform
from adv_ae.training import adam, fit

pytestmark = pytest.mark.usefixtures("double")

X, Z, H, N = 6, 2, 8, 12
LR = {"D": 0.2, "G": 0.1, "E": 0.07, "GE": 0.05}


class Series(Prior):
    """A prior that returns one tensor after the other."""

    dim = Z

    def __init__(self, *draws):
        super().__init__()
        self.draws, self.asked = draws, 0

    def sample(self, n):
        self.asked += 1
        return self.draws[self.asked - 1]


def net(*widths):
    return MLP(*widths, activation=nn.Tanh)


def parts():
    E, G = Deterministic(net(X, H, Z)), Deterministic(net(Z, H, X))
    return E, G, Fixed(2 * torch.rand(N, Z) - 1), Discriminator(X + Z, H)


def on_pairs(E, G, D, x, z):
    return D(x, E(x)), D(G(z), z)


def costs(on_E, on_G):
    """D's, and that with the labels swapped, by sigmoids."""
    d = -on_E.sigmoid().log().mean() - (1 - on_G.sigmoid()).log().mean()
    g = -(1 - on_E.sigmoid()).log().mean() - on_G.sigmoid().log().mean()
    return d, g


def check(losses, **want):
    assert list(losses) == list(want)
    for player, value in want.items():
        want_it = torch.as_tensor(value).item()
        assert losses[player].item() == pytest.approx(want_it, abs=1e-12), player


def equal(theirs, mine):
    for a, b in zip(theirs.parameters(), mine.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def moves(a, b):
    """Whether any weight of a network differs from the other's."""
    pairs = zip(a.parameters(), b.parameters(), strict=True)
    return any(not torch.equal(u, v) for u, v in pairs)


def seen_by(net):
    """What a network is given from now on, call by call."""
    calls = []
    net.register_forward_hook(
        lambda _, given, out: calls.append([g.detach().clone() for g in given])
    )
    return calls


# ------------------------------------------------------------------------------- BiGAN


def test_bigan_is_the_value_and_its_inverse_at_e_of_x_and_g_of_z():
    E, G, prior, D = parts()
    game, x = games.BiGAN(E, G, prior, D), torch.rand(N, X)
    on_E, on_G = on_pairs(E.net, G.net, D, x, prior.z)
    d = -log_sigmoid(on_E).mean() - log_sigmoid(-on_G).mean()
    g = -log_sigmoid(-on_E).mean() - log_sigmoid(on_G).mean()
    check(game.losses(x), D=d, G=g)


@pytest.mark.parametrize("Game", [games.BiGAN, games.SaturatingBiGAN])
def test_batch_norm_in_d_sees_the_two_kinds_of_pairs_apart(Game):
    """Unlike ALI's, which is asked once of both."""
    E, G, prior, _ = parts()
    D = Discriminator(X + Z, H, batch_norm=True)
    game, x = Game(E, G, prior, D), torch.rand(N, X)
    on_E, on_G = on_pairs(E.net, G.net, copy.deepcopy(D), x, prior.z)
    rows = torch.cat([x, E.net(x)], 1), torch.cat([G.net(prior.z), prior.z], 1)
    of_E, of_G = game.judge(*game.pairs(x))
    torch.testing.assert_close(of_E, on_E)
    torch.testing.assert_close(of_G, on_G)
    mean = 0.0
    for pairs in rows:  # first of E, then of G
        mean = 0.9 * mean + 0.1 * D.layers[0](pairs).mean(0).detach()
    torch.testing.assert_close(D.layers[1].running_mean, mean)
    assert D.layers[1].num_batches_tracked == 2
    d = -log_sigmoid(on_E).mean() - log_sigmoid(-on_G).mean()
    assert game.losses(x)["D"].item() == pytest.approx(d, abs=1e-12)
    ali = games.ALI(E, G, prior, D).losses(x)["D"].item()
    assert abs(ali - d) > 1e-4


def test_e_and_g_are_q_and_p():
    E, G, prior, D = parts()
    game, x, z = games.BiGAN(E, G, prior, D), torch.rand(N, X), torch.randn(N, Z)
    assert game.q is E and game.p is G and game.prior is prior and game.D is D
    assert torch.equal(game.E(x), E.net(x)) and torch.equal(game.G(z), G.net(z))
    for out, own in ((game.E(x), E), (game.G(z), G)):
        slopes = torch.autograd.grad(out.sum(), list(own.parameters()))
        assert all(s.any() for s in slopes)
    for code in (game.encode(x), game.codes(x)):
        assert torch.equal(code, E.net(x))
    assert torch.equal(game.decode(z), G.net(z))
    assert torch.equal(game.reconstruct(x), G.net(E.net(x)))
    assert torch.equal(game.sample(N), G.net(prior.z))


def test_one_step_of_bigan_equals_autograd_by_hand():
    E, G, prior, D = parts()
    game, x = games.BiGAN(E, G, prior, D), torch.rand(N, X)
    d, g = costs(*on_pairs(E.net, G.net, D, x, prior.z))
    want = moved(E, g, LR["G"]), moved(G, g, LR["G"]), moved(D, d, LR["D"])
    step(game, sgd(game, {k: LR[k] for k in game.players}), x)
    for theirs, mine in zip((game.q, game.p, game.D), want, strict=True):
        equal(theirs, mine)


def test_signs_can_be_the_encoder():
    """E(x) = 2 sigmoid(.) - 1, as in the authors' code, drawn and mean alike."""
    _, G, prior, D = parts()
    E, x = Signs(net(X, H, Z)), torch.rand(N, X)
    game = games.BiGAN(E, G, prior, D)
    code = 2 * E.net(x).sigmoid() - 1
    torch.testing.assert_close(game.E(x), code)
    torch.testing.assert_close(game.encode(x), code)
    torch.testing.assert_close(game.codes(x), code)
    on_E, on_G = D(x, code), D(G.net(prior.z), prior.z)
    d, g = costs(on_E, on_G)
    check(game.losses(x), D=d, G=g)


# -------------------------------------------------------------------- whom they answer


def test_saturating_players_descend_the_value_itself():
    E, G, prior, D = parts()
    game, x = games.SaturatingBiGAN(E, G, prior, D), torch.rand(N, X)
    on_E, on_G = on_pairs(E.net, G.net, D, x, prior.z)
    value = log_sigmoid(on_E).mean() + log_sigmoid(-on_G).mean()
    check(game.losses(x), D=-value, G=value)


def test_one_saturating_step_equals_autograd_by_hand():
    E, G, prior, D = parts()
    game, x = games.SaturatingBiGAN(E, G, prior, D), torch.rand(N, X)
    d, _ = costs(*on_pairs(E.net, G.net, D, x, prior.z))
    want = moved(E, -d, LR["G"]), moved(G, -d, LR["G"]), moved(D, d, LR["D"])
    assert [list(turn) for turn in game.play(x)] == [["D", "G"]]
    step(game, sgd(game, {k: LR[k] for k in game.players}), x)
    for theirs, mine in zip((game.q, game.p, game.D), want, strict=True):
        equal(theirs, mine)


def test_where_d_is_sure_the_value_is_flat_and_its_inverse_is_not():
    E, G, prior, _ = parts()

    class Sure(nn.Module):
        """Right by 20 nats whatever it sees; it looks at the codes a little."""

        def forward(self, x, z):
            side = 20 * (x.mean(1) - 2.5).sign()  # data are above 2.5, drawings below
            return side + 0.1 * z.sum(1) + 0.1 * x.sum(1)

    slopes = {}
    for Game in (games.BiGAN, games.SaturatingBiGAN):
        game = Game(E, G, prior, Sure())
        loss = game.losses(5 + torch.rand(N, X))["G"]
        slopes[Game] = torch.autograd.grad(loss, game.weights("G"))
    inverse, saturating = slopes.values()
    for steep, flat in zip(inverse, saturating, strict=True):
        assert steep.any() and flat.norm() < 1e-6 * steep.norm()


def test_in_turn_g_meets_new_pairs_and_the_d_that_has_moved():
    """D first; E and G have not moved between the two draws of pairs."""
    E, G, _, D = parts()
    first, second = torch.randn(2, N, Z)
    game, x = games.AlternatingBiGAN(E, G, Series(first, second), D), torch.rand(N, X)
    judged = seen_by(D)
    d, _ = costs(*on_pairs(E.net, G.net, D, x, first))
    new_D = moved(D, d, LR["D"])
    _, g = costs(*on_pairs(E.net, G.net, new_D, x, second))
    want = moved(E, g, LR["G"]), moved(G, g, LR["G"]), new_D
    judged.clear()
    step(game, sgd(game, {k: LR[k] for k in game.players}), x)
    for theirs, mine in zip((game.q, game.p, game.D), want, strict=True):
        equal(theirs, mine)
    assert game.prior.asked == 2
    (_, _), (_, z), (_, _), (_, new_z) = judged
    assert torch.equal(z, first) and torch.equal(new_z, second)


def test_alternating_losses_and_turns():
    E, G, prior, D = parts()
    game, x = games.AlternatingBiGAN(E, G, prior, D), torch.rand(N, X)
    d, g = costs(*on_pairs(E.net, G.net, D, x, prior.z))
    check(game.losses(x), D=d, G=g)
    assert [list(turn) for turn in game.play(x)] == [["D"], ["G"]]


# ------------------------------------------------------------------------- generalized


class Halves(nn.Module):
    """Means of two neighbors, times a weight that no player may move."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(1.5))

    def forward(self, x):
        return self.gain * x.view(len(x), -1, 2).mean(2)


def generalized():
    E, G = Deterministic(net(X, H, Z)), Deterministic(net(Z, H, X // 2))
    prior, D = Fixed(torch.randn(N, Z)), Discriminator(X // 2 + 3, H)
    return E, G, prior, D, Halves(), nn.Linear(Z, 3)


def widened():
    """E makes three numbers, so that they can meet g_Z(z) of three."""
    _, *rest = generalized()
    return Deterministic(net(X, H, 3)), *rest


def test_generalized_pairs_are_g_of_x_with_its_code_and_g_of_z_with_its_picture():
    E, G, prior, D, g_X, g_Z = widened()
    game, x = games.GeneralizedBiGAN(E, G, prior, D, g_X, g_Z), torch.rand(N, X)
    (of_x, z_hat), (x_tilde, of_z) = game.pairs(x)
    assert of_x.shape == x_tilde.shape == (N, X // 2)
    assert z_hat.shape == of_z.shape == (N, 3)
    torch.testing.assert_close(of_x, 0.75 * (x[:, ::2] + x[:, 1::2]))
    torch.testing.assert_close(z_hat, E.net(x))  # of x itself, in full
    torch.testing.assert_close(x_tilde, G.net(prior.z))  # at z itself
    torch.testing.assert_close(of_z, prior.z @ g_Z.weight.T + g_Z.bias)


def test_generalized_losses_and_step_equal_autograd_by_hand():
    """g_X and g_Z stand still."""
    E, G, prior, D, g_X, g_Z = widened()
    game, x = games.GeneralizedBiGAN(E, G, prior, D, g_X, g_Z), torch.rand(N, X)
    d, g = costs(D(g_X(x), E.net(x)), D(G.net(prior.z), g_Z(prior.z)))
    check(game.losses(x), D=d, G=g)
    want = moved(E, g, LR["G"]), moved(G, g, LR["G"]), moved(D, d, LR["D"])
    still = copy.deepcopy((g_X, g_Z))
    step(game, sgd(game, {k: LR[k] for k in game.players}), x)
    for theirs, mine in zip((game.q, game.p, game.D), want, strict=True):
        equal(theirs, mine)
    for theirs, mine in zip((game.g_X, game.g_Z), still, strict=True):
        assert not moves(theirs, mine)


def test_of_identities_it_is_bigan():
    given, x = parts(), torch.rand(N, X)
    both = nn.Identity(), nn.Identity()
    bigan, general = games.BiGAN(*given), games.GeneralizedBiGAN(*given, *both)
    assert bigan.losses(x) == general.losses(x)


def test_generalized_answers_are_in_the_resolution_of_g():
    E, G, prior, D, g_X, _ = generalized()
    game = games.GeneralizedBiGAN(E, G, prior, D, g_X, nn.Identity())
    x = torch.rand(N, X)
    assert torch.equal(game.encode(x), E.net(x))
    assert torch.equal(game.reconstruct(x), G.net(E.net(x)))
    assert game.sample(N).shape == game.reconstruct(x).shape == (N, X // 2)


# --------------------------------------------------------------------------- baselines


def signs_cost(logits, z):
    """-log of the Bernoulli at (z + 1) / 2, in numpy, per example."""
    l, t = logits.detach().numpy(), (z.numpy() + 1) / 2
    p = 1 / (1 + np.exp(-l))
    return -(t * np.log(p) + (1 - t) * np.log(1 - p)).sum(1)


ENCODERS = {
    "signs": (lambda: Signs(net(X, H, Z)), signs_cost),
    "gaussian": (
        lambda: FixedScaleGaussian(net(X, H, Z), 0.5),
        lambda mean, z: -norm.logpdf(z.numpy(), mean.detach().numpy(), 0.5).sum(1),
    ),
    "laplace": (
        lambda: FixedScaleLaplace(net(X, H, Z), 0.5),
        lambda mean, z: np.abs(z.numpy() - mean.detach().numpy()).sum(1) / 0.5,
    ),
}
every_encoder = pytest.mark.parametrize("kind", ENCODERS)


def regressor(Game, kind, *more):
    """The game, data, and what a Laplace's cost leaves out: its constant."""
    _, G, prior, _ = parts()
    make, cost = ENCODERS[kind]
    game, x = Game(make(), G, prior, Discriminator(X, H), *more), torch.rand(N, X)
    x_tilde = G.net(prior.z)
    want = cost(game.q.net(x_tilde), prior.z).mean()
    constant = Z * np.log(2 * 0.5) if kind == "laplace" else 0.0
    return game, x, x_tilde, want + constant


@every_encoder
def test_a_latent_regressor_is_a_gan_and_minus_log_q_of_z_given_its_picture(kind):
    game, x, x_tilde, regression = regressor(games.LatentRegressor, kind)
    on_data, on_p = game.D(x), game.D(x_tilde)
    d = -log_sigmoid(on_data).mean() - log_sigmoid(-on_p).mean()
    check(game.losses(x), D=d, G=-log_sigmoid(on_p).mean(), E=regression)
    gan = games.GAN(game.p, game.prior, game.D).losses(x)
    assert [game.losses(x)[k] for k in "DG"] == [gan[k] for k in "DG"]


@every_encoder
@pytest.mark.parametrize("weight", [0.25, 1.0])
def test_a_joint_latent_regressor_adds_it_per_dimension_to_what_g_pays(kind, weight):
    more = () if weight == 0.25 else (weight,)
    game, x, x_tilde, regression = regressor(games.JointLatentRegressor, kind, *more)
    on_data, on_p = game.D(x), game.D(x_tilde)
    d = -log_sigmoid(on_data).mean() - log_sigmoid(-on_p).mean()
    ge = -log_sigmoid(on_p).mean() + weight * regression / Z
    check(game.losses(x), D=d, GE=ge)


def regression_cost(game, x_tilde):
    """As a tensor, of a Gaussian encoder of scale 1/2."""
    gap = (game.prior.z - game.q.net(x_tilde)) / 0.5
    return (gap**2).sum() / (2 * N)


def gan_costs(game, x, x_tilde):
    d, _ = costs(game.D(x), game.D(x_tilde))
    return d, -game.D(x_tilde).sigmoid().log().mean()


def test_one_step_of_a_latent_regressor_equals_autograd_by_hand():
    """E's cost stops at the pictures: G moves as a GAN's would."""
    game, x, x_tilde, _ = regressor(games.LatentRegressor, "gaussian")
    d, g = gan_costs(game, x, x_tilde)
    e = regression_cost(game, x_tilde)
    want = moved(game.q, e, LR["E"]), moved(game.p, g, LR["G"])
    want_D = moved(game.D, d, LR["D"])
    assert [list(turn) for turn in game.play(x)] == [["D", "G", "E"]]
    step(game, sgd(game, {k: LR[k] for k in game.players}), x)
    for theirs, mine in zip((game.q, game.p, game.D), (*want, want_D), strict=True):
        equal(theirs, mine)


def test_one_step_of_a_joint_latent_regressor_equals_autograd_by_hand():
    game, x, x_tilde, _ = regressor(games.JointLatentRegressor, "gaussian")
    d, g = gan_costs(game, x, x_tilde)
    ge = g + 0.25 * regression_cost(game, x_tilde) / Z
    want = moved(game.q, ge, LR["GE"]), moved(game.p, ge, LR["GE"])
    want_D = moved(game.D, d, LR["D"])
    assert [list(turn) for turn in game.play(x)] == [["D", "GE"]]
    step(game, sgd(game, {k: LR[k] for k in game.players}), x)
    for theirs, mine in zip((game.q, game.p, game.D), (*want, want_D), strict=True):
        equal(theirs, mine)


@pytest.mark.parametrize(
    ("Game", "player", "reached"),
    [
        (games.LatentRegressor, "E", False),
        (games.JointLatentRegressor, "GE", True),
    ],
)
def test_whether_the_regression_reaches_g(Game, player, reached):
    """D is blind, so that nothing else does."""
    _, G, prior, _ = parts()
    D = Discriminator(X, H)
    for w in D.parameters():
        nn.init.zeros_(w)
    game = Game(Signs(net(X, H, Z)), G, prior, D)
    loss = game.losses(torch.rand(N, X))[player]
    slopes = torch.autograd.grad(loss, list(G.parameters()), allow_unused=True)
    assert all((s is not None and bool(s.any())) == reached for s in slopes)


@pytest.mark.parametrize("Game", [games.LatentRegressor, games.JointLatentRegressor])
def test_data_are_never_encoded_and_pictures_are_drawn_once(Game):
    _, G, prior, _ = parts()
    game, x = Game(Signs(net(X, H, Z)), G, prior, Discriminator(X, H)), torch.rand(N, X)
    encoded, decoded, judged = (seen_by(part) for part in (game.q, game.p, game.D))
    game.losses(x)
    ((z,),), ((on_data,), (on_p,)), ((read,),) = decoded, judged, encoded
    assert torch.equal(z, prior.z) and torch.equal(on_data, x)
    assert torch.equal(on_p, read) and torch.equal(read, G.net(z))
    assert torch.equal(game.encode(x), game.q(x).mean)


def test_weights_of_regressors():
    _, G, prior, _ = parts()
    game = games.JointLatentRegressor(Signs(net(X, Z)), G, prior, Discriminator(X, H))
    assert game.weight == 0.25
    assert {k: set(v) for k, v in game.players.items()} == {
        "D": {"D"},
        "GE": {"p", "q"},
    }
    assert games.LatentRegressor.players == {"D": ("D",), "G": ("p",), "E": ("q",)}


# -------------------------------------------------------------------------------- runs


@pytest.fixture
def single(double):
    """float32, as in practice."""
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("kind", ["signs", "gaussian"])
def test_a_latent_regressor_reads_z_from_the_pictures_of_a_linear_generator(
    single, kind
):
    """G stands still. Root of the mean square error: 0.58 to who answers 0.

    Ten seeds gave 0.040 to 0.064 to signs, 0.003 to 0.013 to a Gaussian.
    """
    torch.manual_seed(0)
    make = {"signs": Signs, "gaussian": FixedScaleGaussian}[kind]
    G = Deterministic(nn.Linear(Z, X))
    nn.init.orthogonal_(G.net.weight)
    E = make(MLP(X, 32, Z))
    game = games.LatentRegressor(E, G, Uniform(Z), Discriminator(X, H))
    before = copy.deepcopy(G)
    optimizers = adam(game, {"D": 1e-3, "G": 0.0, "E": 1e-2})
    fit(game, torch.rand(500, X), optimizers, 250, 100, seed=0)
    assert not moves(G, before)
    z = game.prior.sample(2000)
    error = (game.encode(game.decode(z)) - z).square().mean().sqrt()
    assert error < {"signs": 0.1, "gaussian": 0.03}[kind]
