"""Classes and styles: q(y, z|x) with two discriminators, line by line.

Exact, in float64, by numpy and autograd alone; then a short run on digits.
"""

import copy
import itertools

import numpy as np
import pytest
import torch
from scipy.stats import norm
from test_games_aae import Fixed, log_sigmoid, moved, sgd

from adv_ae import data, games, metrics, step
from adv_ae.conditionals import (
    Bernoulli,
    Categorical,
    Deterministic,
    FixedScaleGaussian,
    Gaussian,
    Noisy,
    TwoHeads,
)
from adv_ae.game import Game
from adv_ae.games.aae import head_cost
from adv_ae.networks import MLP, Discriminator
from adv_ae.priors import Normal, OneHot
from adv_ae.training import adam, falling, fit

pytestmark = pytest.mark.usefixtures("double")

X, H, Z, K, N, M = 5, 8, 2, 3, 12, 7
LR = {"reconstruction": 0.03, "D": 0.2, "G": 0.1, "classification": 0.3, "heads": 0.05}
ETA, SCALE = 2.0, 0.5

# What each player may change, and in which order they play.
BOTH_HEADS = ["q.trunk", "q.y", "q.z"]
CLUSTERING = {"reconstruction": [*BOTH_HEADS, "p"], "D": ["D_y", "D_z"]}
CLUSTERING |= {"G": BOTH_HEADS}
SEMI = CLUSTERING | {"classification": ["q.trunk", "q.y"]}
WITH_W = {"reconstruction": [*BOTH_HEADS, "p", "W"]}
MOVES = {
    "ClusteringAAE": CLUSTERING,
    "SemiSupervisedAAE": SEMI,
    "DimensionReductionAAE": CLUSTERING | WITH_W | {"heads": ["W"]},
    "SemiSupervisedDimensionReductionAAE": SEMI | WITH_W | {"heads": ["W"]},
    "FixedHeadsAAE": SEMI,
}


class Drawn(OneHot):
    """Classes that are always drawn the same."""

    def __init__(self):
        super().__init__(K)
        self.register_buffer("drawn", torch.randint(K, (N,)))

    def sample(self, n, component=None):
        return super().sample(n, self.drawn if component is None else component)


def style(kind):
    return {
        "deterministic": lambda: Deterministic(MLP(H, Z)),
        "gaussian": lambda: Gaussian(MLP(H, 2 * Z)),
        "universal": lambda: Noisy(MLP(H + 3, Z), noise=3),
    }[kind]()


def make(name, kind="deterministic"):
    """The game of that name, priors fixed; heads some of which are nearer than ETA."""
    trunk = MLP(X, H, H, last=torch.nn.Tanh())
    q = TwoHeads(trunk, Categorical(MLP(H, K)), style(kind))
    plane = "Dimension" in name or "Fixed" in name
    p = FixedScaleGaussian(MLP(Z if plane else K + Z, H, X), SCALE)
    D_y, D_z = Discriminator(K, H), Discriminator(Z, H)
    more = [torch.tensor([[0.3, -0.4], [1.0, 0.5], [4.0, 1.0]])] if plane else []
    more += [ETA] if "Dimension" in name else []
    prior_y, prior = Drawn(), Fixed(torch.randn(N, Z))
    return getattr(games, name)(q, p, prior_y, prior, D_y, D_z, *more)


def batch(name):
    x, labelled = torch.rand(N, X), (torch.rand(M, X), torch.randint(K, (M,)))
    return (x, *labelled) if "classification" in MOVES[name] else (x,)


def softmax(logits):
    """In numpy, on its own."""
    e = np.exp(logits.detach().numpy())
    return e / e.sum(1, keepdims=True)


def seen_by(net):
    """What a network is given from now on, call by call."""
    calls = []
    net.register_forward_hook(
        lambda _, given, out: calls.append([g.detach().clone() for g in given])
    )
    return calls


every_game = pytest.mark.parametrize("name", MOVES)


# ---------------------------------------------------------------- losses, line by line


