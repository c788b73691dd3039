"""The laws of form: what every chapter keeps, so that a reader is at home in each."""

import json
import re
import statistics
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"
NOTEBOOKS = sorted(BOOK.glob("*.ipynb"))
CHAPTERS = [p for p in NOTEBOOKS if not p.name.startswith("00")]
SLOTS = [
    "Question",
    "You will be able to",
    "Quick facts",
    "Predict",
    "Derivation",
    "Code",
    "Experiment",
    "Reading of the result",
    "What goes wrong",
    "Exercises",
    "Paper map",
]
INSTALL = """\
# Colab: install the package only when it is absent
import importlib.util, os, subprocess, sys  # noqa: E401
if importlib.util.find_spec("adv_ae") is None:
    src = os.environ.get("ADV_AE_SOURCE", "git+https://github.com/adv-ae/adv-ae")
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", src], check=True)
    importlib.invalidate_caches()"""
STYLING = r"rcParams|style\.use|fontsize|sns\.set|#[0-9a-fA-F]{6}\b|tight_layout"

every = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)


def cells(path, kind):
    notebook = json.loads(path.read_text())
    chosen = [c for c in notebook["cells"] if c["cell_type"] == kind]
    return [(c, "".join(c["source"])) for c in chosen]


def code(path):
    return [(c, s) for c, s in cells(path, "code") if s.strip()]


def prose(path):
    return "\n\n".join(s for _, s in cells(path, "markdown"))


def test_there_is_a_book():
    assert NOTEBOOKS


@every
def test_it_was_run_in_order_from_a_fresh_kernel(path):
    counts = [c["execution_count"] for c, _ in code(path)]
    assert counts == list(range(1, len(counts) + 1))
    kinds = [o["output_type"] for c, _ in code(path) for o in c["outputs"]]
    assert "error" not in kinds
    text = json.dumps([c["outputs"] for c, _ in code(path)])
    assert "[ok]" in text and "OUT OF BAND" not in text and '"stderr"' not in text


@every
def test_cells_are_short(path):
    lengths = sorted(len(s.splitlines()) for _, s in code(path))
    assert statistics.median(lengths) <= 8
    assert lengths[int(0.9 * (len(lengths) - 1))] <= 20
    assert lengths[-1] <= 30
    widest = max((line for _, s in code(path) for line in s.splitlines()), key=len)
    assert len(widest) <= 88, widest


@every
def test_it_is_small(path):
    assert path.stat().st_size <= 500_000


@every
def test_the_first_code_cell_installs_the_package(path):
    assert code(path)[0][1] == INSTALL


@every
def test_nothing_hides_from_the_strict_comparison(path):
    for _, source in code(path):
        assert not source.rstrip().endswith(";"), source
        assert "NBVAL" not in source
    tags = [t for c, _ in code(path) for t in c["metadata"].get("tags", [])]
    assert not [t for t in tags if t.startswith("nbval")]


@every
def test_styling_lives_in_the_package(path):
    for _, source in code(path):
        assert not re.search(STYLING, source), source


@every
def test_every_figure_has_a_caption_a_name_and_words_for_those_who_cannot_see(path):
    for c, source in code(path):
        pictures = [o for o in c["outputs"] if "image/png" in o.get("data", {})]
        if not pictures:
            continue
        said = c["metadata"].get("mystnb", {})
        assert len(said.get("image", {}).get("alt", "")) >= 30, source
        assert said["figure"]["caption"] and said["figure"]["name"].startswith("fig-")


@chapter
def test_the_slots_stand_in_order(path):
    heads = [h.split(":")[0].strip() for h in re.findall(r"(?m)^## (.+)$", prose(path))]
    assert set(heads) == set(SLOTS)
    assert list(dict.fromkeys(heads)) == SLOTS
    assert re.match(r"(\([\w-]+\)=\s*)*# \S", prose(path))
    assert "Time, memory, prerequisites" in prose(path)


@chapter
def test_what_folds_has_a_title(path):
    """A `prf:proof` of class dropdown has none, and stops the page's script there."""
    for block in re.findall(r"(?s)\{prf:proof\}.*?```", prose(path)):
        assert ":class: dropdown" not in block, block


@chapter
def test_every_exercise_has_a_solution_and_a_checker(path):
    exercises = re.findall(r"\{exercise\}.*\n(?:.*\n)*?:label: (\S+)", prose(path))
    solutions = re.findall(r"\{solution\} (\S+)", prose(path))
    assert len(exercises) >= 4 and exercises == solutions
    number = path.name[:2]
    checkers = (ROOT / "adv_ae" / "check" / f"ch{number}.py").read_text()
    for label in exercises:
        name = f"exercise_{label.rsplit('-', 1)[1]}"
        assert f"def {name}(" in checkers and f"ch{number}.{name}(" in prose(path)


def test_labels_of_the_claims_are_there_once():
    where = [p.read_text() for p in (*NOTEBOOKS, *BOOK.glob("*.md"))]
    made = re.findall(r"\((claim-S\d+)\)=", "".join(where))
    assert len(made) == len(set(made))
    assert set(re.findall(r"<(claim-S\d+)>", (BOOK / "claims.md").read_text())) <= set(
        made
    )


def test_every_reference_can_be_found():
    entries = (BOOK / "references.bib").read_text().split("\n@")[1:]
    assert len(entries) > 20
    for entry in entries:
        assert re.search(r"(?i)\b(doi|eprint|url)\s*=", entry), entry
    keys = {re.match(r"\w+\{([^,]+),", e).group(1) for e in entries}
    used = re.findall(r"\{cite:[tp]\}`([^`]+)`", "".join(map(prose, NOTEBOOKS)))
    assert {k.strip() for u in used for k in u.split(",")} <= keys


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda p: p.stem
)
def test_workflows_stop_at_the_first_error(path):
    workflow = yaml.safe_load(path.read_text())
    assert "-eo pipefail" in workflow["defaults"]["run"]["shell"]
    assert workflow["jobs"]


def test_the_readme_begins_with_the_two_commands_and_its_python_runs():
    text = (ROOT / "README.md").read_text()
    first = re.search(r"```sh\n(.*?)```", text, re.S).group(1)
    assert [line.split()[:2] for line in first.splitlines()] == [
        ["make", "book"],
        ["make", "test"],
    ]
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    assert blocks
    for block in blocks:
        names: dict = {}
        exec(block, names)
        if "losses" in block:
            assert set(names["losses"]) == {"reconstruction", "D", "G"}
        else:
            assert names["pictures"].shape == (16, 784)
