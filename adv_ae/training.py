"""Many steps: resident data, learning-rate schedules, checkpoints, exact resume."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from torch import Tensor
from tqdm.auto import tqdm

from adv_ae.data import as_float
from adv_ae.game import Game, Turn, WiringError, step

Stream = Tensor | tuple[Tensor, ...]
Optimizers = Mapping[str, torch.optim.Optimizer]
LOOK = 100  # steps between two looks at the losses: a look waits for the device


class TrainingError(RuntimeError):
    """A loss stopped being a number."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, or that belongs to another run."""


def adam(
    game: Game,
    lr: float | Mapping[str, float] = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    weight_decay: float = 0.0,
) -> dict[str, torch.optim.Optimizer]:
    """One fused Adam a player, so that each role of a network has moments of its own.

    Args:
        game: whose players move.
        lr: learning rate, one for all or one a player.
        betas: decay rates of the two moments (ALI's printed "beta2 = 1e-3" is an older
            convention and means 0.999 here).
        weight_decay: added to the gradient times the weight.
    """
    rates = _by_player(game, lr)
    return {
        player: torch.optim.Adam(
            game.weights(player), rate, betas, weight_decay=weight_decay, fused=True
        )
        for player, rate in rates.items()
    }


def sgd(
    game: Game,
    lr: float | Mapping[str, float],
    momentum: float | Mapping[str, float] = 0.0,
) -> dict[str, torch.optim.Optimizer]:
    """One SGD a player; AAE takes momentum 0.9 to reconstruct, 0.1 for D and G
    (A.2).
    """
    rates, momenta = _by_player(game, lr), _by_player(game, momentum)
    return {
        player: torch.optim.SGD(game.weights(player), rate, momenta[player])
        for player, rate in rates.items()
    }


def _by_player(game: Game, given: float | Mapping[str, float]) -> dict[str, float]:
    """One number a player."""
    if not isinstance(given, Mapping):
        return {player: float(given) for player in game.players}
    if set(given) != set(game.players):
        raise ValueError(
            f"one number for each of the players {sorted(game.players)} is wanted, "
            f"not for {sorted(given)}."
        )
    return {player: float(given[player]) for player in game.players}


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


class History(Mapping):
    """Losses of a run: `history["D"]` is numpy (steps,), one float32 a step.

    Attributes:
        losses: {player: (steps,)}.
        steps: how many were played in all, over all resumes.
        seconds: wall time of this call.
        steps_per_second: of this call; nan where it had nothing to do.
    """

    def __init__(self, losses: dict[str, np.ndarray], seconds: float, played: int):
        self.losses, self.seconds = losses, seconds
        self.steps = len(next(iter(losses.values())))
        self.steps_per_second = played / seconds if played else float("nan")

    def __getitem__(self, player: str) -> np.ndarray:
        return self.losses[player]

    def __iter__(self) -> Iterator[str]:
        return iter(self.losses)

    def __len__(self) -> int:
        return len(self.losses)

    def mean(self, player: str, last: int = 100) -> float:
        """A player's mean loss over the last steps."""
        return float(self.losses[player][-last:].mean())


def fit(
    game: Game,
    data: Stream | Sequence[Stream],
    optimizers: Optimizers | None = None,
    steps: int = 1000,
    batch_size: int | Sequence[int] = 100,
    *,
    seed: int | None = None,
    device: torch.device | str | None = None,
    schedules: Mapping[str, Callable[[int], float]] | None = None,
    callbacks: Sequence[Callable[[Game, int, Turn], None]] = (),
    progress: bool = False,
    checkpoint: str | Path | None = None,
    every: int = 1000,
    resume: bool = False,
) -> History:
    """Play `steps` steps on batches of `data`; the game is left in eval mode.

    No step waits for the device: losses are gathered there and looked at every 100
    steps. A run that is killed at any moment and resumed ends, on a CPU, bit for bit
    where it would have ended without.

    Args:
        game: what is played.
        data: one tensor, a tuple of aligned tensors, or a list of such streams; see
            `Batches`.
        optimizers: one a player, over `game.weights(player)`; None: `adam(game)`.
        steps: how many in all, those before a resume counted.
        batch_size: rows a batch, one for all streams or one each.
        seed: of torch's global generator, set before the first step; None: as it
            stands.
        device: where to play; None: where the game is.
        schedules: {player: factor of its learning rate at a step, counted from 0}.
            The rates themselves are put back at the end.
        callbacks: called as `callback(game, step, losses)` after every step, counted
            from 1; the losses are on the device: reading one waits for it.
        progress: show a bar with losses and steps a second.
        checkpoint: folder for checkpoints, written every `every` steps and at the
            end; the last two are kept. None: none.
        every: steps between checkpoints.
        resume: go on from the last good checkpoint, if there is one.

    Returns:
        The losses of all steps, those before a resume too.

    Raises:
        TrainingError: a loss or a weight is nan or infinite; names player, step and
            last good checkpoint.
        CheckpointError: the folder holds a run (and `resume` is off), or another
            run's.
        WiringError: as in `step`, or a player that does not play.
        ValueError: data that cannot be batched, or a schedule for nobody.
        KeyboardInterrupt: Ctrl-C, after the step at hand and a checkpoint; pressed
            twice it stops at once.
    """
    if device is not None:
        game.to(device)
    if seed is not None:
        torch.manual_seed(seed)
    optimizers = adam(game) if optimizers is None else optimizers
    if schedules and not set(schedules) <= set(game.players):
        raise ValueError(f"schedules for {sorted(schedules)}, not all of them players.")
    batches = Batches(
        data, batch_size, game.weights(next(iter(game.players)))[0].device
    )
    run = _Run(game, optimizers, batches, steps, checkpoint, resume, seed)
    start, first = time.perf_counter(), run.load()
    with (
        _training(game, optimizers) as rates,
        _deferred_interrupt() as interrupted,
        tqdm(total=steps, initial=first, disable=not progress, unit="step") as bar,
    ):
        for i in range(first, steps):
            for player, factor in (schedules or {}).items():
                _set_rates(optimizers[player], rates[player], factor(i))
            report = step(game, optimizers, *batches.draw())
            run.record(i, report)
            for callback in callbacks:
                callback(game, i + 1, report)
            if (i + 1) % LOOK == 0 or i + 1 == steps:
                run.look(i + 1)
                bar.update(i + 1 - bar.n)
                if progress:
                    bar.set_postfix({k: f"{float(v):.4g}" for k, v in report.items()})
            if checkpoint and ((i + 1) % every == 0 or i + 1 == steps or interrupted):
                run.save(i + 1)
            if interrupted:
                raise KeyboardInterrupt
    losses = run.log.cpu().numpy()
    named = {k: losses[:, j] for j, k in enumerate(run.players)}
    return History(named, time.perf_counter() - start, steps - first)


