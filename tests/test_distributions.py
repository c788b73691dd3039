"""Distributions of the package's own: signs whose every draw is their mean."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from adv_ae.distributions import MeanSigns

pytestmark = pytest.mark.usefixtures("double")


def signs(logits):
    return MeanSigns(logits=logits, validate_args=False)


def test_mean_is_twice_the_sigmoid_less_one():
    logits = torch.tensor([[-3.0, -0.5, 0.0], [0.5, 3.0, 40.0]])
    d = signs(logits)
    p = 1 / (1 + np.exp(-logits.numpy()))
    np.testing.assert_allclose(d.mean, 2 * p - 1, atol=1e-15)
    by_sum = p * 1 + (1 - p) * -1  # over the two signs
    np.testing.assert_allclose(d.mean, by_sum, atol=1e-15)
    assert d.mean[0, 2] == 0 and d.mean[1, 2] == 1


def test_small_logits_keep_their_digits():
    """2 sigmoid(l) - 1 = l / 2 there, and cancels in the obvious form."""
    logits = torch.tensor([1e-17, -1e-12])
    torch.testing.assert_close(signs(logits).mean, logits / 2, rtol=1e-12, atol=0)


def test_every_draw_is_the_mean():
    d = signs(torch.randn(5, 3))
    assert d.has_rsample
    for draw in (d.rsample(), d.sample()):
        assert torch.equal(draw, d.mean)
    for draw in (d.rsample((4, 2)), d.sample((4, 2))):
        assert draw.shape == (4, 2, 5, 3) and torch.equal(draw[3, 1], d.mean)


def test_draws_carry_the_gradient_of_the_mean():
    logits = torch.randn(5, 3, requires_grad=True)
    (slope,) = torch.autograd.grad(signs(logits).rsample().sum(), logits)
    p = logits.detach().sigmoid()
    torch.testing.assert_close(slope, 2 * p * (1 - p))
    assert torch.autograd.gradcheck(lambda l: signs(l).rsample(), logits)


def test_log_prob_of_signs_is_the_log_of_their_probability():
    logits = torch.randn(5, 3)
    p, d = logits.sigmoid(), signs(logits)
    torch.testing.assert_close(d.log_prob(torch.ones(5, 3)), p.log())
    torch.testing.assert_close(d.log_prob(-torch.ones(5, 3)), (1 - p).log())


def test_log_prob_between_them_is_minus_the_cross_entropy():
    logits, z = torch.randn(5, 3), 2 * torch.rand(5, 3) - 1
    t, p = (z.numpy() + 1) / 2, logits.sigmoid().numpy()
    want = t * np.log(p) + (1 - t) * np.log1p(-p)
    np.testing.assert_allclose(signs(logits).log_prob(z), want, atol=1e-12)
    torchs = -F.binary_cross_entropy_with_logits(logits, (z + 1) / 2, reduction="none")
    torch.testing.assert_close(signs(logits).log_prob(z), torchs)


def test_the_mean_at_z_is_the_best_answer():
    z = torch.tensor([-0.9, -0.2, 0.0, 0.6])
    best = 2 * z.atanh()
    logits = best.clone().requires_grad_()
    torch.testing.assert_close(signs(logits).mean, z)
    (slope,) = torch.autograd.grad(signs(logits).log_prob(z).sum(), logits)
    assert slope.abs().max() < 1e-15
    for gap in (-0.1, 0.1):
        assert (signs(best + gap).log_prob(z) < signs(best).log_prob(z)).all()


def test_it_is_finite_where_e_is_sure_and_wrong():
    logits = torch.tensor([500.0, -500.0], requires_grad=True)
    cost = -signs(logits).log_prob(torch.tensor([-1.0, 1.0]))
    torch.testing.assert_close(cost, torch.tensor([500.0, 500.0]))
    (slope,) = torch.autograd.grad(cost.sum(), logits)
    torch.testing.assert_close(slope, torch.tensor([1.0, -1.0]))


def test_a_sample_is_the_mean_without_gradient():
    logits = torch.randn(4, 3, requires_grad=True)
    signs = MeanSigns(logits=logits)
    assert torch.equal(signs.sample(), signs.mean) and torch.equal(
        signs.mode, signs.mean
    )
    assert not signs.sample().requires_grad and signs.rsample().requires_grad
    assert not signs.variance.any()
