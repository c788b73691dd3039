"""How exactly a run computes its products, and with which compiler: by choice, and put
back afterwards."""

import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from adv_ae.conditionals import Conditional
from adv_ae.game import Game

PRECISIONS = ("highest", "high", "medium", "bfloat16")


@contextlib.contextmanager
def at_precision(game: Game, precision: str | None) -> Iterator[None]:
    """Compute the products of layers and matrices at this precision; weights, losses,
    gradients and optimizers stay float32.

    - `highest`: float32, 24 bits of mantissa, everywhere.
    - `high`: TF32 on GPUs that have it (11 bits in, float32 sums), convolutions too; on
      CPUs as the highest.
    - `medium`: as `high` on a GPU. On a CPU products go to oneDNN, which is quicker
      than MKL on some processors; it multiplies in bfloat16 (8 bits) where the
      processor has AMX, and in float32 where not.
    - `bfloat16`: linear and convolutional layers multiply in bfloat16 and return
      float32, on every device. Slow on CPUs without avx512_bf16 or AMX.

    Args:
        game: whose layers are meant by `bfloat16`.
        precision: one of `PRECISIONS`; None: everything as it stands.

    Raises:
        ValueError: another name.
    """
    if precision is None:
        yield
        return
    if precision not in PRECISIONS:
        raise ValueError(
            f"precision {precision!r} is not known; it is one of "
            f"{', '.join(PRECISIONS)}, or None for torch's present settings."
        )
    products = torch.get_float32_matmul_precision()
    convolutions = torch.backends.cudnn.allow_tf32
    layers = _layers(game) if precision == "bfloat16" else []
    exact = precision in ("highest", "bfloat16")
    try:
        torch.set_float32_matmul_precision("highest" if exact else precision)
        torch.backends.cudnn.allow_tf32 = not exact
        with _replaced(layers, _in_bfloat16):
            yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convolutions


def _layers(game: Game) -> list[nn.Module]:
    return [m for m in game.modules() if isinstance(m, nn.Linear | _ConvNd)]


@contextlib.contextmanager
def _replaced(
    modules: Iterable[nn.Module], by: Callable[[Callable], Callable]
) -> Iterator[None]:
    """Modules whose `forward` is `by(forward)`; put back at the end."""
    own = {m: vars(m).get("forward") for m in modules}
    for module in own:
        module.forward = by(module.forward)
    try:
        yield
    finally:
        for module, before in own.items():
            del module.forward
            if before is not None:
                module.forward = before


def _in_bfloat16(forward: Callable) -> Callable:
    """The product of a layer in bfloat16, all around it in float32: sums over pixels
    and differences of kernels would drown in the rounding.

    Autocast keeps no copies of weights here: in a game they move within a step, and
    copies would be stale.
    """

    def rounded(x: Tensor, *more: Any) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16, cache_enabled=False):
            return forward(x, *more).to(x.dtype)

    return rounded


@contextlib.contextmanager
def compiled(game: Game, wanted: bool = True) -> Iterator[None]:
    """Networks by `torch.compile`, which fuses what lies between products; one that it
    cannot compile warns once and runs as it is.

    It pays on a GPU and for networks with much between their products; on CPUs it does
    not.

    Args:
        game: its networks are compiled at their first call.
        wanted: False changes nothing.
    """
    with _replaced(_networks(game) if wanted else (), _attempt):
        yield


def _attempt(plain: Callable) -> Callable:
    """`plain` compiled; from the first failure on `plain` itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's, about its own ways
        forward = torch.compile(plain)

    def attempt(*given: Any) -> Any:
        nonlocal forward
        if forward is plain:
            return plain(*given)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return forward(*given)
        except Exception as error:  # a compiler fails in many ways
            forward = plain
            name = getattr(plain, "__qualname__", plain)
            warnings.warn(f"{name} is not compiled: {error}", stacklevel=2)
        return plain(*given)

    return attempt


def _networks(module: nn.Module) -> Iterator[nn.Module]:
    """The networks of a game: what conditionals wrap, and what stands alone."""
    if isinstance(module, Conditional):
        yield module.net
    elif any(isinstance(m, Conditional) for m in module.modules()):
        for child in module.children():
            yield from _networks(child)
    elif any(True for _ in module.parameters()):
        yield module
