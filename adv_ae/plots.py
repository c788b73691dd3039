"""Figures of the book: one style and one palette with a fixed meaning, set here and
nowhere else.

Figures are drawn on a white card, so that black data stay legible in dark mode, too.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from torch import Tensor

# Okabe-Ito, legible to the color-blind; each color means one thing everywhere.
PRIOR = "#7f7f7f"
POSTERIOR = "#0072B2"  # aggregated posterior, codes
DATA = "#000000"
GENERATED = "#D55E00"
DISCRIMINATOR = "#AA4499"
TRUTH = "#009E73"  # a closed form or an exact value
METHODS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7f7f7f")
CLASSES = "tab10"

STYLE: Any = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.dpi": 96,
    "savefig.dpi": 96,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": plt.cycler(color=METHODS),
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "figure.constrained_layout.use": True,
}


def figure(
    rows: int = 1,
    columns: int = 1,
    width: float = 5.0,
    height: float | None = None,
    **kw,
) -> tuple[Figure, Any]:
    """A styled figure and its axes (an array where there are several).

    Args:
        rows, columns: of the grid of axes.
        width, height: inches; by default each axes is about 4:3.
        **kw: to `plt.subplots`, such as `sharex`.
    """
    height = height or 0.75 * width * rows / columns
    plt.rcParams.update(STYLE)  # legends and labels come later: the style must last
    return plt.subplots(rows, columns, figsize=(width, height), **kw)


def array(x: Tensor | ArrayLike) -> np.ndarray:
    """As numpy, from any device, without gradient."""
    return x.detach().cpu().numpy() if isinstance(x, Tensor) else np.asarray(x)


def images(
    x: Tensor | ArrayLike,
    shape: tuple[int, ...],
    columns: int = 10,
    ax: Axes | None = None,
    title: str = "",
) -> Axes:
    """A grid of pictures, row by row: grey ones, 0 white and 1 black ink, or in color.

    Args:
        x: (N, height * width) in [0, 1]; in color (N, 3 * height * width) of red, green
            and blue light, all red first; what lies outside is drawn as 0 or 1.
        shape: (height, width) of one picture; (3, height, width) in color.
        columns: pictures a row.
        ax: where; None makes a figure.
        title: above the grid.
    """
    (height, width), colors = shape[-2:], 3 if len(shape) == 3 else 1
    pictures = array(x).reshape(-1, colors, height, width).transpose(0, 2, 3, 1)
    rows, paper = -(-len(pictures) // columns), float(colors == 3)
    blank = np.full((rows * columns - len(pictures), height, width, colors), paper)
    grid = np.concatenate([pictures, blank])
    grid = np.pad(grid, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=paper)
    canvas = grid.reshape(rows, columns, height + 2, width + 2, colors).swapaxes(1, 2)
    if ax is None:
        _, ax = figure(height=5.0 * rows / columns * height / width + 0.2)
    canvas = canvas.reshape(rows * (height + 2), columns * (width + 2), colors)
    ax.imshow(canvas.clip(0, 1), cmap="gray_r", vmin=0, vmax=1)
    ax.set_axis_off()
    ax.set_title(title)
    return ax


def points(
    z: Tensor | ArrayLike,
    labels: Tensor | ArrayLike | None = None,
    color: str = POSTERIOR,
    ax: Axes | None = None,
    size: float = 4.0,
    **kw,
) -> Axes:
    """Points of the plane, of one meaning (`color`) or by class (`labels`), on equal
    axes.

    Args:
        z: (N, 2).
        labels: (N,) classes, colored by `CLASSES`; None: all in `color`.
        ax: where; None makes a figure.
        size: of a dot, in points squared.
        **kw: to `Axes.scatter`, such as `label`.
    """
    z = array(z)
    ax = ax or figure(width=3.5, height=3.5)[1]
    if labels is not None:  # a class has its color, whichever others are there
        kw["c"] = plt.get_cmap(CLASSES)(array(labels).astype(int) % 10)
    else:
        kw["color"] = color
    ax.scatter(z[:, 0], z[:, 1], s=size, linewidths=0, alpha=0.7, **kw)
    ax.set_aspect("equal")
    return ax


def pairs(
    x: Tensor | ArrayLike,
    z: Tensor | ArrayLike,
    shape: tuple[int, int],
    color: str = DATA,
    ax: Axes | None = None,
    size: float = 0.55,
) -> Axes:
    """Draws of a joint over (x, z): each picture x stands at its code z.

    Pairs are taken in order; one whose picture would cover another's is left out.

    Args:
        x: (N, height * width) in [0, 1]; 0 is transparent, 1 full ink.
        z: (N, 2).
        shape: (height, width) of one picture.
        color: of the ink.
        ax: where; None makes a figure.
        size: side of a picture, in units of z.
    """
    x, z = array(x).reshape(-1, *shape), array(z)
    ax = ax or figure(width=3.5, height=3.5)[1]
    shown: list[np.ndarray] = []
    for picture, at in zip(x, z, strict=True):
        if any(np.abs(at - other).max() < size for other in shown):
            continue
        shown.append(at)
        ink = np.zeros((*shape, 4))
        ink[..., :3] = to_rgb(color)
        ink[..., 3] = picture.clip(0, 1)
        left, low = at - size / 2
        ax.imshow(ink, extent=(left, left + size, low, low + size))
    ax.set_aspect("equal")
    return ax


def seeds(
    ax: Axes, x: ArrayLike, runs: Sequence[ArrayLike], color: str, label: str = ""
) -> Axes:
    """Every seed as a thin line, their mean as a thick one."""
    runs_ = np.stack([array(r) for r in runs])
    ax.plot(array(x), runs_.T, color=color, lw=0.6, alpha=0.5)
    ax.plot(array(x), runs_.mean(0), color=color, lw=2.0, label=label)
    return ax


def swarm(
    runs: Mapping[str, ArrayLike],
    ax: Axes | None = None,
    truth: float | None = None,
    label: str = "",
) -> Axes:
    """A number of several methods, every seed a dot, equal ones side by side; the bar
    is their mean, behind which no seed hides.

    Args:
        runs: {method: one number a seed}, one row each, from above.
        ax: where; None makes a figure.
        truth: what the number should be, a line in the color of `TRUTH`.
        label: of the axis.
    """
    import seaborn as sns  # slow to import, and only this figure wants it

    ax = ax or figure(height=0.5 + 0.6 * len(runs))[1]  # room for ten equal ones
    rows = {name: array(values) for name, values in runs.items()}
    if truth is not None:
        ax.axvline(truth, color=TRUTH, lw=1.0)
    colors = [METHODS[k % len(METHODS)] for k in range(len(rows))]
    look: dict[str, Any] = {"data": rows, "ax": ax, "orient": "h"}
    sns.swarmplot(**look, palette=colors, size=3.2)
    mean = {"marker": "|", "markersize": 13, "linestyle": "none", "color": DATA}
    sns.pointplot(**look, errorbar=None, **mean)
    ax.set_xlabel(label)
    return ax


def two_joints() -> Figure:
    """The picture that opens the book: q(x, z) above, p(x, z) below, D between them."""
    fig, ax = figure(width=6.0, height=2.6)
    ax.set(xlim=(0, 12), ylim=(0, 5))
    ax.set_axis_off()
    _box(ax, (1.5, 4), "x ~ data", DATA)
    _box(ax, (5.5, 4), "ẑ ~ q(z | x)", POSTERIOR)
    _box(ax, (1.5, 1), "x̃ ~ p(x | z)", GENERATED)
    _box(ax, (5.5, 1), "z ~ prior", PRIOR)
    _box(ax, (10, 2.5), "which joint?", DISCRIMINATOR)
    _arrow(ax, (2.8, 4), (4.2, 4), "encoder q")
    _arrow(ax, (4.2, 1), (2.8, 1), "decoder p")
    _arrow(ax, (6.8, 4), (8.9, 2.9), "q(x, z)")
    _arrow(ax, (6.8, 1), (8.9, 2.1), "p(x, z)")
    return fig


def _box(ax: Axes, at: tuple[float, float], text: str, color: str) -> None:
    box = {"boxstyle": "round,pad=0.5", "fc": "white", "ec": color, "lw": 1.8}
    ax.text(*at, text, ha="center", va="center", color=color, bbox=box)


def _arrow(ax: Axes, start: tuple, end: tuple, text: str) -> None:
    how = {"arrowstyle": "-|>", "color": DATA, "lw": 1.2}
    ax.annotate("", xy=end, xytext=start, arrowprops=how)
    middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + 0.35
    ax.text(*middle, text, ha="center", va="center", color=DATA)
