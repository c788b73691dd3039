"""Arrays in a file, read as they are drawn: for sets too large to be resident."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.lib import format as npy
from numpy.typing import DTypeLike
from torch import Tensor

from adv_ae.data.base import DataError
from adv_ae.data.streamed import Streamed

TYPES = (np.dtype(np.uint8), np.dtype(np.float32))  # of the rows that games play on
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class ArrayFile(Streamed):
    """Rows of an array in a file, each read at its place when it is drawn.

    Made by `array_file`; `x[:n]` and `x[n:]` are its parts, of which nothing is read.

    Args:
        path: of the file.
        dtype: of the array.
        shape: (N, D).
        offset: of its first row in the file, in bytes.

    Attributes:
        path: of the file.
        shape: (N, D).
        dtype: `torch.uint8` or `torch.float32`.
    """

    at_once = 25

    def __init__(self, path: Path, dtype: np.dtype, shape: tuple[int, int], offset=0):
        super().__init__(shape[0])
        self.path, self.shape = path, shape
        self.dtype = torch.from_numpy(np.empty(0, dtype)).dtype
        self._dtype, self._offset = dtype, offset

    def __getitem__(self, part: slice) -> "ArrayFile":
        """Consecutive rows, as a source.

        Raises:
            TypeError: no slice.
            ValueError: a slice with steps, or without rows.
        """
        if not isinstance(part, slice):
            raise TypeError(f"expected a slice, not {part!r}; rows are read by `rows`.")
        start, stop, step = part.indices(len(self))
        if step != 1 or stop <= start:
            raise ValueError(
                f"expected consecutive rows of the {len(self)}, not {part}."
            )
        offset = self._offset + start * self._row_bytes
        return ArrayFile(self.path, self._dtype, (stop - start, self.shape[1]), offset)

    @property
    def _row_bytes(self) -> int:
        return self.shape[1] * self._dtype.itemsize

    def _read(self, rows: Tensor) -> tuple[Tensor]:
        x = np.empty((len(rows), self.shape[1]), self._dtype)
        try:
            with self.path.open("rb", buffering=0) as file:
                for row, i in zip(x, rows.tolist(), strict=True):
                    file.seek(self._offset + i * self._row_bytes)
                    if file.readinto(row) != self._row_bytes:
                        raise OSError("it has become shorter")
        except OSError as error:
            raise DataError(f"{self.path} cannot be read: {error}.") from error
        return (torch.from_numpy(x),)


def array_file(
    path: str | Path,
    dtype: DTypeLike | None = None,
    shape: Sequence[int] | None = None,
) -> ArrayFile:
    """The rows of an array in a file, streamed: they are read when they are drawn.

    The file is one that `np.save` wrote, or the bare numbers, row after row, as from
    `array.tofile`, with their type and shape told here::

        x = array_file("faces.npy")                              # (N, 3, 64, 64) uint8
        y = torch.from_numpy(np.load("labels.npy"))              # labels fit in memory
        train = x[:-10_000], y[:-10_000]
        fit(game, train, batch_size=100)

        array_file("faces.bin", np.uint8, (202_599, 3, 64, 64))

    Nothing is unpickled. Rows are flat, (N, 3, 64, 64) becomes (N, 12288); `uint8`
    becomes `float32` in [0, 1] when it is drawn, `float32` stays as it is.

    Each row is read at its place instead of mapping the file to memory. Rows are drawn
    in random order, and of a map the system reads 128 KB around whatever is touched:
    35 times the bytes wanted with rows of 12 KB. A map also counts what it has read as
    the program's memory, and where the file is cut meanwhile it kills the program
    instead of raising an error.

    Args:
        path: of the file.
        dtype: `uint8` or `float32`, of bare numbers; None: the file is from `np.save`.
        shape: (N, ...), of bare numbers; None likewise.

    Returns:
        A source of (N, D) for `adv_ae.training.fit`.

    Raises:
        DataError: the file cannot be read, is cut short or has other bytes than type
            and shape tell, or holds what no game can play on; the message says what to
            do.
        ValueError: type or shape is missing, or no number of rows and columns.
    """
    path = Path(path)
    if dtype is None and shape is None:
        of, kind, offset = _header(path)
    elif dtype is None or shape is None:
        raise ValueError("bare numbers need `dtype` and `shape`, a .npy file neither.")
    else:
        of, kind, offset = tuple(shape), np.dtype(dtype), 0
        if min(of, default=0) < 1:
            raise ValueError(f"shape {of}: expected N and D, all of them positive.")
    _check(path, kind, of, offset)
    return ArrayFile(path, kind, (of[0], math.prod(of[1:])), offset)


def _header(path: Path) -> tuple[tuple[int, ...], np.dtype, int]:
    """Shape and type of the array in a .npy file, and where it begins.

    Raises:
        DataError: it is no such file, or its rows are not one after the other.
    """
    try:
        with path.open("rb") as file:
            shape, by_columns, dtype = _HEADERS[npy.read_magic(file)](file)
            offset = file.tell()
    except Exception as error:  # the parser of the head raises of many kinds
        raise DataError(
            f"{path} cannot be read as an array: {error}. Expected a file from "
            "`np.save` (what `np.savez` writes is an archive of them: save the array "
            "alone), or `dtype` and `shape` of bare numbers."
        ) from error
    if by_columns and len(shape) > 1:
        raise DataError(
            f"{path} has its numbers column by column, so that no row can be read "
            "alone: save `np.ascontiguousarray(x)`."
        )
    return shape, dtype, offset


def _check(path: Path, dtype: np.dtype, shape: tuple[int, ...], offset: int) -> None:
    """Raise `DataError` where a file does not hold this, or no game plays on it."""
    if dtype not in TYPES:
        raise DataError(
            f"{path} has numbers of type {dtype.str}: expected uint8 (images in 0..255)"
            " or float32. Save `x.astype(np.float32)`; labels fit in memory, load them."
        )
    if len(shape) < 2 or min(shape) < 1:
        raise DataError(
            f"{path} has shape {shape}: expected rows, (N, D) or (N, channels, height, "
            "width), and at least one. Labels fit in memory, load them."
        )
    try:
        found = path.stat().st_size
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    expected = offset + math.prod(shape) * dtype.itemsize
    if found != expected:
        fault = "cut short" if found < expected else "longer than it should be"
        raise DataError(
            f"{path} is {fault}: {shape} numbers of type {dtype} take {expected} bytes "
            f"with the head of {offset}, found {found}. Get the whole file, or correct "
            "`dtype` and `shape`."
        )
