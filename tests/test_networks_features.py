"""Features of hidden layers, and BiGAN's permutation-invariant networks by hand."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn

from adv_ae import games, step
from adv_ae.conditionals import Deterministic, Signs
from adv_ae.networks import (
    MLP,
    Discriminator,
    Injected,
    InjectedDiscriminator,
    activations,
    bigan_encoder,
    bigan_generator,
)
from adv_ae.networks.conv import Maxout
from adv_ae.priors import Uniform

pytestmark = pytest.mark.usefixtures("double")

N, X, Z, H = 9, 6, 3, 8


# ----------------------------------------------------------------------- what is hidden


@pytest.mark.parametrize("kind", [nn.ReLU, nn.LeakyReLU, nn.ELU, nn.Tanh])
def test_features_are_what_each_nonlinearity_makes_in_order(kind):
    net, x = MLP(X, 7, 5, 2, activation=kind), torch.randn(N, X)
    first = kind()(net.layers[0](x))
    second = kind()(net.layers[2](first))
    got = activations(net, x)
    assert [tuple(f.shape) for f in got] == [(N, 7), (N, 5)]
    assert torch.equal(got[0], first) and torch.equal(got[1], second)


def test_features_of_maxout_are_the_largest_of_its_pieces():
    net, x = (
        nn.Sequential(nn.Linear(X, 8), Maxout(2), nn.Linear(4, 1)),
        torch.randn(N, X),
    )
    (got,) = activations(net, x)
    torch.testing.assert_close(got, net[0](x).view(N, 4, 2).amax(2))


def test_the_last_of_them_is_the_layer_before_the_output():
    net, x = MLP(X, 7, 5, 2), torch.randn(N, X)
    torch.testing.assert_close(net.layers[-1](activations(net, x)[-1]), net(x))


def test_an_output_nonlinearity_of_another_kind_is_no_feature():
    net = MLP(X, 7, 2, last=nn.Sigmoid())
    assert [f.shape[1] for f in activations(net, torch.randn(N, X))] == [7]


def test_features_carry_no_gradient_and_leave_no_hook():
    net, x = MLP(X, 7, 5, 2), torch.randn(N, X, requires_grad=True)
    got = activations(net, x)
    assert not any(f.requires_grad for f in got)
    assert not any(m._forward_hooks for m in net.modules())
    net(torch.randn(4, X))
    assert [len(f) for f in got] == [N, N]
    assert net(x).requires_grad and torch.is_grad_enabled()


def test_hooks_are_gone_also_when_the_network_fails():
    net = MLP(X, 7, 2)
    with pytest.raises(RuntimeError, match="shape"):
        activations(net, torch.randn(N, X + 1))
    assert not any(m._forward_hooks for m in net.modules())


def test_networks_of_several_arguments():
    D, x, z = Discriminator(X + Z, 7), torch.randn(N, X), torch.randn(N, Z)
    (got,) = activations(D, x, z)
    torch.testing.assert_close(got, D.layers[0](torch.cat([x, z], 1)).relu())


def test_pictures_of_features_are_flat():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    x = torch.randn(N, 1, 4, 4)
    (got,) = activations(net, x)
    assert got.shape == (N, 16) and torch.equal(got, net[:3](x))


def test_a_module_that_is_passed_twice_is_seen_twice():
    f = nn.Tanh()
    net, x = nn.Sequential(nn.Linear(X, X), f, nn.Linear(X, X), f), torch.randn(N, X)
    once = net[0](x).tanh()
    got = activations(net, x)
    assert len(got) == 2 and torch.equal(got[0], once)
    assert torch.equal(got[1], net[2](once).tanh())


def test_features_are_in_the_order_of_the_pass_not_of_definition():
    class Reversed(nn.Module):
        def __init__(self):
            super().__init__()
            self.late, self.early = nn.Sequential(nn.Tanh()), nn.ReLU()

        def forward(self, x):
            return self.late(self.early(x) - 1)

    x = torch.randn(N, X)
    early, late = activations(Reversed(), x)
    assert torch.equal(early, x.relu()) and torch.equal(late, (x.relu() - 1).tanh())


def test_evaluation_and_training_are_the_networks_own():
    net, x = MLP(X, 7, 2, batch_norm=True, dropout=0.5), torch.randn(N, X)
    (in_training,) = activations(net, x)
    assert net.layers[1].num_batches_tracked == 1 and net.training
    (a,), (b,) = activations(net.eval(), x), activations(net, x)
    assert torch.equal(a, b) and not torch.allclose(a, in_training)
    assert net.layers[1].num_batches_tracked == 1


def test_a_network_without_hidden_layers_is_refused_with_what_would_do():
    with pytest.raises(ValueError, match="ReLU, LeakyReLU, ELU, Tanh, Maxout"):
        activations(MLP(X, 2, last=nn.Sigmoid()), torch.randn(N, X))


def test_features_of_games():
    """As the docstring says: of E the layer before the output, of D the last."""
    E, G = bigan_encoder(X, Z, H), bigan_generator(Z, X, H)
    D, x = InjectedDiscriminator(X, Z, H), torch.rand(N, X)
    game = games.BiGAN(Deterministic(E), Deterministic(G), Uniform(Z), D)
    game.eval()
    features = activations(game.q.net, x)
    assert [f.shape for f in features] == [(N, H), (N, H)]
    torch.testing.assert_close(game.q.net.rest[-1](features[-1]), game.encode(x))
    last = activations(game.D, x, game.encode(x))[-1]
    torch.testing.assert_close(game.D.rest[-1](last)[:, 0], game.D(x, game.encode(x)))


# -------------------------------------------------------------------- injected, by hand


def normed(h):
    """Batch normalization without gain or bias: variance of n, not n - 1."""
    return (h - h.mean(0)) / np.sqrt(h.var(0) + 1e-5)


def numbers(*tensors):
    return [t.detach().numpy() for t in tensors]


def matrices(net):
    """A, B, C (None where nothing is injected) and O."""
    C = net.projection
    (A, B, O) = numbers(net.first[0].weight, net.second.weight, linear(net.rest).weight)
    return A, B, None if C is None else C.weight.detach().numpy(), O


def linear(layers):
    (only,) = [m for m in layers if isinstance(m, nn.Linear)]
    return only


def leaky(h):
    return np.where(h > 0, h, 0.2 * h)


def test_the_encoder_by_hand():
    """Leaky ReLU of slope 0.2; batch norm before the second one only."""
    net, x = bigan_encoder(X, Z, H), torch.randn(N, X)
    A, B, C, O = matrices(net)
    assert C is None and [M.shape for M in (A, B, O)] == [(H, X), (H, H), (Z, H)]
    want = leaky(normed(leaky(x.numpy() @ A.T) @ B.T)) @ O.T
    np.testing.assert_allclose(net(x).detach(), want, atol=1e-12)


def test_the_generator_by_hand():
    """z at the input and, projected, at the second layer; ReLU; batch norm in both."""
    net, z = bigan_generator(Z, X, H), torch.rand(N, Z)
    A, B, C, O = matrices(net)
    assert [M.shape for M in (A, B, C, O)] == [(H, Z), (H, H), (H, Z), (X, H)]
    h = normed(z.numpy() @ A.T).clip(0)
    h = normed(h @ B.T + z.numpy() @ C.T).clip(0)
    want = 1 / (1 + np.exp(-h @ O.T))
    np.testing.assert_allclose(net(z).detach(), want, atol=1e-12)


def test_the_discriminator_of_pairs_by_hand():
    D, x, z = InjectedDiscriminator(X, Z, H), torch.randn(N, X), torch.rand(N, Z)
    nn.init.normal_(linear(D.rest).weight)
    A, B, C, O = matrices(D)
    assert [M.shape for M in (A, B, C, O)] == [(H, X), (H, H), (H, Z), (1, H)]
    h = normed(leaky(x.numpy() @ A.T) @ B.T + z.numpy() @ C.T)
    want = (leaky(h) @ O.T)[:, 0]
    have = D(x, z)
    assert have.shape == (N,)
    np.testing.assert_allclose(have.detach(), want, atol=1e-12)


def test_the_discriminator_of_x_alone_by_hand():
    D, x = InjectedDiscriminator(X, 0, H), torch.randn(N, X)
    nn.init.normal_(linear(D.rest).weight)
    A, B, C, O = matrices(D)
    want = (leaky(normed(leaky(x.numpy() @ A.T) @ B.T)) @ O.T)[:, 0]
    assert C is None
    np.testing.assert_allclose(D(x).detach(), want, atol=1e-12)


def test_a_second_argument_is_not_the_first():
    """The generator injects its own z again; D the z that it is given."""
    D, x = InjectedDiscriminator(Z, Z, H), torch.randn(N, Z)
    nn.init.normal_(linear(D.rest).weight)
    assert torch.equal(D(x), D(x, x)) and not torch.allclose(D(x), D(x, x.flip(0)))


def test_pictures_are_flattened():
    x = torch.rand(N, 1, 2, 3)
    for net, rest in (
        (bigan_encoder(X, Z, H), ()),
        (InjectedDiscriminator(X, Z, H), (torch.rand(N, Z),)),
    ):
        assert torch.equal(net(x, *rest), net(x.flatten(1), *rest))


NETS = {
    "encoder": lambda h: bigan_encoder(X, Z, h),
    "generator": lambda h: bigan_generator(Z, X, h),
    "D(x, z)": lambda h: InjectedDiscriminator(X, Z, h),
    "D(x)": lambda h: InjectedDiscriminator(X, 0, h),
}


@pytest.mark.parametrize("name", NETS)
def test_all_weights_are_matrices_from_a_normal_of_two_hundredths(name):
    """Neither biases nor gains; D's output begins at zero and so says 1/2."""
    net = NETS[name](300)
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm1d)]
    assert len(norms) == (2 if name == "generator" else 1)
    last = linear(net.rest).weight
    for w in net.parameters():
        assert w.dim() == 2
        if name.startswith("D") and w is last:
            assert not w.any()
        else:
            n = w.numel()
            assert abs(w.std().item() / 0.02 - 1) < 5 / math.sqrt(2 * n)
            assert abs(w.mean().item()) < 5 * 0.02 / math.sqrt(n)
    big = net.second.weight.detach().flatten()[::7]
    assert scipy.stats.kstest(big, "norm", (0, 0.02)).pvalue > 1e-4


