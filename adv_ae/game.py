"""The engine: a `Game` is the paper's algorithm box, and `step` plays it once.

Nothing else trains in this package. The book shows this file whole.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

Turn = dict[str, Tensor]


class WiringError(ValueError):
    """A game whose players, weights and losses do not fit together."""


class Game(nn.Module):
    """Networks, and the rule by which they play.

    `players` maps each player to the names of the networks (submodules, dotted paths
    allowed, or single parameters) whose weights it may change. `play(*batch)` is the
    paper's algorithm box: a generator that yields `{player: loss}`. At each `yield`
    every player in the dict moves at once, each down its own loss and only by its own
    weights; the code after the `yield` sees the new weights. One yield is simultaneous
    play, several are play in turn.

    Example:
        >>> class Mean(Game):
        ...     players = {"m": ("m",)}
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.m = nn.Parameter(torch.zeros(2))
        ...     def play(self, x):
        ...         yield {"m": (x - self.m).square().sum(1).mean()}
        >>> game = Mean()
        >>> sgd = {"m": torch.optim.SGD(game.weights("m"), lr=0.5)}
        >>> float(step(game, sgd, torch.ones(4, 2))["m"]), game.m.tolist()
        (2.0, [1.0, 1.0])
    """

    players: Mapping[str, tuple[str, ...]]

    def play(self, *batch: Tensor) -> Iterator[Turn]:
        """Yield `{player: scalar loss}` once per turn."""
        raise TypeError(f"{type(self).__name__} must define play(self, *batch)")

    def losses(self, *batch: Tensor) -> Turn:
        """Every player's loss at the present weights: `play` with nothing moving.

        Batch-norm statistics are put back, too. The losses carry gradients unless the
        caller is under `torch.no_grad()`.
        """
        kept = [
            (m, name, b)
            for m in self.modules()
            for name, b in m.named_buffers(recurse=False)
        ]
        for m, name, b in kept:  # play on copies: statistics move there
            setattr(m, name, b.clone())
        try:
            return {k: loss for turn in self.play(*batch) for k, loss in turn.items()}
        finally:
            for m, name, b in kept:
                setattr(m, name, b)

    def weights(self, player: str) -> list[nn.Parameter]:
        """The weights that a player may change, each once."""
        found: dict[int, nn.Parameter] = {}
        for _, part in self._parts(player):
            _collect(part, found)
        return list(found.values())

    def named_weights(self, player: str) -> Iterator[tuple[str, nn.Parameter]]:
        """Pairs (name, weight) of what a player may change."""
        for name, part in self._parts(player):
            if isinstance(part, nn.Parameter):
                yield name, part
            else:
                yield from part.named_parameters(prefix=name)

    def _parts(self, player: str) -> Iterator[tuple[str, nn.Module | nn.Parameter]]:
        """What `players` names."""
        if player not in self.players:
            raise WiringError(
                f"{type(self).__name__}: no player {player!r} is declared; "
                f"players = {dict(self.players)}. Add it there "
                "with the networks it may change."
            )
        for name in self.players[player]:
            yield name, _part(self, name)


def _collect(part: nn.Module | nn.Parameter, found: dict[int, nn.Parameter]) -> None:
    """The weights of a part by their id, as `parameters()` has them, in half its time:
    every step asks."""
    if isinstance(part, nn.Parameter):
        found[id(part)] = part
        return
    found |= {id(w): w for w in part._parameters.values() if w is not None}
    for child in part._modules.values():
        if child is not None:
            _collect(child, found)


def _part(game: Game, name: str) -> nn.Module | nn.Parameter:
    """The submodule or parameter of that name."""
    part: object = game
    for key in name.split("."):
        part = getattr(part, key, None)
    if not isinstance(part, nn.Module | nn.Parameter):
        networks = [k for k, _ in game.named_children()]
        raise WiringError(
            f"{type(game).__name__}: players name {name!r}, which is neither a network "
            f"nor a parameter of this game; its networks are {networks}."
        )
    return part


def step(
    game: Game, optimizers: Mapping[str, torch.optim.Optimizer], *batch: Tensor
) -> Turn:
    """Play the algorithm box once: at each yield, all players of the turn move at once.

    A player's gradient is `torch.autograd.grad(its loss, its weights)`, taken for all
    players of the turn before any of them moves. No host sync and no branch on a
    value: a whole step can be captured as one CUDA graph.

    Args:
        game: what is played.
        optimizers: one per player, over `game.weights(player)`.
        *batch: passed to `game.play`.

    Returns:
        ``{player: detached scalar loss}``, each as it was when the player moved.

    Raises:
        WiringError: a player that is not declared or has no optimizer, two players of
            one turn that share weights, a weight that gets no gradient, a loss that is
            not a scalar.
    """
    report = {}
    for turn in game.play(*batch):
        gradients: dict[str, tuple] = {}
        for i, (player, loss) in enumerate(turn.items()):
            weights = game.weights(player)
            _check_turn(game, optimizers, gradients, player, loss, weights)
            more = i + 1 < len(turn)  # the turn's next player needs the graph
            slopes = torch.autograd.grad(
                loss, weights, retain_graph=more, allow_unused=True
            )
            gradients[player] = weights, slopes
            report[player] = loss.detach()
        for player, (weights, slopes) in gradients.items():
            for w, slope in zip(weights, slopes, strict=True):
                if slope is None:
                    raise WiringError(_unused(game, player, w))
                w.grad = _as_it_lies(w, slope)
            optimizers[player].step()
    return report


def _as_it_lies(weight: Tensor, slope: Tensor) -> Tensor:
    """The gradient in the memory layout of its weight: fused optimizers read both as
    they lie, and take a transposed gradient for another one."""
    if slope.stride() == weight.stride():
        return slope
    return torch.empty_like(weight).copy_(slope)


def _check_turn(game, optimizers, gradients, player, loss, weights) -> None:
    """Raise on a turn that cannot be played as written."""
    who = f"{type(game).__name__}, player {player!r}"
    if player not in optimizers:
        raise WiringError(f"{who}: has no optimizer; there are {list(optimizers)}.")
    if not isinstance(loss, Tensor) or loss.dim() != 0:
        shape = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
        raise WiringError(
            f"{who}: its loss must be a scalar tensor, not {shape}; "
            "losses per example want .mean()."
        )
    if not loss.requires_grad:
        raise WiringError(
            f"{who}: its loss depends on no weights; was everything detached?"
        )
    mine = {id(w) for w in weights}
    for other, (theirs, _) in gradients.items():
        if any(id(w) in mine for w in theirs):
            raise WiringError(
                f"{who}: shares weights with {other!r}, and both move in one turn; "
                "yield them one after the other or give the weights to one of them."
            )


def _unused(game: Game, player: str, weight: Tensor) -> str:
    name = next(k for k, w in game.named_weights(player) if w is weight)
    return (
        f"{type(game).__name__}, player {player!r}: its loss gives no gradient "
        f"to {name!r}; is the network unused in this turn, or a .detach() in the way? "
        "Name in `players` only what the loss reaches."
    )
