"""The benchmark times the same work everywhere, and its page is what was measured."""

import copy
import csv
import dataclasses
import functools
import importlib
import json
import math
import re

import matplotlib as mpl
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from adv_ae.data import as_float
from adv_ae.game import step
from adv_ae.games import AlternatingBiGAN
from adv_ae.training import adam
from benchmarks import accuracy, measure, ours, overhead, page, run
from benchmarks.floor import Perceptron
from benchmarks.limit import Product, products
from benchmarks.ratios import ratios
from benchmarks.work import WORKS, Work, batches

every_work = pytest.mark.parametrize("name", WORKS)


@functools.cache
def one_batch(name: str) -> Work:
    """The work in float64, on so few examples that every batch has all of them: no loss
    depends on their order."""
    n = WORKS[name].batch
    few = [tuple(exact(t[:n]) for t in stream) for stream in WORKS[name].data()]
    return dataclasses.replace(WORKS[name], data=lambda: few)


def exact(t):
    """Images in [0, 1] as float64; labels as they are."""
    return t if t.dtype == torch.int64 else as_float(t).double()


@pytest.fixture
def same_noise(monkeypatch):
    """All noise comes from one stream, whatever is drawn beside; a call starts it."""
    stream = torch.Generator()
    for name in ("randn", "rand", "randint"):
        drawn = getattr(torch, name)
        monkeypatch.setattr(
            torch, name, lambda *s, d=drawn, **kw: d(*s, **{"generator": stream} | kw)
        )
    return lambda: stream.manual_seed(1)


def losses(contender: str, work: Work, steps: int = 3) -> dict[str, list[float]]:
    """Of these steps."""
    module = importlib.import_module(measure.CONTENDERS[contender])
    play, played = getattr(module, contender)(work, "highest", "cpu"), []
    play(steps, lambda at: played.append({k: float(v) for k, v in at.items()}))
    assert len(played) == steps
    return {k: [at[k] for at in played] for k in played[0]}


def alternating() -> AlternatingBiGAN:
    game = WORKS["bigan"].build()
    return AlternatingBiGAN(game.q, game.p, game.prior, game.D)


@every_work
@pytest.mark.parametrize("contender", ["plain", "notebook", "floor"])
def test_contenders_have_our_losses(name, contender, double, same_noise):
    """Three steps: the second and third see what the updates before have moved."""
    few = one_batch(name)
    same_noise()
    theirs = losses(contender, few)
    if (name, contender) == ("bigan", "notebook"):  # D moves first there
        few = dataclasses.replace(few, build=alternating)
    same_noise()
    ours = losses("engine", few)
    assert ours.keys() == theirs.keys()
    for player in ours:
        assert theirs[player] == pytest.approx(ours[player], rel=1e-9), player


@every_work
def test_the_listed_products_are_those_of_a_step(name):
    work = WORKS[name]
    game = work.game("cpu")
    batch = next(batches(work.streams("cpu"), work.batch))
    with FlopCounterMode(display=False) as counter:
        step(game, adam(game), *batch)
    listed = products(game, work.batch)
    assert sum(product.flops for product in listed) == counter.get_total_flops()


def test_the_issues_sizes():
    """Weights by hand, biases included."""
    counts = {
        k: sum(w.numel() for w in WORKS[k].game("cpu").parameters()) for k in WORKS
    }
    q = 785 * 1000 + 1001 * 1000
    assert counts["aae"] == (q + 1001 * 2) + (3 * 1000 + 1001 * (1000 + 784)) + (
        3 * 1000 + 1001 * 1001
    )
    assert counts["bigan"] == (785 * 1024 + 1025 * (1024 + 50)) + (
        51 * 1024 + 1025 * (1024 + 784)
    ) + (835 * 1024 + 1025 * 1025)
    D = 11 * 1000 + 1001 * 1001
    assert (
        counts["semi-supervised"] == (q + 1001 * 20) + (21 * 1000 + 1001 * 1784) + 2 * D
    )


def test_a_product_is_that_of_its_layer():
    layer = torch.nn.Linear(3, 5)
    x = torch.randn(7, 3)
    shapes = {"forward": (7, 5), "dgrad": (7, 3), "wgrad": (5, 3)}
    for kind, shape in shapes.items():
        a, b = Product(kind, 7, 3, 5).operands(torch.float32, "cpu")
        assert (a @ b).shape == shape
        assert Product(kind, 7, 3, 5).flops == 2 * 7 * 3 * 5
    assert layer(x).shape == shapes["forward"]


