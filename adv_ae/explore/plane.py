"""The explorers that need no kernel: HTML, with the decoder and its code inside."""

import base64
import html
import json
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn

from adv_ae.explore.layers import array, check_shape, layers_of, outline
from adv_ae.explore.pictures import decoder, grey, small_png
from adv_ae.explore.weights import carried, fits

if TYPE_CHECKING:
    import IPython.display

LIMIT = 300_000  # bytes of one explorer
WALK = 31  # codes a side at which a unit may show that it is needed
SCALE = 16384  # points are int16, in units of extent / SCALE: the plane twice over


def latent_plane(
    net: nn.Module,
    shape: tuple[int, int],
    *,
    extent: float = 3.0,
    name: str = "latent-plane",
    points: Tensor | None = None,
    labels: Tensor | None = None,
    grid: int | None = None,
    limits: tuple[float, float] = (0.0, 1.0),
    title: str = "What the decoder draws at each code",
) -> "IPython.display.HTML":
    r"""Explorer of the square [-extent, extent]^2 of codes, decoded in the reader's
    page.

    Drag, tap or press the arrow keys: the picture is the mean of p(x|z) at the cross,
    computed by inline JavaScript from the decoder's weights. The plane shows decoded
    pictures or, where `points` are given, these, with a button to change over. Where
    scripts may not run (a notebook that is not trusted), a still grid of pictures
    stands instead.

    Weights of up to 60 KB in half precision (30,000 of them) go so, and a pixel in
    [0, 1] is within 0.01 of torch's. Of a larger decoder the hidden units that are 0
    all over the square (at 31 by 31 codes, its edges among them) are left out, and if
    it is still larger, its weights go in 8 bits with one scale a unit, and a pixel is
    within 0.1 of torch's: of six decoders 2-512-128-784 and 12-512-128-784 of MNIST
    the worst pixel was off by 0.003 to 0.055, the average one by 0.0001 to 0.0006.
    Which of the two it is stands in the page's `bits`, 16 or 8.

    The same weights give the same bytes, and everything trained is in base64, which
    the comparison of stored outputs masks; but for how many units a large decoder has
    left.

    Args:
        net: a decoder on codes of two dimensions, in one of these forms: a game (its
            `p`), a `conditionals.Bernoulli`, `Deterministic`, `FixedScaleGaussian` or
            `Gaussian` (its mean), an `MLP` or an `nn.Sequential`. Known layers: linear,
            batch norm right after a linear map (folded into it), dropout (left out),
            ReLU, LeakyReLU, Tanh, Sigmoid.
        shape: (height, width) of a picture.
        extent: half the side of the square; z from -extent to extent.
        name: id of the element, lower-case letters, digits and hyphens; one a page.
        points: (N, 2) codes to be shown; None for none.
        labels: (N,) classes 0, 1, ... of the points, which color them; None for none.
        grid: pictures a side, in the plane and in the still grid; None: 15, or 11 of
            pictures that are larger than 16 pixels.
        limits: values drawn white and black; (-1, 1) for a decoder that ends in tanh.
        title: above the plane, and its name for those who cannot see it.

    Returns:
        What a notebook displays. Its `.data` is the HTML, at most 300 KB.

    Raises:
        TypeError: a decoder or a layer of another kind.
        ValueError: codes that are not of two dimensions, a `shape` that is not the
            decoder's, a bad `name`, `points`, `labels` or `limits`, weights that are
            not finite or that 16 or 8 bits cannot hold, more than 300 KB.
    """
    grid = (11 if max(shape) > 16 else 15) if grid is None else grid
    alt = (
        f"{title}: a still grid of {grid} by {grid} pictures, each decoded from a code "
        f"of the square from -{extent:g} to {extent:g}; the first coordinate grows to "
        "the right, the second upwards."
    )
    look = _Look(shape, extent, name, grid, limits, title)
    return _explorer(net, look, points, labels, alt)


def style_plane(
    net: nn.Module,
    shape: tuple[int, int],
    *,
    classes: int = 10,
    extent: float = 3.0,
    name: str = "style-plane",
    points: Tensor | None = None,
    labels: Tensor | None = None,
    grid: int = 11,
    limits: tuple[float, float] = (0.0, 1.0),
    title: str = "Keep the style, change the label",
) -> "IPython.display.HTML":
    r"""Explorer of a decoder p(x|y, z) that is told the label y: one code z of the
    square, and what it decodes to under every label.

    As `latent_plane`, with `classes` pictures beside the plane in the place of one.
    Each is a button that fills the plane with pictures of its label. Where scripts may
    not run, a still grid stands instead: nine codes, one a row, under every label, one
    a column.

    Args:
        net: a decoder as in `latent_plane`, called as p(y, z): y one-hot,
            (N, classes), and z (N, 2), or the game that has it.
        shape, extent, name, points, limits, title: as in `latent_plane`.
        classes: how many labels the decoder knows, 1 to 20.
        labels: (N,) classes of the points, which color them; None for none.
        grid: pictures a side in the plane.

    Returns:
        What a notebook displays. Its `.data` is the HTML, at most 300 KB.

    Raises:
        TypeError, ValueError: as `latent_plane`; also where `classes` is not in 1..20.

    References:
        Makhzani et al., Adversarial Autoencoders, 2015, sec. 4, figure 7.
    """
    if not 1 <= classes <= 20:
        raise ValueError(f"{classes} classes: 1 to 20 fit beside a plane.")
    alt = (
        f"{title}: a still grid of 9 by {classes} pictures; a row is one code of the "
        f"square from -{extent:g} to {extent:g}, a column one label."
    )
    look = _Look(shape, extent, name, grid, limits, title, classes)
    return _explorer(net, look, points, labels, alt)


