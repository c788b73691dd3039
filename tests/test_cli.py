"""The command line, as a user calls it."""

import json
import subprocess
import sys

import pytest

from adv_ae import data, recipes
from adv_ae.cli import DATA, main

SMALL = ["--steps", "20", "--hidden", "16", "--quiet"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "aae"
    assert main(["train", "aae", "--out", str(out), *SMALL]) == 0
    return out


def refused(capsys, *words, code=2):
    assert main(list(map(str, words))) == code
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and "Traceback" not in said.err
    return said.err


def test_the_command_is_installed_and_lists_what_there_is():
    script = [sys.executable, "-m", "adv_ae", "list"]
    out = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    for name in (*recipes.METHODS, *data.NAMES):
        assert f"  {name}" in out
    assert set(DATA) == set(data.NAMES)


def test_a_run_folder_holds_everything(run):
    names = {p.name for p in run.iterdir()}
    assert names >= {
        "config.json",
        "curves.png",
        "latent.png",
        "losses.csv",
        "metrics.json",
        "reconstructions.png",
        "samples.png",
        "weights.safetensors",
    }
    report = json.loads((run / "metrics.json").read_text())
    assert report["steps"] == 20 and report["steps_per_second"] > 0
    for split in ("valid", "test"):
        assert 0 < report[split]["squared_error"] < 0.3
        assert 0.3 < report[split]["two_sample_accuracy"] <= 1
        assert 0 < report[split]["nearest_neighbour_accuracy"] < 1
    lines = (run / "losses.csv").read_text().splitlines()
    assert len(lines) == 21 and "reconstruction" in lines[0]


def test_evaluating_a_run_gives_its_figures_again(run, capsys):
    assert main(["evaluate", str(run)]) == 0
    said = capsys.readouterr().out
    report = json.loads((run / "metrics.json").read_text())
    assert f"{report['test']['squared_error']:.4f}" in said
    assert main(["evaluate", str(run), "--split", "valid"]) == 0
    said = capsys.readouterr().out
    assert f"{report['valid']['squared_error']:.4f}" in said


def test_samples_repeat_by_seed(run, tmp_path, capsys):
    a, b, c = (tmp_path / f"{k}.png" for k in "abc")
    for out, seed in ((a, 1), (b, 1), (c, 2)):
        words = ["sample", run, "--n", 9, "--seed", seed, "--out", out]
        assert main(list(map(str, words))) == 0
    assert a.read_bytes() == b.read_bytes() != c.read_bytes()
    assert main(["sample", str(run), "--n", "4"]) == 0
    assert (run / "samples-0.png").exists()


def test_a_run_is_not_overwritten_but_resumed(run, capsys):
    before = (run / "weights.safetensors").read_bytes()
    refused(capsys, "train", "aae", "--out", run, *SMALL)
    assert main(["train", "aae", "--out", str(run), *SMALL, "--resume"]) == 0
    assert (run / "weights.safetensors").read_bytes() == before
    refused(capsys, "train", "vae", "--out", run, *SMALL, "--resume")


@pytest.mark.parametrize("method", sorted(set(recipes.METHODS) - {"aae"}))
def test_every_method_trains(method, tmp_path):
    out = tmp_path / method
    assert main(["train", method, "--out", str(out), *SMALL]) == 0
    assert (out / "samples.png").exists() and (out / "metrics.json").exists()


@pytest.mark.parametrize("posterior", ["gaussian", "universal"])
@pytest.mark.parametrize("prior", ["uniform", "mixture", "swiss-roll"])
def test_posteriors_and_priors_of_the_aae(posterior, prior, tmp_path):
    words = ["--posterior", posterior, "--prior", prior, *SMALL]
    assert main(["train", "aae", "--out", str(tmp_path / "run"), *words]) == 0


def test_toys_and_wide_codes_train_and_print(tmp_path, capsys):
    words = ["--data", "gaussian-ring", "--steps", "5", "--hidden", "8", "--lr", "1e-3"]
    assert main(["train", "ali", "--out", str(tmp_path / "a"), *words]) == 0
    assert "5 steps" in capsys.readouterr().out
    words = ["--latent", "5", "--lr", "D=1e-3", *SMALL]
    assert main(["train", "aae", "--out", str(tmp_path / "b"), *words]) == 0


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["train", "aea", "--out", "x"], "aae"),
        (["train", "aae", "--data", "digit", "--out", "x"], "digits"),
        (["train", "aae", "--posterior", "gausian", "--out", "x"], "gaussian"),
        (["train", "aae", "--prior", "unifrom", "--out", "x"], "uniform"),
        (["train", "aae", "--steps", "0", "--out", "x"], "above 0"),
        (["train", "aae", "--steps", "many", "--out", "x"], "above 0"),
        (["train", "aae", "--seed", "-1", "--out", "x"], "seed"),
        (["train", "aae", "--lr", "0", "--out", "x"], "above 0"),
        (["train", "aae", "--lr", "E=1e-3", "--out", "x"], "E"),
        (["train", "vae", "--prior", "swiss-roll", "--out", "x"], "it takes normal"),
        (["train", "aae", "--device", "abacus", "--out", "x"], "abacus"),
        (["train", "aae"], "--out"),
        (["evaluate", "nowhere"], "nowhere"),
        (["sample", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    words, hint, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert hint in refused(capsys, *words)
    assert not list(tmp_path.iterdir())


def test_a_diverging_run_says_so(tmp_path, capsys):
    words = ["train", "ae", "--lr", "1e30", "--out", tmp_path / "x", *SMALL]
    assert "player 'qp'" in refused(capsys, *words, code=1)


def test_help_and_version(capsys):
    assert main(["--help"]) == 0 and main(["--version"]) == 0
    assert "examples:" in capsys.readouterr().out
