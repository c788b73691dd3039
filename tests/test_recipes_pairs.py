"""Recipes of ALI and BiGAN: their networks and numbers, and the figures by which they
are judged."""

import pytest
import torch
from torch import nn

from adv_ae import (
    conditionals,
    data,
    evaluation,
    games,
    measures,
    metrics,
    networks,
    results,
    runs,
)
from adv_ae.data import Dataset, Split
from adv_ae.networks import MLP, Discriminator
from adv_ae.priors import Normal
from adv_ae.recipes import EXPERIMENTS, METHODS, RecipeError, recipe


def paper(name):
    return EXPERIMENTS[name].recipe("paper", 0)


# ---------------------------------------------------------------- BiGAN's table


def test_bigan_has_the_papers_networks_and_rates():
    made = paper("bigan/bigan")
    game = made.game()
    nets = game.q, game.p, game.D
    shapes = [tuple(w.shape) for net in nets for w in net.parameters()]
    assert shapes == [
        *[(1024, 784), (1024, 1024), (50, 1024)],  # E
        *[(1024, 50), (1024, 1024), (1024, 50), (784, 1024)],  # G, z injected again
        *[(1024, 784), (1024, 1024), (1024, 50), (1, 1024)],  # D
    ]
    norms = [m for m in game.modules() if isinstance(m, nn.BatchNorm1d)]
    assert len(norms) == 4 and not any(m.affine for m in norms)
    assert sum(isinstance(m, nn.BatchNorm1d) for m in game.q.modules()) == 1
    adam = made.optimizers(game)["G"].param_groups[0]
    assert (adam["lr"], adam["betas"], adam["weight_decay"]) == (
        2e-4,
        (0.5, 0.999),
        2.5e-5,
    )
    rate = made.schedules(game)["D"]
    epoch = 390
    assert [round(rate(i * epoch), 6) for i in (0, 200, 300, 400)] == [1, 1, 0.1, 0.01]
    assert made.batch_size == 128 and game.prior.dim == 50
    assert torch.equal(game.D(torch.rand(3, 784), torch.rand(3, 50)), torch.zeros(3))


def test_the_encoder_of_uniform_codes_stays_in_their_cube():
    game = paper("bigan/bigan").game()
    x = torch.rand(4, 784)
    logits = game.q.net(x)
    torch.testing.assert_close(game.E(x), 2 * logits.sigmoid() - 1)
    assert game.prior.sample(1000).abs().max() <= 1


@pytest.mark.parametrize(
    ("name", "game", "decoder"),
    [
        ("discriminator", games.GAN, conditionals.Deterministic),
        ("latent-regressor", games.LatentRegressor, conditionals.Deterministic),
        (
            "joint-latent-regressor",
            games.JointLatentRegressor,
            conditionals.Deterministic,
        ),
        ("autoencoder-l2", games.Autoencoder, conditionals.FixedScaleGaussian),
        ("autoencoder-l1", games.Autoencoder, conditionals.FixedScaleLaplace),
    ],
)
def test_the_baselines_have_the_same_networks(name, game, decoder):
    made = paper(f"bigan/{name}").game()
    assert type(made) is game and type(made.p) is decoder
    pixels = made.p.net(made.prior.sample(5))
    assert pixels.shape == (5, 784) and 0 < pixels.min() < pixels.max() < 1
    if game is not games.GAN:
        assert type(made.q) is conditionals.Signs
    if hasattr(made, "D"):
        assert made.D.projection is None  # D(x) alone


# ---------------------------------------------------------------- ALI's tables


def test_tables_fit_their_data_or_say_so():
    for name, table in (("ali/svhn-1000", "svhn"), ("ali/cifar10-4000", "cifar10")):
        made, told = paper(name), networks.TABLES[table]
        assert made.setup.networks == f"ali-{table}"
        assert made.setup.latent == told.latent and made.batch_size == told.batch
        assert made.betas == (0.5, 0.999) and made.constant
        assert set(made.lr.values()) == {1e-4}
    assert paper("ali/cifar10-1000").steps == 6475 * 450
    assert paper("ali/svhn-svm").steps == 100 * 5311
    with pytest.raises(RecipeError, match=r"shape \(3, 32, 32\), not \(28, 28\)"):
        recipe("ali", "mnist", (28, 28), networks="ali-svhn")
    with pytest.raises(RecipeError, match="have 64 numbers in z, not 10"):
        recipe("ali", "cifar10", (3, 32, 32), networks="ali-cifar10", latent=10)
    with pytest.raises(RecipeError, match="cannot take the networks 'bigan'"):
        recipe("alice", "digits", (8, 8), networks="bigan")
    with pytest.raises(RecipeError, match="did you mean 'bigan'"):
        recipe("bigan", "digits", (8, 8), networks="bigann")
    with pytest.raises(ValueError, match="end in a sigmoid"):
        recipe("ae", "digits", (8, 8), networks="bigan").game()
    with pytest.raises(ValueError, match="none of D"):
        METHODS["gan"].build(paper("ali/cifar10-1000").setup)


