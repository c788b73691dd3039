"""What every data set is: splits of examples in rows."""

from dataclasses import dataclass

import torch
from torch import Tensor


class DataError(Exception):
    """A data file that is missing, cannot be fetched, or is not the expected one."""


@dataclass(frozen=True)
class Split:
    """Examples in rows.

    Attributes:
        x: data, (N, D), flat. Images: `uint8` in 0..255 or `float32` in [0, 1];
            toy sets: `float32` coordinates in the plane.
        y: labels, (N,) `int64`, or None where the source has none.
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
        train: (N, len(names)) `float32`; `valid` and `test` likewise.
    """

    names: tuple[str, ...]
    train: Tensor
    valid: Tensor
    test: Tensor


@dataclass(frozen=True)
class Dataset:
    """Three disjoint splits of one set.

    Attributes:
        name: the name that `load` knows.
        train, valid, test: the splits.
        shape: of one example: `(8, 8)`, `(28, 28)`, `(3, 32, 32)` (channel, row,
            column) or `(2,)`; its product is D.
        factors: of rendered sets (`glyphs`), else None.
    """

    name: str
    train: Split
    valid: Split
    test: Split
    shape: tuple[int, ...]
    factors: Factors | None = None


def as_float(x: Tensor) -> Tensor:
    """Images as `float32` in [0, 1].

    Args:
        x: `uint8` in 0..255, or floating point; any shape.

    Returns:
        x / 255 as `float32` for `uint8`; x itself if it is floating point.

    Raises:
        TypeError: any other dtype, whose range is not known.
    """
    if x.is_floating_point():
        return x
    if x.dtype != torch.uint8:
        raise TypeError(f"expected uint8 in 0..255 or floating point, got {x.dtype}")
    return x / 255


def three_ways(
    x: Tensor, y: Tensor | None, n_train: int, n_valid: int
) -> tuple[Split, Split, Split]:
    """The first n_train rows, the next n_valid, and the rest."""
    sizes = [n_train, n_valid, len(x) - n_train - n_valid]
    xs = x.split(sizes)
    ys = (None, None, None) if y is None else y.split(sizes)
    return Split(xs[0], ys[0]), Split(xs[1], ys[1]), Split(xs[2], ys[2])
