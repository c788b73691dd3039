"""Which rows keep their labels: as many of each class, by seed, and never silently."""

import pytest
import torch

from adv_ae import data
from adv_ae.data import hide_labels, labelled_rows


def labels(*counts):
    """So many rows of class 0, 1, ..., shuffled."""
    y = torch.cat([torch.full((n,), k) for k, n in enumerate(counts)])
    return y[torch.randperm(len(y))]


def kept(y, n, seed=0):
    """How many of each class."""
    return y[labelled_rows(y, n, seed)].bincount(minlength=int(y.max()) + 1).tolist()


@pytest.mark.parametrize("n", [10, 100, 500, 1000])
def test_of_each_class_as_many(n):
    assert kept(data.load("digits").train.y, n) == [n // 10] * 10
    assert kept(labels(*[150] * 10), n) == [n // 10] * 10


def test_of_classes_of_very_unequal_size_as_many():
    assert kept(labels(1000, 30, 20), 60) == [20, 20, 20]


def test_rows_are_distinct_and_of_the_data():
    y = labels(40, 50, 60)
    for n in (3, 75, 149, 150):
        rows = labelled_rows(y, n)
        assert rows.shape == (n,) and rows.dtype == torch.int64
        assert len(rows.unique()) == n and 0 <= rows.min() <= rows.max() < 150


@pytest.mark.parametrize("n", [10, 11, 14, 29])
def test_a_number_that_is_no_multiple_is_as_even_as_can_be(n):
    seen = set()
    for seed in range(40):
        counts = kept(labels(20, 20, 20, 20), n, seed)
        assert sum(counts) == n and max(counts) - min(counts) == (n % 4 > 0)
        seen.update(k for k in range(4) if counts[k] == max(counts))
    assert seen == {0, 1, 2, 3}  # it is not always the same class that has one more


def test_short_classes_give_all_and_the_others_make_up_for_them():
    y = labels(2, 50, 50)
    assert kept(y, 30) == [2, 14, 14]
    assert sorted(kept(y, 31)) == [2, 14, 15] and kept(y, 31)[0] == 2
    assert kept(y, 102) == [2, 50, 50]


def test_every_row_of_a_class_has_the_same_chance():
    y = torch.tensor([0, 1] * 10)
    chosen = torch.zeros(20)
    for seed in range(2000):
        chosen[labelled_rows(y, 4, seed)] += 1
    sd = (2000 * 0.2 * 0.8) ** 0.5
    assert (chosen - 400).abs().max() < 5 * sd


def test_the_seed_makes_the_draw_and_the_global_generator_is_left_alone():
    y = labels(50, 50)
    a, b, other = (labelled_rows(y, 20, seed) for seed in (3, 3, 4))
    assert torch.equal(a, b) and not torch.equal(a.sort().values, other.sort().values)
    torch.manual_seed(99)
    state = torch.get_rng_state()
    assert torch.equal(labelled_rows(y, 20, 3), a)
    hide_labels(y, 20)
    assert torch.equal(torch.get_rng_state(), state)


def test_rows_come_in_rounds_so_that_fewer_labels_are_the_first_of_more():
    y = labels(50, 60, 70)
    more = labelled_rows(y, 60)
    for n in (3, 9, 10, 45):
        assert torch.equal(labelled_rows(y, n), more[:n])
    for each in y[more].view(20, 3):
        assert each.sort().values.tolist() == [0, 1, 2]


@pytest.mark.parametrize("n", [0, 2, 9, -3])
def test_numbers_that_cannot_be_kept_are_refused(n):
    with pytest.raises(ValueError, match=f"{n} labels of 8 examples in 3 classes"):
        labelled_rows(torch.tensor([0, 1, 2, 0, 1, 2, 0, 0]), n)
    with pytest.raises(ValueError, match="at least one a class and at most all"):
        hide_labels(torch.tensor([0, 1, 2, 0, 1, 2, 0, 0]), n)


def test_hidden_labels_say_k_and_kept_ones_are_true():
    y = labels(40, 50, 60)
    before = y.clone()
    hidden, rows = hide_labels(y, 30, seed=5), labelled_rows(y, 30, seed=5)
    assert torch.equal(y, before) and hidden.dtype == y.dtype
    assert torch.equal(hidden[rows], y[rows])
    assert (hidden == 3).sum() == 120
    assert torch.equal((hidden < 3).nonzero().squeeze(1), rows.sort().values)
    assert hidden.bincount().tolist() == [10, 10, 10, 120]


def test_all_labels_can_be_kept():
    y = labels(4, 5, 6)
    assert torch.equal(hide_labels(y, 15), y)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_labels_of_any_whole_numbers(dtype):
    y = labels(300, 300).to(dtype)
    assert torch.equal(labelled_rows(y, 10), labelled_rows(y.long(), 10))
    assert torch.equal(labelled_rows(y, 590), labelled_rows(y.long(), 590))
    assert hide_labels(y, 10).dtype == dtype
