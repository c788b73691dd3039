"""log p(x) by quadrature against the linear-Gaussian model's closed form."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from adv_ae.bounds import log_likelihood_by_quadrature
from adv_ae.conditionals import Bernoulli, FixedScaleGaussian
from adv_ae.networks import MLP
from adv_ae.priors import Normal


@pytest.mark.parametrize(("dim", "scale"), [(1, 1.0), (2, 1.0), (2, 1.5)])
def test_it_is_the_closed_form_of_the_linear_model(dim, scale):
    net, prior = MLP(dim, 5).double(), Normal(dim, scale).double()
    p = FixedScaleGaussian(net, 0.7).double()
    x = torch.randn(40, 5, dtype=torch.float64)
    got = log_likelihood_by_quadrature(p, prior, x, points=120, extent=9.0)
    layer = net.layers[0]
    W, b = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    cov = scale**2 * W @ W.T + float(p.scale) ** 2 * np.eye(5)
    want = multivariate_normal(b, cov).logpdf(x.numpy())
    np.testing.assert_allclose(got.numpy(), want, atol=1e-6)


def test_probabilities_of_all_pictures_sum_to_one():
    p, prior = Bernoulli(MLP(2, 16, 4)), Normal(2)
    every = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4)
    total = log_likelihood_by_quadrature(p, prior, every).exp().sum()
    assert total.item() == pytest.approx(1.0, abs=1e-5)


def test_pieces_of_the_grid_are_put_together():
    p, prior = Bernoulli(MLP(2, 16, 64)), Normal(2)
    x = (torch.rand(2000, 64) > 0.5).float()  # the grid comes in many pieces
    together = log_likelihood_by_quadrature(p, prior, x, points=20)
    alone = log_likelihood_by_quadrature(p, prior, x[:3], points=20)
    torch.testing.assert_close(together[:3], alone)


def test_codes_of_many_dimensions_are_refused():
    with pytest.raises(ValueError, match="importance-weighted"):
        log_likelihood_by_quadrature(
            Bernoulli(MLP(3, 4)), Normal(3), torch.rand(5, 4).round()
        )
