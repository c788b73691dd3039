"""The papers' tables: sizes, counts, where batch norm and dropout sit, what comes out.

Sizes and counts are read off networks on the meta device, which have shapes and no
numbers.
"""

import itertools
import math

import pytest
import torch
from torch import nn

from adv_ae import games
from adv_ae.conditionals import Deterministic, Gaussian, Noisy
from adv_ae.game import step
from adv_ae.networks.alexnet import (
    AlexNetEncoder,
    ImageNetDiscriminator,
    ImageNetGenerator,
    InjectedConv,
)
from adv_ae.networks.conv import (
    Join,
    Layer,
    Maxout,
    PixelBias,
    Pointwise,
    row,
    stack,
)
from adv_ae.networks.tables import (
    CELEBA,
    CIFAR10,
    MIXTURE,
    SVHN,
    TABLES,
    TINY_IMAGENET,
)
from adv_ae.priors import Normal, Uniform
from adv_ae.training import adam

ALL = list(TABLES.values())
SMALL = [CIFAR10, SVHN, MIXTURE]  # quick to run; the others are of 64 x 64 pixels

# pixels of a side, before the first row and after each
SIDES = {
    "cifar10": {
        "G_z": [32, 28, 13, 10, 4, 1, 1, 1],
        "G_x": [1, 4, 10, 13, 28, 32, 32, 32],
        "D_x": [32, 28, 13, 10, 4, 1],
    },
    "celeba": {
        "G_z": [64, 63, 29, 13, 4, 1, 1],
        "G_x": [1, 4, 13, 29, 63, 64, 64],
        "D_x": [64, 63, 29, 13, 4, 1],
    },
    "tiny-imagenet": {
        "G_z": [64, 31, 28, 13, 10, 4, 1, 1, 1, 1],
        "G_x": [1, 1, 1, 4, 10, 13, 28, 31, 64, 64],
        "D_x": [64, 31, 28, 13, 10, 4, 1],
    },
    "mixture": {"G_z": [1] * 4, "G_x": [1] * 6, "D_x": [1]},
}
SIDES["svhn"] = SIDES["cifar10"]

# (kernel, inputs, outputs) of every convolution; in D before the maxout
TRUNK = [(5, 3, 32), (4, 32, 64), (4, 64, 128), (4, 128, 256), (4, 256, 512)]
UP = [(4, 256, 128), (4, 128, 64), (4, 64, 32), (5, 32, 32), (1, 32, 32), (1, 32, 3)]
FACES = [(2, 3, 64), (7, 64, 128), (5, 128, 256), (7, 256, 256), (4, 256, 512)]
TINY = [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256)]
SHAPES = {
    "cifar10": {
        "G_z": [*TRUNK, (1, 512, 512), (1, 512, 128)],
        "G_x": [(4, 64, 256), *UP],
        "D_x": [(k, n, 2 * m) for k, n, m in TRUNK],
        "D_z": [(1, 64, 1024), (1, 512, 1024)],
        "D_joint": [(1, 1024, 2048), (1, 1024, 2048), (1, 1024, 1)],
    },
    "svhn": {
        "G_z": [*TRUNK, (1, 512, 512), (1, 512, 512)],
        "G_x": [(4, 256, 256), *UP],
        "D_x": TRUNK,
        "D_z": [(1, 256, 512), (1, 512, 512)],
        "D_joint": [(1, 1024, 1024), (1, 1024, 1024), (1, 1024, 1)],
    },
    "celeba": {
        "G_z": [*FACES, (1, 512, 512)],
        "G_x": [
            (4, 256, 512),
            (7, 512, 256),
            (5, 256, 256),
            (7, 256, 128),
            (2, 128, 64),
            (1, 64, 3),
        ],
        "D_x": FACES,
        "D_z": [(1, 256, 1024), (1, 1024, 1024)],
        "D_joint": [(1, 1536, 2048), (1, 2048, 2048), (1, 2048, 1)],
    },
    "tiny-imagenet": {
        "G_z": [
            *((4, n, m) for n, m in TINY),
            (1, 256, 2048),
            (1, 2048, 2048),
            (1, 2048, 512),
        ],
        "G_x": [
            (1, 256, 2048),
            (1, 2048, 256),
            (4, 256, 256),
            (4, 256, 128),
            (4, 128, 128),
            (4, 128, 64),
            (4, 64, 64),
            (4, 64, 64),
            (1, 64, 3),
        ],
        "D_x": [(4, n, m) for n, m in TINY],
        "D_z": [(1, 256, 2048), (1, 2048, 2048)],
        "D_joint": [(1, 2304, 4096), (1, 4096, 4096), (1, 4096, 1)],
    },
    "mixture": {
        "G_z": [(1, 4, 400), (1, 400, 400), (1, 400, 2)],
        "G_x": [(1, 2, 400), *[(1, 400, 400)] * 3, (1, 400, 2)],
        "D_x": [],
        "D_z": [],
        "D_joint": [(1, 4, 1000), (1, 200, 1000), (1, 200, 1000), (1, 200, 1)],
    },
}
# which rows have batch normalization, and dropout at their input
NORMED = {
    "cifar10": {"D_x": [0, 0, 0, 0, 0]},
    "svhn": {"D_x": [0, 1, 1, 1, 1]},
    "celeba": {"D_x": [1, 1, 1, 1, 1]},
    "tiny-imagenet": {"D_x": [0, 1, 1, 1, 1, 1]},
    "mixture": {"D_x": []},
}
DROPPED = {
    "cifar10": {"D_x": [0.2, *[0.5] * 4], "D_z": [0.2, 0.5], "D_joint": [0.5] * 3},
    "svhn": {"D_x": [0.2] * 5, "D_z": [0.2] * 2, "D_joint": [0.2] * 3},
    "celeba": {"D_x": [0.0] * 5, "D_z": [0.2] * 2, "D_joint": [0.2] * 3},
    "tiny-imagenet": {"D_x": [0.2] * 6, "D_z": [0.2] * 2, "D_joint": [0.2] * 3},
    "mixture": {"D_x": [], "D_z": [], "D_joint": [0.0] * 4},
}

