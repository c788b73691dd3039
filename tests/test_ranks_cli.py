"""The command line under torchrun, on two processes of this machine."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from adv_ae import cli, recipes, results
from adv_ae.ranks import Ranks, launched

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
TORCHRUN += ["--nproc-per-node", "2", "-m", "adv_ae"]
TRAIN = ["train", "aae", "--hidden", "8", "--batch-size", "20", "--every", "20"]
TRAIN += ["--steps", "400", "--device", "cpu", "--threads", "1"]


def torchrun(*argv):
    return subprocess.Popen(
        [*TORCHRUN, *map(str, argv)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},  # else torchrun says that it sets it
    )


def children(parent):
    """Numbers of the processes that a process has started, of Linux alone."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # one that has just ended
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
def test_a_rank_is_killed_and_the_same_command_goes_on(tmp_path):
    out = tmp_path / "run"
    process = torchrun(*TRAIN, "--steps", 100_000, "--quiet", "--out", out)
    saved = out / "checkpoint" / "aae"
    while not list(saved.glob("step-*")):
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(max(children(process.pid)), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "error: a rank is gone at step" in err and "--resume" in err
    (good,) = {w for w in err.split() if w.startswith(str(saved))}
    assert os.path.isdir(good.rstrip("."))
    assert not (out / "metrics.json").exists()

    config = json.loads((out / "config.json").read_text())  # a run of fewer steps
    at = int(good.rstrip(".").rpartition("-")[2])
    config["steps"] = at + 40
    (out / "config.json").write_text(json.dumps(config))
    again = torchrun(*TRAIN, "--steps", at + 40, "--resume", "--out", out)
    shown, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    report = json.loads((out / "metrics.json").read_text())
    assert report["ranks"] == 2 and report["steps"] == at + 40
    assert shown.count(f"{at + 40} steps") == 1  # one of them speaks
    losses = np.genfromtxt(out / "losses.csv", delimiter=",", names=True)
    assert np.isfinite(losses["D"]).all() and len(losses) == at + 40
    assert (
        cli.main([*TRAIN, "--steps", str(at + 40), "--resume", "--out", str(out)]) == 0
    )


@pytest.fixture
def second_of_three(monkeypatch):
    for name, value in {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "3"}.items():
        monkeypatch.setenv(name, value)


def test_runs_are_dealt_out_and_each_is_of_one_process(
    second_of_three, monkeypatch, tmp_path
):
    """Rank 1 of 3 takes the runs 1, 4, 7 ..., and joins no group."""
    taken = []

    def measure(row, size, seed, *_):
        taken.append((seed, row.name))
        return {"test": {row.measure: 0.0}}

    monkeypatch.setattr(results, "measure", measure)
    argv = ["reproduce", "aae/table2", "--seeds", "5", "--quiet", "--device", "cpu"]
    argv += ["--results", str(tmp_path)]
    assert cli.main(argv) == 0
    names = [row.name for row in recipes.rows("aae/table2")]
    everything = [(seed, name) for seed in range(5) for name in names]
    assert taken == everything[1::3]
    found = {tuple(p.relative_to(tmp_path).parts) for p in tmp_path.rglob("*.json")}
    assert len(found) == len(taken)


def test_other_commands_are_the_first_ranks(second_of_three, capsys):
    assert launched() == Ranks(1, 3)
    assert cli.main(["list"]) == 0
    assert cli.main(["sample", "no such folder"]) == 0
    assert capsys.readouterr() == ("", "")


def test_errors_say_which_rank(second_of_three, capsys):
    assert cli.main(["train", "aae", "--data", "no such data", "--out", "r"]) == 2
    assert capsys.readouterr().err.startswith("adv-ae train, rank 1: error: ")
