"""Execute notebooks and store their outputs: the same code gives the same bytes.

    python scripts/notebooks.py                  # every notebook of the book
    python scripts/notebooks.py book/02_bound.ipynb book/03_vae.ipynb

Each runs in a fresh kernel of this Python, in its own folder, at the small size and on
one thread. Figures are stored in 256 colors where that cannot be seen. A notebook that
raises is left as it was. How long each took and how much memory its kernel reached goes
to book/_static/execution.csv, which the page of execution times shows.
"""

import base64
import csv
import io
import json
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

import nbformat
import numpy as np
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

BOOK = Path(__file__).resolve().parent.parent / "book"
TIMES = BOOK / "_static" / "execution.csv"
COLUMNS = [
    "notebook",
    "seconds",
    "peak memory (MB)",
    "code cells",
    "cores",
    "python",
    "torch",
]
METADATA = {  # all that a notebook says about itself; Colab gets a GPU from it
    "accelerator": "GPU",
    "colab": {"gpuType": "T4", "provenance": []},
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

EDITORS = ("execution", "collapsed", "scrolled", "ExecuteTime", "outputId", "id")
WIDGETS = "application/vnd.jupyter.widget-state+json"
MOST, MEAN = 24, 0.5  # of 255, by which fewer colors may change a figure


def peak_memory(pid: int) -> str:
    """The most memory that a process held, in MB; empty where /proc is absent."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return ""
    kilobytes = int(status.split("VmHWM:")[1].split()[0])
    return str(round(kilobytes / 1024))


def normalize(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook without what differs between runs and says nothing to the reader."""
    widgets = notebook.metadata.get("widgets", {})  # what the site shows of ipywidgets
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell.setdefault("id", f"cell-{number:03d}")
        for key in EDITORS:
            cell.metadata.pop(key, None)
    if not widgets:
        return notebook
    notebook.metadata["widgets"] = widgets
    text = json.dumps(notebook)  # models have random names; number them as they came
    for number, name in enumerate(widgets[WIDGETS]["state"]):
        text = text.replace(name, f"{number:032x}")
    return nbformat.from_dict(json.loads(text))


def small(png: bytes) -> bytes:
    """The figure in at most 256 colors (16 of a grey one), or without its alpha where
    that would show; as it was where it is not smaller so, can be seen through or has a
    palette.

    Size and resolution stay. A pixel changes by at most `MOST` of 255, the mean one by
    at most `MEAN`; gradients of many colors change by more, and keep them. A grey pixel
    changes by at most 8.
    """
    given = Image.open(io.BytesIO(png))
    solid = given.mode == "RGBA" and given.getextrema()[3] == (255, 255)
    if given.mode != "RGB" and not solid:
        return png
    full = given.convert("RGB")
    grey = np.asarray(full).max(2)
    alone = (np.asarray(full) == grey[:, :, None]).all()
    if alone:  # 16 levels, 4 bits a pixel
        fewer = Image.fromarray(((grey.astype(int) + 8) // 17).astype(np.uint8), "P")
        fewer.putpalette([17 * level for level in range(16) for _ in range(3)])
    else:
        fewer = full.quantize(
            256, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE
        )
    gap = np.abs(np.asarray(full, int) - np.asarray(fewer.convert("RGB"))).max(2)
    near = alone or (gap.max() <= MOST and gap.mean() <= MEAN)
    file = io.BytesIO()
    dpi = {"dpi": given.info["dpi"]} if "dpi" in given.info else {}
    (fewer if near else full).save(file, "PNG", optimize=True, **dpi)
    return min(png, file.getvalue(), key=len)


def with_small_figures(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook, each figure of its outputs made `small`."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                png = small(base64.b64decode(data["image/png"]))
                data["image/png"] = base64.b64encode(png).decode()
    return notebook


def execute(path: Path) -> dict[str, str]:
    """Run one notebook, store its outputs and return its line of the table of times."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("widgets", None)
    notebook = normalize(notebook)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=600,
        record_timing=False,
        coalesce_streams=True,  # where a print is cut in two depends on the clock
        extra_arguments=["--log-level=ERROR"],  # every kernel warns of TCP
        resources={"metadata": {"path": str(path.parent)}},
    )
    memory = ""

    def after_cell(**_):  # the kernel is gone when the notebook is complete
        nonlocal memory
        memory = peak_memory(client.km.provisioner.pid)

    client.on_cell_executed = after_cell
    start = time.perf_counter()
    client.execute()
    seconds = time.perf_counter() - start
    # The kernel wrote its own language_info.
    notebook = with_small_figures(normalize(notebook))
    nbformat.validate(notebook)
    draft = path.with_suffix(".ipynb.tmp")
    nbformat.write(notebook, draft)
    os.replace(draft, path)
    cells = sum(cell.cell_type == "code" for cell in notebook.cells)
    values = [path.stem, f"{seconds:.0f}", memory, str(cells), str(os.cpu_count())]
    values += [platform.python_version(), version("torch").split("+")[0]]
    return dict(zip(COLUMNS, values, strict=True))


def record(line: dict[str, str]) -> None:
    """Put one line into the table of times, in the order of the chapters."""
    lines = {}
    if TIMES.exists():
        with TIMES.open(newline="") as file:
            lines = {old["notebook"]: old for old in csv.DictReader(file)}
    lines[line["notebook"]] = line
    TIMES.parent.mkdir(exist_ok=True)
    with TIMES.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines[name] for name in sorted(lines))


def main(arguments: list[str]) -> int:
    # Kernels inherit these. One thread is steadier, and faster on small networks; what
    # is stored is the small size; without the last the debugger warns on stderr.
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ.pop("ADV_AE_SIZE", None)
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    paths = [Path(a).resolve() for a in arguments] or sorted(BOOK.glob("*.ipynb"))
    failed = 0
    for path in paths:
        print(f"{path.name} ...", end=" ", flush=True)
        try:
            line = execute(path)
        except CellExecutionError as error:
            print(f"failed, left as it was\n{error}")
            failed += 1
            continue
        if path.parent == BOOK:
            record(line)
        print(f"{line['seconds']} s, {path.stat().st_size / 1000:.0f} KB")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
