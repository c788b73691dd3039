"""A decoder's weights in the page: within the budget in half precision, above it
without the units that sleep and in 8 bits, and always what torch decodes."""

import io

import numpy as np
import pytest
import torch
from explorers import accuracy, in_node, parts
from PIL import Image
from test_explore import drawn, mean, one_hot, still
from test_explore import shown as shown
from test_site import PHONE
from test_site import browser as browser
from torch import nn

from adv_ae import explore
from adv_ae.conditionals import Bernoulli
from adv_ae.explore import plane, weights
from adv_ae.explore.layers import apply, layers_of
from adv_ae.explore.pictures import FINE, png, small_png
from adv_ae.explore.plane import LIMIT
from adv_ae.explore.weights import (
    BUDGET,
    TOLERANCES,
    awake,
    carried,
    eight_bits,
    rounded,
)
from adv_ae.networks import MLP

SHAPE, PIXELS = (28, 28), 784
ASLEEP = 5


def large(told=0, inputs=2):
    """Above the budget in half precision, with units that never wake."""
    net = MLP(told + inputs, 30, 45, PIXELS)
    with torch.no_grad():
        for layer in (net.layers[0], net.layers[2]):
            layer.weight.mul_(2)
            layer.bias[:ASLEEP] = -100.0
        net.layers[0].bias[ASLEEP:] += 1.0  # the others are awake
        net.layers[2].bias[ASLEEP:] += 10.0
    return Bernoulli(net)


def layer(w, b, act="relu"):
    return np.array(w, float), np.array(b, float), act, 0.1


# ---- rounding ----
def test_eight_bits_round_a_row_by_its_largest_weight():
    w = np.array([[1.27, -0.506, 0.0049], [0.0, 0.0, 0.0], [-254.0, 3.1, 2.9]])
    whole, scale = eight_bits(w, 3 * np.eye(3))
    hundredth = float(np.float16(0.01))  # 0.010002136
    np.testing.assert_array_equal(scale, [[hundredth], [0.0], [2.0]])
    np.testing.assert_array_equal(whole, [[127, -51, 0], [0, 0, 0], [-127, 2, 1]])
    assert np.abs(whole * scale - w).max() <= 1.0 + 1e-9  # half a scale


def test_what_a_column_loses_the_next_one_of_the_same_input_makes_up_for():
    v = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    w = np.array([[127.0, 0.4, 0.4], [127.0, 0.4, 0.2], [127.0, 0.6, -0.6]])
    before = w.copy()
    whole, scale = eight_bits(w, v)
    assert (scale == 1).all() and (w == before).all()
    np.testing.assert_array_equal(whole[:, 1:], [[0, 1], [0, 1], [1, -1]])
    whole, _ = eight_bits(w, v * [1, 1, -1])  # where one goes up, the other goes down
    np.testing.assert_array_equal(whole[:2, 1:], [[0, 0], [0, 0]])


def test_rounding_for_the_inputs_loses_less_on_them():
    rng = np.random.default_rng(0)
    w = rng.normal(size=(30, 40))
    v = rng.normal(size=(500, 4)) @ rng.normal(size=(4, 40))  # of rank 4

    def lost(whole, scale):
        return np.square(v @ (whole * scale - w).T).mean()

    assert lost(*eight_bits(w, v)) < lost(*eight_bits(w, np.eye(40))) / 5


def test_each_layer_is_rounded_for_what_the_one_before_gives():
    first, second = layers_of(MLP(2, 30, 40))
    codes = np.random.default_rng(0).uniform(-3, 3, (300, 2))
    made = rounded([first, second], 8, codes)
    whole, scale = eight_bits(second[0], apply(made.layers[0], codes))
    np.testing.assert_array_equal(made.layers[1][0], whole * scale)
    assert (eight_bits(second[0], np.eye(30))[0] != whole).any()


def test_a_scale_that_half_precision_rounds_down_does_not_overflow():
    w = np.array([[3e-6, -3e-6, 1e-6]])  # the scale is less than the least half
    whole, scale = eight_bits(w, np.eye(3))
    assert scale == 0 and not whole.any()
    w = np.linspace(1e-5, 1, 4000)[:, None] * [[1.0, -1.0]]
    whole, _ = eight_bits(w, np.eye(2))
    assert np.abs(whole).max() == 127
    whole, scale = eight_bits(np.array([[1e9]]), np.zeros((2, 1)))  # and silent inputs
    assert whole == 127 and scale == np.finfo(np.float16).max


