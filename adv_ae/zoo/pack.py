"""From a run folder to a model of the zoo: weights in half precision, and a card."""

import dataclasses
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from adv_ae import evaluation, runs, zoo
from adv_ae.data import Dataset, as_float
from adv_ae.game import Game

COST = 1e-3  # that half precision may change: of nats this share of them, of a share of
# examples (an error, an accuracy) one example in a thousand
SOURCES = {  # of the data: license, and where they come from
    "mnist": ("CC BY-SA 3.0", "http://yann.lecun.com/exdb/mnist/"),
    "fashion-mnist": ("MIT", "https://github.com/zalandoresearch/fashion-mnist"),
}


def pack(name: str, folder: str | Path, out: Path = zoo.HERE) -> zoo.Card:
    """Make a finished run a model of the zoo.

    Args:
        name: one of `zoo.MODELS`.
        folder: run folder of its recipe.
        out: where models are.

    Returns:
        Its card.

    Raises:
        ZooError: the folder is of another recipe.
        DataError: its data are not to be had.
    """
    folder, target, model = Path(folder), out / name, zoo.MODELS[name]
    recipe, game = runs.load(folder)
    if recipe != model.recipe():
        raise zoo.ZooError(f"{folder} is not a run of the recipe of {name}.")
    dataset, report = recipe.dataset(), runs.load_report(folder)
    full = report["test"][model.measure]
    draft = target.with_name(target.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    runs.write(draft / "config.json", json.dumps(recipe.to_dict(), indent=1))
    for dtype in (torch.float16, torch.float32):
        figures = _round(game, draft / zoo.WEIGHTS, dtype, dataset)
        if abs(figures["test"][model.measure] - full) < COST * max(1.0, full):
            break
    save_file(_codes(runs.load(draft)[1], dataset), draft / zoo.CODES)
    weights = (draft / zoo.WEIGHTS).read_bytes()
    license, source = SOURCES[model.data]
    card = zoo.Card(
        name=name,
        summary=model.summary,
        license=license,
        source=source,
        measure=model.measure,
        full_precision=full,
        dtype=str(dtype).removeprefix("torch."),
        sha256=hashlib.sha256(weights).hexdigest(),
        bytes=len(weights),
        steps=report["steps"],
        seconds=report["seconds"],
        device=report["device"],
        torch=report["torch"],
        adv_ae=report["adv_ae"],
        commit=report["commit"],
        recipe=recipe.to_dict(),
        **figures,
    )
    text = json.dumps(dataclasses.asdict(card), indent=1)
    runs.write(draft / zoo.CARD, text + "\n")
    old = target.with_name(target.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        os.replace(target, old)
    os.replace(draft, target)
    shutil.rmtree(old, ignore_errors=True)
    return zoo.Card(**json.loads(text))


def _round(
    game: Game, path: Path, dtype: torch.dtype, dataset: Dataset
) -> dict[str, Any]:
    """Write what was learned in a type, read it back, and measure both splits."""
    learned = {name: w.to(dtype) for name, w in game.named_parameters()}
    weights = game.state_dict() | learned
    save_file({name: w.contiguous() for name, w in weights.items()}, path)
    rounded = runs.load(path.parent)[1]
    return {s: evaluation.evaluate(rounded, dataset, s) for s in ("valid", "test")}


@torch.no_grad()
def _codes(game: Any, dataset: Dataset) -> dict[str, Tensor]:
    torch.manual_seed(0)
    x, y = dataset.test.x[:1000], dataset.test.y
    assert y is not None
    return {"z": game.codes(as_float(x)).half(), "y": y[:1000].to(torch.uint8)}
