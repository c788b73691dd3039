"""Recipes of the papers' experiments: what they say, what they build, what `reproduce`
leaves behind."""

import dataclasses
import json
import re

import pytest
import torch
from torch import nn

from adv_ae import (
    cli,
    data,
    evaluation,
    games,
    metrics,
    networks,
    recipes,
    results,
    runs,
)
from adv_ae.recipes import EXPERIMENTS, METHODS, SIZES, Recipe, RecipeError, recipe
from adv_ae.runs import CPU


@pytest.fixture(autouse=True)
def _few_samples(monkeypatch):
    monkeypatch.setattr(evaluation, "SAMPLES", 200)


def tiny(monkeypatch, **more):
    """Every experiment's small size with next to no steps."""
    for row in recipes.experiments.ROWS:
        small = {**row.small, "steps": 3, "hidden": (8, 8), **more}
        monkeypatch.setitem(row.__dict__, "small", small)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_is_a_run(name, size):
    row = EXPERIMENTS[name]
    made = row.recipe(size, seed=3)
    assert made.seed == 3 and made.method == row.method in METHODS
    assert Recipe.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    assert dataclasses.replace(made) == made
    assert made.data in ("digits", "gaussian-grid") or size != "small"
    assert made.setup.shape == recipes.SHAPES[made.data]
    players = set(METHODS[row.method].game.players)
    assert set(made.lr) == set(made.optimizer) == set(made.momentum) == players


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_number_of_a_paper_says_where_it_comes_from(name):
    row = EXPERIMENTS[name]
    silent = {"optimizer", "labels", "heads"}  # with lr, momentum; in the summary
    assert set(row.paper) - silent <= set(row.sources), name
    author = {"iwae": "Burda", "aae": "Makhzani", "ali": "Dumoulin"}
    author["bigan"] = "Donahue"
    assert row.source.startswith(author[name.split("/")[0]]) and row.summary


def test_rows_are_those_of_the_papers_tables():
    reported = {name: row.reported for name, row in EXPERIMENTS.items() if row.reported}
    numbers = {name: float(re.match(r"[\d.]+", r)[0]) for name, r in reported.items()}
    assert numbers == {
        "iwae/k-1": 86.76,
        "iwae/k-5": 85.54,
        "iwae/k-50": 84.78,
        "aae/generative-mnist": 340,
        "aae/generative-mnist-dropout": 340,
        "aae/semi-supervised-100": 1.90,
        "aae/semi-supervised-1000": 1.60,
        "aae/semi-supervised-all": 0.85,
        "aae/clustering-16": 9.55,
        "aae/clustering-30": 4.10,
        "aae/plane-1000": 4.20,
        "aae/plane-100": 6.08,
        "aae/plane-unlabelled": 13.95,
        "aae/ten-dimensions-100": 3.90,
        "ali/svhn-svm": 19.14,
        "ali/svhn-1000": 7.42,
        "ali/cifar10-1000": 19.98,
        "ali/cifar10-2000": 19.09,
        "ali/cifar10-4000": 17.99,
        "ali/cifar10-8000": 17.05,
        "ali/modes": 13.4,
        "ali/modes-gan": 10.4,
        "bigan/bigan": 97.39,
        "bigan/discriminator": 97.30,
        "bigan/latent-regressor": 97.44,
        "bigan/joint-latent-regressor": 97.13,
        "bigan/autoencoder-l2": 97.58,
        "bigan/autoencoder-l1": 97.63,
    }


def test_the_paper_size_has_the_papers_networks_and_optimizers():
    made = EXPERIMENTS["aae/semi-supervised-100"].recipe("paper", 0)
    game = made.game()
    shapes = [tuple(w.shape) for w in game.q.parameters() if w.dim() == 2]
    assert shapes == [(1000, 784), (1000, 1000), (10, 1000), (10, 1000)]
    noise = [m.std for m in game.modules() if isinstance(m, networks.GaussianNoise)]
    assert noise == [0.3]
    assert abs(game.q.trunk.net.layers[0].weight.std().item() - 0.01) < 1e-4
    moves = made.optimizers(game)
    groups = {k: o.param_groups[0] for k, o in moves.items()}
    assert {k: (g["lr"], g["momentum"]) for k, g in groups.items()} == {
        "reconstruction": (0.01, 0.9),
        "D": (0.1, 0.1),
        "G": (0.1, 0.1),
        "classification": (0.1, 0.9),
    }
    fall = made.schedules(game)["G"]
    epoch = 500
    at = [0, 50 * epoch - 1, 50 * epoch, 1000 * epoch, made.steps - 1]
    assert [round(fall(i), 9) for i in at] == [1, 1, 0.1, 0.01, 0.01]
    x = torch.rand(5, 784)
    y, z = game.q_yz(x)
    want = (game.p_x(y, z).mean - x).square().sum(1) / 2
    constant = 784 * 0.5 * torch.log(torch.tensor(2 * torch.pi))
    got = -game.p_x(y, z).log_prob(x) - constant
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-3)


