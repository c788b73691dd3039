"""Captured steps are the steps: on a tape that stands for a CUDA graph, every game."""

import functools
import warnings

import pytest
import torch
from tape import tape
from test_conformance import GAMES, batch, x

from adv_ae import capture, games, step
from adv_ae.conditionals import Bernoulli, Deterministic
from adv_ae.networks import MLP
from adv_ae.training import adam, falling, fit, sgd

N = 20
ORDERS = torch.Generator()  # permutations have a generator of their own beside a GPU


@pytest.fixture
def taped(monkeypatch):
    """How often a graph was captured."""
    captured = []
    order = functools.partial(torch.randperm, generator=ORDERS)
    monkeypatch.setattr(torch, "randperm", order)
    monkeypatch.setattr(
        capture, "cuda_graph", lambda play: captured.append(1) or tape(play)
    )
    return captured


def streams(game):
    """Data of two batches an epoch, so that epochs end in the middle of a replay."""
    given = batch(game)
    twice = [torch.cat([t, t.flip(0)]) for t in given]
    whole = [t for t in twice if len(t) == 2 * N]
    return [tuple(whole), *([tuple(twice[1:])] if len(whole) < len(twice) else [])]


def run(game, optimizers, captured, steps=43, **options):
    data = streams(game)
    ORDERS.manual_seed(5)
    sizes = [N, 8][: len(data)]
    return fit(
        game, data, optimizers, steps, sizes, seed=3, capture=captured, **options
    )


def both(name, make, **options):
    """The same run step by step and captured: (game, optimizers, history) of each."""
    found = []
    for captured in (False, True):
        torch.manual_seed(0)
        game = GAMES[name]()
        optimizers = make(game)
        found.append((game, optimizers, run(game, optimizers, captured, **options)))
    return found


