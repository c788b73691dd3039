"""Datasets: exact counts, moments of the samplers, factors that act, wrong files."""

import gzip
import hashlib
import http.server
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from adv_ae import data
from adv_ae.data import benchmarks, files

REAL = os.environ.get("ADV_AE_DATA")
needs_real = pytest.mark.skipif(
    not REAL, reason="set ADV_AE_DATA to the folder with mnist/, fashion-mnist/, ..."
)


def counts(y: Tensor) -> list[int]:
    return torch.bincount(y).tolist()


def rows(split: data.Split) -> set[bytes]:
    return {row.tobytes() for row in split.x.numpy()}


# ---------------------------------------------------------------- as_float and load


def test_as_float_scales_bytes_and_leaves_floats_alone():
    x = torch.tensor([[0, 51, 255]], dtype=torch.uint8)
    assert data.as_float(x).dtype == torch.float32
    assert torch.equal(data.as_float(x), torch.tensor([[0.0, 0.2, 1.0]]))
    for dtype in (torch.float32, torch.float64):
        y = torch.tensor([-3.0, 7.0], dtype=dtype)
        assert data.as_float(y) is y


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.int8])
def test_as_float_refuses_a_dtype_of_unknown_range(dtype):
    with pytest.raises(TypeError, match="expected uint8"):
        data.as_float(torch.ones(2, dtype=dtype))


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("digit", "digits"),
        ("minst", "mnist"),
        ("Fashion", "fashion-mnist"),
        ("two-moon", "two-moons"),
        ("swissroll", "swiss-roll"),
    ],
)
def test_an_unknown_name_suggests_the_nearest(wrong, nearest):
    with pytest.raises(ValueError, match=f"did you mean '{nearest}'") as error:
        data.load(wrong)
    assert repr(wrong) in str(error.value)


def test_a_name_near_to_none_lists_them_all():
    with pytest.raises(ValueError, match="unknown dataset 'zzzz': Known: ") as error:
        data.load("zzzz")
    assert all(name in str(error.value) for name in data.NAMES)


@pytest.mark.parametrize("name", ["Gaussian_Grid", "gaussian-ring", "two-moons"])
def test_load_makes_three_parts_of_one_toy_draw(name):
    made = data.load(name, n=1000, seed=3)
    assert made.name == name.lower().replace("_", "-")
    assert made.shape == (2,) and made.factors is None
    assert [len(s) for s in (made.train, made.valid, made.test)] == [1000, 200, 200]
    draw = getattr(data, made.name.replace("-", "_"))(1400, seed=3)
    parts = (made.train, made.valid, made.test)
    assert torch.equal(torch.cat([s.x for s in parts]), draw.x)
    assert torch.equal(torch.cat([s.y for s in parts]), draw.y)


def test_load_passes_options_on_and_refuses_unknown_ones():
    assert torch.equal(data.load("digits", seed=1).test.x, data.digits(seed=1).test.x)
    assert data.load("gaussian-ring", n=100, k=3).train.y.unique().tolist() == [0, 1, 2]
    with pytest.raises(TypeError, match="colour"):
        data.load("digits", colour=1)


# ---------------------------------------------------------------- digits


def test_digits_are_scikit_learns_split_without_loss():
    from sklearn.datasets import load_digits

    made = data.digits()
    parts = (made.train, made.valid, made.test)
    assert [len(s) for s in parts] == [1100, 200, 497] and made.shape == (8, 8)
    x, y = load_digits(return_X_y=True)
    ours = torch.cat([16 * s.x for s in parts]).numpy()
    labels = torch.cat([s.y for s in parts]).numpy()
    assert ours.dtype == np.float32 and labels.dtype == np.int64
    order, theirs = np.lexsort(ours.T), np.lexsort(x.T)
    np.testing.assert_array_equal(ours[order], x[theirs])  # each row once, exactly
    np.testing.assert_array_equal(labels[order], y[theirs])
    assert float(made.train.x.max()) == 1 and float(made.train.x.min()) == 0


