"""Explorers: the page decodes what torch decodes, under pointer, touch and keys."""

import base64
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import torch
from explorers import TOLERANCE, accuracy, in_node, parts
from PIL import Image
from test_site import PHONE, swipe
from test_site import browser as browser
from torch import nn

from adv_ae import Game, explore
from adv_ae.conditionals import (
    Bernoulli,
    Categorical,
    Deterministic,
    FixedScaleGaussian,
    Gaussian,
    Noisy,
)
from adv_ae.explore.plane import LIMIT
from adv_ae.games import GAN, SupervisedAAE
from adv_ae.networks import MLP, Discriminator
from adv_ae.priors import Normal

SHAPE = (5, 4)
PIXELS = 20
ZS = [[0.0, 0.0], [2.9, -3.0], [-1.25, 0.4], [0.7, 2.2]]


def leaky():
    return nn.LeakyReLU(0.1)


def normed():
    """Batch norm whose statistics and affine map have moved."""
    net = MLP(2, 16, 16, PIXELS, activation=leaky, batch_norm=True, dropout=0.3)
    for _ in range(20):
        net(torch.randn(64, 2) * 3 + 1)
    for m in net.modules():
        if isinstance(m, nn.BatchNorm1d):
            nn.init.normal_(m.weight, 1.0, 0.3)
            nn.init.normal_(m.bias, 0.0, 0.3)
    return net


def odd():
    """No bias, two nonlinearities in a row, dropout."""
    return nn.Sequential(
        nn.Linear(2, 8, bias=False),
        nn.Tanh(),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(8, PIXELS),
    )


DECODERS = {
    "bernoulli": lambda: Bernoulli(MLP(2, 16, 16, PIXELS)),
    "sigmoid": lambda: Deterministic(MLP(2, 16, PIXELS, last=nn.Sigmoid())),
    "tanh": lambda: Deterministic(
        MLP(2, 16, PIXELS, activation=nn.Tanh, last=nn.Tanh())
    ),
    "fixed-scale": lambda: FixedScaleGaussian(
        MLP(2, 16, PIXELS, activation=leaky), 0.5
    ),
    "gaussian": lambda: Gaussian(MLP(2, 16, 2 * PIXELS)),
    "batch-norm": lambda: Bernoulli(normed()),
    "mlp": lambda: MLP(2, 16, PIXELS),
    "sequential": odd,
}
every = pytest.mark.parametrize("make", DECODERS.values(), ids=DECODERS)


def spread(net, factor=3.0):
    """Weights large enough that a wrong one shows."""
    with torch.no_grad():
        for m in net.modules():
            if isinstance(m, nn.Linear):
                m.weight.mul_(factor)
    return net


def mean(net, *given):
    """What torch decodes, in evaluation mode."""
    training = net.training
    with torch.no_grad():
        out = net.eval()(*map(torch.as_tensor, given))
    net.train(training)
    return (out if isinstance(out, torch.Tensor) else out.mean).numpy()


def still(page):
    """The fallback's tiles in [0, 1], 1 is ink: (row, column, height, width); where
    labels are told, nine codes by the labels."""
    png = re.search(r'src="data:image/png;base64,([^"]+)"', page).group(1)
    ink = 1 - np.asarray(Image.open(io.BytesIO(base64.b64decode(png)))) / 255
    spec = parts(page)[1]
    n, (height, width), m = spec["grid"], spec["shape"], 1  # m: margin of a tile
    rows, columns = (9, spec["told"]) if spec.get("told") else (n, n)
    tiles = ink.reshape(rows, height + 2 * m, columns, width + 2 * m)
    tiles = tiles.transpose(0, 2, 1, 3)
    assert tiles[..., 0].max() == tiles[..., 0, :].max() == 0  # white
    return tiles[..., m:-m, m:-m]


@every
def test_the_page_decodes_what_torch_decodes(make):
    net = spread(make())
    page = explore.latent_plane(net, SHAPE, limits=(-1, 1)).data
    zs = json.dumps(ZS)
    drawn = in_node(
        page, f"{zs}.map((z) => Array.from(decode(unpack(spec).layers, z)))"
    )
    assert np.ptp(mean(net, ZS), axis=0).max() > 0.1  # there is something to get wrong
    np.testing.assert_allclose(drawn, mean(net, ZS), atol=TOLERANCE)


