"""ALI and its variants line by line: which pairs D is shown, and what is asked beside.

Exact, in float64, at known noise, by numpy and autograd alone; then short runs.
"""

import copy

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from test_games_aae import Fixed, log_sigmoid, moved, sgd
from torch import nn

from adv_ae import games, step
from adv_ae.conditionals import Deterministic, Gaussian
from adv_ae.networks import MLP, Discriminator
from adv_ae.priors import Empirical, Normal, OneHot
from adv_ae.training import adam, falling, fit

pytestmark = pytest.mark.usefixtures("double")

X, Z, H, K, N, M = 5, 2, 8, 3, 12, 7
LR = {"D": 0.2, "G": 0.1}


class Known(Gaussian):
    """A Gaussian whose noise is known, so that draws can be made by hand.

    Its mean is none of its draws: to take one for the other shows.
    """

    def __init__(self, net, d, rows=N):
        super().__init__(net)
        self.register_buffer("eps", torch.randn(rows, d))

    def forward(self, *given):
        d = super().forward(*given)
        d.rsample = lambda: d.mean + d.stddev * self.eps[: len(d.mean)]
        d.sample = lambda: d.rsample().detach()
        return d

    def draw(self, *given):
        """By hand, on the network alone."""
        mean, log_std = self.net(*given).tensor_split(2, 1)
        return mean + log_std.exp() * self.eps[: len(mean)]

    def middle(self, *given):
        return self.net(*given).tensor_split(2, 1)[0]


def known(given, d):
    return Known(MLP(given, H, 2 * d, activation=nn.Tanh), d)


def parts(y=0, outputs=None):
    """Encoder and decoder with known noise, a prior that is fixed, and D."""
    q, p, prior = known(X + y, Z), known(Z + y, X), Fixed(torch.randn(N, Z))
    D = MLP(X + Z + y, H, outputs) if outputs else Discriminator(X + Z + y, H)
    return q, p, prior, D


def seen_by(net):
    """What a network is given from now on, call by call."""
    calls = []
    net.register_forward_hook(
        lambda _, given, out: calls.append([g.detach().clone() for g in given])
    )
    return calls


def same(got, want):
    """Tuples or lists of tensors, one by one."""
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def both_values(on_q, on_p):
    """D's and G's loss from logits, in numpy."""
    d = -log_sigmoid(on_q).mean() - log_sigmoid(-on_p).mean()
    g = -log_sigmoid(-on_q).mean() - log_sigmoid(on_p).mean()
    return d, g


def check(losses, d, g):
    assert list(losses) == ["D", "G"]
    assert losses["D"].item() == pytest.approx(d, abs=1e-12)
    assert losses["G"].item() == pytest.approx(g, abs=1e-12)


def check_step(game, batch, nets, costs):
    """One step moves D down its cost and all else down G's, at the old weights."""
    d, g = costs
    want = {
        name: moved(net, d if name == "D" else g, LR["D" if name == "D" else "G"])
        for name, net in nets.items()
    }
    before = copy.deepcopy(game.state_dict())
    step(game, sgd(game, LR), *batch)
    for name, net in nets.items():
        pairs = zip(want[name].parameters(), net.parameters(), strict=True)
        for mine, theirs in pairs:
            torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-12)
    for name, w in game.named_parameters():
        assert not torch.equal(before[name], w), name


def autograd_costs(on_q, on_p):
    """The same costs as tensors, by sigmoids."""
    d = -on_q.sigmoid().log().mean() - (1 - on_p.sigmoid()).log().mean()
    g = -(1 - on_q.sigmoid()).log().mean() - on_p.sigmoid().log().mean()
    return d, g


# --------------------------------------------------------------------------------- ALI


def test_ali_shows_d_data_with_codes_and_draws_with_their_z():
    q, p, prior, D = parts()
    game, x = games.ALI(q, p, prior, D), torch.rand(N, X)
    of_q, of_p = game.pairs(x)
    same(of_q, (x, q.draw(x)))
    same(of_p, (p.draw(prior.z), prior.z))
    assert of_q[0] is x and of_p[1] is prior.z


