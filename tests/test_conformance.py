"""What every game must satisfy (after scikit-learn's `check_estimator`).

Optimizers are unfused on purpose: a stale graph kept across a yield raises then.
"""

import copy
import math

import pytest
import torch

from adv_ae import games, step
from adv_ae.conditionals import (
    Bernoulli,
    Categorical,
    Deterministic,
    FixedScaleGaussian,
    Gaussian,
    Noisy,
    Signs,
    TwoHeads,
)
from adv_ae.networks import MLP, Discriminator, GaussianNoise
from adv_ae.priors import Empirical, GaussianRing, Normal, OneHot, SwissRoll, Uniform

X, Z, H, N, K = 12, 2, 16, 20, 4
x = torch.rand(N, X, generator=torch.Generator().manual_seed(0)).round()
y = torch.arange(N) % K


def gaussian():
    return Gaussian(MLP(X, H, 2 * Z))


def point():
    return Deterministic(MLP(X, H, Z))


def noisy():
    return Noisy(MLP(X + 3, H, Z), noise=3)


def pixels():
    return Bernoulli(MLP(Z, H, X))


def picture():
    return Deterministic(MLP(Z, H, X, last=torch.nn.Sigmoid()))


def aae(q, prior):
    return games.AAE(q, pixels(), prior, Discriminator(Z, H))


def label_informed(q, prior):
    return games.LabelInformedAAE(q, pixels(), prior, Discriminator(Z + K + 1, H))


def two_heads(z=None):
    """q(y, z|x); the trunk with input noise, as in the paper."""
    trunk = torch.nn.Sequential(GaussianNoise(0.3), MLP(X, H, H, last=torch.nn.ReLU()))
    return TwoHeads(trunk, Categorical(MLP(H, K)), z or Deterministic(MLP(H, Z)))


def clusters(game, *more, z=None, decoded=K + Z):
    p = Bernoulli(MLP(decoded, H, X))
    D_y, D_z = Discriminator(K, H), Discriminator(Z, H)
    return game(two_heads(z), p, OneHot(K), Normal(Z), D_y, D_z, *more)


def plane(game, *more):
    return clusters(game, torch.randn(K, Z), *more, decoded=Z)


def pair(outputs=None):
    """D(x, z), or D of K + 1 outputs."""
    return Discriminator(X + Z, H) if outputs is None else MLP(X + Z, H, outputs)


def told(prior_y):
    """Conditional ALI."""
    q, D = Gaussian(MLP(X + K, H, 2 * Z)), Discriminator(X + Z + K, H)
    p = Deterministic(MLP(Z + K, H, X))
    return games.ConditionalALI(q, p, prior_y, Normal(Z), D)


def layers(L):
    """Hierarchical ALI with L codes, of 3 dimensions below the top."""
    dims = [X, *[3] * (L - 1), Z]
    q = [Gaussian(MLP(sum(dims[: k + 1]), H, 2 * dims[k + 1])) for k in range(L)]
    p = [Gaussian(MLP(sum(dims[k + 1 :]), H, 2 * dims[k])) for k in range(L)]
    return games.HierarchicalALI(q, p, Normal(Z), Discriminator(sum(dims), H))


class Halves(torch.nn.Module):
    """Means of neighboring pixels: half the resolution."""

    def forward(self, x):
        return x.view(len(x), -1, 2).mean(2)


