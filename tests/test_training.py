"""`fit`: batches, schedules, history, broken losses, weights on disk."""

import os
import signal
import threading

import numpy as np
import pytest
import torch
from torch import nn

from adv_ae import games
from adv_ae.conditionals import Bernoulli, Deterministic
from adv_ae.game import Game
from adv_ae.networks import MLP, Discriminator
from adv_ae.priors import Normal
from adv_ae.training import (
    Batches,
    CheckpointError,
    TrainingError,
    adam,
    fit,
    load_weights,
    save_weights,
    sgd,
)


class Mean(Game):
    """Descends |x - m|^2 / 2."""

    players = {"m": ("m",)}

    def __init__(self):
        super().__init__()
        self.m = nn.Parameter(torch.zeros(2))

    def play(self, x):
        yield {"m": (x - self.m).square().sum(1).mean() / 2}


def aae(seed=0):
    torch.manual_seed(seed)
    q, p = Deterministic(MLP(6, 8, 2)), Bernoulli(MLP(2, 8, 6))
    return games.AAE(q, p, Normal(2), Discriminator(2, 8))


DATA = torch.rand(50, 6, generator=torch.Generator().manual_seed(1))


def test_an_epoch_is_a_permutation_and_the_next_one_another():
    batches = Batches(torch.arange(10).float(), 4, "cpu")
    epochs = [torch.cat([batches.draw()[0] for _ in range(2)]) for _ in range(20)]
    assert all(len(e.unique()) == 8 for e in epochs)  # the last two are left out
    assert any(not torch.equal(epochs[0], e) for e in epochs[1:])
    assert set(torch.cat(epochs).tolist()) == set(range(10))


def test_rows_of_one_stream_stay_together_and_streams_turn_over_independently():
    x, y, few = torch.arange(12.0), torch.arange(12), torch.arange(3.0)
    batches = Batches([(x, y), few], [5, 2], "cpu")
    seen = []
    for _ in range(6):
        a, b, c = batches.draw()
        assert torch.equal(a.long(), b) and len(c) == 2
        assert len(set(c.tolist())) == 2
        seen += a.tolist()
    assert set(seen[:10]) != set(seen[10:20]) and len(set(seen[:10])) == 10


def test_uint8_becomes_floats_in_the_unit_interval():
    (x,) = Batches(torch.tensor([[0, 255, 51]], dtype=torch.uint8), 1, "cpu").draw()
    torch.testing.assert_close(x, torch.tensor([[0.0, 1.0, 0.2]]))


def test_data_that_cannot_be_batched_is_refused():
    with pytest.raises(ValueError, match="aligned"):
        Batches((torch.zeros(3), torch.zeros(4)), 2, "cpu")
    for size in (0, 4):
        with pytest.raises(ValueError, match=r"1\.\.3"):
            Batches(torch.zeros(3), size, "cpu")
    with pytest.raises(ValueError, match="2 streams, but 1"):
        Batches([torch.zeros(3), torch.zeros(3)], [2], "cpu")


def test_fit_descends_and_reports_every_step():
    game, x = Mean(), torch.randn(100, 2) + 3
    assert not fit(game, x, steps=0).steps_per_second > 0
    history = fit(game, x, sgd(game, 0.1), steps=300, batch_size=100, seed=0)
    torch.testing.assert_close(game.m.detach(), x.mean(0), atol=1e-4, rtol=0)
    assert history["m"].shape == (300,) and history.steps == 300
    assert history["m"][0] == pytest.approx(x.square().sum(1).mean().item() / 2)
    assert history.mean("m") == pytest.approx(history["m"][-100:].mean())
    assert list(history) == ["m"] and len(history) == 1
    assert history.steps_per_second > 0 and not game.training


def test_the_same_seed_gives_the_same_run():
    runs = []
    for _ in range(2):
        game = aae()
        runs.append(fit(game, DATA, steps=20, batch_size=10, seed=5)["G"])
    assert np.array_equal(*runs)


def test_schedules_scale_the_learning_rate_of_their_step():
    game, x = Mean(), torch.ones(10, 2)
    seen = []

    def watch(g, i, losses):
        seen.append((i, g.m[0].item(), losses["m"].item()))

    half = {"m": lambda i: 0.5**i}
    fit(game, x, sgd(game, 1.0), 3, 10, schedules=half, callbacks=[watch])
    assert [s[:2] for s in seen] == [(1, 1.0), (2, 1.0), (3, 1.0)]
    game, seen[:] = Mean(), []
    zero = {"m": lambda i: float(i == 1) * 0.5}
    fit(game, x, sgd(game, 1.0), 3, 10, schedules=zero, callbacks=[watch])
    assert [s[1] for s in seen] == [0.0, 0.5, 0.5]
    with pytest.raises(ValueError, match="not all of them players"):
        fit(game, x, steps=1, batch_size=10, schedules={"D": half["m"]})


def test_rates_and_momenta_go_to_their_players():
    game = aae()
    lr = {"reconstruction": 0.01, "D": 0.1, "G": 0.2}
    momentum = {"reconstruction": 0.9, "D": 0.1, "G": 0.1}
    groups = {k: o.param_groups[0] for k, o in sgd(game, lr, momentum).items()}
    assert {k: (g["lr"], g["momentum"]) for k, g in groups.items()} == {
        k: (lr[k], momentum[k]) for k in lr
    }
    assert adam(game, lr)["G"].param_groups[0]["lr"] == 0.2
    assert adam(game, betas=(0.5, 0.9))["D"].param_groups[0]["betas"] == (0.5, 0.9)
    with pytest.raises(ValueError, match="one number for each"):
        adam(game, {"D": 0.1})