@pytest.mark.parametrize(
    ("bits", "want"),
    [
        (16, np.array([1, -2, 0.5, 3], "<f2").tobytes() + b"\x00\x3c\x00\x80"),
        (8, np.array([2, 3], "<f2").tobytes() + b"\x40\x81\x15\x7f\x00\x3c\x00\x80"),
    ],
)
def test_layers_are_packed_row_by_row(bits, want):
    given = {16: [[1.0, -2.0], [0.5, 3.0]], 8: [[128.0, -254.0], [63.0, 381.0]]}[bits]
    layers = [layer(given, [1.0, -0.0])]
    made = rounded(layers, bits, np.eye(2))
    assert (made.payload, made.bits) == (want, bits)
    np.testing.assert_array_equal(made.layers[0][0], given)
    assert weights.size(layers) == 12


@pytest.mark.parametrize("bits", [16, 8])
def test_the_page_unpacks_what_was_packed(bits, monkeypatch):
    monkeypatch.setattr(weights, "BUDGET", {16: BUDGET, 8: 0}[bits])
    made = []
    monkeypatch.setattr(
        plane, "carried", lambda *given: made.append(carried(*given)) or made[0]
    )
    page = explore.latent_plane(MLP(2, 7, 5, 20, activation=nn.Tanh), (5, 4)).data
    assert parts(page)[1]["bits"] == made[0].bits == bits
    code = "unpack(spec).layers.map(({weight, bias}) => [[...weight], [...bias]])"
    for (w, b), want in zip(in_node(page, code), made[0].layers, strict=True):
        np.testing.assert_allclose(w, want[0].ravel(), rtol=1e-7)
        np.testing.assert_array_equal(b, want[1])


# ---- which of the two ----
def test_half_precision_up_to_the_budget_and_eight_bits_above():
    width = BUDGET // 2 // 4  # 2 weights, a bias and one weight more a unit, and a bias
    codes = np.array([[1.0, 2.0]])
    for more, bits in ((-1, 16), (0, 8)):
        layers = layers_of(MLP(2, width + more, 1, activation=nn.Tanh))
        assert weights.size(layers) == 8 * (width + more) + 2
        assert carried(layers, codes).bits == bits


def test_units_that_sleep_are_left_out_of_a_large_decoder_only():
    codes = np.random.default_rng(0).uniform(-3, 3, (500, 2))
    layers = layers_of(large())
    made = carried(layers, codes)
    assert [w.shape for w, _, _, _ in made.layers] == [(25, 2), (40, 25), (784, 40)]
    small = layers_of(large())
    small[2] = small[2][0][:20], small[2][1][:20], "sigmoid", 0.0
    made = carried(small, codes)
    assert [w.shape for w, _, _, _ in made.layers] == [(30, 2), (45, 30), (20, 45)]


def test_half_precision_is_kept_where_that_fits_without_sleepers():
    net = MLP(2, 60, PIXELS)
    with torch.no_grad():
        net.layers[0].bias[20:] = -100.0
    layers = layers_of(net)
    assert weights.size(layers) > BUDGET
    made = carried(layers, np.random.default_rng(0).uniform(-3, 3, (500, 2)))
    assert made.bits == 16 and made.layers[1][0].shape[1] <= 20


def test_a_layer_without_sleepers_does_the_same():
    hat = [  # relu(x), relu(-x) and relu(x - 9): the last one sleeps in -3..3
        layer([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]], [0.0, 0.0, -9.0]),
        layer([[1.0, 2.0, 4.0]], [0.5], "none"),
    ]
    corners = np.array([[a, b] for a in (-3.0, 3.0) for b in (-3.0, 3.0)])
    fewer = awake(hat, corners)
    np.testing.assert_array_equal(fewer[0][0], [[1, 0], [-1, 0]])
    np.testing.assert_array_equal(fewer[0][1], [0, 0])
    np.testing.assert_array_equal(fewer[1][0], [[1, 2]])
    assert hat[0][0].shape == (3, 2)  # what was given is as it was
    assert len(awake(hat, 4 * corners)[0][0]) == 3  # in a wider square it wakes


def test_only_what_is_zero_sleeps_and_one_unit_stays():
    codes = np.array([[1.0], [2.0]])
    silent = [layer([[-1.0]] * 3, [0.0] * 3), layer([[1.0] * 3], [0.5], "none")]
    fewer = awake(silent, codes)
    assert fewer[0][0].shape == (1, 1) and fewer[1][0].shape == (1, 1)
    for act in ("leaky", "tanh", "sigmoid", "none"):
        silent[0] = layer([[-1.0]] * 3, [0.0] * 3, act)
        assert awake(silent, codes)[0][0].shape == (3, 1)


SAY = r"in 8 bits a weight a pixel is off .* at most 30,000 weights.*`live_plane`"


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(bad):
    net = large()
    with torch.no_grad():
        net.net.layers[2].weight[-1, -1] = bad
    with pytest.raises(ValueError, match="nan or infinite: train it again"):
        explore.latent_plane(net, SHAPE)


