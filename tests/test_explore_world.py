"""The explorer of a small world: every value in the page is that of `joints.world`, and
the reader can pick the maps by pointer, touch and keys."""

import re

import pytest
import torch
from explorers import in_node, parts
from test_site import PHONE
from test_site import browser as browser

from adv_ae import explore, joints
from adv_ae.explore.world import EVEN, MASSES, UNEVEN

ALL = """((masses) => {
  const maps = (n, m) => Array.from({ length: m ** n }, (_, i) =>
    Array.from({ length: n }, (_, j) => Math.floor(i / m ** (n - 1 - j)) % m));
  const [n, m] = masses.map((mass) => mass.length), made = [];
  for (const E of maps(n, m)) for (const G of maps(m, n)) {
    const back = givenBack(E, G);
    made.push([value(joints(masses, E, G)),
      back.reduce((sum, b, x) => sum + (b ? masses[0][x] : 0), 0)]);
  }
  return made;
})(spec.masses[WHICH].masses)"""


@pytest.mark.parametrize("which", range(len(MASSES)))
def test_the_page_computes_what_the_package_computes_for_all_pairs(which):
    page = explore.small_world().data
    seen = torch.tensor(
        in_node(page, ALL.replace("WHICH", str(which))), dtype=torch.float64
    )
    world = joints.world(*list(MASSES.values())[which])
    assert seen.shape == (65_536, 2)
    torch.testing.assert_close(seen[:, 0], world.value.flatten(), rtol=0, atol=1e-12)
    back = world.given_back.flatten()
    torch.testing.assert_close(seen[:, 1], back, rtol=0, atol=1e-12)


def test_other_sizes_are_computed_as_well():
    masses = {"odd": (torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64), EVEN[:2] * 2)}
    page = explore.small_world(masses).data
    seen = torch.tensor(in_node(page, ALL.replace("WHICH", "0")), dtype=torch.float64)[
        :, 0
    ]
    p_x, p_z = masses["odd"]
    world = joints.world(p_x, p_z)
    torch.testing.assert_close(seen, world.value.flatten(), rtol=0, atol=1e-12)
    assert parts(page)[1]["pairs"] == "72"


def test_the_inverse_is_one_where_there_is_one():
    page = explore.small_world().data
    pairs = [[[1, 2, 3, 0], [0, 0, 0, 0]], [[0, 0, 2, 2], [3, 3, 3, 3]]]
    assert in_node(page, f"{pairs}.map(([E, G]) => inverted(E, G))") == [
        [3, 0, 1, 2],
        [0, 3, 2, 3],
    ]


def test_what_the_page_is_told_of_each_choice_of_masses():
    told = [
        (c["best"], c["optima"]) for c in parts(explore.small_world().data)[1]["masses"]
    ]
    assert told[:2] == [(-1.386294, 24), (-1.386294, 1)]
    least = joints.world(UNEVEN, EVEN)
    assert told[2] == (round(float(least.value.min()), 6), len(least.optima()))
    assert told[2][0] > -1.38  # out of reach


@pytest.mark.parametrize(
    ("given", "say"),
    [
        ({"name": "Two words"}, "lower-case letters"),
        ({"masses": {}}, "one choice"),
        ({"masses": {"a": (EVEN, EVEN), "b": (EVEN[:2] * 2, EVEN)}}, "2 to 4 x's"),
        ({"masses": {"a": (torch.ones(5) / 5, torch.ones(5) / 5)}}, "2 to 4 x's"),
        ({"masses": {"a": (EVEN / 2, EVEN)}}, "sum to 1"),
        ({"masses": {"a": (torch.tensor([1.5, -0.5]), EVEN[:2] * 2)}}, "sum to 1"),
    ],
)
def test_what_cannot_be_shown_is_refused(given, say):
    with pytest.raises(ValueError, match=say):
        explore.small_world(**given)


def test_text_cannot_break_out_of_its_place():
    page = explore.small_world(title='</script><b onclick="x">').data
    assert page.count("</script>") == 1 and "<b " not in page
    assert parts(page)[1]["title"] == '</script><b onclick="x">'


def test_it_is_small_and_always_the_same():
    page = explore.small_world().data
    assert len(page.encode()) < 30_000 and page == explore.small_world().data


# ---- in a browser ----
@pytest.fixture
def shown(browser):
    made = []

    def show(*pieces, **options):
        page = browser.new_page(**options)
        made.append(page)
        page.errors = []
        page.on("pageerror", lambda e: page.errors.append(str(e)))
        page.set_content("<!doctype html><body>" + "".join(pieces))
        return page

    yield show
    for page in made:
        assert not page.errors, page.errors
        page.close()


def said(page, part):
    return page.locator(f".adv-ae-world-{part}").first.inner_text()


