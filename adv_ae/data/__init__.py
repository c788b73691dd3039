"""Datasets: embedded, toy, rendered, and the benchmark files, each checked by sha256.

Nothing here needs the network but `mnist`, `fashion_mnist`, `binarized_mnist`,
`cifar10` and `svhn`, whose files are looked for

1. in the folder named by the environment variable `ADV_AE_DATA`
   (`mnist/train-images-idx3-ubyte.gz`, `fashion-mnist/...`,
   `binarized-mnist/binarized_mnist.npz`, `cifar10/cifar-10-binary.tar.gz`,
   `svhn/train_32x32.mat`),
2. in the user's cache (`ADV_AE_CACHE`, or pooch's place for `adv_ae`),
3. at the mirrors, and then kept in the cache.

Wherever a file comes from, it is parsed only if its sha256 is the expected one.
Images stay `uint8` until `as_float` is asked; no file is unpickled.

What does not fit in memory is streamed: pictures of one's own, or CelebA's, from their
folder (`image_folder`), an array from its file (`array_file`), a dataset of
`torch.utils.data` item by item (`Examples`).
"""

from collections.abc import Callable
from difflib import get_close_matches
from functools import partial

from adv_ae.data.arrays import ArrayFile, array_file
from adv_ae.data.base import DataError, Dataset, Factors, Split, as_float, three_ways
from adv_ae.data.benchmarks import binarized_mnist, fashion_mnist, mnist
from adv_ae.data.color import cifar10, svhn, svhn_fragment
from adv_ae.data.embedded import (
    digits,
    gaussian_grid,
    gaussian_ring,
    swiss_roll,
    two_moons,
)
from adv_ae.data.folders import ImageFolder, Images, ImageSplit, image_folder
from adv_ae.data.labels import hide_labels, labelled_rows
from adv_ae.data.rendered import glyphs
from adv_ae.data.streamed import Examples, Streamed

__all__ = [
    "NAMES",
    "ArrayFile",
    "DataError",
    "Dataset",
    "Examples",
    "Factors",
    "ImageFolder",
    "ImageSplit",
    "Images",
    "Split",
    "Streamed",
    "array_file",
    "as_float",
    "binarized_mnist",
    "cifar10",
    "digits",
    "fashion_mnist",
    "gaussian_grid",
    "gaussian_ring",
    "glyphs",
    "hide_labels",
    "image_folder",
    "labelled_rows",
    "load",
    "mnist",
    "svhn",
    "svhn_fragment",
    "swiss_roll",
    "two_moons",
]

_SETS: dict[str, Callable[..., Dataset]] = {
    "digits": digits,
    "glyphs": glyphs,
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
    "binarized-mnist": binarized_mnist,
    "cifar10": cifar10,
    "svhn": svhn,
    "svhn-extra": partial(svhn, extra=True),
    "svhn-fragment": svhn_fragment,
}
_TOYS: dict[str, Callable[..., Split]] = {
    "gaussian-grid": gaussian_grid,
    "gaussian-ring": gaussian_ring,
    "swiss-roll": swiss_roll,
    "two-moons": two_moons,
}
NAMES = (*_SETS, *_TOYS)


def load(name: str, **options: int | float) -> Dataset:
    """The dataset of that name.

    Args:
        name: one of `NAMES`; case does not matter, nor `_` for `-`.
        **options: arguments of the function that makes it. A toy set also takes
            `n`, the size of its train split (10,000); valid and test have n / 5.

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
    train, valid, test = three_ways(all_.x, all_.y, n, n // 5)
    return Dataset(key, train, valid, test, (2,))
