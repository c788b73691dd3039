"""Batches from tensors that stay on the device, and from what is streamed."""

from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor

from adv_ae.data import Streamed, as_float
from adv_ae.data.streamed import Reading
from adv_ae.ranks import ALONE, Ranks

Source = Tensor | Streamed
Stream = Source | tuple[Source, ...]


class Batches:
    """Batches without end from tensors that stay on the device.

    Every epoch of a stream is a fresh permutation; what does not fill a batch at its
    end is left out. Streams turn over independently of each other, so a short labelled
    one is cycled beside a long unlabelled one. uint8 becomes float32 in [0, 1].

    Permutations are drawn by the CPU's generator, whatever the device: on a GPU the
    noise of a step does not depend on where epochs end, and no draw waits for the
    device. What is `Streamed` stays where it is: while a batch is played, threads read
    the next one of the same epoch.

    Args:
        data: one source (a tensor, or `Streamed`), a tuple of aligned sources, or a
            list of such streams.
        batch_size: rows a batch, one for all streams or one each.
        device: where the tensors go, and the batches.
        ranks: each gets its share of every batch; rank 0 draws the permutations.

    Raises:
        ValueError: sources of one stream differ in length, a stream is shorter than
            its batch, or a batch cannot be dealt out evenly to the ranks.
    """

    def __init__(
        self,
        data: Stream | Sequence[Stream],
        batch_size: int | Sequence[int],
        device: torch.device | str,
        ranks: Ranks = ALONE,
    ):
        streams = data if isinstance(data, list) else [data]
        sizes = (
            [batch_size] * len(streams) if isinstance(batch_size, int) else batch_size
        )
        if len(sizes) != len(streams):
            raise ValueError(f"{len(streams)} streams, but {len(sizes)} batch sizes.")
        self.device = torch.device(device)
        self.sources: list[tuple[Source, ...]] = [
            tuple(
                t if isinstance(t, Streamed) else t.to(device)
                for t in (s if isinstance(s, tuple) else (s,))
            )
            for s in streams
        ]
        self.sizes = list(sizes)
        for sources, size in zip(self.sources, self.sizes, strict=True):
            _check_stream([len(t) for t in sources], size)
        self.ranks, self.shares = ranks, [ranks.share(size) for size in self.sizes]
        self.orders = [torch.empty(0, dtype=torch.long) for _ in sizes]
        self.positions = [0] * len(sizes)
        self._placed = list(self.orders)
        self._begun: dict[tuple[int, int], Reading] = {}

    @property
    def streams(self) -> list[tuple[Tensor, ...]]:
        """The tensors of each stream; fingerprints of what is streamed."""
        return [
            tuple(t.fingerprint() if isinstance(t, Streamed) else t for t in sources)
            for sources in self.sources
        ]

    def draw(self) -> tuple[Tensor, ...]:
        """The next batch: the rows of all sources, one after the other."""
        return self.gather(self.feed())

    def feed(self) -> list[Tensor]:
        """What the next batch is made of, on the device: of each stream which rows,
        then those that had to be read."""
        return [t for i in range(len(self.sources)) for t in self._feed(i)]

    def gather(self, fed: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The batch of a `feed`; all of it happens on the device, so that it can be
        captured with the step."""
        batch: list[Tensor] = []
        given = iter(fed)
        for sources in self.sources:
            rows = next(given)
            for t in sources:
                drawn = (
                    islice(given, t.parts)
                    if isinstance(t, Streamed)
                    else [t.index_select(0, rows)]
                )
                batch += [as_float(x) if x.dtype == torch.uint8 else x for x in drawn]
        return tuple(batch)

    def _feed(self, i: int) -> Iterator[Tensor]:
        sources, size = self.sources[i], self.sizes[i]
        if self.positions[i] + size > len(self.orders[i]):  # a new epoch
            self._place(i, self.ranks.permutation(len(sources[0])))
            self.positions[i] = 0
        start = self.positions[i]
        self.positions[i] += size
        yield self._placed[i][start : start + size][self.shares[i]]
        for j, t in enumerate(sources):
            if isinstance(t, Streamed):
                ahead = self.orders[i][start : start + 2 * size].split(size)
                whole = [rows[self.shares[i]] for rows in ahead if len(rows) == size]
                yield from self._read((i, j), t, *whole)

    def _place(self, i: int, order: Tensor) -> None:
        """Take this permutation for the epoch of stream i."""
        self.orders[i] = order
        self._placed[i] = self._to_device(order)

    def _to_device(self, t: Tensor) -> Tensor:
        """There, without a wait for what the device is at."""
        pinned = t.pin_memory() if self.device.type == "cuda" else t
        return pinned.to(self.device, non_blocking=True)

    def _read(
        self, key: tuple[int, int], source: Streamed, rows: Tensor, *following: Tensor
    ) -> list[Tensor]:
        """These rows, on the device; those of the epoch's next batch begin to be
        read."""
        begun = self._begun.pop(key, None)
        if begun is None or not torch.equal(begun.rows, rows):
            begun = source.begin(rows)
        for ahead in following:
            self._begun[key] = source.begin(ahead)
        return [self._to_device(part) for part in begun.result()]

    def state_dict(self) -> dict:
        """Where the streams stand."""
        return {"orders": self.orders, "positions": self.positions}

    def load_state_dict(self, state: dict) -> None:
        """Go on from there."""
        for i, order in enumerate(state["orders"]):
            self._place(i, order.cpu())
        self.positions = list(state["positions"])


def _check_stream(lengths: list[int], size: int) -> None:
    if len(set(lengths)) > 1:
        raise ValueError(
            f"tensors of one stream must be aligned; lengths are {lengths}."
        )
    if not 0 < size <= lengths[0]:
        raise ValueError(
            f"batch_size must be in 1..{lengths[0]} (the number of examples), "
            f"not {size}."
        )
