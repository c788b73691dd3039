"""The explorer of a line between codes: the page decodes, fades and searches as torch
does, and the reader gets everywhere by pointer, touch and keys."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from explorers import TOLERANCE, accuracy, in_node, parts
from PIL import Image
from test_site import PHONE
from test_site import browser as browser
from torch import nn

from adv_ae import explore
from adv_ae.conditionals import Bernoulli, Deterministic, Gaussian
from adv_ae.explore.interpolation import MOST, STEPS
from adv_ae.explore.plane import LIMIT
from adv_ae.games import VAE
from adv_ae.networks import MLP
from adv_ae.priors import Normal

SHAPE, PIXELS, DIM, COUNT = (5, 4), 20, 3, 5
BOOK = Path(__file__).resolve().parent.parent / "book"


def leaky():
    return nn.LeakyReLU(0.1)


def decoder():
    """With batch norm whose statistics have moved, and weights that show."""
    net = MLP(DIM, 16, 16, PIXELS, activation=leaky, batch_norm=True)
    for _ in range(20):
        net(torch.randn(64, DIM) * 3 + 1)
    with torch.no_grad():
        for m in net.modules():
            if isinstance(m, nn.Linear):
                m.weight.mul_(2.0)
    return Bernoulli(net.eval())


@pytest.fixture
def given():
    """Decoder, pictures, codes, data and labels."""
    torch.manual_seed(0)
    return (
        decoder(),
        torch.rand(COUNT, PIXELS),
        torch.randn(COUNT, DIM),
        torch.rand(30, PIXELS),
        torch.arange(30) % 10,
    )


def page_of(given, **options):
    p, x, z, data, labels = given
    options = {"data": data, "labels": labels} | options
    return explore.latent_line(p, SHAPE, x, z, **options).data


def decoded(p, z):
    with torch.no_grad():
        return p(z).mean.numpy()


def still(page):
    """The fallback's tiles, 1 is ink: (row, STEPS, height, width)."""
    png = re.search(r'src="data:image/png;base64,([^"]+)"', page).group(1)
    ink = 1 - np.asarray(Image.open(io.BytesIO(base64.b64decode(png)))) / 255
    height, width = parts(page)[1]["shape"]
    tiles = ink.reshape(-1, height + 2, STEPS, width + 2).transpose(0, 2, 1, 3)
    return tiles[..., 1:-1, 1:-1]


PATH = """(({ layers, codes }) => {
  const made = [];
  for (let k = 0; k + 1 < spec.count; k++) for (let i = 0; i < spec.steps; i++) {
    const t = i / (spec.steps - 1), at = (j) => codes.subarray(j * spec.dim);
    made.push(Array.from(decode(layers, Array.from({ length: spec.dim }, (_, j) =>
      (1 - t) * at(k)[j] + t * at(k + 1)[j]))));
  }
  return made;
})({ layers: unpack({ ...spec, points: 0, classes: 0, extent: 1 }).layers,
  codes: new Float32Array(bytes(spec.codes).buffer) })"""


def test_the_page_decodes_what_torch_decodes(given):
    p, _, z, _, _ = given
    drawn = np.array(in_node(page_of(given), PATH)).reshape(COUNT - 1, STEPS, PIXELS)
    for k in range(COUNT - 1):
        for i in range(STEPS):
            t = i / (STEPS - 1)
            want = decoded(p, ((1 - t) * z[k] + t * z[k + 1])[None])[0]
            np.testing.assert_allclose(drawn[k, i], want, atol=TOLERANCE)
    assert np.ptp(drawn[:, [0, -1]], axis=1).max() > 0.2  # the ends differ


