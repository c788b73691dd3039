"""Digits drawn from fonts, with the factors that made them."""

from pathlib import Path

import numpy as np
import torch

from adv_ae.data.base import Dataset, Factors, three_ways

# font file, code point of its digit 0, slope of its zero (measured, and taken out)
_STYLES = (
    ("DejaVuSans", 0x30, 0.0),
    ("DejaVuSansMono", 0x30, 0.0),
    ("DejaVuSerif", 0x30, 0.0),
    ("STIXGeneral", 0x30, 0.0),
    ("STIXGeneral", 0x1D7E2, 0.0),  # its sans-serif digits
    ("STIXGeneral", 0x1D7F6, 0.0),  # its monospaced digits
    ("STIXGeneralItalic", 0x30, 0.21),
    ("cmr10", 0x30, 0.0),
    ("cmss10", 0x30, 0.0),
    ("cmtt10", 0x30, 0.0),
)
# continuous factors: lowest, highest; drawn uniformly
_RANGES = {
    "slant": (-0.35, 0.35),
    "width": (0.75, 1.15),
    "weight": (1.6, 3.4),
    "shift_x": (-1.5, 1.5),
    "shift_y": (-1.5, 1.5),
}
_FINE = 9  # pixels of the rendering in 1/28 of the side
_KEEP = 3  # every third is kept: templates of 84 x 84


def glyphs(n: int = 60_000, seed: int = 0, size: int = 28) -> Dataset:
    """Digits from ten typefaces, each with its own slant, width, weight and shift.

    Every typeface and digit is rendered once, 20/28 of the side high and upright, and
    turned into a map of signed distances to its outline. An image is that map, warped,
    cut at the distance that gives the wanted stroke, one pixel of it grey.

    Factors, one column each, all independent of each other and of y:

    - `slant`: tangent of the lean to the right, uniform in [-0.35, 0.35];
    - `width`: horizontal scale, uniform in [0.75, 1.15];
    - `weight`: mean width of the stroke before `width` acts, in 1/28 of the side
      (pixels at size 28), uniform in [1.6, 3.4];
    - `shift_x`, `shift_y`: to the right and down, in 1/28 of the side, uniform in
      [-1.5, 1.5];
    - `style`: which typeface, 0..9, a category.

    The same seed gives the same bytes: measured for matplotlib 3.8 to 3.11 (whose
    font files these are), Pillow 10 to 13 (whose FreeType draws them) and NumPy 1.26
    to 2.4, with and without AVX2. A Pillow built with another FreeType may draw a few
    grey levels differently; labels and factors are NumPy's alone. No torch generator
    is used.

    Args:
        n: images in all: 5/6 train, 1/12 valid, 1/12 test; at least 12.
        seed: of all draws.
        size: side of the images in pixels.

    Returns:
        x `uint8`, (N, size * size); y 0..9, drawn uniformly; factors.

    Raises:
        ValueError: n < 12 or size < 8.

    References:
        Fonts that come with matplotlib: DejaVu (Bitstream Vera licence), STIX (SIL
        Open Font Licence / STIX licence), Computer Modern of BaKoMa (its licence).
    """
    if n < 12 or size < 8:
        raise ValueError(f"glyphs need n >= 12 and size >= 8, got {n} and {size}")
    rng = np.random.default_rng(seed)
    y = rng.integers(10, size=n)
    style = rng.integers(len(_STYLES), size=n)
    low, high = np.array(list(_RANGES.values())).T
    factors = (low + (high - low) * rng.random((n, len(low)))).astype(np.float32)
    templates, strokes = _templates()
    which = 10 * style + y
    grow = (factors[:, 2] - strokes[which]) / 2  # outwards, in 1/28 of the side
    x = np.empty((n, size * size), np.uint8)
    for i in range(0, n, 512):
        rows = slice(i, i + 512)
        x[rows] = _warp(templates, which[rows], factors[rows], grow[rows], size)
    n_valid = n // 12
    splits = three_ways(
        torch.from_numpy(x), torch.from_numpy(y), n - 2 * n_valid, n_valid
    )
    columns = np.column_stack([factors, style.astype(np.float32)])
    parts = torch.from_numpy(columns).split([len(s) for s in splits])
    named = Factors((*_RANGES, "style"), *parts)
    return Dataset("glyphs", *splits, (size, size), named)


