"""The chapter of the papers' tables is what is in results/, and nothing else."""

import copy
import csv
import functools
import importlib.util
import io
import json
import re
import shutil
import statistics
from pathlib import Path

import matplotlib as mpl
import pytest

from adv_ae import evaluation, results
from adv_ae.measures import MEASURES
from adv_ae.recipes import EXPERIMENTS, SIZES

ROOT = Path(__file__).resolve().parent.parent
spec = importlib.util.spec_from_file_location("report", ROOT / "scripts/report.py")
report = importlib.util.module_from_spec(spec)
spec.loader.exec_module(report)

# Names with a digit in them: a data set, the page itself, pages it points to, a key
# of the bibliography; and how tables and figures are set.
NAMES = ("CIFAR-10", "12_reproduced", "05_labels", "06_style", "09_bigan")
NAMES += ("dumoulin2017", ":header-rows: 1", ":width: 100%")
SHORT = ("aae/semi-supervised-100", "short")


@pytest.fixture(autouse=True, scope="module")
def no_screen():
    mpl.use("agg")


@functools.cache
def stored():
    return tuple(results.load(ROOT / results.FOLDER))


@functools.cache
def template():
    return report.TEMPLATE.read_text()


@functools.cache
def made():
    return report.files(stored(), template())


def table(made_, name):
    return list(csv.DictReader(io.StringIO(made_[Path(f"{report.STATIC}_{name}.csv")])))


def on_disk():
    """(experiment, size, seed) of every file, `short-x4` a size of its own."""
    folder = ROOT / results.FOLDER
    paths = [p.relative_to(folder).as_posix() for p in folder.glob("*/*/*.json")]
    return [re.fullmatch(r"(.*)/(.*)-(\d+)\.json", path).groups() for path in paths]


def runs(name, size, values, **other):
    """Results of one row, seed by seed, made up of a stored one."""
    row = EXPERIMENTS[name]
    own = [r for r in stored() if r["experiment"] == name] or stored()
    named = {"experiment": name, "measure": row.measure, "size": size, "length": 1.0}
    like = own[0] | named | other
    return [
        like
        | {"seed": seed}
        | {split: like[split] | {row.measure: value} for split in ("valid", "test")}
        for seed, value in enumerate(values)
    ]


def wanted(name):
    """Five seeds; of the study over random settings ten."""
    return 10 if name.startswith("ali/modes") else 5


def words(svg):
    """Text is drawn as curves; what it says stands in comments."""
    return re.findall(r"<!-- (.*?) -->", svg)


# ---- what is stored ----
def test_the_files_are_made_of_the_results():
    """To the byte; of the figure by another matplotlib the words."""
    figure = Path(f"{report.STATIC}.svg")
    for path, text in made().items():
        kept = (ROOT / path).read_text()
        if path == figure and f"Matplotlib v{mpl.__version__}," not in kept:
            kept, text = words(kept), words(text)
        assert kept == text, f"{path} is stale: make report"
    static = {p.relative_to(ROOT) for p in (ROOT / "book/_static").glob("reproduced*")}
    assert static == {p for p in made() if p.is_relative_to("book/_static")}


def test_no_number_is_typed_into_the_template():
    words_only = re.sub(r"(?s)\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", "", template())
    for name in NAMES:
        assert name in words_only
        words_only = words_only.replace(name, "")
    typed = [line for line in words_only.splitlines() if re.search(r"\d", line)]
    assert not typed, typed
    constant = re.findall(r"\{\{\s*[\"'\d.+-]+[^a-z]*\}\}", template())
    assert not constant, constant


def test_what_the_template_names_is_there():
    named = re.findall(r"(?:best|runs)\(\"([^\"]+)\"", template())
    assert named and set(named) <= set(EXPERIMENTS)
    tables = set(re.findall(r"t\.name == \"([^\"]+)\"", template()))
    assert tables and tables <= {row.table for row in EXPERIMENTS.values()}
    for e in report.ELSEWHERE:
        assert e.row in EXPERIMENTS and e.source.startswith("https://")
        assert e.source in made()[report.PAGE]


