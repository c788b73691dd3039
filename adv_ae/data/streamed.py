"""Sources whose rows are read when they are drawn: sets larger than memory."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import IterableDataset, default_collate

SAMPLED = 256  # rows that a fingerprint reads


@dataclass(frozen=True)
class Reading:
    """Rows that threads are reading.

    Attributes:
        rows: (B,), which.
        pieces: the batch in consecutive pieces; a call waits for the piece.
    """

    rows: Tensor
    pieces: Sequence[Callable[[], tuple[Tensor, ...]]]

    def result(self) -> tuple[Tensor, ...]:
        """The parts of these rows, (B, ...) each, on the CPU, once all are there.

        Raises:
            DataError: a file is not what it should be.
        """
        pieces = [piece() for piece in self.pieces]
        return tuple(torch.cat(part) for part in zip(*pieces, strict=True))


class Streamed(ABC):
    """Rows that stay where they are until they are drawn, then read by threads.

    To `adv_ae.training.fit` it is a source like a tensor, alone or beside others, and a
    run on it is resumed exactly: `adv_ae.batches.Batches` has the next batch read while
    this one is played, so that only the batches at hand are in memory. A row is one
    tensor or several (x and its label, say), the parts.

    A subclass says how many rows there are and how some of them are read (`_read`).

    Args:
        n: how many rows, N.
        threads: that read; None: as many as `ThreadPoolExecutor` takes.

    Attributes:
        at_once: rows that a thread reads in one go: few, to keep many threads busy with
            one batch, but enough to be worth handing over.
        parts: tensors a row has.
    """

    at_once = 8
    parts = 1

    def __init__(self, n: int, threads: int | None = None):
        self._n, self._threads = n, ThreadPoolExecutor(threads)

    def __len__(self) -> int:
        """The number of rows, N."""
        return self._n

    def rows(self, rows: Tensor) -> Tensor:
        """These rows, (B, D), on the CPU, of a source with one part.

        Raises:
            DataError: a file is not what it should be.
            IndexError: there is no such row.
            ValueError: a row has several parts; take `begin(rows).result()`.
        """
        (only,) = self.begin(rows).result()
        return only

    def begin(self, rows: Tensor) -> Reading:
        """Let the threads read these rows, (B,), and go on at once.

        Raises:
            IndexError: there is no such row.
        """
        if not 0 <= int(rows.min()) <= int(rows.max()) < len(self):
            raise IndexError(f"rows must be in 0..{len(self) - 1}, not {rows.tolist()}")
        pieces = [
            self._threads.submit(self._read, some).result
            for some in rows.split(self.at_once)
        ]
        return Reading(rows, pieces)

    def fingerprint(self) -> Tensor:
        """What tells this source from others, (32,) `uint8`.

        It is a sha256 of N and of types, shapes and bytes of 256 rows spread evenly
        over all, the first and the last among them; no more is read, of however many.
        So other data, another order, another scale are told apart wherever they reach
        one of these rows; what is changed between them is not. Name, place and age of
        a file play no part: it may move.
        """
        n = min(len(self), SAMPLED)
        spread = torch.arange(n) * (len(self) - 1) // max(n - 1, 1)
        digest = hashlib.sha256(f"{len(self)}".encode())
        for part in self.begin(spread).result():
            digest.update(f"{part.dtype} {tuple(part.shape)}".encode())
            digest.update(part.contiguous().view(torch.uint8).numpy().tobytes())
        return torch.tensor(list(digest.digest()), dtype=torch.uint8)

    @abstractmethod
    def _read(self, rows: Tensor) -> tuple[Tensor, ...]:
        """The parts of at most `at_once` rows, in this order; called by a thread."""


class Examples(Streamed):
    """A map-style dataset of `torch.utils.data`, or whatever has `dataset[i]` and
    `len(dataset)`, as a source.

    Threads call `dataset[i]` (or `dataset.__getitems__([i, ...])`, where there is one)
    and `default_collate` makes batches of the parts: an item that is a tuple (x, y) is
    two of them. They are flattened to (B, D) as data is everywhere here. Then::

        fit(game, Examples(dataset))           # play(self, x, y)
        fit(game, Examples(dataset, keep=[0])) # play(self, x)

    An item must be the same whenever it is asked for. One that is drawn anew, as by
    random crops, takes numbers from the generator that the run itself draws from, in
    the order in which threads happen to come by: no such run could be repeated or
    resumed. Draw in `play`, on the device.

    Threads help where the work is in libraries that let go of Python's lock, as those
    that decode or load do; they do not where `dataset[i]` computes in Python.

    Args:
        dataset: of N items that are tensors, arrays or numbers, or tuples or
            dictionaries of these, all items alike.
        keep: which parts of an item, in this order: places in a tuple, keys of a
            dictionary. None: all of a tuple's.
        threads: that call `dataset`; 1 if it cannot be called by two at once. None: as
            many as `ThreadPoolExecutor` takes.

    Raises:
        TypeError: its items cannot be batched, or it is no map-style dataset.
        ValueError: it is empty, or its items are random.
    """

    def __init__(
        self,
        dataset: Any,
        keep: Sequence[int | str] | None = None,
        threads: int | None = None,
    ):
        if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
            raise TypeError(
                f"{type(dataset).__name__} is no map-style dataset: expected one with "
                "`dataset[i]` and `len(dataset)`, which can be drawn from in any order."
            )
        super().__init__(len(dataset), threads)
        self.dataset, self.keep = dataset, keep
        if not len(self):
            raise ValueError(f"{type(dataset).__name__} is empty.")
        before = torch.get_rng_state()
        self._shapes = [part.shape[1:] for part in self._collated([0])]
        self.parts = len(self._shapes)
        if not torch.equal(torch.get_rng_state(), before):
            raise ValueError(
                f"{type(dataset).__name__} draws random numbers to make an item: such "
                "a run could not be repeated. Draw them in the game's `play`."
            )

    def _read(self, rows: Tensor) -> tuple[Tensor, ...]:
        parts = self._collated(rows.tolist())
        shapes = [part.shape[1:] for part in parts]
        if shapes != self._shapes:
            raise TypeError(
                f"items {rows.tolist()} of {type(self.dataset).__name__} have the "
                f"shapes {[*map(tuple, shapes)]}, item 0 has "
                f"{[*map(tuple, self._shapes)]}: make all items alike."
            )
        return tuple(part.flatten(1) if part.dim() > 1 else part for part in parts)

    def _collated(self, rows: list[int]) -> Sequence[Tensor]:
        """The parts of these items, one tensor each."""
        items = self._items(rows)
        try:
            parts = default_collate([self._kept(item) for item in items])
            return [part.detach() for part in parts]
        except (AttributeError, RuntimeError, TypeError) as error:
            raise TypeError(
                f"items {rows} of {type(self.dataset).__name__} cannot be batched: "
                f"{error}. Expected tensors, arrays or numbers, all items alike, or "
                "tuples of these; of other items choose such parts by `keep`."
            ) from error

    def _items(self, rows: list[int]) -> list:
        if hasattr(self.dataset, "__getitems__"):
            return self.dataset.__getitems__(rows)
        return [self.dataset[i] for i in rows]

    def _kept(self, item: Any) -> tuple:
        """The parts of an item."""
        if self.keep is not None:
            return tuple(item[k] for k in self.keep)
        if isinstance(item, Mapping):
            raise TypeError(f"an item has the keys {list(item)}")
        return tuple(item) if isinstance(item, (tuple, list)) else (item,)
