"""GAN, ALI and BiGAN line by line: who is real, who is fake, who wants what."""

import pytest
import torch
import torch.nn.functional as F

from adv_ae import games
from adv_ae.conditionals import Deterministic, Gaussian
from adv_ae.divergences import fake
from adv_ae.networks import MLP, Discriminator
from adv_ae.priors import Normal, Uniform
from adv_ae.training import adam, fit

log_sigmoid = F.logsigmoid


class Fixed(torch.nn.Module):
    """A prior that returns what it was given."""

    dim = 2

    def __init__(self, z):
        super().__init__()
        self.z = z

    def sample(self, n):
        return self.z


@pytest.fixture
def parts():
    torch.manual_seed(0)
    x, z = torch.rand(30, 5), torch.randn(30, 2)
    p = Deterministic(MLP(2, 8, 5))
    return x, z, p


@pytest.mark.parametrize("Game", [games.GAN, games.AlternatingGAN])
def test_gan_calls_data_real_and_samples_fake(parts, Game):
    x, z, p = parts
    game = Game(p, Fixed(z), Discriminator(5, 8))
    on_data, on_p = game.D(x), game.D(p(z).rsample())
    losses = game.losses(x)
    want = -(log_sigmoid(on_data).mean() + log_sigmoid(-on_p).mean())
    torch.testing.assert_close(losses["D"], want)
    torch.testing.assert_close(losses["G"], -log_sigmoid(on_p).mean())


def test_the_saturating_generator_descends_the_value(parts):
    x, z, p = parts
    game = games.SaturatingGAN(p, Fixed(z), Discriminator(5, 8))
    losses = game.losses(x)
    on_p = game.D(p(z).rsample())
    torch.testing.assert_close(losses["G"], log_sigmoid(-on_p).mean())


def test_ali_calls_encoder_pairs_real_and_swaps_labels_for_q_and_p(parts):
    x, z, p = parts
    q = Deterministic(MLP(5, 8, 2))
    game = games.ALI(q, p, Fixed(z), Discriminator(7, 8))
    on_q, on_p = game.D(x, q(x).rsample()), game.D(p(z).rsample(), z)
    losses = game.losses(x)
    d = -(log_sigmoid(on_q).mean() + log_sigmoid(-on_p).mean())
    g = -(log_sigmoid(-on_q).mean() + log_sigmoid(on_p).mean())
    torch.testing.assert_close(losses["D"], d)
    torch.testing.assert_close(losses["G"], g)


def test_bigan_is_ali_with_point_masses(parts):
    x, z, p = parts
    q = Deterministic(MLP(5, 8, 2))
    D = Discriminator(7, 8)
    bigan, ali = games.BiGAN(q, p, Fixed(z), D), games.ALI(q, p, Fixed(z), D)
    torch.testing.assert_close(bigan.losses(x), ali.losses(x))
    assert torch.equal(bigan.E(x), q(x).rsample())
    assert torch.equal(bigan.G(z), p(z).rsample())


def test_at_the_optimal_discriminator_ali_pulls_q_to_p():
    """x is pure noise that D ignores; q(z|x) = N(m, 1), p(z) = N(0, 1).

    With the optimal D(z) the logit is log q(z) - log p(z); descending ALI's loss must
    move m towards 0. Labels not flipped for the encoder half push it away.
    """
    m = torch.tensor(1.5, requires_grad=True)
    z_hat = m + torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    logit = -0.5 * (z_hat - 1.5) ** 2 + 0.5 * z_hat**2
    (slope,) = torch.autograd.grad(fake(logit), m)
    assert slope > 0.1


def test_ali_learns_the_identity_coupling():
    """On x ~ N(0, 1), z ~ N(0, 1): after training, reconstructions follow x."""
    q = Gaussian(MLP(1, 32, 2))
    p = Deterministic(MLP(1, 32, 1))
    game = games.ALI(q, p, Normal(1), Discriminator(2, 64))
    x = torch.randn(2000, 1)
    fit(game, x, adam(game, lr=1e-3, betas=(0.5, 0.999)), steps=1500, seed=0)
    both = torch.stack([x[:, 0], game.reconstruct(x)[:, 0]])
    assert torch.corrcoef(both)[0, 1] > 0.9


def test_priors_meet_data_of_another_dimension_with_an_error(parts):
    x, _, p = parts
    game = games.GAN(p, Uniform(3), Discriminator(5, 8))
    with pytest.raises(RuntimeError, match="shape"):
        game.losses(x)
