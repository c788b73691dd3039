"""Write the chapter "The papers' tables, reproduced" from what is in results/.

    python scripts/report.py

Reads every JSON file of results/ and every experiment of the package, and writes the
page book/12_reproduced.md from its template 12_reproduced.md.in, the tables and the
figure that the page shows, and results/pending.csv: what has not been run on enough
seeds, each with the command that runs it. The template holds the words, and no number:
those are expressions, filled in here.
"""

import csv
import io
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from adv_ae import measures, results
from adv_ae.plots import DATA, METHODS, figure
from adv_ae.recipes import EXPERIMENTS, SIZES, Experiment, Recipe

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "book" / "12_reproduced.md.in"
PAGE = Path("book/12_reproduced.md")
STATIC = "book/_static/reproduced"
PENDING = Path("results/pending.csv")
ENOUGH = 5  # seeds of a mean that is set beside the paper's
COMPARABLE = ("paper", "short")  # sizes on the papers' data
NONE = "–"
Table = list[Sequence[str]]


@dataclass(frozen=True)
class Elsewhere:
    """What somebody else's code reached at a row.

    Attributes:
        row: the experiment.
        found: as it is said there.
        whose: code, and how it was run.
        source: address.
    """

    row: str
    found: str
    whose: str
    source: str


_ISSUES = "https://github.com/musyoku/adversarial-autoencoder/issues"
ELSEWHERE = (
    *(
        Elsewhere(row, f"{theirs} nats", f"{who}'s code", f"https://github.com/{at}")
        for who, at, reached in (
            ("nbip", "nbip/IWAE", (86.35, 85.18, 84.59)),
            (
                "xqding",
                "xqding/Importance_Weighted_Autoencoders",
                (87.75, 85.46, 84.59),
            ),
        )
        for row, theirs in zip(
            ("iwae/k-1", "iwae/k-5", "iwae/k-50"), reached, strict=True
        )
    ),
    Elsewhere(
        "aae/generative-mnist-dropout",
        "345 ± 1.9 nats",
        "AAE_paddle, with layers of 1200 units",
        "https://github.com/keil555/AAE_paddle",
    ),
    Elsewhere(
        "aae/semi-supervised-100",
        "about 5 %",
        "musyoku's code, and one of the asker's own, 5000 epochs each; "
        "the code's author has not reached 1.90 %, either",
        f"{_ISSUES}/13",
    ),
    Elsewhere(
        "aae/semi-supervised-100",
        "about 15 %",
        "musyoku's code at its first rates, 1e-3 by Adam",
        f"{_ISSUES}/7",
    ),
    Elsewhere(
        "aae/plane-unlabelled",
        "about 40 %, on training data",
        "musyoku's code at its first rates",
        f"{_ISSUES}/7",
    ),
    Elsewhere(
        "aae/label-informed-mixture",
        "a picture unlike the paper's, after 400 epochs",
        "conan7882's code",
        "https://github.com/conan7882/adversarial-autoencoders/issues/3",
    ),
    Elsewhere(
        "ali/cifar10-1000",
        "nothing: the code of this table was never published",
        "asked of the authors",
        "https://github.com/IshmaelBelghazi/ALI/issues/17",
    ),
    Elsewhere(
        "bigan/bigan",
        "97.35 %; 96.28 % after 25 epochs",
        "the authors' code, their log of one run",
        "https://github.com/jeffdonahue/bigan",
    ),
)