class Breaks(Mean):
    def play(self, x):
        for turn in super().play(x):
            yield {"m": turn["m"] / (self.m[0] < 0.4)}  # inf once m is there


def test_a_loss_that_is_not_finite_stops_the_run_by_name_and_step(tmp_path):
    game, x = Breaks(), torch.ones(10, 2)
    with pytest.raises(TrainingError, match=r"'m' is inf at step 6.*step-000000004"):
        fit(game, x, sgd(game, 0.1), 50, 10, checkpoint=tmp_path, every=2)
    assert sorted(p.name for p in tmp_path.glob("step-*"))[-1] == "step-000000004"
    with pytest.raises(TrainingError, match="no checkpoint"):
        fit(game, x, sgd(game, 0.1), 5, 10)


def test_the_bar_shows_losses(capsys):
    fit(Mean(), torch.ones(10, 2), steps=100, batch_size=10, progress=True)
    shown = capsys.readouterr().err
    assert "100/100" in shown and "m=" in shown


def test_a_finished_run_resumes_to_itself_and_is_not_overwritten(tmp_path):
    game = aae()
    a = fit(game, DATA, steps=30, batch_size=10, checkpoint=tmp_path, every=10, seed=0)
    kept = sorted(p.name for p in tmp_path.iterdir())
    assert kept == ["step-000000020", "step-000000030"]
    with pytest.raises(CheckpointError, match="holds a run already"):
        fit(aae(), DATA, steps=30, batch_size=10, checkpoint=tmp_path, seed=0)
    again = aae(seed=9)
    b = fit(
        again, DATA, steps=30, batch_size=10, checkpoint=tmp_path, resume=True, seed=0
    )
    assert all(np.array_equal(a[k], b[k]) for k in a)
    for v, w in zip(game.parameters(), again.parameters(), strict=True):
        assert torch.equal(v, w)


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("batch_size", {"batch_size": 5}),
        ("data", {"data": DATA + 1}),
        ("seed", {"seed": 1}),
        ("precision", {"precision": "highest"}),
        ("game", {"game": Mean}),
        ("beyond", {"steps": 10}),
    ],
)
def test_another_run_is_refused(tmp_path, key, changes):
    def run(game=aae, data=DATA, **kw):
        kw = {"steps": 20, "batch_size": 10, "seed": 0} | kw
        return fit(game(), data, checkpoint=tmp_path, resume=True, **kw)

    run()
    with pytest.raises(CheckpointError, match=key):
        run(**changes)


def damage(path, how):
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif how == "gone":
        path.unlink()
    else:
        path.write_text("{")


@pytest.mark.parametrize(
    ("file", "how"),
    [
        ("weights.safetensors", "truncated"),
        ("state.pt", "truncated"),
        ("state.pt", "gone"),
        ("manifest.json", "garbled"),
    ],
)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path, file, how):
    whole = aae()
    fit(whole, DATA, steps=20, batch_size=10, seed=0)
    game = aae()
    kw = {"steps": 20, "batch_size": 10, "seed": 0, "checkpoint": tmp_path}
    fit(game, DATA, every=10, **kw)
    damage(tmp_path / "step-000000020" / file, how)
    game = aae()
    with pytest.warns(UserWarning, match="damaged"):
        fit(game, DATA, resume=True, **kw)
    for v, w in zip(whole.parameters(), game.parameters(), strict=True):
        assert torch.equal(v, w)
    for step in (10, 20):
        damage(tmp_path / f"step-{step:09d}" / file, how)
    with (
        pytest.warns(UserWarning, match="damaged"),
        pytest.raises(CheckpointError, match="no checkpoint"),
    ):
        fit(game, DATA, resume=True, **kw)


def test_ctrl_c_leaves_a_checkpoint_and_the_run_goes_on_from_there(tmp_path):
    def interrupt(game, i, losses):
        if i == 7:
            os.kill(os.getpid(), signal.SIGINT)

    whole, game = aae(), aae()
    kw = {"steps": 20, "batch_size": 10, "seed": 0}
    fit(whole, DATA, **kw)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(game, DATA, checkpoint=tmp_path, callbacks=[interrupt], **kw)
    assert signal.getsignal(signal.SIGINT) is before
    assert [p.name for p in tmp_path.iterdir()] == ["step-000000007"]
    game = aae()
    fit(game, DATA, checkpoint=tmp_path, resume=True, **kw)
    for v, w in zip(whole.parameters(), game.parameters(), strict=True):
        assert torch.equal(v, w)


def test_fit_works_off_the_main_thread():
    game = Mean()
    thread = threading.Thread(target=fit, args=(game, torch.ones(10, 2), None, 5, 10))
    thread.start()
    thread.join()
    assert game.m[0] > 0


def test_weights_on_disk(tmp_path):
    a, b = aae(0), aae(1)
    save_weights(a, tmp_path / "w.safetensors")
    load_weights(b, tmp_path / "w.safetensors")
    assert torch.equal(a.q.net.layers[0].weight, b.q.net.layers[0].weight)
    with pytest.raises(CheckpointError, match="does not fit Mean"):
        load_weights(Mean(), tmp_path / "w.safetensors")
    (tmp_path / "bad").write_bytes(b"no tensors here")
    with pytest.raises(CheckpointError, match="does not fit"):
        load_weights(a, tmp_path / "bad")
    assert not list(tmp_path.glob("*.draft"))


def test_device_is_where_the_game_goes():
    game = Mean()
    fit(game, torch.ones(10, 2), steps=2, batch_size=10, device="cpu")
    assert game.m.device.type == "cpu"
