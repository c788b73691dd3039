"""The package alone: installed from its wheel, imported from an empty folder."""

import os
import site
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GAME = """
import torch, adv_ae
assert "site-packages" in adv_ae.__file__, adv_ae.__file__
from adv_ae import games, step
from adv_ae.conditionals import Bernoulli, Gaussian
from adv_ae.networks import MLP, Discriminator
from adv_ae.priors import Normal
game = games.AAE(Gaussian(MLP(64, 32, 4)), Bernoulli(MLP(2, 32, 64)), Normal(2),
                 Discriminator(2, 32))
adam = {k: torch.optim.Adam(game.weights(k)) for k in game.players}
print(sorted(step(game, adam, torch.rand(10, 64))))
from adv_ae.explore import latent_plane
assert "mount(" in latent_plane(game, (8, 8)).data  # its script is in the wheel
"""


def run(*command, **kw):
    return subprocess.run(
        command, check=True, capture_output=True, text=True, **kw
    ).stdout


def test_the_wheel_works_from_an_empty_folder(tmp_path):
    run(
        *(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps"),
        *("--no-build-isolation", "-w", str(tmp_path), str(ROOT)),
    )
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    libraries = run(
        python, "-c", "import site; print(site.getsitepackages()[0])"
    ).strip()
    # Dependencies come from this environment by a .pth, adv_ae from the wheel alone.
    Path(libraries, "outer.pth").write_text(site.getsitepackages()[0])
    run(
        *(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index"),
        *("--target", libraries, str(wheel)),
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COV")}
    out = run(python, "-W", "ignore", "-c", GAME, cwd=empty, env=environment)
    assert out == "['D', 'G', 'reconstruction']\n"


def test_importing_is_quick_and_draws_nothing():
    script = "import adv_ae, sys; print('matplotlib' in sys.modules)"
    times = []
    for _ in range(3):
        start = time.perf_counter()
        assert run(sys.executable, "-c", script) == "False\n"
        times.append(time.perf_counter() - start)
    bare = time.perf_counter()
    run(sys.executable, "-c", "import torch")
    bare = time.perf_counter() - bare
    assert min(times) < max(
        2.0, bare + 1.0
    )  # torch itself may be slow on a busy machine