@pytest.mark.parametrize("rectified", [False, True])
def test_the_perceptron_by_hand_is_autograds(rectified, double):
    last = [torch.nn.ReLU()] if rectified else []
    net = torch.nn.Sequential(
        torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3), *last
    )
    x, g = torch.randn(5, 4, requires_grad=True), torch.randn(5, 3)
    out = net(x)
    want = torch.autograd.grad(out, [*net.parameters(), x], g)
    hand = Perceptron(net, torch.float64, rectified)
    with torch.no_grad():
        torch.testing.assert_close(hand.forward(x), out)
        slopes, of_x = hand.both_slopes(g)
        torch.testing.assert_close([*slopes, of_x], list(want))
        torch.testing.assert_close(hand.weight_slopes(g), slopes)
        torch.testing.assert_close(hand.input_slope(g), of_x)


def test_rows_of_an_epoch_are_drawn_once():
    x, y = torch.arange(10), torch.arange(10) * 2
    drawn = batches([(x, y), (x,)], 3)
    epoch = [next(drawn) for _ in range(3)]
    assert len(set(torch.cat([a for a, _, _ in epoch]).tolist())) == 9
    assert all(torch.equal(2 * a, b) for a, b, _ in epoch)
    bytes_ = next(batches([(torch.full((4, 2), 255, dtype=torch.uint8),)], 2))[0]
    assert torch.equal(bytes_, torch.ones(2, 2))


def test_the_clock_reads_after_the_warm_up_and_at_the_end(monkeypatch):
    times = iter([measure.Reading(1, 2, 3), measure.Reading(3, 3, 7)])
    monkeypatch.setattr(measure.Reading, "now", lambda device: next(times))
    monkeypatch.setattr(measure.os, "cpu_count", lambda: 2)
    clock = measure.Clock(2, 4, "cpu")
    for i in range(6):
        assert len(clock.readings) == (i >= 2)
        clock({})
    # 2 s for 4 steps; 1 s of CPU; of 4 s that 2 cores worked 3 were not ours
    assert clock.report() == {"wall_ms": 500, "cpu_ms": 250, "foreign": 3 / 4}


def test_machine_seconds_grow_with_work():
    before, i = measure._machine_seconds(), 0
    while measure.time.process_time() % 0.2 < 0.15:
        i += 1
    assert not measure._machine_seconds() < before


def test_ratios_are_formed_within_a_round():
    """Rounds of a machine that slows down threefold have the same ratio."""

    def timed(*ms):
        return [{"wall_ms": m, "cpu_ms": 10 * m} for m in ms]

    runs = {
        run.Configuration("aae", "engine", "medium", 2): timed(1, 3, 4),
        run.Configuration("aae", "pythae", "highest", 2): timed(2, 6, 5),
        run.Configuration("aae", "pythae", "medium", 2): timed(4, 4, 4),
        run.Configuration("aae", "engine", "medium", 1): timed(1, 1, 1),
    }
    first, second = ratios(runs)
    assert (first["to_precision"], first["goal"]) == ("highest", 0.6)
    assert (first["ratio"], first["lowest"], first["highest"]) == (0.5, 0.5, 0.8)
    assert (second["to_precision"], second["goal"]) == ("medium", None)
    assert second["ratio"] == 0.75


def test_a_disturbed_run_is_made_again(monkeypatch):
    foreign = iter([0.5, 0.2, 0.3, 0.01])
    monkeypatch.setattr(
        run.Configuration, "run", lambda self: {"foreign": next(foreign)}
    )
    c = run.Configuration("aae", "engine", "highest", 1)
    assert run.undisturbed(c)["foreign"] == 0.2  # the least of three
    assert run.undisturbed(c)["foreign"] == 0.01


def test_a_failing_process_says_what_it_said():
    with pytest.raises(RuntimeError, match="invalid choice: 'nobody'"):
        run.fresh(
            run.Path(run.sys.executable),
            "benchmarks.measure",
            1,
            *("aae", "nobody", "highest", "1", "1"),
        )


def test_a_configuration_is_timed_in_a_process_of_its_own():
    found = run.Configuration("small", "engine", "highest", 1).run(2, 5)
    assert found["wall_ms"] > 0 and found["cpu_ms"] > 0 and found["foreign"] >= 0


def test_captured_steps_tick_by_their_schedule():
    """Without a GPU the captured steps are played from Python, and counted the same."""
    ticks = []
    with pytest.warns(UserWarning, match="cannot be captured"):
        ours.captured(WORKS["small"], "highest", "cpu")(24, ticks.append)
    assert len(ticks) == 24