def _templates() -> tuple[np.ndarray, np.ndarray]:
    """Every typeface and digit as signed distances to its outline, positive inside.

    Returns:
        distances (10 * style + digit, 84, 84) and the mean width of each stroke
        (10 * style + digit,), both in 1/28 of the side, `float32`.
    """
    from scipy.ndimage import distance_transform_edt

    fields, strokes = [], []
    for font, zero, slope in _STYLES:
        for digit in range(10):
            ink = _ink(font, chr(zero + digit), slope)
            inside = distance_transform_edt(ink)
            distance = inside - distance_transform_edt(~ink)
            distance -= 0.5 * np.sign(distance)  # the outline runs between pixels
            half = _KEEP // 2
            fields.append(distance[half::_KEEP, half::_KEEP] / _FINE)
            outline = np.count_nonzero(abs(distance) < 4) / 8  # length = area / width
            strokes.append(2 * np.count_nonzero(ink) / outline / _FINE)
    return np.stack(fields).astype(np.float32), np.array(strokes, np.float32)


def _ink(font: str, digit: str, slope: float) -> np.ndarray:
    """One digit, upright, 20/28 of the side high, centered: bool (252, 252)."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    path = Path(matplotlib.get_data_path(), "fonts", "ttf", f"{font}.ttf")
    side, high = 28 * _FINE, 20 * _FINE

    def typeface(points: int) -> ImageFont.FreeTypeFont:
        basic = ImageFont.Layout.BASIC  # the same with and without libraqm
        return ImageFont.truetype(str(path), points, layout_engine=basic)

    _, top, _, bottom = typeface(high).getbbox(digit)
    large = typeface(round(high * high / (bottom - top)))
    left, top, right, bottom = large.getbbox(digit)
    image = Image.new("L", (side, side))
    corner = ((side - left - right) / 2, (side - top - bottom) / 2)
    ImageDraw.Draw(image).text(corner, digit, fill=255, font=large)
    ink = np.asarray(image) > 127
    lean = np.rint(slope * (np.arange(side) - side / 2)).astype(int)
    return np.stack([np.roll(row, by) for row, by in zip(ink, lean, strict=True)])


def _warp(
    templates: np.ndarray,
    which: np.ndarray,
    factors: np.ndarray,
    grow: np.ndarray,
    size: int,
) -> np.ndarray:
    """Images (N, size * size) `uint8` of the templates named by `which` (N,)."""
    side = templates.shape[-1]
    center = ((np.arange(size) + 0.5) / size - 0.5).astype(np.float32)
    slant, width, _, dx, dy = factors.T[:, :, None, None]
    v = center[:, None] - dy / 28  # where each pixel comes from: down
    u = (center + slant * v - dx / 28) / width  # and right; both in sides
    row, column = (np.clip((w + 0.5) * side - 0.5, 0, side - 1.01) for w in (v, u))
    r, c = row.astype(np.int64), column.astype(np.int64)
    down, right = row - r.astype(np.float32), column - c.astype(np.float32)
    at = (which[:, None, None] * side + r) * side + c
    flat = templates.ravel()
    upper = (1 - right) * flat[at] + right * flat[at + 1]
    lower = (1 - right) * flat[at + side] + right * flat[at + side + 1]
    distance = (1 - down) * upper + down * lower + grow[:, None, None]
    cover = np.clip(distance * np.float32(size / 28) + 0.5, 0, 1)  # of the pixel
    return (255 * cover + 0.5).astype(np.uint8).reshape(len(which), -1)
