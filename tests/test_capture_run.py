"""Captured steps beside the rest of `fit`: how many are captured, with which
optimizers, what is saved, looked at and shown between two replays.
"""

import pytest
import torch
from tape import tape
from test_training import DATA, Mean

from adv_ae import capture, checkpoints
from adv_ae.capture import capturable
from adv_ae.training import adam, falling, fit, sgd


@pytest.fixture
def taped(monkeypatch):
    """How many steps were replayed, one entry a graph."""
    counts = []

    def graph(play):
        replay, here = tape(play), len(counts)
        counts.append(0)

        def counted():
            counts[here] += capture.STRIDE
            replay()

        return counted

    monkeypatch.setattr(capture, "cuda_graph", graph)
    return counts


def played(steps, make=adam, data=DATA[:, :2], **options):
    game = Mean()
    optimizers = make(game)
    history = fit(
        game, data, optimizers, steps, len(data), seed=0, capture=True, **options
    )
    return game, optimizers, history


@pytest.mark.parametrize(
    ("steps", "replayed"),
    [(3, 0), (12, 0), (13, 10), (22, 10), (23, 20), (100, 90), (250, 240)],
)
def test_what_fits_is_replayed_after_three_steps(taped, steps, replayed):
    """Of each hundred all but what does not fill a replay, for losses are looked at
    there."""
    history = played(steps)[2]
    assert sum(taped) == replayed and history.steps == steps
    assert len(taped) == (replayed > 0)


def test_checkpoints_lie_where_they_are_asked_for(taped, tmp_path):
    for every, kept in ((25, (75, 80)), (7, (77, 80)), (40, (40, 80))):
        folder = tmp_path / str(every)
        taped.clear()
        played(80, checkpoint=folder, every=every)
        names = sorted(p.name for p in folder.iterdir())
        assert names == [f"step-{n:09d}" for n in kept]
        assert (sum(taped) > 0) == (every > capture.STRIDE)


def test_losses_are_looked_at_every_hundred_steps_and_at_the_end(taped, monkeypatch):
    plain, looks = checkpoints.Run.look, []

    def look(self, step):
        looks.append(step)
        return plain(self, step)

    monkeypatch.setattr(checkpoints.Run, "look", look)
    played(250)
    assert looks == [100, 200, 250]


def test_the_bar_shows_the_last_loss_of_a_replay(taped, capsys):
    history = played(200, lambda game: sgd(game, 0.01), progress=True)[2]
    last, first = (f"m={history['m'][i]:.4g}" for i in (199, 190))
    shown = capsys.readouterr().err
    assert last != first and last in shown and first not in shown


@pytest.mark.parametrize("foreach", [True, False])
def test_switches_of_sgd_are_put_back(taped, foreach):
    _, optimizers, _ = played(
        23,
        lambda game: {"m": torch.optim.SGD(game.weights("m"), 0.1, foreach=foreach)},
        schedules={"m": falling(23)},
    )
    (group,) = optimizers["m"].param_groups
    assert taped == [20]
    assert group["lr"] == 0.1 and isinstance(group["lr"], float)
    assert group["foreach"] is foreach and group["fused"] is None


def test_a_rate_that_is_a_tensor_is_the_same_tensor_afterwards(taped):
    rate = torch.tensor(0.1)
    _, optimizers, _ = played(
        23,
        lambda game: {"m": torch.optim.Adam(game.weights("m"), rate, fused=True)},
        schedules={"m": falling(23)},
    )
    assert optimizers["m"].param_groups[0]["lr"] is rate and rate == 0.1


class Counting(torch.optim.Adam):
    """Its rate falls with a count of Python's."""

    count = 0

    def step(self, closure=None):
        self.count += 1
        self.param_groups[0]["lr"] = 0.1 / self.count
        return super().step(closure)


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.NAdam, torch.optim.SGD])
def test_torch_s_own_optimizers_can_be_captured(kind):
    assert capturable(kind([torch.zeros(1)], 0.1))


@pytest.mark.parametrize(
    "kind", [Counting, torch.optim.Adagrad, torch.optim.LBFGS, torch.optim.Rprop]
)
def test_others_are_known_by_their_numbers(kind):
    known = kind is torch.optim.Rprop  # capturable since torch 2.3
    assert capturable(kind([torch.zeros(1)], 0.1)) == known


def test_one_s_own_kind_of_adam_is_not_captured(taped):
    with pytest.raises(ValueError, match=r"\['m'\] keep numbers outside"):
        played(23, lambda game: {"m": Counting(game.weights("m"))})


@pytest.mark.parametrize("fused", [True, False])
def test_counters_of_steps_go_to_the_device(fused):
    """Resumed, or played before: what counts the steps must not be on the CPU when a
    graph is captured. A tensor without content shows where it went."""
    w = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.Adam([w], 0.1, fused=fused)
    w.grad = torch.ones(2)
    optimizer.step()
    capture._keep_in_tensors(optimizer, "meta")
    (group,), state = optimizer.param_groups, optimizer.state[w]
    assert state["step"].device.type == group["lr"].device.type == "meta"
    assert group["capturable"] is True and state["exp_avg"].device.type == "cpu"
