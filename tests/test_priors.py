"""Every sampler against its own density, by moments and by Kolmogorov-Smirnov."""

import math

import numpy as np
import pytest
import scipy.stats
import torch

from adv_ae.priors import (
    Empirical,
    GaussianRing,
    Mixture,
    Normal,
    OneHot,
    Prior,
    SwissRoll,
    Uniform,
)

N = 20_000


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def close(sample, mean, std):
    """Mean within 5 standard errors, standard deviation within 5 of its own."""
    assert torch.all((sample.mean(0) - mean).abs() < 5 * std / math.sqrt(N))
    assert torch.all((sample.std(0) / std - 1).abs() < 5 / math.sqrt(2 * N))


@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_normal(scale):
    prior = Normal(3, scale)
    z = prior.sample(N)
    close(z, torch.zeros(3), torch.full((3,), scale))
    assert scipy.stats.kstest(z[:, 1], "norm", (0, scale)).pvalue > 1e-4
    off = np.corrcoef(z.T.numpy()) - np.eye(3)
    assert abs(off).max() < 5 / math.sqrt(N)
    want = scipy.stats.norm(0, scale).logpdf(z.numpy()).sum(1)
    np.testing.assert_allclose(prior.log_prob(z), want, rtol=1e-5)
    torch.testing.assert_close(prior.distribution.log_prob(z), prior.log_prob(z))


def test_uniform():
    prior = Uniform(2, -1, 3)
    z = prior.sample(N)
    assert scipy.stats.kstest(z[:, 0], "uniform", (-1, 4)).pvalue > 1e-4
    want = torch.tensor([-2 * math.log(4), -torch.inf])
    points = torch.tensor([[0.0, 2.9], [0.0, 3.1]])
    torch.testing.assert_close(prior.log_prob(points), want)


def test_one_hot():
    prior = OneHot(5)
    y = prior.sample(N)
    assert torch.equal(y.sum(1), torch.ones(N)) and y.max() == 1
    close(y, torch.full((5,), 0.2), torch.full((5,), 0.4))
    torch.testing.assert_close(prior.log_prob(y[:2]), torch.full((2,), -math.log(5)))
    given = torch.tensor([3, 0])
    assert torch.equal(prior.sample(2, given).argmax(1), given)


def test_ring_components_have_their_mean_and_their_axes():
    prior = GaussianRing(k=4, radius=2.0, along=0.5, across=0.1)
    want = torch.tensor([[2.0, 0], [0, 2], [-2, 0], [0, -2]])
    torch.testing.assert_close(prior.means, want, atol=1e-6, rtol=0)
    z = prior.sample(N, torch.full((N,), 1))  # turned by a right angle
    close(z, want[1], torch.tensor([0.1, 0.5]))
    share = torch.bincount(prior.log_prob_components(prior.sample(N)).argmax(1))
    assert torch.all((share / N - 0.25).abs() < 0.02)


def test_ring_density_integrates_to_one_and_agrees_with_scipy():
    prior = GaussianRing()
    axis = torch.linspace(-4, 4, 801)
    grid = torch.cartesian_prod(axis, axis)
    mass = prior.log_prob(grid).exp().sum() * (axis[1] - axis[0]) ** 2
    assert mass.item() == pytest.approx(1, abs=1e-4)
    mean, turn = prior.means[3].numpy(), prior.rotation[3].numpy()
    cov = turn @ np.diag([0.25, 0.01]) @ turn.T
    want = scipy.stats.multivariate_normal(mean, cov).logpdf(grid[::997].numpy())
    have = prior.log_prob_components(grid[::997])[:, 3]
    np.testing.assert_allclose(have, want, rtol=1e-3, atol=1e-3)