GAMES = {
    "Autoencoder": lambda: games.Autoencoder(point(), pixels(), Normal(Z)),
    "VAE": lambda: games.VAE(gaussian(), pixels(), Normal(Z)),
    "IWAE": lambda: games.IWAE(gaussian(), pixels(), GaussianRing(), K=3),
    "BinarizedIWAE": lambda: games.BinarizedIWAE(gaussian(), pixels(), Normal(Z), K=3),
    "GAN": lambda: games.GAN(picture(), Normal(Z), Discriminator(X, H)),
    "SaturatingGAN": lambda: games.SaturatingGAN(
        picture(), Normal(Z), Discriminator(X, H)
    ),
    "AlternatingGAN": lambda: games.AlternatingGAN(
        picture(), Normal(Z), Discriminator(X, H)
    ),
    "GMMN": lambda: games.GMMN(picture(), Uniform(Z)),
    "GMMNAutoencoder": lambda: games.GMMNAutoencoder(
        point(), pixels(), Uniform(3), Deterministic(MLP(3, H, Z))
    ),
    "WAEMMD": lambda: games.WAEMMD(gaussian(), pixels(), Normal(Z)),
    "AAE deterministic": lambda: aae(point(), SwissRoll()),
    "AAE gaussian": lambda: aae(gaussian(), Normal(Z)),
    "AAE universal": lambda: aae(noisy(), GaussianRing()),
    "ALI": lambda: games.ALI(gaussian(), picture(), Normal(Z), Discriminator(X + Z, H)),
    "BiGAN": lambda: games.BiGAN(
        point(), picture(), Uniform(Z), Discriminator(X + Z, H)
    ),
    "ALI deterministic": lambda: games.ALI(point(), picture(), Normal(Z), pair()),
    "ALI universal": lambda: games.ALI(noisy(), picture(), Normal(Z), pair()),
    "ALI stochastic decoder": lambda: games.ALI(
        gaussian(), Gaussian(MLP(Z, H, 2 * X)), Normal(Z), pair()
    ),
    "ALICE": lambda: games.ALICE(gaussian(), picture(), Normal(Z), pair(), 0.1),
    "ConditionalALI classes": lambda: told(OneHot(K)),
    "ConditionalALI attributes": lambda: told(Empirical(torch.eye(K)[y])),
    "HierarchicalALI one": lambda: layers(1),
    "HierarchicalALI three": lambda: layers(3),
    "SemiSupervisedALI": lambda: games.SemiSupervisedALI(
        gaussian(), picture(), Normal(Z), pair(K + 1)
    ),
    "SaturatingBiGAN": lambda: games.SaturatingBiGAN(
        point(), picture(), Uniform(Z), pair()
    ),
    "AlternatingBiGAN": lambda: games.AlternatingBiGAN(
        point(), picture(), Uniform(Z), pair()
    ),
    "GeneralizedBiGAN": lambda: games.GeneralizedBiGAN(
        point(),
        Deterministic(MLP(Z, H, X // 2)),
        Uniform(Z),
        Discriminator(X // 2 + Z, H),
        Halves(),
        torch.nn.Tanh(),
    ),
    "LatentRegressor": lambda: games.LatentRegressor(
        Signs(MLP(X, H, Z)), picture(), Uniform(Z), Discriminator(X, H)
    ),
    "JointLatentRegressor": lambda: games.JointLatentRegressor(
        FixedScaleGaussian(MLP(X, H, Z)), picture(), Normal(Z), Discriminator(X, H)
    ),
    "LabelInformedAAE ring": lambda: label_informed(gaussian(), GaussianRing(K)),
    "LabelInformedAAE roll": lambda: label_informed(noisy(), SwissRoll(K)),
    "SupervisedAAE": lambda: games.SupervisedAAE(
        point(), Bernoulli(MLP(K + Z, H, X)), Normal(Z), Discriminator(Z, H), K
    ),
    "ClusteringAAE": lambda: clusters(games.ClusteringAAE),
    "ClusteringAAE gaussian": lambda: clusters(
        games.ClusteringAAE, z=Gaussian(MLP(H, 2 * Z))
    ),
    "SemiSupervisedAAE": lambda: clusters(games.SemiSupervisedAAE),
    "SemiSupervisedAAE universal": lambda: clusters(
        games.SemiSupervisedAAE, z=Noisy(MLP(H + 3, Z), noise=3)
    ),
    "DimensionReductionAAE": lambda: plane(games.DimensionReductionAAE, 4.0),
    "SemiSupervisedDimensionReductionAAE": lambda: plane(
        games.SemiSupervisedDimensionReductionAAE, 4.0
    ),
    "FixedHeadsAAE": lambda: plane(games.FixedHeadsAAE),
}


def batch(game):
    """What the game's `play` takes."""
    if isinstance(game, games.SemiSupervisedAAE | games.SemiSupervisedALI):
        return x, x[:8], y[:8]
    if isinstance(game, games.ConditionalALI):
        labels = isinstance(game.prior_y, OneHot)
        return x, (y if labels else torch.eye(K)[y])
    if isinstance(game, games.LabelInformedAAE):
        return x, torch.where(torch.arange(N) < 8, y, K)  # K: unlabelled
    return (x, y) if isinstance(game, games.SupervisedAAE) else (x,)


@pytest.fixture(params=GAMES)
def game(request):
    torch.manual_seed(0)
    return GAMES[request.param]()


def sgd(game, lr=0.05):
    return {k: torch.optim.SGD(game.weights(k), lr) for k in game.players}


def losses(game, seed=2):
    torch.manual_seed(seed)
    return game.losses(*batch(game))


def state(game):
    return copy.deepcopy(game.state_dict())


def test_every_class_of_the_package_is_here():
    tested = {type(make()) for make in GAMES.values()}
    public = {getattr(games, k) for k in games.__all__}
    assert public - tested == {games.Generative, games.Bidirectional}


def test_a_step_moves_exactly_the_players_weights(game):
    before = state(game)
    report = step(game, sgd(game), *batch(game))
    assert set(report) == set(game.players)
    assert all(v.shape == () and v.isfinite() for v in report.values())
    owned = {id(w) for k in game.players for w in game.weights(k)}
    for name, w in game.named_parameters():
        assert torch.equal(before[name], w) != (id(w) in owned), name


def test_each_player_alone_moves_only_its_own(game):
    for player in game.players:
        before, optimizers = state(game), sgd(game, lr=0.0)
        optimizers[player].param_groups[0]["lr"] = 0.05
        step(game, optimizers, *batch(game))
        mine = {id(w) for w in game.weights(player)}
        for name, w in game.named_parameters():
            assert torch.equal(before[name], w) != (id(w) in mine), (player, name)


def test_losses_moves_nothing(game):
    before = state(game)
    assert set(losses(game)) == set(game.players)
    for name, value in game.state_dict().items():
        assert torch.equal(before[name], value), name


def test_each_player_descends_its_own_loss(game):
    """A small step of one player alone lowers its loss at the same noise."""
    for player in game.players:
        trial = copy.deepcopy(game)
        loss = losses(trial)[player]
        slopes = torch.autograd.grad(loss, trial.weights(player))
        with torch.no_grad():
            for w, slope in zip(trial.weights(player), slopes, strict=True):
                w -= 1e-3 * slope
        assert losses(trial)[player] < loss, player


def test_a_step_is_the_gradient_of_losses_for_the_first_turn(game):
    """The engine's move equals autograd's of the same loss at the same noise."""
    torch.manual_seed(2)
    players = list(next(iter(game.play(*batch(game)))))
    trial = copy.deepcopy(game)
    first = losses(trial)
    optimizers = sgd(game, lr=0.0)
    for player in players:
        optimizers[player].param_groups[0]["lr"] = 1.0
    torch.manual_seed(2)
    turns = game.play(*batch(game))
    turn = next(turns)
    for player in players:
        assert torch.equal(turn[player], first[player])
    want = {
        p: torch.autograd.grad(first[p], trial.weights(p), retain_graph=True)
        for p in players
    }
    before = {p: [w.detach().clone() for w in game.weights(p)] for p in players}
    torch.manual_seed(2)
    step(game, optimizers, *batch(game))
    for p in players:
        for w, old, slope in zip(game.weights(p), before[p], want[p], strict=True):
            torch.testing.assert_close(w, old - slope, atol=1e-6, rtol=1e-5)


def test_the_order_of_players_in_a_turn_does_not_matter(game):
    class Backwards(type(game)):
        def play(self, *batch):
            for turn in super().play(*batch):
                yield dict(reversed(turn.items()))

    other = copy.deepcopy(game)
    other.__class__ = Backwards
    for g in (game, other):
        torch.manual_seed(3)
        step(g, sgd(g), *batch(g))
    for a, b in zip(game.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_runs_repeat_by_seed(game):
    other = copy.deepcopy(game)
    for g in (game, other):
        torch.manual_seed(4)
        optimizers = sgd(g)
        for _ in range(3):
            step(g, optimizers, *batch(g))
    for a, b in zip(game.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_samples_and_reconstructions_have_the_shape_of_data(game):
    width = X // 2 if isinstance(game, games.GeneralizedBiGAN) else X
    assert game.sample(5).shape == (5, width)
    if isinstance(game, games.Bidirectional):
        given = batch(game) if isinstance(game, games.ConditionalALI) else (x,)
        assert game.encode(*given).shape == game.codes(*given).shape == (N, Z)
        assert game.reconstruct(*given).shape == (N, width)
        assert not game.reconstruct(*given).requires_grad


def test_float64_stays_float64(game):
    game.double()
    for name, value in game.losses(
        *(t.double() if t.is_floating_point() else t for t in batch(game))
    ).items():
        assert value.dtype == torch.float64, name


@pytest.mark.parametrize(
    "name",
    [
        "GAN",
        "AlternatingGAN",
        "ALI",
        "ALICE",
        "ConditionalALI classes",
        "HierarchicalALI three",
        "BiGAN",
        "SaturatingBiGAN",
        "AlternatingBiGAN",
        "GeneralizedBiGAN",
        "LatentRegressor",
    ],
)
def test_a_blind_discriminator_costs_two_log_two(name):
    """At D = 1/2 the value is -log 4 (GAN thm. 1, ALI sec. 2.5, BiGAN thm. 1)."""
    game = GAMES[name]()
    for w in game.weights("D"):
        torch.nn.init.zeros_(w)
    assert game.losses(*batch(game))["D"].item() == pytest.approx(math.log(4), abs=1e-6)