def one_hot(k, told):
    return [float(j == k) for j in range(told)]


def stored():
    """The explorers in the stored outputs of the book."""
    for path in sorted((Path(__file__).parent.parent / "book").glob("*.ipynb")):
        for cell in json.loads(path.read_text())["cells"]:
            for output in cell.get("outputs", []):
                page = "".join(output.get("data", {}).get("text/html", ""))
                if "adv-ae-explorer" in page:
                    yield pytest.param(page, id=f"{path.stem}-{cell['id']}")


@pytest.mark.parametrize("page", list(stored()))
def test_the_books_explorers_decode_what_torch_drew(page):
    spec = parts(page)[1]
    extent, told = spec["extent"], spec.get("told", 0)
    n = 3 if told else spec["grid"]
    along = extent * (2 * (np.arange(n) + 0.5) / n - 1)
    zs = [[float(a), float(b)] for b in along[::-1] for a in along]
    rows = [one_hot(k, told) + z for z in zs for k in range(max(told, 1))]
    code = f"{rows}.map((row) => Array.from(decode(unpack(spec).layers, row)))"
    drawn = np.array(in_node(page, code)).reshape(still(page).shape)
    assert spec["limits"] == [0, 1] and len(page.encode()) <= LIMIT
    assert np.ptp(drawn) > 0.8  # there is something to get wrong
    np.testing.assert_allclose(drawn.clip(0, 1), still(page), atol=accuracy(page))


@every
def test_the_still_grid_is_what_torch_decodes(make):
    net = spread(make())
    page = explore.latent_plane(net, SHAPE, grid=3, extent=1.5, limits=(-1, 1)).data
    tiles = still(page)
    # The middle tile is the origin; the tile above it is at z2 = +1, right at z1 = +1.
    for z, row, column in (([0.0, 0.0], 1, 1), ([0.0, 1.0], 0, 1), ([1.0, 0.0], 1, 2)):
        expected = (mean(net, [z]).reshape(SHAPE).clip(-1, 1) + 1) / 2
        np.testing.assert_allclose(tiles[row, column], expected, atol=0.003)


def test_half_precision_is_unpacked_as_numpy_does():
    page = explore.latent_plane(MLP(2, 4, PIXELS), SHAPE).data
    bits = np.arange(0, 65536, 7, dtype="<u2")
    bits = bits[np.isfinite(bits.view("<f2"))]
    values = in_node(page, f"{bits.tolist()}.map(half)")
    np.testing.assert_array_equal(values, bits.view("<f2").astype(float))


def test_points_and_classes_arrive():
    z = torch.tensor([[0.5, -1.0], [2.0, 2.0], [-9.0, 0.0]])
    page = explore.latent_plane(
        MLP(2, 4, PIXELS), SHAPE, points=z, labels=torch.tensor([3, 0, 11])
    ).data
    given = "(({points, labels}) => [[...points], [...labels]])(unpack(spec))"
    points, labels = in_node(page, given)
    z[2, 0] = -6  # beyond twice the plane: clipped, and out of sight in either case
    np.testing.assert_allclose(points, z.flatten(), atol=3 / 16384)
    assert labels == [3, 0, 11] and parts(page)[1]["classes"] == 12


def test_the_same_weights_give_the_same_bytes_and_training_shows_in_base64_only():
    def page(seed):
        torch.manual_seed(seed)
        net = Bernoulli(spread(MLP(2, 16, PIXELS)))
        labels = torch.arange(40) % 10
        return explore.latent_plane(
            net, SHAPE, points=torch.randn(40, 2), labels=labels
        ).data

    def masked(text):
        return re.sub(r"[A-Za-z0-9+/]{200,}={0,2}", "BASE64", text)

    assert page(0) == page(0) and page(0) != page(1)
    assert masked(page(0)) == masked(page(1)) and masked(page(0)).count("BASE64") == 2