def test_digits_splits_are_disjoint_and_stratified():
    made = data.digits()
    parts = (made.train, made.valid, made.test)
    assert len(rows(made.train) | rows(made.valid) | rows(made.test)) == 1797
    shares = np.array([178, 182, 177, 183, 181, 182, 181, 179, 174, 180]) / 1797
    for part in parts:
        assert np.abs(counts(part.y) - shares * len(part)).max() < 1


def test_digits_split_follows_the_seed():
    first, again, other = data.digits(0), data.digits(0), data.digits(1)
    assert torch.equal(first.valid.x, again.valid.x)
    assert not torch.equal(first.valid.x, other.valid.x)


def test_digits_train_and_valid_are_the_book_s_1300():
    """The PCA bound of the facts sheet was computed on this very split."""
    from sklearn.decomposition import PCA

    made = data.digits()
    x = torch.cat([made.train.x, made.valid.x]).numpy()
    pca = PCA(2).fit(x)
    assert pca.score(x) == pytest.approx(0.0924, abs=1e-4)
    assert pca.score(made.test.x.numpy()) == pytest.approx(-0.2928, abs=1e-4)


# ---------------------------------------------------------------- toy sets

GRID = [[a, b] for a in (-4, -2, 0, 2, 4) for b in (-4, -2, 0, 2, 4)]
RING = [[2 * np.cos(a), 2 * np.sin(a)] for a in np.arange(8) * np.pi / 4]


@pytest.mark.parametrize(
    ("sampler", "centers"),
    [(data.gaussian_grid, GRID), (data.gaussian_ring, RING)],
    ids=["grid", "ring"],
)
def test_mixtures_have_their_centers_stds_and_weights(sampler, centers):
    n, std = 100_000, 0.05
    draw = sampler(n)
    assert draw.x.shape == (n, 2) and draw.x.dtype == torch.float32
    centers = torch.tensor(centers, dtype=torch.float32)
    noise = draw.x - centers[draw.y]
    each = n / len(centers)
    for k in range(len(centers)):  # five standard errors
        assert noise[draw.y == k].mean(0).abs().max() < 5 * std / each**0.5
    assert noise.std(0) == pytest.approx(std, rel=5 / (2 * n) ** 0.5)
    assert abs(float(torch.corrcoef(noise.T)[0, 1])) < 5 / n**0.5
    assert np.abs(np.array(counts(draw.y)) - each).max() < 5 * each**0.5


def test_mixtures_take_their_options():
    grid = data.gaussian_grid(4000, side=2, spacing=3, std=0, seed=1)
    assert grid.x.unique(dim=0).tolist() == [[-1.5, -1.5], [-1.5, 1.5], [1.5, -1.5],
                                             [1.5, 1.5]]  # fmt: skip
    ring = data.gaussian_ring(4000, k=2, radius=3, std=0, seed=1)
    x_0 = ring.x[:, 0]
    assert torch.allclose(x_0, 3.0 - 6.0 * ring.y) and ring.x[:, 1].abs().max() < 1e-6


def test_swiss_roll_lies_on_its_spiral_uniformly():
    draw = data.swiss_roll(20_000)
    radius = draw.x.double().norm(dim=1)
    assert 1 <= radius.min() < 1.01 and 2.99 < radius.max() <= 3
    spiral = torch.stack([(1.5 * np.pi * radius).cos(), (1.5 * np.pi * radius).sin()])
    assert (draw.x - radius[:, None] * spiral.T).abs().max() < 1e-5
    uniform = ((radius.sort().values - 1) / 2 - torch.linspace(0, 1, 20_000)).abs()
    assert uniform.max() < 1.95 / 20_000**0.5  # Kolmogorov-Smirnov, p = 0.001
    assert draw.y.unique().tolist() == list(range(10))
    edges = torch.stack([radius[draw.y == k].max() for k in range(10)])
    assert torch.allclose(edges, 1 + torch.arange(1, 11).double() / 5, atol=0.01)