@dataclass(frozen=True)
class Runs:
    """What there is of an experiment at a size and a length, one result a seed."""

    row: Experiment
    size: str
    found: tuple[Mapping[str, Any], ...]
    length: float = 1.0

    def __bool__(self) -> bool:
        return bool(self.found)

    @cached_property
    def recipe(self) -> Recipe:
        return self.row.recipe(self.size, 0, self.length)

    @property
    def share(self) -> float:
        """Of the paper's examples those that are played."""
        return _examples(self.recipe) / _examples(self.row.recipe("paper", 0))

    @property
    def wanted(self) -> int:
        """Seeds; of a study over settings one a setting."""
        return max(ENOUGH, len(self.row.settings))

    @property
    def enough(self) -> bool:
        return len(self.found) >= self.wanted

    @property
    def command(self) -> str:
        what = f"{self.row.name} --size {self.size} --seeds {self.wanted}"
        length = "" if self.length == 1 else f" --length {self.length:g}"
        return f"adv-ae reproduce {what}{length}"

    @property
    def data(self) -> str:
        """`mnist, 100 labels`."""
        few = f", {self.recipe.labels} labels" if self.recipe.labels else ""
        return self.recipe.data + few

    @property
    def seeds(self) -> str:
        """How many, and which: `5 (0–4)`."""
        if not self:
            return "0"
        return f"{len(self.found)} ({_ranges([r['seed'] for r in self.found])})"

    @property
    def device(self) -> str:
        """Each kind once."""
        kinds = dict.fromkeys(
            r["device"]
            + (f", {_count(r['threads'], 'thread')}" if "CPU" in r["device"] else "")
            for r in self.found
        )
        return "; ".join(kinds)

    @property
    def seconds(self) -> float:
        """Of a run, in the mean."""
        return statistics.mean(r["seconds"] for r in self.found)

    def values(self, metric: str | None = None, split: str = "test") -> list[float]:
        """Of a metric that all runs have, one a seed; by default the row's own."""
        return [r[split][metric or self.row.measure] for r in self.found]

    def mean(self, metric: str | None = None, split: str = "test") -> float:
        return statistics.mean(self.values(metric, split))

    @property
    def spread(self) -> float:
        """Standard deviation over seeds; of one 0."""
        return statistics.stdev(self.values()) if self.found[1:] else 0.0

    def show(self, split: str = "test") -> str:
        """Mean and deviation in the paper's unit."""
        return measures.figure(self.row.measure, self.values(None, split))

    def raw(self, metric: str, split: str = "test") -> str:
        """Mean and deviation as they are stored, three digits."""
        if any(metric not in r[split] for r in self.found):
            return NONE
        values = self.values(metric, split)
        spread = f" ± {statistics.stdev(values):.2g}" if values[1:] else ""
        return _digits(statistics.mean(values)) + spread

    @property
    def metrics(self) -> list[str]:
        """Those that some run has."""
        return list(dict.fromkeys(m for r in self.found for m in r["test"]))


@dataclass(frozen=True)
class Section:
    """A table or figure of a paper: its experiments, and what there is of them."""

    name: str
    rows: tuple[Experiment, ...]
    found: tuple[Mapping[str, Any], ...]

    @property
    def slug(self) -> str:
        return re.sub(r"\W+", "-", self.name)

    @property
    def title(self) -> str:
        """`Table 2`."""
        return self.rows[0].source.split(", ")[1].capitalize()

    @property
    def paper(self) -> str:
        """`Makhzani et al. 2015`."""
        return self.rows[0].source.split(", ")[0]

    @property
    def key(self) -> str:
        """Of the bibliography: first author and year."""
        author, year = re.findall(r"^\w+|\d{4}", self.paper)
        return author.lower() + year

    def runs(self, size: str) -> list[Runs]:
        """Of all rows, run or not."""
        return [_runs(self.found, row, size) for row in self.rows]

    @property
    def comparable(self) -> list[Runs]:
        """Those that are there on the paper's data."""
        runs = zip(*(self.runs(size) for size in COMPARABLE), strict=True)
        return [r for pair in runs for r in pair if r]

    @property
    def measures(self) -> list[str]:
        """In words."""
        return _measures(self.rows)

    @property
    def ours(self) -> list[str]:
        """Options of the paper size for which the paper has no value."""
        return sorted({k for r in self.rows for k, s in r.sources.items() if _own(s)})

    @property
    def share(self) -> str:
        """Of the paper's examples those that the short form plays."""
        return _span([Runs(row, "short", ()).share for row in self.rows])

    @property
    def changes(self) -> list[str]:
        """Options in which the short form differs, other than its length."""
        return sorted({key for row in self.rows for key in _changes(row)})

    def table(self) -> Table:
        """A line for the paper size of a row, and one for its short form where that
        has been run."""
        header = (
            *("row", "the paper reports", "ours", "size and data"),
            *("seeds", "time a run", "device", "command"),
        )
        lines: Table = [header]
        for row in self.rows:
            for r in (_runs(self.found, row, size) for size in COMPARABLE):
                if r or r.size == "paper":
                    lines.append(_line(r))
        return lines

    @property
    def stretched(self) -> list[list[Runs]]:
        """Of each row whose short form was run at several lengths those, from the
        shortest on."""
        every = [_lengths(self.found, row) for row in self.rows]
        return [runs for runs in every if runs[1:]]

    def evidence(self) -> Table:
        """Everything measured beside: a column a row of the paper, a line a metric."""
        runs = self.comparable
        header = ["", *(f"{r.row.name.split('/')[1]}, {r.size}" for r in runs)]
        measured = dict.fromkeys(m for r in runs for m in r.metrics)
        valid = [r.raw(r.row.measure, "valid") for r in runs]
        tested = [[m, *(r.raw(m) for r in runs)] for m in measured]
        return [header, ["the row's own, on the valid split", *valid], *tested]


