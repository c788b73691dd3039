"""Checkers of the exercises of chapter 10, Making it train: six silent bugs.

Each looks at behavior (losses at known pairs, gradients, statistics), on inputs of its
own: no seed matters.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from adv_ae.check import CheckError, equal
from adv_ae.conditionals import Deterministic, Gaussian
from adv_ae.divergences import fake, real
from adv_ae.games import ALI
from adv_ae.networks import MLP, Discriminator
from adv_ae.priors import Normal


class _Kept(Normal):
    """A prior that keeps its draws."""

    def __init__(self, dim: int):
        super().__init__(dim)
        self.drawn: list[Tensor] = []

    def sample(self, n: int) -> Tensor:
        self.drawn.append(super().sample(n))
        return self.drawn[-1]


class _Fixed(Normal):
    """A prior whose draws are always the same."""

    def sample(self, n: int) -> Tensor:
        return torch.linspace(-1, 1, n * self.dim).view(n, self.dim)


class _Table(nn.Module):
    """A network whose output is a parameter, whatever it is given."""

    def __init__(self, out: Tensor):
        super().__init__()
        self.out = nn.Parameter(out)

    def forward(self, *given: Tensor) -> Tensor:
        return self.out


def _pictures() -> Tensor:
    return torch.linspace(0, 1, 40).view(8, 5)


def exercise_1(Game: type[ALI]) -> None:
    """ALI's losses: D tells the joints apart, encoder and decoder both deceive it.

    Args:
        Game: subclass of `ALI`.

    Raises:
        CheckError: turns or losses are not those.
    """
    q, p = Deterministic(MLP(5, 8, 2)), Deterministic(MLP(2, 8, 5))
    game = Game(q, p, _Fixed(2), Discriminator(7, 8))
    x = _pictures()
    turns = list(game.play(x))
    if [set(turn) for turn in turns] != [{"D", "G"}]:
        raise CheckError("D and G move at once: one yield of both losses.")
    z = game.prior.sample(len(x))
    on_q, on_p = game.D(x, game.encode(x)), game.D(game.decode(z), z)
    honest, G = real(on_q) + fake(on_p), turns[0]["G"]
    equal("D's loss", turns[0]["D"], honest, 1e-6, "Encoder pairs are the real ones.")
    wrong = {
        "The encoder still helps D: its pairs are real(..) in G's loss.": real(on_q)
        + real(on_p),
        "Now the decoder helps D: its pairs are fake(..) in G's loss.": fake(on_q)
        + fake(on_p),
        "That is D's own loss: encoder and decoder both help D.": honest,
        "That is minus D's loss, which is flat where D is sure; swap the labels "
        "instead.": -honest,
        "The encoder has no part in that loss.": real(on_p),
        "The decoder has no part in that loss.": fake(on_q),
    }
    for hint, loss in wrong.items():
        if torch.allclose(G, loss, atol=1e-6):
            raise CheckError(hint)
    hint = "Each pair of G's loss with the label of the other joint."
    equal("G's loss", G, fake(on_q) + real(on_p), 1e-6, hint)


def exercise_2(Game: type[ALI]) -> None:
    """Draws z^ = mean + std * noise whose gradient reaches both mean and std.

    Args:
        Game: subclass of `ALI` with a `pairs` of its own.

    Raises:
        CheckError: they are no such draws.
    """
    n, d = 2000, 2
    mean, log_std = torch.full((n, d), 0.5), torch.full((n, d), -1.0)
    table = _Table(torch.cat([mean, log_std], 1))
    p = Deterministic(MLP(d, 8, 5))
    game = Game(Gaussian(table), p, _Kept(d), Discriminator(5 + d, 8))
    x = torch.rand(n, 5)
    (_, z_hat), (x_tilde, z) = game.pairs(x)
    noise = z_hat.detach() - mean
    if noise.abs().max() < 1e-6:
        raise CheckError("The codes are the means: the noise of q is gone.")
    if torch.equal(game.pairs(x)[0][1], z_hat):
        raise CheckError("The same noise at every call: draw it anew.")
    equal("std of the draws", noise.std(), log_std[0, 0].exp(), 0.03)
    slope = None
    if z_hat.requires_grad:
        slope = torch.autograd.grad(z_hat.sum(), table.out, allow_unused=True)[0]
    if slope is None:
        raise CheckError("No gradient reaches q at all: z^ is cut off from it.")
    if slope[:, d:].abs().max() == 0:
        raise CheckError(
            "The standard deviation gets no gradient: it has to be a factor of the "
            "noise *in the graph*."
        )
    hint = "z^ = mean + std * noise, which is what rsample() makes."
    equal("d z^ / d mean", slope[:, :d], torch.ones(n, d), 1e-6, hint)
    equal("d z^ / d log std", slope[:, d:], noise, 1e-5, hint)
    _is_drawn_from(game, x_tilde, z)


def _is_drawn_from(game: ALI, x_tilde: Tensor, z: Tensor) -> None:
    """Raise where x~ is not p(z), of the z that stands beside it, or is cut off."""
    if not torch.allclose(x_tilde, game.decode(z), atol=1e-6):
        raise CheckError("x~ is not drawn from the z that stands beside it.")
    if not x_tilde.requires_grad:
        raise CheckError("No gradient reaches p: x~ is cut off from it.")
    print("[ok] x~ ~ p(x|z) of its own z")


def exercise_3(Game: type[ALI]) -> None:
    """Pairs (x, z^) and (x~, z) that belong together.

    Args:
        Game: subclass of `ALI` with a `pairs` of its own.

    Raises:
        CheckError: they do not.
    """
    prior = _Kept(2)
    q, p = Deterministic(MLP(5, 8, 2)), Deterministic(MLP(2, 8, 5))
    game = Game(q, p, prior, Discriminator(7, 8))
    x = _pictures()
    (given, z_hat), (x_tilde, z) = game.pairs(x)
    if not torch.equal(given, x) or not torch.allclose(z_hat, game.encode(x)):
        raise CheckError("The encoder's pair is (x, z^), z^ from q of this very x.")
    print("[ok] (x, z^)")
    if not any(torch.equal(z, drawn) for drawn in prior.drawn):
        raise CheckError("The decoder's z is not a draw of the prior.")
    if len(prior.drawn) > 1:
        raise CheckError(
            f"The prior was asked for {len(prior.drawn)} draws: x~ comes from one and "
            "another stands beside it. Draw once, use it twice."
        )
    _is_drawn_from(game, x_tilde, z)


def exercise_4(D: Callable[[int], nn.Module]) -> None:
    """A discriminator that gives logits.

    Args:
        D: makes a module of the width of x and z together; the module maps (x, z) to
            logits (N,).

    Raises:
        CheckError: what it gives is bounded, or cannot be trained.
    """
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        x, z = torch.rand(200, 5), torch.randn(200, 2)
        net = D(7)
        optimizer = torch.optim.Adam(net.parameters(), 1e-2)
        for _ in range(100):  # pairs that lie far apart
            loss = real(net(x + 1, z)) + fake(net(x - 1, z))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    logits = torch.cat([net(x + 1, z), net(x - 1, z)]).detach()
    if logits.shape != (400,):
        raise CheckError(f"One logit a row: (N,), not {tuple(net(x, z).shape)}.")
    if loss > 0.1:
        bounded = logits.min() >= 0 and logits.max() <= 1
        raise CheckError(
            f"On pairs that lie far apart the loss is still {loss:.3f} after 100 "
            "steps"
            + (
                ": these are probabilities, and `real` takes their sigmoid once more."
                if bounded
                else "; its outputs lie between "
                f"{logits.min():.2f} and {logits.max():.2f}. Logits are not bounded."
            )
        )
    print("[ok] a loss below 0.1 on pairs that lie far apart")


def exercise_5(Posterior: Callable[[nn.Module], nn.Module]) -> None:
    """N(mean, variance) from a network that gives the mean and the log variance.

    Args:
        Posterior: makes a module of `net`; the module maps x to a distribution over
            rows (d,).

    Raises:
        CheckError: it is another one.
    """
    mean = torch.tensor([[0.0, 1.0], [2.0, -1.0], [0.5, 0.5]])
    variance = torch.tensor([[1.0, 4.0], [0.25, 9.0], [0.01, 16.0]])
    q: Distribution = Posterior(_Table(torch.cat([mean, variance.log()], 1)))(mean)
    if q.event_shape != (2,):
        raise CheckError(
            "One event a row: Independent(.., 1), so that log_prob is (N,)."
        )
    equal("mean", q.mean, mean)
    if torch.allclose(q.stddev, variance):
        raise CheckError("Normal takes a standard deviation and got the variance.")
    if torch.allclose(q.stddev, variance.square()):
        raise CheckError("The wrong way: half of the log variance, not twice.")
    hint = "The root of the variance is exp(log_variance / 2)."
    equal("standard deviation", q.stddev, variance.sqrt(), 1e-5, hint)


def exercise_6(error: Callable[[ALI, Tensor], Tensor]) -> None:
    """Reconstruction errors in the middle of training that leave no trace.

    Args:
        error: maps a game and x (N, ...) to the squared error of each row, (N,), at
            the mean code, in evaluation mode.

    Raises:
        CheckError: other numbers, or something was changed.
    """
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        q = Deterministic(MLP(5, 8, 2, batch_norm=True))
        p = Deterministic(MLP(2, 8, 5, batch_norm=True))
        game = ALI(q, p, Normal(2), Discriminator(7, 8, batch_norm=True))
        x = torch.rand(50, 5)
        for _ in range(20):
            game.losses(x), q(3 * torch.rand(50, 5)), p(torch.randn(50, 2))
    during = (x - game.p(game.q(x).mean).mean).square().sum(1).detach()
    game.eval()
    want = (x - game.reconstruct(x)).square().sum(1)
    game.train()
    game.D.eval()  # somebody keeps D in evaluation mode: so it must stay
    modes = [m.training for m in game.modules()]
    before = [b.clone() for b in game.buffers()]
    got = error(game, x)
    after = [m.training for m in game.modules()]
    if got.shape == want.shape and torch.allclose(got, during, atol=1e-5):
        raise CheckError(
            "Training mode: each picture is reconstructed by the statistics of this "
            "batch."
        )
    if not all(map(torch.equal, before, game.buffers())):
        raise CheckError("The running statistics have moved: looking has changed p, q.")
    print("[ok] running statistics stay")
    hint = "||x - p(q(x))||^2, a row each."
    equal("errors in evaluation mode", got, want, 1e-5, hint)
    if after != modes:
        where = "evaluation" if not any(after) else "training"
        raise CheckError(
            f"Afterwards the modes are others: all in {where} mode? q and p were "
            "training, D was not; put back what each module had."
        )
    print("[ok] every module is in the mode it had")
    if got.requires_grad:
        raise CheckError("A number to look at needs no graph: torch.no_grad().")
