"""Killed with SIGKILL at any moment and resumed, a run ends bit for bit the same."""

import json
import os
import signal
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

# One process imports torch, once; every run is a fork of it, so that twenty kills cost
# what one start costs. A run is killed at its n-th step, or at the n-th call of a
# function of the operating system, by which checkpoints are written.
SCRIPT = """
import json, os, random, shutil, signal, sys, time, torch
from adv_ae import capture, checkpoints, games, training
from adv_ae.conditionals import Bernoulli, Gaussian
from adv_ae.networks import MLP, Discriminator
from adv_ae.priors import Normal
torch.set_num_threads(1)
folder = sys.argv[1]
torch.optim.Adam([torch.zeros(1)])  # imports what it needs, once for all

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def arm(where, name, count):
    plain, calls = getattr(where, name), []
    def counted(*args, **kw):
        calls.append(1)
        if len(calls) == count:
            die()
        return plain(*args, **kw)
    setattr(where, name, counted)

def run(name, after=None):
    '''`after`: seconds until the kill, or (module, function, number of its call).'''
    torch.manual_seed(0)
    q = Gaussian(MLP(6, 8, 4, batch_norm=True))
    D = Discriminator(2, 8, dropout=0.1)
    game = games.AAE(q, Bernoulli(MLP(2, 8, 6)), Normal(2), D)
    streams = torch.rand(64, 6)
    if isinstance(after, float):
        signal.signal(signal.SIGALRM, lambda *_: die())
        signal.setitimer(signal.ITIMER_REAL, after)
    elif after:
        arm(*after)
    training.fit(
        game, streams, training.adam(game, 1e-2), 60, 10, seed=1, every=5,
        checkpoint=f"{folder}/{name}", resume=True, schedules={"D": lambda i: 0.99**i},
    )
    training.save_weights(game, f"{folder}/{name}.safetensors")

def forked(*args):
    '''Exit status of a run in a process of its own.'''
    child = os.fork()
    if child == 0:
        status = 1
        try:
            run(*args)
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]

start = time.perf_counter()
report = {"whole": forked("whole")}
taken, moments = time.perf_counter() - start, random.Random(0)
report["random"] = []  # as many as are needed: a run may be quicker than the first was
while len(report["random"]) < 6 or signal.SIGKILL not in report["random"]:
    report["random"].append(forked("random", taken * moments.uniform(0.02, 0.6)))
    if report["random"][-1] == 0:  # it ended before the moment: from the start again
        shutil.rmtree(f"{folder}/random")
        taken /= 2
report["random"].append(forked("random"))
SPOTS = {
    "fsync": (os, "fsync"), "replace": (os, "replace"), "rmtree": (os, "rmdir"),
    "mkdir": (os, "mkdir"), "weights": (checkpoints, "save_model"),
    "state": (torch, "save"), "unlink": (os, "unlink"), "step": (capture, "step"),
}
for name, spot in SPOTS.items():
    report[name] = [forked(name, (*spot, n)) for n in (1, 7, 12)] + [forked(name)]
print(json.dumps(report))
"""
SPOTS = ("fsync", "replace", "rmtree", "mkdir", "weights", "state", "unlink", "step")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder)],
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("COV")},
    )
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


@pytest.mark.parametrize("name", ["random", *SPOTS])
def test_a_killed_run_ends_where_an_uninterrupted_one_does(runs, name):
    folder, statuses = runs
    assert statuses["whole"] == 0
    killed = statuses[name].count(signal.SIGKILL)
    assert killed >= (3 if name == "step" else 1), statuses[name]
    assert statuses[name][-1] == 0
    whole, other = (load_file(folder / f"{n}.safetensors") for n in ("whole", name))
    assert whole.keys() == other.keys()
    for key in whole:
        assert torch.equal(whole[key], other[key]), key
    kept = sorted(p.name for p in (folder / name).iterdir())
    assert kept == ["step-000000055", "step-000000060"]
    logs = [
        torch.load(folder / n / kept[1] / "state.pt", weights_only=True)["log"]
        for n in ("whole", name)
    ]
    assert torch.equal(*logs) and logs[0].shape == (60, 3)