def test_clusters_have_dropout_at_the_input_alone():
    game = recipe("aae-clustering", "digits", (8, 8), dropout=0.2, hidden=(8,)).game()
    rates = [m.p for m in game.modules() if isinstance(m, nn.Dropout)]
    assert rates == [0.2] and isinstance(game.q.trunk, networks.Corrupted)
    assert game.prior_y.k == 16


@pytest.mark.parametrize("posterior", METHODS["aae"].posteriors)
def test_noise_is_on_the_input_of_every_posterior(posterior):
    game = recipe("aae", "digits", (8, 8), posterior=posterior, noise=0.5).game()
    assert sum(isinstance(m, networks.GaussianNoise) for m in game.modules()) == 1
    x = torch.rand(4, 64)
    assert game.codes(x).shape == (4, 2)
    game.eval()
    torch.manual_seed(1)
    a = game.codes(x)
    torch.manual_seed(1)
    assert torch.equal(a, game.codes(x))


def test_heads_begin_at_random_or_on_the_axes():
    torch.manual_seed(0)
    W = recipe("aae-plane", "digits", (8, 8), heads=1000, spread=3.0).game().W
    assert W.shape == (1000, 2) and abs(W.std().item() - 3) < 0.15
    fixed = recipe("aae-fixed-heads", "digits", (8, 8)).game().W
    assert torch.equal(fixed, 10 * torch.eye(10))


def test_streams_hold_the_labels_that_are_known():
    train = data.digits().train
    few = recipe("aae-semi-supervised", "digits", (8, 8), labels=50, seed=4)
    x, (x_few, y_few) = few.streams(train)
    assert len(x) == 1100 and y_few.bincount().tolist() == [5] * 10
    assert few.batch_sizes([x, (x_few, y_few)]) == [100, 50]
    rows = data.labelled_rows(train.y, 50, seed=4)
    assert torch.equal(x_few, train.x[rows]) and torch.equal(y_few, train.y[rows])
    every = recipe("aae-semi-supervised", "digits", (8, 8)).streams(train)
    assert len(every[1][0]) == 1100
    ((x, y),) = recipe("aae-label-informed", "digits", (8, 8), labels=100).streams(
        train
    )
    assert (y == 10).sum() == 1000
    with pytest.raises(RecipeError, match="needs labels"):
        recipe("aae-supervised", "digits", (8, 8)).streams(data.Split(x, None))
    with pytest.raises(RecipeError, match="all or none"):
        recipe("aae-supervised", "digits", (8, 8), labels=10)


def test_players_may_move_by_different_optimizers():
    made = recipe(
        "aae", "digits", (8, 8), optimizer={"D": "sgd"}, momentum={"D": 0.1}, lr=0.5
    )
    moves = made.optimizers(made.game())
    kinds = {k: type(o).__name__ for k, o in moves.items()}
    assert kinds == {"reconstruction": "Adam", "D": "SGD", "G": "Adam"}
    assert moves["D"].param_groups[0]["momentum"] == 0.1


def test_names_of_rows():
    names = [row.name for row in recipes.rows("aae/table2")]
    assert names == [f"aae/semi-supervised-{n}" for n in ("100", "1000", "all")]
    papers = [recipes.rows(paper) for paper in ("iwae", "aae", "ali", "bigan")]
    assert [row for rows in papers for row in rows] == list(EXPERIMENTS.values())
    assert len(recipes.rows("bigan/table1")) == 6
    assert [r.name for r in recipes.rows("ali/section4.5")] == [
        "ali/modes",
        "ali/modes-gan",
        "ali/grid",
        "ali/grid-gan",
        "ali/grid-inverse",
        "ali/grid-vae",
    ]
    assert [r.name for r in recipes.rows("aae/clustering-16")] == ["aae/clustering-16"]
    with pytest.raises(RecipeError, match="did you mean 'aae/table2'"):
        recipes.rows("aae/tabel2")
    assert recipes.named("aae") is None
    with pytest.raises(RecipeError, match="unknown size"):
        EXPERIMENTS["aae/clustering-16"].options("tiny")


