"""What a run has to remember: its losses, and checkpoints on the disk."""

import hashlib
import json
import os
import shutil
import warnings
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from torch import Tensor

from adv_ae.game import Game
from adv_ae.ranks import ALONE, Ranks


class TrainingError(RuntimeError):
    """A loss stopped being a number."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, or that belongs to another run."""


# What reading a file of chance bytes can raise; a CheckpointError is none of it.
_DAMAGED = (
    OSError,
    KeyError,
    TypeError,
    json.JSONDecodeError,
    UnicodeDecodeError,
    SafetensorError,
)


class Run:
    """What a checkpoint holds, and the folder of checkpoints.

    A checkpoint is a folder `step-N` of weights.safetensors, state.pt (loaded with
    `weights_only=True`) and manifest.json with their sha256. It is written under
    another name, synced, then renamed: a folder `step-N` is whole, whenever the run is
    killed.

    Of several ranks the first one reads and writes; the noise of all is kept. At
    another number of ranks weights, optimizers, the order of the data and rank 0's
    noise go on exactly, and the other ranks get new noise.
    """

    def __init__(
        self,
        game,
        optimizers,
        batches,
        steps,
        folder,
        resume,
        seed,
        ranks: Ranks = ALONE,
        precision: str | None = None,
    ):
        self.game, self.optimizers, self.batches = game, optimizers, batches
        self.steps, self.resume, self.ranks = steps, resume, ranks
        self.folder = Path(folder) if folder is not None else None
        self.players = list(game.players)
        self.log = torch.full((steps, len(self.players)), torch.nan)
        self.log = self.log.to(game.weights(self.players[0])[0].device)
        self.played = 0  # steps
        self.seen = 0  # losses before this step are known to be finite
        self.good: Path | None = None  # the last checkpoint
        self.seconds = 0.0  # that the run had taken when it was last saved
        self.identity = {
            "game": type(game).__name__,
            "weights": {k: list(w.shape) for k, w in game.state_dict().items()},
            "batch_size": batches.sizes,
            "data": [_digest(t) for s in batches.streams for t in s] if folder else [],
            "optimizers": {k: type(o).__name__ for k, o in optimizers.items()},
            "seed": seed,
            "precision": precision,
        }

    def record(self, i: int, losses: Tensor) -> None:
        """Keep the losses of the steps from i on, counted from 0, a row each; no wait
        for the device."""
        self.played = i + len(losses)
        self.log[i : self.played] = losses

    def look(self, step: int) -> None:
        """Take the mean of losses over the ranks up to this step; raise where one is
        not finite."""
        if step == self.seen:
            return
        self.ranks.mean_(self.log[self.seen : step])
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
        return f"{self.last_good()}. A smaller learning rate is the usual cure."

    def last_good(self) -> str:
        """Where a run goes on from, as part of a sentence."""
        if self.good is None:
            return "no checkpoint"
        return f"the last good checkpoint is {self.good}"

    def save(self, step: int, seconds: float = 0.0) -> None:
        """Write the checkpoint of this step, then drop all but the last two; `seconds`
        is what the run has taken since it was loaded."""
        self.look(step)
        self._look_at_weights(step)
        state = self._state(step)
        assert self.folder is not None
        self.good = self.folder / f"step-{step:09d}"
        if self.ranks.rank == 0:
            self._write(self.good, step, seconds, state)

    def _write(self, target: Path, step: int, seconds: float, state: dict) -> None:
        """The checkpoint, on the disk as `target`."""
        assert self.folder is not None
        for left in self.folder.glob("draft-*"):  # by a run that was killed
            shutil.rmtree(left)
        draft = self.folder / f"draft-{step:09d}"
        draft.mkdir(parents=True)
        save_model(self.game, str(draft / "weights.safetensors"))
        torch.save(state, draft / "state.pt")
        names = ("weights.safetensors", "state.pt")
        sums = {n: hashlib.sha256((draft / n).read_bytes()).hexdigest() for n in names}
        manifest = {
            "step": step,
            "seconds": self.seconds + seconds,
            "run": self.identity,
            "sha256": sums,
        }
        (draft / "manifest.json").write_text(json.dumps(manifest, indent=1))
        for path in (*draft.iterdir(), draft):
            _sync(path)
        if target.exists():  # damaged, and this run went on from the one before
            shutil.rmtree(target)
        os.replace(draft, target)
        _sync(self.folder)
        for old in self._saved()[:-2]:
            shutil.rmtree(old)

    def _state(self, step: int) -> dict:
        return {
            "optimizers": {k: o.state_dict() for k, o in self.optimizers.items()},
            "batches": self.batches.state_dict(),
            "log": self.log[:step].cpu(),
            "noise": self.ranks.gather(noise(self.log.device)),
        }

    def _saved(self) -> list[Path]:
        return sorted(self.folder.glob("step-*")) if self.folder else []

    def load(self) -> int:
        """Go on from the newest checkpoint that is whole, or begin; the step it was
        written at.
        """
        found = self.ranks.by_first(self._newest)
        self.ranks.agree(self.game)
        if found is None:
            self.ranks.spread_noise()
            return 0
        self.good = found["path"]
        self.seen = self.played = found["step"]
        self.seconds = found["seconds"]
        for player, optimizer in self.optimizers.items():
            moments = found["optimizers"][player]["state"]  # rates stay as given
            optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})
        self.batches.load_state_dict(found["batches"])
        self.log[: self.played] = found["log"].to(self.log.device)
        self._take_noise(found["noise"])
        return self.played

    def _take_noise(self, states: list[dict]) -> None:
        """Each rank its own; ranks that have none, or all above the first where their
        number is another, get new noise."""
        as_many = len(states) == self.ranks.size
        if as_many or self.ranks.rank == 0:
            set_noise(states[self.ranks.rank], self.log.device)
        if not as_many:
            self.ranks.spread_noise()

    def _newest(self) -> dict | None:
        """Content of the newest checkpoint that is whole, its weights in the game; None
        if there is none at all."""
        saved = self._saved()
        if saved and not self.resume:
            raise CheckpointError(
                f"{self.folder} holds a run already; resume it or take another folder."
            )
        for path in reversed(saved):
            try:
                found = self._read(path)
            except _DAMAGED as error:
                warnings.warn(
                    f"{path} is damaged ({error}); trying the one before.", stacklevel=2
                )
                continue
            for old in saved[: max(saved.index(path) - 1, 0)]:  # a kill left them
                shutil.rmtree(old)
            return found
        if saved:
            raise CheckpointError(
                f"no checkpoint in {self.folder} can be read; remove the folder to "
                "start again."
            )
        return None

    def _read(self, path: Path) -> dict:
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
        state = torch.load(path / "state.pt", "cpu", weights_only=True)
        kept = {key: state[key] for key in ("optimizers", "batches", "log", "noise")}
        return kept | {k: manifest[k] for k in ("step", "seconds")} | {"path": path}


def noise(device: torch.device) -> dict[str, Tensor | None]:
    """States of the generators that a run on this device draws from."""
    cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def set_noise(states: dict[str, Tensor | None], device: torch.device) -> None:
    """Let them go on from these states of `noise`."""
    assert states["cpu"] is not None
    torch.set_rng_state(states["cpu"])
    if states["cuda"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)


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
