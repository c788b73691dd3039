"""Two sizes of every notebook: `small` (the default) and `paper`."""

import os
from typing import TypeVar

import torch

T = TypeVar("T")


def size() -> str:
    """ "small", or "paper" where the environment says `ADV_AE_SIZE=paper`.

    Raises:
        ValueError: the environment asks for anything else.
    """
    asked = os.environ.get("ADV_AE_SIZE", "small")
    if asked not in ("small", "paper"):
        raise ValueError(f'ADV_AE_SIZE is {asked!r}; it must be "small" or "paper".')
    return asked


def by_size(small: T, paper: T) -> T:
    """The value for the size that is asked for.

    Example:
        >>> by_size(small=1000, paper=60_000)
        1000
    """
    return paper if size() == "paper" else small


def device() -> str:
    """Where a notebook runs: the CPU in the small size, a GPU, if there is one, in the
    paper's.
    """
    return by_size("cpu", "cuda" if torch.cuda.is_available() else "cpu")
