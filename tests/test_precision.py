"""Precision of products, compilation: by choice, put back, and how far off."""

import functools

import pytest
import torch
from torch import nn

from adv_ae import games, step
from adv_ae.conditionals import Bernoulli, Deterministic, Gaussian
from adv_ae.networks import MLP, Discriminator
from adv_ae.precision import PRECISIONS, at_precision, compiled
from adv_ae.priors import Normal
from adv_ae.training import fit, sgd

x = torch.rand(50, 64, generator=torch.Generator().manual_seed(0))


def aae(double=False):
    torch.manual_seed(0)
    q, p = Gaussian(MLP(64, 32, 8)), Bernoulli(MLP(4, 32, 64))
    game = games.AAE(q, p, Normal(4), Discriminator(4, 32))
    return game.double() if double else game


def settings():
    return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32


def gradients(precision, double=False):
    """Of the first turn, whose noise is the same at every precision."""
    game = aae(double)
    kind = torch.float64 if double else torch.float32
    torch.manual_seed(1)
    noise = torch.randn(50, 4).to(kind)
    with at_precision(game, precision):
        mean, log_std = game.q.net(x.to(kind)).chunk(2, dim=1)
        loss = -game.p(mean + log_std.exp() * noise).log_prob(x.to(kind)).mean()
        return torch.cat(
            [
                g.flatten().double()
                for g in torch.autograd.grad(loss, game.weights("reconstruction"))
            ]
        )


@pytest.mark.parametrize(
    "precision, least, most",
    [
        ("highest", 0, 1e-5),
        ("high", 0, 1e-3),
        ("medium", 0, 1e-2),
        ("bfloat16", 1e-4, 1e-2),
    ],
)
def test_gradients_are_as_exact_as_told(precision, least, most):
    exact = gradients("highest", double=True)
    error = (gradients(precision) - exact).norm() / exact.norm()
    assert least <= error <= most


@pytest.mark.parametrize("precision", PRECISIONS)
def test_settings_are_put_back_even_after_an_error(precision):
    before, game = settings(), aae()
    forwards = [m.forward.__func__ for m in game.modules()]
    with pytest.raises(KeyError), at_precision(game, precision):
        assert (
            settings()
            == {
                "highest": ("highest", False),
                "high": ("high", True),
                "medium": ("medium", True),
                "bfloat16": ("highest", False),
            }[precision]
        )
        raise KeyError
    assert settings() == before
    assert [m.forward.__func__ for m in game.modules()] == forwards


def test_none_leaves_all_as_it_stands():
    torch.set_float32_matmul_precision("high")
    try:
        with at_precision(aae(), None):
            assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_another_name_is_refused():
    with pytest.raises(ValueError, match="'half' is not known; it is one of highest"):
        fit(aae(), x, steps=1, precision="half", batch_size=50)


def test_bfloat16_is_of_layers_alone():
    """Products of a layer are rounded, its output and all around it are float32."""
    layer = nn.Linear(64, 3)
    with at_precision(layer, "bfloat16"):
        out, product = layer(x), x @ x.T
    rounded = x.bfloat16() @ layer.weight.bfloat16().T + layer.bias.bfloat16()
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, rounded.float(), rtol=1e-2, atol=1e-2)
    assert torch.equal(out, out.bfloat16().float()) and not torch.equal(out, layer(x))
    assert torch.equal(product, x @ x.T)
    assert layer.weight.dtype == torch.float32


