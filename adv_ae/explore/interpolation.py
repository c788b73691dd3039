"""The explorer of a line between two codes: the decoder's path beside faded pixels."""

import html
import itertools
import json
import re
from collections.abc import Iterable
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn

from adv_ae.explore.layers import Layer, array, layers_of, outline
from adv_ae.explore.pictures import decoder, grey, small_png
from adv_ae.explore.plane import LIMIT, _base64, _tiles
from adv_ae.explore.weights import carried, fits

if TYPE_CHECKING:
    import IPython.display

STEPS = 9  # pictures of the path, on the page and in the still grid
MOST = 24  # pictures to choose from


def latent_line(
    net: nn.Module,
    shape: tuple[int, int],
    pictures: Tensor,
    codes: Tensor,
    *,
    data: Tensor | None = None,
    labels: Tensor | None = None,
    name: str = "latent-line",
    limits: tuple[float, float] = (0.0, 1.0),
    title: str = "Along the line between two codes",
) -> "IPython.display.HTML":
    r"""Explorer of lines between codes: choose two pictures, and move from the code of
    one to that of the other.

    A slider t in [0, 1] shows the mean of p(x|z) at z = (1 - t) z_a + t z_b, and beside
    it the pixels (1 - t) x_a + t x_b; under both the nearest of the `data`, with its
    distance and label. All is computed in the reader's page from the decoder's weights,
    in 16 or 8 bits by the rule of `latent_plane`; of a large decoder the hidden units
    that are 0 on all lines between two of the codes are left out. Where scripts may not
    run, a still grid stands instead: the path from the first picture to the second, to
    the third, and so on.

    The same weights give the same bytes, and everything trained is in base64 but for
    how many units a large decoder has left; the comparison of stored outputs masks it.

    Args:
        net: a decoder or a game, as in `latent_plane`, on codes of any dimension.
        shape: (height, width) of a picture.
        pictures: (K, height * width), K in 2..24, to choose from.
        codes: (K, d), their codes, `game.encode(pictures)`.
        data: (N, height * width) to search for the nearest; None: nothing is searched.
        labels: (N,) whole numbers from 0 to 255, said of the nearest; None: none.
        name: id of the element, lower-case letters, digits and hyphens; one a page.
        limits: values drawn white and black.
        title: above the pictures, and their name for those who cannot see them.

    Returns:
        What a notebook displays. Its `.data` is the HTML, at most 300 KB.

    Raises:
        TypeError: a decoder or a layer of another kind.
        ValueError: sizes that do not fit together, a bad `name` or `limits`, labels
            without data, weights that 16 or 8 bits cannot hold, more than 300 KB.

    References:
        Dumoulin et al., Adversarially Learned Inference, 2017,
        https://arxiv.org/abs/1606.00704, sec. 4.2 (latent space interpolations).
    """
    from IPython.display import HTML

    if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise ValueError(f"name {name!r}: lower-case letters, digits and hyphens only.")
    if not limits[0] < limits[1]:
        raise ValueError(f"the first of limits {limits} must be below the second.")
    p = decoder(net)
    layers = layers_of(p)
    x, z = array(pictures), array(codes)
    _check_sizes(layers, shape, x, z)
    known = _known(data, labels, x.shape[1], limits)
    decoded = carried(layers, _lines(itertools.combinations(z, 2)))
    path = fits(p, decoded, _lines(itertools.pairwise(z)))
    spec = {
        "name": name,
        "title": title,
        "shape": list(shape),
        "limits": list(limits),
        "steps": STEPS,
        "count": len(x),
        "dim": z.shape[1],
        "bits": decoded.bits,
        "layers": outline(decoded.layers),
        "payload": _packed(decoded.payload),
        "codes": _packed(z.astype("<f4").tobytes()),
        "pictures": _packed(_bytes(x, limits)),
        **known,
    }
    still = _tiles(grey(path, limits).reshape(-1, *shape), STEPS)
    page = _page(spec, still)
    if len(page.encode()) > LIMIT:
        size = len(spec["payload"]) // 1000
        raise ValueError(
            f"the explorer would take {len(page.encode()) / 1000:.0f} KB, more than "
            f"{LIMIT // 1000} KB: take fewer rows of `data`, or a decoder of "
            f"narrower hidden layers; its weights take {size} KB of it."
        )
    return HTML(page)