def test_the_page_shows_every_table():
    page = made()[report.PAGE]
    shown = re.findall(r":file: (\S+)|\{download\}`.*? <(\S+\.csv)>", page)
    shown = {Path("book") / (a or b) for a, b in shown}
    shown = {Path("results/pending.csv") if ".." in p.parts else p for p in shown}
    assert shown == {p for p in made() if p.suffix == ".csv"}
    assert "_static/reproduced.svg" in page


def test_every_figure_that_was_taken_is_explained():
    """And every measure that is explained was taken."""
    taken = {m for r in stored() for split in ("valid", "test") for m in r[split]}
    lines = {line["measure"].strip("`"): line for line in table(made(), "measures")}
    assert set(lines) == taken == set(MEASURES)
    assert all(
        len(line["what it is, and how it is measured"]) > 15 for line in lines.values()
    )
    for name, measure in MEASURES.items():
        assert f"`{name}`" in evaluation.evaluate.__doc__
        assert (measure.better == "more") <= ("error" not in name)
    for row in EXPERIMENTS.values():
        assert MEASURES[row.measure].better or not row.reported, row.name


def test_every_paper_is_in_the_bibliography():
    keys = re.findall(r"(?m)^@\w+\{(\w+),", (ROOT / "book/references.bib").read_text())
    found = report.Report(stored()).sections
    assert {s.key for s in found} <= set(keys)
    assert {s.name for s in found} == {r.table for r in EXPERIMENTS.values()}


def test_every_experiment_and_every_file_of_results_appears():
    page, seen = made()[report.PAGE], []
    sections = report.Report(stored()).sections
    lines = [(line, "") for s in sections for line in table(made(), s.slug)]
    for line, _ in lines:
        name, size = re.search(
            r"reproduce (\S+) --size (\w+)", line["command"]
        ).groups()
        seen += [(name, size, seed) for seed in expanded(line["seeds"])]
    for line in table(made(), "length") if stretched(stored()) else []:
        name, times = re.search(
            r"reproduce (\S+) .* --length (\S+)`|$", line["command"]
        ).groups()
        seen += [(name, f"short-x{times}", s) for s in expanded(line["seeds"]) if times]
    for line in table(made(), "small"):
        seen += [(line["experiment"], "small", s) for s in expanded(line["seeds"])]
    assert sorted(seen) == sorted(on_disk())
    commands = "".join(line["command"] for line, _ in lines)
    for name in EXPERIMENTS:
        assert f"reproduce {name} --size paper --seeds" in commands, name
    files = [line["file"] for line in table(made(), "runs")]
    assert files == sorted(set(files), key=files.index)
    assert {tuple(Path(f).parts[1:]) for f in files} == {
        (*name.split("/"), f"{size}-{seed}.json") for name, size, seed in on_disk()
    }
    assert f"All {len(on_disk())} runs" in page


def stretched(found):
    return report.Report(tuple(found)).stretched


def expanded(seeds):
    """`3 (0–1, 4)` as the three seeds."""
    count, _, listed = seeds.partition(" (")
    spans = [s.split("–") for s in listed.rstrip(")").split(", ") if s]
    found = [str(i) for s in spans for i in range(int(s[0]), int(s[-1]) + 1)]
    assert len(found) == int(count)
    return found


def test_pending_is_what_has_too_few_seeds():
    """Counted on the files' names."""
    lines = list(csv.DictReader(io.StringIO(made()[report.PENDING])))
    counts = {(name, size): 0 for name in EXPERIMENTS for size in SIZES}
    for name, size, _ in on_disk():
        if size in SIZES:
            counts[name, size] += 1
    few = {key: n for key, n in counts.items() if n < wanted(key[0])}
    assert {(r["experiment"], r["size"]): int(r["seeds"]) for r in lines} == few
    sizes = [r["size"] for r in lines]
    assert sizes == sorted(sizes, key=("paper", "short", "small").index)
    for r in lines:
        assert r["command"] == (
            f"adv-ae reproduce {r['experiment']} --size {r['size']} "
            f"--seeds {wanted(r['experiment'])}"
        )


