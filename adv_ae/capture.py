"""Steps in a row: played one by one, or captured as a CUDA graph and replayed.

A step of small networks is some hundred short operations, and a GPU waits most of the
time for Python to ask for the next one. A graph asks for all of them at once.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from adv_ae.batches import Batches
from adv_ae.checkpoints import noise, set_noise
from adv_ae.game import Game, WiringError, step

Optimizers = Mapping[str, torch.optim.Optimizer]
STRIDE = 10  # steps a replay
WARM = 3  # steps played before the capture: they make what optimizers remember
SAME = 1e-3  # of losses: how far a replay may be from what it repeats


class Steps:
    """Steps one by one: rates by the schedules, a batch, a step.

    Args:
        game: what is played.
        optimizers: one a player.
        batches: on what.
        schedules: {player: factor of its learning rate at a step, counted from 0}.
    """

    def __init__(
        self,
        game: Game,
        optimizers: Optimizers,
        batches: Batches,
        schedules: Mapping[str, Callable[[int], float]],
    ):
        self.game, self.optimizers, self.batches = game, optimizers, batches
        groups = [(k, g) for k, o in optimizers.items() for g in o.param_groups]
        self.factors = [schedules.get(player, _one) for player, _ in groups]
        self.groups = [group for _, group in groups]
        self.rates = [float(group["lr"]) for group in self.groups]
        self.varies = bool(schedules)

    def play(self, i: int, most: int) -> Tensor:
        """Play from step i, counted from 0, at most so many; the losses of those that
        were played, a row a step, a column a player."""
        if self.varies:
            self._set_rates(self.rates_at(i))
        return self._step(self.batches.draw()).unsqueeze(0)

    def _step(self, batch: Sequence[Tensor]) -> Tensor:
        """The losses of a step, one a player."""
        report = step(self.game, self.optimizers, *batch)
        if len(report) != len(self.game.players):
            idle = [k for k in self.game.players if k not in report]
            raise WiringError(
                f"{type(self.game).__name__}: {idle} did not play; `play` must yield "
                "a loss for every declared player at every step."
            )
        return torch.stack([report[k] for k in self.game.players])

    def rates_at(self, i: int) -> list[float]:
        """Learning rates of all groups of all players at step i."""
        return [r * f(i) for r, f in zip(self.rates, self.factors, strict=True)]

    def close(self) -> None:
        """Put the rates back."""
        self._set_rates(self.rates)

    def _set_rates(self, rates: Sequence[float]) -> None:
        for group, rate in zip(self.groups, rates, strict=True):
            if isinstance(group["lr"], Tensor):  # a graph reads it at its place
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate


def _one(i: int) -> float:
    return 1.0


class CapturedSteps(Steps):
    """The same, but `STRIDE` steps in a row are captured once and then replayed: the
    same operations on the same memory, without Python.

    The first `WARM` steps are played one by one, and count: nothing has to be undone,
    and the run is the one that it would have been. What differs between two replays
    lies in tensors that the graph reads: the rows of the batches, and the learning
    rates.

    The first replay is compared with the same steps played from Python: a number of
    Python's in `play`, such as a count, would be frozen in the graph. Where the losses
    are others, or nothing can be captured, the run goes on from Python, with one
    warning.

    Args:
        game: what is played.
        optimizers: one a player, all of them `capturable`.
        batches: on what.
        schedules: as in `Steps`.
    """

    def __init__(self, *given: Any):
        super().__init__(*given)
        self.warm = 0
        self.replay: Callable[[], object] | None = None
        self.given = [{k: g[k] for k in SWITCHES if k in g} for g in self.groups]
        for optimizer in self.optimizers.values():
            _keep_in_tensors(optimizer, self.batches.device)

    def play(self, i: int, most: int) -> Tensor:
        if most < STRIDE or self.warm < WARM:
            self.warm += 1
            return super().play(i, most)
        fed = [self.batches.feed() for _ in range(STRIDE)]
        rates = torch.tensor([self.rates_at(i + j) for j in range(STRIDE)])
        if self.replay is None:
            self._lay_out(fed, rates)
            self.replay = self._captured()
            return self.losses
        for held, new in zip(self.fed, fed, strict=True):
            for a, b in zip(held, new, strict=True):
                a.copy_(b, non_blocking=True)
        self.held_rates.copy_(rates, non_blocking=True)
        self.replay()
        return self.losses

    def close(self) -> None:
        """Put the rates and switches back."""
        for group, given in zip(self.groups, self.given, strict=True):
            group.update(given)

    def _lay_out(self, fed: list[list[Tensor]], rates: Tensor) -> None:
        """The memory that the graph reads and writes."""
        self.fed = [[t.clone() for t in of_step] for of_step in fed]
        self.held_rates = rates.to(self.batches.device)
        self.losses = torch.empty(
            STRIDE, len(self.game.players), device=self.batches.device
        )

    def _captured(self) -> Callable[[], object]:
        """Play the steps; what plays them again, from Python if it must."""
        before = self._content()
        self._play()
        after, told = self._content(), self.losses.clone()
        self._restore(before)
        try:
            replay = cuda_graph(self._play)
            replay()
        except RuntimeError as error:
            why = f"they cannot be captured as a graph: {error}"
        else:
            if torch.allclose(self.losses, told, SAME, SAME, equal_nan=True):
                return replay
            why = (
                "their replay has other losses. If `play` keeps a number of Python's, "
                "such as a count of steps, keep it in a buffer."
            )
        warnings.warn(f"steps are played from Python: {why}", stacklevel=4)
        self._restore(after)
        self.losses.copy_(told)
        return self._play

    def _content(self) -> tuple[list[Tensor], dict]:
        """All that steps change, as it is now."""
        return [t.clone() for t in self._changing()], noise(self.batches.device)

    @torch.no_grad()
    def _restore(self, content: tuple[list[Tensor], dict]) -> None:
        tensors, states = content
        for t, was in zip(self._changing(), tensors, strict=True):
            t.copy_(was)
        set_noise(states, self.batches.device)

    def _changing(self) -> list[Tensor]:
        """Weights, buffers, and what optimizers remember, at their places."""
        remembered = [
            kept
            for optimizer in self.optimizers.values()
            for state in optimizer.state.values()
            for kept in state.values()
            if isinstance(kept, Tensor)
        ]
        return [*self.game.parameters(), *self.game.buffers(), *remembered]

    def _play(self) -> None:
        """What is captured: from rows and rates to losses."""
        held = zip(self.fed, self.held_rates, self.losses, strict=True)
        for fed, rates, losses in held:
            for group, rate in zip(self.groups, rates, strict=True):
                group["lr"].copy_(rate)
            losses.copy_(self._step(self.batches.gather(fed)))


SWITCHES = ("lr", "capturable", "fused", "foreach")  # of a group, changed for it


def capturable(optimizer: torch.optim.Optimizer) -> bool:
    """Whether all that changes from step to step can be kept in tensors: a number of
    Python's would be frozen in the graph, and the run go on with it. Of torch's own
    classes it is known."""
    kind = type(optimizer)
    if not kind.__module__.startswith("torch.optim."):
        return False
    return kind is torch.optim.SGD or "capturable" in optimizer.defaults


def _keep_in_tensors(
    optimizer: torch.optim.Optimizer, device: torch.device | str
) -> None:
    """Learning rates and counters of steps on the device."""
    for group in optimizer.param_groups:
        group["lr"] = torch.tensor(float(group["lr"]), device=device)
        if "capturable" in group:
            group["capturable"] = True
        else:  # SGD reads the rate on the device only when it is fused
            group |= {"fused": True, "foreach": False}
    for state in optimizer.state.values():
        if isinstance(state.get("step"), Tensor):
            state["step"] = state["step"].to(device)


def cuda_graph(play: Callable[[], None]) -> Callable[[], None]:
    """Capture the operations of `play`, which are not carried out, as a CUDA graph.

    Returns:
        What carries them out.

    Raises:
        RuntimeError: they wait for the device, or there is none.
    """
    if not torch.cuda.is_available():
        raise RuntimeError("there is no CUDA device.")
    graph = torch.cuda.CUDAGraph()
    # Threads that read or pin what comes next are not of the graph, nor NCCL's.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        play()
    return graph.replay