# ---------------------------------------------------------------- evaluation


def test_figures_of_few_labels_are_what_they_say():
    dataset = data.digits()
    made = recipe("aae-semi-supervised", "digits", (8, 8), hidden=(8,))
    torch.manual_seed(0)
    game = made.game().eval()
    figures = runs.evaluate(game, dataset)
    wrong = game.classify(dataset.test.x).argmax(1) != dataset.test.y
    assert figures["classification_error"] == pytest.approx(wrong.double().mean())
    assert "clustering_error" not in figures
    for name in ("parzen_log_likelihood", "parzen_standard_error", "probe_error"):
        assert name in figures


def test_clusters_are_named_on_other_points_than_those_they_are_judged_on():
    """Heads that know the labels of valid by heart and are wrong on test."""
    dataset = data.digits()
    game = recipe("aae-clustering", "digits", (8, 8), heads=10, hidden=(8,)).game()

    def classify(x):
        truth = {len(s): s.y for s in (dataset.train, dataset.valid, dataset.test)}
        y = truth[len(x)]
        shift = len(x) != len(dataset.valid)  # but on valid all is right
        return nn.functional.one_hot((y + shift) % 10, 10).float()

    game.classify = classify
    assert runs.evaluate(game, dataset, "test")["clustering_error"] == 1
    assert runs.evaluate(game, dataset, "valid")["clustering_error"] == 1


def test_what_codes_tell_and_how_sure_the_window_is():
    dataset = data.digits()
    game = recipe("aae", "digits", (8, 8), hidden=(8,), latent=10).game().eval()
    x = dataset.test.x
    truth = {len(s): s.y for s in (dataset.train, dataset.valid, dataset.test)}
    game.encode = lambda x: nn.functional.one_hot(truth[len(x)], 10).float()
    figures = runs.evaluate(game, dataset)
    assert figures["probe_error"] == 0 and figures["nearest_neighbor_accuracy"] == 1
    torch.manual_seed(0)
    game.encode = lambda x: torch.randn(len(x), 10)  # codes that tell nothing
    assert runs.evaluate(game, dataset)["probe_error"] > 0.8
    game.sample = lambda n: dataset.train.x[:200]
    figures = runs.evaluate(game, dataset)
    nats = metrics.parzen_log_likelihood(
        dataset.train.x[:200], x[:200], figures["parzen_sigma"]
    )
    assert figures["parzen_log_likelihood"] == pytest.approx(nats.mean().item())
    error = nats.std().item() / 200**0.5
    assert figures["parzen_standard_error"] == pytest.approx(error)


def test_the_nearest_two_heads_are_told():
    game = recipe("aae-plane", "digits", (8, 8), heads=3, hidden=(8,)).game().eval()
    with torch.no_grad():
        game.W.copy_(torch.tensor([[0.0, 0.0], [3.0, 4.0], [30.0, 0.0]]))
    assert runs.evaluate(game, data.digits())["head_distance"] == pytest.approx(5)


def test_the_supervised_are_judged_with_their_labels():
    dataset = data.digits()
    game = recipe("aae-supervised", "digits", (8, 8), hidden=(8,)).game().eval()
    got = runs.evaluate(game, dataset)["squared_error"]
    x, y = dataset.test.x, dataset.test.y
    want = (game.decode(game.encode(x), y) - x).square().mean().item()
    assert got == pytest.approx(want, rel=1e-6)


def test_components_are_compared_with_labels():
    dataset = data.digits()
    game = recipe("aae-label-informed", "digits", (8, 8), hidden=(8,)).game().eval()
    game.codes = lambda x: game.prior.sample(len(x), dataset.test.y)
    assert runs.evaluate(game, dataset)["component_error"] < 0.1  # petals overlap
    game.codes = lambda x: game.prior.sample(len(x), (dataset.test.y + 1) % 10)
    assert runs.evaluate(game, dataset)["component_error"] > 0.9