def test_a_large_weight_that_coarsens_its_row_is_refused():
    net = large()
    with torch.no_grad():  # the last two units are the same and cancel
        for values in (net.net.layers[2].weight, net.net.layers[2].bias):
            values[-1] = values[-2]
        net.net.layers[4].weight[:, -2:] = torch.tensor([0.1, -0.1])
        explore.latent_plane(net, SHAPE)
        net.net.layers[4].weight[:, -2:] *= 10_000
    with pytest.raises(ValueError, match=SAY):
        explore.latent_plane(net, SHAPE)


# ---- the three explorers ----
def test_a_large_plane_decodes_what_torch_decodes():
    net = large()
    page = explore.latent_plane(net, SHAPE).data
    spec = parts(page)[1]
    assert spec["bits"] == 8 and [n[0] for n in spec["layers"]] == [2, 25, 40]
    zs = np.random.default_rng(1).uniform(-3, 3, (20, 2)).astype("f4").tolist()
    code = f"{zs}.map((z) => Array.from(decode(unpack(spec).layers, z)))"
    seen = in_node(page, code)
    assert np.ptp(mean(net, zs), axis=0).max() > 0.2
    np.testing.assert_allclose(seen, mean(net, zs), atol=TOLERANCES[8])


def test_large_styles_are_what_torch_decodes():
    net = large(told=3)
    page = explore.style_plane(net, SHAPE, classes=3).data
    spec = parts(page)[1]
    assert spec["bits"] == 8 and [n[0] for n in spec["layers"]] == [5, 25, 40]
    for k in range(3):
        code = f"Array.from(decode(unpack(spec).layers, given(3, {k}, [1.5, -2])))"
        want = mean(net, [one_hot(k, 3)], [[1.5, -2.0]])[0]
        np.testing.assert_allclose(in_node(page, code), want, atol=TOLERANCES[8])


def test_a_large_line_is_what_torch_decodes():
    net, z = large(inputs=3), torch.randn(4, 3)
    page = explore.latent_line(net, SHAPE, torch.rand(4, PIXELS), z).data
    spec = parts(page)[1]
    assert spec["bits"] == 8 and [n[0] for n in spec["layers"]] == [3, 25, 40]
    for a, b, t in ((0, 1, 0.5), (0, 3, 0.3), (1, 3, 0.9)):
        code = ((1 - t) * z[a] + t * z[b])[None]
        seen = in_node(
            page,
            "Array.from(decode(unpack({...spec, points: 0, classes: 0, extent: 1})"
            f".layers, {code[0].tolist()}))",
        )
        np.testing.assert_allclose(seen, mean(net, code)[0], atol=TOLERANCES[8])


def test_a_unit_that_only_a_line_between_distant_pictures_wakes_stays(monkeypatch):
    monkeypatch.setattr(weights, "BUDGET", 0)
    bump = MLP(2, 4, 2, 20)  # a unit that sleeps, and relu(1 - |z_1| - |z_2|)
    with torch.no_grad():
        for values in bump.parameters():
            values.zero_()
        bump.layers[0].weight.copy_(torch.tensor([[1, 0], [-1, 0], [0, 1], [0, -1]]))
        bump.layers[2].weight[1], bump.layers[2].bias[1] = -1.0, 1.0
        bump.layers[4].weight[:, 1] = 1.0
    z = torch.tensor([[3.0, 0.0], [0.0, 3.0], [-3.0, 0.0], [0.0, -3.0]])
    page = explore.latent_line(bump, (5, 4), torch.rand(4, 20), z).data
    assert [n[:2] for n in parts(page)[1]["layers"]] == [[2, 4], [4, 1], [1, 20]]
    spec = "{...spec, points: 0, classes: 0, extent: 1}"
    seen = in_node(page, f"Array.from(decode(unpack({spec}).layers, [0, 0]))")
    np.testing.assert_allclose(seen, np.ones(20), atol=0.01)


@pytest.mark.parametrize("told", [0, 10])
def test_decoders_of_the_zoo_fit(told):
    net = Bernoulli(MLP(told + 2, 512, 128, PIXELS))
    points = {"points": torch.randn(1000, 2), "labels": torch.arange(1000) % 10}
    show = explore.style_plane if told else explore.latent_plane
    page = show(net, SHAPE, **points).data
    assert LIMIT // 2 < len(page.encode()) <= LIMIT
    assert parts(page)[1]["bits"] == 8


def test_the_same_large_decoder_gives_the_same_bytes():
    net = large()
    assert (
        explore.latent_plane(net, SHAPE).data == explore.latent_plane(net, SHAPE).data
    )


