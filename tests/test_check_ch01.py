"""Exercises of chapter 01: the book's solutions pass, plausible wrong answers fail."""

import math

import pytest

from adv_ae.check import CheckError, ch01


@pytest.mark.parametrize(
    ("number", "name"),
    list(
        enumerate(["js", "both", "log_ratio", "gaussian_mmd2", "modulus", "scale"], 1)
    ),
)
def test_the_solutions_of_the_book_pass(number, name, printed, capsys):
    getattr(ch01, f"exercise_{number}")(printed[name])
    assert f"[ok] exercise {number}" in capsys.readouterr().out


def r2(s):
    return s * s + 2


def mmd2(a, s):
    return 2 * s / math.sqrt(r2(s)) * (1 - math.exp(-a * a / (2 * r2(s))))


WRONG = [
    (1, lambda a: math.log(2), "overlap"),
    (1, lambda a: min(a, 1.0), "nats"),
    (1, lambda a: 2 * min(a, 1.0) * math.log(2), "half"),
    (1, lambda a: a * math.log(2), "disjoint"),
    (1, lambda a: min(a, 1.0) ** 2 * math.log(2), "off by"),
    (2, lambda p, q: p.mean() - q.mean(), "two numbers"),
    (2, lambda p, q: (p.mean(), q.mean()), "log"),
    (2, lambda p, q: (-q.mean(), p.mean()), "other way round"),
    (2, lambda p, q: (p.sigmoid().log().mean(), -q.mean()), "no sigmoid"),
    (3, lambda logits, share: logits, "Bayes"),
    (3, lambda logits, share: logits + math.log(share / (1 - share)), "sign"),
    (3, lambda logits, share: logits - math.log(share), "off by"),
    (4, lambda a, s: mmd2(a, s) + 1, "one law"),
    (4, lambda a, s: mmd2(a, s) / 2, "both"),
    (4, lambda a, s: mmd2(a, s) ** 0.5, "square"),
    (4, lambda a, s: 2 * (1 - math.exp(-a * a / (2 * s * s))), "normal"),
    (5, lambda rate: math.hypot(1, rate), "at once"),
    (5, lambda rate: 1.0, "beyond"),
    (5, lambda rate: 1 + rate**2, "determinant"),
    (6, 1.0, "narrow"),
    (6, 20.0, "wide"),
    (6, 4.6, "finer"),
    (6, float("nan"), "off by"),
]


@pytest.mark.parametrize(("number", "answer", "hint"), WRONG)
def test_wrong_answers_fail_with_a_hint(number, answer, hint):
    with pytest.raises(CheckError, match=hint):
        getattr(ch01, f"exercise_{number}")(answer)
