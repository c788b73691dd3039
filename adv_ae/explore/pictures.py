"""What the explorers share: a decoder's mean, as grey pictures."""

import struct
import zlib

import numpy as np
import torch
from torch import Tensor, nn

from adv_ae.game import Game

FINE = 40_000  # pixels up to which a picture keeps 256 levels of grey


def decoder(net: nn.Module) -> nn.Module:
    """The decoder `p` of a game; any other network is one."""
    if not isinstance(net, Game):
        return net
    if "p" not in dict(net.named_children()):
        raise TypeError(f"{type(net).__name__} has no decoder `p`; pass the network.")
    return net.get_submodule("p")


def mean(p: nn.Module, *given: np.ndarray) -> np.ndarray:
    """Mean of p(x|z) or p(x|y, z), (N, d), in evaluation mode; the mode is put back."""
    modes = [(m, m.training) for m in p.modules()]
    weight = next(p.parameters(), torch.empty(0))
    try:
        with torch.no_grad():
            out = p.eval()(*(torch.as_tensor(g).to(weight) for g in given))
    finally:
        for m, mode in modes:
            m.training = mode
    out = out if isinstance(out, Tensor) else out.mean
    return out.flatten(1).double().cpu().numpy()


def grey(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Bytes: the lower limit white, the upper black ink."""
    low, high = limits
    ink = np.clip((values - low) / (high - low), 0, 1)
    return (255 - np.floor(255 * ink + 0.5)).astype(np.uint8)


def small_png(pixels: np.ndarray) -> bytes:
    """As `png`; more than `FINE` pixels in 16 levels, off by 8 of 255 at most: about a
    fifth of the bytes."""
    return png(pixels, depth=8 if pixels.size <= FINE else 4)


def png(pixels: np.ndarray, depth: int = 8) -> bytes:
    """A grey picture (height, width) of bytes as a PNG file, 8 or 4 bits a pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    height, width = pixels.shape
    rows = pixels if depth == 8 else _nibbles((pixels.astype(int) + 8) // 17)
    head = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)  # grey
    rows = np.pad(rows, ((0, 0), (1, 0)))  # filter 0 before each row
    data = zlib.compress(rows.tobytes(), 9)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _nibbles(levels: np.ndarray) -> np.ndarray:
    """Levels 0..15, two a byte, the left one first; an odd row ends in a 0."""
    even = np.pad(levels, ((0, 0), (0, levels.shape[1] % 2)))
    return (16 * even[:, ::2] + even[:, 1::2]).astype(np.uint8)