@every_game
def test_losses_are_the_closed_forms(name):
    game, given = make(name), batch(name)
    losses, x = game.losses(*given), given[0]
    h = game.q.trunk(x)
    y, z = torch.from_numpy(softmax(game.q.y.net(h))), game.q.z.net(h)
    if hasattr(game, "W"):
        code = torch.from_numpy(y.numpy() @ game.W.detach().numpy()) + z
    else:
        code = torch.cat([y, z], 1)
    x_hat = game.p.net.layers(code).detach().numpy()
    want = {"reconstruction": -norm.logpdf(x.numpy(), x_hat, SCALE).sum(1).mean()}
    drawn = torch.from_numpy(np.eye(K)[game.prior_y.drawn.numpy()])
    real = log_sigmoid(game.D_y(drawn)).mean(), log_sigmoid(game.D_z(game.prior.z))
    fake = log_sigmoid(-game.D_y(y)).mean(), log_sigmoid(-game.D_z(z)).mean()
    want["D"] = -(real[0] + real[1].mean() + fake[0] + fake[1])
    fooled = log_sigmoid(game.D_y(y)).mean() + log_sigmoid(game.D_z(z)).mean()
    want["G"] = -fooled
    if len(given) > 1:
        _, x_labelled, truth = given
        told = softmax(game.q.y.net(game.q.trunk(x_labelled)))
        want["classification"] = -np.log(told[np.arange(M), truth.numpy()]).mean()
    if "heads" in MOVES[name]:
        W = game.W.detach().numpy()
        pairs = itertools.combinations(range(K), 2)
        gaps = [np.sqrt(((W[i] - W[j]) ** 2).sum()) for i, j in pairs]
        want["heads"] = sum(max(0, ETA - gap) for gap in gaps)
        assert 0 < sum(gap < ETA for gap in gaps) < len(gaps)
    assert list(losses) == list(want)
    for player, value in want.items():
        assert losses[player].item() == pytest.approx(value, abs=1e-12), player


@every_game
def test_one_turn_each_in_the_papers_order(name):
    turns = [list(turn) for turn in make(name).play(*batch(name))]
    assert turns == [[player] for player in MOVES[name]]


def encoder_of(game):
    """Its three perceptrons."""
    return game.q.trunk, game.q.y.net, game.q.z.net


def descended(w, loss, lr):
    """A parameter after one step of gradient descent."""
    (slope,) = torch.autograd.grad(loss, w, retain_graph=True)
    return (w - lr * slope).detach().requires_grad_()


def by_hand(game, x, x_labelled=None, truth=None):
    """All networks after one step: up to five moves, each with the weights of the last.

    Nothing of the package but its perceptrons.
    """
    trunk, to_y, to_z, p, D_y, D_z = (
        copy.deepcopy(net)
        for net in (*encoder_of(game), game.p.net, game.D_y, game.D_z)
    )
    real_y, real_z = torch.eye(K)[game.prior_y.drawn], game.prior.z
    W = game.W.detach().clone().requires_grad_() if hasattr(game, "W") else None
    w_learned = "heads" in game.players

    # 1. reconstruction: trunk, both heads, decoder, and W where it is learned
    y, z = to_y(trunk(x)).softmax(1), to_z(trunk(x))
    x_hat = p(y, z) if W is None else p(y @ W + z)
    cost = (x - x_hat).square().sum(1).mean() / (2 * SCALE**2)
    lr = LR["reconstruction"]
    new = [moved(net, cost, lr) for net in (trunk, to_y, to_z, p)]
    W = descended(W, cost, lr) if w_learned else W
    trunk, to_y, to_z, p = new

    # 2. both discriminators
    y, z = to_y(trunk(x)).softmax(1), to_z(trunk(x))
    cost = -D_y(real_y).sigmoid().log().mean() - D_z(real_z).sigmoid().log().mean()
    cost = cost - (1 - D_y(y.detach()).sigmoid()).log().mean()
    cost = cost - (1 - D_z(z.detach()).sigmoid()).log().mean()
    D_y, D_z = moved(D_y, cost, LR["D"]), moved(D_z, cost, LR["D"])

    # 3. the generator: trunk and both heads
    cost = -D_y(y).sigmoid().log().mean() - D_z(z).sigmoid().log().mean()
    trunk, to_y, to_z = (moved(net, cost, LR["G"]) for net in (trunk, to_y, to_z))

    # 4. classification: trunk and the head of classes
    if x_labelled is not None:
        picked = to_y(trunk(x_labelled)).softmax(1)[torch.arange(M), truth]
        cost, lr = -picked.log().mean(), LR["classification"]
        trunk, to_y = moved(trunk, cost, lr), moved(to_y, cost, lr)

    # 5. heads: apart
    if w_learned:
        pairs = itertools.combinations(range(K), 2)
        gaps = [(W[i] - W[j]).square().sum().sqrt() for i, j in pairs]
        W = descended(W, sum(ETA - gap for gap in gaps if gap < ETA), LR["heads"])
    return trunk, to_y, to_z, p, D_y, D_z, W


