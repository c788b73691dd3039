"""Labels inside D, and labels inside the decoder, line by line: who sees which label.

Exact, in float64, by numpy and autograd alone; then a short run on digits.
"""

import copy

import numpy as np
import pytest
import torch
from scipy.stats import binom, norm
from test_games_aae import log_sigmoid, moved, sgd

from adv_ae import data, games, step
from adv_ae.conditionals import (
    Bernoulli,
    Deterministic,
    FixedScaleGaussian,
    Gaussian,
    Noisy,
)
from adv_ae.networks import MLP, Discriminator
from adv_ae.priors import GaussianRing, Mixture, SwissRoll
from adv_ae.training import adam, falling, fit

pytestmark = pytest.mark.usefixtures("double")

X, Z, K, N = 5, 2, 3, 12
LR = {"reconstruction": 0.03, "D": 0.2, "G": 0.1}


class Spots(Mixture):
    """A spot for each component, with a jitter for each row that is always the same."""

    dim, k = Z, K

    def __init__(self):
        super().__init__()
        self.register_buffer("spots", torch.randn(K, Z))
        self.register_buffer("jitter", 0.1 * torch.randn(N, Z))

    def sample(self, n, component=None):
        self.asked = component
        return self.jitter if component is None else self.jitter + self.spots[component]


def encoder(kind):
    return {
        "deterministic": lambda: Deterministic(MLP(X, 8, Z)),
        "gaussian": lambda: Gaussian(MLP(X, 8, 2 * Z)),
        "universal": lambda: Noisy(MLP(X + 3, 8, Z), noise=3),
    }[kind]()


def informed(kind="deterministic", prior=None, k=K):
    p = FixedScaleGaussian(MLP(Z, 8, X), 0.5)
    D = Discriminator(Z + k + 1, 8)
    return games.LabelInformedAAE(encoder(kind), p, prior or Spots(), D)


def supervised(kind="deterministic", p=None):
    p = p or FixedScaleGaussian(MLP(K + Z, 8, X), 0.5)
    return games.SupervisedAAE(encoder(kind), p, Spots(), Discriminator(Z, 8), K)


def some_labels(n=N):
    """Labels of a half; K, "unlabelled", for the other."""
    return torch.where(torch.rand(n) < 0.5, torch.randint(K, (n,)), K)


def seen_by(net):
    """What a network is given from now on, call by call."""
    calls = []
    net.register_forward_hook(
        lambda _, given, out: calls.append([g.detach().clone() for g in given])
    )
    return calls


# ------------------------------------------------------------- the switch in front of D


def petals(k):
    return GaussianRing(k, along=0.05, across=0.02)


@pytest.mark.parametrize("prior", [petals, SwissRoll])
@pytest.mark.parametrize("k", [3, 10])
def test_labelled_rows_meet_their_own_component_and_the_others_all_alike(prior, k):
    """Petals, or arcs of the swiss roll: exact for labels, by chance for the rest."""
    n = 4000
    game, x = informed(prior=prior(k).double(), k=k), torch.rand(n, X)
    y = torch.randint(k, (n,))
    y = torch.where(torch.rand(n) < 0.5, y, k)
    seen = seen_by(game.D)
    game.losses(x, y)
    component, labelled = game.prior.component(seen[0][0]), y < k
    assert torch.equal(component[labelled], y[labelled])
    free = component[~labelled].bincount(minlength=k).numpy()
    low, high = binom.interval(1 - 1e-5, int(free.sum()), 1 / k)
    assert len(free) == k and (low <= free).all() and (free <= high).all()


def test_one_slot_goes_with_the_draw_and_with_the_code_in_both_turns():
    """Real ones, codes in D's turn, codes in G's: the same switch beside row i."""
    game, x, y = informed(), torch.rand(N, X), some_labels()
    seen = seen_by(game.D)
    game.losses(x, y)
    assert len(seen) == 3
    for z, switch in seen:
        assert z.shape == (N, Z) and switch.shape == (N, K + 1)
        assert torch.equal(switch, torch.nn.functional.one_hot(y, K + 1).double())
    (draws, _), (codes, _), (in_turn_of_g, _) = seen
    component = game.prior.asked
    assert torch.equal(draws, game.prior.jitter + game.prior.spots[component])
    assert torch.equal(component[y < K], y[y < K])
    assert torch.equal(codes, game.q.net(x)) and torch.equal(codes, in_turn_of_g)


def test_the_last_slot_is_on_for_the_unlabelled_and_for_them_alone():
    game, x = informed(), torch.rand(N, X)
    seen = seen_by(game.D)
    game.losses(x, torch.full((N,), K))
    for _, switch in seen:
        assert torch.equal(switch, torch.eye(K + 1)[[K] * N])
    seen.clear()
    game.losses(x, torch.arange(N) % K)
    for _, switch in seen:
        assert not switch[:, K].any() and torch.equal(switch.sum(1), torch.ones(N))


