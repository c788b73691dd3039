"""Networks of which the conditionals' tests say nothing: noise on the input."""

import scipy.stats
import torch

from adv_ae.networks import MLP, Corrupted, GaussianNoise

N = 20_000


def test_noise_is_added_while_training_and_never_in_evaluation():
    noise, x = GaussianNoise(0.3), torch.randn(5, 4)
    assert not torch.equal(noise(x), x)
    assert torch.equal(noise.eval()(x), x)
    assert not torch.equal(noise.train()(x), x)
    assert not list(noise.parameters()) and not noise.state_dict()


def test_the_noise_has_the_standard_deviation_that_is_asked():
    """Not the variance: 0.3 as one would be a standard deviation of 0.55."""
    x = torch.full((N, 2), 7.0)
    gap = GaussianNoise(0.3)(x) - x
    assert scipy.stats.kstest(gap[:, 0], "norm", (0, 0.3)).pvalue > 1e-4
    assert ((gap.std(0) / 0.3 - 1).abs() < 5 / (2 * N) ** 0.5).all()
    assert torch.equal(GaussianNoise(0.0)(x), x)


def test_the_noise_is_independent_in_rows_and_columns_and_fresh_each_time():
    noise = GaussianNoise(1.0)
    draws = noise(torch.zeros(N, 4))
    gap = (torch.cov(draws.T) - torch.eye(4)).abs().max()
    assert gap < 5 * (2 / N) ** 0.5
    assert len(draws[:, 0].unique()) > 0.99 * N
    assert not torch.equal(noise(torch.zeros(3, 4)), noise(torch.zeros(3, 4)))


def test_the_noise_keeps_shape_dtype_and_gradient():
    x = torch.rand(3, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    out = GaussianNoise(0.3)(x)
    assert out.shape == x.shape and out.dtype == torch.float64
    assert torch.equal(torch.autograd.grad(out.sum(), x)[0], torch.ones_like(x))


def test_a_network_in_evaluation_answers_the_same_twice():
    net = torch.nn.Sequential(GaussianNoise(0.3), MLP(4, 8, 2))
    x = torch.rand(5, 4)
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net[1](x))


def test_corruption_is_of_the_first_argument_alone():
    net = Corrupted(torch.nn.Dropout(0.5), lambda *given: given)
    x, u, v = torch.ones(200, 5), torch.ones(200, 3), torch.ones(200, 2)
    out = net(x, u, v)
    assert set(out[0].unique().tolist()) == {0.0, 2.0}
    assert torch.equal(out[1], u) and torch.equal(out[2], v)
    assert torch.equal(net.eval()(x)[0], x)