def test_the_smallest_payload_is_masked_too():
    tiny = explore.latent_plane(nn.Sequential(nn.Linear(2, 1)), (1, 1), grid=1).data
    assert len(parts(tiny)[1]["payload"]) >= 200


def test_modes_are_left_as_they_were():
    net = normed().train()
    net.layers[3].eval()
    before = [m.training for m in net.modules()]
    statistics = net.layers[1].running_mean.clone()
    explore.latent_plane(net, SHAPE)
    assert [m.training for m in net.modules()] == before
    assert torch.equal(net.layers[1].running_mean, statistics)


def test_text_cannot_break_out_of_its_place():
    page = explore.latent_plane(
        MLP(2, 4, PIXELS), SHAPE, title='</script><b onclick="x">'
    ).data
    assert page.count("</script>") == 1 and "<b " not in page
    assert parts(page)[1]["title"] == '</script><b onclick="x">'


@pytest.mark.parametrize(
    ("net", "say"),
    [
        (lambda: nn.Linear(2, PIXELS), "MLP or an nn.Sequential"),
        (lambda: nn.Sequential(), "no layers"),
        (lambda: nn.Sequential(nn.ReLU(), nn.Linear(2, PIXELS)), "must be linear"),
        (lambda: MLP(2, 4, PIXELS, activation=nn.GELU), "GELU cannot be carried"),
        (lambda: Noisy(MLP(4, PIXELS), 2), "Noisy is no decoder"),
        (lambda: Categorical(MLP(2, PIXELS)), "Categorical is no decoder"),
        (lambda: Bernoulli(MLP(2, PIXELS, last=nn.Sigmoid())), "end in a linear layer"),
        (
            lambda: nn.Sequential(
                nn.Linear(2, PIXELS), nn.BatchNorm1d(PIXELS, track_running_stats=False)
            ),
            "without running statistics",
        ),
        (Game, "no decoder `p`"),
    ],
)
def test_other_decoders_are_refused(net, say):
    with pytest.raises(TypeError, match=say):
        explore.latent_plane(net(), SHAPE)


@pytest.mark.parametrize(
    ("given", "say"),
    [
        ({"shape": (4, 4)}, "not of the 20 outputs"),
        ({"name": "Two words"}, "lower-case letters"),
        ({"extent": 0.0}, "must be positive"),
        ({"grid": 0}, "must be positive"),
        ({"limits": (1, 0)}, "below the second"),
        ({"labels": torch.zeros(3)}, "no points"),
        ({"points": torch.zeros(3, 4)}, "finite"),
        ({"points": torch.full((3, 2), torch.nan)}, "finite"),
        ({"points": torch.zeros(3, 2), "labels": torch.zeros(2)}, "one a point"),
        ({"points": torch.zeros(3, 2), "labels": torch.full((3,), 0.5)}, "whole"),
    ],
)
def test_what_cannot_be_shown_is_refused(given, say):
    with pytest.raises(ValueError, match=say):
        explore.latent_plane(**{"net": MLP(2, 4, PIXELS), "shape": SHAPE} | given)


def test_too_large_a_decoder_is_refused():
    with pytest.raises(ValueError, match=r"more than 300 KB: .* weights, in 8 bits"):
        explore.latent_plane(MLP(2, 512, 512, 784), (28, 28), grid=3)


def test_codes_of_another_dimension_are_refused():
    with pytest.raises(ValueError, match="2 dimensions; these have 3"):
        explore.latent_plane(MLP(3, PIXELS), SHAPE)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(bad):
    net = MLP(2, PIXELS)
    with torch.no_grad():
        net.layers[0].bias[3] = bad
    with pytest.raises(ValueError, match="nan or infinite: train it again"):
        explore.latent_plane(net, SHAPE)


@pytest.mark.parametrize("bad", [1e5, 2000.0])
def test_weights_that_half_precision_cannot_hold_are_refused(bad):
    net = MLP(2, PIXELS)
    with torch.no_grad():
        net.layers[0].weight[0, 0] = bad + 0.3
    with pytest.raises(ValueError, match="half precision"):
        explore.latent_plane(net, SHAPE)