def test_minus_one_says_unlabelled_as_well():
    """As scikit-learn writes it; component and switch are the same as with K."""
    game, x, y = informed(), torch.rand(N, X), some_labels()
    asked, losses = [], []
    for none in (K, -1):
        torch.manual_seed(5)
        losses.append(game.losses(x, torch.where(y == K, none, y)))
        asked.append(game.prior.asked)
    assert torch.equal(*asked) and asked[0].min() >= 0
    for player in game.players:
        assert torch.equal(losses[0][player], losses[1][player])


def test_the_component_of_an_unlabelled_row_is_drawn_anew_in_every_step():
    game, x, y = informed(), torch.rand(N, X), torch.full((N,), K)
    asked = []
    for _ in range(2):
        game.losses(x, y)
        asked.append(game.prior.asked)
    assert asked[0].max() < K and not torch.equal(*asked)


@pytest.mark.parametrize("kind", ["deterministic", "gaussian", "universal"])
def test_encoder_and_decoder_never_see_a_label(kind):
    game, x = informed(kind), torch.rand(N, X)
    given = seen_by(game.q), seen_by(game.p)
    torch.manual_seed(1)
    one = game.losses(x, torch.zeros(N, dtype=torch.long))
    torch.manual_seed(1)
    other = game.losses(x, torch.full((N,), 2))
    for calls, width in zip(given, (X, Z), strict=True):
        assert all([g.shape for g in call] == [(N, width)] for call in calls)
    assert torch.equal(one["reconstruction"], other["reconstruction"])
    assert one["D"] != other["D"] and one["G"] != other["G"]  # D does see them
    assert game.encode(x).shape == (N, Z)
    assert game.decode(game.codes(x)).shape == (N, X)


def test_label_informed_losses_are_the_closed_forms():
    game, x, y = informed(), torch.rand(N, X), some_labels()
    losses = game.losses(x, y)
    z, z_hat = game.prior.sample(N, game.prior.asked), game.q.net(x)
    slots = torch.from_numpy(np.eye(K + 1)[y.numpy()])
    on_prior = game.D.layers(torch.cat([z, slots], 1))
    on_codes = game.D.layers(torch.cat([z_hat, slots], 1))
    d = -(log_sigmoid(on_prior).mean() + log_sigmoid(-on_codes).mean())
    assert losses["D"].item() == pytest.approx(d, abs=1e-12)
    assert losses["G"].item() == pytest.approx(-log_sigmoid(on_codes).mean(), abs=1e-12)
    x_hat = game.p.net(z_hat).detach().numpy()
    want = -norm.logpdf(x.numpy(), x_hat, 0.5).sum(1).mean()
    assert losses["reconstruction"].item() == pytest.approx(want, abs=1e-12)


def by_hand(game, x, z, code, real, fake):
    """q, p and D after one step: three moves, each with the weights of the last.

    `code(q)` decodes what the decoder is given, `real` and `fake` what D is.
    """
    q, p, D = (copy.deepcopy(net) for net in (game.q.net, game.p.net, game.D))
    squares = (x - p(*code(q))).square().sum(1) / (2 * 0.5**2)
    cost = squares.mean()  # + a constant
    q_, p = moved(q, cost, LR["reconstruction"]), moved(p, cost, LR["reconstruction"])
    on_real, on_fake = D(*real(z)).sigmoid(), D(*fake(q_(x).detach())).sigmoid()
    D = moved(D, -(on_real.log().mean() + (1 - on_fake).log().mean()), LR["D"])
    q = moved(q_, -D(*fake(q_(x))).sigmoid().log().mean(), LR["G"])
    return q, p, D


def same(mine, theirs):
    for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_one_label_informed_step_equals_autograd_by_hand():
    game, x, y = informed(), torch.rand(N, X), some_labels()
    before = copy.deepcopy(game)
    step(game, sgd(game, LR), x, y)
    z, slots = game.prior.sample(N, game.prior.asked), torch.eye(K + 1)[y]
    with_slots = lambda z: (z, slots)  # noqa: E731
    q, p, D = by_hand(before, x, z, lambda q: (q(x),), with_slots, with_slots)
    for mine, theirs in ((q, game.q.net), (p, game.p.net), (D, game.D)):
        same(mine, theirs)


@pytest.mark.parametrize("kind", ["gaussian", "universal"])
def test_d_and_g_see_one_draw_made_after_the_reconstruction(kind):
    game, x, y = informed(kind), torch.rand(N, X), some_labels()
    decoded, seen = seen_by(game.p), seen_by(game.D)
    step(game, sgd(game, LR), x, y)
    assert torch.equal(seen[1][0], seen[2][0])
    assert not torch.allclose(decoded[0][0], seen[1][0])


# -------------------------------------------------------------- the label in front of p


