"""The engine: what moves at a yield, and what is refused."""

import copy

import pytest
import torch
from torch import nn

from adv_ae.game import Game, WiringError, step


class Two(Game):
    """Two numbers; `turns` says who plays when, with which loss."""

    players = {"a": ("a",), "b": ("b",)}

    def __init__(self, turns):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(1.0))
        self.b = nn.Parameter(torch.tensor(2.0))
        self.turns = turns

    def play(self):
        for turn in self.turns:
            yield {k: loss(self) for k, loss in turn.items()}


def product(game):
    return game.a * game.b


def sgd(game, lr=0.1):
    return {k: torch.optim.SGD(game.weights(k), lr) for k in game.players}


def test_one_yield_moves_all_players_at_once():
    game = Two([{"a": product, "b": product}])
    report = step(game, sgd(game))
    assert game.a.item() == pytest.approx(1 - 0.1 * 2)
    assert game.b.item() == pytest.approx(2 - 0.1 * 1)  # a as it was
    assert report["a"].item() == report["b"].item() == 2
    assert not report["a"].requires_grad


def test_several_yields_move_in_turn():
    game = Two([{"a": product}, {"b": product}])
    report = step(game, sgd(game))
    assert game.b.item() == pytest.approx(2 - 0.1 * 0.8)  # a has moved
    assert report["b"].item() == pytest.approx(1.6)


def test_a_player_may_play_twice():
    game = Two([{"a": product}, {"a": product}, {"b": product}])
    step(game, sgd(game))
    assert game.a.item() == pytest.approx(1 - 2 * 0.1 * 2)


def test_losses_moves_nothing_and_keeps_batch_norm_statistics():
    class Norm(Game):
        players = {"n": ("n",)}

        def __init__(self):
            super().__init__()
            self.n = nn.BatchNorm1d(3)

        def play(self, x):
            yield {"n": self.n(x).square().mean()}

    game, x = Norm(), torch.randn(10, 3) + 5
    before = copy.deepcopy(game.state_dict())
    loss = game.losses(x)["n"]
    loss.backward()  # the graph is whole
    for name, value in game.state_dict().items():
        assert torch.equal(before[name], value), name
    step(game, sgd(game), x)
    assert not torch.equal(before["n.running_mean"], game.n.running_mean)


def test_weights_reach_dotted_names_and_count_shared_weights_once():
    class Nested(Game):
        players = {"deep": ("net.0", "net.2"), "all": ("net", "again")}

        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
            self.again = self.net[0]

    game = Nested()
    assert len(game.weights("deep")) == len(game.weights("all")) == 4
    assert next(k for k, _ in game.named_weights("deep")) == "net.0.weight"


def refuse(match, turns, optimizers=None, **changes):
    game = Two(turns)
    for key, value in changes.items():
        setattr(game, key, value)
    if optimizers is None:
        optimizers = sgd(game)
    before = copy.deepcopy(game.state_dict())
    with pytest.raises(WiringError, match=match):
        step(game, optimizers)
    assert all(torch.equal(before[k], v) for k, v in game.state_dict().items())


def test_an_undeclared_player_is_refused():
    refuse("no player 'c' is declared", [{"c": product}])


def test_a_player_without_optimizer_is_refused():
    refuse("has no optimizer", [{"a": product}], optimizers={})


def test_players_of_one_turn_that_share_weights_are_refused():
    shared = {"a": ("a",), "b": ("a", "b")}
    game = Two([{"a": product, "b": product}])
    game.players = shared
    with pytest.raises(WiringError, match="shares weights with 'a'"):
        step(game, sgd(game))


def test_a_weight_without_gradient_is_refused_by_name():
    refuse("no gradient to 'b'", [{"b": lambda g: g.a * 1}])


def test_a_detached_loss_is_refused():
    refuse("depends on no weights", [{"a": lambda g: product(g).detach()}])


@pytest.mark.parametrize("loss", [lambda g: g.a * torch.ones(3), lambda g: 1.0])
def test_a_loss_that_is_not_a_scalar_is_refused(loss):
    refuse("must be a scalar", [{"a": loss}])


def test_an_unknown_network_name_is_refused():
    game = Two([])
    game.players = {"a": ("encoder.trunk",)}
    with pytest.raises(WiringError, match=r"'encoder\.trunk'"):
        game.weights("a")


def test_a_game_without_play_says_so():
    with pytest.raises(TypeError, match="must define play"):
        step(Game(), {})


class Transposed(Game):
    """Its gradient lies transposed in memory."""

    players = {"w": ("w",)}

    def __init__(self, target):
        super().__init__()
        self.w, self.target = nn.Parameter(torch.zeros(4, 3)), target

    def play(self, x):
        yield {"w": (self.w.T * self.target).sum()}


@pytest.mark.parametrize("fused", [False, True])
def test_a_gradient_lies_in_memory_as_its_weight_does(fused):
    """Fused Adam on a CPU reads it as it lies (torch 2.13)."""
    target = torch.randn(3, 4)
    game = Transposed(target)
    adam = torch.optim.Adam(game.weights("w"), lr=0.1, fused=fused)
    step(game, {"w": adam}, torch.zeros(1))
    assert game.w.grad.stride() == game.w.stride()
    torch.testing.assert_close(game.w.detach(), -0.1 * target.T.sign())
