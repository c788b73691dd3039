"""Chapter 04's checkers: the printed solutions pass, plausible wrong answers fail."""

import math

import pytest
import torch
from torch import nn

from adv_ae.check import CheckError, ch04
from adv_ae.divergences import fake, real
from adv_ae.games import AAE


def test_the_printed_solutions_pass(printed, capsys):
    ch04.exercise_1(printed["best_logit"])
    ch04.exercise_2(printed["ManyMoves"])
    ch04.exercise_3(*(printed[name] for name in "aswv"))
    ch04.exercise_4(printed["weight"])
    ch04.exercise_5(printed["Universal"])
    ch04.exercise_6(printed["petal"])
    assert capsys.readouterr().out.count("[ok]") >= 18


@pytest.mark.parametrize("seed", range(5))
def test_no_seed_matters(printed, seed):
    torch.manual_seed(seed)
    ch04.exercise_2(printed["ManyMoves"])
    ch04.exercise_5(printed["Universal"])


def right(z, m, s):
    return ((z - m) / s) ** 2 / 2 - z**2 / 2 + math.log(s)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda z, m, s: -right(z, m, s), "prior. is real"),
        (lambda z, m, s: right(z, m, s).sigmoid(), "D itself"),
        (lambda z, m, s: right(z, m, s) - math.log(s), "do not forget log s"),
        (lambda z, m, s: right(z, m, 1.0), "off by"),
        (lambda z, m, s: right(z, m, s).sum(), "shape"),
    ],
)
def test_wrong_logits(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch04.exercise_1(answer)


class Moves(AAE):
    """The right answer, in pieces that the wrong ones replace."""

    k = 5

    def reconstruct(self, x):
        return -self.p(self.q(x).rsample()).log_prob(x).mean()

    def on_d(self, z, z_hat):
        return real(self.D(z)) + fake(self.D(z_hat.detach()))

    def on_g(self, z_hat):
        return real(self.D(z_hat))

    def play(self, x):
        yield {"reconstruction": self.reconstruct(x)}
        for _ in range(self.k):
            z, z_hat = self.prior.sample(len(x)), self.q(x).rsample()
            yield {"D": self.on_d(z, z_hat)}
        yield {"G": self.on_g(self.q(x).rsample())}


class Once(Moves):
    def play(self, x):
        yield from AAE.play(self, x)


class Fixed(Moves):  # five moves, whatever k says
    def play(self, x):
        self.k = 5
        yield from super().play(x)


class OneDraw(Moves):
    def play(self, x):
        yield {"reconstruction": self.reconstruct(x)}
        z, z_hat = self.prior.sample(len(x)), self.q(x).rsample()
        for _ in range(self.k):
            yield {"D": self.on_d(z, z_hat)}
        yield {"G": self.on_g(self.q(x).rsample())}


class OneCode(Moves):
    def play(self, x):
        yield {"reconstruction": self.reconstruct(x)}
        z_hat = self.q(x).rsample()
        for _ in range(self.k):
            yield {"D": self.on_d(self.prior.sample(len(x)), z_hat)}
        yield {"G": self.on_g(self.q(x).rsample())}


class LastCode(Moves):
    def play(self, x):
        yield {"reconstruction": self.reconstruct(x)}
        for _ in range(self.k):
            z, z_hat = self.prior.sample(len(x)), self.q(x).rsample()
            yield {"D": self.on_d(z, z_hat)}
        yield {"G": self.on_g(z_hat)}


class Ascends(Moves):
    def on_g(self, z_hat):
        return -real(self.D(z_hat))


class Saturates(Moves):
    def on_g(self, z_hat):
        return -fake(self.D(z_hat))


class Late(Moves):
    def play(self, x):
        *moves, last = super().play(x)
        yield from moves[1:]
        yield moves[0]
        yield last


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (Once, "turns"),
        (Fixed, "turns"),
        (Late, "turns"),
        (OneDraw, "3 draws of the prior"),
        (OneCode, "anew"),
        (LastCode, "anew"),
        (Ascends, "-E log D"),
        (Saturates, "-E log D"),
    ],
)
def test_wrong_moves(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch04.exercise_2(answer)


def test_another_way_to_write_the_right_moves():
    ch04.exercise_2(Moves)


@pytest.mark.parametrize(
    ("a", "s", "w", "v", "hint"),
    [
        (1.0, 0.5, 1.0, 0.1, "variance"),
        (0.5, 0.5, 1.0, 0.1, "variance"),
        (0.9, 0.19**0.5, 0.9, 0.19**0.5, "below zero"),  # the true posterior
        (0.6, 0.8, 1.0, 0.1, "below zero"),
        (1.0, 0.0, 1.0, 0.1, "positive"),
    ],
)
def test_wrong_counterexamples(a, s, w, v, hint):
    with pytest.raises(CheckError, match=hint):
        ch04.exercise_3(a, s, w, v)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda s: 1 / (2 * s**2), "turn it over"),
        (lambda s: s**2, "half"),
        (lambda s: 2 * s, "stands alone"),
        (lambda s: 1.0, "stands alone"),
    ],
)
def test_wrong_weights(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch04.exercise_4(answer)


class Universal(nn.Module):
    def __init__(self, net, noise):
        super().__init__()
        self.net, self.noise = net, noise

    def eta(self, x):
        return torch.randn(len(x), self.noise)

    def forward(self, x):
        return self.net(x, self.eta(x))


class Shared(Universal):
    def eta(self, x):
        return torch.randn(1, self.noise).expand(len(x), -1)


class Frozen(Universal):
    def eta(self, x):
        return torch.randn(
            len(x), self.noise, generator=torch.Generator().manual_seed(0)
        )


class Evenly(Universal):
    def eta(self, x):
        return torch.rand(len(x), self.noise)


class Narrow(Universal):
    def eta(self, x):
        return torch.randn(len(x), 1)


class Silent(Universal):
    def eta(self, x):
        return torch.zeros(len(x), self.noise)


class Cut(Universal):
    def forward(self, x):
        return super().forward(x).detach().requires_grad_()


class NoGradient(Universal):
    @torch.no_grad()
    def forward(self, x):
        return super().forward(x)


class Loose(Universal):
    def __init__(self, net, noise):
        nn.Module.__init__(self)
        self.noise = noise
        self.__dict__["net"] = net  # not a submodule: nobody moves it


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (Shared, "noise of its own"),
        (Silent, "noise of its own"),
        (Frozen, "draw it in forward"),
        (Evenly, "standard normal"),
        (Narrow, "noise of shape"),
        (Cut, "reach all of net"),
        (NoGradient, "reach all of net"),
        (Loose, "reach all of net"),
    ],
)
def test_wrong_universal_posteriors(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch04.exercise_5(answer)


def turned(local, angle):
    c, s = math.cos(angle), math.sin(angle)
    x, y = local.T
    return torch.stack([c * x - s * y, s * x + c * y], 1)


def petal(noise, k, radius=1.4, stds=(0.5, 0.1), turn=1):
    local = torch.tensor([radius, 0.0]) + noise * torch.tensor(stds)
    return turned(local, turn * 2 * math.pi * k / 10)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda noise, k: petal(noise, k, stds=(0.25, 0.01)), "variances"),
        (lambda noise, k: petal(noise, k, stds=(0.5**0.5, 0.1**0.5)), "no root"),
        (lambda noise, k: petal(noise, k, stds=(0.1, 0.5)), "along the ray"),
        (lambda noise, k: petal(noise, k, radius=0.0), "1.4 from the origin"),
        (lambda noise, k: petal(noise, k, turn=-1), "Angle"),
        (lambda noise, k: petal(noise, k + 1), "Angle"),
        (
            lambda noise, k: petal(0 * noise, k) + noise * torch.tensor([0.5, 0.1]),
            "turn the noise",
        ),
    ],
)
def test_wrong_petals(answer, hint):
    with pytest.raises(CheckError, match=hint):
        ch04.exercise_6(answer)
