"""Datasets: embedded, toy, rendered, and the benchmark files, each checked by sha256.

Nothing here needs the network but ``mnist``, ``fashion_mnist`` and
``binarized_mnist``, whose files are looked for

1. in the folder named by the environment variable ``ADV_AE_DATA``
   (``mnist/train-images-idx3-ubyte.gz``, ``fashion-mnist/...``,
   ``binarized-mnist/binarized_mnist.npz``),
2. in the user's cache (``ADV_AE_CACHE``, or pooch's place for ``adv_ae``),
3. at the mirrors, and then kept in the cache.

Wherever a file comes from, it is parsed only if its sha256 is the expected one.
Images stay ``uint8`` until :func:`as_float` is asked; no file is unpickled.
"""

import gzip
import hashlib
import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


class DataError(Exception):
    """A data file that is missing, cannot be fetched, or is not the expected one."""


@dataclass(frozen=True)
class Split:
    """Examples in rows.

    Attributes:
        x: data, (N, D), flat. Images: ``uint8`` in 0..255 or ``float32`` in [0, 1];
            toy sets: ``float32`` coordinates in the plane.
        y: labels, (N,) ``int64``, or None where the source has none.
    """

    x: Tensor
    y: Tensor | None

    def __len__(self) -> int:
        """The number of examples, N."""
        return len(self.x)


@dataclass(frozen=True)
class Factors:
    """The factors of variation that made the images.

    Attributes:
        names: one name a column.
        train: (N, len(names)) ``float32``; ``valid`` and ``test`` likewise.
    """

    names: tuple[str, ...]
    train: Tensor
    valid: Tensor
    test: Tensor


@dataclass(frozen=True)
class Dataset:
    """Three disjoint splits of one set.

    Attributes:
        name: the name that :func:`load` knows.
        train, valid, test: the splits.
        shape: of one example: ``(8, 8)``, ``(28, 28)`` or ``(2,)``; its product is D.
        factors: of rendered sets (``glyphs``), else None.
    """

    name: str
    train: Split
    valid: Split
    test: Split
    shape: tuple[int, ...]
    factors: Factors | None = None


def as_float(x: Tensor) -> Tensor:
    """Images as ``float32`` in [0, 1].

    Args:
        x: ``uint8`` in 0..255, or floating point; any shape.

    Returns:
        x / 255 as ``float32`` for ``uint8``; x itself if it is floating point.

    Raises:
        TypeError: any other dtype, whose range is not known.
    """
    if x.is_floating_point():
        return x
    if x.dtype != torch.uint8:
        raise TypeError(f"expected uint8 in 0..255 or floating point, got {x.dtype}")
    return x.float() / 255