def test_ali_losses_are_the_closed_forms_of_draws():
    q, p, prior, D = parts()
    game, x = games.ALI(q, p, prior, D), torch.rand(N, X)
    z_hat, x_tilde = q.draw(x), p.draw(prior.z)
    check(game.losses(x), *both_values(D(x, z_hat), D(x_tilde, prior.z)))


def test_one_step_of_ali_equals_autograd_by_hand():
    """One forward pass: G answers to the D of before, as D to the G of before."""
    q, p, prior, D = parts()
    game, x = games.ALI(q, p, prior, D), torch.rand(N, X)
    costs = autograd_costs(D(x, q.draw(x)), D(p.draw(prior.z), prior.z))
    assert [list(turn) for turn in game.play(x)] == [["D", "G"]]
    check_step(game, [x], {"q": q.net, "p": p.net, "D": D}, costs)


def test_a_prior_is_asked_for_as_many_codes_as_there_are_data():
    q, p, _, D = parts()
    game = games.ALI(q, p, Normal(Z), D)
    (x, z_hat), (x_tilde, z) = game.pairs(torch.rand(7, X))
    assert [len(t) for t in (x, z_hat, x_tilde, z)] == [7] * 4


def test_codes_of_each_joint_answer_for_their_own_network_alone():
    q, p, prior, D = parts()
    (_, z_hat), (x_tilde, _) = games.ALI(q, p, prior, D).pairs(torch.rand(N, X))
    for draw, mine, other in ((z_hat, q, p), (x_tilde, p, q)):
        for net, reached in ((mine, True), (other, False)):
            slopes = torch.autograd.grad(
                draw.sum(), list(net.parameters()), retain_graph=True, allow_unused=True
            )
            assert all((s is not None) == reached for s in slopes)


def test_without_batch_norm_to_judge_is_to_ask_d_twice():
    q, p, prior, D = parts()
    game, x = games.ALI(q, p, prior, D), torch.rand(N, X)
    of_q, of_p = game.pairs(x)
    same(game.judge(of_q, of_p), (D(*of_q), D(*of_p)))
    same(game.judge(of_p, of_q), (D(*of_p), D(*of_q)))


def test_batch_norm_in_d_sees_both_joints_at_once():
    """As one call on the concatenation; statistics move once, and are of both."""
    q, p, prior, _ = parts()
    D = Discriminator(X + Z, H, batch_norm=True)
    other = copy.deepcopy(D)
    game, x = games.ALI(q, p, prior, D), torch.rand(N, X)
    of_q, of_p = game.pairs(x)
    on_q, on_p = game.judge(of_q, of_p)
    rows = torch.cat([torch.cat(of_q, 1), torch.cat(of_p, 1)])
    same((torch.cat([on_q, on_p]),), (other(rows),))
    assert D.layers[1].num_batches_tracked == 1
    same((D.layers[1].running_mean,), (0.1 * D.layers[0](rows).mean(0).detach(),))
    assert not torch.allclose(on_q, copy.deepcopy(other)(*of_q))  # apart it differs
    assert not torch.allclose(on_p, copy.deepcopy(other)(*of_p))
    D.eval()
    same(game.judge(of_q, of_p), (D(*of_q), D(*of_p)))


def test_pictures_are_judged_as_pictures():
    given = []

    def D(x, z):
        given.append((x.shape, z.shape))
        return x.flatten(1).sum(1) - z.sum(1)

    q = Deterministic(lambda x: x.flatten(1)[:, :Z])
    p = Deterministic(lambda z: z.sum(1).view(-1, 1, 1, 1).expand(-1, 3, 4, 4))
    game = games.ALI(q, p, Fixed(torch.randn(N, Z)), D)
    x = torch.rand(N, 3, 4, 4)
    on_q, on_p = game.judge(*game.pairs(x))
    assert given == [((2 * N, 3, 4, 4), (2 * N, Z))]
    same((on_q,), (x.sum((1, 2, 3)) - x.flatten(1)[:, :Z].sum(1),))
    same((on_p,), (47 * game.prior.z.sum(1),))


