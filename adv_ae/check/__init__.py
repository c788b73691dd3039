"""Checks: bands for measured numbers, and one module of exercise checkers a chapter."""

import torch

from adv_ae.sizes import size


class CheckError(AssertionError):
    """A number left its band, or an exercise is not solved yet."""


def check(name: str, value: object, low: float, high: float) -> None:
    """Print one regression line; raise when `low <= value <= high` fails.

    The number stands after an approximately-equal sign, where the notebooks' tests
    mask it: name, verdict and band stay compared on every machine. Bands of trained
    numbers are measured over ten seeds at the small size; at the paper size the number
    is printed and nothing is judged.

    Example:
        >>> check("log 2", 0.693147, 0.69, 0.70)
        [ok] log 2: ≈0.693, band [0.69, 0.7]

    Raises:
        CheckError: the value is outside the band, or not a number.
    """
    number = float(value)  # type: ignore[arg-type]
    if size() == "paper":
        print(f"[paper size] {name}: \u2248{number:.3g}")
        return
    inside = low <= number <= high  # nan is outside
    verdict = "ok" if inside else "OUT OF BAND"
    print(f"[{verdict}] {name}: \u2248{number:.3g}, band [{low:g}, {high:g}]")
    if not inside:
        raise CheckError(f"{name} = {number:.6g} is outside [{low:g}, {high:g}]")


def equal(
    name: str, yours: object, expected: object, tolerance: float = 1e-6, hint: str = ""
) -> None:
    """Print that two numbers or tensors agree; raise with a hint where they do not.

    Example:
        >>> equal("1 + 1", torch.tensor([2.0]), [2.0])
        [ok] 1 + 1: equal within 1e-06

    Raises:
        CheckError: shapes or values differ.
    """
    a = torch.as_tensor(yours, dtype=torch.float64).detach()
    b = torch.as_tensor(expected, dtype=torch.float64).detach()
    if a.shape != b.shape:
        raise CheckError(
            f"{name}: expected shape {tuple(b.shape)}, got {tuple(a.shape)}. {hint}"
        )
    gap = (a - b).abs().max().item() if a.numel() else 0.0
    if not gap <= tolerance:
        raise CheckError(f"{name}: off by {gap:.3g} (allowed {tolerance:g}). {hint}")
    print(f"[ok] {name}: equal within {tolerance:g}")