@dataclass(frozen=True)
class Report:
    """All experiments, and what there is of them.

    Attributes:
        found: results, as `results.load` gives them.
    """

    found: tuple[Mapping[str, Any], ...]

    @cached_property
    def sections(self) -> list[Section]:
        """Table by table, in the order of the papers."""
        by_table: dict[str, list[Experiment]] = {}
        for row in EXPERIMENTS.values():
            by_table.setdefault(row.table, []).append(row)
        return [Section(t, tuple(rows), self.found) for t, rows in by_table.items()]

    @property
    def papers(self) -> list[list[Section]]:
        """The tables paper by paper."""
        by_paper: dict[str, list[Section]] = {}
        for section in self.sections:
            by_paper.setdefault(section.paper, []).append(section)
        return list(by_paper.values())

    def runs(self, name: str, size: str) -> Runs:
        return _runs(self.found, EXPERIMENTS[name], size)

    def best(self, name: str) -> Runs:
        """At the paper size, or else in the short form; empty if neither was run."""
        paper, short = (self.runs(name, size) for size in COMPARABLE)
        return paper or short

    def of_size(self, size: str) -> list[Runs]:
        """Of all experiments, those that were run at a size."""
        return [r for name in EXPERIMENTS if (r := self.runs(name, size))]

    @property
    def reported(self) -> list[Experiment]:
        """Those for which the paper has a number."""
        return [row for row in EXPERIMENTS.values() if row.reported]

    @property
    def complete(self) -> list[Runs]:
        """Of those the ones at paper size on enough seeds."""
        runs = (self.runs(row.name, "paper") for row in self.reported)
        return [r for r in runs if r.enough]

    @property
    def pending(self) -> list[Runs]:
        """Too few seeds, the paper size first."""
        every = [
            self.runs(name, size) for size in reversed(SIZES) for name in EXPERIMENTS
        ]
        return [r for r in every if not r.enough]

    @property
    def stretched(self) -> list[list[Runs]]:
        """Row by row the lengths of the short form, where there are several."""
        return [runs for section in self.sections for runs in section.stretched]

    def length_table(self) -> Table:
        header = (
            *("row", "the paper reports", "of its examples", "ours"),
            *("seeds", "time a run", "command"),
        )
        lines: Table = [header]
        for r in (r for runs in self.stretched for r in runs):
            reported, spent = r.row.reported or "a figure", _time(r.seconds)
            ours = (_percent(r.share), r.show(), r.seeds, spent)
            lines.append((r.row.summary, reported, *ours, f"`{r.command}`"))
        return lines

    def hours(self, row: Experiment) -> float | None:
        """Of one run at paper size, at the pace of the short form, if the two have the
        same networks and batches; else None."""
        short, paper = self.runs(row.name, "short"), self.runs(row.name, "paper")
        if not short or _work(short.recipe) != _work(paper.recipe):
            return None
        return short.seconds / short.recipe.steps * paper.recipe.steps / 3600

    def pending_table(self) -> Table:
        lines: Table = [
            ("experiment", "size", "seeds", "wanted", "hours a run", "command")
        ]
        for r in self.pending:
            hours = self.hours(r.row) if r.size == "paper" else None
            lines.append(
                (
                    r.row.name,
                    r.size,
                    str(len(r.found)),
                    str(r.wanted),
                    NONE if hours is None else f"{hours:.0f}",
                    r.command,
                )
            )
        return lines

    def small_table(self) -> Table:
        lines: Table = [("experiment", "ours", "data", "seeds", "time a run", "row")]
        for r in self.of_size("small"):
            spent = _time(r.seconds)
            text = (r.row.name, r.show(), r.data, r.seeds, spent, r.row.summary)
            lines.append(text)
        return lines

    def runs_table(self) -> Table:
        """Every file of results/."""
        header = (
            *("file", "measure", "valid", "test", "steps", "seconds"),
            *("device", "torch", "commit"),
        )
        lines: Table = [header]
        for r in self.found:
            row, measure = EXPERIMENTS[r["experiment"]], r["measure"]
            name = results.name_of(row, r["size"], r["seed"], r["length"])
            path = results.FOLDER / f"{name}.json"
            scores = (f"{r[split][measure]:.6g}" for split in ("valid", "test"))
            spent = (str(r["steps"]), f"{r['seconds']:.0f}")
            machine = (r["device"], r["torch"], r["commit"])
            lines.append((path.as_posix(), measure, *scores, *spent, *machine))
        return lines