def test_pairs_of_unlike_length_are_refused():
    game = games.ALI(*parts())
    with pytest.raises(ValueError, match="zip"):
        game.judge((torch.rand(N, X), torch.rand(N, Z)), (torch.rand(N, X),))


def test_what_ali_answers_when_asked():
    q, p, prior, D = parts()
    game, x, z = games.ALI(q, p, prior, D), torch.rand(N, X), torch.randn(N, Z)
    same((game.encode(x), game.codes(x)), (q.middle(x), q.draw(x)))
    same((game.decode(z), game.sample(N)), (p.middle(z), p.middle(prior.z)))
    same((game.reconstruct(x),), (p.middle(q.middle(x)),))


# ------------------------------------------------------------------------------- ALICE


@pytest.mark.parametrize("weight", [0.0, 1.0, 0.3])
def test_alice_asks_a_draw_of_the_code_to_give_back_x(weight):
    q, p, prior, D = parts()
    game, x = games.ALICE(q, p, prior, D, weight), torch.rand(N, X)
    z_hat, x_tilde = q.draw(x), p.draw(prior.z)
    d, g = both_values(D(x, z_hat), D(x_tilde, prior.z))
    x_hat = p.draw(z_hat)
    cycle = ((x - x_hat).detach().numpy() ** 2).sum(1).mean() / 2
    check(game.losses(x), d, g + weight * cycle)


def test_the_weight_of_alice_is_one_unless_told():
    assert games.ALICE(*parts()).weight == 1.0


def test_alice_of_no_weight_is_ali():
    given, x = parts(), torch.rand(N, X)
    ali, alice = games.ALI(*given).losses(x), games.ALICE(*given, 0.0).losses(x)
    assert ali["D"] == alice["D"] and ali["G"] == alice["G"]


def test_one_step_of_alice_equals_autograd_by_hand():
    """The cycle moves q and p, both, and not D."""
    q, p, prior, D = parts()
    game, x = games.ALICE(q, p, prior, D, 0.7), torch.rand(N, X)
    z_hat = q.draw(x)
    d, g = autograd_costs(D(x, z_hat), D(p.draw(prior.z), prior.z))
    g = g + 0.7 * ((x - p.draw(z_hat)) ** 2).sum() / (2 * N)
    check_step(game, [x], {"q": q.net, "p": p.net, "D": D}, (d, g))


def test_maps_that_undo_each_other_have_no_cycle_to_pay():
    A, x = torch.randn(X, X), torch.rand(N, X)
    p = Deterministic(lambda z: z @ torch.linalg.inv(A))
    q, D = Deterministic(lambda x: x @ A), Discriminator(2 * X, H)
    prior = Fixed(torch.randn(N, X))
    with_it = games.ALICE(q, p, prior, D, 1e3).losses(x)["G"]
    without = games.ALI(q, p, prior, D).losses(x)["G"]
    assert (with_it - without).abs() < 1e-9
    p = Deterministic(lambda z: z @ torch.linalg.inv(A) + 0.1)
    with_it = games.ALICE(q, p, prior, D, 2.0).losses(x)["G"]
    without = games.ALI(q, p, prior, D).losses(x)["G"]
    assert (with_it - without).item() == pytest.approx(2 * X * 0.01 / 2)


def test_the_code_of_the_cycle_is_the_one_that_d_is_shown():
    """One draw of q(z|x) a step."""
    q, p, prior, D = Gaussian(MLP(X, 2 * Z)), *parts()[1:]
    asked, decoded, judged = seen_by(q), seen_by(p), seen_by(D)
    games.ALICE(q, p, prior, D).losses(torch.rand(N, X))
    assert len(asked) == len(judged) == 1
    (prior_z,), (z_hat,) = decoded
    assert torch.equal(prior_z, prior.z) and torch.equal(judged[0][1][:N], z_hat)


def test_squares_of_the_cycle_are_summed_over_all_of_a_picture():
    q = Deterministic(lambda x: x.flatten(1)[:, :Z])
    p = Deterministic(lambda z: torch.zeros(len(z), 3, 2, 2))
    D, prior = Discriminator(12 + Z, H), Fixed(torch.randn(N, Z))
    x = torch.rand(N, 3, 2, 2)
    alice = games.ALICE(q, p, prior, D).losses(x)["G"]
    cycle = (alice - games.ALI(q, p, prior, D).losses(x)["G"]).item()
    want = (x.numpy() ** 2).sum((1, 2, 3)).mean() / 2
    assert cycle == pytest.approx(want, abs=1e-12)