LABELS = 3
TOLD = {
    "bernoulli": lambda: Bernoulli(MLP(LABELS + 2, 16, 16, PIXELS)),
    "tanh": lambda: Deterministic(MLP(LABELS + 2, 16, PIXELS, last=nn.Tanh())),
    "gaussian": lambda: Gaussian(MLP(LABELS + 2, 16, 2 * PIXELS)),
}


@pytest.mark.parametrize("make", TOLD.values(), ids=TOLD)
def test_a_told_decoder_is_given_the_label_and_then_the_code(make):
    net = spread(make())
    page = explore.style_plane(net, SHAPE, classes=LABELS, limits=(-1, 1)).data
    eye = torch.eye(LABELS)
    for k in range(LABELS):
        given = f"given({LABELS}, {k}, z)"
        code = f"{ZS}.map((z) => Array.from(decode(unpack(spec).layers, {given})))"
        drawn = in_node(page, code)
        torchs = mean(net, eye[[k] * len(ZS)], ZS)
        np.testing.assert_allclose(drawn, torchs, atol=TOLERANCE)
        others = mean(net, eye[[(k + 1) % LABELS] * len(ZS)], ZS)
        assert np.abs(torchs - others).max() > 0.1  # a label makes a difference


def test_the_still_grid_of_styles_is_nine_codes_by_the_labels():
    net = spread(TOLD["bernoulli"]())
    page = explore.style_plane(net, SHAPE, classes=LABELS, extent=1.5, grid=4).data
    tiles = still(page)
    assert tiles.shape[:2] == (9, LABELS)
    codes = {0: [-1.0, 1.0], 2: [1.0, 1.0], 4: [0.0, 0.0], 7: [0.0, -1.0]}
    for row, z in codes.items():
        for k in range(LABELS):
            expected = mean(net, [one_hot(k, LABELS)], [z]).reshape(SHAPE)
            np.testing.assert_allclose(tiles[row, k], expected, atol=0.003)
    assert f"9 by {LABELS} pictures" in page


def test_styles_of_the_same_weights_give_the_same_bytes_in_base64_only():
    def page(seed):
        torch.manual_seed(seed)
        net = spread(TOLD["bernoulli"]())
        how = {"points": torch.randn(40, 2), "labels": torch.arange(40) % LABELS}
        return explore.style_plane(net, SHAPE, classes=LABELS, **how).data

    def masked(text):
        return re.sub(r"[A-Za-z0-9+/]{200,}={0,2}", "BASE64", text)

    assert page(0) == page(0) and page(0) != page(1)
    assert masked(page(0)) == masked(page(1)) and masked(page(0)).count("BASE64") == 2


@pytest.mark.parametrize(
    ("widths", "given", "say"),
    [
        ((12, PIXELS), {"classes": 0}, "0 classes: 1 to 20"),
        ((23, PIXELS), {"classes": 21}, "21 classes: 1 to 20"),
        ((12, PIXELS), {"classes": 9}, "these have 3 beside 9 labels"),
        ((12, PIXELS), {"shape": (4, 4)}, "not of the 20 outputs"),
        ((12, PIXELS), {"name": "Two words"}, "lower-case letters"),
        ((12, 512, 512, PIXELS), {}, "more than 300 KB"),
    ],
)
def test_styles_that_cannot_be_shown_are_refused(widths, given, say):
    with pytest.raises(ValueError, match=say):
        explore.style_plane(**{"net": MLP(*widths), "shape": SHAPE} | given)


def test_a_supervised_game_shows_its_decoder():
    p = Bernoulli(MLP(12, 8, PIXELS))
    q = Deterministic(MLP(PIXELS, 8, 2))
    game = SupervisedAAE(q, p, Normal(2), Discriminator(2, 8))
    assert explore.style_plane(game, SHAPE).data == explore.style_plane(p, SHAPE).data


def test_a_game_shows_its_decoder():
    p = Deterministic(MLP(2, 16, PIXELS))
    game = GAN(p, Normal(2), Discriminator(PIXELS, 8))
    assert explore.latent_plane(game, SHAPE).data == explore.latent_plane(p, SHAPE).data