def measures_table() -> Table:
    """What each figure is."""
    lines: Table = [("measure", "what it is, and how it is measured", "unit", "better")]
    for name, m in measures.MEASURES.items():
        unit = m.unit.replace("%", r"\%") or NONE  # alone it begins a comment of MyST
        lines.append((f"`{name}`", m.protocol, unit, m.better or NONE))
    return lines


def verdict(r: Runs) -> str:
    """`within` if the paper's number lies within two standard deviations of our mean,
    else `better` or `worse` than it."""
    ours, paper = in_its_unit(r), in_paper(r.row)[0]
    mean, spread = statistics.mean(ours), statistics.stdev(ours)
    if abs(mean - paper) <= 2 * spread:
        return "within"
    less_is_better = measures.MEASURES[r.row.measure].better == "less"
    return "better" if (mean < paper) == less_is_better else "worse"


def in_paper(row: Experiment) -> tuple[float, float]:
    """The paper's number and what it prints after ±, else 0, in its unit."""
    numbers = re.findall(r"[-−]?\d+(?:\.\d+)?", row.reported)
    mean, spread = ([float(n.replace("−", "-")) for n in numbers] + [0.0])[:2]
    return mean, spread


def in_its_unit(r: Runs) -> list[float]:
    """Our values in the measure's unit, which is the paper's."""
    scale = 100 if measures.MEASURES[r.row.measure].unit == "%" else 1
    return [scale * value for value in r.values()]


def difference(a: tuple[float, float], b: tuple[float, float], n: int) -> str:
    """Of two means over n runs each, (mean, standard deviation), and its standard
    error."""
    return f"{a[0] - b[0]:.1f} ± {((a[1] ** 2 + b[1] ** 2) / n) ** 0.5:.1f}"


def _runs(
    found: Sequence[Mapping[str, Any]], row: Experiment, size: str, length: float = 1.0
) -> Runs:
    kind = (row.name, size, length)
    own = [r for r in found if (r["experiment"], r["size"], r["length"]) == kind]
    return Runs(row, size, tuple(sorted(own, key=lambda r: r["seed"])), length)


def _lengths(found: Sequence[Mapping[str, Any]], row: Experiment) -> list[Runs]:
    """Of the short form, from the shortest on."""
    kind = (row.name, "short")
    lengths = {r["length"] for r in found if (r["experiment"], r["size"]) == kind}
    return [_runs(found, row, "short", length) for length in sorted(lengths)]