def node(page, name):
    return page.locator(".adv-ae-world-node").filter(has_text=name).first


def test_a_tap_and_a_second_one_set_an_arrow(shown):
    page = shown(explore.small_world().data)
    assert page.locator(".adv-ae-world-fallback").count() == 0
    for z, x in (("z1", "x4"), ("z2", "x1"), ("z3", "x2"), ("z4", "x3")):
        node(page, z).click()
        assert node(page, z).get_attribute("aria-pressed") == "true"
        node(page, x).click()
        assert node(page, z).get_attribute("aria-pressed") == "false"
    assert "k = 4 of 4" in said(page, "k") and "\u22121.3863 nats" in said(
        page, "value"
    )
    assert "one of 24 pairs of 65,536" in said(page, "best")
    assert page.locator("td.adv-ae-both b").all_inner_texts() == ["0.50"] * 4


def test_holding_twice_lets_go_and_the_same_side_changes_the_hold(shown):
    page = shown(explore.small_world().data)
    before = said(page, "value")
    node(page, "x1").click()
    node(page, "x2").click()
    assert node(page, "x1").get_attribute("aria-pressed") == "false"
    assert node(page, "x2").get_attribute("aria-pressed") == "true"
    node(page, "x2").click()
    assert node(page, "x2").get_attribute("aria-pressed") == "false"
    assert said(page, "value") == before


def test_keys_move_arrows_and_do_not_scroll(shown):
    page = shown(explore.small_world().data, "<p style='height:3000px'>")
    page.keyboard.press("Tab")  # x1, sent by E to z2
    label = node(page, "x1").get_attribute
    assert label("aria-label") == "x1, sent by E to z2"
    page.keyboard.press("ArrowDown")
    assert label("aria-label") == "x1, sent by E to z3"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")  # around
    assert label("aria-label") == "x1, sent by E to z4"
    page.keyboard.press("1")
    assert label("aria-label") == "x1, sent by E to z1"
    page.keyboard.press("5")  # there is no z5
    assert label("aria-label") == "x1, sent by E to z1"
    assert page.evaluate("scrollY") == 0
    page.keyboard.press("Enter")
    assert label("aria-pressed") == "true"


def test_the_inverse_and_the_masses(shown):
    page = shown(explore.small_world().data)
    assert "k = 1 of 4" in said(page, "k") and "belongs to 24 pairs" in said(
        page, "best"
    )
    page.get_by_role("button", name="G = E").click()
    assert "\u22121.3863" in said(page, "value")
    page.get_by_label("Masses").select_option(label="unequal, the same for x and z")
    E, G = torch.tensor([1, 2, 3, 0]), torch.tensor([3, 0, 1, 2])
    want = joints.l0_value(UNEVEN, UNEVEN, E, G)
    assert f"\u2212{-want:.4f} nats" in said(page, "value")
    assert "belongs to 1 pair of 65,536" in said(page, "best")
    for i, name in enumerate(("x1", "x2", "x3", "x4")):
        node(page, name).press(str(i + 1))
    page.get_by_role("button", name="G = E").click()
    assert "The least of all: one of 1 pair" in said(page, "best")
    page.get_by_label("Masses").select_option(index=2)
    assert "one of 24 pairs" in said(page, "best")  # the least, but out of reach of
    assert "\u22121.3863" not in said(page, "value")  # minus log 4


def test_shuffled_maps_are_maps(shown):
    page = shown(explore.small_world().data)
    for _ in range(5):
        page.get_by_role("button", name="Shuffle").click()
        k = int(re.search(r"k = (\d)", said(page, "k")).group(1))
        V = float(
            re.search(r"= (.*) nats", said(page, "value"))
            .group(1)
            .replace("\u2212", "-")
        )
        assert abs(V + k / 4 * 1.386294) < 1e-4
    page.get_by_role("button", name="E = G").click()
    page.get_by_role("button", name="G = E").click()


def test_the_same_output_twice(shown):
    html = explore.small_world().data
    page = shown(html, html)
    assert page.locator(".adv-ae-world[data-ready]").count() == 2


def test_on_a_phone_it_fits_and_answers_to_a_finger(shown):
    page = shown(
        "<meta name=viewport content='width=device-width'>",
        explore.small_world().data,
        **PHONE,
    )
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    for name in ("x1", "z4"):
        box = node(page, name).bounding_box()
        assert box["width"] >= 44 and box["height"] >= 44
    node(page, "z4").tap()
    node(page, "x3").tap()
    assert "sent by G to x3" in node(page, "z4").get_attribute("aria-label")
    assert "k = 2 of 4" in said(page, "k")


def test_without_scripts_the_least_values_are_said(browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_content(explore.small_world().data)
    text = said(page, "fallback")
    assert "65,536 pairs" in text and "-1.3863 nats, by 24" in text
    context.close()