def test_swiss_roll_lies_on_its_curve_and_its_arcs_are_in_order():
    prior = SwissRoll(k=10, radius=3.0, turns=2.0)
    z = prior.sample(N)
    r = z.norm(dim=1)
    assert scipy.stats.kstest((r / 3) ** 2, "uniform").pvalue > 1e-4
    angle = torch.atan2(z[:, 1], z[:, 0]) % (2 * math.pi)
    want = (2 * math.pi * 2 * r / 3) % (2 * math.pi)
    assert torch.all((angle - want).sin().abs() < 1e-3)
    arc = prior.sample(100, torch.full((100,), 9)).norm(dim=1)
    assert arc.min() >= 3 * math.sqrt(0.9) - 1e-5
    spread = SwissRoll(noise=0.1).sample(N) - z[:1]
    assert spread.isfinite().all()


def test_noise_of_the_swiss_roll_is_a_standard_deviation():
    torch.manual_seed(1)
    clean = SwissRoll(noise=0.0).sample(N)
    torch.manual_seed(1)
    noisy = SwissRoll(noise=0.3).sample(N)
    close(noisy - clean, torch.zeros(2), torch.full((2,), 0.3))


@pytest.mark.parametrize("prior", [Normal(2), Uniform(2), OneHot(2), GaussianRing(5)])
def test_the_density_is_of_the_last_axis(prior):
    """Of K draws for each of N examples, (K, N, dim), as bounds take them."""
    z = prior.sample(12).view(3, 4, 2)
    z[1, 2] *= 3  # outside the square
    want = prior.log_prob(z.view(12, 2)).view(3, 4)
    torch.testing.assert_close(prior.log_prob(z), want)


def test_errors_say_what_to_do():
    with pytest.raises(TypeError, match="no density"):
        SwissRoll().log_prob(torch.zeros(1, 2))
    with pytest.raises(ValueError, match="component must have shape"):
        GaussianRing().sample(3, torch.zeros(2, dtype=torch.long))
    with pytest.raises(TypeError, match="must define sample"):
        Prior().sample(1)
    with pytest.raises(TypeError, match=r"Mixture must define sample\(n, component\)"):
        Mixture().sample(1)
    with pytest.raises(TypeError, match=r"Mixture must define component\(z\)"):
        Mixture().component(torch.zeros(1, 2))


@pytest.mark.parametrize("prior", [Normal(2), Uniform(2), GaussianRing(), SwissRoll()])
def test_buffers_follow_the_module(prior):
    assert prior.double().sample(3).dtype == torch.float64
    assert not list(prior.parameters())


# ------------------------------------------------------ which component z belongs to


def petals(k):
    return GaussianRing(k, along=0.05, across=0.02)


MIXTURES = [OneHot, petals, SwissRoll]


@pytest.mark.parametrize("prior", MIXTURES)
@pytest.mark.parametrize("k", [1, 3, 10])
def test_draws_of_a_component_belong_to_it(prior, k):
    prior, component = prior(k), torch.arange(3000) % k
    assert isinstance(prior, Mixture) and prior.k == k
    got = prior.component(prior.sample(3000, component))
    assert got.dtype == torch.int64 and torch.equal(got, component)


@pytest.mark.parametrize("prior", MIXTURES)
def test_draws_of_no_component_in_particular_are_of_all_alike(prior):
    count = prior(4).component(prior(4).sample(N)).bincount(minlength=4)
    assert ((count / N - 0.25).abs() < 5 * (0.25 * 0.75 / N) ** 0.5).all()


def test_the_component_of_a_petal_is_where_the_density_is_largest():
    """By scipy, for petals that overlap."""
    prior = GaussianRing(k=6, radius=1.0, along=0.8, across=0.3)
    z = prior.sample(500)
    densities = []
    for k in range(6):
        turn = prior.rotation[k].numpy()
        cov = turn @ np.diag([0.64, 0.09]) @ turn.T
        law = scipy.stats.multivariate_normal(prior.means[k].numpy(), cov)
        densities.append(law.logpdf(z.numpy()))
    got = prior.component(z)
    np.testing.assert_array_equal(got, np.argmax(densities, 0))
    assert set(got.tolist()) == {0, 1, 2, 3, 4, 5}