def test_matplotlib_is_not_needed_at_import():
    code = "import sys, adv_ae.explore; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_sliders_draw_the_same_picture_over_their_whole_range():
    net = spread(Bernoulli(MLP(2, 16, PIXELS)))
    first, second, image = explore.live_plane(net, SHAPE, extent=2.0, side=10).children
    assert (first.min, first.max, image.format) == (-2.0, 2.0, "png")
    seen = set()
    for a in np.linspace(-2, 2, 5):
        for b in np.linspace(-2, 2, 5):
            first.value, second.value = a, b
            picture = matplotlib.image.imread(io.BytesIO(image.value), format="png")
            assert picture.shape == (10, 8)  # each pixel twice, both ways
            expected = mean(net, [[first.value, second.value]]).reshape(SHAPE)
            np.testing.assert_allclose(1 - picture[::2, ::2], expected, atol=0.003)
            assert (picture[::2, ::2] == picture[1::2, 1::2]).all()
            seen.add(image.value)
    assert len(seen) == 25


def test_live_takes_what_the_page_cannot():
    net = nn.Sequential(nn.Linear(2, 8), nn.GELU(), nn.Linear(8, PIXELS))
    image = explore.live_plane(net, SHAPE).children[2]
    assert bytes(image.value).startswith(b"\x89PNG")


def test_the_box_of_sliders_does_not_stretch_the_picture():
    image = explore.live_plane(MLP(2, PIXELS), SHAPE, side=200).children[2]
    assert (image.layout.width, image.layout.align_self) == ("160px", "flex-start")


# In a browser


@pytest.fixture
def shown(browser, tmp_path):
    """Opens a page of explorers; fails on any error and on any request."""
    opened = []

    def show(*pages, style="", **options):
        body = "\n<hr>\n".join(pages)
        head = '<!doctype html><html lang="en"><meta charset="utf-8">'
        phone = '<meta name="viewport" content="width=device-width">'
        text = f"{head}{phone}<body style='margin:12px;{style}'>{body}</body></html>"
        (tmp_path / "page.html").write_text(text, encoding="utf-8")
        page = browser.new_page(**options)
        errors = []
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.on(
            "console", lambda m: errors.append(m.text) if m.type == "error" else None
        )
        page.on(
            "request",
            lambda r: r.url.startswith(("file:", "data:")) or errors.append(r.url),
        )
        page.goto((tmp_path / "page.html").as_uri())
        opened.append((page, errors))
        return page

    yield show
    for page, errors in opened:
        page.close()
        assert not errors


def drawn(root, name="image", which=0):
    """A canvas as ink in [0, 1], (height, width), once the plane is complete."""
    root.locator(".adv-ae-plane:not([aria-busy=true])").wait_for()
    canvas = root.locator(f"canvas.adv-ae-{name}").nth(which)
    height, width, red = canvas.evaluate(
        """c => {
            const data = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
            let text = "";
            for (let i = 0; i < data.length; i += 4) {
                text += String.fromCharCode(data[i]);
            }
            return [c.height, c.width, btoa(text)];
        }"""
    )
    bytes_ = np.frombuffer(base64.b64decode(red), np.uint8)
    return 1 - bytes_.reshape(height, width) / 255


def place(root):
    text = root.locator(".adv-ae-z").inner_text().replace("\u2212", "-")
    return [float(v) for v in re.findall(r"-?\d+\.\d\d", text)]


@pytest.fixture
def net():
    return spread(Bernoulli(MLP(2, 16, 16, PIXELS)))


def test_it_starts_at_the_origin_and_is_named(shown, net):
    page = shown(explore.latent_plane(net, SHAPE, name="one", title="My plane").data)
    root = page.locator("div.adv-ae-explorer#one")
    assert root.get_attribute("data-ready") == "true"
    assert page.locator("img").count() == 0  # the still grid has gone
    plane = root.locator("canvas.adv-ae-plane")
    assert plane.get_attribute("tabindex") == "0"
    assert "My plane" in plane.get_attribute("aria-label")
    assert root.locator("[aria-live=polite]").inner_text() == "z = (0.00, 0.00)"
    assert "0.00" in root.locator(".adv-ae-image").get_attribute("aria-label")
    assert root.get_by_text("arrow keys").is_visible()
    assert not root.get_by_text("Tap the plane").is_visible()
    expected = mean(net, [[0.0, 0.0]]).reshape(SHAPE)
    np.testing.assert_allclose(drawn(root), expected, atol=TOLERANCE)