@every_game
def test_one_step_equals_autograd_by_hand(name):
    """Each turn sees what the ones before have moved, the discriminators included."""
    game, given = make(name), batch(name)
    *nets, W = by_hand(game, *given)
    before = copy.deepcopy(game)
    step(game, sgd(game, LR), *given)
    theirs = (*encoder_of(game), game.p.net, game.D_y, game.D_z)
    for mine, net in zip(nets, theirs, strict=True):
        for a, b in zip(mine.parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)
    if W is not None:
        torch.testing.assert_close(W, game.W, rtol=1e-9, atol=1e-12)
        assert torch.equal(before.W, game.W) == (name == "FixedHeadsAAE")


@pytest.mark.parametrize(
    ("name", "player"), [(name, player) for name in MOVES for player in MOVES[name]]
)
def test_who_may_move_what(name, player):
    """Classification moves trunk and y, not z; D_y and D_z are D's; G moves q alone."""
    game = make(name)
    before = copy.deepcopy(game.state_dict())
    rates = dict.fromkeys(MOVES[name], 0.0) | {player: 0.1}
    step(game, sgd(game, rates), *batch(name))
    now = game.state_dict()
    changed = {k for k, w in now.items() if not torch.equal(before[k], w)}
    weights = [k for k, _ in game.named_parameters()]
    mine = tuple(MOVES[name][player])
    assert changed == {k for k in weights if k.startswith(mine)}
    assert list(game.players) == list(MOVES[name])


# ------------------------------------------------------------------ who is given what


@pytest.mark.parametrize("name", ["ClusteringAAE", "SemiSupervisedAAE"])
@pytest.mark.parametrize("kind", ["deterministic", "gaussian", "universal"])
def test_one_hot_rows_are_real_softmax_vectors_are_fake(name, kind):
    """And p is given a softmax vector, not a draw of y, before q moves."""
    game, given = make(name, kind), batch(name)
    on_y, on_z, decoded = (seen_by(net) for net in (game.D_y, game.D_z, game.p))
    first = softmax(game.q.y.net(game.q.trunk(given[0])))
    step(game, sgd(game, LR), *given)
    ((real_y,), (fake_y,), (g_y,)), ((real_z,), (fake_z,), (g_z,)) = on_y, on_z
    assert torch.equal(real_y, torch.eye(K)[game.prior_y.drawn])
    assert torch.equal(real_z, game.prior.z)
    assert torch.equal(fake_y, g_y) and torch.equal(fake_z, g_z)  # one draw for both
    ((y, z),) = decoded
    np.testing.assert_allclose(y, first, atol=1e-12)
    assert y.shape == fake_y.shape == (N, K) and z.shape == fake_z.shape == (N, Z)
    torch.testing.assert_close(fake_y.sum(1), torch.ones(N))
    assert fake_y.max() < 0.999 and y.max() < 0.999  # nowhere a draw
    assert not torch.allclose(y, fake_y) and not torch.allclose(z, fake_z)  # q moved


def test_labelled_rows_have_no_part_in_reconstruction_or_regularization():
    game = make("SemiSupervisedAAE")
    x, x_labelled, y = batch("SemiSupervisedAAE")
    one, other = game.losses(x, x_labelled, y), game.losses(x, 1 - x_labelled, y)
    for player in ("reconstruction", "D", "G"):
        assert torch.equal(one[player], other[player])
    assert one["classification"] != other["classification"]
    third = game.losses(1 - x, x_labelled, y)
    assert torch.equal(one["classification"], third["classification"])


def bare():
    """Classifier whose logits are the input itself."""
    q = TwoHeads(
        torch.nn.Identity(),
        Categorical(torch.nn.Identity()),
        Deterministic(torch.nn.Identity()),
    )
    p = FixedScaleGaussian(MLP(2 * K, K))
    D_y, D_z = Discriminator(K, H), Discriminator(K, H)
    return games.SemiSupervisedAAE(q, p, OneHot(K), Normal(K), D_y, D_z)


