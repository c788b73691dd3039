"""Modes that are covered, and samples that are on one."""

import math

import pytest
import torch

from adv_ae import data, metrics

CENTERS = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])


def planted():
    """Five points on the first center, two near the second, one astray by each."""
    near = torch.tensor([[0.0, 0.1]]).expand(5, 2)
    return torch.cat(
        [near, torch.tensor([[4.2, 0.0], [4.0, -0.2], [4.0, 1.0], [0, 3.0]])]
    )


@pytest.mark.parametrize(
    ("radius", "at_least", "modes"),
    [(0.3, 1, 2), (0.3, 2, 2), (0.3, 3, 1), (0.3, 6, 0), (0.15, 1, 1), (1.5, 1, 3)],
)
def test_a_mode_is_covered_by_enough_points_near_it(radius, at_least, modes):
    assert metrics.modes_covered(planted(), CENTERS, radius, at_least) == modes


def test_quality_is_the_share_near_any_center():
    assert metrics.high_quality_share(planted(), CENTERS, 0.3) == pytest.approx(7 / 9)
    assert metrics.high_quality_share(planted(), CENTERS, 0.15) == pytest.approx(5 / 9)
    assert metrics.high_quality_share(planted(), CENTERS, 1.5) == 1.0


def test_the_order_of_points_and_of_centers_does_not_matter():
    x = planted()[torch.randperm(9)]
    assert metrics.modes_covered(x, CENTERS[[2, 0, 1]], 0.3, 2) == 2
    assert metrics.high_quality_share(x, CENTERS[[2, 0, 1]], 0.3) == pytest.approx(
        7 / 9
    )


def test_a_point_counts_for_one_center_only():
    two = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    assert metrics.modes_covered(torch.tensor([[0.4, 0.0]]), two, radius=0.9) == 1


def test_of_the_data_themselves_all_modes_are_covered_and_the_share_is_rayleighs():
    """Within three standard deviations in the plane: 1 - exp(-9 / 2)."""
    ring = data.gaussian_ring(20_000, std=0.05, seed=0)
    centers = torch.stack([ring.x[ring.y == k].mean(0) for k in range(8)])
    assert metrics.modes_covered(ring.x, centers, 0.15, at_least=2000) == 8
    share = metrics.high_quality_share(ring.x, centers, 0.15)
    want = 1 - math.exp(-4.5)
    assert abs(share - want) < 5 * math.sqrt(want * (1 - want) / 20_000)