def test_the_cycle_is_a_bound_on_what_the_code_leaves_open():
    """Of Gaussians H(x|z) = log(2 pi e v) / 2, v the variance of x given z.

    With x^ = E(x|z) the cost is v / 2, and -E log N(x; x^, 1) = v / 2 + log(2 pi) / 2
    is above the entropy unless v = 1.
    """
    n, a, s = 400_000, 0.8, 0.5
    x = torch.randn(n, 1)
    v = 1 - a**2 / (a**2 + s**2)
    q = Gaussian(lambda x: torch.cat([a * x, torch.full_like(x, np.log(s))], 1))
    p = Deterministic(lambda z: z * a / (a**2 + s**2))
    D, prior = (lambda x, z: 0 * x[:, 0]), Fixed(torch.randn(n, 1))
    cost = games.ALICE(q, p, prior, D).losses(x)["G"].item() - 2 * np.log(2)
    assert cost == pytest.approx(v / 2, abs=5 * v / (2 * n) ** 0.5)
    entropy = np.log(2 * np.pi * np.e * v) / 2
    assert cost + np.log(2 * np.pi) / 2 > entropy + 0.1


# ----------------------------------------------------------------------------- given y


def told(prior_y):
    q, p, prior, D = parts(y=K)
    return games.ConditionalALI(q, p, prior_y, prior, D)


def attributes(n=N):
    """Rows of several numbers, none of them one-hot."""
    return torch.rand(n, K).round() - 0.5 * torch.rand(n, 1)


KINDS = ["labels", "one-hot rows", "attributes"]


def conditional(kind):
    """A game, y as it is given, and y as rows."""
    labels = torch.randint(K, (N,))
    if kind == "attributes":
        rows = attributes()
        return told(Empirical(attributes())), rows, rows
    rows = torch.from_numpy(np.eye(K)[labels.numpy()])
    return told(OneHot(K)), labels if kind == "labels" else rows, rows


@pytest.mark.parametrize("kind", KINDS)
def test_all_three_networks_are_given_y(kind):
    (game, y, rows), x = conditional(kind), torch.rand(N, X)
    encoded, decoded, judged = (seen_by(net) for net in (game.q, game.p, game.D))
    game.losses(x, y)
    ((x_, y_q),), ((z_, y_p),), ((xs, zs, ys),) = encoded, decoded, judged
    same((x_, y_q, z_, y_p), (x, rows, game.prior.z, rows))
    same((xs[:N], zs[:N], ys[:N]), (x, game.q.draw(x, rows), rows))
    x_tilde = game.p.draw(game.prior.z, rows)
    same((xs[N:], zs[N:], ys[N:]), (x_tilde, game.prior.z, rows))


@pytest.mark.parametrize("kind", KINDS)
def test_conditional_losses_and_pairs_by_hand(kind):
    (game, y, rows), x = conditional(kind), torch.rand(N, X)
    z = game.prior.z
    z_hat, x_tilde = game.q.draw(x, rows), game.p.draw(z, rows)
    of_q, of_p = game.pairs(x, y)
    same(of_q, (x, z_hat, rows))
    same(of_p, (x_tilde, z, rows))
    values = both_values(game.D(x, z_hat, rows), game.D(x_tilde, z, rows))
    check(game.losses(x, y), *values)


@pytest.mark.parametrize("kind", KINDS)
def test_one_conditional_step_equals_autograd_by_hand(kind):
    (game, y, rows), x = conditional(kind), torch.rand(N, X)
    q, p, z, D = game.q, game.p, game.prior.z, game.D
    costs = autograd_costs(D(x, q.draw(x, rows), rows), D(p.draw(z, rows), z, rows))
    check_step(game, [x, y], {"q": q.net, "p": p.net, "D": D}, costs)