def test_two_moons_are_two_half_circles():
    draw = data.two_moons(2000, noise=0)
    assert counts(draw.y) == [1000, 1000]
    upper, lower = draw.x[draw.y == 0], draw.x[draw.y == 1] - torch.tensor([1, 0.5])
    for moon, sign in ((upper, 1), (lower, -1)):
        assert (moon.norm(dim=1) - 1).abs().max() < 1e-6
        assert (sign * moon[:, 1]).min() > -1e-6
    noise = data.two_moons(50_000, seed=2)
    off = noise.x[noise.y == 0].norm(dim=1) - 1  # radial: noise.1 but for curvature
    assert off.std() == pytest.approx(0.1, rel=0.03)


@pytest.mark.parametrize(
    "sampler",
    [data.gaussian_grid, data.gaussian_ring, data.swiss_roll, data.two_moons],
)
def test_toys_follow_the_seed_and_leave_the_global_generators_alone(sampler):
    before, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()
    first, again, other = sampler(50), sampler(50, seed=0), sampler(50, seed=1)
    assert torch.equal(first.x, again.x) and torch.equal(first.y, again.y)
    assert not torch.equal(first.x, other.x)
    assert first.y.dtype == torch.int64
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(numpys, np.random.get_state()[1])


# ---------------------------------------------------------------- glyphs


@pytest.fixture(scope="module")
def rendered() -> tuple[data.Dataset, float]:
    start = time.perf_counter()
    made = data.glyphs()
    return made, time.perf_counter() - start


@pytest.fixture(scope="module")
def measured(rendered) -> dict[str, Tensor]:
    """Moments of the first 20,000 images (pixels): what the eye would measure."""
    x = data.as_float(rendered[0].train.x[:20_000]).view(-1, 28, 28).double()
    at = torch.arange(28.0, dtype=torch.float64)
    ink = x.sum((1, 2))
    left = (x.sum(1) * at).sum(1) / ink
    down = (x.sum(2) * at).sum(1) / ink
    dx, dy = at - left[:, None], at - down[:, None]
    xx = (x.sum(1) * dx**2).sum(1) / ink
    yy = (x.sum(2) * dy**2).sum(1) / ink
    xy = torch.einsum("nij,ni,nj->n", x, dy, dx) / ink
    return {
        "slant": -xy / yy,
        "width": (xx - xy**2 / yy).sqrt(),  # with the slant taken out
        "weight": ink,
        "shift_x": left,
        "shift_y": down,
    }


def slopes(made: data.Dataset, measure: Tensor, by_style: bool) -> Tensor:
    """Least squares of a measure on the factors (standardized, all), group by group.

    Returns:
        (groups, 5): what one unit of each factor adds to the measure.
    """
    n = len(measure)
    factors, y = made.factors.train[:n].double(), made.train.y[:n]
    group = 10 * factors[:, 5].long() + y if by_style else y
    found = []
    for k in group.unique():
        f, m = factors[group == k, :5], measure[group == k]
        f = torch.cat([f, torch.ones(len(f), 1)], dim=1)
        found.append(torch.linalg.lstsq(f, m[:, None]).solution[:5, 0])
    return torch.stack(found)


def test_glyphs_shapes_and_ranges(rendered):
    made, _ = rendered
    parts = (made.train, made.valid, made.test)
    assert [len(s) for s in parts] == [50_000, 5_000, 5_000]
    assert made.shape == (28, 28) and made.name == "glyphs"
    names = ("slant", "width", "weight", "shift_x", "shift_y", "style")
    assert made.factors.names == names
    bounds = [(-0.35, 0.35), (0.75, 1.15), (1.6, 3.4), (-1.5, 1.5), (-1.5, 1.5), (0, 9)]
    drawn = (made.factors.train, made.factors.valid, made.factors.test)
    for part, factors in zip(parts, drawn, strict=True):
        assert part.x.shape == (len(part), 784) and part.x.dtype == torch.uint8
        assert factors.shape == (len(part), 6) and factors.dtype == torch.float32
        for column, (low, high) in zip(factors.T, bounds, strict=True):
            slack = 0.01 * (high - low)
            assert low - 1e-6 <= column.min() < low + slack
            assert high - slack < column.max() <= high + 1e-6
    assert len(rows(made.train) | rows(made.valid) | rows(made.test)) == 60_000


