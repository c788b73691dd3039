"""What the script that executes the notebooks stores: figures in fewer colors, where no
one sees the difference."""

import base64
import importlib.util
import io
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

PATH = Path(__file__).resolve().parent.parent / "scripts" / "notebooks.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("notebooks_script", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def png(pixels, **options):
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(file, "PNG", **options)
    return file.getvalue()


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def figure():
    """Axes, a curve in color, a title and dots: as matplotlib draws them."""
    import matplotlib.pyplot as plt

    rng = np.random.default_rng(0)
    fig, axes = plt.subplots(1, 2, figsize=(6, 3))
    axes[0].plot(rng.normal(size=50).cumsum())
    axes[0].set_title("a title")
    axes[1].scatter(*rng.normal(size=(2, 200)), c=np.arange(200) % 10, cmap="tab10")
    file = io.BytesIO()
    fig.savefig(file, dpi=72)
    plt.close(fig)
    return file.getvalue()


def gradients():
    """More colors than a palette can hold."""
    u = np.linspace(0, 255, 200)
    red, green = np.meshgrid(u, u)
    return np.stack([red, green, 255 - red, np.full_like(red, 255)], axis=2)


def test_a_figure_is_smaller_and_looks_the_same(script):
    given = figure()
    out = script.small(given)
    gap = np.abs(pixels(given) - pixels(out))
    assert len(out) < 0.55 * len(given)
    assert Image.open(io.BytesIO(out)).mode == "P"
    assert gap.max() <= script.MOST and gap.max(2).mean() <= script.MEAN
    assert gap.any()  # there were more colors than 256
    white = (pixels(given) == 255).all(2)
    assert (pixels(out)[white] == 255).all()


def test_size_and_resolution_stay(script):
    def resolution(data):
        start = data.index(b"pHYs") + 4
        return data[start : start + 9]

    given = figure()
    out = script.small(given)
    assert (
        resolution(out) == resolution(given) != resolution(png(gradients(), dpi=(9, 9)))
    )
    assert out[16:24] == given[16:24]  # width and height
    plain = png(gradients())
    assert b"pHYs" not in plain and b"pHYs" not in script.small(plain)


def test_the_same_bytes_twice_and_nothing_the_second_time(script):
    once = script.small(figure())
    assert script.small(figure()) == once == script.small(once)


def test_few_colors_are_kept_exactly(script):
    rng = np.random.default_rng(0)
    colors = np.column_stack([rng.integers(0, 256, (200, 3)), np.full(200, 255)])
    given = png(colors[rng.integers(0, 200, (60, 80))])
    out = script.small(given)
    assert len(out) < len(given)
    np.testing.assert_array_equal(pixels(out), pixels(given))


def test_gradients_keep_their_colors(script):
    given = png(gradients())
    out = script.small(given)
    np.testing.assert_array_equal(pixels(out), pixels(given))
    assert Image.open(io.BytesIO(out)).mode == "RGB" and len(out) <= len(given)


def test_what_is_transparent_or_small_already_is_left(script):
    clear = np.full((50, 50, 4), 255)
    clear[0, 0, 3] = 254
    for left in (png(clear, compress_level=0), png([[[7, 8, 9]]]), png([[7]])):
        assert script.small(left) == left


def test_every_figure_of_a_notebook_and_nothing_else_is_changed(script):
    given = base64.b64encode(figure()).decode()
    display = nbformat.v4.new_output(
        "display_data", {"image/png": given, "text/plain": "<Figure>"}
    )
    stream = nbformat.v4.new_output("stream", text="image/png")
    cells = [
        nbformat.v4.new_markdown_cell("text"),
        nbformat.v4.new_code_cell("1", outputs=[stream, display]),
    ]
    out = script.with_small_figures(nbformat.v4.new_notebook(cells=cells))
    data = out.cells[1].outputs[1].data
    assert base64.b64decode(data["image/png"]) == script.small(figure())
    assert data["text/plain"] == "<Figure>"
    assert out.cells[1].outputs[0].text == "image/png"
    nbformat.validate(out)


def test_executed_notebooks_are_stored_so(script, tmp_path, monkeypatch):
    code = (
        "from IPython.display import Image, display\n"
        "from PIL import Image as Picture\n"
        "import io\n"
        "file = io.BytesIO()\n"
        "Picture.new('RGBA', (300, 200), 'white').save(file, 'PNG', compress_level=0)\n"
        "display(Image(file.getvalue()))"
    )
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    path = tmp_path / "one.ipynb"
    nbformat.write(book, path)
    script.execute(path)
    (output,) = nbformat.read(path, as_version=4).cells[0].outputs
    stored = base64.b64decode(output.data["image/png"])
    assert len(stored) < 1000 and (pixels(stored) == 255).all()
    assert pixels(stored).shape == (200, 300, 3)


def test_a_grey_picture_has_16_levels_of_grey(script):
    """Tiles of digits: 4 bits a pixel, each by at most 8 of 255 off, white white."""
    u = np.linspace(0, 255, 300)
    grey = np.outer(np.ones(40), u).round()
    given = png(np.stack([grey] * 3, axis=2))
    seen = Image.open(io.BytesIO(script.small(given)))
    out = pixels(script.small(given))
    assert seen.mode == "P" and len(script.small(given)) <= len(given)
    assert len(np.unique(out)) == 16 and (out % 17 == 0).all()
    assert np.abs(out - grey[:, :, None]).max() <= 8
    assert out[0, 0, 0] == 0 and out[0, -1, 0] == 255