def test_labels_are_rows_of_ones_in_the_dtype_of_the_prior():
    game = told(OneHot(K))
    assert game.rows(torch.tensor([2, 0])).tolist() == [[0, 0, 1], [1, 0, 0]]
    rows = attributes()
    assert game.rows(rows) is rows
    assert game.rows(torch.tensor([1])).dtype == torch.float64


def test_labels_without_classes_are_refused():
    game = told(Empirical(attributes()))
    with pytest.raises(ValueError, match=r"rows \(N, 3\).*only where prior_y is.*Hot"):
        game.losses(torch.rand(N, X), torch.randint(K, (N,)))


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_conditional_ali_answers(kind):
    (game, y, rows), x, z = conditional(kind), torch.rand(N, X), torch.randn(N, Z)
    q, p, other = game.q, game.p, y.flip(0)
    mean = q.middle(x, rows)
    same((game.encode(x, y), game.codes(x, y)), (mean, q.draw(x, rows)))
    same((game.decode(z, y),), (p.middle(z, rows),))
    same((game.reconstruct(x, y),), (p.middle(mean, rows),))
    same((game.reconstruct(x, y, other),), (p.middle(mean, rows.flip(0)),))
    for answer in (game.encode(x, y), game.codes(x, y), game.decode(z, y)):
        assert not answer.requires_grad
    assert not game.reconstruct(x, y, other).requires_grad


@pytest.mark.parametrize("kind", ["labels", "attributes"])
def test_without_y_it_is_drawn_from_its_prior(kind):
    game, _, _ = conditional(kind)
    game.prior_y.sample = lambda n: 10 + torch.arange(n * K).view(n, K).double()
    drawn = game.prior_y.sample(N)
    z = torch.randn(N, Z)
    same((game.decode(z),), (game.p.middle(z, drawn),))
    same((game.sample(N),), (game.p.middle(game.prior.z, drawn),))


# --------------------------------------------------------------------- several layers

DIMS = [X, 4, 3, Z]  # of x, z_1, z_2, z_3


def layers(L, batch_norm=False):
    dims = [*DIMS[:L], Z]
    q = [known(sum(dims[: k + 1]), dims[k + 1]) for k in range(L)]
    p = [known(sum(dims[k + 1 :]), dims[k]) for k in range(L)]
    D = Discriminator(sum(dims), H, batch_norm=batch_norm)
    return games.HierarchicalALI(q, p, Fixed(torch.randn(N, Z)), D)


def up(game, x, value="draw"):
    """x, z_1, z_2, z_3 from below, one line a layer."""
    q1, q2, q3 = (getattr(q, value) for q in game.q)
    z1 = q1(x)
    z2 = q2(x, z1)
    z3 = q3(x, z1, z2)
    return x, z1, z2, z3


def down(game, z3):
    """The same from above, draws."""
    p0, p1, p2 = game.p
    z2 = p2.draw(z3)
    z1 = p1.draw(z2, z3)
    x = p0.draw(z1, z2, z3)
    return x, z1, z2, z3


def test_each_layer_is_given_all_below_it_or_all_above_it_in_order():
    game, x = layers(3), torch.rand(N, X)
    up_, down_ = [seen_by(q) for q in game.q], [seen_by(p) for p in game.p]
    game.losses(x)
    _, z1, z2, _ = up(game, x)
    for (call,), want in zip(up_, [(x,), (x, z1), (x, z1, z2)], strict=True):
        same(call, want)
    z3 = game.prior.z
    _, z1, z2, _ = down(game, z3)
    for (call,), want in zip(down_, [(z1, z2, z3), (z2, z3), (z3,)], strict=True):
        same(call, want)


def test_the_joints_of_three_layers_and_their_losses():
    game, x = layers(3), torch.rand(N, X)
    of_q, of_p = game.pairs(x)
    same(of_q, up(game, x))
    same(of_p, down(game, game.prior.z))
    judged = seen_by(game.D)
    losses = game.losses(x)
    ((both),) = judged
    same(both, [torch.cat(sides) for sides in zip(of_q, of_p, strict=True)])
    check(losses, *both_values(game.D(*of_q), game.D(*of_p)))


