"""Metrics of labels, clusters and factors against planted answers and brute force."""

import itertools
import math

import pytest
import torch

from adv_ae import metrics
from adv_ae.metrics import (
    classification_error,
    clustering_error,
    factor_recovery,
    head_counts,
    head_labels,
    probe_accuracy,
)


def sure(heads, k, confidence=0.9):
    """q(y|x) of points that fall to the given heads."""
    heads = torch.as_tensor(heads)
    rest = (1 - confidence) / (k - 1)
    q = torch.full((len(heads), k), rest)
    q[torch.arange(len(heads)), heads] = confidence
    return q


# ---------------------------------------------------------------------- classification


def test_classification_error_is_the_share_of_wrong_rows():
    q = sure([0, 1, 2, 2, 1], 3)
    y = torch.tensor([0, 1, 2, 0, 0])
    assert classification_error(q, y) == 0.4
    assert classification_error(q.log(), y) == 0.4  # logits do as well
    assert classification_error(q, q.argmax(1)) == 0.0
    assert classification_error(q, (q.argmax(1) + 1) % 3) == 1.0
    assert isinstance(classification_error(q, y), float)


# ---------------------------------------------------------------------- clusters' names

# Three heads, six points: head 0 has 0 0 1, head 1 has 1 1, head 2 has 2.
HEADS = torch.tensor([0, 0, 0, 1, 1, 2])
LABELS = torch.tensor([0, 0, 1, 1, 1, 2])


def misled():
    """The point of class 1 is the one that head 0 is surest of."""
    q = sure(HEADS, 3)
    q[2] = torch.tensor([0.98, 0.01, 0.01])
    return q


def test_counts_say_what_falls_to_each_head():
    want = [[2, 1, 0, 0], [0, 2, 0, 0], [0, 0, 1, 0]]
    counts = head_counts(misled(), LABELS, classes=4)
    assert counts.tolist() == want and counts.dtype == torch.int64


def test_the_surest_point_names_a_head_against_its_majority():
    q = misled()
    assert head_labels(q, LABELS).tolist() == [1, 1, 2]  # the paper's is the default
    assert head_labels(q, LABELS, "confident").tolist() == [1, 1, 2]
    assert head_labels(q, LABELS, "majority", 3).tolist() == [0, 1, 2]
    assert head_labels(q, LABELS, "one-to-one", 3).tolist() == [0, 1, 2]


def test_the_surest_point_may_fall_to_another_head():
    """argmax over all points of q(y_k|x_n), not over those that fall to head k."""
    q = torch.tensor([[0.6, 0.4, 0.0], [0.9, 0.0, 0.1], [0.8, 0.05, 0.15]])
    y = torch.tensor([5, 6, 7])
    assert q.argmax(1).tolist() == [0, 0, 0]
    assert head_labels(q, y, classes=8).tolist() == [6, 5, 7]


def test_majority_can_give_a_class_to_two_heads_and_pairing_cannot():
    heads = [0] * 5 + [1] * 5
    y = torch.tensor([0, 0, 0, 0, 0, 0, 0, 0, 1, 1])
    q = sure(heads, 2)
    assert head_labels(q, y, "majority", 2).tolist() == [0, 0]
    assert head_labels(q, y, "one-to-one", 2).tolist() == [0, 1]
    assert clustering_error((q, y), (q, y), "majority", 2) == 0.2
    assert clustering_error((q, y), (q, y), "one-to-one", 2) == 0.3


def test_a_head_without_points_has_no_majority():
    q = sure([0, 0, 2], 4)
    q[1] = torch.tensor([0.5, 0.4, 0.05, 0.05])
    y = torch.tensor([1, 0, 2])
    assert head_labels(q, y, "majority", 3).tolist()[1:] == [-1, 2, -1]
    assert head_labels(q, y, "confident")[1] == 0  # it has a surest point all the same
    assert (head_labels(q, y, "confident") >= 0).all()


def test_a_nameless_head_is_wrong_about_all_its_points():
    valid = sure([0, 0, 1], 3), torch.tensor([0, 0, 1])
    test = sure([0, 2, 2, 1], 3), torch.tensor([0, 0, 1, 1])
    assert clustering_error(valid, test, "majority", 2) == 0.5
    assert clustering_error(valid, test, "one-to-one", 2) == 0.5