@dataclass(frozen=True)
class _Look:
    """What both explorers are given, beside the decoder and the points."""

    shape: tuple[int, int]
    extent: float
    name: str
    grid: int
    limits: tuple[float, float]
    title: str
    told: int = 0  # labels that the decoder is told; 0: none, it is p(x|z)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]*", self.name):
            raise ValueError(
                f"name {self.name!r}: lower-case letters, digits and hyphens only."
            )
        if not self.extent > 0 or self.grid < 1 or not self.limits[0] < self.limits[1]:
            raise ValueError(
                f"extent {self.extent} and grid {self.grid} must be positive, and the "
                f"first of limits {self.limits} below the second."
            )

    def walk(self) -> np.ndarray:
        """What the decoder can be given, densely, from edge to edge."""
        along = np.linspace(-self.extent, self.extent, WALK)
        first, second = np.meshgrid(along, along)
        z = np.stack([first.ravel(), second.ravel()], axis=1)
        return np.concatenate(self._told(z), axis=1) if self.told else z

    def _told(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Every code under every label."""
        labels = np.tile(np.eye(self.told), (len(z), 1))
        return labels, z.repeat(self.told, axis=0)

    def still(self) -> tuple[tuple[np.ndarray, ...], int]:
        """What the decoder is given for the still grid, row by row, and how many
        columns that has."""
        if not self.told:
            return (_grid(self.extent, self.grid),), self.grid
        return self._told(_grid(self.extent, 3)), self.told


def _explorer(
    net: nn.Module,
    look: _Look,
    points: Tensor | None,
    labels: Tensor | None,
    alt: str,
) -> "IPython.display.HTML":
    from IPython.display import HTML

    p = decoder(net)
    layers = layers_of(p)
    check_shape(layers, look.shape, look.told)
    decoded = carried(layers, look.walk())
    given, columns = look.still()
    pictures = fits(p, decoded, *given)
    codes, classes = _points(points, labels, look.extent)
    packed = decoded.payload + codes
    spec = {
        "name": look.name,
        "title": look.title,
        "shape": list(look.shape),
        "extent": look.extent,
        "grid": look.grid,
        "limits": list(look.limits),
        "told": look.told,
        "bits": decoded.bits,
        "layers": outline(decoded.layers),
        "points": 0 if points is None else len(points),
        "classes": classes,
        "payload": _base64(packed.ljust(180, b"\0")),  # long enough to be masked
    }
    still = _tiles(grey(pictures, look.limits).reshape(-1, *look.shape), columns)
    page = _page(spec, alt, _base64(small_png(still)))
    if len(page.encode()) > LIMIT:
        weights = sum(w.size + b.size for w, b, _, _ in decoded.layers)
        raise ValueError(
            f"the explorer would take {len(page.encode()) / 1000:.0f} KB, more than "
            f"{LIMIT // 1000} KB: the decoder has {weights} weights, in {decoded.bits} "
            "bits. Take narrower hidden layers (2-512-128-784 fits), fewer `points`, a "
            "smaller `grid`, or `live_plane`."
        )
    return HTML(page)


def _points(
    points: Tensor | None, labels: Tensor | None, extent: float
) -> tuple[bytes, int]:
    """The points and their classes as bytes, and how many classes there are."""
    if points is None:
        if labels is not None:
            raise ValueError("labels are given, but no points.")
        return b"", 0
    z = array(points)
    if z.ndim != 2 or z.shape[1] != 2 or not np.isfinite(z).all():
        raise ValueError(f"points must be finite, (N, 2), not {z.shape}.")
    units = np.clip(np.round(z / extent * SCALE), -32768, 32767).astype("<i2")
    if labels is None:
        return units.tobytes(), 0
    y = array(labels)
    if y.shape != z.shape[:1] or not np.isin(y, np.arange(100)).all():
        raise ValueError("labels must be whole numbers from 0 to 99, one a point.")
    return units.tobytes() + y.astype(np.uint8).tobytes(), int(y.max()) + 1


def _grid(extent: float, grid: int) -> np.ndarray:
    """Codes at the centers of the tiles, row by row, the top row first."""
    along = extent * (2 * (np.arange(grid) + 0.5) / grid - 1)
    first, second = np.meshgrid(along, along[::-1])
    return np.stack([first.ravel(), second.ravel()], axis=1)


def _tiles(pictures: np.ndarray, columns: int) -> np.ndarray:
    """One picture out of many, row by row, each with a white margin."""
    margin = max(1, max(pictures.shape[1:]) // 16)
    sides = ((0, 0), (margin, margin), (margin, margin))
    padded = np.pad(pictures, sides, constant_values=255)
    _, height, width = padded.shape
    rows = padded.reshape(-1, columns, height, width).transpose(0, 2, 1, 3)
    return rows.reshape(-1, columns * width)


def _page(spec: dict[str, Any], alt: str, still: str) -> str:
    here = files("adv_ae.explore")
    names = ("decode.js", "plane.js")
    script = "".join(here.joinpath(n).read_text(encoding="utf-8") for n in names)
    css = here.joinpath("plane.css").read_text(encoding="utf-8")
    said = json.dumps(spec).replace("<", "\\u003c")  # no tag can close the script
    look = "width:26rem;max-width:100%;background:#fff;border-radius:6px"
    # The fallback stays where scripts are stripped; Lab leaves marked keys to us.
    return (
        f'<div class="adv-ae-explorer" id="{spec["name"]}" '
        'data-lm-suppress-shortcuts="true">\n'
        f"<style>\n{css}</style>\n"
        f'<img class="adv-ae-fallback" style="{look}" alt="{html.escape(alt)}" '
        f'src="data:image/png;base64,{still}">\n'
        f"</div>\n<script>\n(() => {{\n{script}\nmount({said});\n}})();\n</script>\n"
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