every = pytest.mark.parametrize("table", ALL, ids=lambda t: t.name)
small = pytest.mark.parametrize("table", SMALL, ids=lambda t: t.name)


def outputs(table):
    """Of the encoder that the paper has: mean and log std, or a code."""
    return table.latent if table.noise else 2 * table.latent


def three(table, attributes=0):
    return (
        table.encoder(outputs(table), attributes),
        table.decoder(attributes),
        table.discriminator(attributes=attributes),
    )


def on_meta(table, attributes=0):
    with torch.device("meta"):
        return three(table, attributes)


def rows(table):
    """The modules of every row, by the name of its part of the table."""
    q, p, D = on_meta(table)
    q = q.net if table.noise else q
    last = nn.Sequential(p.last, p.output, p.activation)
    return {
        "G_z": [*q.hidden, *q.last],
        "G_x": [*p.hidden, last],
        "D_x": [*D.D_x],
        "D_z": [*D.D_z],
        "D_joint": [*D.D_joint],
    }


def kinds(modules, kind):
    return [[m for m in r.modules() if isinstance(m, kind)] for r in modules]


def numbers(net):
    return sum(w.numel() for w in net.parameters())


def batch(table, n=2, attributes=0):
    x, z = torch.rand(n, table.width), torch.randn(n, table.latent)
    y = [torch.randint(2, (n, attributes)).to(x)] if attributes else []
    eta = [torch.randn(n, table.noise)] if table.noise else []
    return x, z, y, eta


# ---- sizes, channels, counts


@every
def test_maps_have_the_sides_that_the_kernels_leave(table):
    parts = rows(table)
    inputs = table.maps[0] + table.noise
    for part, sides in SIDES[table.name].items():
        channels = {"G_z": inputs, "G_x": table.latent, "D_x": table.maps[0]}[part]
        h = torch.empty(2, channels, sides[0], sides[0], device="meta")
        for modules, side in zip(parts[part], sides[1:], strict=True):
            h = modules(h)
            assert h.shape[2:] == (side, side), part


@every
def test_every_convolution_has_its_kernel_and_channels(table):
    for part, modules in rows(table).items():
        found = []
        for (conv,) in kinds(modules, nn.Conv2d | nn.ConvTranspose2d):
            assert conv.padding == (0, 0) and conv.groups == 1
            assert conv.kernel_size[0] == conv.kernel_size[1]
            found += [(conv.kernel_size[0], conv.in_channels, conv.out_channels)]
        assert found == SHAPES[table.name][part], part


@every
def test_the_number_of_weights_is_that_of_the_formula(table):
    """Sum of k^2 in out, with 2 out of a batch norm or out of a bias; C H W of the
    decoder's untied bias."""
    q, p, D = on_meta(table)
    shapes, normed = SHAPES[table.name], NORMED[table.name]["D_x"]

    def convolutions(part):
        return sum(k**2 * n * m for k, n, m in shapes[part])

    def out(part):
        return [m for _, _, m in shapes[part]]

    in_q = convolutions("G_z") + 2 * sum(out("G_z")[:-1]) + out("G_z")[-1]
    in_p = convolutions("G_x") + 2 * sum(out("G_x")[:-1]) + table.width
    in_D = sum(map(convolutions, ("D_x", "D_z", "D_joint")))
    in_D += sum(out("D_z")) + sum(out("D_joint"))
    in_D += sum(m * (1 + n) for m, n in zip(out("D_x"), normed, strict=True))
    assert [numbers(net) for net in (q, p, D)] == [in_q, in_p, in_D]


