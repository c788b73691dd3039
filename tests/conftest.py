"""Every test starts from the same seed, on one thread."""

import json
import math
import re
import signal
from pathlib import Path

import matplotlib
import pytest
import torch

BOOK = Path(__file__).resolve().parent.parent / "book"

matplotlib.use("Agg")
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as behind `make test &`
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _same_start():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def double(_same_start):
    """float64 as the default, for exact tests."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="module")
def printed(request):
    """What the solutions of a chapter define, run as they are printed: that of the
    module's name.
    """
    (path,) = BOOK.glob(f"{request.module.__name__[-2:]}_*.ipynb")
    cells = json.loads(path.read_text())["cells"]
    prose = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] != "code")
    names: dict = {"math": math, "torch": torch}  # the chapter has imported these
    for block in re.findall(r"\{solution\}.*?```python\n(.*?)```", prose, re.S):
        exec(block, names)
    return names