def test_one_step_of_three_layers_equals_autograd_by_hand():
    game, x = layers(3), torch.rand(N, X)
    costs = autograd_costs(game.D(*up(game, x)), game.D(*down(game, game.prior.z)))
    nets = {f"q{k}": q.net for k, q in enumerate(game.q)}
    nets |= {f"p{k}": p.net for k, p in enumerate(game.p)} | {"D": game.D}
    check_step(game, [x], nets, costs)


def test_one_layer_is_ali():
    game, x = layers(1), torch.rand(N, X)
    ali = games.ALI(game.q[0], game.p[0], game.prior, game.D)
    for a, b in zip(game.losses(x).values(), ali.losses(x).values(), strict=True):
        assert a == b
    for a, b in zip(game.pairs(x), ali.pairs(x), strict=True):
        same(a, b)
    for what in ("encode", "codes", "reconstruct"):
        assert torch.equal(getattr(game, what)(x), getattr(ali, what)(x)), what
    assert torch.equal(game.decode(game.prior.z), ali.decode(game.prior.z))
    ali = copy.deepcopy(ali)
    for g in (game, ali):
        step(g, sgd(g, LR), x)
    for a, b in zip(game.q[0].parameters(), ali.q.parameters(), strict=True):
        assert torch.equal(a, b)


def test_one_layer_is_ali_at_the_same_fresh_noise():
    """z first, then z^, then x~: a seed gives both games the same draws."""
    q, p = Gaussian(MLP(X, 2 * Z)), Gaussian(MLP(Z, 2 * X))
    D, x = Discriminator(X + Z, H), torch.rand(N, X)
    losses = []
    for game in (
        games.ALI(q, p, Normal(Z), D),
        games.HierarchicalALI([q], [p], Normal(Z), D),
    ):
        torch.manual_seed(3)
        losses.append(game.losses(x))
    assert losses[0] == losses[1]


def test_what_several_layers_answer():
    game, x, z = layers(3), torch.rand(N, X), torch.randn(N, Z)
    means, draws = up(game, x, "middle"), up(game, x)
    same((game.encode(x), game.codes(x)), (means[-1], draws[-1]))
    same(game.infer(x), draws)
    same(game.generate(z), down(game, z))
    same((game.decode(z),), (game.p[0].middle(*down(game, z)[1:]),))
    same((game.reconstruct(x),), (game.p[0].middle(*means[1:]),))
    same((game.sample(N),), (game.p[0].middle(*down(game, game.prior.z)[1:]),))
    for f in (game.encode, game.codes, game.reconstruct):
        assert not f(x).requires_grad
    assert not game.decode(z).requires_grad


def test_means_of_all_layers_can_be_asked_for():
    game, x, z = layers(3), torch.rand(N, X), torch.randn(N, Z)
    same(game.infer(x, lambda d: d.mean), up(game, x, "middle"))
    p0, p1, p2 = game.p
    z2 = p2.middle(z)
    z1 = p1.middle(z2, z)
    top_down = game.generate(z, lambda d: d.mean)
    same(top_down, (p0.middle(z1, z2, z), z1, z2, z))


def test_unequal_numbers_of_layers_are_refused():
    q, p, prior, D = parts()
    with pytest.raises(ValueError, match="not 2 and 1"):
        games.HierarchicalALI([q, q], [p], prior, D)


# ----------------------------------------------------------------------- a few labels


def labelled():
    q, p, prior, D = parts(outputs=K + 1)
    batch = torch.rand(N, X), torch.rand(M, X), torch.randint(K, (M,))
    return games.SemiSupervisedALI(q, p, prior, D), batch


def odds(logits):
    """log P(one of the classes) / P(from p), in numpy."""
    l = logits.detach().numpy()
    return torch.from_numpy(logsumexp(l[:, :-1], axis=1) - l[:, -1])


def test_log_odds_of_from_q_are_those_of_k_plus_1_outputs():
    game, (x, _, _) = labelled()
    of_q, of_p = game.pairs(x)
    on_q, on_p = game.judge(of_q, of_p)
    same((on_q, on_p), (odds(game.D(*of_q)), odds(game.D(*of_p))))
    P = game.D(*of_q).softmax(1)  # P(from q) = 1 - P(the last)
    same((on_q.sigmoid(),), (1 - P[:, -1],))