def test_a_pending_row_says_so_beside_the_paper():
    for s in report.Report(stored()).sections:
        for line in table(made(), s.slug):
            seeds = int(line["seeds"].split()[0])
            name = re.search(r"reproduce (\S+)", line["command"])[1]
            few = seeds < wanted(name) and line["size and data"].startswith("paper")
            assert ("pending" in line["ours"]) == few


# ---- what would be, were the results others ----
def test_one_other_number_changes_page_table_and_figure():
    other = copy.deepcopy(list(stored()))
    one = next(r for r in other if (r["experiment"], r["size"]) == SHORT)
    one["test"]["classification_error"] += 0.0123
    now, paths = report.files(other, template()), set(made())
    changed = {p.name for p in paths if now[p] != made()[p]}
    assert changed >= {"12_reproduced.md", "reproduced.svg", "reproduced_runs.csv"}
    assert changed >= {"reproduced_aae-table2.csv", "reproduced_aae-table2_beside.csv"}
    assert "reproduced_small.csv" not in changed


def test_runs_at_the_paper_size_take_the_place_of_pending():
    """Two rows on five seeds, by hand: one that agrees, one that is better; a third on
    four seeds stays pending."""
    new = [
        *runs("aae/semi-supervised-100", "paper", [0.017, 0.018, 0.019, 0.02, 0.021]),
        *runs("bigan/bigan", "paper", [0.981, 0.982, 0.983, 0.984, 0.985]),
        *runs("bigan/discriminator", "paper", [0.9] * 4, seconds=36_000),
    ]
    now = report.files([r for r in stored() if r["size"] != "paper"] + new, template())
    few, bigan = table(now, "aae-table2")[0], table(now, "bigan-table1")
    assert few["ours"] == "1.90 ± 0.16 %" and few["seeds"] == "5 (0–4)"
    third = next(r for r in bigan if "bigan/discriminator --size paper" in r["command"])
    assert third["ours"] == "90.00 ± 0.00 %; 1 seed pending"
    assert third["time a run"] == "10.0 h"
    pending = now[report.PENDING].splitlines()
    assert not [r for r in pending if r.startswith("bigan/bigan,paper")]
    assert [r for r in pending if r.startswith("bigan/discriminator,paper,4")]
    assert "2 of these have been run" in now[report.PAGE]
    assert "deviations: 1; are better: 1; are worse: 0." in now[report.PAGE]


def test_a_row_at_several_lengths_is_told_from_the_shortest_on():
    """And its longer runs are no seeds of the short form."""
    whole = [r for r in stored() if r["length"] == 1]
    longer, shorter = (
        runs("bigan/bigan", "short", values, length=length)
        for length, values in ((4.0, [0.97, 0.98]), (0.5, [0.9]))
    )
    assert not stretched(whole)
    now = report.files(whole + longer + shorter, template())
    lines, short = table(now, "length"), report.Report(tuple(whole))
    ours = [short.runs("bigan/bigan", "short").show(), "97.50 ± 0.71 %"]
    assert [line["ours"] for line in lines] == ["90.00 %", *ours]
    assert [line["of its examples"] for line in lines] == ["1.25 %", "2.5 %", "10 %"]
    assert lines[2]["command"] == (
        "`adv-ae reproduce bigan/bigan --size short --seeds 5 --length 4`"
    )
    page = now[report.PAGE].replace("\N{NO-BREAK SPACE}", " ")
    said = f"90.00 % after 1.25 % of its examples, {ours[0]} after 2.5 %"
    assert f"`bigan/bigan`, where the paper has 97.39 %: {said}" in page
    assert now[report.PENDING] == report.files(whole, template())[report.PENDING]
    assert {"bigan/bigan", "% of the paper's examples", "feature accuracy, %"} <= set(
        words(now[Path(f"{report.STATIC}_length.svg")])
    )
    assert Path(f"{report.STATIC}_length.svg") not in report.files(whole, template())