def test_the_still_grid_is_the_path_from_each_picture_to_the_next(given):
    p, _, z, _, _ = given
    page = page_of(given)
    tiles = still(page)
    assert tiles.shape == (COUNT - 1, STEPS, *SHAPE)
    for k, i, code in ((0, 0, z[0]), (0, STEPS - 1, z[1]), (3, STEPS - 1, z[4])):
        want = decoded(p, code[None]).reshape(SHAPE)
        np.testing.assert_allclose(tiles[k, i], want, atol=0.003)
    middle = decoded(p, (z[1:3].mean(0))[None]).reshape(SHAPE)
    np.testing.assert_allclose(tiles[1, STEPS // 2], middle, atol=0.003)
    assert f"still grid of {COUNT - 1} rows of {STEPS} pictures" in page


def stored():
    """The explorers in the stored outputs of the book."""
    for path in sorted(BOOK.glob("*.ipynb")):
        for cell in json.loads(path.read_text())["cells"]:
            for output in cell.get("outputs", []):
                page = "".join(output.get("data", {}).get("text/html", ""))
                if 'class="adv-ae-line"' in page:
                    yield pytest.param(page, id=f"{path.stem}-{cell['id']}")


@pytest.mark.parametrize("page", list(stored()))
def test_the_books_explorers_decode_what_torch_drew(page):
    tiles, drawn = still(page), np.array(in_node(page, PATH))
    assert len(page.encode()) <= LIMIT and np.ptp(drawn) > 0.8
    shape = (*tiles.shape[:2], -1)
    np.testing.assert_allclose(
        drawn.clip(0, 1).reshape(shape), tiles.reshape(shape), atol=accuracy(page)
    )


def test_the_same_weights_give_the_same_bytes_and_training_shows_in_base64_only():
    def page(seed):
        torch.manual_seed(seed)
        p = decoder()
        tensors = torch.rand(COUNT, PIXELS), torch.randn(COUNT, DIM)
        return page_of((p, *tensors, torch.rand(30, PIXELS), torch.arange(30) % 10))

    def masked(text):
        return re.sub(r"[A-Za-z0-9+/]{200,}={0,2}", "BASE64", text)

    assert page(0) == page(0) and page(0) != page(1)
    assert masked(page(0)) == masked(page(1))
    assert masked(page(0)).count("BASE64") == 6  # weights, codes, pictures, data, ...


def test_a_game_is_taken_for_its_decoder_and_limits_are_kept(given):
    p, x, z, _, _ = given
    game = VAE(Gaussian(MLP(PIXELS, 2 * DIM)), p, Normal(DIM))
    assert (
        explore.latent_line(game, SHAPE, x, z).data
        == explore.latent_line(p, SHAPE, x, z).data
    )
    net = Deterministic(MLP(DIM, 16, PIXELS, last=nn.Tanh()))
    page = explore.latent_line(net, SHAPE, 2 * x - 1, z, limits=(-1, 1)).data
    want = (decoded(net, z[:1]).reshape(SHAPE) + 1) / 2
    np.testing.assert_allclose(still(page)[0, 0], want, atol=0.003)


def test_text_cannot_break_out_of_its_place(given):
    page = page_of(given, title='</script><b onclick="x">')
    assert page.count("</script>") == 1 and "<b " not in page
    assert parts(page)[1]["title"] == '</script><b onclick="x">'


@pytest.mark.parametrize(
    ("change", "say"),
    [
        ({"shape": (5, 5)}, "not of the 20 outputs"),
        ({"pictures": torch.rand(1, PIXELS)}, "2..24"),
        ({"pictures": torch.rand(MOST + 1, PIXELS)}, "2..24"),
        ({"pictures": torch.rand(COUNT, 7)}, "pictures must be"),
        ({"codes": torch.randn(COUNT, 2)}, "one a picture"),
        ({"codes": torch.randn(COUNT - 1, DIM)}, "one a picture"),
        ({"codes": torch.full((COUNT, DIM), torch.nan)}, "finite"),
        ({"data": torch.rand(9, 3)}, "data must be"),
        ({"data": None}, "no data"),
        ({"labels": torch.arange(7)}, "one a row"),
        ({"labels": torch.full((30,), 256)}, "0 to 255"),
        ({"name": "Line"}, "lower-case"),
        ({"limits": (1.0, 1.0)}, "below the second"),
        ({"data": torch.rand(20_000, PIXELS), "labels": None}, "fewer rows"),
    ],
)
def test_what_cannot_be_shown_is_said(given, change, say):
    p, x, z, data, labels = given
    plan = {"shape": SHAPE, "pictures": x, "codes": z, "data": data, "labels": labels}
    with pytest.raises(ValueError, match=say):
        explore.latent_line(p, **(plan | change))


def test_a_foreign_layer_is_refused(given):
    _, x, z, _, _ = given
    with pytest.raises(TypeError, match="GELU"):
        explore.latent_line(MLP(DIM, 4, PIXELS, activation=nn.GELU), SHAPE, x, z)


# ---- in a browser ----
@pytest.fixture
def shown(browser):
    """A page that holds an explorer; fails on any error of its scripts."""
    opened = []

    def show(html, **options):
        page = browser.new_page(**options)
        page.errors = []
        page.on("pageerror", lambda e: page.errors.append(str(e)))
        page.set_content(
            f"<meta name='viewport' content='width=device-width'>{html}"
            "<p style='height:2000px'>"
        )
        opened.append(page)
        return page

    yield show
    for page in opened:
        assert not page.errors, page.errors
        page.close()


def ink(root, name, which=0):
    """Pixels of a canvas, 1 is ink."""
    canvas = root.locator(f"canvas.adv-ae-line-{name}").nth(which)
    values = canvas.evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    )
    return 1 - np.array(values).reshape(*SHAPE, 4)[..., 0] / 255


def test_slider_and_pictures_answer_to_keys_alone(shown, given):
    p, x, z, data, labels = given
    page = shown(page_of(given))
    root = page.locator(".adv-ae-line#latent-line")
    assert root.get_attribute("data-ready") == "true"
    assert page.locator("img").count() == 0
    page.keyboard.press("Tab")  # the first picture of "from"
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # from picture 3
    for _ in range(COUNT + 1):
        page.keyboard.press("Tab")
    page.keyboard.press("Space")  # to picture 4
    pressed = root.get_by_role("button", pressed=True)
    names = [b.get_attribute("aria-label") for b in pressed.all()]
    assert names == ["from picture 3", "to picture 4"]
    slider = root.get_by_role("slider")
    slider.focus()
    for _ in range(25):
        page.keyboard.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == "t = 0.25"
    code = 0.75 * z[2] + 0.25 * z[3]
    want = decoded(p, code[None])[0]
    np.testing.assert_allclose(
        ink(root, "image"), want.reshape(SHAPE), atol=TOLERANCE + 0.003
    )
    pixels = 0.75 * x[2] + 0.25 * x[3]
    np.testing.assert_allclose(ink(root, "image", 1), pixels.view(SHAPE), atol=0.006)
    near = root.locator(".adv-ae-line-text").all_inner_texts()
    for text, picture in zip(near, (torch.tensor(want), pixels), strict=True):
        distance = torch.cdist(picture[None], data)[0]
        which = distance.argmin()
        found = re.search(r"distance ([\d.]+), class (\d+)", text).groups()
        assert float(found[0]) == pytest.approx(float(distance[which]), abs=0.02)
        assert int(found[1]) == labels[which]


def test_the_ends_of_the_path_and_a_press_on_it(shown, given):
    p, x, z, _, _ = given
    root = shown(page_of(given)).locator(".adv-ae-line")
    strips = root.locator(".adv-ae-line-strip")
    for strip, ends in ((0, decoded(p, z[:2])), (1, x[:2].numpy())):
        canvases = strips.nth(strip).locator("canvas")
        assert canvases.count() == STEPS
        for which, want in ((0, ends[0]), (STEPS - 1, ends[1])):
            values = canvases.nth(which).evaluate(
                "c => [...c.getContext('2d').getImageData(0, 0, 4, 5).data]"
            )
            got = 1 - np.array(values).reshape(*SHAPE, 4)[..., 0] / 255
            np.testing.assert_allclose(got, want.reshape(SHAPE), atol=0.013)
    strips.nth(0).locator("button").nth(STEPS - 1).click()
    assert root.locator(".adv-ae-line-t").inner_text() == "t = 1.00"


def test_without_data_nothing_is_searched(shown, given):
    root = shown(page_of(given, data=None, labels=None)).locator(".adv-ae-line")
    assert root.locator(".adv-ae-line-text").all_inner_texts() == ["", ""]
    assert root.locator(".adv-ae-line-near canvas").count() == 0


def test_on_a_phone_it_fits_and_answers_to_a_finger(shown, given):
    page = shown(page_of(given), **PHONE)
    root = page.locator(".adv-ae-line")
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    picks = [b.bounding_box() for b in root.locator(".adv-ae-line-pick").all()]
    assert min(b["width"] for b in picks) > 40
    root.get_by_role("button", name="to picture 5").tap()
    assert root.get_by_role("button", pressed=True).count() == 2
    box = root.get_by_role("slider").bounding_box()
    assert box["height"] >= 36
    page.touchscreen.tap(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
    said = root.locator(".adv-ae-line-t").inner_text()
    assert 0.8 < float(said.removeprefix("t = ")) <= 1


def test_two_of_them_answer_apart(shown, given):
    page = shown(page_of(given) + page_of(given, name="other"))
    first, second = page.locator(".adv-ae-line").all()
    second.get_by_role("button", name="from picture 4").click()
    second.get_by_role("slider").press("Home")
    texts = [r.locator(".adv-ae-line-t").inner_text() for r in (first, second)]
    assert texts == ["t = 0.50", "t = 0.00"]


def test_without_scripts_the_still_grid_stands(browser, given):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_content(page_of(given))
    image = page.get_by_role("img")
    assert "still grid" in image.get_attribute("alt")
    assert image.bounding_box()["width"] > 100
    context.close()
