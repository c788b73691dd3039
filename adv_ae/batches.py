"""Batches from tensors that stay on the device."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from adv_ae.data import as_float

Stream = Tensor | tuple[Tensor, ...]


class Batches:
    """Batches without end from tensors that stay on the device.

    Every epoch of a stream is a fresh permutation, drawn on the device; what does not
    fill a batch at its end is left out. Streams turn over independently of each other,
    so a short labelled one is cycled beside a long unlabelled one. uint8 becomes
    float32 in [0, 1].

    Args:
        data: one tensor, a tuple of aligned tensors, or a list of such streams.
        batch_size: rows a batch, one for all streams or one each.
        device: where the tensors go.

    Raises:
        ValueError: tensors of one stream differ in length, or a stream is shorter
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
        self.streams = [
            tuple(t.to(device) for t in (s if isinstance(s, tuple) else (s,)))
            for s in streams
        ]
        self.sizes = list(sizes)
        for tensors, size in zip(self.streams, self.sizes, strict=True):
            _check_stream([len(t) for t in tensors], size)
        self.orders = [torch.empty(0, dtype=torch.long, device=device) for _ in sizes]
        self.positions = [0] * len(sizes)

    def draw(self) -> tuple[Tensor, ...]:
        """The next batch: the tensors of all streams, one after the other."""
        return tuple(t for i in range(len(self.streams)) for t in self._rows(i))

    def _rows(self, i: int) -> Iterator[Tensor]:
        tensors, size = self.streams[i], self.sizes[i]
        if self.positions[i] + size > len(self.orders[i]):  # a new epoch
            self.orders[i] = torch.randperm(len(tensors[0]), device=tensors[0].device)
            self.positions[i] = 0
        rows = self.orders[i][self.positions[i] : self.positions[i] + size]
        self.positions[i] += size
        for t in tensors:
            drawn = t.index_select(0, rows)
            yield as_float(drawn) if t.dtype == torch.uint8 else drawn

    def state_dict(self) -> dict:
        """Where the streams stand."""
        return {"orders": self.orders, "positions": self.positions}

    def load_state_dict(self, state: dict) -> None:
        """Go on from there."""
        device = self.streams[0][0].device
        self.orders = [order.to(device) for order in state["orders"]]
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
