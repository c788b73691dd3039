"""log p(x) from many draws, and the networks and schedule of the IWAE's rows."""

import math

import pytest
import torch
from torch import nn

from adv_ae import cli, data, evaluation, metrics, networks, runs, training
from adv_ae.conditionals import Bernoulli, FixedScaleGaussian, Gaussian
from adv_ae.metrics import likelihood
from adv_ae.networks import PixelMLP
from adv_ae.priors import Normal
from adv_ae.recipes import EXPERIMENTS, recipe

W = torch.tensor([[1.0, 0.5], [-0.3, 2.0], [0.7, 0.7]])
NOISE = 0.6


class Line(nn.Module):
    """W z."""

    def forward(self, z):
        return z @ W.T


class Narrow(nn.Module):
    """A q(z|x) that is not the posterior: its mean, and 1.3 times as wide."""

    def forward(self, x):
        precision = torch.eye(2) + W.T @ W / NOISE**2
        mean = x @ W @ torch.linalg.inv(precision) / NOISE**2
        std = 1.3 * torch.linalg.inv(precision).diagonal().sqrt()
        return torch.cat([mean, std.log().expand_as(mean)], 1)


@pytest.fixture
def linear():
    """x = W z + noise: log p(x) is known."""
    torch.manual_seed(0)
    x = torch.randn(40, 2) @ W.T + NOISE * torch.randn(40, 3)
    cov = W @ W.T + NOISE**2 * torch.eye(3)
    law = torch.distributions.MultivariateNormal(torch.zeros(3), cov)
    q, p = Gaussian(Narrow()), FixedScaleGaussian(Line(), NOISE)
    return q, p, Normal(2), x, law.log_prob(x)


def test_both_estimates_come_to_the_truth(linear):
    q, p, prior, x, truth = linear
    drawn = metrics.importance_log_likelihood(q, p, prior, x)
    assert drawn.shape == (40,) and (drawn - truth).abs().max() < 0.1
    annealed = metrics.annealed_log_likelihood(p, prior, x, 50, 200)
    assert annealed.shape == (40,) and (annealed - truth).abs().mean() < 0.1


def test_draws_are_averaged_over_their_blocks(linear, monkeypatch):
    """K = 1000 in blocks of 250 and in one: the same weights, the same mean."""
    q, p, prior, x, _ = linear
    monkeypatch.setattr(likelihood, "ROWS", 40)
    torch.manual_seed(1)
    mine = metrics.importance_log_likelihood(q, p, prior, x, 1000)
    torch.manual_seed(1)
    log_w = torch.cat(
        [likelihood.bounds.log_weights(q, p, prior, x, 250) for _ in range(4)]
    )
    want = log_w.logsumexp(0) - math.log(1000)
    torch.testing.assert_close(mine, want, rtol=1e-5, atol=1e-5)
    few = metrics.importance_log_likelihood(q, p, prior, x, 1)
    assert few.mean() < want.mean()


def test_the_mean_by_difference_is_that_of_all_rows(linear, monkeypatch):
    q, p, prior, x, truth = linear
    monkeypatch.setattr(likelihood, "SOME", 20)
    nats, error = metrics.mean_log_likelihood(q, p, prior, x)
    assert 0 < error < 0.05
    assert abs(nats - truth.mean().item()) < 4 * error + 0.01
    # A shift of the last rows, which few draws see as well as many, is seen whole.
    moved = torch.cat([x[:20], x[20:] + 5])
    law = torch.distributions.MultivariateNormal(
        torch.zeros(3), W @ W.T + NOISE**2 * torch.eye(3)
    )
    nats, error = metrics.mean_log_likelihood(q, p, prior, moved)
    assert abs(nats - law.log_prob(moved).mean().item()) < 4 * error + 0.1


def test_what_many_draws_add_is_taken_from_rows_of_all_the_data(linear, monkeypatch):
    """Not from the first: data sets come in an order. And it is added."""
    q, p, prior, x, _ = linear
    monkeypatch.setattr(likelihood, "SOME", 20)
    asked = []

    def count(q, p, prior, rows, draws=5000):
        asked.append((rows, draws))
        return rows[:, 0] + (3.0 if draws > 250 else 0.0)

    monkeypatch.setattr(likelihood, "importance_log_likelihood", count)
    nats, error = metrics.mean_log_likelihood(q, p, prior, x)
    assert nats == pytest.approx(x[:, 0].mean().item() + 3, abs=1e-6) and error < 1e-6
    (rows, few), (some, many) = asked
    assert torch.equal(rows, x) and (few, many) == (250, 5000) and len(some) == 20
    places = (some[:, None] == x[None]).all(2).float().argmax(1)
    assert len(places.unique()) == 20 and places.max() > 20
    assert torch.equal(x[places], some)


