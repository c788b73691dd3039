"""The tables and the plot of the page *Speed*, made of results.json and nothing else:
`python -m benchmarks.page`."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adv_ae.plots import METHODS, figure
from benchmarks.work import WORKS

ROOT = Path(__file__).resolve().parent.parent
STATIC = ROOT / "book" / "_static"
RESULTS = ROOT / "benchmarks" / "results.json"
NAMES = {
    "pythae": "pythae's trainer",
    "notebook": "notebook's loop",
    "engine": "adv_ae: fit",
    "captured": "adv_ae: fit, captured",
    "plain": "plain loop",
    "floor": "loop by hand",
    "limit": "products and Adam alone",
}
SHORT = {
    "pythae": "pythae",
    "notebook": "notebook",
    "engine": "fit",
    "captured": "fit, captured",
    "floor": "by hand",
    "limit": "products and Adam",
}
PRECISIONS = ("highest", "high", "medium", "bfloat16")
COLORS = dict(zip(PRECISIONS, METHODS, strict=False))
ENGINE, DRAW = 1.05, 0.05  # goals: over a plain loop; ms for a batch of 100
Table = list[Sequence[str]]


def write(results: dict, folder: Path = STATIC) -> None:
    """Write speed_*.csv and speed.svg."""
    for name, rows in tables(results).items():
        with (folder / f"speed_{name}.csv").open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
    mpl.use("agg")
    with mpl.rc_context({"svg.hashsalt": "speed"}):
        plot(results).savefig(folder / "speed.svg", metadata={"Date": None})


def tables(results: dict) -> dict[str, Table]:
    """Each with its header."""
    return {
        **{work: _steps(results, work) for work in WORKS},
        "goals": _goals(results),
        "ratios": _ratios(results),
        "engine": _engine(results),
        "accuracy": _accuracy(results),
        "machine": _machine(results),
    }


def _steps(results: dict, work: str) -> Table:
    """Milliseconds a step: a row a contender, a column a place and a precision."""
    cells = []
    for c in results["configurations"]:
        if c["work"] == work:
            by_cpu = c["device"] == "cpu" and c["threads"] == 1
            ms = _ms(c["cpu_ms" if by_cpu else "wall_ms"]["median"])
            cells.append((c, NAMES[c["contender"]], ms + "*" * (c["disturbed"] > 0)))
    return _pivot("ms a step", sorted(cells, key=lambda cell: _order(cell[0])))


def _ratios(results: dict) -> Table:
    """One contender's time over another's, likewise."""
    cells = [
        (r, f"{WORKS[r['work']].title}: {_of(r)} / {_to(r)}", f"{r['ratio']:.2f}")
        for r in results["ratios"]
    ]
    return _pivot("time of", cells)


def _pivot(corner: str, cells: Sequence[tuple[dict, str, str]]) -> Table:
    """Cells (what was run, row, text) as a table."""
    columns = sorted({_place(c) for c, _, _ in cells})
    found = {(row, _place(c)): text for c, row, text in cells}
    rows = dict.fromkeys(row for _, row, _ in cells)
    header = [f"{where}, {PRECISIONS[p]}" for _, _, p, where in columns]
    body = [[row, *(found.get((row, at), "–") for at in columns)] for row in rows]
    return [[corner, *header], *body]


def _place(c: dict) -> tuple[str, int, int, str]:
    """Device, threads (the most first), precision, and what the place is called."""
    where = f"{c['threads']} thread" + "s" * (c["threads"] > 1)
    if c["device"] != "cpu":
        where = "GPU"
    return c["device"], -c["threads"], PRECISIONS.index(c["precision"]), where


def _order(c: dict) -> int:
    return list(NAMES).index(c["contender"])


def _ms(value: float) -> str:
    """Three digits."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _goals(results: dict) -> Table:
    """What was aimed at; a precision that misses a goal is shown beside one that does
    not."""
    rows = []
    for r in results["ratios"]:
        if r["goal"] is not None and (r["threads"] > 1 or r["device"] != "cpu"):
            what = f"{WORKS[r['work']].title}: {_of(r)} / {_to(r)}"
            rows.append((what, r["precision"], *_held(r["ratio"], r["goal"])))
    for work, e in results["overhead"]["engine"].items():
        what = f"{WORKS[work].title}: fit / plain loop"
        rows.append((what, "highest", *_held(e["ratio"], ENGINE)))
    drawn = results["overhead"]["draw_ms"]
    rows.append(("a batch of 100 drawn, ms", "–", *_held(drawn, DRAW)))
    return [("time of", "precision", "measured", "goal", "met"), *rows]