def _set_rates(
    optimizer: torch.optim.Optimizer, rates: list[float], factor: float = 1.0
) -> None:
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        if isinstance(group["lr"], Tensor):  # a captured step reads it at its place
            group["lr"].fill_(rate * factor)
        else:
            group["lr"] = rate * factor


@contextlib.contextmanager
def _training(game: Game, optimizers: Optimizers) -> Iterator[dict[str, list[float]]]:
    """Train mode, and the learning rates as they are now; however it ends, eval mode
    and the same rates.
    """
    game.train()
    now = {
        k: [float(group["lr"]) for group in o.param_groups]
        for k, o in optimizers.items()
    }
    try:
        yield now
    finally:
        game.eval()
        for player, optimizer in optimizers.items():
            _set_rates(optimizer, now[player])


@contextlib.contextmanager
def _deferred_interrupt() -> Iterator[list[bool]]:
    """Ctrl-C fills the list instead of stopping in the middle of a step; the second
    one stops there.
    """
    asked: list[bool] = []
    before = signal.getsignal(signal.SIGINT)
    if (
        threading.current_thread() is not threading.main_thread()  # it gets no signals
        or before is not signal.default_int_handler  # ignored, or somebody else's
    ):
        yield asked
        return

    def ask(*_: object) -> None:
        asked.append(True)
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


# What reading a file of chance bytes can raise; a CheckpointError is none of it.
_DAMAGED = (
    OSError,
    KeyError,
    TypeError,
    json.JSONDecodeError,
    UnicodeDecodeError,
    SafetensorError,
)