@pytest.mark.parametrize("name", NETS)
def test_the_papers_width_is_1024(name):
    net = {
        "encoder": lambda: bigan_encoder(X, Z),
        "generator": lambda: bigan_generator(Z, X),
        "D(x, z)": lambda: InjectedDiscriminator(X, Z),
        "D(x)": lambda: InjectedDiscriminator(X, 0),
    }[name]()
    inputs, outputs = {"encoder": (X, Z), "generator": (Z, X)}.get(name, (X, 1))
    injected = {"generator": Z, "D(x, z)": Z}.get(name, 0)
    count = 1024 * (inputs + 1024 + injected + outputs)
    assert sum(w.numel() for w in net.parameters()) == count


def test_a_fresh_discriminator_says_one_half():
    E, G = Signs(bigan_encoder(X, Z, H)), Deterministic(bigan_generator(Z, X, H))
    game = games.BiGAN(E, G, Uniform(Z), InjectedDiscriminator(X, Z, H))
    losses = game.losses(torch.rand(N, X))
    for player in ("D", "G"):
        assert losses[player].item() == pytest.approx(2 * math.log(2), abs=1e-12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.BatchNorm1d, "forward", lambda self, h: 1 / 0)
        with pytest.raises(ZeroDivisionError):  # it is in use all the same
            game.losses(torch.rand(N, X))