def _line(r: Runs) -> Sequence[str]:
    """Of a table that stands beside the paper's."""
    left = r.wanted - len(r.found)
    ours = r.show() if r else "pending"
    if r and r.size == "paper" and left > 0:
        ours += f"; {_count(left, 'seed')} pending"
    spent = (_time(r.seconds), r.device) if r else (NONE, NONE)
    size = "short form" if r.size == "short" else "paper"
    paper = r.row.reported or "a figure"
    where = f"{size}: {r.data}"
    return (r.row.summary, paper, ours, where, r.seeds, *spent, f"`{r.command}`")


def _measures(rows: Sequence[Experiment]) -> list[str]:
    """In words, each once."""
    names = {"parzen": "Parzen", "svm": "SVM", "log": "log-likelihood"}
    words = ([names.get(word, word) for word in row.measure.split("_")] for row in rows)
    return list(dict.fromkeys(" ".join(w).replace(" likelihood", "") for w in words))


def _own(source: str) -> bool:
    return bool(re.search(r"\bours\b", source))


def _examples(recipe: Recipe) -> int:
    return recipe.steps * recipe.batch_size


def _flat(recipe: Recipe) -> dict[str, Any]:
    options = recipe.to_dict()
    return options.pop("setup") | options


def _changes(row: Experiment) -> list[str]:
    short, paper = (_flat(row.recipe(size, 0)) for size in ("short", "paper"))
    return [key for key in paper if key != "steps" and short[key] != paper[key]]


def _work(recipe: Recipe) -> tuple:
    """What decides how long a step takes."""
    s = recipe.setup
    return s.networks, s.hidden, s.latent, s.shape, s.draws, recipe.batch_size


def _ranges(seeds: Sequence[int]) -> str:
    """`0–4, 7`."""
    groups: list[list[int]] = []
    for seed in seeds:
        if groups and seed == groups[-1][-1] + 1:
            groups[-1].append(seed)
        else:
            groups.append([seed])
    return ", ".join(f"{g[0]}–{g[-1]}" if len(g) > 1 else f"{g[0]}" for g in groups)


def _count(n: int, what: str) -> str:
    return f"{n} {what}" + "s" * (n != 1)


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _digits(value: float) -> str:
    """Three, or all before the point."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _span(shares: Sequence[float]) -> str:
    """From the least to the most."""
    return " to ".join(dict.fromkeys((_percent(min(shares)), _percent(max(shares)))))


def _and(words: Sequence[str]) -> str:
    return " and ".join((", ".join(words[:-1]), words[-1]) if words[1:] else words)


def _code(words: Sequence[str]) -> str:
    return _and([f"`{word}`" for word in words])


# ---- the figure ----
def plot(report: Report) -> Figure:
    """What the papers report and what we have, table by table; the tables without a
    comparable run are left out."""
    shown = [
        (s, [row for row in s.rows if row.reported])
        for s in report.sections
        if any(r.row.reported for r in s.comparable)
    ]
    heights = [len(rows) + 1.6 for _, rows in shown]
    of_all = {"squeeze": False, "height_ratios": heights}
    fig, axes = figure(len(shown), 1, 4.8, 0.26 * sum(heights) + 0.4, **of_all)
    for ax, (section, rows) in zip(axes[:, 0], shown, strict=True):
        _panel(ax, report, rows)
        ax.set_title(f"{section.paper}, {section.title.lower()}", loc="left")
    blue = METHODS[0]
    marks = [
        Line2D([], [], marker=mark, color=color, mfc=fill, ls="", label=text)
        for mark, color, fill, text in (
            ("D", DATA, DATA, "the paper"),
            ("o", blue, blue, "ours, paper size"),
            ("o", blue, "white", "ours, short form"),
        )
    ]
    fig.legend(handles=marks, loc="outside upper center", ncols=len(marks))
    return fig


def _panel(ax: Axes, report: Report, rows: Sequence[Experiment]) -> None:
    """A row of the paper a line."""
    for y, row in enumerate(rows):
        _mark(ax, y, *in_paper(row), marker="D", ms=4.5, color=DATA)
        for size, fill in zip(COMPARABLE, (METHODS[0], "white"), strict=True):
            values = in_its_unit(report.runs(row.name, size))
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            if values:
                own = {"marker": "o", "ms": 6, "color": METHODS[0], "mfc": fill}
                _mark(ax, y, statistics.mean(values), spread, **own)
    ax.set_xlabel(_axis(rows))
    ax.set_yticks(range(len(rows)), [row.name.split("/")[1] for row in rows])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.margins(x=0.08)
    ax.grid(axis="x", color="0.9")


def _axis(rows: Sequence[Experiment]) -> str:
    """Measure and unit."""
    unit = measures.MEASURES[rows[0].measure].unit
    return ", ".join([*_measures(rows), *filter(None, [unit])])


def _mark(ax: Axes, y: float, mean: float, spread: float, **kind: Any) -> None:
    ax.errorbar(mean, y, xerr=spread, capsize=2.5, ls="", zorder=3, **kind)


def plot_lengths(report: Report) -> Figure:
    """Of each row whose short form was run at several lengths the measure against the
    share of the paper's examples, and what the paper has after all of them."""
    shown = report.stretched
    fig, axes = figure(1, len(shown), 2.3 * len(shown), 2.4, squeeze=False)
    for ax, runs in zip(axes.flat, shown, strict=True):
        _stretch(ax, runs)
        ax.set_title(runs[0].row.name)
        ax.set(xlabel="% of the paper's examples", ylabel=_axis([runs[0].row]))
    return fig