def test_keys_move_and_the_picture_is_torchs(shown, net):
    page = shown(explore.latent_plane(net, SHAPE).data, "<p style='height:3000px'>")
    root = page.locator(".adv-ae-explorer")
    note = "addEventListener('keydown', (e) => { window.last = e; }, true)"
    page.evaluate(note)
    page.keyboard.press("Tab")  # by keyboard alone
    assert not page.evaluate("window.last.defaultPrevented")
    keys = 9 * ["ArrowUp"] + 4 * ["ArrowLeft"] + ["Shift+ArrowDown", "Shift+ArrowRight"]
    for key in keys:
        page.keyboard.press(key)
    assert place(root) == [-0.38, 0.88] and page.evaluate("scrollY") == 0
    expected = mean(net, [[-0.38, 0.88]]).reshape(SHAPE)
    np.testing.assert_allclose(drawn(root), expected, atol=TOLERANCE)
    assert page.evaluate("window.last.defaultPrevented")  # the page stays where it is
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    assert place(root) == [3.0, 0.88]  # stays inside
    page.keyboard.press("Home")
    assert place(root) == [0.0, 0.0]


def test_the_pointer_drags(shown, net):
    page = shown(explore.latent_plane(net, SHAPE).data)
    root = page.locator(".adv-ae-explorer")
    box = root.locator(".adv-ae-plane").bounding_box()

    def point(z):
        across, down = (z[0] / 3 + 1) / 2, (1 - z[1] / 3) / 2
        return box["x"] + box["width"] * across, box["y"] + box["height"] * down

    before = drawn(root, "plane")
    page.mouse.move(*point([1, 1]))
    assert place(root) == [0.0, 0.0]  # only a held pointer moves
    page.mouse.down()
    np.testing.assert_allclose(place(root), [1, 1], atol=0.03)
    page.mouse.move(*point([-2, 0.5]), steps=3)
    np.testing.assert_allclose(place(root), [-2, 0.5], atol=0.03)
    page.mouse.move(box["x"] - 11, box["y"] + 1)  # outside, still held
    np.testing.assert_allclose(place(root), [-3, 3], atol=0.03)
    page.mouse.up()
    page.mouse.move(*point([1, 1]))
    np.testing.assert_allclose(place(root), [-3, 3], atol=0.03)
    page.mouse.click(*point([2, -1]))
    expected = mean(net, [[2.0, -1.0]]).reshape(SHAPE)
    np.testing.assert_allclose(drawn(root), expected, atol=0.05)
    assert np.abs(drawn(root, "plane") - before).max() > 0.3  # the cross went along


@pytest.fixture
def phone(shown, net):
    """An explorer of labeled codes on a phone, on a page that can be scrolled."""
    z, y = torch.randn(30, 2), torch.arange(30) % 3
    html = explore.latent_plane(net, SHAPE, points=z, labels=y).data
    page = shown(html, "<p style='height:3000px'>", **PHONE)
    root = page.locator(".adv-ae-explorer")
    box = root.locator(".adv-ae-plane").bounding_box()

    def at(z1, z2):
        right, down = (z1 / 3 + 1) / 2, (1 - z2 / 3) / 2
        return box["x"] + right * box["width"], box["y"] + down * box["height"]

    return page, root, at, (z, y)


def test_a_finger_taps_on_a_sharp_phone(phone):
    page, root, at, (z, y) = phone
    plane = root.locator(".adv-ae-plane")
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    assert plane.evaluate("c => c.width == Math.round(3 * c.clientWidth)")
    box = plane.bounding_box()
    image = root.locator(".adv-ae-image").bounding_box()
    assert box["width"] > 280 and image["y"] + image["height"] <= box["y"]
    page.touchscreen.tap(*at(-1.5, 0))
    np.testing.assert_allclose(place(root), [-1.5, 0], atol=0.03)
    near = y[(z - torch.tensor(place(root))).square().sum(1).argmin()]
    said = root.locator("[aria-live=polite]").inner_text()
    assert f"nearest code: class {near}" in said
    assert root.get_by_text("Tap the plane").is_visible()
    assert not root.get_by_text("arrow keys").is_visible()