def test_with_more_heads_than_classes_pairing_leaves_some_nameless():
    heads = [0] * 4 + [1] * 3 + [2] * 2 + [3]
    y = torch.tensor([0] * 4 + [0] * 3 + [1] * 3)
    q = sure(heads, 4)
    assert head_labels(q, y, "one-to-one", 2).tolist() == [0, -1, 1, -1]
    assert head_labels(q, y, "majority", 2).tolist() == [0, 0, 1, 1]
    assert clustering_error((q, y), (q, y), "majority", 2) == 0.0
    assert clustering_error((q, y), (q, y), "one-to-one", 2) == 0.4


def test_with_fewer_heads_than_classes_each_has_one():
    q, y = sure([0, 0, 0, 1, 1], 2), torch.tensor([0, 2, 2, 1, 3])
    assert head_labels(q, y, "one-to-one", 4).tolist()[0] == 2
    assert (head_labels(q, y, "one-to-one", 4) >= 0).all()


@pytest.mark.parametrize(("k", "classes"), [(4, 4), (5, 3), (3, 5)])
def test_pairing_is_the_best_of_all_pairings(k, classes):
    """Brute force over every one-to-one assignment."""
    for _ in range(20):
        q, y = torch.rand(60, k).softmax(1), torch.randint(classes, (60,))
        names = head_labels(q, y, "one-to-one", classes)
        counts = head_counts(q, y, classes)
        got = sum(counts[i, c].item() for i, c in enumerate(names.tolist()) if c >= 0)
        slots = range(max(k, classes))
        best = max(
            sum(counts[i, c].item() for i, c in enumerate(p[:k]) if c < classes)
            for p in itertools.permutations(slots, k)
        )
        assert got == best
        used = names[names >= 0]
        assert len(used.unique()) == len(used) == min(k, classes)
        error = clustering_error((q, y), (q, y), "one-to-one", classes)
        assert error == pytest.approx(1 - best / 60, abs=1e-12)


@pytest.mark.parametrize("rule", metrics.RULES)
def test_names_come_from_validation_and_errors_from_test(rule):
    """Heads are permuted classes; a tenth of the test points is planted wrong."""
    names = torch.tensor([3, 0, 2, 1])
    heads = torch.arange(40) % 4
    valid = sure(heads, 4), names[heads]
    y = names[torch.arange(200) % 4]
    y[:20] = (y[:20] + 1) % 4
    test = sure(torch.arange(200) % 4, 4), y
    assert head_labels(*valid, rule, 4).tolist() == names.tolist()
    assert clustering_error(valid, test, rule, 4) == pytest.approx(0.1, abs=1e-12)
    assert clustering_error(valid, valid, rule, 4) == 0.0
    one = sure([0], 4), names[:1]
    assert clustering_error(valid, one, rule, 4) == 0.0


def test_the_papers_rule_is_the_default_of_the_error():
    q = misled()
    assert clustering_error((q, LABELS), (q, LABELS)) == pytest.approx(2 / 6)
    assert clustering_error((q, LABELS), (q, LABELS), "majority") == pytest.approx(
        1 / 6
    )


def test_what_names_no_heads_is_refused():
    q, y = sure(HEADS, 3), LABELS
    for bad_q, bad_y in ((q[:, 0], y), (q, y[:-1]), (q, q), (q[None], y)):
        with pytest.raises(ValueError, match=r"\(N, K\) and labels \(N,\) are wanted"):
            head_labels(bad_q, bad_y)
    with pytest.raises(ValueError, match=r"'hungarian' is not one of confident, maj"):
        head_labels(q, y, "hungarian")
    with pytest.raises(ValueError, match="is not one of"):
        clustering_error((q, y), (q, y), "Majority")


@pytest.mark.parametrize("rule", metrics.RULES)
def test_labels_that_are_more_than_the_classes_are_refused(rule):
    """They would be counted for the next head."""
    q = sure(HEADS, 3)
    for y, classes in ((LABELS, 2), (LABELS + 8, 10), (LABELS - 1, 10)):
        with pytest.raises(ValueError, match=rf"labels 0 .. {classes - 1} are wanted"):
            head_labels(q, y, rule, classes)
    with pytest.raises(ValueError, match=r"not 8 .. 10; `classes` says how many"):
        clustering_error((q, LABELS + 8), (q, LABELS), rule)
    assert head_labels(q, LABELS + 7, rule).shape == (3,)


# ---------------------------------------------------------- what a code tells of labels


def test_a_probe_finds_a_label_that_a_plane_separates():
    y = torch.arange(400) % 4
    corners = torch.tensor([[0.0, 0], [0, 9], [9, 0], [9, 9]])
    codes = corners[y] + torch.randn(400, 2)
    assert probe_accuracy(codes[:200], y[:200], codes[200:], y[200:]) == 1.0


