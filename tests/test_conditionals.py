"""Conditionals and distributions: shapes, densities by scipy, path gradients."""

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn

from adv_ae import conditionals as c
from adv_ae.distributions import Delta, MeanCategorical, MeanSigns
from adv_ae.networks import MLP, Discriminator, GaussianNoise, init_normal_


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_gaussian_is_mean_and_log_std_and_log_prob_sums_over_dimensions():
    net = MLP(3, 6)
    x = torch.randn(7, 3)
    d = c.Gaussian(net)(x)
    mean, log_std = net(x).detach().chunk(2, 1)
    torch.testing.assert_close(d.mean, mean)
    v = torch.randn(7, 3)
    want = scipy.stats.norm(mean, log_std.exp()).logpdf(v).sum(1)
    np.testing.assert_allclose(d.log_prob(v).detach(), want, rtol=1e-5)
    assert d.log_prob(v).shape == (7,)


def test_gaussian_noise_is_independent_in_every_dimension():
    """One noise number a row is a bug seen in public code: the covariance shows it."""
    draws = c.Gaussian(lambda x: x)(torch.zeros(20_000, 8)).rsample()
    gap = (torch.cov(draws.T) - torch.eye(4)).abs().max()
    assert gap < 5 * (2 / 20_000) ** 0.5


def test_gaussian_path_gradient():
    out = torch.tensor([[0.3, -0.7]], requires_grad=True)  # mean, log std
    torch.manual_seed(1)
    eps = torch.randn(1, 1)
    torch.manual_seed(1)
    z = c.Gaussian(lambda o: o)(out).rsample()
    torch.testing.assert_close(z, 0.3 + np.exp(-0.7) * eps)
    (slope,) = torch.autograd.grad(z.sum(), out)
    torch.testing.assert_close(slope, torch.stack([eps[0] / eps[0], z[0] - 0.3], 1))


def test_fixed_scale_gaussian_is_half_the_summed_squared_error():
    d = c.FixedScaleGaussian(lambda z: z, scale=0.5)
    z, v = torch.randn(4, 6), torch.randn(4, 6)
    gap = d(z).log_prob(v) - d(z).log_prob(z)
    torch.testing.assert_close(-gap, 0.5 * (v - z).square().sum(1) / 0.25)


def test_bernoulli_is_the_summed_cross_entropy_also_of_grey_values():
    logits, v = torch.randn(4, 6), torch.rand(4, 6)
    d = c.Bernoulli(lambda z: z)(logits)
    p = logits.sigmoid()
    want = (v * p.log() + (1 - v) * (1 - p).log()).sum(1)
    torch.testing.assert_close(d.log_prob(v), want)
    torch.testing.assert_close(d.mean, p)
    with pytest.raises(TypeError, match="Deterministic"):
        d.rsample()
    assert set(d.sample().unique().tolist()) <= {0.0, 1.0}


def test_categorical_gives_the_softmax_vector():
    logits = torch.randn(5, 3, requires_grad=True)
    d = c.Categorical(lambda x: x)(logits)
    torch.testing.assert_close(d.rsample(), logits.softmax(1))
    y = torch.eye(3)[[0, 1, 2, 0, 1]]
    want = (y * logits.log_softmax(1)).sum(1)
    torch.testing.assert_close(d.log_prob(y), want)
    assert torch.autograd.grad(d.rsample()[0, 0], logits)[0][0].abs().sum() > 0
    assert isinstance(d, MeanCategorical) and d.rsample((2,)).shape == (2, 5, 3)


def test_deterministic_is_a_point_mass_without_density():
    d = c.Deterministic(lambda x: 2 * x)(torch.ones(3, 2))
    assert torch.equal(d.rsample(), 2 * torch.ones(3, 2))
    assert torch.equal(d.mean, d.sample()) and not d.variance.any()
    assert d.batch_shape == (3,) and d.event_shape == (2,)
    assert d.rsample((4,)).shape == (4, 3, 2)
    with pytest.raises(TypeError, match="no density"):
        d.log_prob(torch.ones(3, 2))


def test_noisy_draws_fresh_noise_of_the_right_law():
    q = c.Noisy(lambda x, eta: x + eta, noise=2)
    draws = q(torch.ones(20_000, 2)).rsample() - 1
    assert scipy.stats.kstest(draws[:, 0], "norm").pvalue > 1e-4
    assert (torch.cov(draws.T) - torch.eye(2)).abs().max() < 0.05
    assert not torch.equal(q(torch.ones(1, 2)).mean, q(torch.ones(1, 2)).mean)


