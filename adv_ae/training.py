"""Many steps: resident data, learning-rate schedules, checkpoints, exact resume."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from adv_ae.batches import Batches, Stream
from adv_ae.capture import CapturedSteps, Steps, capturable
from adv_ae.checkpoints import (
    CheckpointError,
    Run,
    TrainingError,
    load_weights,
    save_weights,
)
from adv_ae.game import Game, Turn
from adv_ae.precision import at_precision, compiled
from adv_ae.ranks import Meetings, RankLost, Ranks, present

__all__ = [
    "Batches",
    "CheckpointError",
    "History",
    "TrainingError",
    "adam",
    "fading",
    "falling",
    "fit",
    "load_weights",
    "save_weights",
    "sgd",
    "staircase",
]

Optimizers = Mapping[str, torch.optim.Optimizer]
LOOK = 100  # steps between two looks at the losses: a look waits for the device


def adam(
    game: Game,
    lr: float | Mapping[str, float] = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    weight_decay: float = 0.0,
    eps: float = 1e-8,
) -> dict[str, torch.optim.Optimizer]:
    """One fused Adam a player, so that each role of a network has moments of its own.

    Args:
        game: whose players move.
        lr: learning rate, one for all or one a player.
        betas: decay rates of the two moments (ALI's printed "beta2 = 1e-3" is an older
            convention and means 0.999 here).
        weight_decay: added to the gradient times the weight.
        eps: added to the root of the second moment.
    """
    rates = _by_player(game, lr)
    return {
        player: torch.optim.Adam(
            game.weights(player), rate, betas, eps, weight_decay, fused=True
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


def falling(steps: int) -> Callable[[int], float]:
    """A schedule for `fit`: 1 for the first half of the run, then straight to 0.

    Players that circle each other at a constant rate settle as it falls.

    Example:
        >>> [falling(8)(i) for i in (0, 4, 6, 8)]
        [1.0, 1.0, 0.5, 0.0]
    """
    return lambda i: min(1.0, 2 - 2 * i / steps)


def fading(steps: int, to: float = 0.01) -> Callable[[int], float]:
    """A schedule for `fit`: 1 for the first half, then exponentially down to `to`.

    BiGAN's MNIST run has 200 epochs at a constant rate and 200 in which it falls to a
    hundredth (authors' code).

    Example:
        >>> [round(fading(8)(i), 6) for i in (0, 4, 6, 8)]
        [1.0, 1.0, 0.1, 0.01]
    """
    return lambda i: float(to ** max(0.0, 2 * i / steps - 1))


def staircase(*drops: int, factor: float = 0.1) -> Callable[[int], float]:
    """A schedule for `fit`: the rate falls to `factor` of itself at each of the steps.

    AAE's appendix A.2 has drops to a tenth at the epochs 50 and 1000.

    Example:
        >>> [staircase(2, 3)(i) for i in (0, 1, 2)]
        [1.0, 1.0, 0.1]
    """
    return lambda i: float(factor ** sum(i >= drop for drop in drops))


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


class History(Mapping):
    """Losses of a run: `history["D"]` is numpy (steps,), one float32 a step.

    Attributes:
        losses: {player: (steps,)}.
        steps: how many were played in all, over all resumes.
        seconds: wall time of this call.
        total_seconds: wall time of the run, the calls before a resume included (up to
            their last checkpoint).
        steps_per_second: of this call; nan where it had nothing to do.
    """

    def __init__(
        self,
        losses: dict[str, np.ndarray],
        seconds: float,
        played: int,
        before: float = 0.0,
    ):
        self.losses, self.seconds = losses, seconds
        self.total_seconds = before + seconds
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
    time_limit: float | None = None,
    precision: str | None = None,
    capture: bool | None = None,
    compile: bool = False,
) -> History:
    """Play `steps` steps on batches of `data`; the game is left in eval mode.

    No step waits for the device: losses are gathered there and looked at every 100
    steps. A run that is killed at any moment and resumed ends, on a CPU, bit for bit
    where it would have ended without.

    Between processes that torchrun started and `ranks.joined` has brought together each
    batch is shared out; see `adv_ae.ranks`. All of them begin with rank 0's weights.

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
            from 1; the losses are on the device: reading one waits for it. Every rank
            calls its own, with its own losses.
        progress: show a bar with losses and steps a second.
        checkpoint: folder for checkpoints, written every `every` steps and at the
            end; the last two are kept. None: none.
        every: steps between checkpoints.
        resume: go on from the last good checkpoint, if there is one.
        time_limit: seconds after which this call stops, with a checkpoint.
        precision: of products: "highest", "high", "medium" or "bfloat16", see
            `at_precision`; None: torch's present settings.
        capture: replay steps as a CUDA graph, ten at a time, see `adv_ae.capture`;
            None: on a CUDA device, unless an optimizer keeps numbers of Python's. With
            callbacks steps are always played one by one.
        compile: networks by `torch.compile`, see `precision.compiled`.

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
            twice it stops at once. Ranks take SIGTERM for it, too, and stop together,
            within about a second.
        TimeoutError: `time_limit`, after the step at hand and a checkpoint.
        RankLost: another rank has ended; names the step and the last good checkpoint.
    """
    if device is not None:
        game.to(device)
    if seed is not None:
        torch.manual_seed(seed)
    optimizers = adam(game) if optimizers is None else optimizers
    if schedules and not set(schedules) <= set(game.players):
        raise ValueError(f"schedules for {sorted(schedules)}, not all of them players.")
    ranks = present()
    home = game.weights(next(iter(game.players)))[0].device
    batches = Batches(data, batch_size, home, ranks)
    run = Run(
        game, optimizers, batches, steps, checkpoint, resume, seed, ranks, precision
    )
    start, i = time.perf_counter(), run.load()
    first, stops = i, [steps, LOOK, *([every] if checkpoint else [])]
    meetings, speaks = Meetings(ranks, i, steps, LOOK), progress and ranks.rank == 0
    kind = Steps if callbacks else _kind(capture, batches.device, optimizers)
    with (
        _told_where(run),
        ranks.averaging(optimizers),
        at_precision(game, precision),
        compiled(game, compile),
        _training(game),
        contextlib.closing(kind(game, optimizers, batches, schedules or {})) as playing,
        _deferred_interrupt(ranks) as asked,
        tqdm(total=steps, initial=first, disable=not speaks, unit="step") as bar,
    ):
        while i < steps:
            losses = playing.play(i, min(stop - i % stop for stop in stops))
            run.record(i, losses)
            i += len(losses)
            report = dict(zip(run.players, losses[-1], strict=True))
            for callback in callbacks:
                callback(game, i, report)
            if i % LOOK == 0 or i == steps:
                run.look(i)
                bar.update(i - bar.n)
                if speaks:
                    means = zip(run.players, run.log[i - 1].tolist(), strict=True)
                    bar.set_postfix({k: f"{v:.4g}" for k, v in means})
            seconds, last = time.perf_counter() - start, i == steps
            over = time_limit is not None and seconds > time_limit and not last
            interrupted, late = meetings.agree(i, bool(asked), over)
            if checkpoint and (i % every == 0 or last or late or interrupted):
                run.save(i, seconds)
            if interrupted:
                raise KeyboardInterrupt
            if late:
                raise TimeoutError(f"the time limit was reached at step {i}.")
        ranks.agree(game)  # on running statistics, too
    log = run.log.cpu().numpy()
    named = {k: log[:, j] for j, k in enumerate(run.players)}
    seconds = time.perf_counter() - start
    return History(named, seconds, steps - first, run.seconds)


def _kind(
    capture: bool | None, device: torch.device, optimizers: Optimizers
) -> type[Steps]:
    """How steps are played."""
    keeping = [k for k, o in optimizers.items() if not capturable(o)]
    if capture and keeping:
        raise ValueError(
            f"the optimizers of {keeping} keep numbers outside of tensors, which a "
            "graph would freeze; take torch's Adam or SGD, or capture=False."
        )
    if capture is None:
        capture = device.type == "cuda" and not keeping
    return CapturedSteps if capture else Steps


@contextlib.contextmanager
def _training(game: Game) -> Iterator[None]:
    """Train mode; however it ends, eval mode."""
    game.train()
    try:
        yield
    finally:
        game.eval()


@contextlib.contextmanager
def _told_where(run: Run) -> Iterator[None]:
    """A lost rank is reported with the step, and with what to do."""
    try:
        yield
    except RankLost as lost:
        raise RankLost(
            f"a rank is gone at step {run.played + 1} ({lost}); {run.last_good()}. "
            "Called again with resume=True, on the command line with --resume, the run "
            "goes on from there."
        ) from lost


@contextlib.contextmanager
def _deferred_interrupt(ranks: Ranks) -> Iterator[list[bool]]:
    """Ctrl-C fills the list instead of stopping in the middle of a step; the second
    one stops there.

    Ranks take SIGTERM for it, by which torchrun and machines that are taken away end a
    process; and none stops in the middle: torchrun passes Ctrl-C on, so that they get
    it twice.
    """
    asked: list[bool] = []
    usual: dict = {signal.SIGINT: signal.default_int_handler}
    if ranks.size > 1:
        usual[signal.SIGTERM] = signal.SIG_DFL
    if threading.current_thread() is not threading.main_thread():
        usual = {}  # it gets no signals
    # one that is ignored, or somebody else's, stays so
    usual = {s: h for s, h in usual.items() if signal.getsignal(s) == h}

    def ask(number: int, _: object) -> None:
        asked.append(True)
        if ranks.size == 1:
            signal.signal(number, usual[number])

    for number in usual:
        signal.signal(number, ask)
    try:
        yield asked
    finally:
        for number, before in usual.items():
            signal.signal(number, before)
