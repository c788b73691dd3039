"""The site: it builds without a warning and needs no network, in a real browser."""

import functools
import http.server
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
KNOWN = (
    "THEBE_JS_URL",
    "invalid theme mode",
)  # Jupyter Book 1 says these on every page


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    book = str(Path(sys.executable).with_name("jupyter-book"))
    command = [
        book,
        "build",
        ".",
        "-W",
        "-n",
        "--keep-going",
        "--path-output",
        str(out),
    ]
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
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        reason = "needs Chromium: apt-get install chromium (Debian), then run again"
        if os.environ.get("ADV_AE_REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=program, args=FLAGS)


def open_page(browser, address, name, **options):
    """A page with everything beyond this machine refused, and what its console said."""
    page = browser.new_page(**options)
    errors, outside = [], []

    def route(r):
        if r.request.url.startswith((address, "data:", "blob:")):
            r.continue_()
        else:
            outside.append(r.request.url)
            r.abort()

    page.route("**/*", route)
    page.on("pageerror", lambda e: errors.append(str(e)))
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.goto(f"{address}/book/{name}.html", wait_until="load")
    return page, [e for e in errors if not any(k in e for k in KNOWN)], outside


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


def test_every_picture_says_what_it_shows(site):
    for page in pages(site):
        for tag in re.findall(r"<img[^>]+_images/[^>]+>", page.read_text()):
            assert len(re.search(r'alt="([^"]*)"', tag).group(1)) >= 30, page.name


def test_equations_are_typeset_with_no_network(browser, site, address):
    page, errors, _ = open_page(browser, address, "00_start")
    page.wait_for_selector("mjx-container", timeout=20_000)
    assert page.locator("mjx-container").count() > 3
    assert page.locator("mjx-merror").count() == 0
    red = "c => [...c.querySelectorAll('[style*=\"red\"]')].length"
    assert sum(c.evaluate(red) for c in page.locator("mjx-container").all()) == 0
    assert not errors
    page.close()


def test_nothing_scrolls_sideways_on_a_phone(browser, site, address):
    for path in pages(site):
        page, _, _ = open_page(
            browser, address, path.stem, viewport={"width": 390, "height": 800}
        )
        width = page.evaluate("document.scrollingElement.scrollWidth")
        assert width <= 392, (path.stem, width)
        page.close()


def test_chapters_open_on_colab(site):
    html = (site / "book" / "00_start.html").read_text()
    link = "https://colab.research.google.com/github/adv-ae/adv-ae/blob/main/book/"
    assert f"{link}00_start.ipynb" in html