def test_a_finger_drags_the_ring_any_way(phone):
    page, root, at, _ = phone
    x, y = at(0, 0)
    start = x + 10, y + 12  # beside the middle of the ring: the cross must not jump
    swipe(page, start, (start[0], at(0, 2)[1] + 12), (at(-1, 0)[0] + 10, at(0, 2)[1]))
    z1, z2 = place(root)
    assert abs(z1 + 1) < 0.05 and 2 < z2 < 2.3
    assert page.evaluate("scrollY") == 0


def test_a_finger_drags_sideways_and_then_any_way(phone):
    page, root, at, _ = phone
    swipe(page, at(-2, 1), at(1, 1), at(1, -2))
    np.testing.assert_allclose(place(root), [1, -2], atol=0.05)
    assert page.evaluate("scrollY") == 0


def test_a_swipe_over_the_plane_scrolls_the_page(phone):
    page, root, at, _ = phone
    page.touchscreen.tap(*at(-2, -2))
    before = place(root)
    watch = """root => { window.seen = 0; new MutationObserver(() => { window.seen++; })
        .observe(root.querySelector(".adv-ae-z"), { childList: true }); }"""
    root.evaluate(watch)
    swipe(page, at(1, -1), at(1.1, 2.5))
    page.wait_for_function("scrollY > 100")
    assert place(root) == before
    assert page.evaluate("window.seen") <= 1  # put back at most; no step on the way