def test_counts_of_cifar10_and_the_toy_by_hand():
    """The encoder's 3118496 = 2400 + 32768 + 131072 + 524288 + 2097152 + 262144 +
    65536 of convolutions, 2 (32 + 64 + 128 + 256 + 512 + 512), and 128."""
    assert [numbers(net) for net in on_meta(CIFAR10)] == [3118496, 981152, 10368641]
    assert [numbers(net) for net in on_meta(MIXTURE)] == [164002, 484802, 407201]


@every
def test_the_parts_fit_together(table):
    assert TABLES[table.name] is table
    assert table.G_z[-1].channels == outputs(table)  # what the paper prints
    assert table.G_x[-1].channels == table.maps[0]
    assert table.D_joint[-1].channels == 1
    assert table.init_std == (0.02 if table is MIXTURE else 0.01)
    assert table.betas == (0.2 if table is MIXTURE else 0.5, 0.999)
    assert table.lr == 1e-4
    assert table.source.startswith(("Appendix A", "The authors' code"))


def test_what_is_printed_below_the_tables():
    below = {t.name: (t.latent, t.batch, t.epochs, t.slope, t.pieces) for t in ALL}
    assert below == {
        "cifar10": (64, 100, 6475, 0.1, 2),
        "svhn": (256, 100, 100, 0.01, 1),
        "celeba": (256, 100, 123, 0.02, 1),
        "tiny-imagenet": (256, 128, 125, 0.01, 1),
        "mixture": (2, 100, 200, 0.0, 5),
    }


# ---- batch normalization, dropout, nonlinearities


@every
def test_batch_norm_is_on_no_output_nor_where_z_has_been(table):
    parts = rows(table)
    normed = {
        part: [len(k) for k in kinds(modules, nn.BatchNorm2d)]
        for part, modules in parts.items()
    }
    assert normed == {
        "G_z": [1] * (len(parts["G_z"]) - 1) + [0],
        "G_x": [1] * (len(parts["G_x"]) - 1) + [0],
        "D_x": NORMED[table.name]["D_x"],
        "D_z": [0] * len(parts["D_z"]),
        "D_joint": [0] * len(parts["D_joint"]),
    }


@every
def test_dropout_is_in_D_only_and_at_the_inputs_of_its_rows(table):
    parts = rows(table)
    for part, modules in parts.items():
        rates = DROPPED[table.name].get(part, [0.0] * len(modules))
        assert [sum(m.p for m in k) for k in kinds(modules, nn.Dropout)] == rates
        for r in modules:
            assert not any(isinstance(m, nn.Dropout) for m in [*r][1:])


@every
def test_the_order_is_convolution_batch_norm_nonlinearity(table):
    order = {
        nn.Dropout: 0,
        nn.Conv2d: 1,
        nn.ConvTranspose2d: 1,
        Pointwise: 1,
        nn.BatchNorm2d: 2,
        PixelBias: 2,
    }
    for r in itertools.chain(*rows(table).values()):
        places = [order.get(type(m), 3) for m in r]
        assert places == sorted(places) and len(set(places)) == len(places)


@every
def test_nonlinearities_are_those_of_the_table(table):
    parts = rows(table)
    G = nn.ReLU if table is MIXTURE else nn.LeakyReLU
    D = Maxout if table.pieces > 1 else nn.LeakyReLU
    for part, modules in parts.items():
        hidden = D if part.startswith("D") else G
        whole = part in ("D_x", "D_z")
        assert all(type(r[-1]) is hidden for r in modules[: None if whole else -1])
        for m in itertools.chain(*kinds(modules, nn.LeakyReLU)):
            assert m.negative_slope == table.slope
        for m in itertools.chain(*kinds(modules, Maxout)):
            assert m.pieces == table.pieces
    last = nn.Identity if table is MIXTURE else nn.Sigmoid
    assert type(parts["G_x"][-1][-1]) is last
    assert type(parts["G_z"][-1][-1]) is nn.Identity
    assert type(parts["D_joint"][-1][-1]) is nn.Identity  # logits


