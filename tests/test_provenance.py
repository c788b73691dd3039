"""A number keeps the name of what made it."""

import shutil
import subprocess
from pathlib import Path

import torch

from adv_ae import __version__, provenance, results, runs
from adv_ae.data import digits
from adv_ae.recipes import EXPERIMENTS, recipe


def git(folder, *arguments):
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    command = ["git", *who, *arguments]
    done = subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_the_commit_is_that_of_the_checkout_that_keeps_the_package(tmp_path):
    """With a + where the package was changed; a repository around it says nothing."""
    package = tmp_path / "package"
    package.mkdir()
    file = Path(shutil.copy(provenance.__file__, package))
    assert provenance.commit(file) == ""
    (tmp_path / "else").write_text("of another project")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "else")
    git(tmp_path, "commit", "-qm", "one")
    assert provenance.commit(file) == ""  # installed inside it, not of it
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "two")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert provenance.commit(file) == head
    (tmp_path / "else").write_text("changed")
    assert provenance.commit(file) == head
    file.write_text("changed")
    assert provenance.commit(file) == head + "+"


def test_it_names_machine_and_versions():
    by = provenance.provenance("cpu")
    assert by["device"].startswith("CPU, ") and by["threads"] == torch.get_num_threads()
    assert by["torch"] == torch.__version__ and by["adv_ae"] == __version__


def test_a_finished_run_keeps_what_made_it(tmp_path, monkeypatch):
    """Told again, by another commit on another machine, the number is of the first."""
    made = recipe("aae", "digits", (8, 8), hidden=(8,), steps=3, batch_size=20)
    row = EXPERIMENTS["aae/generative-mnist"]
    monkeypatch.setattr(type(row), "recipe", lambda *_: made)
    tell = (row, "small", 0, tmp_path)
    first = results.measure(*tell, runs.CPU)
    by = {"device": "another", "threads": 99, "commit": "later"}
    monkeypatch.setattr(runs, "provenance", lambda device: by)
    assert results.measure(*tell, runs.CPU) == first
    assert first["threads"] == torch.get_num_threads()
    fresh = runs.train(made, digits(), tmp_path / "fresh")
    assert fresh.items() >= by.items()