def test_the_button_changes_over_between_codes_and_pictures(shown, net):
    z = torch.tensor([[1.5, 1.5]])
    page = shown(explore.latent_plane(net, SHAPE, points=z).data)
    root = page.locator(".adv-ae-explorer")
    codes = drawn(root, "plane")
    side = len(codes)
    assert codes[side // 4, 3 * side // 4] > 0.5  # the dot, up on the right
    assert codes[3 * side // 4, side // 4] < 0.2  # and none at its mirror image
    root.get_by_role("button", name="Show pictures").click()
    pictures = drawn(root, "plane")
    assert (np.abs(pictures - codes) > 0.1).mean() > 0.1
    root.get_by_role("button", name="Show codes").click()
    np.testing.assert_array_equal(drawn(root, "plane"), codes)


def test_several_explorers_and_the_same_output_twice(shown, net):
    a = explore.latent_plane(net, SHAPE, name="a").data
    b = explore.latent_plane(net, SHAPE, name="b").data
    page = shown(a, b, a)
    roots = page.locator(".adv-ae-explorer[data-ready]").all()
    assert len(roots) == 3
    for i, root in enumerate(roots):
        root.locator(".adv-ae-plane").press(["ArrowUp", "ArrowDown", "ArrowLeft"][i])
    assert [place(r) for r in roots] == [[0, 0.1], [0, -0.1], [-0.1, 0]]


def test_without_scripts_the_still_grid_stands(browser, net):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_content(explore.latent_plane(net, SHAPE).data)
    image = page.get_by_role("img")
    assert "still grid of 15 by 15 pictures" in image.get_attribute("alt")
    assert image.bounding_box()["width"] > 100
    context.close()


def test_it_is_redrawn_when_it_becomes_visible(shown, net):
    page = shown(f"<div hidden>{explore.latent_plane(net, SHAPE).data}</div>")
    page.evaluate("document.querySelector('[hidden]').hidden = false")
    page.wait_for_function("document.querySelector('.adv-ae-plane').width > 300")
    assert drawn(page.locator(".adv-ae-explorer"), "plane").max() > 0.3


@pytest.fixture
def styles():
    return spread(Bernoulli(MLP(12, 16, 16, PIXELS)))


def test_every_label_is_drawn_in_the_same_style(shown, styles):
    page = shown(explore.style_plane(styles, SHAPE, title="My styles").data)
    root = page.locator(".adv-ae-explorer#style-plane")
    assert (
        root.get_attribute("data-ready") == "true" and page.locator("img").count() == 0
    )
    page.keyboard.press("Tab")  # by keyboard alone
    for key in 5 * ["ArrowRight"] + 3 * ["ArrowDown"] + ["Shift+ArrowUp"]:
        page.keyboard.press(key)
    assert place(root) == [0.5, -0.28]
    assert root.locator("canvas.adv-ae-image").count() == 10
    for k in range(10):
        expected = mean(styles, [one_hot(k, 10)], [[0.5, -0.28]]).reshape(SHAPE)
        np.testing.assert_allclose(drawn(root, which=k), expected, atol=TOLERANCE)
    board = root.get_by_role("group")
    assert "10 labels decoded at z = (0.50, \u22120.28)" in board.get_attribute(
        "aria-label"
    )


def test_a_picture_fills_the_plane_with_its_label(shown, styles):
    page = shown(explore.style_plane(styles, SHAPE, grid=3).data)
    root = page.locator(".adv-ae-explorer")

    def middle(z1, z2):  # of a tile of the plane, a third of the side each; paler
        pixels = drawn(root, "plane")
        at = [int(len(pixels) * (0.5 + z / 6)) for z in (-z2, z1)]
        return pixels[at[0] - 2 : at[0] + 3, at[1] - 2 : at[1] + 3].mean()

    pressed = root.get_by_role("button", pressed=True)
    assert pressed.count() == 1 and "label 0" in pressed.get_attribute("aria-label")
    before = drawn(root, "plane")
    root.get_by_role("button", name="label 7").click()
    assert "label 7" in pressed.get_attribute("aria-label") and pressed.count() == 1
    assert (np.abs(drawn(root, "plane") - before) > 0.1).mean() > 0.05
    picture = mean(styles, [one_hot(7, 10)], [[2.0, 2.0]]).reshape(SHAPE)
    assert abs(middle(2, 2) - 0.62 * picture[2, 1:3].mean()) < 0.2
    assert place(root) == [0.0, 0.0]  # the code stays


def test_a_label_turns_codes_into_its_pictures(shown, styles):
    z, y = torch.randn(20, 2), torch.arange(20) % 10
    page = shown(explore.style_plane(styles, SHAPE, points=z, labels=y).data)
    root = page.locator(".adv-ae-explorer")
    assert root.get_by_role("button", pressed=True).count() == 0  # codes are shown
    codes = drawn(root, "plane")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")  # from the plane to the first label
    page.keyboard.press("Enter")
    assert (np.abs(drawn(root, "plane") - codes) > 0.1).mean() > 0.1
    root.get_by_role("button", name="Show codes").click()
    np.testing.assert_array_equal(drawn(root, "plane"), codes)


def test_styles_on_a_phone(shown, styles):
    html = explore.style_plane(styles, SHAPE).data
    page = shown(html, "<p style='height:3000px'>", **PHONE)
    root = page.locator(".adv-ae-explorer")
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    plane = root.locator(".adv-ae-plane").bounding_box()
    pictures = [p.bounding_box() for p in root.locator(".adv-ae-label").all()]
    assert max(p["y"] + p["height"] for p in pictures) <= plane["y"]  # above the finger
    assert min(p["width"] for p in pictures) > 44 and plane["width"] > 280
    page.touchscreen.tap(
        plane["x"] + plane["width"] / 4, plane["y"] + plane["height"] / 2
    )
    np.testing.assert_allclose(place(root), [-1.5, 0], atol=0.03)
    root.get_by_role("button", name="label 4").tap()
    pressed = root.get_by_role("button", pressed=True)
    assert "label 4" in pressed.get_attribute("aria-label")


def test_without_scripts_nine_styles_stand_still(browser, styles):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_content(explore.style_plane(styles, SHAPE).data)
    image = page.get_by_role("img")
    assert "still grid of 9 by 10 pictures" in image.get_attribute("alt")
    assert image.bounding_box()["width"] > 100
    context.close()
