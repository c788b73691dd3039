"""Few labels: which examples keep theirs."""

import torch
from torch import Tensor


def labelled_rows(y: Tensor, n: int, seed: int = 0) -> Tensor:
    """n rows that keep their labels, as many of each class, drawn at random.

    Args:
        y: (N,) labels 0 .. K - 1.
        n: how many; a multiple of K, or, where classes are short of n / K rows or n is
            no multiple, as even as can be.
        seed: of the draw; torch's global generator is not used.

    Returns:
        (n,) rows, of int64, in rounds of one a class, so that the first half of 100
        are the 50 of the same seed.

    Raises:
        ValueError: n is not in K .. N.

    Example:
        >>> y = torch.tensor([0, 1, 2, 0, 1, 2, 0, 0])
        >>> y[labelled_rows(y, 6)].bincount().tolist()
        [2, 2, 2]
    """
    classes = int(y.max()) + 1
    if not classes <= n <= len(y):
        raise ValueError(
            f"{n} labels of {len(y)} examples in {classes} classes: at least one a "
            "class and at most all can be kept."
        )
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.randperm(len(y), generator=generator)
    labels = y.cpu()[shuffled]
    rank = torch.empty_like(shuffled)  # 0 for the first of its class, then 1, ...
    for k in range(classes):
        rows = (labels == k).nonzero().squeeze(1)
        rank[rows] = torch.arange(len(rows))
    return shuffled[rank.argsort(stable=True)[:n]].to(y.device)


def hide_labels(y: Tensor, n: int, seed: int = 0, classes: int | None = None) -> Tensor:
    """Labels with all but n replaced by K, which says "unlabelled".

    Args:
        y, n, seed: as in `labelled_rows`.
        classes: K; None: as many as y names.

    Returns:
        (N,): 0 .. K - 1 where the label is kept, K elsewhere.
    """
    hidden = torch.full_like(y, int(y.max()) + 1 if classes is None else classes)
    kept = labelled_rows(y, n, seed)
    hidden[kept] = y[kept]
    return hidden
