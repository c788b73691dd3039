"""Figures of the README are counted, not remembered."""

import re
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from adv_ae import step
from adv_ae.recipes import EXPERIMENTS, recipe
from adv_ae.training import adam

README = (Path(__file__).parent.parent / "README.md").read_text()
RECIPES = {
    "AAE, MNIST": lambda: recipe("aae", "mnist", (28, 28)),
    "BiGAN, MNIST": lambda: EXPERIMENTS["bigan/bigan"].recipe("paper", 0),
    "ALI, CIFAR-10": lambda: recipe(
        "ali", "cifar10", (3, 32, 32), networks="ali-cifar10"
    ),
}
PLACES = ((50e12, 200e9), (50e12, 12.5e9), (100e9, 1e9))  # operations, bytes a second


@pytest.mark.parametrize("name", RECIPES)
def test_what_a_step_sends_and_computes(name):
    """Bytes of gradients a step, operations a row, and where they take as long."""
    (row,) = re.findall(rf"^\| {re.escape(name)} \| (.*) \|$", README, re.M)
    told = [float(cell.replace(",", "")) for cell in row.split(" | ")]
    made = RECIPES[name]()
    torch.manual_seed(0)
    game, rows = made.game().train(), 4
    with FlopCounterMode(display=False) as counter:
        step(game, adam(game), torch.rand(rows, *made.setup.shape).flatten(1))
    moved = [sum(w.numel() for w in game.weights(k)) for k in game.players]
    sent, operations = 4 * sum(moved), counter.get_total_flops() / rows
    even = [2 * sent * R / (operations * width) for R, width in PLACES]
    assert told[0] == len(moved)
    assert told[1] == round(sent / 1e6, 1)
    assert told[2] == round(operations / 1e6)
    for found, exact in zip(told[3:], even, strict=True):
        assert found == pytest.approx(exact, rel=0.03)  # in two or three digits
