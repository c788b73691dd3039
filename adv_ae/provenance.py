"""What a number was made by: machine, versions, commit."""

import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

from adv_ae import __version__


def provenance(device: str) -> dict[str, Any]:
    """Of what is computed from now on, on that device."""
    return {
        "device": _name(device),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "adv_ae": __version__,
        "commit": commit(),
    }


def _name(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"CPU, {platform.machine()}"


def commit(file: Path = Path(__file__)) -> str:
    """Of the checkout that keeps the package, with a + where the package was changed;
    "" where it is installed from elsewhere.

    Args:
        file: of the package.
    """

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=file.parent,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", file.name)  # not of a folder around it
        changed = git("status", "--porcelain", str(file.parent))
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return ""