def test_glyphs_factors_and_labels_are_independent(rendered):
    made, _ = rendered
    columns = torch.column_stack([made.factors.train, made.train.y]).double()
    off = torch.corrcoef(columns.T) - torch.eye(7)
    assert off.abs().max() < 5 / 50_000**0.5
    assert np.abs(np.array(counts(made.train.y)) - 5000).max() < 5 * 5000**0.5


def test_glyphs_look_like_mnist(rendered):
    """Mean and contrast near MNIST's 0.131 and 0.308; grey edges; nothing cut off."""
    made, _ = rendered
    x = data.as_float(made.train.x[:20_000])
    assert 0.13 < x.mean() < 0.16 and 0.29 < x.std() < 0.35
    grey = ((x > 0.02) & (x < 0.98)).float().mean() / (x > 0.02).float().mean()
    assert 0.2 < grey < 0.6  # antialiased, not blurred
    assert (x.amax(1) == 1).float().mean() > 0.95
    image = x.view(-1, 28, 28)
    frame = torch.cat(
        [image[:, [0, -1]].flatten(1), image[:, :, [0, -1]].flatten(1)], 1
    )
    assert (frame.amax(1) > 0.1).float().mean() < 1e-3


def test_glyphs_can_be_told_apart(rendered):
    """A label that fits the picture: the nearest neighbor agrees with it."""
    made, _ = rendered
    x, queries = data.as_float(made.train.x[:5_000]), data.as_float(made.test.x[:500])
    nearest = torch.cdist(queries, x).argmin(1)
    agree = (made.train.y[nearest] == made.test.y[:500]).float().mean()
    assert agree > 0.95


def test_glyphs_are_the_digits_their_labels_name():
    """Holes of each digit, and which way up 6 and 9 stand."""
    from scipy.ndimage import label

    made = data.glyphs(720, size=56)
    image, y = made.train.x.view(-1, 56, 56).numpy() > 100, made.train.y.numpy()
    paper = np.pad(~image, ((0, 0), (1, 1), (1, 1)))  # a frame that touches nothing
    paper[:, [0, -1]] = paper[:, :, [0, -1]] = True
    regions = [label(one)[0] for one in paper]  # 1 is the ground about the digit
    holes = np.array([region.max() - 1 for region in regions])
    usual = [int(np.median(holes[y == digit])) for digit in range(10)]
    assert usual == [1, 0, 0, 0, 1, 0, 1, 0, 2, 1]
    ink = [np.nonzero(one)[0].mean() for one in image]
    for digit, below in ((6, True), (9, False)):  # the hole, from the center of mass
        at = np.flatnonzero((y == digit) & (holes == 1))
        down = [np.nonzero(regions[i] > 1)[0].mean() - 1 - ink[i] for i in at]
        assert len(at) > 40 and np.mean(np.array(down) > 0) == below


def test_slant_seen_is_the_slant_drawn(rendered, measured):
    made, _ = rendered
    slant, y = made.factors.train[:20_000, 0], made.train.y[:20_000]
    for digit in range(10):
        both = torch.stack([slant[y == digit], measured["slant"][y == digit]])
        assert torch.corrcoef(both)[0, 1] > 0.93
    assert slopes(made, measured["slant"], by_style=False)[:, 0].mean() == (
        pytest.approx(1, abs=0.03)
    )
    upright = measured["slant"] - slant
    styles = made.factors.train[:20_000, 5]
    means = torch.stack([upright[styles == k].mean() for k in range(10)])
    assert means.abs().max() < 0.05  # the italics too stand upright at slant 0


def test_shifts_move_the_ink_by_their_pixels(rendered, measured):
    """A glyph fits in the frame, so its center of mass moves exactly as told."""
    made, _ = rendered
    for name, column in (("shift_x", 3), ("shift_y", 4)):
        slope = slopes(made, measured[name], by_style=True)[:, column]
        assert (slope - 1).abs().max() < 0.03
        assert slope.mean() == pytest.approx(1, abs=0.002)


