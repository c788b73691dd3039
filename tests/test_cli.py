"""`adv-ae`: run folders, errors in one line, resume after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from safetensors.torch import load_file

from adv_ae import cli, data, recipes, runs
from adv_ae.recipes import METHODS, RecipeError, recipe

SMALL = ["--hidden", "8", "--steps", "12", "--batch-size", "20", "--quiet"]
SMALL += ["--device", "cpu"]


def command(*argv, **kw):
    return subprocess.run(
        [sys.executable, "-m", "adv_ae", *map(str, argv)],
        capture_output=True,
        text=True,
        **kw,
    )


def run(*argv):
    return cli.main([str(a) for a in argv])


@pytest.fixture(scope="module")
def aae(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "aae"
    assert run("train", "aae", "--out", folder, *SMALL) == 0
    return folder


def files(folder):
    return {p.name for p in Path(folder).iterdir()}


FOLDER = {
    "config.json",
    "weights.safetensors",
    "losses.csv",
    "metrics.json",
    "curves.png",
    "samples.png",
}


def test_a_run_folder_holds_all_that_was_promised(aae):
    assert files(aae) == FOLDER | {"reconstructions.png", "latent.png"}
    for picture in aae.glob("*.png"):
        assert plt.imread(picture).std() > 0.01, picture
    rows = np.genfromtxt(aae / "losses.csv", delimiter=",", names=True)
    assert rows.dtype.names == ("step", "reconstruction", "D", "G")
    assert rows["step"].tolist() == list(range(1, 13))
    assert plt.get_fignums() == []
    config = json.loads((aae / "config.json").read_text())
    assert config["setup"]["hidden"] == [8] and config["data"] == "digits"


def test_rates_fall_over_the_second_half_unless_told_otherwise(aae, tmp_path):
    assert run("train", "aae", "--out", tmp_path / "run", "--constant", *SMALL) == 0
    losses = [
        np.genfromtxt(folder / "losses.csv", delimiter=",", names=True)[
            "reconstruction"
        ]
        for folder in (aae, tmp_path / "run")
    ]
    equal = (losses[0] == losses[1]).tolist()
    assert equal == [True] * 8 + [False] * 4  # the 8th step is the first slower one


def test_precision_is_of_the_run_and_is_recorded(aae, tmp_path):
    """It changes the losses a little, and `metrics.json` says what it was."""
    argv = ("train", "aae", "--precision", "bfloat16", "--no-capture", *SMALL)
    assert run(*argv, "--out", tmp_path / "run") == 0
    assert torch.get_float32_matmul_precision() == "highest"
    told, losses = [], []
    for folder in (aae, tmp_path / "run"):
        told.append(json.loads((folder / "metrics.json").read_text())["precision"])
        losses.append(np.loadtxt(folder / "losses.csv", delimiter=",", skiprows=1))
    assert told == ["highest", "bfloat16"]
    assert not np.array_equal(*losses)
    np.testing.assert_allclose(*losses, rtol=0.02)


def test_the_figures_are_what_they_say(aae):
    report = json.loads((aae / "metrics.json").read_text())
    _, game = runs.load(aae)
    x = data.load("digits").test.x
    x_hat = game.reconstruct(x)
    np.testing.assert_allclose(
        report["test"]["squared_error"], (x_hat - x).square().mean(), rtol=1e-6
    )
    nats = -(x * x_hat.log() + (1 - x) * (1 - x_hat).log()).sum(1).mean()
    np.testing.assert_allclose(report["test"]["cross_entropy"], nats, rtol=1e-5)
    assert set(report["valid"]) == set(report["test"])
    assert report["valid"] != report["test"]
    assert 0.5 < report["test"]["two_sample_accuracy"] <= 1  # 12 steps are too few
    assert report["steps"] == 12 and report["steps_per_second"] > 0


def test_evaluate_prints_the_figures_of_a_split(aae, capsys):
    report = json.loads((aae / "metrics.json").read_text())
    for split in ("valid", "test", "train"):
        assert run("evaluate", aae, "--split", split) == 0
        lines = capsys.readouterr().out.splitlines()
        shown = {line.split()[1]: float(line.split()[2]) for line in lines}
        assert len(shown) == 9
        if split in report:
            assert shown == {k: round(v, 4) for k, v in report[split].items()}


def test_neighbors_of_the_train_split_are_not_oneself(aae):
    torch.manual_seed(0)
    dataset = data.load("digits")
    noise = torch.randint(10, dataset.train.y.shape)
    split = data.Split(dataset.train.x, noise)
    dataset = data.Dataset("digits", split, split, split, (8, 8))
    _, game = runs.load(aae)
    chance = runs.evaluate(game, dataset, "train")["nearest_neighbor_accuracy"]
    assert chance < 0.2


def test_sample_draws_the_same_picture_for_the_same_seed(aae, tmp_path, capsys):
    pictures = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        out = tmp_path / f"{name}.png"
        assert run("sample", aae, "--n", 9, "--seed", seed, "--out", out) == 0
        pictures.append(plt.imread(out))
    assert np.array_equal(*pictures[:2])
    assert not np.array_equal(*pictures[1:])
    assert run("sample", aae, "--seed", 3) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(aae / "samples-3.png")
    (aae / "samples-3.png").unlink()
    assert run("sample", aae, "--out", tmp_path / "nowhere" / "a.png") == 2
    assert "not a folder" in capsys.readouterr().err


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains(method, tmp_path):
    assert run("train", method, "--out", tmp_path / "run", *SMALL) == 0
    report = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert all(np.isfinite(v) for v in report["test"].values())
    more = {"reconstructions.png"}
    told = ("aae-su", "aae-se", "aae-c", "aae-plane", "aae-f", "ali-c")
    if method.startswith(told):
        more |= {"styles.png"}  # the decoder is told y
    if METHODS[method].latent == 2 and method != "aae-supervised":
        more |= {"latent.png"}
    assert files(tmp_path / "run") == FOLDER | (
        set() if method in ("gan", "gmmn") else more
    )


@pytest.mark.parametrize("prior", recipes.PRIORS)
@pytest.mark.parametrize("posterior", METHODS["aae"].posteriors)
def test_every_posterior_with_every_prior(prior, posterior):
    made = recipe("aae", "digits", (8, 8), prior=prior, posterior=posterior)
    game = made.game()
    z = game.codes(torch.rand(5, 64))
    assert z.shape == game.prior.sample(5).shape == (5, 2)
    again = game.codes(torch.rand(5, 64))
    assert not torch.equal(z, again)


def test_the_plane_is_drawn_as_points(tmp_path):
    out = tmp_path / "run"
    assert run("train", "aae", "--data", "two-moons", "--out", out, *SMALL) == 0
    assert files(out) == FOLDER | {"reconstructions.png", "latent.png"}
    assert "cross_entropy" not in json.loads((out / "metrics.json").read_text())["test"]


def test_large_pictures_get_the_networks_of_the_paper():
    made = recipe("aae", "mnist", (28, 28), latent=8)
    layers = [m for m in made.game().q.modules() if isinstance(m, torch.nn.Linear)]
    assert [m.in_features for m in layers] == [784, 1000, 1000]
    assert layers[-1].out_features == 8
    assert recipe("bigan", "mnist", (28, 28)).setup.latent == 50
    assert recipe("aae", "digits", (8, 8)).setup.hidden == (128, 128)


def test_learning_rates_go_to_their_players(tmp_path, capsys):
    made = recipe("aae", "digits", (8, 8), lr={"D": 0.5})
    own = recipe("aae", "digits", (8, 8)).lr
    assert made.lr == dict(own) | {"D": 0.5}
    assert recipe("gan", "digits", (8, 8), lr=0.1).lr == {"D": 0.1, "G": 0.1}
    with pytest.raises(RecipeError, match="did you mean 'reconstruction'"):
        recipe("aae", "digits", (8, 8), lr={"reconstruct": 0.5})
    argv = ["train", "aae", "--lr", "D=0.25", "--out", tmp_path / "r", *SMALL]
    assert run(*argv) == 0
    config = json.loads((tmp_path / "r" / "config.json").read_text())
    assert config["lr"]["D"] == 0.25 and config["lr"]["G"] == own["G"]


def test_list_names_methods_and_data_sets_with_their_papers(capsys):
    assert run("list") == 0
    out = capsys.readouterr().out
    for name in [*METHODS, *data.NAMES]:
        assert f"  {name} " in out
    for word in ("Makhzani", "Dumoulin", "Donahue", "LeCun"):
        assert word in out


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["train", "aaee"], "unknown method 'aaee'; did you mean 'aae'?"),
        (["train", "aae", "--data", "minst"], "did you mean 'mnist'?"),
        (["train", "aae", "--prior", "normall"], "did you mean 'normal'?"),
        (["train", "aae", "--posterior", "gauss"], "did you mean 'gaussian'?"),
        (["train", "vae", "--prior", "uniform"], "vae cannot take the prior"),
        (["train", "bigan", "--posterior", "gaussian"], "it takes deterministic"),
        (["train", "gan", "--posterior", "gaussian"], "gan has no encoder"),
        (["train", "aae", "--prior", "mixture", "--latent", "3"], "in the plane"),
        (["train", "aae", "--steps", "0"], "'0' is not a whole number above 0"),
        (["train", "aae", "--steps", "many"], "'many' is not a whole number"),
        (["train", "aae", "--seed", "-1"], "--seed"),
        (["train", "aae", "--lr", "nan"], "'nan' is not a number above 0"),
        (["train", "aae", "--lr", "fast"], "'fast' is not a number above 0"),
        (["train", "aae", "--lr", "Q=1e-3"], "The players are reconstruction, D, G"),
        (["train", "aae", "--hidden", "8,x"], "'x' is not a whole number"),
        (["train", "aae", "--device", "abacus"], "--device abacus cannot be used"),
        (["train", "aae", "--precision", "hihg"], "did you mean 'high'?"),
        (["train", "aae", "--batch-size", "5000"], "1..1100"),
        (["train", "aae", "--stepz", "1"], "unrecognized arguments: --stepz"),
        (["evaluate", "nowhere"], "no run folder"),
        (["sample", "nowhere"], "no run folder"),
        (["dance"], "invalid choice"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(argv, says, tmp_path, capsys):
    monkey = [*argv, "--out", str(tmp_path / "r")] if argv[0] == "train" else argv
    assert run(*monkey) == 2
    out, err = capsys.readouterr()
    assert says in err and err.count("\n") == 1 and out == ""


def test_an_unknown_split_suggests_the_nearest(aae, capsys):
    assert run("evaluate", aae, "--split", "tests") == 2
    assert "did you mean 'test'?" in capsys.readouterr().err


def test_a_run_is_not_overwritten_and_resumes_only_as_itself(aae, capsys):
    before = {p: p.read_bytes() for p in aae.iterdir()}
    assert run("train", "aae", "--out", aae, *SMALL) == 2
    assert "not overwritten" in capsys.readouterr().err
    assert run("train", "aae", "--out", aae, "--resume", *SMALL) == 0  # finished
    argv = ["train", "aae", "--out", aae, "--resume", *SMALL, "--latent", 3]
    assert run(*argv) == 2
    assert "setup" in capsys.readouterr().err
    (aae / "checkpoint").mkdir()  # a kill between the figures and the tidying
    assert run("train", "aae", "--out", aae, "--resume", *SMALL) == 0
    assert {p: p.read_bytes() for p in aae.iterdir()} == before


def test_a_run_killed_before_it_had_a_recipe_begins_anew(tmp_path):
    made = recipe("aae", "digits", (8, 8), hidden=(8,), steps=3, batch_size=20)
    (tmp_path / "config.json.draft").write_text("{")
    assert runs.train(made, data.digits(), tmp_path, resume=True)["steps"] == 3


def test_a_recipe_of_an_unknown_method_is_no_traceback(tmp_path, capsys):
    made = recipe("aae", "digits", (8, 8), hidden=(8,), steps=3)
    text = json.dumps(made.to_dict()).replace('"aae"', '"aea"')
    (tmp_path / "config.json").write_text(text)
    assert run("evaluate", tmp_path) == 2
    assert "unknown method 'aea'" in capsys.readouterr().err


def test_a_time_limit_holds_for_a_method_of_two_stages(tmp_path):
    made = recipe("gmmn-ae", "digits", (8, 8), hidden=(8,), steps=50, batch_size=20)
    with pytest.raises(TimeoutError, match="at step 1"):
        runs.train(made, data.digits(), tmp_path / "run", time_limit=1e-9)
    assert not (tmp_path / "run/checkpoint/gmmn-ae").exists()
    stopped = runs.train(made, data.digits(), tmp_path / "run", resume=True)
    whole = runs.train(made, data.digits(), tmp_path / "whole")
    assert stopped["test"] == whole["test"]


def test_a_folder_that_is_no_run_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("years of work")
    for more in ([], ["--resume"]):
        assert run("train", "aae", "--out", tmp_path, *SMALL, *more) == 2
    assert files(tmp_path) == {"thesis.txt"}
    (tmp_path / "config.json").write_text("[]")
    assert run("evaluate", tmp_path) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_a_run_that_is_not_finished_says_so(aae, tmp_path, capsys):
    (tmp_path / "config.json").write_bytes((aae / "config.json").read_bytes())
    assert run("evaluate", tmp_path) == 2
    assert "--resume" in capsys.readouterr().err
    (tmp_path / "weights.safetensors").write_bytes(b"nothing")
    assert run("evaluate", tmp_path) == 2
    assert "does not fit AAE" in capsys.readouterr().err


def test_a_loss_that_breaks_exits_with_1(tmp_path, capsys):
    argv = ["train", "ae", "--lr", "1e30", "--out", tmp_path / "r", *SMALL]
    assert run(*argv) == 1
    assert "player 'qp'" in capsys.readouterr().err


def test_the_bar_and_the_figures_are_shown(tmp_path, capsys):
    argv = ["train", "vae", "--out", tmp_path / "r", *SMALL]
    argv.remove("--quiet")
    assert run(*argv) == 0
    out, err = capsys.readouterr()
    assert "12/12" in err and "test  squared_error" in out and "latent.png" in out


def test_the_installed_command_and_the_module():
    program = Path(sys.executable).with_name("adv-ae")
    shown = subprocess.run([program, "--version"], capture_output=True, text=True)
    assert shown.returncode == 0 and shown.stdout.strip()
    assert "examples:" in command("--help").stdout
    wrong = command("train", "bigann", "--out", "r")
    assert wrong.returncode == 2 and "did you mean 'bigan'?" in wrong.stderr
    assert wrong.stderr.count("\n") == 1 and "Traceback" not in wrong.stderr


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_ends_as_one_never_stopped(tmp_path, stop):
    argv = ["train", "gmmn-ae", "--hidden", "8", "--steps", "400", "--every", "10"]
    argv += ["--batch-size", "20", "--quiet", "--device", "cpu", "--out"]
    assert run(*argv, tmp_path / "whole") == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "adv_ae", *argv, str(tmp_path / "part")],
        stderr=subprocess.PIPE,
        text=True,
    )
    saved = tmp_path / "part" / "checkpoint" / "gmmn-ae"
    while not list(saved.glob("step-*")):  # in its second stage
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, stop)
    _, err = process.communicate()
    assert process.returncode == (-9 if stop == signal.SIGKILL else 130), err
    assert stop == signal.SIGKILL or "--resume" in err
    assert not (tmp_path / "part" / "weights.safetensors").exists()
    assert run(*argv, tmp_path / "part", "--resume") == 0
    a, b = (
        load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "part")
    )
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
    losses = [(tmp_path / n / "losses.csv").read_bytes() for n in ("whole", "part")]
    assert losses[0] == losses[1]