# ---- the still grid ----
def test_a_large_still_grid_has_sixteen_levels():
    net = large()
    page = explore.latent_plane(net, SHAPE, grid=9).data
    z = [2.0 * 3 / 9 * 4, -2.0 * 3 / 9 * 4]  # lower right
    want = mean(net, [z]).reshape(SHAPE)
    tile = still(page)[-1, -1]
    np.testing.assert_allclose(tile, want, atol=0.6 / 15)
    assert len(np.unique(tile)) <= 16 and accuracy(page) == TOLERANCES[8] + 0.6 / 15


@pytest.mark.parametrize("width", [6, 7])
def test_four_bits_a_pixel_are_read_as_they_were_written(width):
    pixels = np.arange(4 * width, dtype=np.uint8).reshape(4, width) * 9
    read = np.asarray(Image.open(io.BytesIO(png(pixels, depth=4))))
    np.testing.assert_array_equal(read, np.rint(pixels / 17) * 17)
    read = np.asarray(Image.open(io.BytesIO(png(pixels))))
    np.testing.assert_array_equal(read, pixels)


def test_fine_grids_keep_their_levels_and_large_ones_are_small():
    noise = np.random.default_rng(0).integers(0, 256, (200, FINE // 200), np.uint8)
    assert small_png(noise) == png(noise)
    more = np.pad(noise, ((0, 1), (0, 0)))
    assert small_png(more) == png(more, depth=4)
    assert len(small_png(more)) < 0.55 * len(png(more))


@pytest.mark.parametrize(("shape", "side"), [((8, 8), 15), ((28, 28), 11)])
def test_a_grid_of_larger_pictures_has_fewer(shape, side):
    net = MLP(2, 4, shape[0] * shape[1])
    page = explore.latent_plane(net, shape).data
    assert parts(page)[1]["grid"] == side
    assert f"grid of {side} by {side} pictures" in page
    assert parts(explore.latent_plane(net, shape, grid=4).data)[1]["grid"] == 4


# ---- in a browser ----
SLOW = "let t = 0; performance.now = () => (t += 50);"  # each look at the clock


def test_a_plane_that_takes_long_is_drawn_in_slices(shown):
    html = explore.latent_plane(large(), SHAPE, points=torch.zeros(1, 2)).data
    planes, busy = [], []
    for slow in (False, True):
        page = shown(f"<script>{SLOW}</script>" if slow else "", html)
        root = page.locator(".adv-ae-explorer")
        look = """r => { r.querySelector(".adv-ae-toggle").click();
            return r.querySelector(".adv-ae-plane").getAttribute("aria-busy"); }"""
        busy.append(root.evaluate(look))
        planes.append(drawn(root, "plane"))
    assert busy[1] == "true"  # one picture is drawn, 120 are to come
    np.testing.assert_array_equal(*planes)


def test_codes_asked_for_while_pictures_are_drawn_stay(shown):
    html = explore.latent_plane(large(), SHAPE, points=torch.zeros(1, 2)).data
    page = shown(f"<script>{SLOW}</script>", html)
    root = page.locator(".adv-ae-explorer")
    codes = drawn(root, "plane")
    twice = """r => { const b = r.querySelector(".adv-ae-toggle"); b.click(); b.click();
        return r.querySelector(".adv-ae-plane").getAttribute("aria-busy"); }"""
    assert root.evaluate(twice) == "false"
    page.wait_for_timeout(100)  # had the drawing gone on, it would be busy now
    assert root.locator(".adv-ae-plane").get_attribute("aria-busy") == "false"
    np.testing.assert_array_equal(drawn(root, "plane"), codes)


def test_thumbs_of_fine_pictures_are_smooth(shown):
    def of(page, kind):
        return page.locator(f"canvas.adv-ae-{kind}").first.evaluate(
            "c => getComputedStyle(c).imageRendering"
        )

    told = MLP(12, 4, PIXELS)
    assert of(shown(explore.style_plane(told, SHAPE).data), "image") == "auto"
    plain = MLP(2, 4, PIXELS)
    assert of(shown(explore.latent_plane(plain, SHAPE).data), "image") == "pixelated"
    line = explore.latent_line(
        plain, SHAPE, torch.rand(2, PIXELS), torch.randn(2, 2)
    ).data
    page = shown(line)
    assert (of(page, "line-thumb"), of(page, "line-image")) == ("auto", "pixelated")
    coarse = MLP(12, 4, 64)
    assert of(shown(explore.style_plane(coarse, (8, 8)).data), "image") == "pixelated"


def test_a_large_decoder_answers_on_a_phone(shown):
    net = large()
    page = shown(explore.latent_plane(net, SHAPE).data, **PHONE)
    root = page.locator(".adv-ae-explorer")
    box = root.locator(".adv-ae-plane").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    want = mean(net, [[0.0, 0.0]]).reshape(SHAPE)
    np.testing.assert_allclose(drawn(root), want, atol=TOLERANCES[8] + 0.01)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