def test_width_and_weight_act_in_every_class_and_typeface(rendered, measured):
    made, _ = rendered
    spread = slopes(made, measured["width"], by_style=True)
    assert spread[:, 1].min() > 0
    wide = measured["width"] / made.factors.train[:20_000, 1]
    assert (slopes(made, wide, True)[:, 1] / spread[:, 1]).abs().max() < 0.35
    ink = slopes(made, measured["weight"], by_style=True)[:, 2]
    assert ink.min() > 20 and ink.max() < 80  # the stroke's length in pixels


def test_glyphs_follow_the_seed(rendered):
    first, again = data.glyphs(240, seed=1), data.glyphs(240, seed=1)
    other = data.glyphs(240, seed=2)
    assert torch.equal(first.train.x, again.train.x)
    assert torch.equal(first.train.y, again.train.y)
    assert torch.equal(first.factors.test, again.factors.test)
    assert not torch.equal(first.train.x, other.train.x)
    assert [len(s) for s in (first.train, first.valid, first.test)] == [200, 20, 20]


def test_glyphs_are_the_same_everywhere(rendered):
    """Labels and factors to the bit; images but for what another FreeType may draw."""
    made, _ = rendered
    drawn = made.train.y.numpy().tobytes() + made.factors.train.numpy().tobytes()
    assert hashlib.sha256(drawn).hexdigest()[:16] == "4e067fb6292341bb"
    assert data.as_float(made.train.x).double().mean() == pytest.approx(
        0.14352, rel=1e-3
    )


def test_glyphs_of_another_size_are_the_same_pictures():
    small, large = data.glyphs(24, size=28), data.glyphs(24, size=56)
    assert large.shape == (56, 56) and large.train.x.shape == (20, 56 * 56)
    assert torch.equal(small.factors.train, large.factors.train)
    pooled = torch.nn.functional.avg_pool2d(
        data.as_float(large.train.x).view(-1, 56, 56), 2
    )
    assert (pooled.flatten(1) - data.as_float(small.train.x)).abs().mean() < 0.01
    grey = [
        ((x > 5) & (x < 250)).sum() / (x > 5).sum()
        for x in (small.train.x, large.train.x)
    ]
    assert grey[1] < 0.7 * grey[0]  # the edge is one pixel, whatever the size


def test_sixty_thousand_glyphs_take_seconds(rendered):
    assert rendered[1] < 30  # 3.6 s alone on one core


@pytest.mark.parametrize("options", [{"n": 11}, {"n": 24, "size": 7}])
def test_glyphs_refuse_what_makes_no_set(options):
    with pytest.raises(ValueError, match="n >= 12 and size >= 8"):
        data.glyphs(**options)


# ---------------------------------------------------------------- wrong files

GOOD = bytes(range(256)) * 4096  # 1 MiB: more than a socket's buffer holds
NAME = "numbers.bin"