def test_a_probe_of_a_blind_code_is_at_chance():
    n = 4000
    y, codes = torch.randint(4, (2 * n,)), torch.randn(2 * n, 3)
    got = probe_accuracy(codes[:n], y[:n], codes[n:], y[n:])
    assert abs(got - 0.25) < 5 * (0.25 * 0.75 / n) ** 0.5
    rare = (torch.rand(2 * n) < 0.2).long()  # then the most frequent class
    got = probe_accuracy(codes[:n], rare[:n], codes[n:], rare[n:])
    assert got == pytest.approx(1 - rare[n:].double().mean().item(), abs=1e-3)


def test_a_probe_is_judged_on_codes_it_has_not_seen():
    """Many dimensions and few rows: it fits noise perfectly and knows nothing."""
    y, codes = torch.randint(2, (640,)), torch.randn(640, 60)
    at_home = probe_accuracy(codes[:40], y[:40], codes[:40], y[:40])
    away = probe_accuracy(codes[:40], y[:40], codes[40:], y[40:])
    assert at_home == 1.0 and abs(away - 0.5) < 5 * 0.5 / 600**0.5


def test_a_probe_is_linear_and_blind_to_scale():
    codes = torch.randn(2000, 2)
    y = (codes[:, 0] * codes[:, 1] > 0).long()  # exclusive or
    assert (
        abs(probe_accuracy(codes[:1000], y[:1000], codes[1000:], y[1000:]) - 0.5) < 0.1
    )
    y = (codes[:, 0] > 0).long()
    scaled = 1e-4 * codes + torch.tensor([50.0, -3.0])
    got = probe_accuracy(scaled[:1000], y[:1000], scaled[1000:], y[1000:])
    assert got > 0.98


# ----------------------------------------------------------------- factors of variation


def linear(n=400):
    """Three factors: two in the code, turned and scaled; the third lost."""
    f = torch.randn(n, 3)
    return f[:, :2] @ torch.tensor([[2.0, 1.0], [-1.0, 3.0]]) + 5, f


def test_linear_factors_are_recovered_and_lost_ones_are_not():
    codes, f = linear()
    r2 = factor_recovery(codes[:200], f[:200], codes[200:], f[200:])
    assert r2.shape == (3,) and r2.dtype == torch.float64
    torch.testing.assert_close(r2[:2], torch.ones(2, dtype=torch.float64))
    assert -0.1 < r2[2] < 0.05


def test_noise_lowers_r_squared_by_its_share_of_the_variance():
    f = torch.randn(20_000, 1)
    codes = f + 0.5 * torch.randn(20_000, 1)  # best R^2 = 1 / (1 + 1/4)
    half = 10_000
    got = factor_recovery(codes[:half], f[:half], codes[half:], f[half:])
    assert got.item() == pytest.approx(0.8, abs=0.02)


def test_a_bent_factor_is_found_by_neighbors_and_not_by_a_plane():
    """The code is a circle's angle, or a parabola: the line sees next to nothing."""
    angle = 2 * math.pi * torch.rand(2000)
    codes = torch.stack([angle.cos(), angle.sin()], 1)
    f = torch.stack([(3 * angle).sin(), codes[:, 0]], 1)
    parts = codes[:1000], f[:1000], codes[1000:], f[1000:]
    flat, near = factor_recovery(*parts), factor_recovery(*parts, k=5)
    assert flat[0] < 0.05 and flat[1] > 0.999
    assert (near > 0.99).all()
    lost = torch.randn(2000, 1)
    gone = factor_recovery(codes[:1000], lost[:1000], codes[1000:], lost[1000:], k=5)
    assert gone.item() == pytest.approx(-1 / 5, abs=0.15)  # the noise of a mean of five


def test_neighbors_are_averaged_as_by_hand():
    codes, f = (
        torch.tensor([[0.0], [1], [2], [10]]),
        torch.tensor([[0.0], [1], [5], [9]]),
    )
    at, true = torch.tensor([[0.4], [9.0]]), torch.tensor([[1.0], [8.0]])
    told = torch.tensor([[0.5], [7.0]]).double()  # of 0 and 1, of 10 and 2
    squares = (told - true).square().sum() / (true - true.mean()).square().sum()
    got = factor_recovery(codes, f, at, true, k=2)
    assert got.item() == pytest.approx(1 - squares.item())


def test_a_model_that_is_worse_than_the_mean_is_below_zero():
    codes = torch.linspace(0, 1, 50)[:, None]
    got = factor_recovery(codes, codes, codes, 1 - codes)
    assert got.item() == pytest.approx(1 - 4)  # twice the gap to the mean, squared