def test_cross_entropy_is_of_logits_not_of_a_second_softmax():
    """Surely right costs 0 and surely wrong the gap; from probabilities that were
    taken for logits it would be between 0.55 and 1.55."""
    logits = torch.tensor([[1000.0, 0, 0], [-3.0, 997, 0], [5.0, 5, 5]])
    for truth, want in (
        ([0, 1, 2], np.log(3) / 3),
        ([1, 2, 0], (1997 + np.log(3)) / 3),
    ):
        loss = bare().losses(torch.rand(4, K), logits, torch.tensor(truth))
        assert loss["classification"].item() == pytest.approx(want, abs=1e-12)


def test_cross_entropy_is_averaged_over_the_labelled_rows():
    game, x = bare(), torch.rand(4, K)
    logits, truth = torch.randn(M, K), torch.randint(K, (M,))
    once = game.losses(x, logits, truth)["classification"]
    twice = game.losses(x, logits.repeat(2, 1), truth.repeat(2))["classification"]
    assert twice.item() == pytest.approx(once.item(), abs=1e-12)


@every_game
def test_reconstruction_is_summed_over_pixels(name):
    """Pixels that are there twice cost twice."""
    game, given = make(name), batch(name)
    once = game.losses(*given)["reconstruction"].item()
    game.p.net.layers.append(Repeat())
    wide = [torch.cat([g, g], 1) if g.dim() == 2 else g for g in given]
    game.q.trunk = torch.nn.Sequential(Half(), game.q.trunk)
    twice = game.losses(*wide)["reconstruction"].item()
    assert twice == pytest.approx(2 * once, abs=1e-12)


class Repeat(torch.nn.Module):
    def forward(self, x):
        return torch.cat([x, x], 1)