def test_log_odds_are_stable():
    rows = torch.tensor([[1000.0, 999, 0, 0], [0, 0, 0, 1000], [-1e3, -1e3, -1e3, 0]])
    q, p, prior, _ = parts()
    game = games.SemiSupervisedALI(q, p, prior, lambda x, z: rows[x[:, 0].long()])
    given = torch.arange(3.0)[:, None], torch.zeros(3, Z)
    on_q, on_p = game.judge(given, given)
    want = torch.tensor([1000 + np.log1p(np.exp(-1)), np.log(3) - 1000, -1000])
    want[2] += np.log(3)
    same((on_q, on_p), (want, want))


def test_semi_supervised_losses_by_hand():
    """The cross-entropy is D's alone; q and p answer for where pairs come from."""
    game, (x, x_labelled, y) = labelled()
    q, p, z, D = game.q, game.p, game.prior.z, game.D
    d, g = both_values(odds(D(x, q.draw(x))), odds(D(p.draw(z), z)))
    logits = D(x_labelled, q.draw(x_labelled)).detach().numpy()
    e = np.exp(logits)
    given_q = e[:, :-1] / e[:, :-1].sum(1, keepdims=True)  # p(y | pair, from q)
    cross_entropy = -np.log(given_q[np.arange(M), y.numpy()]).mean()
    check(game.losses(x, x_labelled, y), d + cross_entropy, g)
    both = e[:, :-1] / e.sum(1, keepdims=True)  # P(y and from q) / P(from q)
    again = both / (1 - e[:, -1:] / e.sum(1, keepdims=True))
    np.testing.assert_allclose(given_q, again, rtol=1e-10)


def test_the_output_from_p_has_no_part_in_the_cross_entropy():
    game, (x, x_labelled, y) = labelled()
    seen = game.D(x_labelled, game.q.draw(x_labelled))
    same((game.classes(x_labelled, game.q.draw(x_labelled)),), (seen[:, :K],))
    assert game.classes(x, game.q.draw(x)).shape == (N, K)
    with torch.no_grad():
        last = game.D.layers[-1]
        last.weight[-1], last.bias[-1] = 0, -1e6  # never 'from p'
    D = game.losses(x, x_labelled, y)["D"].item()
    assert 1e5 < D < 1e7  # the pairs of p cost much, the labelled nothing of it
    of_labels = seen[:, :K].log_softmax(1)[torch.arange(M), y].mean().item()
    on_q, on_p = game.judge(*game.pairs(x))
    rest = both_values(on_q, on_p)[0]
    assert pytest.approx(rest - of_labels, abs=1e-8) == D


def test_one_semi_supervised_step_equals_autograd_by_hand():
    game, (x, x_labelled, y) = labelled()
    q, p, z, D = game.q, game.p, game.prior.z, game.D

    def log_odds(*pair):
        P = D(*pair).softmax(1)
        return (P[:, :-1].sum(1) / P[:, -1]).log()

    d, g = autograd_costs(log_odds(x, q.draw(x)), log_odds(p.draw(z), z))
    P = D(x_labelled, q.draw(x_labelled)).softmax(1)
    d = d - (P[torch.arange(M), y] / (1 - P[:, -1])).log().mean()
    nets = {"q": q.net, "p": p.net, "D": D}
    assert [list(turn) for turn in game.play(x, x_labelled, y)] == [["D", "G"]]
    check_step(game, [x, x_labelled, y], nets, (d, g))


def test_of_one_class_it_is_ali():
    """D = l_0 - l_1; to be sure of the only class costs nothing."""
    q, p, prior, D = parts(outputs=2)
    x, x_labelled, y = torch.rand(N, X), torch.rand(M, X), torch.zeros(M).long()
    semi = games.SemiSupervisedALI(q, p, prior, D).losses(x, x_labelled, y)
    one = nn.Module()
    one.forward = lambda x, z: -D(x, z).diff(dim=1).squeeze(1)
    ali = games.ALI(q, p, prior, one).losses(x)
    assert semi["D"] == ali["D"] and semi["G"] == ali["G"]


