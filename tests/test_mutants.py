"""The mutants: every one can still be made, and the table in the book has them all."""

import csv
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
spec = importlib.util.spec_from_file_location("mutants", ROOT / "scripts/mutants.py")
mutants = importlib.util.module_from_spec(spec)
spec.loader.exec_module(mutants)


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda m: m.name)
def test_its_line_is_there_once(mutant):
    text = (ROOT / "adv_ae" / mutant.file).read_text()
    assert text.count(mutant.before) == 1
    compile(text.replace(mutant.before, mutant.after), mutant.file, "exec")


def test_a_line_that_is_gone_is_said(tmp_path):
    (tmp_path / "adv_ae").mkdir()
    (tmp_path / "adv_ae" / "bounds.py").write_text("")
    lost = next(m for m in mutants.MUTANTS if m.file == "bounds.py")
    with pytest.raises(ValueError, match="not in"):
        lost.apply(tmp_path)


def test_the_book_tells_who_caught_each():
    with mutants.TABLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["mutant"] for r in rows] == [m.name for m in mutants.MUTANTS]
    assert all(r["test"] and r["notebook"] for r in rows)