def test_running_statistics_keep_095_of_what_they_were():
    r = row(Layer("conv", 1, 1, 3, True, 0.0, "linear"), 2, 0.0, 1)
    x = torch.randn(50, 2, 4, 4)
    h = r[0](x)
    r(x)
    torch.testing.assert_close(r[1].running_mean, 0.05 * h.mean((0, 2, 3)))
    torch.testing.assert_close(r[1].running_var, 0.95 + 0.05 * h.var((0, 2, 3)))
    by_hand = (h - h.mean((0, 2, 3), keepdim=True)) / (
        h.var((0, 2, 3), correction=0, keepdim=True) + 1e-4
    ).sqrt()
    torch.testing.assert_close(r(x), by_hand)


def test_a_row_is_dropout_then_convolution_then_nonlinearity(double):
    """Half of ones are dropped and half are 2: sums of two are 0, 2 or 4, times -1 and
    then a leaky ReLU of slope 0.1."""
    r = row(Layer("conv", 1, 1, 1, False, 0.5, "leaky"), 2, 0.1, 1)
    with torch.no_grad():
        r[1].weight.fill_(-1.0)
        r[1].bias.zero_()
    out = r(torch.ones(500, 2, 1, 1))
    torch.testing.assert_close(out.unique(), torch.tensor([-0.4, -0.2, 0.0]))
    torch.testing.assert_close(
        r.eval()(torch.ones(1, 2, 1, 1)), torch.full((1, 1, 1, 1), -0.2)
    )