def test_classes_of_a_picture_are_those_of_its_mean_code():
    game, (x, _, _) = labelled()
    e = np.exp(game.D(x, game.q.middle(x)).detach().numpy()[:, :K])
    have = game.classify(x)
    np.testing.assert_allclose(have, e / e.sum(1, keepdims=True), atol=1e-12)
    assert not have.requires_grad


# -------------------------------------------------------------------------------- runs


@pytest.fixture
def single(double):
    """float32, as in practice."""
    torch.set_default_dtype(torch.float32)


def run(game, streams, steps, sizes=100):
    slower = dict.fromkeys(game.players, falling(steps))
    optimizers = adam(game, 1e-3, (0.5, 0.999))
    fit(game, streams, optimizers, steps, sizes, seed=0, schedules=slower)


def banana(n):
    u, v = torch.randn(2, n)
    return torch.stack([u, (u**2 - 1 + v) / 2], 1)


def test_ali_learns_a_bent_cloud_in_the_plane(single):
    """Error of reconstruction over the data's own spread: ten seeds gave 0.20 to 0.60.

    The mean of the data would have 1, another draw of them the root of 2.
    """
    torch.manual_seed(0)
    p, D = Deterministic(MLP(2, 32, 2)), Discriminator(4, 64, 64)
    game = games.ALI(Gaussian(MLP(2, 32, 4)), p, Normal(2), D)
    run(game, banana(2000), 1000)
    x = banana(2000)
    error = (game.reconstruct(x) - x).square().sum(1).mean()
    spread = (x - x.mean(0)).square().sum(1).mean()
    assert (error / spread).sqrt() < 0.7
    drawn = game.sample(4000).std(0)  # ten seeds: 0.79 to 1.19, 0.60 to 1.47
    assert (drawn > 0.5).all() and (drawn < 1.7).all()


def test_two_classes_are_learned_from_four_labels(single):
    """Two clouds two apart, of standard deviation 0.3 in between.

    Ten seeds gave errors of 0 to 0.020 on all the others.
    """
    torch.manual_seed(0)
    y = torch.arange(1000) % 2
    middle = torch.stack([2.0 * y - 1, torch.zeros(1000)], 1)
    x = middle + torch.randn(1000, 2) * torch.tensor([0.3, 1.0])
    p, D = Deterministic(MLP(2, 32, 2)), MLP(4, 64, 64, 3)
    game = games.SemiSupervisedALI(Gaussian(MLP(2, 32, 4)), p, Normal(2), D)
    run(game, [x, (x[:4], y[:4])], 400, [100, 4])
    wrong = game.classify(x[4:]).argmax(1) != y[4:]
    assert wrong.double().mean() < 0.03


def test_two_layers_learn_mean_and_spread_of_a_gaussian(single):
    """x ~ N(1, 0.5^2). Ten seeds gave means of 0.62 to 1.22 and standard deviations of
    0.23 to 0.80; before a run they were -0.42 to 0.33 and 0.74 to 1.73.
    """
    torch.manual_seed(0)
    q = [Gaussian(MLP(1, 32, 2)), Gaussian(MLP(2, 32, 2))]
    p = [Gaussian(MLP(2, 32, 2)), Gaussian(MLP(1, 32, 2))]
    game = games.HierarchicalALI(q, p, Normal(1), Discriminator(3, 64))
    run(game, 1 + torch.randn(2000, 1) / 2, 800)
    x, _, _ = game.generate(torch.randn(4000, 1))
    assert 0.5 < x.mean() < 1.5 and 0.15 < x.std() < 0.95


@pytest.mark.parametrize(("n_q", "n_p"), [(0, 0), (1, 2)])
def test_layers_of_q_and_p_are_as_many(n_q, n_p):
    nets = [Gaussian(MLP(4, 4)) for _ in range(2)]
    with pytest.raises(ValueError, match=f"not {n_q} and {n_p}"):
        games.HierarchicalALI(nets[:n_q], nets[:n_p], Normal(2), Discriminator(4, 4))