def _held(found: float, goal: float) -> tuple[str, str, str]:
    digits = 3 if goal < 0.1 else 2
    met = "yes" if round(found, digits) <= goal else "no"
    return f"{found:.{digits}f}", f"≤ {goal:.2f}", met


def _of(r: dict) -> str:
    return SHORT[r["of"]]


def _to(r: dict) -> str:
    """At a precision of its own, where that is not the highest."""
    own = r["fixed"] and r["to_precision"] != "highest"
    return SHORT[r["to"]] + (f" at {r['to_precision']}" if own else "")


def _engine(results: dict) -> Table:
    header = ("work", "fit, ms", "plain loop, ms", "ratio", "blocks")
    rows = [
        (
            WORKS[work].title,
            _ms(e["engine_ms"]),
            _ms(e["plain_ms"]),
            f"{e['ratio']:.3f}",
            f"{e['lowest']:.2f} to {e['highest']:.2f}",
        )
        for work, e in results["overhead"]["engine"].items()
    ]
    return [header, *rows]


def _accuracy(results: dict) -> Table:
    players = ("reconstruction", "D", "G")
    header = (
        "precision",
        *(f"error of the gradient, {player}" for player in players),
        "nats a digit at the end",
        "seeds",
    )
    rows = []
    for precision, a in results["accuracy"]["precisions"].items():
        nats = a["reconstruction"]
        errors = (f"{a['gradient'][player]:.1e}" for player in players)
        mean = f"{sum(nats) / len(nats):.2f}"
        rows.append((precision, *errors, mean, f"{min(nats):.2f} to {max(nats):.2f}"))
    noise = results["accuracy"]["minibatch"]
    between = ("another minibatch", *(f"{noise[player]:.1e}" for player in players))
    return [header, *rows, (*between, "–", "–")]


def _machine(results: dict) -> Table:
    m, method = results["machine"], results["method"]
    disturbed = sum(c["disturbed"] for c in results["configurations"])
    runs = sum(c["rounds"] for c in results["configurations"])
    return [
        ("what", "which"),
        ("processor", m["cpu"]),
        ("cores", str(m["cores"])),
        ("vector instructions", m["isa"]),
        ("GPU", m["gpu"]),
        ("PyTorch", m["torch"]),
        ("Python", m["python"]),
        ("data", results["data"]),
        ("rounds", str(method["rounds"])),
        (
            f"runs with over {method['foreign']:.0%} of the cores in foreign hands",
            f"{disturbed} of {runs}",
        ),
        ("minutes in all", str(results["minutes"])),
    ]


def plot(results: dict) -> Figure:
    """Milliseconds a step of the large works at the most threads: a row a contender, a
    dot a precision."""
    on_cpu = [c for c in results["configurations"] if c["device"] == "cpu"]
    most = max(c["threads"] for c in on_cpu)
    shown = [c for c in on_cpu if c["threads"] == most and c["work"] != "small"]
    works = [work for work in WORKS if any(c["work"] == work for c in shown)]
    fig, axes = figure(len(works), 1, 4.6, 1.9 * len(works), squeeze=False)
    for ax, work in zip(axes[:, 0], works, strict=True):
        _dots(ax, [c for c in shown if c["work"] == work])
        ax.set_title(f"{WORKS[work].title}, batch of {WORKS[work].batch}", loc="left")
    axes[-1, 0].set_xlabel(f"ms a step, {most} threads")
    used = [p for p in PRECISIONS if any(c["precision"] == p for c in shown)]
    dots = [mpl.lines.Line2D([], [], color=COLORS[p], marker="o", ls="") for p in used]
    fig.legend(dots, used, loc="outside upper center", ncols=len(used))
    return fig


def _dots(ax: Axes, shown: list[dict]) -> None:
    rows = [name for name in NAMES if any(c["contender"] == name for c in shown)]
    for c in shown:
        color, ms = COLORS[c["precision"]], c["wall_ms"]
        y = rows.index(c["contender"]) + 0.12 * (PRECISIONS.index(c["precision"]) - 2)
        ax.plot([ms["min"], ms["max"]], [y, y], color=color, lw=1.2)
        ax.plot(ms["median"], y, "o", color=color, ms=5)
    ax.set_yticks(range(len(rows)), [NAMES[name] for name in rows])
    ax.set(xlim=(0, None), ylim=(len(rows) - 0.5, -0.5))
    ax.grid(axis="x", color="0.9")


if __name__ == "__main__":
    write(json.loads(RESULTS.read_text()))
