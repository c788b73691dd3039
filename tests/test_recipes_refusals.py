"""What a recipe refuses, because it cannot work, and what it must not ignore."""

import pytest
import torch
from torch import nn

from adv_ae import conditionals, data, networks, runs
from adv_ae.recipes import RecipeError, recipe
from adv_ae.training import fit

HIDDEN = (8, 6)


def make(method, data="digits", shape=(8, 8), **more):
    return recipe(method, data, shape, hidden=HIDDEN, **more)


# ---------------------------------------------------------------- labels and classes


def test_hidden_labels_are_of_no_component_where_the_data_have_fewer_classes():
    """Eight classes and ten petals: what is hidden goes with the whole prior."""
    torch.manual_seed(0)
    train = data.load("gaussian-ring", n=400).train
    made = make("aae-label-informed", "gaussian-ring", (2,), labels=80, seed=3)
    ((x, y),) = made.streams(train)
    rows = data.labelled_rows(train.y, 80, seed=3)
    assert torch.equal(y[rows], train.y[rows])
    unlabelled = torch.ones(400, dtype=torch.bool).index_fill(0, rows, False)
    game, seen = made.game(), []
    game.prior.sample = lambda n, component: seen.append(component) or torch.zeros(n, 2)
    game.regularization = lambda z, x, switch: seen.append(switch) or iter(())
    list(game.play(x[unlabelled], y[unlabelled]))
    component, switch = seen
    assert torch.equal(component.unique(), torch.arange(10))
    assert torch.equal(switch.unique(dim=0), torch.eye(11)[10:])


def test_all_classes_of_the_data_hide_as_they_did():
    train = data.digits().train
    ((_, y),) = make("aae-label-informed", labels=100).streams(train)
    assert torch.equal(y, data.hide_labels(train.y, 100))
    assert data.hide_labels(train.y, 100, classes=12).unique().tolist()[-2:] == [9, 12]


@pytest.mark.parametrize(
    ("method", "name", "heads", "classes"),
    [
        ("aae-semi-supervised", "digits", 5, 10),
        ("aae-plane-labels", "digits", 9, 10),
        ("aae-fixed-heads", "digits", 9, 10),
        ("aae-supervised", "digits", 5, 10),
        ("ali-conditional", "digits", 9, 10),
        ("ali-semi-supervised", "digits", 9, 10),
        ("aae-semi-supervised", "gaussian-grid", 10, 25),
        ("aae-label-informed", "gaussian-grid", 10, 25),
    ],
)
def test_classes_without_a_head_are_refused(method, name, heads, classes):
    found = data.load(name)
    made = make(method, name, found.shape, heads=heads)
    say = f"has {classes} classes, and y only {heads} heads: take heads={classes}, or"
    with pytest.raises(RecipeError, match=say):
        made.streams(found.train)


def test_more_heads_than_classes_are_no_fault():
    train = data.digits().train
    _, (_, y) = make("aae-semi-supervised", heads=12, labels=50).streams(train)
    assert y.bincount().tolist() == [5] * 10
    make("aae-clustering", heads=3).streams(train)  # clusters know of no classes


# ---------------------------------------------------------------- names


def test_names_are_taken_as_they_are_known():
    made = make("aae", likelihood="squared_error", optimizer={"D": "SGD"})
    assert made == make("aae", likelihood="squared-error", optimizer={"D": "sgd"})
    assert made.setup.likelihood == "squared-error" and made.optimizer["D"] == "sgd"
    assert type(made.game().p) is conditionals.FixedScaleGaussian
    made.optimizers(made.game())


@pytest.mark.parametrize("optimizer", ["rmsprop", {"D": "rmsprop"}])
def test_optimizers_that_are_not_known_are_refused(optimizer):
    with pytest.raises(RecipeError, match=r"unknown optimizer 'rmsprop'.* adam, sgd"):
        make("aae", optimizer=optimizer)


# ---------------------------------------------------------------- what goes together


@pytest.mark.parametrize(
    ("method", "options", "say"),
    [
        ("latent-regressor", {"prior": "normal"}, "take the prior 'uniform'"),
        ("joint-latent-regressor", {"prior": "normal"}, "take the prior 'uniform'"),
        ("latent-regressor", {"posterior": "deterministic"}, "take a code_noise"),
        ("joint-latent-regressor", {"posterior": "deterministic"}, "take a code_noise"),
        ("aae-fixed-heads", {"latent": 9}, "take latent >= heads"),
        ("aae-fixed-heads", {"prior": "mixture"}, "a prior that is not of the plane"),
        ("aae-fixed-heads", {"heads": 11}, "take latent >= heads"),
        ("aae-label-informed", {"heads": 12}, "leave heads at 10"),
        ("aae-label-informed", {"heads": 9, "prior": "swiss-roll"}, "leave heads"),
        ("bigan", {"networks": "bigan", "batch_norm": True}, "leave both out"),
        ("gan", {"networks": "bigan", "hidden_dropout": 0.5}, "leave both out"),
        ("aae", {"examples": 100}, "examples are of toy sets"),
    ],
)
def test_what_cannot_work_is_refused(method, options, say):
    with pytest.raises(RecipeError, match=say):
        make(method, **options)