def _check_sizes(
    layers: list[Layer], shape: tuple[int, int], x: np.ndarray, z: np.ndarray
) -> None:
    inputs, outputs = layers[0][0].shape[1], len(layers[-1][1])
    if len(shape) != 2 or shape[0] * shape[1] != outputs:
        raise ValueError(f"shape {tuple(shape)} is not of the {outputs} outputs.")
    if x.ndim != 2 or x.shape[1] != outputs or not 2 <= len(x) <= MOST:
        raise ValueError(
            f"pictures must be (K, {outputs}) with K in 2..{MOST}, not {x.shape}."
        )
    if z.shape != (len(x), inputs) or not np.isfinite(z).all():
        raise ValueError(
            f"codes must be finite, ({len(x)}, {inputs}), one a picture, not {z.shape}."
        )


def _known(
    data: Tensor | None, labels: Tensor | None, pixels: int, limits: tuple[float, float]
) -> dict[str, Any]:
    """What the page knows of the data, in bytes."""
    if data is None:
        if labels is not None:
            raise ValueError("labels are given, but no data.")
        return {"rows": 0, "data": "", "labels": ""}
    rows = array(data)
    if rows.ndim != 2 or rows.shape[1] != pixels or not len(rows):
        raise ValueError(f"data must be (N, {pixels}), N > 0, not {rows.shape}.")
    told = b""
    if labels is not None:
        y = array(labels)
        if y.shape != rows.shape[:1] or not np.isin(y, np.arange(256)).all():
            raise ValueError("labels must be whole numbers from 0 to 255, one a row.")
        told = y.astype(np.uint8).tobytes()
    return {
        "rows": len(rows),
        "data": _packed(_bytes(rows, limits)),
        "labels": _packed(told) if told else "",
    }


def _lines(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """STEPS codes on the line from one to the other of each pair, row by row."""
    t = np.linspace(0, 1, STEPS)[:, None]
    return np.concatenate([(1 - t) * a + t * b for a, b in pairs])


def _bytes(x: np.ndarray, limits: tuple[float, float]) -> bytes:
    """Pictures as bytes of ink, 0 at the lower limit and 255 at the upper."""
    return (255 - grey(x, limits)).tobytes()


def _packed(data: bytes) -> str:
    return _base64(data.ljust(180, b"\0"))  # long enough to be masked


def _page(spec: dict[str, Any], still: np.ndarray) -> str:
    here = files("adv_ae.explore")
    names = ("decode.js", "interpolation.js")
    script = "".join(here.joinpath(n).read_text(encoding="utf-8") for n in names)
    css = here.joinpath("interpolation.css").read_text(encoding="utf-8")
    said = json.dumps(spec).replace("<", "\\u003c")  # no tag can close the script
    alt = (
        f"{spec['title']}: a still grid of {spec['count'] - 1} rows of {STEPS} "
        "pictures; a row is decoded along the line from the code of one picture to "
        "that of the next."
    )
    # The fallback stays where scripts are stripped; Lab leaves marked keys to us.
    return (
        f'<div class="adv-ae-line" id="{spec["name"]}" '
        'data-lm-suppress-shortcuts="true">\n'
        f"<style>\n{css}</style>\n"
        f'<img class="adv-ae-line-fallback" alt="{html.escape(alt)}" '
        f'src="data:image/png;base64,{_base64(small_png(still))}">\n'
        f"</div>\n<script>\n(() => {{\n{script}\nmountLine({said});\n}})();\n"
        "</script>\n"
    )