# ---------------------------------------------------------------- reproduce


def reproduce(tmp_path, *argv):
    folders = ["--results", tmp_path / "results", "--runs", tmp_path / "runs"]
    argv = ["reproduce", *argv, *folders, "--quiet", "--device", "cpu"]
    return cli.main([str(a) for a in argv])


def trained(monkeypatch, *argv):
    """The recipe that `adv-ae train` would train, whatever data are there."""
    found = []

    class Named:
        def __init__(self, name, **_):
            self.name, self.shape = name, recipes.SHAPES[name]

    monkeypatch.setattr(data, "load", Named)
    monkeypatch.setattr(Recipe, "dataset", lambda self: Named(self.data))

    def train(made, *_, **__):
        found.append(made)
        return {"steps": 1}

    monkeypatch.setattr(runs, "train", train)
    assert cli.main(["train", *argv, "--quiet", "--device", "cpu"]) == 0
    return found[0]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_train_and_reproduce_are_of_one_recipe(name, size, monkeypatch):
    """Rates that stay and rates that fall, settings of the seed, draws of toy data."""
    made = trained(monkeypatch, name, "--size", size, "--seed", "3")
    assert made == EXPERIMENTS[name].recipe(size, 3)


def test_another_rate_of_one_player_leaves_the_others_the_rows(monkeypatch):
    row = "aae/semi-supervised-100"
    made = trained(monkeypatch, row, "--size", "paper", "--lr", "D=0.05")
    assert made.lr == EXPERIMENTS[row].recipe("paper", 0).lr | {"D": 0.05}
    assert trained(monkeypatch, "ali/grid", "--lr", "0.05").lr["D"] == 0.05
    assert trained(monkeypatch, "aae", "--out", "x", "--constant").constant


def test_reproduce_writes_what_it_measured_and_skips_what_is_there(
    tmp_path, monkeypatch, capsys
):
    tiny(monkeypatch)
    assert reproduce(tmp_path, "aae/table3", "--seeds", 2) == 0
    files = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("small-*.json"))
    assert len(files) == 4
    found = results.load(tmp_path / "results")
    assert [r["seed"] for r in found] == [0, 1] * 2
    first = found[0]
    assert first["experiment"] == "aae/clustering-16" and first["steps"] == 3
    assert Recipe.from_dict(first["recipe"]).setup.heads == 16
    assert 0 < first["test"][first["measure"]] < 1 and first["seconds"] > 0
    assert re.fullmatch(r"([0-9a-f]{40}\+?)?", first["commit"])
    assert "clustering_error" in capsys.readouterr().out
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("small-*.json")}
    assert reproduce(tmp_path, "aae/table3", "--seeds", 2) == 0
    assert capsys.readouterr().out.count("there already") == 4
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("small-*.json")}
    shown = results.measured(found, EXPERIMENTS["aae/clustering-16"])
    assert list(shown) == ["small"] and len(shown["small"]) == 2


def test_a_run_can_be_stretched(tmp_path, monkeypatch, capsys):
    """Steps and staircase together; the files stand apart from the size's own."""
    paper = EXPERIMENTS["aae/semi-supervised-100"].recipe("paper", 3, 0.1)
    assert paper.steps == 250_000 and paper.drops == (2500, 50_000) and paper.seed == 3
    tiny(monkeypatch)
    row = "aae/clustering-16"
    assert reproduce(tmp_path, row, "--seeds", 1, "--length", "2.5") == 0
    assert "aae/clustering-16/small-x2.5-0: clustering_error" in capsys.readouterr().out
    assert (tmp_path / "results" / row / "small-x2.5-0.json").exists()
    assert (tmp_path / "runs" / row / "small-x2.5-0").is_dir()
    assert reproduce(tmp_path, row, "--seeds", 1) == 0
    whole, longer = results.load(tmp_path / "results")
    assert (whole["steps"], longer["steps"]) == (3, 8) and longer["length"] == 2.5
    assert whole["recipe"] | {"steps": 8} == longer["recipe"]
    shown = results.measured([whole, longer], EXPERIMENTS[row])
    assert shown == {"small": [whole["test"]["clustering_error"]]}
    assert reproduce(tmp_path, row, "--length", "1e-3") == 2
    assert "0.001 of 3 steps are none" in capsys.readouterr().err