def test_pictures_count_as_one_event():
    d = c.Deterministic(lambda x: x)(torch.ones(3, 1, 4, 4))
    assert d.event_shape == (1, 4, 4)
    b = c.Bernoulli(lambda x: x)(torch.ones(3, 1, 4, 4))
    assert b.log_prob(torch.ones(3, 1, 4, 4)).shape == (3,)
    assert Delta(torch.ones(3, 4), event_dim=2).event_shape == (3, 4)


def test_mlp_concatenates_and_flattens_its_arguments():
    net = MLP(2 + 4, 5, 3)
    u, v = torch.randn(7, 2), torch.randn(7, 2, 2)
    torch.testing.assert_close(net(u, v), net(torch.cat([u, v.flatten(1)], 1)))


def test_mlp_layers_stand_in_the_order_that_is_promised():
    net = MLP(2, 3, 4, 5, activation=nn.Tanh, batch_norm=True, dropout=0.5)
    kinds = [type(m).__name__ for m in net.layers]
    block = ["Linear", "BatchNorm1d", "Tanh", "Dropout"]
    assert kinds == [*block, *block, "Linear"]
    assert [m.out_features for m in net.layers if isinstance(m, nn.Linear)] == [3, 4, 5]
    last = MLP(2, 3, last=nn.Sigmoid())
    assert [type(m).__name__ for m in last.layers] == ["Linear", "Sigmoid"]


def test_discriminator_gives_one_logit_a_row():
    D = Discriminator(3, 8)
    assert D(torch.randn(6, 1), torch.randn(6, 2)).shape == (6,)


def test_init_normal_has_the_asked_spread_and_no_bias():
    net = init_normal_(MLP(300, 400, 2), std=0.01)
    first, last = net.layers[0], net.layers[-1]
    assert first.weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert not first.bias.any() and not last.bias.any()
    conv = init_normal_(nn.Conv2d(8, 64, 5, bias=False), std=0.02)
    assert conv.weight.std().item() == pytest.approx(0.02, rel=0.05)


# ---------------------------------------------------------------- classes and styles


def two_heads(z, noise=0.0):
    trunk = nn.Sequential(GaussianNoise(noise), MLP(3, 6, 5, last=nn.Tanh()))
    return c.TwoHeads(trunk, c.Categorical(MLP(5, 4)), z)


def test_both_heads_see_the_trunk():
    q, x = two_heads(c.Deterministic(MLP(5, 2))), torch.randn(7, 3)
    q_y, q_z = q(x)
    h = q.trunk(x)
    torch.testing.assert_close(q_y.rsample(), q.y.net(h).softmax(1))
    torch.testing.assert_close(q_z.rsample(), q.z.net(h))
    assert isinstance(q_y, MeanCategorical) and isinstance(q_z, Delta)


def test_both_heads_see_one_pass_through_the_trunk():
    """Noise on the input is drawn once, so y and z speak of the same x."""
    q = two_heads(c.Deterministic(nn.Identity()), noise=1.0)
    calls = []
    q.trunk.register_forward_hook(lambda _, given, out: calls.append(out))
    q_y, q_z = q(torch.randn(7, 3))
    (h,) = calls
    assert torch.equal(q_z.rsample(), h)
    torch.testing.assert_close(q_y.rsample(), q.y.net(h).softmax(1))


def test_the_style_can_be_of_any_kind():
    x = torch.zeros(20_000, 3)
    q = two_heads(c.Gaussian(MLP(5, 4)))
    mean, log_std = q.z.net(q.trunk(x))[0].chunk(2)
    draws = q(x)[1].rsample()  # std, not variance
    torch.testing.assert_close(draws.std(0), log_std.exp(), rtol=0.03, atol=0)
    assert ((draws.mean(0) - mean).abs() < 5 * log_std.exp() / 20_000**0.5).all()
    q = two_heads(c.Noisy(MLP(5 + 3, 2), noise=3))
    assert not torch.equal(q(x)[1].rsample(), q(x)[1].rsample())
    torch.testing.assert_close(q(x)[0].rsample(), q(x)[0].rsample())


def test_each_head_reaches_the_trunk_and_itself_only():
    q = two_heads(c.Gaussian(MLP(5, 4)))
    q_y, q_z = q(torch.randn(7, 3))
    for loss, mine, others in (
        (q_y.rsample()[:, 0].sum(), q.y, q.z),
        (q_z.rsample().sum(), q.z, q.y),
    ):
        for part, reached in ((q.trunk, True), (mine, True), (others, False)):
            slopes = torch.autograd.grad(
                loss, list(part.parameters()), retain_graph=True, allow_unused=True
            )
            assert all((s is not None) == reached for s in slopes)