def test_the_component_on_a_swiss_roll_is_that_of_the_nearest_point_of_the_curve():
    prior = SwissRoll(k=5, radius=2.0, turns=1.5)
    z = 4 * torch.rand(300, 2) - 2
    u = (np.arange(10_000) + 0.5) / 10_000
    angle, r = 2 * np.pi * 1.5 * np.sqrt(u), 2 * np.sqrt(u)
    curve = np.stack([r * np.cos(angle), r * np.sin(angle)], 1)
    gaps = ((z.numpy()[:, None] - curve) ** 2).sum(2).reshape(300, 5, -1).min(2)
    first, second = np.sort(gaps, 1)[:, :2].T ** 0.5
    clear = second - first > 0.02  # no tie within the grid of a hundred points an arc
    got = prior.component(z).numpy()
    np.testing.assert_array_equal(got[clear], gaps.argmin(1)[clear])
    assert clear.mean() > 0.8 and set(got) == {0, 1, 2, 3, 4}


def test_noise_moves_few_draws_of_the_swiss_roll_to_another_arc():
    prior, component = SwissRoll(noise=0.05), torch.arange(N) % 10
    wrong = prior.component(prior.sample(N, component)) != component
    assert 0 < wrong.double().mean() < 0.04


def test_labels_and_rows_of_ones():
    prior, labels = OneHot(4), torch.tensor([2, 0, 3])
    rows = prior.one_hot(labels)
    want = torch.nn.functional.one_hot(labels, 4).float()
    assert torch.equal(rows, want) and torch.equal(prior.component(rows), labels)
    assert prior.double().one_hot(labels).dtype == torch.float64
    soft = torch.tensor([[0.2, 0.5, 0.2, 0.1]], dtype=torch.float64)
    assert prior.component(soft).tolist() == [1]  # the most probable class


# ------------------------------------------------------------------------- given rows


def test_draws_of_given_rows_are_rows_each_as_often_as_it_is_there():
    rows = torch.tensor([[1.0, 0, 7], [0, 2, 8], [1, 0, 7], [0, 0, 9]])
    prior = Empirical(rows)
    assert prior.dim == 3
    drawn = prior.sample(N)
    assert drawn.shape == (N, 3)
    kinds, counts = drawn.unique(dim=0, return_counts=True)
    assert kinds.tolist() == rows.unique(dim=0).tolist()
    want = torch.tensor([0.25, 0.25, 0.5])  # (0, 0, 9), (0, 2, 8), (1, 0, 7) twice
    error = (want * (1 - want) / N).sqrt()
    assert ((counts / N - want).abs() < 5 * error).all()
    lag = torch.corrcoef(torch.stack([drawn[:-1, 2], drawn[1:, 2]]))[0, 1]
    assert lag.abs() < 5 / N**0.5  # one draw says nothing of the next


def test_rows_are_drawn_also_where_more_are_asked_for_than_there_are():
    only = Empirical(torch.tensor([[3.0, 4.0]]))
    assert only.sample(5).tolist() == [[3.0, 4.0]] * 5
    assert only.sample(0).shape == (0, 2)


def test_given_rows_are_the_priors_own_copy():
    rows = torch.ones(4, 2, requires_grad=True)
    prior = Empirical(rows)
    with torch.no_grad():
        rows += 1
    assert torch.equal(prior.sample(3), torch.ones(3, 2))
    assert not prior.sample(3).requires_grad and not list(prior.parameters())
    assert torch.equal(prior.state_dict()["rows"], torch.ones(4, 2))
    assert prior.double().sample(3).dtype == torch.float64
    with pytest.raises(TypeError, match="Empirical has samples but no density"):
        prior.log_prob(torch.ones(1, 2))
