"""Chapter 10's checkers: the printed bugs are silent and caught, the printed solutions
pass, other wrong answers fail."""

import json
import math
import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal

from adv_ae import step
from adv_ae.check import CheckError, ch10
from adv_ae.conditionals import Deterministic, Gaussian
from adv_ae.divergences import fake, real
from adv_ae.games import ALI
from adv_ae.networks import MLP, Discriminator
from adv_ae.priors import Normal as NormalPrior

CHAPTER = Path(__file__).resolve().parent.parent / "book" / "10_training.ipynb"


@pytest.fixture(scope="module")
def bugs():
    """What the exercises print, run as it is printed."""
    cells = json.loads(CHAPTER.read_text())["cells"]
    prose = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] != "code")
    names = dict(globals())
    for block in re.findall(r"\{exercise\}.*?```python\n(.*?)```", prose, re.S):
        exec(block, names)
    return names


def test_the_printed_solutions_pass(printed, capsys):
    for k in range(1, 6):
        getattr(ch10, f"exercise_{k}")(printed[f"Mended{k}"])
    ch10.exercise_6(printed["mended6"])
    assert capsys.readouterr().out.count("[ok]") >= 13


@pytest.mark.parametrize("seed", range(5))
def test_no_seed_matters(printed, seed):
    torch.manual_seed(seed)
    test_the_printed_solutions_pass(printed, _Silent())


class _Silent:
    def readouterr(self):
        return type("Out", (), {"out": "[ok]" * 20})


@pytest.mark.parametrize(
    ("k", "hint"),
    [
        (1, "encoder still helps D"),
        (2, "standard deviation gets no gradient"),
        (3, "2 draws"),
        (4, "still 1.00.*probabilities"),
        (5, "got the variance"),
    ],
)
def test_the_printed_bugs_are_caught(bugs, k, hint):
    with pytest.raises(CheckError, match=hint):
        getattr(ch10, f"exercise_{k}")(bugs[f"Bug{k}"])


def test_the_last_printed_bug_is_caught(bugs):
    with pytest.raises(CheckError, match="Training mode"):
        ch10.exercise_6(bugs["bug6"])


def game(Game=ALI, q=None, D=None, batch_norm=False):
    q = q or Gaussian(MLP(5, 8, 4, batch_norm=batch_norm))
    p = Deterministic(MLP(2, 8, 5, batch_norm=batch_norm))
    return Game(q, p, NormalPrior(2), D or Discriminator(7, 8))


def test_the_printed_bugs_are_silent(bugs):
    games = [game(bugs[f"Bug{k}"]) for k in (1, 2, 3)]
    games += [game(D=bugs["Bug4"](7)), game(q=bugs["Bug5"](MLP(5, 8, 4)))]
    for one in games:
        moves = {k: torch.optim.Adam(one.weights(k)) for k in one.players}
        for _ in range(3):
            losses = step(one, moves, torch.rand(10, 5))
            assert all(map(math.isfinite, losses.values()))
    assert bugs["bug6"](game(batch_norm=True), torch.rand(10, 5)).shape == (10,)


def test_a_discriminator_of_probabilities_never_costs_less(bugs):
    """1.006 of the table of symptoms: log(1 + e^-1) + log 2."""
    D, least = bugs["Bug4"](7), math.log1p(math.exp(-1)) + math.log(2)
    x, z = 1e4 * torch.randn(500, 5), 1e4 * torch.randn(500, 2)
    assert real(D(x, z)) + fake(D(x, z)) >= least
    top, bottom = torch.ones(3), torch.zeros(3)
    assert float(real(top) + fake(bottom)) == pytest.approx(least, abs=1e-6)


def losses(D, G):
    class Game(ALI):
        def play(self, x):
            on_q, on_p = self.judge(*self.pairs(x))
            yield {"D": D(on_q, on_p), "G": G(on_q, on_p)}

    return Game


def right_D(on_q, on_p):
    return real(on_q) + fake(on_p)


def right_G(on_q, on_p):
    return fake(on_q) + real(on_p)


@pytest.mark.parametrize(
    ("G", "hint"),
    [
        (lambda q, p: real(q) + real(p), "encoder still helps"),
        (lambda q, p: fake(q) + fake(p), "decoder helps"),
        (right_D, "both help"),
        (lambda q, p: -right_D(q, p), "flat where D is sure"),
        (lambda q, p: real(p), "encoder has no part"),
        (lambda q, p: fake(q), "decoder has no part"),
        (lambda q, p: 2 * right_G(q, p), "label of the other joint"),
    ],
)
def test_wrong_losses_of_g(G, hint):
    with pytest.raises(CheckError, match=hint):
        ch10.exercise_1(losses(right_D, G))


def test_wrong_losses_of_d():
    with pytest.raises(CheckError, match="real ones"):
        ch10.exercise_1(losses(right_G, right_G))


class InTurn(ALI):
    def play(self, x):
        on_q, on_p = self.judge(*self.pairs(x))
        yield {"D": right_D(on_q, on_p)}
        yield {"G": right_G(on_q, on_p)}


def test_in_turn_is_not_at_once():
    with pytest.raises(CheckError, match="at once"):
        ch10.exercise_1(InTurn)


class Written(ALI):
    """A right answer that writes everything out, in another order of the draws."""

    def play(self, x):
        z_hat = self.q(x).rsample()
        z = self.prior.sample(len(x))
        on_q, on_p = self.D(x, z_hat), self.D(self.p(z).rsample(), z)
        yield {"G": right_G(on_q, on_p), "D": right_D(on_q, on_p)}