def test_what_needs_pixels_refuses_points_of_the_plane():
    with pytest.raises(RecipeError, match="take pictures, or the method 'iwae'"):
        make("iwae-binarized", "two-moons", (2,))
    with pytest.raises(RecipeError, match="leave both out, or take the networks 'mlp'"):
        make("ali", "gaussian-grid", (2,), networks="ali-mixture", batch_norm=True)


@pytest.mark.parametrize(
    ("method", "shape", "options"),
    [
        ("latent-regressor", (8, 8), {"prior": "uniform"}),
        *(
            (
                "joint-latent-regressor",
                (8, 8),
                {"posterior": "deterministic", "code_noise": 0.5, "prior": prior},
            )
            for prior in ("normal", "uniform")
        ),
        ("aae-fixed-heads", (8, 8), {"latent": 11}),
        ("aae-fixed-heads", (8, 8), {"prior": "mixture", "heads": 2}),
        ("aae-label-informed", (8, 8), {"prior": "swiss-roll", "heads": 10}),
        ("bigan", (8, 8), {"posterior": "signs", "prior": "normal"}),
        ("iwae", (2,), {}),
        ("aae", (2,), {"examples": 150}),
    ],
)
def test_their_neighbors_work(method, shape, options):
    torch.manual_seed(0)
    made = make(method, "two-moons" if shape == (2,) else "digits", shape, **options)
    train = made.dataset().train
    if made.setup.heads == 2:
        train = data.Split(train.x, train.y % 2)
    streams = made.streams(train)
    history = fit(made.game(), streams, steps=2, batch_size=made.batch_sizes(streams))
    assert all(v.isfinite().all() for v in map(torch.as_tensor, history.values()))
    assert made.examples is None or len(train) == made.examples


# ---------------------------------------------------------------- nothing is ignored


@pytest.mark.parametrize("likelihood", ["squared-error", "absolute-error"])
def test_tanh_networks_that_end_in_a_sigmoid_begin_at_the_mean_picture(likelihood):
    torch.manual_seed(0)
    dataset = data.digits()
    game = make("iwae", networks="tanh", likelihood=likelihood).game()
    runs._begin_at_mean(game, dataset)
    with torch.no_grad():
        [m for m in game.p.modules() if isinstance(m, nn.Linear)][-1].weight.zero_()
    mean = dataset.train.x[:500].mean(0).clamp(1e-3, 1 - 1e-3)
    torch.testing.assert_close(game.sample(3), mean.expand(3, 64))


def layers(net):
    """Names of its layers, without those around and above."""
    return [type(m).__name__ for m in net.modules() if not list(m.children())]


@pytest.mark.parametrize("method", ["aae-clustering", "aae-plane-labels"])
def test_two_heads_have_batch_norm_and_dropout_on_their_trunk(method):
    game = make(method, batch_norm=True, hidden_dropout=0.5).game()
    hidden = ["Linear", "BatchNorm1d", "ReLU", "Dropout"]
    assert layers(game.q.trunk) == 2 * hidden
    assert layers(game.p) == [*2 * hidden, "Linear"]
    assert [m.num_features for m in game.q.modules() if hasattr(m, "affine")] == [8, 6]
    assert {m.p for m in game.q.modules() if isinstance(m, nn.Dropout)} == {0.5}
    assert layers(make(method).game().q.trunk) == 2 * ["Linear", "ReLU"]
    x, y = torch.rand(20, 64), torch.arange(20) % 10
    batch = (x, x, y) if "labels" in method else (x,)
    assert all(loss.isfinite() for loss in game.losses(*batch).values())


def test_tanh_networks_have_batch_norm_and_dropout():
    more = {"batch_norm": True, "hidden_dropout": 0.5}
    game = make("iwae", networks="tanh", **more).game()
    hidden = ["Linear", "BatchNorm1d", "Tanh", "Dropout"]
    for net in (game.q, game.p):
        assert layers(net) == [*2 * hidden, "Linear"]
    assert type(game.p.net) is networks.PixelMLP
    plain = make("iwae", networks="tanh").game()
    assert layers(plain.q) == [*2 * ["Linear", "Tanh"], "Linear"]


def test_all_four_conditionals_of_two_codes_have_what_was_asked_for():
    more = {"batch_norm": True, "hidden_dropout": 0.5}
    game = make("ali-hierarchical", latent=3, noise=0.1, **more).game()
    hidden = 2 * ["Linear", "BatchNorm1d", "ReLU", "Dropout"]
    given = [["GaussianNoise"], ["GaussianNoise"], [], []]
    ends = [["Linear"], ["Linear"], ["Linear", "Sigmoid"], ["Linear"]]
    for net, start, end in zip((*game.q, *game.p), given, ends, strict=True):
        found = [name for name in layers(net) if name != "Sequential"]
        assert found == [*start, *hidden, *end]
    assert all(loss.isfinite() for loss in game.losses(torch.rand(20, 64)).values())
    plain = make("ali-hierarchical", latent=3).game()
    widths = [[tuple(w.shape) for w in q.parameters()][::2] for q in plain.q]
    assert widths == [[(8, 64), (6, 8), (12, 6)], [(8, 70), (6, 8), (6, 6)]]


def test_what_is_refused_leaves_no_folder_in_the_way(tmp_path):
    few, dataset = recipe("aae-supervised", "digits", (8, 8), heads=5), data.digits()
    with pytest.raises(RecipeError, match="heads=10"):
        runs.train(few, dataset, tmp_path / "run")
    assert not (tmp_path / "run").exists()