def _stretch(ax: Axes, runs: Sequence[Runs]) -> None:
    """Every seed a circle, the means joined."""
    own = {"color": METHODS[0], "mfc": "white"}
    ax.plot(
        [100 * r.share for r in runs],
        [statistics.mean(in_its_unit(r)) for r in runs],
        **own,
    )
    for r in runs:
        ax.plot([100 * r.share] * len(r.found), in_its_unit(r), "o", ms=6, **own)
    if runs[0].row.reported:
        mean, spread = in_paper(runs[0].row)
        paper = {"marker": "D", "ms": 4.5, "color": DATA, "capsize": 2.5}
        ax.errorbar(100, mean, spread, **paper)
    ax.set_xscale("log")


def svg(drawn: Figure) -> str:
    """The same bytes each time."""
    out = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "reproduced"}):
        drawn.savefig(out, format="svg", metadata={"Date": None})
    mpl.pyplot.close(drawn)
    return out.getvalue()


# ---- the files ----
def page(report: Report, template: str) -> str:
    """The chapter."""
    environment = jinja2.Environment(
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "percent": _percent,
        "time": _time,
        "words": _and,
        "code": _code,
        "span": _span,
        "verdict": verdict,
        "hours": report.hours,
        "paper": in_paper,
    }
    text = environment.from_string(template).render(
        report=report,
        rows=EXPERIMENTS,
        enough=ENOUGH,
        elsewhere=ELSEWHERE,
        difference=difference,
    )
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def _csv(table: Table) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(table)
    return out.getvalue()


def files(found: Sequence[Mapping[str, Any]], template: str) -> dict[Path, str]:
    """Everything that is written, by its path in the repository."""
    report = Report(tuple(found))
    tables = {
        "small": report.small_table(),
        "runs": report.runs_table(),
        "measures": measures_table(),
    }
    figures = {"": plot(report)}
    if report.stretched:
        tables["length"] = report.length_table()
        figures["_length"] = plot_lengths(report)
    for section in report.sections:
        tables[section.slug] = section.table()
        if section.comparable:
            tables[f"{section.slug}_beside"] = section.evidence()
    made = {Path(f"{STATIC}_{name}.csv"): _csv(t) for name, t in tables.items()}
    made |= {Path(f"{STATIC}{name}.svg"): svg(drawn) for name, drawn in figures.items()}
    made[PENDING] = _csv(report.pending_table())
    made[PAGE] = page(report, template)
    return made


def write(root: Path = ROOT) -> None:
    """Write all files, and remove those of tables that are gone."""
    made = files(results.load(root / results.FOLDER), TEMPLATE.read_text())
    for path in (root / STATIC).parent.glob("reproduced*"):
        if path.relative_to(root) not in made:
            path.unlink()
    for path, text in made.items():
        (root / path).write_text(text)


if __name__ == "__main__":
    mpl.use("agg")
    write()