def load(name: str, **options: int | float) -> Dataset:
    """The dataset of that name.

    Args:
        name: one of ``NAMES``; case does not matter, nor ``_`` for ``-``.
        **options: arguments of the function that makes it. A toy set also takes
            ``n``, the size of its train split (10,000); valid and test have n / 5.

    Raises:
        ValueError: unknown name; the message suggests the nearest.
        DataError: a file is missing or wrong (see the head of this module).
    """
    key = name.lower().replace("_", "-")
    if key in _SETS:
        return _SETS[key](**options)
    if key not in _TOYS:
        near = get_close_matches(key, NAMES, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"unknown dataset {name!r}: {hint}Known: {', '.join(NAMES)}.")
    n = int(options.pop("n", 10_000))
    all_ = _TOYS[key](n + 2 * (n // 5), **options)
    train, valid, test = _three_ways(all_.x, all_.y, n, n // 5)
    return Dataset(key, train, valid, test, (2,))


def _three_ways(
    x: Tensor, y: Tensor | None, n_train: int, n_valid: int
) -> tuple[Split, Split, Split]:
    """The first n_train rows, the next n_valid, and the rest."""
    sizes = [n_train, n_valid, len(x) - n_train - n_valid]
    xs = x.split(sizes)
    ys = (None, None, None) if y is None else y.split(sizes)
    return Split(xs[0], ys[0]), Split(xs[1], ys[1]), Split(xs[2], ys[2])


# ---------------------------------------------------------------- embedded


def digits(seed: int = 0) -> Dataset:
    """Scikit-learn's 1,797 handwritten digits, 8x8, divided by 16.

    Split with the shares of the classes kept (stratified): 497 test first, then the
    other 1,300 into 1,100 train and 200 valid.

    Args:
        seed: of the two splits.

    Returns:
        x ``float32`` in [0, 1], (N, 64), 17 grey levels; y 0..9.

    References:
        Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998,
        https://doi.org/10.24432/C50P49 (CC BY 4.0): its test part.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    rest, test = train_test_split(
        np.arange(len(labels)), train_size=1300, stratify=labels, random_state=seed
    )
    train, valid = train_test_split(
        rest, train_size=1100, stratify=labels[rest], random_state=seed
    )
    x = torch.from_numpy(images / 16).float()
    y = torch.from_numpy(labels).long()
    splits = [Split(x[i], y[i]) for i in map(torch.from_numpy, (train, valid, test))]
    return Dataset("digits", splits[0], splits[1], splits[2], (8, 8))


# ---------------------------------------------------------------- toy sets


def _mixture(centers: np.ndarray, n: int, std: float, seed: int) -> Split:
    """Draws of a Gaussian mixture with equal weights; y is the component."""
    rng = np.random.default_rng(seed)
    y = rng.integers(len(centers), size=n)
    x = centers[y] + std * rng.standard_normal((n, 2))
    return Split(torch.from_numpy(x).float(), torch.from_numpy(y))


def gaussian_grid(
    n: int, side: int = 5, spacing: float = 2.0, std: float = 0.05, seed: int = 0
) -> Split:
    """A mixture of side x side Gaussians on a square grid about the origin.

    Args:
        n: number of draws.
        side: centers along each axis; 5 gives {-4, -2, 0, 2, 4}^2.
        spacing: between neighbouring centers.
        std: of each component, along each axis.
        seed: of the draws.

    Returns:
        x (n, 2); y the component, side * (index along x_0) + (index along x_1).

    References:
        Dumoulin et al., "Adversarially Learned Inference", 2017,
        https://arxiv.org/abs/1606.00704, section 4.2 (25 components).
    """
    axis = spacing * (np.arange(side) - (side - 1) / 2)
    centers = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
    return _mixture(centers.reshape(-1, 2), n, std, seed)


def gaussian_ring(
    n: int, k: int = 8, radius: float = 2.0, std: float = 0.05, seed: int = 0
) -> Split:
    """A mixture of k Gaussians evenly spaced on a circle about the origin.

    Returns:
        x (n, 2); y the component, the first at (radius, 0), then counterclockwise.
    """
    angle = 2 * np.pi * np.arange(k) / k
    centers = radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return _mixture(centers, n, std, seed)


def swiss_roll(n: int, seed: int = 0) -> Split:
    """A spiral in the plane, one and a half turns, its radius uniform in 1..3.

    Scikit-learn's roll seen along its axis, divided by 3 pi / 2; no noise.

    Returns:
        x (n, 2); y 0..9, the tenth of the roll from the inside, each as likely.
    """
    from sklearn.datasets import make_swiss_roll

    x, t = make_swiss_roll(n, noise=0.0, random_state=seed)
    radius = t / (1.5 * np.pi)  # uniform in [1, 3)
    y = np.minimum(5 * (radius - 1), 9).astype(np.int64)
    return Split(torch.from_numpy(x[:, ::2] / (1.5 * np.pi)).float(), torch.tensor(y))


def two_moons(n: int, noise: float = 0.1, seed: int = 0) -> Split:
    """Two interleaved half circles of radius 1 (scikit-learn's ``make_moons``).

    Args:
        n: number of draws; half of them on each moon.
        noise: standard deviation added along each axis.
        seed: of the draws.

    Returns:
        x (n, 2); y 0 for the upper moon about (0, 0), 1 for the lower about (1, 0.5).
    """
    from sklearn.datasets import make_moons

    x, y = make_moons(n, noise=noise, random_state=seed)
    return Split(torch.from_numpy(x).float(), torch.from_numpy(y).long())


# ---------------------------------------------------------------- rendered digits

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

    - ``slant``: tangent of the lean to the right, uniform in [-0.35, 0.35];
    - ``width``: horizontal scale, uniform in [0.75, 1.15];
    - ``weight``: mean width of the stroke before ``width`` acts, in 1/28 of the side
      (pixels at size 28), uniform in [1.6, 3.4];
    - ``shift_x``, ``shift_y``: to the right and down, in 1/28 of the side, uniform in
      [-1.5, 1.5];
    - ``style``: which typeface, 0..9, a category.

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
        x ``uint8``, (N, size * size); y 0..9, drawn uniformly; factors.

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
    splits = _three_ways(
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
        (10 * style + digit,), both in 1/28 of the side, ``float32``.
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
    """Images (N, size * size) ``uint8`` of the templates named by ``which`` (N,)."""
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


# ---------------------------------------------------------------- benchmark files


@dataclass(frozen=True)
class _Source:
    """Files of one folder: name to (sha256, size in bytes), and who serves them."""

    folder: str
    mirrors: tuple[str, ...]
    files: Mapping[str, tuple[str, int]]


_MNIST = _Source(
    "mnist",
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    {
        "t10k-images-idx3-ubyte.gz": (
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            1_648_877,
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            4_542,
        ),
        "train-images-idx3-ubyte.gz": (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            9_912_422,
        ),
        "train-labels-idx1-ubyte.gz": (
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            28_881,
        ),
    },
)
_FASHION_MNIST = _Source(
    "fashion-mnist",
    (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/"
        "master/data/fashion/",
    ),
    {
        "t10k-images-idx3-ubyte.gz": (
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            4_422_102,
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            5_148,
        ),
        "train-images-idx3-ubyte.gz": (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            26_421_880,
        ),
        "train-labels-idx1-ubyte.gz": (
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            29_515,
        ),
    },
)
_BINARIZED_MNIST = _Source(
    "binarized-mnist",
    ("http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/",),
    {
        "binarized_mnist.npz": (
            "a7bdf3b6b8263ce88f93dc59474acb002900aa9b4b749496e87ef23970050035",
            2_326_443,
        ),
        "binarized_mnist_train.amat": (
            "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d",
            78_400_000,
        ),
        "binarized_mnist_valid.amat": (
            "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2",
            15_680_000,
        ),
        "binarized_mnist_test.amat": (
            "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c",
            15_680_000,
        ),
    },
)


def mnist() -> Dataset:
    """MNIST: handwritten digits, 28x28 grey, 50,000 / 10,000 / 10,000.

    Valid is the last 10,000 of the 60,000 training images.

    Returns:
        x ``uint8``, (N, 784); y 0..9.

    Raises:
        DataError: a file is missing, cannot be fetched or is wrong.

    References:
        LeCun, Cortes and Burges, "The MNIST database of handwritten digits", 1998,
        http://yann.lecun.com/exdb/mnist/ (CC BY-SA 3.0).
    """
    return _idx_dataset(_MNIST)


def fashion_mnist() -> Dataset:
    """Fashion-MNIST: articles of clothing, 28x28 grey, 50,000 / 10,000 / 10,000.

    Valid is the last 10,000 of the 60,000 training images.

    Returns:
        x ``uint8``, (N, 784); y: 0 T-shirt/top, 1 trouser, 2 pullover, 3 dress,
        4 coat, 5 sandal, 6 shirt, 7 sneaker, 8 bag, 9 ankle boot.

    Raises:
        DataError: a file is missing, cannot be fetched or is wrong.

    References:
        Xiao, Rasul and Vollgraf, "Fashion-MNIST", 2017,
        https://arxiv.org/abs/1708.07747 (MIT, copyright 2017 Zalando SE).
    """
    return _idx_dataset(_FASHION_MNIST)


def _idx_dataset(source: _Source) -> Dataset:
    """The dataset in the four gzipped idx files of MNIST's layout."""

    def read(name: str, header: int) -> Tensor:
        content = gzip.decompress(_fetch(source, name))
        return torch.from_numpy(np.frombuffer(content, np.uint8, offset=header).copy())

    x, x_test = (
        read(f"{part}-images-idx3-ubyte.gz", 16).view(-1, 784)
        for part in ("train", "t10k")
    )
    y, y_test = (
        read(f"{part}-labels-idx1-ubyte.gz", 8).long() for part in ("train", "t10k")
    )
    train, valid = (Split(x[i], y[i]) for i in (slice(50_000), slice(50_000, None)))
    return Dataset(source.folder, train, valid, Split(x_test, y_test), (28, 28))


def binarized_mnist() -> Dataset:
    """Binarized MNIST, the fixed draw with Larochelle's 50,000 / 10,000 / 10,000.

    The set on which log-likelihoods in nats are usually reported. The original text
    files have no labels. The packed file ``binarized_mnist.npz`` adds **derived**
    ones: the label of the MNIST image that gives the row the highest Bernoulli
    likelihood. Use them to color plots, not to report accuracies.

    Returns:
        x ``uint8`` in {0, 255}, so that :func:`as_float` gives {0, 1}, (N, 784);
        y 0..9, derived, from the packed file; None from the text files, which are
        what the mirror has.

    Raises:
        DataError: a file is missing, cannot be fetched or is wrong.

    References:
        Salakhutdinov and Murray, "On the quantitative analysis of deep belief
        networks", 2008; split: Larochelle and Murray, "The neural autoregressive
        distribution estimator", 2011 (from MNIST, CC BY-SA 3.0).
    """
    packed = _local(_BINARIZED_MNIST, "binarized_mnist.npz")
    read = _from_text if packed is None else _from_packed(packed)
    train, valid, test = (read(part) for part in ("train", "valid", "test"))
    return Dataset("binarized-mnist", train, valid, test, (28, 28))


def _from_packed(content: bytes) -> Callable[[str], Split]:
    """A reader of the parts of ``binarized_mnist.npz``: 784 bits in 98 bytes a row."""
    arrays = np.load(io.BytesIO(content), allow_pickle=False)

    def read(part: str) -> Split:
        bits = np.unpackbits(arrays[part], axis=1)
        y = torch.from_numpy(arrays[f"{part}_label"]).long()
        return Split(torch.from_numpy(255 * bits), y)

    return read


def _from_text(part: str) -> Split:
    """A part in the original text: rows of 784 characters 0 or 1, each and a blank."""
    content = _fetch(_BINARIZED_MNIST, f"binarized_mnist_{part}.amat")
    bits = np.frombuffer(content, np.uint8)[::2] - ord("0")
    return Split(torch.from_numpy(255 * bits).view(-1, 784), None)


def _shared_folder() -> Path | None:
    """The folder that ADV_AE_DATA names, or None where it is not set."""
    named = os.environ.get("ADV_AE_DATA")
    if not named:
        return None
    if not Path(named).expanduser().is_dir():
        raise DataError(
            f"ADV_AE_DATA names {named!r}, which is not a folder: expected one with "
            "mnist/, fashion-mnist/ or binarized-mnist/ in it. Correct or unset it."
        )
    return Path(named).expanduser()


def _cache_folder() -> Path:
    """Where downloads are kept: ADV_AE_CACHE, or the user's cache of ``adv_ae``."""
    import pooch

    folder = os.environ.get("ADV_AE_CACHE") or pooch.os_cache("adv_ae")
    return Path(folder).expanduser()


def _verified(path: Path, sha256: str, size: int) -> bytes:
    """The content of a file, if it is the expected one.

    Raises:
        DataError: it cannot be read, or its size or sha256 differs.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}. Check its rights.") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        fault = "truncated" if len(content) < size else "corrupt, or another file"
        raise DataError(
            f"{path} is {fault}: expected {size} bytes with sha256 {sha256}, found "
            f"{len(content)} bytes with sha256 {found}. Delete it and load again, or "
            "put the right file in its place."
        )
    return content


def _local(source: _Source, name: str) -> bytes | None:
    """The verified content of a file that is here already, or None.

    A wrong file in ADV_AE_DATA is an error, for somebody chose it; one in the cache
    counts as missing and is downloaded again.
    """
    shared = _shared_folder()
    if shared is not None and (path := shared / source.folder / name).exists():
        return _verified(path, *source.files[name])
    path = _cache_folder() / source.folder / name
    try:
        return _verified(path, *source.files[name]) if path.exists() else None
    except DataError:
        return None


def _fetch(source: _Source, name: str) -> bytes:
    """The verified content of a file: from here, else from the first good mirror.

    Pooch writes a download beside its place under another name and renames it once
    its sha256 is right, so that a half download is never taken for the file.

    Raises:
        DataError: the file in ADV_AE_DATA is wrong, or no mirror gave the right one.
    """
    content = _local(source, name)
    if content is not None:
        return content
    import pooch

    (sha256, size), folder = source.files[name], _cache_folder() / source.folder
    http = pooch.HTTPDownloader(timeout=30)
    tried = [f"{folder / name}: a wrong file"] if (folder / name).exists() else []
    for mirror in source.mirrors:
        try:
            path = pooch.retrieve(mirror + name, sha256, name, folder, downloader=http)
            return _verified(Path(path), sha256, size)
        except (OSError, ValueError) as error:  # of the network, the disk, the hash
            tried.append(f"{mirror + name}: {error}")
    raise DataError(
        f"{source.folder}/{name} is not here and could not be downloaded.\n  "
        + "\n  ".join(tried)
        + f"\nExpected {size} bytes with sha256 {sha256}. Check the network and load "
        f"again, or put the file at {folder / name}, or set ADV_AE_DATA to a folder "
        f"that has {source.folder}/{name}."
    )


_SETS: dict[str, Callable[..., Dataset]] = {
    "digits": digits,
    "glyphs": glyphs,
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
    "binarized-mnist": binarized_mnist,
}
_TOYS: dict[str, Callable[..., Split]] = {
    "gaussian-grid": gaussian_grid,
    "gaussian-ring": gaussian_ring,
    "swiss-roll": swiss_roll,
    "two-moons": two_moons,
}
NAMES = (*_SETS, *_TOYS)