def test_another_way_to_write_the_right_losses():
    ch10.exercise_1(Written)


def paired(of_q, of_p):
    class Game(ALI):
        def pairs(self, x):
            z = self.prior.sample(len(x))
            return (x, of_q(self, x)), of_p(self, z)

    return Game


def right_q(game, x):
    return game.q(x).rsample()


def right_p(game, z):
    return game.p(z).rsample(), z


def by_hand(game, x):
    q = game.q(x)
    return q.mean + q.stddev * torch.randn_like(q.mean)


def frozen(game, x):
    q = game.q(x)
    noise = torch.randn(q.mean.shape, generator=torch.Generator().manual_seed(0))
    return q.mean + q.stddev * noise


@pytest.mark.parametrize(
    ("of_q", "of_p", "hint"),
    [
        (lambda g, x: g.q(x).sample(), right_p, "No gradient reaches q"),
        (lambda g, x: g.q(x).mean, right_p, "noise of q is gone"),
        (frozen, right_p, "draw it anew"),
        (lambda g, x: right_q(g, x) - g.q(x).mean, right_p, "std|mean"),
        (lambda g, x: g.q(x).mean + g.q(x).variance * torch.randn(2), right_p, "std"),
        (
            lambda g, x: g.q(x).rsample() - g.q(x).mean + g.q(x).mean.detach(),
            right_p,
            "d z\\^ / d mean",
        ),
        (right_q, lambda g, z: (g.p(z).mean.detach(), z), "No gradient reaches p"),
        (right_q, lambda g, z: (g.p(-z).rsample(), z), "stands beside"),
    ],
)
def test_wrong_draws(of_q, of_p, hint):
    with pytest.raises(CheckError, match=hint):
        ch10.exercise_2(paired(of_q, of_p))


def test_the_reparameterization_by_hand_passes():
    ch10.exercise_2(paired(by_hand, right_p))


@pytest.mark.parametrize(
    ("of_q", "of_p", "hint"),
    [
        (lambda g, x: g.q(x.flip(0)).rsample(), right_p, "this very x"),
        (right_q, lambda g, z: (g.p(z).rsample(), z + 1), "not a draw"),
        (
            right_q,
            lambda g, z: (g.p(z).rsample(), g.prior.sample(len(z))),
            "2 draws",
        ),
        (right_q, lambda g, z: (g.p(z.flip(0)).rsample(), z), "stands beside"),
        (right_q, lambda g, z: (g.p(z).rsample().detach(), z), "cut off"),
    ],
)
def test_wrong_pairs(of_q, of_p, hint):
    with pytest.raises(CheckError, match=hint):
        ch10.exercise_3(paired(of_q, of_p))


class Net(nn.Module):
    def __init__(self, width, last=None, column=False):
        super().__init__()
        self.net = MLP(width, 64, 64, 1, last=last)
        self.column = column

    def forward(self, x, z):
        out = self.net(x, z)
        return out if self.column else out.squeeze(1)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda width: Net(width, nn.Sigmoid()), "probabilities"),
        (lambda width: Net(width, nn.Tanh()), "not bounded"),
        (lambda width: Net(width, nn.LogSigmoid()), "not bounded"),
        (lambda width: Net(width, column=True), "One logit a row"),
    ],
)
def test_wrong_discriminators(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch10.exercise_4(answer)


def test_the_packages_discriminator_passes():
    ch10.exercise_4(lambda width: Discriminator(width, 64, 64, activation=nn.Tanh))


def posterior(std, events=1):
    class Posterior(nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, x):
            mean, log_variance = self.net(x).chunk(2, 1)
            return Independent(Normal(mean, std(log_variance)), events)

    return Posterior


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (posterior(lambda v: v.exp()), "got the variance"),
        (posterior(lambda v: (2 * v).exp()), "wrong way"),
        (posterior(lambda v: (v / 2).exp() + 0.1), "root of the variance"),
        (posterior(lambda v: (v / 2).exp(), events=0), "One event a row"),
        (posterior(lambda v: (v / 2).exp(), events=2), "One event a row"),
    ],
)
def test_wrong_posteriors(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch10.exercise_5(answer)


def errors(game, x):
    with torch.no_grad():
        return (x - game.reconstruct(x)).square().sum(1)


def in_evaluation(game, x):
    game.eval()
    return errors(game, x)


def back_to_training(game, x):
    game.eval()
    seen = errors(game, x)
    game.train()
    return seen


def by_losses(game, x):
    """Right numbers, after a look in training mode that moves the statistics."""
    game.q(x)
    modes = [m.training for m in game.modules()]
    seen = in_evaluation(game, x)
    for m, mode in zip(game.modules(), modes, strict=True):
        m.training = mode
    return seen


def with_a_graph(game, x):
    game.q.eval(), game.p.eval()
    seen = (x - game.p(game.q(x).mean).mean).square().sum(1)
    game.q.train(), game.p.train()
    return seen


def mean_error(game, x):
    game.q.eval(), game.p.eval()
    seen = errors(game, x).mean()
    game.q.train(), game.p.train()
    return seen


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (errors, "Training mode"),
        (in_evaluation, "all in evaluation"),
        (back_to_training, "all in training"),
        (by_losses, "statistics have moved"),
        (with_a_graph, "no graph"),
        (mean_error, "a row each"),
    ],
)
def test_wrong_looks(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch10.exercise_6(answer)