def test_the_overhead_is_a_ratio_of_cpu_times(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(overhead.time, "process_time", lambda: now[0])

    def takes(seconds):
        def play(steps, tick):
            now[0] += seconds * steps

        return lambda work, precision, device: play

    for name, seconds in {"engine": 0.03, "plain": 0.02}.items():
        contender = takes(seconds)
        contender.__name__ = name
        monkeypatch.setattr(overhead, name, contender)
    found = overhead.engine_overhead(WORKS["small"])
    assert found["ratio"] == pytest.approx(1.5)
    assert found["engine_ms"] == pytest.approx(30)


@pytest.mark.parametrize("ratio", [1.1, 1.2])
def test_the_quick_form_fails_where_the_engine_costs_too_much(monkeypatch, ratio):
    played = []
    monkeypatch.setattr(run.Configuration, "run", lambda c, *_: played.append(c.name))
    found = {"engine": {"aae": {"ratio": 1.0}, "small": {"ratio": ratio}}}
    monkeypatch.setattr(run, "fresh", lambda *_: found)
    if ratio > 1.15:
        with pytest.raises(SystemExit, match="small"):
            run.quick()
    else:
        run.quick()
    assert {name.split("/")[0] for name in played} == set(WORKS)


def test_gradient_errors_are_zero_where_nothing_is_rounded(double):
    game = WORKS["small"].game("cpu")
    x = WORKS["small"].data()[0][0][:5].double()
    game.prior = accuracy.Drawn(game.prior.sample(5))
    g = accuracy.gradients(game, x)
    again = accuracy.gradients(copy.deepcopy(game), x)
    assert set(g) == {"reconstruction", "D", "G"}
    assert all(torch.equal(g[k], again[k]) for k in g)
    sizes = {k: sum(w.numel() for w in game.weights(k)) for k in g}
    assert {k: len(v) for k, v in g.items()} == sizes


def test_the_noise_of_minibatches_is_none_where_they_are_one(monkeypatch):
    few = dataclasses.replace(WORKS["small"], build=fixed)
    x = WORKS["small"].data()[0][0]
    n = few.batch
    for second, noisy in ((x[:n], False), (x[n : 2 * n], True)):
        same = dataclasses.replace(
            few, data=lambda s=second: [(torch.cat([x[:n], s]),)]
        )
        monkeypatch.setitem(WORKS, "aae", same)
        assert all((v > 1e-3) == noisy for v in accuracy.minibatch_noise().values())


def fixed():
    """The small AAE with one draw of its prior."""
    game = WORKS["small"].build()
    game.prior = accuracy.Drawn(game.prior.sample(100))
    return game


# ---- what is stored ----
@functools.cache
def stored():
    return json.loads(page.RESULTS.read_text())


def test_the_tables_are_made_of_the_results():
    for name, rows in page.tables(stored()).items():
        with (page.STATIC / f"speed_{name}.csv").open(newline="") as file:
            assert list(csv.reader(file)) == [list(row) for row in rows], name


def test_the_plot_is_made_of_the_results(tmp_path):
    """To the byte by the same matplotlib; by another one the words in it."""
    page.write(stored(), tmp_path)
    made, kept = (
        (folder / "speed.svg").read_text() for folder in (tmp_path, page.STATIC)
    )
    assert words(made) == words(kept)
    if f"Matplotlib v{mpl.__version__}," in kept:
        assert made == kept


def words(svg):
    """Text is drawn as curves; what it says stands in comments."""
    return re.findall(r"<!-- (.*?) -->", svg)


def test_goals_are_those_of_the_results():
    rows = page.tables(stored())["goals"][1:]
    assert len(rows) >= 3 * 3 + len(WORKS) + 1
    for _, _, found, goal, met in rows:
        held = float(found) <= float(goal.removeprefix("≤ "))
        assert met == ("yes" if held else "no")


def test_results_are_complete():
    results = stored()
    timed = {(c["work"], c["contender"]) for c in results["configurations"]}
    for work in run.LARGE:
        for contender in ("engine", "floor", "limit", "notebook"):
            assert (work, contender) in timed
    assert ("aae", "pythae") in timed
    for c in results["configurations"]:
        for clock in ("wall_ms", "cpu_ms"):
            low, mid, high = (c[clock][k] for k in ("min", "median", "max"))
            assert 0 < low <= mid <= high and math.isfinite(high)
    for a in results["accuracy"]["precisions"].values():
        assert len(a["reconstruction"]) == accuracy.SEEDS


def test_the_page_shows_every_table():
    text = (page.ROOT / "book" / "speed.md").read_text()
    shown = set(re.findall(r"_static/speed_([\w-]+)\.csv", text))
    assert shown == set(page.tables(stored())) and "_static/speed.svg" in text
