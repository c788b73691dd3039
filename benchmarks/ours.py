"""This package: `fit`, and the same modules in a plain loop without its engine."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from adv_ae.divergences import fake, real
from adv_ae.game import Game
from adv_ae.precision import at_precision
from adv_ae.training import adam, fit
from benchmarks.work import LR, Play, Tick, Work, batches

Moved = Iterator[tuple[str, Tensor]]  # players, and their losses before they moved


def engine(work: Work, precision: str, device: str) -> Play:
    """`fit` as a reader calls it."""
    game, streams = work.game(device), work.streams(device)
    optimizers = adam(game, LR)

    def play(steps: int, tick: Tick) -> None:
        fit(
            game,
            streams,
            optimizers,
            steps,
            work.batch,
            precision=precision,
            callbacks=[lambda game, step, losses: tick(losses)],
        )

    return play


def captured(work: Work, precision: str, device: str) -> Play:
    """`fit` with its steps replayed as a CUDA graph. Callbacks would keep it from that,
    so the clock is looked at by a schedule, which `fit` asks before every step."""
    game, streams = work.game(device), work.streams(device)
    optimizers, player = adam(game, LR), next(iter(game.players))

    def play(steps: int, tick: Tick) -> None:
        def constant(i: int) -> float:
            if i > 0:
                tick({})
            return 1.0

        fit(
            game,
            streams,
            optimizers,
            steps + 1,
            work.batch,
            precision=precision,
            schedules={player: constant},
            capture=True,
        )

    return play


def plain(work: Work, precision: str, device: str) -> Play:
    """The same modules, distributions and optimizers, moved in a plain loop: what is
    left of `engine` without `Game`, `step` and `fit`."""
    game, streams = work.game(device), work.streams(device)
    loop = LOOPS[type(game).__name__]
    mover, drawn = Mover(game), batches(streams, work.batch)

    def play(steps: int, tick: Tick) -> None:
        with at_precision(game, precision):
            for _ in range(steps):
                tick(dict(loop(game, mover, *next(drawn))))

    return play


class Mover:
    """A gradient by the player's weights, and a step of its optimizer."""

    def __init__(self, game: Game):
        self.optimizers = adam(game, LR)
        self.weights = {player: game.weights(player) for player in game.players}

    def __call__(self, **losses: Tensor) -> Moved:
        """Move these players at once."""
        gradients = {
            player: torch.autograd.grad(loss, self.weights[player], retain_graph=True)
            for player, loss in losses.items()
        }
        for player, slopes in gradients.items():
            for w, slope in zip(self.weights[player], slopes, strict=True):
                w.grad = slope
            self.optimizers[player].step()
            yield player, losses[player].detach()


def _aae(game, move: Mover, x: Tensor) -> Moved:
    q, p, prior, D = game.q, game.p, game.prior, game.D
    yield from move(reconstruction=-p(q(x).rsample()).log_prob(x).mean())
    z, z_hat = prior.sample(len(x)), q(x).rsample()
    yield from move(D=real(D(z)) + fake(D(z_hat.detach())))
    yield from move(G=real(D(z_hat)))


def _bigan(game, move: Mover, x: Tensor) -> Moved:
    E, G, D = game.q, game.p, game.D
    z = game.prior.sample(len(x))
    on_E, on_G = D(x, E(x).rsample()), D(G(z).rsample(), z)
    yield from move(D=real(on_E) + fake(on_G), G=fake(on_E) + real(on_G))


def _semi_supervised(game, move: Mover, x: Tensor, x_l: Tensor, y_l: Tensor) -> Moved:
    q, p, D_y, D_z = game.q, game.p, game.D_y, game.D_z
    q_y, q_z = q(x)
    p_x = p(q_y.rsample(), q_z.rsample())
    yield from move(reconstruction=-p_x.log_prob(x).mean())
    y, z = game.prior_y.sample(len(x)), game.prior.sample(len(x))
    q_y, q_z = q(x)
    y_hat, z_hat = q_y.rsample(), q_z.rsample()
    on_y = real(D_y(y)) + fake(D_y(y_hat.detach()))
    yield from move(D=on_y + real(D_z(z)) + fake(D_z(z_hat.detach())))
    yield from move(G=real(D_y(y_hat)) + real(D_z(z_hat)))
    q_y, _ = q(x_l)
    y = game.prior_y.one_hot(y_l)
    yield from move(classification=-q_y.log_prob(y).mean())


LOOPS: dict[str, Callable[..., Moved]] = {
    "AAE": _aae,
    "BiGAN": _bigan,
    "SemiSupervisedAAE": _semi_supervised,
}
