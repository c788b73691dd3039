"""The site: it builds without a warning and needs no network, in a real browser."""

import functools
import http.server
import itertools
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# The narrowest page that WCAG 2.1 asks to reflow (1.4.10), in letters wider than usual.
NARROW = {"width": 320, "height": 800}
WIDE = "body * {letter-spacing: .08em}"
KNOWN = ("THEBE_JS_URL", "invalid theme mode")  # Jupyter Book 1, on every page


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    book = str(Path(sys.executable).with_name("jupyter-book"))
    flags = ("-W", "-n", "--keep-going")
    command = [book, "build", ".", *flags, "--path-output", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return out / "_build" / "html"


@pytest.fixture(scope="module")
def address(site):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser():
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        reason = "needs Chromium: apt-get install chromium (Debian), then run again"
        if os.environ.get("ADV_AE_REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=program, args=FLAGS)


def open_page(browser, address, name, **options):
    """A page that gets nothing but this site; what its console says, what it wanted."""
    page = browser.new_page(**options)
    errors, outside = [], []

    def route(request):
        if request.request.url.startswith((address, "data:", "blob:")):
            request.continue_()
        else:
            outside.append(request.request.url)
            request.abort()

    def hear(text):
        if not any(known in text for known in KNOWN):
            errors.append(text)

    page.route("**/*", route)
    page.on("pageerror", lambda e: hear(str(e)))
    page.on("console", lambda m: hear(m.text) if m.type == "error" else None)
    page.goto(f"{address}/book/{name}.html", wait_until="load")
    return page, errors, outside


def pages(site):
    return sorted((site / "book").glob("*.html"))


def test_every_page_of_the_contents_is_built(site):
    toc = (ROOT / "_toc.yml").read_text()
    for name in re.findall(r"book/[\w]+", toc):
        assert (site / f"{name}.html").exists(), name


def test_pages_load_nothing_from_elsewhere(site):
    for page in pages(site):
        html = re.sub(r"(?s)<!--.*?-->", "", page.read_text())
        for tag in re.findall(r"<(?:script|img|iframe)[^>]+>|<link[^>]+>", html):
            if 'rel="canonical"' in tag or "rel=canonical" in tag:
                continue
            assert not re.search(r"(src|href)=\"(https?:)?//", tag), (page.name, tag)


def test_no_page_names_the_folder_it_was_built_in(site):
    for page in pages(site):
        assert str(ROOT) not in page.read_text(), page.name


def test_every_picture_says_what_it_shows(site):
    for page in pages(site):
        for tag in re.findall(r"<img[^>]+_images/[^>]+>", page.read_text()):
            assert len(re.search(r'alt="([^"]*)"', tag).group(1)) >= 30, page.name


def equations_are_typeset(page):
    page.evaluate("window.MathJax && MathJax.startup.promise")
    written = page.locator(".math").count()
    assert page.locator("mjx-container").count() >= written, page.url
    # An unknown macro is set in red; only a syntax error is an mjx-merror.
    red = page.locator('mjx-container [style*="red"], mjx-merror')
    assert red.count() == 0, (page.url, red.first.evaluate("c => c.outerHTML"))
    return written


def test_every_page_reads_on_a_phone_and_without_a_network(browser, site, address):
    equations = {}
    for name in (p.stem for p in pages(site)):
        page, errors, outside = open_page(browser, address, name, viewport=NARROW)
        equations[name] = equations_are_typeset(page)
        page.add_style_tag(content=WIDE)
        width = page.evaluate("document.scrollingElement.scrollWidth")
        assert width <= NARROW["width"], (name, width)
        assert not errors and not outside, (name, errors, outside)
        page.close()
    assert equations["00_start"] > 3


def test_the_site_opens_as_a_file(browser, site):
    page, _, outside = open_page(browser, site.as_uri(), "00_start")
    assert equations_are_typeset(page) > 3 and not outside
    page.close()


def test_chapters_open_on_colab(site):
    html = (site / "book" / "00_start.html").read_text()
    link = "https://colab.research.google.com/github/adv-ae/adv-ae/blob/main/book/"
    assert f"{link}00_start.ipynb" in html


def notebooks(mark):
    """The notebooks whose stored outputs hold that mark."""
    return [p.stem for p in sorted(ROOT.glob("book/*.ipynb")) if mark in p.read_text()]


@pytest.mark.parametrize("name", notebooks("adv-ae-explorer"))
def test_the_explorer_answers_to_pointer_keys_and_touch(browser, address, name):
    page, errors, outside = open_page(browser, address, name, has_touch=True)
    explorer = page.locator("div.adv-ae-explorer").first
    plane = explorer.locator("canvas.adv-ae-plane")
    picture = explorer.locator("canvas.adv-ae-image").first.element_handle()
    assert plane.get_attribute("aria-label") and plane.get_attribute("role")
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()

    def place(right, down):
        return box["x"] + right * box["width"], box["y"] + down * box["height"]

    def drag():
        page.mouse.move(*place(0.3, 0.3))
        page.mouse.down()
        page.mouse.move(*place(0.7, 0.6))
        page.mouse.up()

    def press():
        plane.focus()
        for key in ("ArrowLeft", "ArrowUp", "ArrowLeft"):
            page.keyboard.press(key)

    def tap():
        page.touchscreen.tap(*place(0.4, 0.7))

    for move in (drag, press, tap):
        before = picture.evaluate("c => c.toDataURL()")
        move()
        page.wait_for_function(
            "([c, before]) => c.toDataURL() !== before",
            arg=[picture, before],
            timeout=5_000,
        )
    assert not errors and not outside, (errors, outside)
    page.close()


PHONE = {
    "viewport": {"width": 390, "height": 800},
    "device_scale_factor": 3,
    "is_mobile": True,
    "has_touch": True,
}


def swipe(page, *path):
    """One finger along a path of points of the window, as a touch screen reports it."""
    screen = page.context.new_cdp_session(page)

    def touch(kind, *points):
        there = [{"x": x, "y": y} for x, y in points]
        screen.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": there})

    touch("touchStart", path[0])
    for (x0, y0), (x1, y1) in itertools.pairwise(path):
        for t in (i / 8 for i in range(1, 9)):
            touch("touchMove", (x0 + t * (x1 - x0), y0 + t * (y1 - y0)))
    touch("touchEnd")
    screen.detach()


@pytest.mark.parametrize("name", notebooks("adv-ae-explorer"))
def test_on_a_phone_a_swipe_scrolls_and_the_ring_moves(browser, address, name):
    page, errors, _ = open_page(browser, address, name, **PHONE)
    explorer = page.locator("div.adv-ae-explorer").first
    plane, said = (explorer.locator(f".adv-ae-{part}") for part in ("plane", "z"))
    plane.evaluate("c => c.scrollIntoView({ block: 'center', behavior: 'instant' })")
    box, scrolled = plane.bounding_box(), page.evaluate("scrollY")
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390

    def place(right, down):
        return box["x"] + right * box["width"], box["y"] + down * box["height"]

    swipe(page, place(0.5, 0.5), place(0.5, 0.2), place(0.7, 0.2))
    there = said.inner_text()
    z = [float(v) for v in re.findall(r"\d+\.\d\d", there)]
    extent = float(re.search(r'"extent":\s*([\d.]+)', page.content()).group(1))
    assert z == pytest.approx([0.4 * extent, 0.6 * extent], rel=0.03) and not errors
    assert page.evaluate("scrollY") == scrolled
    swipe(page, place(0.3, 0.9), place(0.3, 0.1))
    page.wait_for_function("before => scrollY > before + 50", arg=scrolled)
    assert said.inner_text() == there
    page.close()


@pytest.mark.parametrize("name", notebooks("adv-ae-explorer"))
def test_without_scripts_the_explorer_is_a_picture(browser, address, name):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/book/{name}.html")
    picture = page.locator("div.adv-ae-explorer img.adv-ae-fallback").first
    assert len(picture.get_attribute("alt")) >= 30
    box = picture.bounding_box()
    assert 200 < box["width"] < 600 and 200 < box["height"] < 600
    context.close()


@pytest.mark.parametrize("name", notebooks("vnd.jupyter.widget-view+json"))
def test_widgets_are_alive_with_no_kernel_and_no_network(browser, address, name):
    page, errors, outside = open_page(browser, address, name)
    page.wait_for_selector(".jupyter-widgets", timeout=20_000)
    for picture in page.locator(".jupyter-widgets.widget-image").all():
        assert picture.bounding_box()["width"] < 400  # a box would stretch it
    handle = page.locator(".jupyter-widgets .noUi-handle").first
    before = handle.get_attribute("aria-valuenow")
    handle.press("ArrowRight")
    assert handle.get_attribute("aria-valuenow") != before
    assert not errors and not outside, (errors, outside)
    page.close()