def test_a_row_without_a_number_of_the_papers_can_be_stretched():
    """Its share is told in per cent; there is no diamond."""
    longer = runs("aae/label-informed-mixture", "short", [0.05], length=4.0)
    r = report.Report((*stored(), *longer))
    drawn = report.plot_lengths(r)
    ax = next(a for a in drawn.axes if a.get_title() == "aae/label-informed-mixture")
    assert [y for line in ax.lines for y in line.get_ydata()][-1] == pytest.approx(5)
    assert ax.get_ylabel() == "component error, %" and not ax.containers
    mpl.pyplot.close(drawn)


@pytest.mark.parametrize("size", report.COMPARABLE)
def test_every_sentence_can_be_written(size):
    """With results of all rows, which have all that the words ask for."""
    asked = re.findall(r"(?:raw|mean)\(\"(\w+)\"", template())
    found = []
    for name, row in EXPERIMENTS.items():
        made_up = runs(name, size, [0.25] * max(5, len(row.settings)))
        for r in made_up:
            r["test"] = dict.fromkeys(asked, 0.5) | r["test"]
        found += made_up
    page = report.page(report.Report(tuple(found)), template())
    for name in {row.table for row in EXPERIMENTS.values()}:
        slug = re.sub(r"\W+", "-", name)
        assert f"_static/reproduced_{slug}_beside.csv" in page
    assert page.count("*What is seen.*") == template().count("*What is seen.*")
    assert ("nothing is reproduced" in page) == (size == "short")


def test_without_any_result_everything_is_pending():
    now = report.page(report.Report(()), template())
    assert "none of these has been run" in now and "In a short form" not in now
    lines = report.Report(()).pending_table()[1:]
    assert len(lines) == len(SIZES) * len(EXPERIMENTS)


def test_write_removes_what_is_made_no_more(tmp_path):
    static = tmp_path / "book/_static"
    static.mkdir(parents=True)
    (static / "reproduced_aae-table99.csv").write_text("old")
    (static / "speed_aae.csv").write_text("another page's")
    shutil.copytree(ROOT / results.FOLDER, tmp_path / results.FOLDER)
    report.write(tmp_path)
    left = {p.relative_to(tmp_path) for p in static.iterdir()}
    assert left == {p for p in made() if p.is_relative_to("book/_static")} | {
        Path("book/_static/speed_aae.csv")
    }
    assert (tmp_path / report.PAGE).read_text() == made()[report.PAGE]


def test_the_figure_has_the_same_bytes_each_time():
    again = report.svg(report.plot(report.Report(stored())))
    assert again == made()[Path(f"{report.STATIC}.svg")] and "<dc:date>" not in again


# ---- by hand ----
@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("aae/semi-supervised-100", [0.01, 0.03], "within"),  # 2.00 ± 1.41, 1.90 there
        ("aae/semi-supervised-100", [0.0198, 0.0212], "within"),  # 1.5 deviations
        ("aae/semi-supervised-100", [0.05, 0.051], "worse"),  # of errors more is worse
        ("aae/semi-supervised-100", [0.010, 0.011], "better"),
        ("iwae/k-1", [80.0, 80.1], "better"),  # of nats of the negative, too
        ("bigan/bigan", [0.98, 0.981], "better"),  # of accuracies more is better
        ("aae/generative-mnist", [300.0, 301.0], "worse"),
        ("ali/modes", [8.0, 16.0], "within"),  # 12.0 ± 5.7, 13.4 there
    ],
)
def test_a_verdict_looks_two_deviations_far(name, values, said):
    found = runs(name, "paper", values)
    assert report.verdict(report.Report(tuple(found)).runs(name, "paper")) == said


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("aae/semi-supervised-100", (1.90, 0.10)),
        ("aae/plane-unlabelled", (13.95, 0.0)),
        ("aae/generative-mnist", (340.0, 2.0)),
        ("ali/modes", (13.4, 5.8)),
        ("bigan/bigan", (97.39, 0.0)),
    ],
)
def test_the_papers_numbers_are_read(name, number):
    assert report.in_paper(EXPERIMENTS[name]) == number


