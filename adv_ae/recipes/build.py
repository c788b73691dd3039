"""A run as data: method, data set, networks, optimizers, and their numbers."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import torch

from adv_ae.batches import Stream
from adv_ae.data import Dataset, Split, load
from adv_ae.game import Game
from adv_ae.networks import Table
from adv_ae.recipes.families import FAMILIES, TABLE_FAMILIES
from adv_ae.recipes.methods import HIDDEN, LABELS, METHODS, RecipeError, known
from adv_ae.recipes.networks import LIKELIHOODS, PLANE, POSTERIORS, PRIORS, Setup
from adv_ae.training import adam, fading, falling, sgd, staircase

OPTIMIZERS = ("adam", "sgd")


@dataclass(frozen=True)
class Recipe:
    """A run, as `config.json` holds it; `recipe` fills in what is not said.

    Attributes:
        method, data: names.
        setup: of the networks.
        steps, batch_size, seed: of `fit`; a method with another before it (`first`)
            plays as many steps in each stage.
        lr: {player: learning rate}.
        optimizer: {player: one of `OPTIMIZERS`}.
        momentum: {player: momentum}, of those that move by SGD.
        betas: of those that move by Adam.
        constant: the rates stay; else they fall to 0 over the second half of the run.
        drops: steps at which the rates fall to `drop` of themselves, in the place of
            that.
        labels: how many examples of the train split keep their label; None: all.
        every: steps between checkpoints.
        weight_decay: of those that move by Adam: added to the gradient times the
            weight.
        fade: over the second half the rates fall exponentially to this share, in the
            place of a straight line to 0.
        examples: draws of a toy set in its train split; None: as many as it has.
        drop: what is left of the rates at each of the `drops`.
        eps: of Adam, added to the root of the second moment.
    """

    method: str
    data: str
    setup: Setup
    steps: int
    batch_size: int
    lr: Mapping[str, float] = field(hash=False)
    optimizer: Mapping[str, str] = field(hash=False)
    momentum: Mapping[str, float] = field(hash=False)
    betas: tuple[float, float]
    constant: bool
    drops: tuple[int, ...]
    labels: int | None
    seed: int
    every: int
    weight_decay: float = 0.0
    fade: float | None = None
    examples: int | None = None
    drop: float = 0.1
    eps: float = 1e-8

    def stretched(self, length: float) -> "Recipe":
        """The same run, of so many times the steps; a staircase stretches with it.

        Raises:
            RecipeError: no step would be left.
        """
        steps, *drops = (round(length * i) for i in (self.steps, *self.drops))
        if steps < 1:
            raise RecipeError(f"{length:g} of {self.steps} steps are none.")
        return dataclasses.replace(self, steps=steps, drops=tuple(drops))

    def dataset(self) -> Dataset:
        """The data set.

        Raises:
            DataError: it is not to be had.
        """
        return load(
            self.data, **({} if self.examples is None else {"n": self.examples})
        )

    def game(self) -> Game:
        """The game with fresh weights."""
        return METHODS[self.method].build(self.setup)

    def streams(self, train: Split) -> list[Stream]:
        """What is played on; which labels are kept depends on the seed.

        Raises:
            RecipeError: the method needs labels, or more heads, for this data.
        """
        streams = LABELS[METHODS[self.method].labels]
        return streams(train, self.setup.heads, self.labels, self.seed)

    def batch_sizes(self, streams: list[Stream]) -> list[int]:
        """Of the streams: of few labelled examples all."""
        lengths = [len(s[0] if isinstance(s, tuple) else s) for s in streams]
        return [self.batch_size, *(min(self.batch_size, n) for n in lengths[1:])]

    def optimizers(self, game: Game) -> dict[str, torch.optim.Optimizer]:
        """One a player of a game with this recipe's players."""
        kinds = {
            "adam": adam(game, self.lr, self.betas, self.weight_decay, self.eps),
            "sgd": sgd(game, self.lr, self.momentum),
        }
        return {player: kinds[self.optimizer[player]][player] for player in self.lr}

    def schedules(self, game: Game) -> dict:
        """Of each player of a game the factor of its rate at a step."""
        if self.constant:
            return {}
        fall = falling(self.steps)
        if self.drops:
            fall = staircase(*self.drops, factor=self.drop)
        elif self.fade is not None:
            fall = fading(self.steps, self.fade)
        return dict.fromkeys(game.players, fall)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "Recipe":
        """The recipe that `dataclasses.asdict` made this of, through JSON."""
        setup = {k: _tuple(v) for k, v in found["setup"].items()}
        rest = {k: _tuple(v) for k, v in found.items() if k != "setup"}
        return cls(setup=Setup(**setup), **rest)

    def to_dict(self) -> dict[str, Any]:
        """As JSON would give it back."""
        return dataclasses.asdict(self)


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def recipe(
    method: str,
    data: str,
    shape: tuple[int, ...],
    *,
    steps: int = 2000,
    batch_size: int | None = None,
    lr: float | Mapping[str, float] | None = None,
    optimizer: str | Mapping[str, str] = "adam",
    momentum: float | Mapping[str, float] = 0.0,
    betas: tuple[float, float] | None = None,
    constant: bool = False,
    drops: tuple[int, ...] = (),
    labels: int | None = None,
    seed: int = 0,
    latent: int | None = None,
    posterior: str | None = None,
    prior: str | None = None,
    hidden: tuple[int, ...] | None = None,
    networks: str | None = None,
    every: int = 1000,
    weight_decay: float = 0.0,
    fade: float | None = None,
    examples: int | None = None,
    drop: float = 0.1,
    eps: float = 1e-8,
    **setup: Any,
) -> Recipe:
    """A run of a method on a data set; what is None is the method's own.

    The networks are the papers' 784-1000-1000-z for pictures of 784 pixels (AAE,
    appendix A.1), and have two hidden layers of 128 for smaller data.

    Args:
        method: one of `METHODS`.
        data: name of the set, kept for the record.
        shape: of one example.
        steps: how many.
        batch_size: rows a batch.
        lr: learning rate of all players, or of some, which leaves the others theirs.
        optimizer: of all players, or of some (the others move by Adam).
        momentum: of all players, or of some (the others have none).
        betas: of Adam.
        constant: do not let the rates fall.
        drops: steps at which the rates fall to `drop` of themselves.
        labels: how many examples keep their label, where the method can do with few.
        seed: of weights, batches and the choice of labels.
        latent: dimension of z.
        posterior: one of `POSTERIORS`.
        prior: one of `PRIORS`.
        hidden: widths of hidden layers.
        networks: one of `FAMILIES`.
        every: steps between checkpoints.
        weight_decay, fade, examples, drop, eps: as in `Recipe`.
        **setup: the other attributes of `Setup`.

    Raises:
        RecipeError: a name is not known, or choices do not go together.
    """
    method = known(method, METHODS, "method")
    m, large = METHODS[method], math.prod(shape) >= 784
    if posterior is not None and not m.posteriors:
        raise RecipeError(f"{method} has no encoder, so no posterior can be chosen.")
    if m.posteriors:
        posterior = known(posterior or m.posteriors[0], POSTERIORS, "posterior")
    prior = known(prior or m.priors[0], PRIORS, "prior")
    networks = known(networks or m.networks[0], tuple(FAMILIES), "networks")
    for what, name, fits in (
        ("posterior", posterior, m.posteriors),
        ("prior", prior, m.priors),
        ("networks", networks, m.networks),
    ):
        if name is not None and name not in fits:
            raise RecipeError(
                f"{method} cannot take the {what} {name!r}; it takes {', '.join(fits)}."
            )
    if labels is not None and not m.few_labels:
        raise RecipeError(f"{method} cannot do with some labels: it takes all or none.")
    if networks in TABLE_FAMILIES:
        latent = _fits_table(TABLE_FAMILIES[networks], shape, latent)
    if latent is None:
        latent = 2 if prior in PLANE else m.latent_large if large else m.latent
    if prior in PLANE and latent != 2:
        raise RecipeError(f"the prior {prior!r} lies in the plane: latent must be 2.")
    hidden = hidden or ((1000, 1000) if large else (128, 128))
    more: dict[str, Any] = {"heads": m.heads, "networks": networks} | setup
    likelihood = more.get("likelihood", LIKELIHOODS[0])
    more["likelihood"] = known(likelihood, LIKELIHOODS, "likelihood")
    made = Setup(tuple(shape), latent, tuple(hidden), posterior, prior, **more)
    for need in (HIDDEN, *m.needs):
        if not need.met(made):
            raise RecipeError(f"{method}: {need.say}.")
    if examples is not None and made.shape != (2,):
        raise RecipeError("examples are of toy sets; other sets have those they have.")
    all_adam, no_momentum = (dict.fromkeys(m.rates, v) for v in ("adam", 0.0))
    moves = _by_player(all_adam, optimizer, "an optimizer")
    moves = {k: known(v, OPTIMIZERS, "optimizer") for k, v in moves.items()}
    return Recipe(
        method=method,
        data=data,
        setup=made,
        steps=steps,
        batch_size=batch_size or m.batch_size,
        lr=_by_player(m.rates, lr, "a learning rate"),
        optimizer=moves,
        momentum=_by_player(no_momentum, momentum, "a momentum"),
        betas=betas or m.betas,
        constant=constant,
        drops=tuple(drops),
        labels=labels,
        seed=seed,
        every=every,
        weight_decay=weight_decay,
        fade=fade,
        examples=examples,
        drop=drop,
        eps=eps,
    )


def _fits_table(table: Table, shape: tuple[int, ...], latent: int | None) -> int:
    """The dimension of z that a table has."""
    if tuple(shape) != table.shape:
        raise RecipeError(
            f"the networks ali-{table.name} are of examples of shape {table.shape}, "
            f"not {tuple(shape)}."
        )
    if latent not in (None, table.latent):
        raise RecipeError(
            f"the networks ali-{table.name} have {table.latent} numbers in z, not "
            f"{latent}."
        )
    return table.latent


def _by_player(own: Mapping[str, Any], given: Any, what: str) -> dict[str, Any]:
    """One value a player: the given one, where nothing is given the method's own."""
    if given is None:
        return dict(own)
    if not isinstance(given, Mapping):
        return dict.fromkeys(own, given)
    for player in given:
        if player not in own:
            near = get_close_matches(player, list(own), n=1, cutoff=0.3)
            hint = f" did you mean {near[0]!r}?" if near else ""
            raise RecipeError(
                f"{what} for {player!r};{hint} The players are {', '.join(own)}."
            )
    return dict(own) | dict(given)