class Half(torch.nn.Module):
    def forward(self, x):
        return x[:, : x.shape[1] // 2]


# -------------------------------------------------------------------- what one asks it


@pytest.mark.parametrize("kind", ["deterministic", "gaussian"])
def test_classes_styles_and_reconstructions(kind):
    game, x = make("ClusteringAAE", kind), torch.rand(N, X)
    h = game.q.trunk(x)
    probabilities, mean = game.classify(x), game.q.z.net(h)[:, :Z]
    np.testing.assert_allclose(probabilities, softmax(game.q.y.net(h)), atol=1e-12)
    assert torch.equal(game.encode(x), mean)
    assert torch.allclose(game.codes(x), mean) == (kind == "deterministic")
    want = game.p.net(probabilities, mean)
    torch.testing.assert_close(game.reconstruct(x), want)
    for answer in (probabilities, game.encode(x), game.codes(x), game.reconstruct(x)):
        assert not answer.requires_grad


@pytest.mark.parametrize("name", ["ClusteringAAE", "FixedHeadsAAE"])
def test_a_style_is_decoded_with_any_head_or_mixture_of_heads(name):
    game, z = make(name), torch.randn(N, Z)

    def want(y):
        return (
            game.p.net(y, z) if name == "ClusteringAAE" else game.p.net(y @ game.W + z)
        )

    heads, mixed = torch.arange(N) % K, torch.rand(N, K)
    assert torch.equal(game.decode(z, heads), want(torch.eye(K)[heads]))
    assert torch.equal(game.decode(z, mixed), want(mixed))
    assert torch.equal(game.decode(z), want(torch.eye(K)[game.prior_y.drawn]))
    assert torch.equal(game.sample(N), game.p_x(*priors(game)).mean)


def priors(game):
    return game.prior_y.sample(N), game.prior.z


def test_without_a_head_it_is_drawn_evenly():
    game = bare()
    game.p = FixedScaleGaussian(lambda y, z: y)  # the picture is the head
    y = game.decode(torch.zeros(6000, K))
    assert torch.equal(y.sum(1), torch.ones(6000)) and y.max() == 1
    assert (y.mean(0) - 1 / K).abs().max() < 5 * (2 / 9 / 6000) ** 0.5


# ------------------------------------------------------------------------- heads apart


@every_game
def test_the_decoder_sees_head_plus_style_in_the_plane(name):
    game, given = make(name), batch(name)
    decoded, x = seen_by(game.p), given[0]
    game.losses(*given)
    h = game.q.trunk(x)
    y, z = torch.from_numpy(softmax(game.q.y.net(h))), game.q.z.net(h)
    if not hasattr(game, "W"):
        assert [len(call) for call in decoded] == [2]
        return
    ((code,),) = decoded
    torch.testing.assert_close(code, y @ game.W + z)
    torch.testing.assert_close(game.represent(x), y @ game.W + z)
    assert game.represent(x).shape == (N, Z) and not game.represent(x).requires_grad


def test_head_cost_is_the_missing_distance_of_every_pair_once():
    W = torch.tensor([[0.0, 0], [3, 4], [0, 1]])  # gaps 5, 1, sqrt 18
    assert head_cost(W, 1.0).item() == 0
    assert head_cost(W, 2.0).item() == pytest.approx(1)
    assert head_cost(W, 4.5).item() == pytest.approx(3.5 + 4.5 - 18**0.5)
    assert head_cost(W, 6.0).item() == pytest.approx(1 + 5 + 6 - 18**0.5)
    assert head_cost(torch.zeros(5, 2), 3.0).item() == 3.0 * 10
    assert head_cost(torch.zeros(1, 2), 3.0).item() == 0
    line = torch.tensor([[0.0], [0.5], [2.0]])
    assert head_cost(line, 1.0).item() == pytest.approx(0.5)


def test_two_near_heads_move_apart_along_their_difference_with_slope_one():
    """However near: the hinge is straight. One that is far from both stays."""
    for gap in (0.01, 0.5, 1.9):
        away = torch.tensor([0.6, 0.8])
        W = torch.stack([torch.ones(2), 1 + gap * away, torch.full((2,), 9.0)])
        W.requires_grad_()
        (slope,) = torch.autograd.grad(head_cost(W, ETA), W)
        want = torch.stack([away, -away, torch.zeros(2)])
        torch.testing.assert_close(slope, want, rtol=0, atol=1e-9)
    far = torch.tensor([[0.0, 0], [0, ETA + 1e-9]], requires_grad=True)
    assert not torch.autograd.grad(head_cost(far, ETA), far)[0].any()


def test_the_gradient_of_head_cost_is_its_derivative():
    for n in (1, 2, 10):
        W = torch.randn(5, n, requires_grad=True)
        eta = torch.pdist(W.detach()).median().item() + 0.01  # about half the pairs
        assert torch.autograd.gradcheck(lambda w, eta=eta: head_cost(w, eta), W)


def test_identical_heads_have_a_finite_gradient_and_do_not_push_each_other():
    W = torch.tensor([[1.0, 1], [1, 1], [1, 2]], requires_grad=True)
    (slope,) = torch.autograd.grad(head_cost(W, ETA), W)
    torch.testing.assert_close(slope, torch.tensor([[0.0, 1], [0, 1], [0, -2]]))
    W = torch.zeros(4, 3, requires_grad=True)
    assert not torch.autograd.grad(head_cost(W, ETA), W)[0].any()


def test_a_step_of_the_heads_opens_a_gap_by_twice_the_rate():
    game = make("DimensionReductionAAE")
    W = torch.tensor([[0.0, 0], [0.5, 0], [0, 9]])
    with torch.no_grad():
        game.W.copy_(W)
    rates = dict.fromkeys(game.players, 0.0) | {"heads": 0.1}
    for i in range(1, 4):
        step(game, sgd(game, rates), torch.rand(N, X))
        W = torch.tensor([[-0.1 * i, 0], [0.5 + 0.1 * i, 0], [0, 9]])
        torch.testing.assert_close(game.W.detach(), W)


def test_fixed_heads_never_move_but_are_kept():
    game, given = make("FixedHeadsAAE"), batch("FixedHeadsAAE")
    W = game.W.clone()
    optimizers = sgd(game, {k: LR[k] for k in game.players})
    for _ in range(5):
        step(game, optimizers, *given)
    assert torch.equal(game.W, W) and torch.equal(game.state_dict()["W"], W)
    assert "W" not in dict(game.named_parameters())


@pytest.mark.parametrize("name", ["DimensionReductionAAE", "FixedHeadsAAE"])
def test_heads_are_the_games_own_copy(name):
    """Whatever becomes of the tensor that was given, and whatever it came from."""
    seed = torch.eye(K, Z, requires_grad=True)
    given, g = 2 * seed, make(name)
    more = (ETA,) if name == "DimensionReductionAAE" else ()
    game = type(g)(g.q, g.p, g.prior_y, g.prior, g.D_y, g.D_z, given, *more)
    with torch.no_grad():
        given += 1
    assert torch.equal(game.W.detach(), 2 * torch.eye(K, Z)) and game.W.is_leaf
    assert torch.equal(copy.deepcopy(game).W, game.W)
    step(game, sgd(game, {k: LR[k] for k in game.players}), *batch(name))
    assert torch.equal(given.detach(), 2 * torch.eye(K, Z) + 1)


# -------------------------------------------------------------------------- two streams


class Count(Game):
    """Wraps a game and notes the rows that it is given, by their first pixel."""

    def __init__(self, game):
        super().__init__()
        self.game, self.rows = game, []
        name = "game.{}".format
        self.players = {k: tuple(map(name, v)) for k, v in game.players.items()}

    def play(self, x, x_labelled, y):
        self.rows.append((x[:, 0].tolist(), x_labelled[:, 0].tolist(), y.tolist()))
        yield from self.game.play(x, x_labelled, y)


def test_the_short_labelled_stream_is_cycled_and_every_unlabelled_row_is_seen():
    """Public code zips the two loaders: the short one then ends the epoch."""
    game = Count(make("SemiSupervisedAAE"))
    x, x_labelled = torch.rand(120, X), torch.rand(16, X)
    x[:, 0], x_labelled[:, 0] = torch.arange(120), 1000 + torch.arange(16)
    y = torch.arange(16) % K
    game.game.prior_y, game.game.prior = OneHot(K), Normal(Z)
    streams = [x, (x_labelled, y)]
    history = fit(game, streams, adam(game), steps=40, batch_size=[30, 8], seed=0)
    assert set(history) == set(game.players) and len(history["classification"]) == 40
    for epoch in range(10):  # of 120 / 30 = 4 steps
        rows = [r for step in game.rows[4 * epoch : 4 * epoch + 4] for r in step[0]]
        assert sorted(rows) == list(range(120))
    for cycle in range(20):  # of 16 / 8 = 2 steps
        steps = game.rows[2 * cycle : 2 * cycle + 2]
        rows = [r for step in steps for r in step[1]]
        assert sorted(rows) == list(range(1000, 1016))
    for _, rows, labels in game.rows:  # each with its own label
        assert [int(r - 1000) % K for r in rows] == labels


# -------------------------------------------------------------------------------- a run


class Classifier(Game):
    """The labelled rows alone."""

    players = {"classification": ("q.trunk", "q.y")}

    def __init__(self, q):
        super().__init__()
        self.q = q

    def play(self, x, y):
        logits = self.q.y.net(self.q.trunk(x))
        yield {"classification": torch.nn.functional.cross_entropy(logits, y)}


def digits_encoder():
    trunk = MLP(64, 100, 100, last=torch.nn.ReLU())
    return TwoHeads(trunk, Categorical(MLP(100, 10)), Deterministic(MLP(100, 5)))


def test_unlabelled_digits_help_a_classifier_of_few_labels():
    """20 labels of 1100 digits; the error is that on the other 1080.

    Ten seeds gave 0.10 to 0.21, and 0.21 to 0.32 to the classifier of the same layers
    on the labels alone; at each of them it was worse, by 0.02 to 0.16.
    """
    torch.set_default_dtype(torch.float32)
    digits, steps = data.load("digits").train, 400
    x, rows = data.as_float(digits.x), data.labelled_rows(digits.y, 20)
    labelled = x[rows], digits.y[rows]
    p, D_y, D_z = MLP(15, 100, 64), Discriminator(10, 64), Discriminator(5, 64)
    q = digits_encoder()
    game = games.SemiSupervisedAAE(q, Bernoulli(p), OneHot(10), Normal(5), D_y, D_z)
    alone = Classifier(digits_encoder())
    rest = torch.ones(len(x), dtype=torch.bool).index_fill(0, rows, False)
    errors = []
    for learner, streams, sizes in (
        (game, [x, labelled], [100, 20]),
        (alone, [labelled], [20]),
    ):
        optimizers = adam(learner, 3e-3, (0.5, 0.999))
        slower = dict.fromkeys(learner.players, falling(steps))
        fit(learner, streams, optimizers, steps, sizes, seed=0, schedules=slower)
        told = learner.q(x[rest])[0].probs
        errors.append(metrics.classification_error(told, digits.y[rest]))
    assert errors[0] < 0.21 and errors[0] < errors[1] - 0.02
