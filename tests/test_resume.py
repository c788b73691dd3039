"""Killed with SIGKILL at any moment and resumed, a run ends bit for bit the same."""

import random
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

SCRIPT = """
import sys, time, torch
from adv_ae import games
from adv_ae.conditionals import Gaussian, Bernoulli
from adv_ae.networks import MLP, Discriminator
from adv_ae.priors import Normal
from adv_ae.training import adam, fit, save_weights
torch.set_num_threads(1)
torch.manual_seed(0)
game = games.AAE(Gaussian(MLP(6, 8, 4, batch_norm=True)), Bernoulli(MLP(2, 8, 6)),
                 Normal(2), Discriminator(2, 8, dropout=0.1))
data = torch.rand(64, 6)
print("ready", flush=True)
fit(game, data, adam(game, 1e-2), 400, 10, seed=1, checkpoint=sys.argv[1], every=5,
    resume=True, schedules={"D": lambda i: 0.99**i},
    callbacks=[lambda *_: time.sleep(float(sys.argv[3]))])
save_weights(game, sys.argv[2])
"""


def start(folder, out, pause):
    command = [sys.executable, "-c", SCRIPT, str(folder), str(out), str(pause)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def newest(folder):
    return max(folder.glob("step-*"), default=None)


def test_a_killed_run_ends_where_an_uninterrupted_one_does(tmp_path):
    whole = start(tmp_path / "whole", tmp_path / "whole.safetensors", 0)
    folder, out = tmp_path / "killed", tmp_path / "killed.safetensors"
    moments = random.Random(0)
    for _ in range(3):  # at random moments, amid steps and amid writing
        with start(folder, out, 0.005) as process:
            last = newest(folder)
            while newest(folder) == last:
                time.sleep(0.01)
            time.sleep(moments.uniform(0, 0.2))
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
    (folder / "draft-000000999").mkdir()  # what a kill amid writing leaves
    with whole, start(folder, out, 0) as process:
        pass
    assert process.returncode == whole.returncode == 0
    a, b = load_file(tmp_path / "whole.safetensors"), load_file(out)
    assert set(a) == set(b)
    for name in a:
        assert torch.equal(a[name], b[name]), name


@pytest.mark.parametrize("moment", ["save_model", "torch.save", "os.replace"])
def test_a_kill_amid_writing_keeps_the_last_good_checkpoint(tmp_path, moment):
    patch = (
        "import os, signal, torch, adv_ae.training as t\n"
        "def die(*a, **k): os.kill(os.getpid(), signal.SIGKILL)\n"
        "def arm(game, i, losses):\n"
        "    if i == 17:\n"
        f"        t.{moment} = die\n"
    )
    script = patch + SCRIPT.replace("callbacks=[", "callbacks=[arm, ")
    script = script.replace("400, 10", "40, 10")
    folder, out = tmp_path / "run", tmp_path / "w"
    command = [sys.executable, "-c", script, str(folder), str(out), "0"]
    assert subprocess.run(command, capture_output=True).returncode == -signal.SIGKILL
    names = sorted(p.name for p in folder.glob("step-*"))
    assert names == ["step-000000010", "step-000000015"]
    command[2] = SCRIPT.replace("400, 10", "40, 10")
    assert subprocess.run(command, capture_output=True).returncode == 0
    other = [
        sys.executable,
        "-c",
        command[2],
        str(tmp_path / "w2"),
        str(tmp_path / "o"),
        "0",
    ]
    assert subprocess.run(other, capture_output=True).returncode == 0
    a, b = load_file(out), load_file(tmp_path / "o")
    assert all(torch.equal(a[k], b[k]) for k in a)