class Mirror(http.server.BaseHTTPRequestHandler):
    """Serves GOOD under /good, and every misbehaviour under its own name."""

    def do_GET(self):
        how = self.path.split("/")[1]
        self.server.asked.append(how)
        body = {"wrong": GOOD[::-1], "truncated": GOOD[:-9]}.get(how, GOOD)
        if how == "absent":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if how == "dies" else body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    made.asked = []
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache, and no ADV_AE_DATA."""
    monkeypatch.delenv("ADV_AE_DATA", raising=False)
    monkeypatch.setenv("ADV_AE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def source(server, *mirrors: str) -> files.Source:
    host = f"http://127.0.0.1:{server.server_port}/"
    file = (hashlib.sha256(GOOD).hexdigest(), len(GOOD))
    return files.Source("set", tuple(f"{host}{m}/" for m in mirrors), {NAME: file})


@pytest.mark.parametrize("first", ["absent", "truncated", "wrong", "dies"])
def test_the_second_mirror_serves_when_the_first_fails(server, cache, first):
    assert files.fetch(source(server, first, "good"), NAME) == GOOD
    assert server.asked == [first, "good"]
    assert [p.name for p in (cache / "set").iterdir()] == [NAME]
    assert (cache / "set" / NAME).read_bytes() == GOOD


def test_a_cached_file_is_not_fetched_again(server, cache):
    numbers = source(server, "good")
    assert files.fetch(numbers, NAME) == files.fetch(numbers, NAME) == GOOD
    assert server.asked == ["good"]


@pytest.mark.parametrize("how", ["absent", "truncated", "wrong", "dies"])
def test_when_every_mirror_fails_the_error_says_all(server, cache, how):
    numbers = source(server, how, how)
    with pytest.raises(data.DataError) as error:
        files.fetch(numbers, NAME)
    text = str(error.value)
    sha256, size = numbers.files[NAME]
    for part in (f"set/{NAME}", sha256, str(size), *numbers.mirrors, "ADV_AE_DATA"):
        assert part in text
    assert str(cache / "set" / NAME) in text  # where to put it by hand
    assert list((cache / "set").iterdir()) == []  # nothing half-made stays


def test_offline_is_said_with_what_to_do(server, cache):
    numbers = source(server, "good")
    server.shutdown()
    server.server_close()
    with pytest.raises(data.DataError, match="could not be downloaded") as error:
        files.fetch(numbers, NAME)
    assert "Check the network" in str(error.value)


@pytest.mark.parametrize("bad", [GOOD[:-1], GOOD[::-1], b""])
def test_a_wrong_file_in_the_cache_is_replaced(server, cache, bad):
    (cache / "set").mkdir(parents=True)
    (cache / "set" / NAME).write_bytes(bad)
    with pytest.raises(data.DataError, match="a wrong file"):
        files.fetch(source(server, "absent"), NAME)
    assert files.fetch(source(server, "good"), NAME) == GOOD
    assert (cache / "set" / NAME).read_bytes() == GOOD


@pytest.fixture
def shared(tmp_path, monkeypatch, cache) -> Path:
    """A folder that ADV_AE_DATA names, with ``set/`` in it."""
    (tmp_path / "shared" / "set").mkdir(parents=True)
    monkeypatch.setenv("ADV_AE_DATA", str(tmp_path / "shared"))
    return tmp_path / "shared"


def test_adv_ae_data_comes_before_the_cache_and_the_mirrors(server, cache, shared):
    (shared / "set" / NAME).write_bytes(GOOD)
    (cache / "set").mkdir(parents=True)
    (cache / "set" / NAME).write_bytes(b"never read")
    assert files.fetch(source(server, "good"), NAME) == GOOD
    assert server.asked == []


def test_a_file_missing_there_is_fetched(server, cache, shared):
    assert files.fetch(source(server, "good"), NAME) == GOOD
    assert list((shared / "set").iterdir()) == []


@pytest.mark.parametrize(
    ("bad", "fault"),
    [(GOOD[:-1], "truncated"), (GOOD[::-1], "corrupt"), (GOOD + b"0", "corrupt")],
)
def test_a_wrong_file_there_is_an_error_and_stays(server, shared, bad, fault):
    path = shared / "set" / NAME
    path.write_bytes(bad)
    numbers = source(server, "good")
    with pytest.raises(data.DataError, match=fault) as error:
        files.fetch(numbers, NAME)
    sha256, size = numbers.files[NAME]
    found = hashlib.sha256(bad).hexdigest()
    for part in (str(path), sha256, str(size), found, str(len(bad)), "Delete it"):
        assert part in str(error.value)
    assert server.asked == [] and path.read_bytes() == bad


def test_what_cannot_be_read_is_an_error(server, shared):
    (shared / "set" / NAME).mkdir()
    with pytest.raises(data.DataError, match="cannot be read"):
        files.fetch(source(server, "good"), NAME)


def test_adv_ae_data_must_be_a_folder(shared, monkeypatch):
    monkeypatch.setenv("ADV_AE_DATA", str(shared / "nowhere"))
    with pytest.raises(data.DataError, match=r"nowhere.*not a folder"):
        data.mnist()


def test_the_users_cache_is_pooch_s(monkeypatch):
    import pooch

    monkeypatch.delenv("ADV_AE_CACHE", raising=False)
    assert files._cache_folder() == Path(pooch.os_cache("adv_ae"))
    monkeypatch.setenv("ADV_AE_CACHE", "~/elsewhere")
    assert files._cache_folder() == Path.home() / "elsewhere"


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "binarized-mnist"])
def test_another_valid_file_under_the_name_is_not_parsed(name, shared, monkeypatch):
    """A readable gzip or npz with the wrong content stops at its sha256."""
    (shared / name).mkdir()
    for file in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"):
        (shared / name / file).write_bytes(gzip.compress(bytes(16 + 784)))
    np.savez(shared / name / "binarized_mnist.npz", train=np.zeros((1, 98), np.uint8))
    with pytest.raises(data.DataError, match=r"train-images|binarized_mnist\.npz"):
        data.load(name)


# ---------------------------------------------------------------- parsing, offline


def serve_locally(monkeypatch, shared, name: str, files: dict[str, bytes]) -> None:
    """Put small files in ADV_AE_DATA and let the module expect just these."""
    constant = {"mnist": "_MNIST", "binarized-mnist": "_BINARIZED_MNIST"}[name]
    known = {k: (hashlib.sha256(v).hexdigest(), len(v)) for k, v in files.items()}
    expected = replace(getattr(benchmarks, constant), files=known, mirrors=())
    monkeypatch.setattr(benchmarks, constant, expected)
    (shared / name).mkdir()
    for file, content in files.items():
        (shared / name / file).write_bytes(content)


def test_idx_files_are_read_and_split(monkeypatch, shared):
    rng = np.random.default_rng(0)
    x = {"train": np.arange(50_003 * 784).astype(np.uint8).reshape(-1, 784)}
    x["train"][:, 0] = rng.integers(256, size=50_003)
    x["t10k"] = rng.integers(256, size=(7, 784), dtype=np.uint8)
    y = {k: (np.arange(len(v)) % 10).astype(np.uint8) for k, v in x.items()}
    files = {
        f"{k}-images-idx3-ubyte.gz": gzip.compress(bytes(16) + x[k].tobytes(), 1)
        for k in x
    } | {
        f"{k}-labels-idx1-ubyte.gz": gzip.compress(bytes(8) + y[k].tobytes()) for k in x
    }
    serve_locally(monkeypatch, shared, "mnist", files)
    made = data.load("mnist")
    assert made.shape == (28, 28) and made.name == "mnist"
    for part, images, labels in (
        (made.train, x["train"][:50_000], y["train"][:50_000]),
        (made.valid, x["train"][50_000:], y["train"][50_000:]),
        (made.test, x["t10k"], y["t10k"]),
    ):
        assert part.x.dtype == torch.uint8 and part.y.dtype == torch.int64
        np.testing.assert_array_equal(part.x.numpy(), images)
        np.testing.assert_array_equal(part.y.numpy(), labels)


def as_text(bits: np.ndarray) -> bytes:
    """Rows ``0 1 ... 0`` as in the original .amat files."""
    text = np.full((len(bits), 1568), ord(" "), np.uint8)
    text[:, ::2] = bits + ord("0")
    text[:, -1] = ord("\n")
    return text.tobytes()


def test_binarized_text_files_are_read(monkeypatch, shared):
    rng = np.random.default_rng(0)
    bits = {k: rng.integers(2, size=(n, 784), dtype=np.uint8) for k, n in
            (("train", 5), ("valid", 3), ("test", 2))}  # fmt: skip
    files = {f"binarized_mnist_{k}.amat": as_text(v) for k, v in bits.items()}
    serve_locally(monkeypatch, shared, "binarized-mnist", files | {
        "binarized_mnist.npz": b""})  # fmt: skip
    (shared / "binarized-mnist" / "binarized_mnist.npz").unlink()
    made = data.binarized_mnist()
    for name, expected in bits.items():
        part = getattr(made, name)
        assert part.x.dtype == torch.uint8 and part.y is None
        np.testing.assert_array_equal(data.as_float(part.x).numpy(), expected)


# ---------------------------------------------------------------- the real sets


MNIST_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
MNIST_TEST = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@needs_real
@pytest.mark.parametrize(
    ("name", "train", "test", "mean", "std"),
    [
        ("mnist", MNIST_COUNTS, MNIST_TEST, 0.1307, 0.3081),
        ("fashion-mnist", [6000] * 10, [1000] * 10, 0.2860, 0.3530),
    ],
)
def test_real_idx_sets(name, train, test, mean, std):
    made = data.load(name)
    assert [len(s) for s in (made.train, made.valid, made.test)] == [50_000] + [
        10_000
    ] * 2
    assert counts(torch.cat([made.train.y, made.valid.y])) == train
    assert counts(made.test.y) == test
    x = torch.cat([made.train.x, made.valid.x])
    assert x.dtype == torch.uint8 and x.shape == (60_000, 784)
    x = data.as_float(x)
    assert x.mean() == pytest.approx(mean, abs=5e-5)
    assert x.std() == pytest.approx(std, abs=5e-5)


@needs_real
def test_real_mnist_begins_with_a_five_the_right_way_up():
    """Row order: the first image is the well-known 5, its bar at the top right."""
    image = data.mnist().train.x[0].view(28, 28)
    assert int(data.mnist().train.y[0]) == 5
    assert image[5, 12:24].tolist() == [3, 18, 18, 18, 126, 136, 175, 26, 166, 255,
                                        247, 127]  # fmt: skip


@needs_real
def test_real_binarized_mnist_packed_and_as_text(monkeypatch, tmp_path):
    made = data.load("binarized-mnist")
    parts = {"train": made.train, "valid": made.valid, "test": made.test}
    shares = {"train": 0.1306, "valid": 0.1311, "test": 0.1325}
    assert [len(s) for s in parts.values()] == [50_000, 10_000, 10_000]
    (tmp_path / "binarized-mnist").mkdir()
    for name, part in parts.items():
        assert part.x.dtype == torch.uint8 and bool(
            ((part.x == 0) | (part.x == 255)).all()
        )
        x = data.as_float(part.x)
        assert bool(((x == 0) | (x == 1)).all())
        assert x.mean() == pytest.approx(shares[name], abs=5e-5)
        file = f"binarized_mnist_{name}.amat"
        text = as_text(part.x.numpy() // 255)
        sha256, size = benchmarks._BINARIZED_MNIST.files[file]
        assert hashlib.sha256(text).hexdigest() == sha256 and len(text) == size
        (tmp_path / "binarized-mnist" / file).write_bytes(text)
    both = torch.cat([made.train.y, made.valid.y])
    assert counts(both) == MNIST_COUNTS and counts(made.test.y) == MNIST_TEST
    monkeypatch.setenv("ADV_AE_DATA", str(tmp_path))
    monkeypatch.setenv("ADV_AE_CACHE", str(tmp_path / "empty"))
    text_only = data.binarized_mnist()
    assert text_only.test.y is None
    assert torch.equal(text_only.train.x, made.train.x)


@needs_real
def test_a_real_file_cut_short_is_refused(monkeypatch, tmp_path):
    name = "t10k-labels-idx1-ubyte.gz"
    (tmp_path / "mnist").mkdir()
    for file in benchmarks._MNIST.files:
        (tmp_path / "mnist" / file).symlink_to(Path(REAL, "mnist", file).resolve())
    (tmp_path / "mnist" / name).unlink()
    content = Path(REAL, "mnist", name).read_bytes()
    (tmp_path / "mnist" / name).write_bytes(content[:-100])
    monkeypatch.setenv("ADV_AE_DATA", str(tmp_path))
    with pytest.raises(data.DataError, match=rf"{name} is truncated: expected 4542"):
        data.mnist()