def test_bfloat16_sees_weights_that_have_moved_within_a_step():
    """Autocast's own cache would hand the players of later turns the old weights."""
    game, other = aae(), aae()
    with at_precision(game, "bfloat16"), torch.autocast("cpu", enabled=False):
        torch.manual_seed(2)
        step(game, sgd(game, 0.5), x)
    torch.manual_seed(2)
    optimizers, turns = sgd(other, 0.5), None
    turns = other.play(x)
    while True:  # the same, entering anew for every turn
        with at_precision(other, "bfloat16"):
            turn = next(turns, None)
            if turn is None:
                break
            for player, loss in turn.items():
                weights = other.weights(player)
                slopes = torch.autograd.grad(loss, weights)
                for w, slope in zip(weights, slopes, strict=True):
                    w.grad = slope
                optimizers[player].step()
    for a, b in zip(game.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_convolutions_are_rounded_too():
    torch.manual_seed(0)
    net = nn.Conv2d(3, 4, 3)
    picture = torch.rand(2, 3, 8, 8)
    with at_precision(net, "bfloat16"):
        low = net(picture)
    assert low.dtype == torch.float32 and not torch.equal(low, net(picture))
    torch.testing.assert_close(low, net(picture), rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_run_at_any_precision_learns(precision):
    game = aae()
    before = settings()
    log = fit(game, x, steps=150, batch_size=50, seed=0, precision=precision)
    assert settings() == before
    assert log.mean("reconstruction", 10) < log["reconstruction"][:10].mean() - 0.5


# ---- compilation ----
def test_networks_are_compiled_and_give_the_same(monkeypatch):
    """By torch's tracer, without a backend that would take half a minute."""
    seen = []

    def backend(graph, inputs):
        seen.append(graph)
        return graph.forward

    monkeypatch.setattr(
        torch, "compile", functools.partial(torch.compile, backend=backend)
    )
    game, other = aae(), aae()
    log = fit(game, x, steps=5, batch_size=50, seed=0, compile=True)
    same = fit(other, x, steps=5, batch_size=50, seed=0)
    assert len(seen) >= 3  # q, p and D
    for player in log:
        torch.testing.assert_close(log[player], same[player], rtol=1e-5, atol=1e-6)
    assert all("forward" not in vars(m) for m in game.modules())


def test_what_cannot_be_compiled_runs_as_it_is(monkeypatch):
    def backend(graph, inputs):
        raise OSError("no compiler at hand")

    monkeypatch.setattr(
        torch, "compile", functools.partial(torch.compile, backend=backend)
    )
    game, other = aae(), aae()
    with pytest.warns() as warned:
        log = fit(game, x, steps=5, batch_size=50, seed=0, compile=True)
    told = [str(w.message) for w in warned]
    assert len(told) == 3  # each network once
    assert all("not compiled" in t and "no compiler at hand" in t for t in told)
    same = fit(other, x, steps=5, batch_size=50, seed=0)
    for player in log:
        assert (log[player] == same[player]).all()


def test_an_error_of_the_network_is_not_hidden(monkeypatch):
    class Wrong(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.zeros(1))

        def forward(self, x):
            raise LookupError("mine")

    net = Wrong()
    with (
        compiled(net),
        pytest.raises(LookupError, match="mine"),
        pytest.warns(UserWarning, match=r"Wrong.forward is not compiled"),
    ):
        net(x)


def test_a_bare_layer_is_compiled_at_low_precision_and_a_shared_network_once(
    monkeypatch,
):
    monkeypatch.setattr(
        torch, "compile", functools.partial(torch.compile, backend="eager")
    )
    torch.manual_seed(0)
    q, net = Deterministic(nn.Linear(64, 4)), MLP(4, 32, 64)
    game = games.Autoencoder(q, Bernoulli(net), Normal(4))
    game.again = Bernoulli(net)
    fit(game, x, steps=3, batch_size=50, precision="bfloat16", compile=True)
    assert all("forward" not in vars(m) for m in game.modules())
    with compiled(game), at_precision(game, "bfloat16"):
        assert "forward" in vars(net)
    assert all("forward" not in vars(m) for m in game.modules())


def test_every_network_is_found_once():
    from test_conformance import GAMES

    from adv_ae.precision import _networks

    for name, make in GAMES.items():
        game = make()
        found = list(_networks(game))
        weights = [id(w) for net in found for w in net.parameters()]
        assert len(weights) == len(set(weights)), name
        owned = {
            id(w)
            for net in game.modules()
            if isinstance(net, MLP)
            for w in net.parameters()
        }
        assert owned <= set(weights), name