def test_a_mean_is_shown_in_the_papers_unit():
    found = runs("aae/clustering-16", "short", [0.30, 0.32], threads=2)
    found[0]["valid"]["clustering_error"] = 0.2
    r = report.Report(tuple(found)).runs("aae/clustering-16", "short")
    sd = 100 * statistics.stdev([0.30, 0.32])
    assert r.show() == f"31.00 ± {sd:.2f} %"
    assert r.mean(split="valid") == pytest.approx(0.26)
    assert report.in_its_unit(r) == pytest.approx([30, 32])
    assert r.raw("clustering_error") == "0.31 ± 0.014"
    assert r.raw("no_such_metric") == report.NONE
    assert r.data == "mnist" and r.seeds == "2 (0–1)"
    assert r.device == "CPU, x86_64, 2 threads"


def test_hours_are_the_short_forms_pace_times_the_papers_length():
    """BiGAN's short form has 10 of 400 epochs on the same networks: 40 times 900 s."""
    found = report.Report(tuple(runs("bigan/bigan", "short", [0.9], seconds=900.0)))
    assert found.hours(EXPERIMENTS["bigan/bigan"]) == pytest.approx(10)
    (section,) = (s for s in found.sections if s.name == "bigan/table1")
    assert section.share == "2.5 %" and section.changes == []
    # The paper's 3000 units are not the short form's 1000: no guess.
    wide = report.Report(tuple(runs("aae/clustering-16", "short", [0.3])))
    assert wide.hours(EXPERIMENTS["aae/clustering-16"]) is None
    (section,) = (s for s in wide.sections if s.name == "aae/table3")
    assert section.changes[:3] == ["betas", "code_noise", "dropout"]
    assert "hidden" in section.changes and "steps" not in section.changes
    assert "dropout" not in section.ours


def test_the_difference_of_the_papers_counts_of_modes():
    """3.0, and sqrt((5.8^2 + 9.2^2) / 10) = 3.44."""
    assert report.difference((13.4, 5.8), (10.4, 9.2), 10) == "3.0 ± 3.4"


def test_a_study_over_settings_is_complete_with_one_seed_a_setting():
    row = EXPERIMENTS["ali/modes"]
    assert len(row.settings) == 10
    found = [report.Report(tuple(runs(row.name, "short", [8.0] * n))) for n in (9, 10)]
    assert [r.runs(row.name, "short").enough for r in found] == [False, True]


def test_words():
    rows = [EXPERIMENTS[n] for n in ("aae/generative-mnist", "ali/svhn-svm")]
    assert report._measures(rows) == ["Parzen log-likelihood", "SVM error"]
    assert report._ranges([0, 1, 2, 4, 7, 8]) == "0–2, 4, 7–8"
    assert [report._time(s) for s in (36, 90, 3190, 7200)] == [
        *("36 s", "2 min", "53 min", "2.0 h"),
    ]
    assert report._and(["a"]) == "a" and report._and(["a", "b", "c"]) == "a, b and c"
    assert report._span([0.004, 0.2]) == "0.4 % to 20 %"
    assert report._span([0.025, 0.025]) == "2.5 %"
    assert report._digits(1638.7) == "1639" and report._digits(0.02134) == "0.0213"


def test_results_of_the_sizes_do_not_mix(tmp_path):
    """Seeds of another size, or of a row whose name begins alike, are not counted."""
    found = json.loads(json.dumps(runs("ali/grid", "short", [25.0])))
    r = report.Report(tuple(found))
    assert r.best("ali/grid").size == "short" and not r.runs("ali/grid", "small")
    assert not r.best("ali/grid-gan")