def test_the_decoder_is_told_the_true_label_and_d_none():
    game, x, y = supervised(), torch.rand(N, X), torch.randint(K, (N,))
    encoded, decoded, seen = seen_by(game.q), seen_by(game.p), seen_by(game.D)
    game.losses(x, y)
    (told,) = decoded
    assert torch.equal(told[0], torch.nn.functional.one_hot(y, K).double())
    assert torch.equal(told[1], game.q.net(x))
    codes = game.q.net(x)
    for call, z in zip(seen, (game.prior.jitter, codes, codes), strict=True):
        assert len(call) == 1 and torch.equal(call[0], z)
    assert all(len(call) == 1 and torch.equal(call[0], x) for call in encoded)


def test_another_label_costs_reconstruction_and_nothing_else():
    game, x, y = supervised(), torch.rand(N, X), torch.randint(K, (N,))
    one, other = game.losses(x, y), game.losses(x, (y + 1) % K)
    assert torch.equal(one["D"], other["D"]) and torch.equal(one["G"], other["G"])
    assert one["reconstruction"] != other["reconstruction"]


def test_supervised_losses_are_the_closed_forms():
    game, x, y = supervised(), torch.rand(N, X), torch.randint(K, (N,))
    losses, z_hat = game.losses(x, y), game.q.net(x)
    given = torch.cat([torch.from_numpy(np.eye(K)[y.numpy()]), z_hat], 1)
    x_hat = game.p.net.layers(given).detach().numpy()
    want = -norm.logpdf(x.numpy(), x_hat, 0.5).sum(1).mean()  # sum: pixels; mean: rows
    assert losses["reconstruction"].item() == pytest.approx(want, abs=1e-12)
    on_prior, on_codes = game.D(game.prior.jitter), game.D(z_hat)
    d = -(log_sigmoid(on_prior).mean() + log_sigmoid(-on_codes).mean())
    assert losses["D"].item() == pytest.approx(d, abs=1e-12)
    assert losses["G"].item() == pytest.approx(-log_sigmoid(on_codes).mean(), abs=1e-12)


def test_one_supervised_step_equals_autograd_by_hand():
    game, x, y = supervised(), torch.rand(N, X), torch.randint(K, (N,))
    before, truth = copy.deepcopy(game), torch.eye(K)[y]
    step(game, sgd(game, LR), x, y)
    alone = lambda z: (z,)  # noqa: E731
    z = game.prior.jitter
    q, p, D = by_hand(before, x, z, lambda q: (truth, q(x)), alone, alone)
    for mine, theirs in ((q, game.q.net), (p, game.p.net), (D, game.D)):
        same(mine, theirs)


def test_a_style_is_decoded_with_any_label():
    game, z = supervised(), torch.randn(N, Z)
    for k in range(K):
        y = torch.full((N,), k)
        want = game.p.net(torch.eye(K)[y], z)
        assert torch.equal(game.decode(z, y), want)
    assert not torch.allclose(game.decode(z, y), game.decode(z, y - 1))


def test_without_a_label_it_is_drawn_evenly():
    echo = FixedScaleGaussian(lambda y, z: y)  # the picture is the label
    y = supervised(p=echo).decode(torch.zeros(6000, Z))
    assert torch.equal(y.sum(1), torch.ones(6000)) and set(y.unique().tolist()) == {
        0,
        1,
    }
    assert (y.mean(0) - 1 / K).abs().max() < 5 * (2 / 9 / 6000) ** 0.5
    assert torch.equal(supervised(p=echo).sample(N).sum(1), torch.ones(N))


def test_a_reconstruction_takes_the_mean_code_and_the_label_that_is_given():
    game, x, y = supervised("gaussian"), torch.rand(N, X), torch.randint(K, (N,))
    mean = game.q.net(x)[:, :Z]
    for label in (y, (y + 1) % K):
        want = game.p.net(torch.eye(K)[label], mean)
        assert torch.equal(game.reconstruct(x, label), want)
    assert not game.reconstruct(x, y).requires_grad


# -------------------------------------------------------------------------------- a run


def test_a_short_run_sends_each_class_to_its_petal():
    """Four digits, 300 of 441 with a label: codes of the other 141 find their petal.

    Ten seeds gave 0.74 to 0.97. Without the switch it is a matter of luck which petal
    a class gets: 0.04 to 0.87, and 0.55 at this seed.
    """
    torch.set_default_dtype(torch.float32)
    digits, k = data.load("digits").train, 4
    x, y = data.as_float(digits.x[digits.y < k]), digits.y[digits.y < k]
    q, p = Deterministic(MLP(64, 64, 2)), Bernoulli(MLP(2, 64, 64))
    game = games.LabelInformedAAE(q, p, GaussianRing(k), Discriminator(k + 3, 64, 64))
    given = data.hide_labels(y, 300)
    steps, optimizers = 500, adam(game, 5e-3, (0.5, 0.999))
    slower = dict.fromkeys(game.players, falling(steps))
    fit(game, (x, given), optimizers, steps, seed=0, schedules=slower)
    hidden = given == k
    found = game.prior.component(game.encode(x[hidden]))
    assert hidden.sum() == 141
    assert (found == y[hidden]).double().mean() > 0.7