def assert_equal_runs(plain, other):
    (a, _, log), (b, _, log_b) = plain, other
    for player in log:
        torch.testing.assert_close(
            torch.tensor(log[player]), torch.tensor(log_b[player]), rtol=1e-5, atol=1e-6
        )
    for key, w in a.state_dict().items():
        torch.testing.assert_close(w, b.state_dict()[key], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", GAMES)
def test_a_captured_run_is_the_run(name, taped):
    """43 steps: three warm, four replays of ten; the noise, the batches, the falling
    rates, what Adam counts all go on inside of the graph."""
    fall = falling(43)

    def make(game):
        return adam(game, 3e-3)

    plain, other = both(
        name, make, schedules=dict.fromkeys(GAMES[name]().players, fall)
    )
    assert taped == [1]
    assert_equal_runs(plain, other)


def test_sgd_with_momentum_and_drops_is_captured(taped):
    drops = {"D": lambda i: 0.5 ** (i // 7)}  # between the steps of one replay
    plain, other = both(
        "AAE gaussian", lambda game: sgd(game, 0.05, 0.9), schedules=drops
    )
    assert taped == [1]
    assert_equal_runs(plain, other)


def test_adam_that_is_not_fused_is_captured(taped):
    """Its counter of steps is a tensor of the CPU, until it is captured."""

    def make(game):
        return {k: torch.optim.NAdam(game.weights(k)) for k in game.players}

    game = GAMES["GAN"]()
    made = make(game)
    with pytest.raises((AssertionError, RuntimeError)):  # torch: CUDA only
        run(game, made, True)
    assert made["D"].param_groups[0]["capturable"] is False  # put back all the same


def test_batch_norm_and_dropout_go_on_inside_of_a_graph(taped):
    def game(seed=0):
        torch.manual_seed(seed)
        net = MLP(12, 16, 4, batch_norm=True, dropout=0.2)
        return games.Autoencoder(Deterministic(net), Bernoulli(MLP(4, 16, 12)), None)

    found = []
    for captured in (False, True):
        one = game()
        ORDERS.manual_seed(5)
        log = fit(
            one, torch.cat([x, x]), sgd(one, 0.05), 43, N, seed=1, capture=captured
        )
        found.append((one, None, log))
    assert taped == [1]
    assert_equal_runs(*found)
    assert found[1][0].q.net.layers[1].num_batches_tracked == 43


class Counting(torch.optim.SGD):
    """Its rate falls with a count of Python's: in a graph it would stand still."""

    def __init__(self, weights):
        super().__init__(weights, 0.1)
        self.count = 0

    def step(self, closure=None):
        self.count += 1
        self.param_groups[0]["lr"] = 0.1 / self.count
        return super().step(closure)


def test_an_optimizer_with_numbers_of_pythons_is_not_captured(taped):
    for make in (Counting, lambda w: torch.optim.Adagrad(w, 0.1)):
        game = GAMES["Autoencoder"]()
        made = {"qp": make(game.weights("qp"))}
        with pytest.raises(ValueError, match=r"\['qp'\] keep numbers outside"):
            run(game, made, True)
        run(game, made, None)
    assert not taped


class Peeking(games.Autoencoder):
    """Looks at a value."""

    def play(self, x):
        yield {
            k: v * (1 if v.item() > 0 else 2) for k, v in next(super().play(x)).items()
        }


def test_a_step_that_waits_is_played_from_python_and_says_so(taped):
    found = []
    for captured in (False, True):
        torch.manual_seed(0)
        game = GAMES["Autoencoder"]()
        game.__class__ = Peeking
        if captured:
            with pytest.warns(UserWarning, match="they cannot.*_local_scalar"):
                found.append((game, None, run(game, None, True)))
        else:
            found.append((game, None, run(game, None, False)))
    assert_equal_runs(*found)


class Counted(games.Autoencoder):
    """Its loss has a weight that falls with a count of Python's."""

    count = 0

    def play(self, x):
        self.count += 1
        (turn,) = super().play(x)
        yield {"qp": turn["qp"] / self.count}


class CountedInBuffer(games.Autoencoder):
    """The same, as it should be."""

    def play(self, x):
        self.count += 1
        (turn,) = super().play(x)
        yield {"qp": turn["qp"] / self.count}


def test_a_number_of_pythons_in_play_is_noticed(taped):
    found = []
    for kind in (Counted, CountedInBuffer):
        torch.manual_seed(0)
        game = GAMES["Autoencoder"]()
        game.__class__ = kind
        if kind is Counted:
            with pytest.warns(UserWarning, match="their replay has other losses"):
                found.append(run(game, adam(game), True)["qp"])
        else:
            game.register_buffer("count", torch.zeros(()))
            found.append(run(game, adam(game), True)["qp"])
            assert game.count == 43
    assert taped == [1, 1]
    # Nothing was lost by the trial; its ten counts are the only trace that it leaves.
    torch.testing.assert_close(*(torch.tensor(log[:13]) for log in found))
    ratio = torch.tensor(found[1] / found[0])[13:]
    torch.testing.assert_close(ratio[0].item(), 24 / 14, rtol=1e-4, atol=0)


def test_without_a_cuda_device_the_run_goes_on_and_says_so():
    game = GAMES["Autoencoder"]()
    with pytest.warns(UserWarning, match="there is no CUDA device"):
        assert run(game, None, True).steps == 43
    if not torch.cuda.is_available():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            run(game, None, None)  # nobody asked


def test_rates_and_switches_are_put_back(taped):
    game = GAMES["AAE gaussian"]()
    optimizers = adam(game, 3e-3)
    run(game, optimizers, True, schedules={"D": falling(43)})
    for optimizer in optimizers.values():
        (group,) = optimizer.param_groups
        assert group["lr"] == 3e-3 and isinstance(group["lr"], float)
        assert group["capturable"] is False and group["fused"] is True


def test_with_callbacks_every_step_is_seen(taped):
    seen = []
    game = GAMES["Autoencoder"]()
    history = run(
        game, None, True, callbacks=[lambda g, i, told: seen.append((i, told["qp"]))]
    )
    assert not taped and [i for i, _ in seen] == list(range(1, 44))
    assert [float(v) for _, v in seen] == history["qp"].tolist()


@pytest.mark.parametrize("stop", [26, 30])
def test_a_captured_run_is_resumed(taped, monkeypatch, tmp_path, stop):
    """Checkpoints lie between replays, wherever `every` puts them."""
    monkeypatch.setattr(torch, "randperm", torch.arange)  # no checkpoint has ORDERS
    make = GAMES["AAE universal"]
    options = {"checkpoint": tmp_path / "half", "every": 25}
    torch.manual_seed(0)
    whole = make()
    run(whole, adam(whole), True, checkpoint=tmp_path / "whole", every=25)
    torch.manual_seed(0)
    half = make()

    def kill(game, i, losses):
        if i == stop:
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        run(half, adam(half), True, callbacks=[kill], **options)
    other = make()
    run(other, adam(other), True, resume=True, **options)
    assert len(taped) == 2  # 3 .. 23, and after three warm steps 28 .. 38
    for a, b in zip(whole.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", GAMES)
def test_a_step_stays_on_the_device(name):
    """On tensors without content, whose device takes no others: nothing is taken to the
    CPU or made there, no value is looked at, no shape depends on one."""
    game = GAMES[name]().to("meta")
    given = [t.to("meta") for t in batch(game)]
    optimizers = sgd(game, 0.1)
    for _ in range(2):
        for loss in step(game, optimizers, *given).values():
            assert loss.device.type == "meta"


class Made(games.Autoencoder):
    """Makes a tensor of Python's numbers in its step."""

    def play(self, x):
        (turn,) = super().play(x)
        yield {"qp": turn["qp"] * torch.tensor([2.0])}


@pytest.mark.parametrize("kind", [Made, Peeking])
def test_the_law_can_be_broken(kind):
    game = GAMES["Autoencoder"]().to("meta")
    game.__class__ = kind
    with pytest.raises((RuntimeError, NotImplementedError), match=r"meta|item"):
        step(game, sgd(game, 0.1), batch(game)[0].to("meta"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", GAMES)
def test_on_a_gpu_a_captured_run_is_the_run(name):
    """Fifty losses of the same seed, to 1e-5."""
    found = []
    for captured in (False, True):
        torch.manual_seed(0)
        game = GAMES[name]().to("cuda")
        log = run(game, adam(game, 1e-3), captured, 53, precision="highest")
        found.append(log)
    for player in found[0]:
        torch.testing.assert_close(
            torch.tensor(found[0][player]),
            torch.tensor(found[1][player]),
            rtol=1e-5,
            atol=1e-6,
        )