def test_convolutions_are_torchs_own_by_hand(double):
    """A transposed convolution spreads: y[s i + a] += x[i] w[a]; a convolution gathers:
    y[i] = sum_a x[s i + a] w[a]."""
    x = torch.randn(1, 1, 3, 3)
    up = row(Layer("transposed", 4, 2, 1, False, 0.0, "linear"), 1, 0.0, 1)
    down = row(Layer("conv", 2, 1, 1, False, 0.0, "linear"), 1, 0.0, 1)
    spread, w = torch.zeros(8, 8), up[0].weight[0, 0]
    for i, j in itertools.product(range(3), repeat=2):
        spread[2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += x[0, 0, i, j] * w
    torch.testing.assert_close(up(x)[0, 0], spread + up[0].bias)
    w = down[0].weight[0, 0]
    gathered = torch.stack(
        [
            (x[0, 0, i : i + 2, j : j + 2] * w).sum()
            for i, j in itertools.product(range(2), repeat=2)
        ]
    )
    torch.testing.assert_close(down(x).flatten(), gathered + down[0].bias)


@pytest.mark.parametrize("side", [1, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_pointwise_is_the_convolution_of_kernel_1(side, bias, double):
    net, x = Pointwise(4, 5, 1, bias=bias), torch.randn(6, 4, side, side)
    want = nn.functional.conv2d(x, net.weight, net.bias)
    torch.testing.assert_close(net(x), want, rtol=0, atol=1e-14)


def test_maxout_by_hand():
    x = torch.tensor([[1.0, 3.0, -2.0, -5.0, 0.0, 4.0]])
    assert Maxout(2)(x).tolist() == [[3.0, -2.0, 4.0]]
    assert Maxout(3)(x).tolist() == [[3.0, 4.0]]
    assert torch.equal(Maxout(1)(x), x)
    assert Maxout(2)(torch.zeros(5, 6, 2, 3)).shape == (5, 3, 2, 3)


def test_the_gradient_of_maxout_goes_to_the_largest_piece():
    x = torch.tensor([[1.0, 3.0, -2.0, -5.0]], requires_grad=True)
    (slope,) = torch.autograd.grad(Maxout(2)(x).sum(), x)
    assert slope.tolist() == [[0.0, 1.0, 1.0, 0.0]]


def test_maxout_of_two_linear_pieces_is_the_absolute_value(double):
    r = row(Layer("conv", 1, 1, 1, False, 0.0, "maxout"), 1, 0.0, 2)
    with torch.no_grad():
        r[0].weight.copy_(torch.tensor([1.0, -1.0])[:, None, None, None])
        r[0].bias.zero_()
    x = torch.randn(20, 1, 1, 1)
    assert torch.equal(r(x), x.abs())


def test_channels_of_neighbors_meet_in_a_stack():
    layers = [
        Layer("conv", 1, 1, 6, False, 0.0, "maxout"),
        Layer("conv", 1, 1, 5, True, 0.0, "relu"),
    ]
    net = stack(layers, 2, 0.0, 3)
    assert [(r[0].in_channels, r[0].out_channels) for r in net] == [(2, 18), (6, 5)]
    assert len(stack([], 2, 0.0, 3)) == 0


@pytest.mark.parametrize(
    "wrong", [("pool", "relu"), ("conv", "tanh")], ids=["kind", "activation"]
)
def test_unknown_words_in_a_row_are_an_error(wrong):
    kind, activation = wrong
    with pytest.raises(ValueError, match="must be one of"):
        Layer(kind, 3, 1, 8, True, 0.0, activation)


# ---- weights at the start


@small
def test_weights_are_normal_and_biases_zero(table):
    for net in three(table, attributes=7):
        for name, m in net.named_modules():
            if isinstance(m, nn.BatchNorm2d):
                assert (m.weight == 1).all() and (m.bias == 0).all()
            elif getattr(m, "weight", None) is not None:
                n = m.weight.numel()
                gap = m.weight.std(correction=0) / table.init_std - 1
                assert abs(gap) < 5 / math.sqrt(2 * n), name
                assert abs(m.weight.mean()) < 5 * table.init_std / math.sqrt(n), name
                assert m.bias is None or (m.bias == 0).all(), name
            elif getattr(m, "bias", None) is not None:
                assert (m.bias == 0).all(), name


def zero_weights(p):
    with torch.no_grad():
        for m in [*p.hidden.modules(), p.last]:
            if isinstance(m, nn.Conv2d | nn.ConvTranspose2d):
                m.weight.zero_()


@pytest.mark.parametrize("table", [CIFAR10, SVHN], ids=lambda t: t.name)
def test_with_no_weights_the_decoder_makes_the_mean_picture(table, double):
    p = table.decoder()
    mean = torch.rand(table.shape)
    mean[0, 3, 5], mean[1, 0, 0] = 0.0, 1.0
    p.set_output_bias(mean)
    zero_weights(p)
    made = p(torch.randn(3, table.latent))
    want = mean.clamp(1e-7, 1 - 1e-7).flatten().expand(3, -1)
    torch.testing.assert_close(made, want, rtol=1e-12, atol=1e-12)


def test_the_output_bias_is_finite_and_a_weight_of_its_own_a_pixel():
    p = SVHN.decoder()
    p.set_output_bias(torch.zeros(SVHN.width))
    assert p.output.bias.shape == SVHN.shape
    assert p.output.bias.isfinite().all() and (p.output.bias < -15).all()
    p.set_output_bias(torch.ones(SVHN.width))
    assert p.output.bias.isfinite().all() and (p.output.bias > 15).all()
    assert p.output.bias.requires_grad and p.last.bias is None


def test_near_zero_weights_samples_begin_near_the_mean_picture():
    """Of weights N(0, 0.01^2) behind batch norms, logits move by a few hundredths."""
    p, mean = SVHN.decoder(), torch.rand(SVHN.width) * 0.8 + 0.1
    p.set_output_bias(mean)
    assert (p(torch.randn(4, SVHN.latent)) - mean).abs().max() < 0.1


def test_a_mean_picture_of_another_size_is_an_error():
    with pytest.raises(ValueError, match=r"shape \(784,\).*\(3, 32, 32\)"):
        SVHN.decoder().set_output_bias(torch.rand(784))
    with pytest.raises(ValueError, match="no log-odds"):
        MIXTURE.decoder().set_output_bias(torch.rand(2))


# ---- what goes in and what comes out


@small
@pytest.mark.parametrize("attributes", [0, 40])
def test_shapes_forward_and_backward(table, attributes, double):
    q, p, D = three(table, attributes)
    x, z, y, eta = batch(table, 2, attributes)
    z_hat, x_tilde = q(x, *y, *eta), p(z, *y)
    assert z_hat.shape == (2, outputs(table)) and x_tilde.shape == x.shape
    logits = D(x_tilde, z_hat[:, : table.latent], *y)
    assert logits.shape == (2,) and logits.dtype == torch.float64
    weights = [w for net in (q, p, D) for w in net.parameters()]
    slopes = torch.autograd.grad(logits.sum() + z_hat.sum(), weights)
    assert all(g.isfinite().all() for g in slopes)


@pytest.mark.parametrize("table", [CIFAR10, SVHN, CELEBA], ids=lambda t: t.name)
def test_pictures_of_the_decoder_are_in_0_1(table):
    x = table.decoder()(3 * torch.randn(2, table.latent))
    assert x.shape == (2, table.width) and (x > 0).all() and (x < 1).all()


def test_flat_pictures_and_maps_are_the_same():
    q, D = SVHN.encoder(7).eval(), SVHN.discriminator().eval()
    x, z = torch.rand(3, 3, 32, 32), torch.randn(3, 256)
    assert torch.equal(q(x), q(x.flatten(1)))
    assert torch.equal(D(x, z), D(x.flatten(1), z))


def test_the_number_of_outputs_is_chosen():
    x, z, _, _ = batch(SVHN, 3)
    assert SVHN.encoder(9)(x).shape == (3, 9)
    assert SVHN.discriminator(11)(x, z).shape == (3, 11)
    assert SVHN.discriminator(1).eval()(x[:1], z[:1]).shape == (1,)


@small
@pytest.mark.parametrize("attributes", [0, 5])
def test_in_evaluation_answers_repeat_and_do_not_depend_on_the_others(
    table, attributes
):
    q, p, D = three(table, attributes)
    x, z, y, eta = batch(table, 3, attributes)
    for net, args in ((q, (x, *y, *eta)), (p, (z, *y)), (D, (x, z, *y))):
        net.eval()
        out = net(*args)
        assert torch.equal(net(*args), out)
        torch.testing.assert_close(net(*(a[:1] for a in args)), out[:1])


def test_in_training_D_drops_out():
    x, z, _, _ = batch(CIFAR10, 2)
    D = CIFAR10.discriminator()
    with torch.no_grad():
        D.D_joint[-1][1].weight.fill_(1.0)
    assert not torch.equal(D(x, z), D(x, z))


def test_D_is_a_function_of_both(double):
    D = SVHN.discriminator().eval()
    x, z = (t.requires_grad_() for t in batch(SVHN, 2)[:2])
    on_x, on_z = torch.autograd.grad(D(x, z).sum(), (x, z))
    assert (on_x != 0).any() and (on_z != 0).any()


def test_D_is_its_three_parts(double):
    D = SVHN.discriminator().eval()
    x, z, _, _ = batch(SVHN, 2)
    h_x, h_z = D.D_x(x.view(2, 3, 32, 32)), D.D_z(z.view(2, 256, 1, 1))
    assert h_x.shape == h_z.shape == (2, 512, 1, 1)
    want = D.D_joint(torch.cat([h_x, h_z], 1)).view(2)
    assert torch.equal(D(x, z), want)


# ---- the toy


def test_the_toy_is_perceptrons(double):
    """Convolutions of one pixel are linear maps; relu and batch norm as in an MLP."""
    q = MIXTURE.encoder(2).eval()
    x, _, _, (eta,) = batch(MIXTURE, 5)
    h = torch.cat([x, eta], 1)
    for r in q.net.hidden:
        h = (h @ r[0].weight.flatten(1).T / math.sqrt(1 + 1e-4)).relu()
    out = q.net.last[0][0]
    torch.testing.assert_close(q(x, eta), h @ out.weight.flatten(1).T + out.bias)


def test_the_toys_decoder_is_a_perceptron_without_a_sigmoid(double):
    p = MIXTURE.decoder().eval()
    with torch.no_grad():
        p.output.bias.copy_(torch.tensor([3.0, -4.0])[:, None, None])
    h = z = batch(MIXTURE, 5)[1]
    for r in p.hidden:
        h = (h @ r[0].weight.flatten(1).T / math.sqrt(1 + 1e-4)).relu()
    want = h @ p.last.weight.flatten(1).T + torch.tensor([3.0, -4.0])
    torch.testing.assert_close(p(z), want, rtol=0, atol=1e-12)


def test_the_toys_discriminator_is_maxout_of_five(double):
    D = MIXTURE.discriminator()
    x, z, _, _ = batch(MIXTURE, 6)
    h = torch.cat([x, z], 1)
    for r in [*D.D_joint][:-1]:
        h = (h @ r[0].weight.flatten(1).T + r[0].bias).view(6, 200, 5).max(2).values
    want = h @ D.D_joint[-1][0].weight.flatten()
    torch.testing.assert_close(D(x, z), want)


def test_noise_moves_the_toys_codes():
    q = Noisy(MIXTURE.encoder(2), noise=MIXTURE.noise)
    x = torch.zeros(50, 2)
    assert len(q(x).rsample().unique(dim=0)) == 50
    with pytest.raises(TypeError, match=r"wrap it in conditionals\.Noisy"):
        Gaussian(MIXTURE.encoder(4))(x)


# ---- labels


@every
def test_a_label_adds_an_embedding_and_its_inputs(table):
    """(40 + 1) 256 of the embedding; 256 more inputs of one convolution."""
    plain, given = on_meta(table), on_meta(table, attributes=40)
    more = [numbers(b) - numbers(a) for a, b in zip(plain, given, strict=True)]
    shapes = SHAPES[table.name]
    (_, _, z), (k, _, x), (_, _, d) = (
        shapes["G_z"][-1],
        shapes["G_x"][0],
        shapes["D_joint"][0],
    )
    embedding = 41 * 256
    assert more == [embedding + 256 * n for n in (z, k**2 * x, d)]


def test_every_network_hears_the_label(double):
    q, p, D = (net.eval() for net in three(SVHN, 10))
    x, z, _, _ = batch(SVHN, 2)
    y = torch.eye(10)[:2].requires_grad_()
    for out in (q(x, y), p(z, y), D(x, z, y)):
        (slope,) = torch.autograd.grad(out.sum(), y)
        assert (slope != 0).all()


def test_the_label_joins_the_encoder_before_its_last_row(double):
    q = SVHN.encoder(8, attributes=4).eval()
    x, y = torch.rand(2, SVHN.width), torch.rand(2, 4)
    h = q.hidden(x.view(2, 3, 32, 32)).flatten(1)
    e = y @ q.join.embed.weight.T + q.join.embed.bias
    out = q.last[0][0]
    want = torch.cat([h, e], 1) @ out.weight.flatten(1).T + out.bias
    assert h.shape == (2, 512) and e.shape == (2, 256)
    torch.testing.assert_close(q(x, y), want)


def test_a_missing_label_and_one_too_many_are_errors():
    x, z, _, _ = batch(SVHN, 2)
    with pytest.raises(TypeError, match="one y of attributes and was given 0"):
        SVHN.decoder(attributes=3)(z)
    with pytest.raises(TypeError, match="built for no y and was given 1"):
        SVHN.decoder()(z, x)
    with pytest.raises(TypeError, match="was given 2"):
        Join(3, 4)(z[:, :, None, None], x, x)


def test_celeba_has_40_attributes():
    q, p, D = on_meta(CELEBA, attributes=40)
    for net in (q, p, D):
        assert net.join.embed.weight.shape == (256, 40)
    x, z, y = (torch.empty(2, n, device="meta") for n in (3 * 64 * 64, 256, 40))
    assert q(x, y).shape == (2, 512) and D(p(z, y), z, y).shape == (2,)


# ---- in the game


def ali(table):
    q = table.encoder(outputs(table))
    encoder = Noisy(q, table.noise) if table.noise else Gaussian(q)
    decoder = Deterministic(table.decoder())
    return games.ALI(encoder, decoder, Normal(table.latent), table.discriminator())


@small
def test_one_step_of_ali_moves_every_weight(table):
    game = ali(table)
    before = [w.clone() for w in game.parameters()]
    optimizers = adam(game, table.lr, table.betas)
    report = step(game, optimizers, batch(table, 3)[0])
    assert set(report) == {"D", "G"} and all(v > 0 for v in report.values())
    moved = [(w != b).any() for w, b in zip(game.parameters(), before, strict=True)]
    assert all(moved)


@pytest.mark.parametrize("table", [CELEBA, TINY_IMAGENET], ids=lambda t: t.name)
def test_in_one_step_of_ali_every_weight_has_a_gradient(table):
    with torch.device("meta"):
        game, x = ali(table), torch.empty(2, table.width)
        sgd = {k: torch.optim.SGD(game.weights(k), lr=0.1) for k in game.players}
        step(game, sgd, x)
    assert all(w.grad.shape == w.shape for w in game.parameters())


def test_at_the_start_D_does_not_know():
    """Weights of 0.01: logits are near 0, losses near 2 log 2."""
    with torch.no_grad():
        losses = ali(CIFAR10).losses(batch(CIFAR10, 4)[0])
    for loss in losses.values():
        assert abs(float(loss) - 2 * math.log(2)) < 0.02


# ---- BiGAN's networks for ImageNet


@pytest.mark.parametrize(
    "size, sides, features",
    [(112, [26, 12, 12, 5, 5, 5, 5], 6400), (64, [14, 6, 6, 2, 2, 2, 2], 1024)],
    ids=["112", "64"],
)
def test_alexnets_maps_and_weights(size, sides, features):
    with torch.device("meta"):
        E = AlexNetEncoder(size)
        h = torch.empty(2, 3, size, size)
        for m, side, channels in zip(
            E.conv, sides, [96, 96, 256, 256, 384, 384, 256], strict=True
        ):
            h = m(h)
            assert h.shape == (2, channels, side, side)
        assert E(torch.empty(2, 3 * size * size)).shape == (2, 200)
    convolutions = 96 * 3 * 121 + 256 * 48 * 25 + 384 * 256 * 9 + 384 * 192 * 9
    convolutions += 256 * 192 * 9
    norms = 2 * (256 + 384 + 384 + 256)
    assert numbers(E) == convolutions + norms + 200 * features


def test_alexnets_first_convolution_has_no_batch_norm():
    E = AlexNetEncoder(64)
    found = {
        name: any(isinstance(m, nn.BatchNorm2d) for m in part.modules())
        for name, part in E.conv.named_children()
        if name.startswith("conv")
    }
    assert found == {f"conv{i}": i > 1 for i in range(1, 6)}
    slopes = {m.negative_slope for m in E.modules() if isinstance(m, nn.LeakyReLU)}
    assert slopes == {0.2}


def test_pictures_that_are_too_small_are_an_error():
    assert AlexNetEncoder(35)(torch.rand(2, 3, 35, 35)).shape == (2, 200)
    with pytest.raises(ValueError, match="size is 34"):
        AlexNetEncoder(34)


def test_imagenets_sides_and_weights():
    with torch.device("meta"):
        G, D = ImageNetGenerator(), ImageNetDiscriminator()
        z, h = torch.empty(2, 200), torch.empty(2, 512, 4, 4)
        for up, side, channels in zip(G.up, (8, 16, 32), (256, 128, 64), strict=True):
            h = up(h, z)
            assert h.shape == (2, channels, side, side)
        assert G.last(h).shape == (2, 3, 64, 64)
        h = D.first(torch.empty(2, 3, 64, 64))
        assert h.shape == (2, 64, 32, 32)
        for down, side, channels in zip(
            D.down, (16, 8, 4), (128, 256, 512), strict=True
        ):
            h = down(h, z)
            assert h.shape == (2, channels, side, side)
    pyramid = 25 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 3)
    in_G = 200 * 8192 + 2 * 8192 + pyramid + (200 + 2) * (256 + 128 + 64)
    in_D = pyramid + (200 + 2) * (128 + 256 + 512) + 8192
    assert numbers(G) == in_G and numbers(D) == in_D


def test_z_is_added_before_batch_norm_by_hand(double):
    conv = InjectedConv(nn.Conv2d(2, 3, 1, bias=False), 4, nn.LeakyReLU(0.2))
    h, z = torch.randn(5, 2, 3, 3), torch.randn(5, 4)
    pre = torch.einsum("oi,nihw->nohw", conv.conv.weight[:, :, 0, 0], h)
    pre = pre + (z @ conv.project.weight.T)[:, :, None, None]
    mean, var = pre.mean((0, 2, 3)), pre.var((0, 2, 3), correction=0)
    want = (pre - mean[:, None, None]) / (var[:, None, None] + 1e-5).sqrt()
    want = torch.where(want > 0, want, 0.2 * want)
    torch.testing.assert_close(conv(h, z), want)


def test_imagenets_weights_at_the_start():
    """0.02, and 0.02 5^2 where z is projected beside kernels of 5 x 5."""
    for net in (ImageNetGenerator(), ImageNetDiscriminator(), AlexNetEncoder(64)):
        for name, m in net.named_modules():
            if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                std = 0.5 if name.endswith("project") else 0.02
                n = m.weight.numel()
                assert abs(m.weight.std() / std - 1) < 5 / math.sqrt(2 * n), name
                assert m.bias is None


def test_imagenets_ranges_and_repeats():
    E, G, D = AlexNetEncoder(64), ImageNetGenerator(), ImageNetDiscriminator()
    z = 2 * torch.rand(2, 200) - 1
    x = G(z)
    assert x.shape == (2, 3 * 64 * 64) and x.abs().max() < 1 and x.min() < 0 < x.max()
    code = E(x)
    assert code.shape == z.shape and code.abs().max() < 1 and code.min() < 0
    logits = D(x, code)
    assert logits.shape == (2,)
    assert torch.equal(D(x.view(2, 3, 64, 64), code), D(x, code))
    weights = [w for net in (E, G, D) for w in net.parameters()]
    slopes = torch.autograd.grad(logits.square().sum(), weights)
    assert all(g.isfinite().all() for g in slopes)
    for net, args in ((E, (x,)), (G, (z,)), (D, (x, z))):
        torch.testing.assert_close(net.eval()(*args)[:1], net(*(a[:1] for a in args)))


def test_one_step_of_bigan_on_imagenets_networks():
    game = games.BiGAN(
        Deterministic(AlexNetEncoder(64)),
        Deterministic(ImageNetGenerator()),
        Uniform(200),
        ImageNetDiscriminator(),
    )
    before = [w.clone() for w in game.parameters()]
    report = step(game, adam(game, 2e-4, (0.5, 0.999)), 2 * torch.rand(3, 12288) - 1)
    assert set(report) == {"D", "G"} and all(v.isfinite() for v in report.values())
    moved = [(w != b).any() for w, b in zip(game.parameters(), before, strict=True)]
    assert all(moved)