def test_the_generator_draws_pixels_and_its_eval_mode_knows_the_batches_of_before():
    net, z = bigan_generator(Z, X, H), 2 * torch.rand(500, Z) - 1
    for _ in range(300):  # running variances begin at 1, far above those of z
        net(z)
    x = net.eval()(z[:1])
    assert ((x > 0) & (x < 1)).all()
    torch.testing.assert_close(x, net.train()(z)[:1], rtol=0, atol=0.01)


def test_all_weights_learn():
    """One step of BiGAN moves D's output first, then everything."""
    E, G = Signs(bigan_encoder(X, Z, H)), Deterministic(bigan_generator(Z, X, H))
    game = games.BiGAN(E, G, Uniform(Z), InjectedDiscriminator(X, Z, H))
    sgd = {k: torch.optim.SGD(game.weights(k), 0.1) for k in game.players}
    start = {k: w.detach().clone() for k, w in game.named_parameters()}
    step(game, sgd, torch.rand(N, X))
    moved = {k for k, w in game.named_parameters() if not torch.equal(w, start[k])}
    assert moved == {"D.rest.2.weight"}  # at D = 1/2 nobody else has a slope
    step(game, sgd, torch.rand(N, X))
    assert not any(torch.equal(w, start[k]) for k, w in game.named_parameters())


def test_options_of_injected():
    x, z = torch.randn(N, X), torch.randn(N, Z)
    net = Injected(X, H, 4, Z, nn.Tanh(), first_norm=True, last=nn.Softplus())
    A, B, C, O = matrices(net)
    h = np.tanh(normed(x.numpy() @ A.T))
    h = np.tanh(normed(h @ B.T + z.numpy() @ C.T))
    want = np.log1p(np.exp(h @ O.T))
    np.testing.assert_allclose(net(x, z).detach(), want, atol=1e-12)
    bare = Injected(X, H, 4, 0, nn.Tanh())
    A, B, _, O = matrices(bare)
    want = np.tanh(normed(np.tanh(x.numpy() @ A.T) @ B.T)) @ O.T
    np.testing.assert_allclose(bare(x).detach(), want, atol=1e-12)