def test_reproduce_stops_in_time_and_goes_on(tmp_path, monkeypatch, capsys):
    tiny(monkeypatch, steps=200)
    row = "aae/clustering-16"
    assert reproduce(tmp_path, row, "--seeds", 1, "--time-limit", "1e-9") == 0
    assert "goes on from here" in capsys.readouterr().out
    with pytest.raises(TimeoutError, match="at step 1"):
        results.measure(
            EXPERIMENTS[row], "small", 0, tmp_path / "runs", CPU, time_limit=1e-9
        )
    (state,) = (tmp_path / "runs").rglob("manifest.json")
    stopped = json.loads(state.read_text())
    assert stopped["step"] == 1
    assert not list(tmp_path.rglob("small-*.json"))
    assert reproduce(tmp_path, row, "--seeds", 1) == 0
    (result,) = results.load(tmp_path / "results")
    assert result["steps"] == 200 and result["seconds"] >= stopped["seconds"]
    made = EXPERIMENTS[row].recipe("small", 0)
    whole = runs.train(made, data.digits(), tmp_path / "whole")
    assert whole["test"] == result["test"]  # as if it had never stopped


def test_numbers_are_shown_as_papers_print_them():
    few = EXPERIMENTS["aae/semi-supervised-100"]
    assert results.show(few, [0.02, 0.03]) == "2.50 ± 0.71 % (2 seeds)"
    assert results.show(few, [0.019]) == "1.90 % (1 seed)"
    parzen = EXPERIMENTS["aae/generative-mnist"]
    assert results.show(parzen, [340.0, 342.0]) == "341.0 ± 1.4 nats (2 seeds)"


def test_an_experiment_trains_by_its_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    argv = ["train", "aae/semi-supervised-100", "--hidden", "8", "--steps", "3"]
    assert cli.main([*argv, "--device", "cpu", "--quiet", "--seed", "7"]) == 0
    made, game = runs.load(tmp_path / "runs/aae/semi-supervised-100/small-7")
    assert isinstance(game, games.SemiSupervisedAAE)
    assert made.labels == 100 and made.setup.noise == 0.3 and made.seed == 7
    for argv, says in (
        (
            ["train", "aae/semi-supervized-100"],
            "mean 'aae/semi-supervised-100'",
        ),
        (["train", "aae", "--out", "r", "--size", "paper"], "--size is of experiments"),
        (["train", "aae"], "wants a run folder"),
        (["train", "aae/table2"], "unknown experiment"),
        (["reproduce", "aae/table9"], "unknown experiment"),
        (["reproduce", "aae/table2", "--size", "huge"], "unknown size"),
        (["train", "aae", "--labels", "10", "--out", "r"], "all or none"),
    ):
        assert cli.main(argv) == 2
        assert says in capsys.readouterr().err


def test_list_shows_reported_and_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tiny(monkeypatch)
    assert reproduce(tmp_path, "aae/semi-supervised-100", "--seeds", 1) == 0
    capsys.readouterr()
    assert cli.main(["list"]) == 0
    out = capsys.readouterr().out
    assert (
        "reported: 1.90 ± 0.10 %" in out
        and "measured, small (digits, 100 labels):" in out
    )
    assert out.count("measured, ") == 1


def test_stored_results_are_what_the_recipes_say():
    """Every JSON file of the repository: of a known run, at its full length, with what
    the experiment chooses."""
    folder = runs.Path(__file__).resolve().parent.parent / "results"
    assert results.load(folder)
    for result in results.load(folder):
        row = EXPERIMENTS[result["experiment"]]
        options = row.options(result["size"], result["seed"])
        whole = row.recipe(result["size"], result["seed"], result["length"])
        for key in options.keys() & {"steps", "drops"}:
            options[key] = getattr(whole, key)
        assert result["steps"] == whole.steps
        chosen = json.loads(json.dumps(options))
        made = result["recipe"]["setup"] | result["recipe"]
        for key, value in chosen.items():  # rates are given of all players or of some
            found = made[key]
            if isinstance(found, dict):
                some = value if isinstance(value, dict) else dict.fromkeys(found, value)
                assert found.items() >= some.items(), key
            else:
                assert found == value, key
        assert made["steps"] == result["steps"] and made["seed"] == result["seed"]
        assert made["method"] == row.method and result["measure"] == row.measure
        assert re.fullmatch(r"[0-9a-f]{40}", result["commit"])