def test_classes_are_outputs_of_d():
    made = paper("ali/cifar10-1000")
    torch.manual_seed(0)
    game = made.game().eval()
    x = torch.rand(2, 3072)
    assert game.D(x, game.prior.sample(2)).shape == (2, 11)
    assert game.classify(x).shape == (2, 10)
    assert game.sample(2).shape == (2, 3072)


def test_the_grid_is_as_the_authors_have_it():
    made = paper("ali/grid")
    assert (made.examples, made.steps, made.betas) == (100_000, 200_000, (0.2, 0.999))
    assert len(made.dataset().train) == 100_000
    game = made.game()
    assert game.codes(torch.rand(3, 2)).shape == game.sample(3).shape == (3, 2)
    with pytest.raises(ValueError, match="take the posterior universal"):
        recipe("ali", "gaussian-grid", (2,), networks="ali-mixture").game()
    svhn = {"posterior": "universal", "networks": "ali-svhn"}
    with pytest.raises(ValueError, match="take no noise"):
        recipe("ali", "svhn", (3, 32, 32), **svhn).game()
    inverse = EXPERIMENTS["ali/grid-inverse"].recipe("small", 0).game()
    assert type(inverse) is games.LatentRegressor
    z = torch.randn(4, 2)
    got = -inverse.q(torch.randn(4, 2)).log_prob(z)
    assert got.shape == (4,) and inverse.q.scale == 1
    gan = paper("ali/grid-gan").game()
    norms = sum(isinstance(m, nn.BatchNorm1d) for m in gan.p.modules())
    assert norms == 4 and not any(
        isinstance(m, nn.BatchNorm1d) for m in gan.D.modules()
    )


# ---------------------------------------------------------------- figures


def test_features_are_the_layers_before_the_output():
    x = torch.rand(7, 64)
    game = recipe("bigan", "digits", (8, 8), hidden=(8, 6), latent=3).game().eval()
    first = game.q.net.layers[:2](x)
    second = game.q.net.layers[2:4](first)
    assert torch.equal(evaluation.features(game, x), second)
    both = evaluation.features(game, x, last=2)
    assert torch.equal(both, torch.cat([first, second], 1))
    gan = recipe("gan", "digits", (8, 8), hidden=(8, 6)).game().eval()
    want = gan.D.layers[2:4](gan.D.layers[:2](x))
    assert torch.equal(evaluation.features(gan, x), want)


def test_neighbors_in_the_last_hidden_layer_are_counted(monkeypatch):
    dataset = data.digits()
    game = recipe("gan", "digits", (8, 8), hidden=(8,)).game().eval()
    known, asked = (
        evaluation.features(game, s.x) for s in (dataset.train, dataset.test)
    )
    nearest = torch.cdist(asked, known).argmin(1)
    want = (dataset.train.y[nearest] == dataset.test.y).double().mean().item()
    monkeypatch.setattr(evaluation, "SAMPLES", 100)
    got = evaluation.evaluate(game, dataset)["feature_accuracy"]
    assert got == pytest.approx(want, abs=0.005)  # ties


def test_an_svm_learns_from_as_many_labels_as_it_is_given():
    torch.manual_seed(0)
    y = torch.arange(400) % 4
    x = torch.randn(400, 6)
    x[range(400), y] += 3.0
    parts = [(x[i::3], y[i::3]) for i in range(3)]
    few, many = (metrics.svm_error(*parts, n=n, sets=3) for n in (4, 100))
    assert many < 0.12 < few < 0.75
    assert metrics.svm_error(*parts, n=100, sets=3) == many  # by its seed
    shuffled = parts[0][0], parts[0][1][torch.randperm(len(parts[0][1]))]
    assert metrics.svm_error(shuffled, *parts[1:], n=100, sets=3) > 0.6


def test_svms_see_the_code_and_the_last_three_layers(monkeypatch):
    seen = []

    def svm_error(known, valid, asked, n):
        seen.append((known[0].shape, valid[0].shape, asked[0].shape, n))
        return 0.5

    monkeypatch.setattr(metrics, "svm_error", svm_error)
    monkeypatch.setattr(evaluation, "SAMPLES", 100)
    game = recipe("ali", "digits", (8, 8), hidden=(9, 8, 7, 6), latent=3).game().eval()
    assert evaluation.evaluate(game, data.digits())["svm_error"] == 0.5
    assert seen == [((1100, 24), (200, 24), (497, 24), 100)]


