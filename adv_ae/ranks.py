"""Many processes play one game: torch's own launcher and collectives.

`torchrun --nproc-per-node N -m adv_ae train ...` starts N processes, the ranks, each
with all weights. Every rank plays on its share of each batch; before a player moves,
its gradients are averaged over the ranks, so all of them make the same move. Losses
that are means over rows come out as if one process had played on the whole batch. Two
kinds do not:

- batch norm: statistics are of a rank's own rows, and rank 0's running ones are kept;
- MMD: the mean over ranks of unbiased estimates, each on a rank's rows: the same mean,
  a larger variance.

A script of one's own needs `joined` around its calls of `fit`, and torchrun.
"""

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from adv_ae.game import Game

TIMEOUT = timedelta(minutes=30)  # of one wait; a process that ends is noticed at once


class RankLost(RuntimeError):
    """Another rank has ended, or has not answered for `TIMEOUT`."""


@dataclass(frozen=True)
class Ranks:
    """The place of this process among all that play one run.

    All ranks call each method at the same point of the run; in a world of one they do
    nothing, or what they are told at once.

    Args:
        rank: 0 .. size - 1; rank 0 alone writes files and speaks.
        size: how many there are.

    Raises:
        RankLost: of every method that communicates.
    """

    rank: int = 0
    size: int = 1

    def share(self, batch_size: int) -> slice:
        """This rank's rows of a batch: [r B / W, (r + 1) B / W) for rank r of W.

        Raises:
            ValueError: the batch cannot be dealt out evenly.
        """
        rows, left = divmod(batch_size, self.size)
        if left:
            fitting = self.size * max(rows, 1)
            raise ValueError(
                f"a batch of {batch_size} rows cannot be dealt out evenly to "
                f"{self.size} ranks; take a batch_size that {self.size} divides, such "
                f"as {fitting}."
            )
        return slice(self.rank * rows, (self.rank + 1) * rows)

    @contextlib.contextmanager
    def averaging(
        self, optimizers: Mapping[str, torch.optim.Optimizer]
    ) -> Iterator[None]:
        """While this is open, each optimizer moves by gradients averaged over the
        ranks: one all-reduce a move."""
        hooks = [
            optimizer.register_step_pre_hook(self._average)
            for optimizer in optimizers.values()
            if self.size > 1
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _average(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """No host sync: it may be captured in a CUDA graph, with the step it is in."""
        weights = [w for group in optimizer.param_groups for w in group["params"]]
        slopes = [w.grad for w in weights if w.grad is not None]
        flat = torch.cat([slope.reshape(-1) for slope in slopes])
        self.mean_(flat)
        parts = flat.split([slope.numel() for slope in slopes])
        for slope, part in zip(slopes, parts, strict=True):
            slope.copy_(part.view_as(slope))  # each as it lies in memory

    def mean_(self, t: Tensor) -> None:
        """Mean over the ranks, in place; nan or infinite where it is so on any."""
        if self.size > 1:
            with _in_touch():
                dist.all_reduce(t)
            t.div_(self.size)

    def most(self, *values: float) -> list[float]:
        """The largest of each value over the ranks. They travel by the CPU: nobody
        waits for a device."""
        if self.size == 1:
            return list(values)
        largest = torch.tensor(values, dtype=torch.float64)
        with _in_touch():
            dist.all_reduce(largest, dist.ReduceOp.MAX)
        return largest.tolist()

    def by_first(self, work: Callable[[], Any]) -> Any:
        """Rank 0 works; all return what it returned, or raise what it raised.

        Returns:
            Anything that can be pickled; its tensors belong on the CPU.
        """
        if self.size == 1:
            return work()
        answer: list[Any] = [None, None]
        if self.rank == 0:
            try:
                answer[0] = work()
            except Exception as error:
                answer[1] = error
        with _in_touch():
            dist.broadcast_object_list(answer)
        if answer[1] is not None:
            raise answer[1]
        return answer[0]

    def gather(self, mine: Any) -> list[Any]:
        """Of all ranks, in their order; on rank 0 alone, [] on the others."""
        if self.size == 1:
            return [mine]
        found: list[Any] | None = [None] * self.size if self.rank == 0 else None
        with _in_touch():
            dist.gather_object(mine, found)
        return found or []

    def permutation(self, n: int) -> Tensor:
        """A random order of 0 .. n - 1, which rank 0's generator draws for all."""
        if self.size == 1:
            return torch.randperm(n)
        order = torch.empty(n, dtype=torch.long) if self.rank else torch.randperm(n)
        with _in_touch():
            dist.broadcast(order, 0)
        return order

    def agree(self, game: Game) -> None:
        """Rank 0's weights and buffers, on all ranks."""
        if self.size > 1:
            mine = game.state_dict()
            game.load_state_dict(
                self.by_first(lambda: {k: v.cpu() for k, v in mine.items()})
            )

    def spread_noise(self) -> None:
        """Give the ranks above 0 noise of their own, by seeds that rank 0 draws; rank
        0 goes on in its stream."""
        if self.size > 1:
            seed = self.by_first(lambda: int(torch.randint(2**62, ())))
            if self.rank:
                torch.manual_seed(seed + self.rank)


ALONE = Ranks()


class Meetings:
    """Where ranks agree to stop: one that stopped alone would leave the others waiting.

    They meet about once a second, at least every `most` steps, and at the last step. A
    process of its own meets itself at every step.

    Args:
        ranks: who meets.
        step: at which the run begins.
        last: its last step.
        most: steps between two meetings.
    """

    def __init__(self, ranks: Ranks, step: int, last: int, most: int):
        self.ranks, self.step, self.last, self.most = ranks, step, last, most
        self.time, self.next = time.perf_counter(), step + 1

    def agree(self, step: int, *wishes: bool) -> list[bool]:
        """For each wish whether any rank has it; none before the next meeting."""
        if self.ranks.size == 1:
            return list(wishes)
        if step < self.next:
            return [False for _ in wishes]
        now = time.perf_counter()
        pace = (now - self.time) / (step - self.step)
        *wished, slowest = self.ranks.most(*wishes, pace)
        self.time, self.step = now, step
        self.next = min(step + max(1, min(self.most, int(1 / slowest))), self.last)
        return [bool(wish) for wish in wished]


@contextlib.contextmanager
def _in_touch() -> Iterator[None]:
    """What torch raises where the others cannot be reached, as `RankLost`."""
    try:
        yield
    except RuntimeError as error:
        first, *_ = str(error).splitlines()
        said = re.sub(r"^\[\S+\] |\. .*", "", first)  # without its place in torch
        raise RankLost(f"another rank cannot be reached: {said}") from error


def present() -> Ranks:
    """As `torch.distributed` has it: one of one, unless a group was joined."""
    if dist.is_available() and dist.is_initialized():
        return Ranks(dist.get_rank(), dist.get_world_size())
    return Ranks()


def launched() -> Ranks:
    """As torchrun's environment has it, joined or not: one of one without torchrun."""
    environ = os.environ
    return Ranks(int(environ.get("RANK", "0")), int(environ.get("WORLD_SIZE", "1")))


def local_device(kind: str) -> str:
    """A device of that kind of this process's own: under torchrun each of a machine's
    ranks has the GPU of its local number."""
    several = kind == "cuda" and launched().size > 1
    return f"cuda:{os.environ['LOCAL_RANK']}" if several else kind


@contextlib.contextmanager
def joined(device: str = "cpu") -> Iterator[Ranks]:
    """All processes that torchrun started, as one group: gloo between CPUs, NCCL
    between GPUs. Without torchrun a process plays alone.

    Args:
        device: where this rank plays; see `local_device`.

    Raises:
        RankLost: the others cannot be reached.
    """
    if launched().size == 1:
        yield Ranks()
        return
    on_gpu = torch.device(device).type == "cuda"
    if on_gpu:
        torch.cuda.set_device(device)
    with _in_touch():
        backends = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
        dist.init_process_group(backends, timeout=TIMEOUT)
    broken = False
    try:
        yield present()
    except RankLost:  # a group that has lost a rank is not left in order
        broken = True
        raise
    finally:
        if not broken:
            dist.destroy_process_group()