def test_evaluation_tells_the_likelihood_of_drawn_pixels(monkeypatch):
    monkeypatch.setattr(evaluation, "SAMPLES", 100)
    made = recipe(
        "iwae-binarized", "digits", (8, 8), hidden=(8,), latent=2, networks="tanh"
    )
    torch.manual_seed(0)
    game, dataset = made.game().eval(), data.digits()
    runs._begin_at_mean(game, dataset)
    found = evaluation.evaluate(game, dataset)
    torch.manual_seed(0)
    x = dataset.test.x.bernoulli()
    drawn = metrics.importance_log_likelihood(game.q, game.p, game.prior, x)
    nats = -drawn.mean().item()
    assert found["negative_log_likelihood"] == pytest.approx(nats, abs=0.1)
    assert abs(found["importance_bound"] - found["annealed_bound"]) < 0.1
    # An untrained decoder at the mean picture: close to independent pixels.
    mean = dataset.train.x[:500].mean(0).clamp(1e-3, 1 - 1e-3)
    alone = -(x * mean.log() + (1 - x) * (1 - mean).log()).sum(1).mean().item()
    assert abs(found["negative_log_likelihood"] - alone) < 1
    assert 0 <= found["active_units"] <= 2


# ---------------------------------------------------------------- networks, schedule


def test_a_decoder_of_pixels_begins_at_the_mean_picture():
    net, mean = PixelMLP(2, 8, 5), torch.tensor([0.0, 0.2, 0.5, 0.9, 1.0])
    net.set_output_bias(mean)
    with torch.no_grad():
        net.layers[-1].weight.zero_()
    want = mean.clamp(1e-3, 1 - 1e-3).expand(3, 5)
    torch.testing.assert_close(Bernoulli(net)(torch.randn(3, 2)).mean, want)
    with pytest.raises(ValueError, match="makes 5 pixels"):
        net.set_output_bias(torch.rand(4))


def test_the_iwae_has_its_papers_networks_and_stages():
    row = EXPERIMENTS["iwae/k-50"]
    made = row.recipe("paper", 0)
    game = made.game()
    assert (game.K, made.setup.latent) == (50, 50)
    shapes = [tuple(w.shape) for w in game.q.parameters() if w.dim() == 2]
    assert shapes == [(200, 784), (200, 200), (100, 200)]
    assert isinstance(game.p.net, networks.PixelMLP)
    kinds = [m for m in game.modules() if isinstance(m, nn.ReLU | nn.Tanh)]
    assert len(kinds) == 4 and all(isinstance(m, nn.Tanh) for m in kinds)
    (group,) = made.optimizers(game)["qp"].param_groups
    assert (group["lr"], group["eps"]) == (1e-3, 1e-4)
    assert made.steps == 3280 * 2500 and made.batch_size == 20
    fall, epoch = made.schedules(game)["qp"], 2500
    at = {0: 0, 1: 1, 3: 1, 4: 2, 12: 2, 13: 3, 1092: 6, 1093: 7, 3279: 7}
    for e, stage in at.items():
        assert fall(e * epoch) == pytest.approx(10 ** (-stage / 7))
    assert EXPERIMENTS["iwae/k-1"].recipe("paper", 0).game().K == 1


def test_dropout_of_hidden_layers_is_that_of_q_and_p():
    game = recipe("aae", "digits", (8, 8), hidden_dropout=0.2, hidden=(8, 8)).game()
    rates = {
        name: [m.p for m in getattr(game, name).modules() if isinstance(m, nn.Dropout)]
        for name in "qpD"
    }
    assert rates == {"q": [0.2, 0.2], "p": [0.2, 0.2], "D": []}


def test_adam_takes_eps():
    game = recipe("vae", "digits", (8, 8), hidden=(8,)).game()
    group = training.adam(game, weight_decay=0.1, eps=0.5)["qp"].param_groups[0]
    assert (group["eps"], group["weight_decay"], group["lr"]) == (0.5, 0.1, 1e-3)


# ---------------------------------------------------------------- the study


def test_a_study_has_a_setting_of_its_own_for_each_seed():
    ours, gan = EXPERIMENTS["ali/modes"], EXPERIMENTS["ali/modes-gan"]
    made = [ours.recipe("paper", seed) for seed in range(10)]
    settings = [(m.lr["D"], m.betas[0], m.setup.init_std) for m in made]
    assert len(set(settings)) == 10
    for lr, beta, std in settings:
        assert 10**-4.5 < lr < 10**-2.5 and 0 <= beta < 0.9 and 10**-2.5 < std < 0.1
    for m, other in zip(made, (gan.recipe("paper", s) for s in range(10)), strict=True):
        assert (m.lr["D"], m.betas) == (other.lr["D"], other.betas)
        assert m.setup.init_std == other.setup.init_std
        assert m.steps == other.steps == 200_000
    assert ours.recipe("paper", 13).lr == made[3].lr


def test_the_command_line_trains_the_setting_of_the_seed(tmp_path):
    argv = ["train", "ali/modes", "--seed", "3", "--steps", "2", "--quiet"]
    assert cli.main([*argv, "--device", "cpu", "--out", str(tmp_path / "run")]) == 0
    made, want = runs.load_recipe(tmp_path / "run"), EXPERIMENTS["ali/modes"]
    assert made.lr == want.recipe("small", 3).lr != want.recipe("small", 0).lr
    assert made.betas == want.recipe("small", 3).betas