def test_cross_entropy_is_taken_from_logits():
    """log of a softmax that has underflowed would be infinite."""
    logits = torch.tensor([[0.0, 200, -500]])
    eye = torch.eye(3)
    got = c.Categorical(lambda x: x)(logits.expand(3, 3)).log_prob(eye)
    torch.testing.assert_close(got, torch.tensor([-200.0, 0, -700]))


# ---------------------------------------------------------- of codes that are regressed


def test_signs_are_two_sigmoids_less_one_and_sum_over_dimensions():
    net, x = MLP(3, 4), torch.randn(7, 3)
    d, z = c.Signs(net)(x), 2 * torch.rand(7, 4) - 1
    p, t = net(x).detach().sigmoid(), (z + 1) / 2
    for draw in (d.mean, d.rsample(), d.sample()):
        torch.testing.assert_close(draw.detach(), 2 * p - 1)
    want = (t * p.log() + (1 - t) * (1 - p).log()).sum(1)
    torch.testing.assert_close(d.log_prob(z).detach(), want)
    assert d.log_prob(z).shape == d.batch_shape == (7,) and d.event_shape == (4,)
    assert isinstance(d.base_dist, MeanSigns) and d.rsample((2,)).shape == (2, 7, 4)


def test_signs_reach_their_network_and_take_what_is_given():
    net = MLP(3 + 2, 4)
    q, x, y = c.Signs(net), torch.randn(7, 3), torch.randn(7, 2)
    torch.testing.assert_close(q(x, y).mean, (net(x, y) / 2).tanh())
    for loss in (q(x, y).rsample().sum(), q(x, y).log_prob(torch.zeros(7, 4)).sum()):
        slopes = torch.autograd.grad(loss, list(net.parameters()))
        assert all(s.any() for s in slopes)


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_fixed_scale_laplace_is_the_summed_absolute_error_over_scale(scale):
    net, z, v = MLP(3, 6), torch.randn(4, 3), torch.randn(4, 6)
    d = c.FixedScaleLaplace(net, scale)(z)
    mean = net(z).detach()
    want = scipy.stats.laplace(mean, scale).logpdf(v).sum(1)
    np.testing.assert_allclose(d.log_prob(v).detach(), want, rtol=1e-5)
    gap = (d.log_prob(v) - d.log_prob(d.mean)).detach()
    torch.testing.assert_close(-gap, (v - mean).abs().sum(1) / scale)
    torch.testing.assert_close(d.mean.detach(), mean)
    assert d.log_prob(v).shape == (4,) and d.event_shape == (6,)


def test_draws_of_a_laplace_have_its_law_and_root_two_of_its_scale():
    n, b = 20_000, 0.5
    mean = torch.full((n, 2), 3.0, requires_grad=True)
    draws = c.FixedScaleLaplace(lambda m: m, b)(mean).rsample()
    gap = draws.detach() - 3
    assert scipy.stats.kstest(gap[:, 0], "laplace", (0, b)).pvalue > 1e-4
    # the fourth moment is 6 of the variance squared
    assert ((gap.std(0) / (2**0.5 * b) - 1).abs() < 5 * (5 / (4 * n)) ** 0.5).all()
    assert abs(torch.corrcoef(gap.T)[0, 1]) < 5 / n**0.5
    (slope,) = torch.autograd.grad(draws.sum(), mean)
    assert torch.equal(slope, torch.ones(n, 2))


@pytest.mark.parametrize("kind", [c.FixedScaleLaplace, c.FixedScaleGaussian])
def test_fixed_scales_are_one_unless_told_and_follow_the_module(kind):
    d = kind(nn.Identity())
    assert d.scale == 1 and "scale" in d.state_dict() and not list(d.parameters())
    v, z = torch.randn(2, 5, 3).double()
    assert d.double()(z).log_prob(v).dtype == torch.float64


def test_a_gaussian_of_fixed_scale_is_none_of_laplace():
    z, v = torch.zeros(1, 1), torch.full((1, 1), 3.0)
    for kind, cost in ((c.FixedScaleLaplace, 3.0), (c.FixedScaleGaussian, 4.5)):
        d = kind(nn.Identity())(z)
        assert (d.log_prob(z) - d.log_prob(v)).item() == pytest.approx(cost)
