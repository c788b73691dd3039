"""Active units: planted ones are found, constant ones are not."""

import numpy as np
import pytest
import torch

from adv_ae.metrics import active_units


def test_planted_units_are_found():
    scales = torch.tensor([1.0, 0.0, 0.2, 0.05, 3.0, 0.0])
    means = scales * torch.randn(5000, 6) + torch.tensor([0, 7.0, 0, -9.0, 0, 0])
    assert active_units(means).tolist() == [True, False, True, False, True, False]


def test_it_is_the_variance_over_the_data_that_counts():
    means = torch.randn(50, 4) * torch.tensor([0.05, 0.09, 0.11, 0.2])
    want = np.var(means.numpy(), axis=0, ddof=1) > 0.01
    assert active_units(means).tolist() == want.tolist()


def test_the_threshold_is_a_variance():
    means = torch.tensor([[-0.5], [0.5]])  # variance 1/2
    assert active_units(means, 0.49).tolist() == [True]
    assert active_units(means, 0.51).tolist() == [False]


@pytest.mark.parametrize("means", [torch.zeros(3), torch.zeros(1, 3)])
def test_codes_of_one_example_say_nothing(means):
    with pytest.raises(ValueError, match="whole data set"):
        active_units(means)
