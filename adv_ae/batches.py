"""Batches from tensors that stay on the device, and from images that are streamed."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from adv_ae.data import Images, as_float
from adv_ae.data.folders import Decoding

Source = Tensor | Images
Stream = Source | tuple[Source, ...]


class Batches:
    """Batches without end from tensors that stay on the device.

    Every epoch of a stream is a fresh permutation, drawn on the device; what does not
    fill a batch at its end is left out. Streams turn over independently of each other,
    so a short labelled one is cycled beside a long unlabelled one. uint8 becomes
    float32 in [0, 1].

    `Images` stay in their files: while a batch is played, threads decode the next one
    of the same epoch. The permutations of their stream are drawn on the CPU, so that no
    draw waits for the device.

    Args:
        data: one source (a tensor, or images), a tuple of aligned sources, or a list of
            such streams.
        batch_size: rows a batch, one for all streams or one each.
        device: where the tensors go, and the batches.

    Raises:
        ValueError: sources of one stream differ in length, or a stream is shorter
            than its batch.
    """

    def __init__(
        self,
        data: Stream | Sequence[Stream],
        batch_size: int | Sequence[int],
        device: torch.device | str,
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
                t if isinstance(t, Images) else t.to(device)
                for t in (s if isinstance(s, tuple) else (s,))
            )
            for s in streams
        ]
        self.sizes = list(sizes)
        for sources, size in zip(self.sources, self.sizes, strict=True):
            _check_stream([len(t) for t in sources], size)
        self.orders = [
            torch.empty(0, dtype=torch.long, device=self._home(i))
            for i in range(len(sizes))
        ]
        self.positions = [0] * len(sizes)
        self._begun: dict[tuple[int, int], Decoding] = {}

    @property
    def streams(self) -> list[tuple[Tensor, ...]]:
        """The tensors of each stream; in the place of images their fingerprint."""
        return [
            tuple(t.fingerprint() if isinstance(t, Images) else t for t in sources)
            for sources in self.sources
        ]

    def draw(self) -> tuple[Tensor, ...]:
        """The next batch: the rows of all sources, one after the other."""
        return tuple(t for i in range(len(self.sources)) for t in self._rows(i))

    def _rows(self, i: int) -> Iterator[Tensor]:
        sources, size = self.sources[i], self.sizes[i]
        if self.positions[i] + size > len(self.orders[i]):  # a new epoch
            self.orders[i] = torch.randperm(len(sources[0]), device=self._home(i))
            self.positions[i] = 0
        start = self.positions[i]
        self.positions[i] += size
        rows, following = self.orders[i][start : start + 2 * size].tensor_split([size])
        for j, t in enumerate(sources):
            if isinstance(t, Images):
                drawn = self._decoded((i, j), t, rows, following)
            else:
                drawn = t.index_select(0, rows.to(self.device))
            yield as_float(drawn) if t.dtype == torch.uint8 else drawn

    def _decoded(
        self, key: tuple[int, int], images: Images, rows: Tensor, following: Tensor
    ) -> Tensor:
        """These rows, on the device; the following ones begin to be decoded."""
        begun = self._begun.pop(key, None)
        if begun is None or not torch.equal(begun.rows, rows):
            begun = images.begin(rows)
        if len(following) == len(rows):
            self._begun[key] = images.begin(following)
        drawn = begun.result()
        if self.device.type == "cuda":
            drawn = drawn.pin_memory()  # else the copy would wait for the device
        return drawn.to(self.device, non_blocking=True)

    def _home(self, i: int) -> torch.device:
        """Where a stream's permutations are."""
        streamed = any(isinstance(t, Images) for t in self.sources[i])
        return torch.device("cpu") if streamed else self.device

    def state_dict(self) -> dict:
        """Where the streams stand."""
        return {"orders": self.orders, "positions": self.positions}

    def load_state_dict(self, state: dict) -> None:
        """Go on from there."""
        self.orders = [
            order.to(self._home(i)) for i, order in enumerate(state["orders"])
        ]
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