class _Run:
    """What a checkpoint holds, and the folder of checkpoints.

    A checkpoint is a folder `step-N` of weights.safetensors, state.pt (loaded with
    `weights_only=True`) and manifest.json with their sha256. It is written under
    another name, synced, then renamed: a folder `step-N` is whole, whenever the run is
    killed.
    """

    def __init__(self, game, optimizers, batches, steps, folder, resume, seed):
        self.game, self.optimizers, self.batches = game, optimizers, batches
        self.steps, self.resume = steps, resume
        self.folder = Path(folder) if folder is not None else None
        self.players = list(game.players)
        self.log = torch.full((steps, len(self.players)), torch.nan)
        self.log = self.log.to(game.weights(self.players[0])[0].device)
        self.seen = 0  # losses before this step are known to be finite
        self.identity = {
            "game": type(game).__name__,
            "weights": {k: list(w.shape) for k, w in game.state_dict().items()},
            "batch_size": batches.sizes,
            "data": [_digest(t) for s in batches.streams for t in s] if folder else [],
            "optimizers": {k: type(o).__name__ for k, o in optimizers.items()},
            "seed": seed,
        }

    def record(self, i: int, report: Turn) -> None:
        """Keep the losses of step i, counted from 0; no wait for the device."""
        if len(report) != len(self.players):
            idle = [k for k in self.players if k not in report]
            raise WiringError(
                f"{type(self.game).__name__}: {idle} did not play; `play` must yield "
                "a loss for every declared player at every step."
            )
        self.log[i] = torch.stack([report[k] for k in self.players])

    def look(self, step: int) -> None:
        """Raise where a loss up to this step is not finite."""
        bad = (~self.log[self.seen : step].isfinite()).nonzero()
        if len(bad):
            row, column = bad[0].tolist()
            row += self.seen
            raise TrainingError(
                f"the loss of player {self.players[column]!r} is "
                f"{self.log[row, column].item()} at step {row + 1}; {self._advice()}"
            )
        self.seen = step

    def _look_at_weights(self, step: int) -> None:
        """Raise where a weight is not finite, though the losses before were."""
        for player in self.players:
            for name, w in self.game.named_weights(player):
                if not w.isfinite().all():
                    raise TrainingError(
                        f"weights {name} of player {player!r} are not finite after "
                        f"step {step}; {self._advice()}"
                    )

    def _advice(self) -> str:
        good = self._saved()
        last = f"the last good checkpoint is {good[-1]}" if good else "no checkpoint"
        return f"{last}. A smaller learning rate is the usual cure."

    def save(self, step: int) -> None:
        """Write the checkpoint of this step, then drop all but the last two."""
        self.look(step)
        self._look_at_weights(step)
        assert self.folder is not None
        for left in self.folder.glob("draft-*"):  # by a run that was killed
            shutil.rmtree(left)
        draft = self.folder / f"draft-{step:09d}"
        draft.mkdir(parents=True)
        save_model(self.game, str(draft / "weights.safetensors"))
        torch.save(self._state(step), draft / "state.pt")
        names = ("weights.safetensors", "state.pt")
        sums = {n: hashlib.sha256((draft / n).read_bytes()).hexdigest() for n in names}
        manifest = {"step": step, "run": self.identity, "sha256": sums}
        (draft / "manifest.json").write_text(json.dumps(manifest, indent=1))
        for path in (*draft.iterdir(), draft):
            _sync(path)
        target = self.folder / f"step-{step:09d}"
        if target.exists():  # damaged, and this run went on from the one before
            shutil.rmtree(target)
        os.replace(draft, target)
        _sync(self.folder)
        for old in self._saved()[:-2]:
            shutil.rmtree(old)

    def _state(self, step: int) -> dict:
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        return {
            "optimizers": {k: o.state_dict() for k, o in self.optimizers.items()},
            "batches": self.batches.state_dict(),
            "log": self.log[:step].cpu(),
            "rng": torch.get_rng_state(),
            "cuda rng": cuda,
        }

    def _saved(self) -> list[Path]:
        return sorted(self.folder.glob("step-*")) if self.folder else []

    def load(self) -> int:
        """Go on from the newest checkpoint that is whole; the step it was written
        at.
        """
        saved = self._saved()
        if saved and not self.resume:
            raise CheckpointError(
                f"{self.folder} holds a run already; resume it or take another folder."
            )
        for path in reversed(saved):
            try:
                return self._load(path)
            except _DAMAGED as error:
                warnings.warn(
                    f"{path} is damaged ({error}); trying the one before.", stacklevel=2
                )
        if saved:
            raise CheckpointError(
                f"no checkpoint in {self.folder} can be read; remove the folder to "
                "start again."
            )
        return 0

    def _load(self, path: Path) -> int:
        manifest = json.loads((path / "manifest.json").read_text())
        for name, want in manifest["sha256"].items():
            if hashlib.sha256((path / name).read_bytes()).hexdigest() != want:
                raise OSError(f"{name} has another sha256 than its manifest says")
        for key, mine in self.identity.items():
            if manifest["run"][key] != json.loads(json.dumps(mine)):
                raise CheckpointError(
                    f"{path} belongs to another run: its {key} differs from this one's."
                )
        if manifest["step"] > self.steps:
            raise CheckpointError(
                f"{path} is at step {manifest['step']}, beyond the "
                f"{self.steps} asked for."
            )
        load_model(self.game, str(path / "weights.safetensors"))
        state = torch.load(path / "state.pt", weights_only=True)
        for player, optimizer in self.optimizers.items():
            moments = state["optimizers"][player]["state"]  # rates stay as given
            optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})
        self.batches.load_state_dict(state["batches"])
        self.log[: manifest["step"]] = state["log"].to(self.log.device)
        self.seen = manifest["step"]
        torch.set_rng_state(state["rng"])
        if state["cuda rng"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(state["cuda rng"])
        return manifest["step"]


def _digest(t: Tensor) -> str:
    """Shape, type and sha256 of a tensor."""
    raw = t.detach().cpu().contiguous().numpy().tobytes()
    return f"{tuple(t.shape)} {t.dtype} {hashlib.sha256(raw).hexdigest()}"


def _sync(path: Path) -> None:
    """Wait until a file or a folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def save_weights(game: Game, path: str | Path) -> None:
    """Write weights and buffers as safetensors; the file appears whole or not at
    all.
    """
    path = Path(path)
    draft = path.with_name(path.name + ".draft")
    save_model(game, str(draft))
    _sync(draft)
    os.replace(draft, path)


def load_weights(game: Game, path: str | Path) -> None:
    """Read what `save_weights` wrote.

    Raises:
        CheckpointError: the file is no safetensors, or names and shapes do not fit.
    """
    try:
        load_model(game, str(path))
    except (SafetensorError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} does not fit {type(game).__name__}: {error}"
        ) from error