def mixture():
    """Two components far apart, with a decoder that reaches one of them."""
    torch.manual_seed(0)
    y = torch.arange(399) % 2
    x = torch.stack([10.0 * y, torch.zeros(399)], 1) + 0.1 * torch.randn(399, 2)
    parts = [Split(x[i::3], y[i::3]) for i in range(3)]
    return Dataset("gaussian-grid", *parts, (2,))


def test_modes_are_counted_and_their_samples_judged(monkeypatch):
    monkeypatch.setattr(evaluation, "SAMPLES", 100)
    dataset = mixture()
    q, p = (conditionals.Deterministic(MLP(2, 4, 2)) for _ in range(2))
    game = games.ALI(q, p, Normal(2), Discriminator(4, 4)).eval()
    good = torch.tensor([[0.0, 0.0]]).expand(50, 2)
    stray = torch.tensor([[0.0, 3.0]]).expand(50, 2)
    game.sample = lambda n: torch.cat([good, stray])
    game.reconstruct = lambda x: x * 0  # all fall to the first
    figures = evaluation.evaluate(game, dataset)
    share = (dataset.test.y == 0).double().mean().item()
    assert figures["modes_reached"] == 1 and figures["high_quality_share"] == 0.5
    assert figures["mode_kept"] == pytest.approx(share)
    game.sample = lambda n: torch.tensor([[0.0, 0.0], [9.0, 5.0]])
    assert evaluation.evaluate(game, dataset)["modes_reached"] == 2


def test_the_conditional_are_told_their_labels():
    dataset = data.digits()
    game = recipe("ali-conditional", "digits", (8, 8), hidden=(8,)).game().eval()
    got = evaluation._reconstruction(game, dataset.test, dataset.shape)
    x, y = dataset.test.x, dataset.test.y
    want = (game.decode(game.encode(x, y), y) - x).square().mean().item()
    assert got["squared_error"] == pytest.approx(want, rel=1e-6)


def test_figures_are_shown_in_their_units():
    accuracy = EXPERIMENTS["bigan/bigan"]
    assert results.show(accuracy, [0.97, 0.98]) == "97.50 ± 0.71 % (2 seeds)"
    assert results.show(EXPERIMENTS["ali/grid"], [25.0]) == "25.0 (1 seed)"
    assert measures.figure("cross_entropy", [98.76]) == "98.8 nats"
    assert measures.figure("negative_log_likelihood", [86.764]) == "86.76 nats"
    assert measures.figure("squared_error", [0.02, 0.04]) == "0.0300 ± 0.0141"
    assert measures.figure("parzen_standard_error", [1.65]) == "1.6500"


def test_decoders_of_tables_begin_at_the_mean_picture(tmp_path):
    torch.manual_seed(0)
    x = torch.rand(3, 1, 1) * torch.rand(3, 32, 32) + torch.rand(40, 3, 32, 32) / 10
    parts = [Split(rows, torch.arange(len(rows))) for rows in x.flatten(1).split(15)]
    dataset = Dataset("svhn", *parts, (3, 32, 32))
    game = recipe("ali", "svhn", (3, 32, 32), networks="ali-svhn").game().eval()
    before = game.sample(1)
    runs._begin_at_mean(game, dataset)
    mean = parts[0].x.mean(0, keepdim=True)
    assert (game.sample(1) - mean).abs().max() < 0.01 < (before - mean).abs().max()
    plain = recipe("ali", "digits", (8, 8)).game()
    weights = [w.clone() for w in plain.parameters()]
    runs._begin_at_mean(plain, data.digits())
    assert all(map(torch.equal, weights, plain.parameters()))


def test_clusters_of_more_than_ten_classes_are_judged(monkeypatch):
    """The 25 of the grid."""
    monkeypatch.setattr(evaluation, "SAMPLES", 100)
    dataset = data.load("gaussian-grid", n=1000)
    game = recipe("aae-clustering", dataset.name, (2,), hidden=(8,), heads=25).game()
    found = evaluation.evaluate(game.eval(), dataset)
    assert 0 <= found["one_to_one_error"] <= 1


def test_a_mode_is_kept_under_the_label_that_it_has(monkeypatch):
    """A decoder that heeds y alone, and is right."""
    monkeypatch.setattr(evaluation, "SAMPLES", 100)
    dataset = data.load("gaussian-ring", n=1000)
    x, y = dataset.train.x, dataset.train.y
    centers = torch.stack([x[y == k].mean(0) for k in range(8)])
    game = recipe("aae-supervised", dataset.name, (2,), hidden=(8,), heads=8).game()
    monkeypatch.setattr(
        type(game), "reconstruct", lambda self, x, y: centers[y], raising=True
    )
    assert evaluation.evaluate(game.eval(), dataset)["mode_kept"] > 0.99
