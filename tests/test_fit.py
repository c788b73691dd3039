"""What `fit` promises beside its losses: clock, limit of time, looks, modes, rates."""

from types import SimpleNamespace

import pytest
import torch
from test_training import DATA, Mean, aae

from adv_ae import checkpoints, training
from adv_ae.capture import CapturedSteps, Steps
from adv_ae.game import Game, WiringError
from adv_ae.training import Batches, TrainingError, adam, falling, fit, sgd


def test_an_epoch_that_batches_fill_is_drawn_to_its_end():
    batches = Batches(torch.arange(10), 5, "cpu")
    for _ in range(5):
        epoch = torch.cat([batches.draw()[0] for _ in range(2)])
        assert sorted(epoch.tolist()) == list(range(10))


class TwoMeans(Game):
    """The second player moves first."""

    players = {"a": ("a",), "b": ("b",)}

    def __init__(self):
        super().__init__()
        self.a, self.b = (torch.nn.Parameter(torch.zeros(2)) for _ in "ab")

    def play(self, x):
        yield {"b": (x - self.b).square().mean() + 100}
        yield {"a": (x - self.a).square().mean()}


class Idle(TwoMeans):
    def play(self, x):
        yield next(super().play(x))


def test_losses_go_to_their_players_in_whatever_order_they_move():
    seen = []
    history = fit(
        TwoMeans(), DATA[:, :2], steps=3, batch_size=10, seed=0,
        callbacks=[lambda game, i, told: seen.append(dict(told))],
    )  # fmt: skip
    assert (history["b"] > 100).all() and (history["a"] < 100).all()
    assert [float(told["b"]) for told in seen] == history["b"].tolist()


def test_a_player_that_never_plays_is_named():
    with pytest.raises(WiringError, match=r"Idle: \['a'\] did not play"):
        fit(Idle(), DATA[:, :2], steps=3, batch_size=10)


def test_a_run_that_ends_in_an_error_leaves_mode_and_rates_as_they_were():
    game = aae()
    rates = {"reconstruction": 0.01, "D": torch.tensor(0.02), "G": 0.03}
    optimizers = {
        k: torch.optim.Adam(game.weights(k), rate, fused=True)
        for k, rate in rates.items()
    }
    seen = []

    def stop(game, i, losses):
        assert game.training
        seen.append([float(o.param_groups[0]["lr"]) for o in optimizers.values()])
        if i == 8:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fit(
            game, DATA, optimizers, 10, 10, callbacks=[stop],
            schedules=dict.fromkeys(rates, falling(10)),
        )  # fmt: skip
    assert not game.training and not any(m.training for m in game.modules())
    assert seen[-1] == pytest.approx([0.006, 0.012, 0.018])
    for player, rate in rates.items():
        (group,) = optimizers[player].param_groups
        assert type(group["lr"]) is type(rate) and group["lr"] == rate


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves: a second a step, by its callback."""
    now = [1000.0]
    monkeypatch.setattr(training, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    def tick(game, i, losses):
        now[0] += 1

    return tick


def stop_at(step):
    def stop(game, i, losses):
        if i == step:
            raise InterruptedError

    return stop


def test_seconds_are_counted_over_all_calls_up_to_their_last_checkpoints(
    clock, tmp_path
):
    def go(*callbacks):
        return fit(
            aae(), DATA, steps=20, batch_size=10, seed=0, every=5, resume=True,
            checkpoint=tmp_path, callbacks=[clock, *callbacks],
        )  # fmt: skip

    for stop in (8, 13):  # checkpoints at 5 and 10: three seconds are lost each time
        with pytest.raises(InterruptedError):
            go(stop_at(stop))
    history = go()
    assert history.steps == 20
    assert history.seconds == 10 and history.total_seconds == 20
    assert history.steps_per_second == 1
    again = go()
    assert again.total_seconds == 20 and again.seconds == 0


def test_a_run_stops_at_its_limit_of_time_with_a_checkpoint(clock, tmp_path):
    whole, game = aae(), aae()
    options = {"steps": 20, "batch_size": 10, "seed": 0, "callbacks": [clock]}
    fit(whole, DATA, **options)
    options |= {"checkpoint": tmp_path, "resume": True}
    with pytest.raises(TimeoutError, match="reached at step 8"):
        fit(game, DATA, time_limit=7.5, **options)
    assert [p.name for p in tmp_path.iterdir()] == ["step-000000008"]
    game = aae()
    fit(game, DATA, time_limit=11.5, **options)  # over at the last step: all is done
    for v, w in zip(whole.parameters(), game.parameters(), strict=True):
        assert torch.equal(v, w)


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    """The last step's loss is fine; what it does to the weights is not."""
    game = Mean()
    with pytest.raises(TrainingError, match="weights m of player 'm' are not finite"):
        fit(game, 100 * DATA[:, :2], sgd(game, 3e38), 1, 10, checkpoint=tmp_path)
    assert not list(tmp_path.iterdir())


def test_losses_are_looked_at_every_hundred_steps_and_at_the_end(monkeypatch):
    plain, looks = checkpoints.Run.look, []

    def look(self, step):
        looks.append(step)
        return plain(self, step)

    monkeypatch.setattr(checkpoints.Run, "look", look)
    fit(Mean(), torch.ones(10, 2), steps=250, batch_size=10)
    assert looks == [100, 200, 250]


def test_on_a_gpu_steps_are_captured_unless_an_optimizer_keeps_numbers():
    game, device = Mean(), torch.device("cuda")
    keeping = {"m": torch.optim.Adagrad(game.weights("m"))}
    assert training._kind(None, device, adam(game)) is CapturedSteps
    assert training._kind(None, device, sgd(game, 0.1)) is CapturedSteps
    assert training._kind(None, device, keeping) is Steps
    assert training._kind(False, device, adam(game)) is Steps
    assert training._kind(None, torch.device("cpu"), adam(game)) is Steps
