"""A decoder's weights in the page: in half precision, or in 8 bits where that would
take too much."""

from dataclasses import dataclass

import numpy as np
from torch import nn

from adv_ae.explore.layers import Layer, apply
from adv_ae.explore.pictures import mean

BUDGET = 60_000  # bytes of the weights in half precision; above it 8 bits are taken
TOLERANCES = {16: 0.01, 8: 0.1}  # bits a weight: of a pixel, between page and torch
ON_AVERAGE = 0.01  # of all pixels; 8 bits are far off at the edge of a stroke alone
DAMPING = 1e-3  # of the mean squared input, added to every input's
LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Carried:
    """A decoder as the page has it.

    Attributes:
        layers: with the weights as rounded.
        bits: a weight's, 16 or 8.
        payload: of each layer the weights, row by row, in half precision, or the scales
            of the rows in half precision and the weights as int8; then the biases in
            half precision.
    """

    layers: list[Layer]
    bits: int
    payload: bytes


def carried(layers: list[Layer], codes: np.ndarray) -> Carried:
    """What the page carries of a decoder.

    One within `BUDGET` goes as it is, in half precision. Of a larger one the units that
    sleep are left out, see `awake`; if it is still too large, it goes in 8 bits, see
    `eight_bits`.

    Args:
        layers: of the decoder.
        codes: (N, d), all that the page can ask for, as densely as wanted.

    Raises:
        ValueError: weights that are not finite.
    """
    if not all(np.isfinite(w).all() and np.isfinite(b).all() for w, b, _, _ in layers):
        raise ValueError("weights of the decoder are nan or infinite: train it again.")
    if size(layers) > BUDGET:
        layers = awake(layers, codes)
    return rounded(layers, 16 if size(layers) <= BUDGET else 8, codes)


def size(layers: list[Layer]) -> int:
    """Bytes in half precision."""
    return sum(2 * (w.size + b.size) for w, b, _, _ in layers)


def awake(layers: list[Layer], codes: np.ndarray) -> list[Layer]:
    """The layers without the hidden units that are 0 at every one of the codes.

    At these codes the pictures are the same; a unit of the first layer that is 0 at the
    corners of a square is so within it, its input being linear.
    """
    layers, v = list(layers), codes
    for k in range(len(layers) - 1):
        w, b, act, slope = layers[k]
        v = apply(layers[k], v)
        kept = (v != 0).any(0)
        kept[0] |= not kept.any()  # a layer has one unit at least
        layers[k] = w[kept], b[kept], act, slope
        layers[k + 1] = (layers[k + 1][0][:, kept], *layers[k + 1][1:])
        v = v[:, kept]
    return layers


def rounded(layers: list[Layer], bits: int, codes: np.ndarray) -> Carried:
    """The layers in 16 or 8 bits a weight; in 8, each is rounded for the inputs that
    the rounded layers before it give."""
    v, made, payload = codes, [], b""
    for w, b, act, slope in layers:
        if bits == 16:
            payload += _halves(w)
            w = _half(w)
        else:
            whole, scale = eight_bits(w, v)
            payload += _halves(scale) + whole.astype(np.int8).tobytes()
            w = whole * scale
        payload += _halves(b)
        made.append((w, _half(b), act, slope))
        v = apply(made[-1], v)
    return Carried(made, bits, payload)


def eight_bits(w: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Weights w (out, in) as whole numbers n in -127..127 and one scale a row,

        s_j = half(max_i |w_ji| / 127),    n_ji = round(w_ji / s_j),

    column by column; the columns k > i to come make up, before they are rounded, for
    what column i has lost on the inputs v (N, in):

        w_jk -= (w_ji - n_ji s_j) U_ik / U_ii,    U^T U = (v^T v / N + damping)^-1,

    U upper triangular. Inputs without correlation change nothing.

    References:
        Frantar et al., OPTQ: Accurate Quantization for Generative Pre-trained
        Transformers, 2023, https://arxiv.org/abs/2210.17323, eq. 2 and algorithm 1.
    """
    w = w.copy()
    scale = _half(np.minimum(np.abs(w).max(1, keepdims=True) / 127, LARGEST))
    step = np.where(scale > 0, scale, np.inf)  # of a row of zeros
    moment = v.T @ v / len(v)
    damping = DAMPING * max(np.diag(moment).mean(), 1e-9)
    inverse = np.linalg.inv(moment + damping * np.eye(len(moment)))
    U = np.linalg.cholesky(inverse).T
    whole = np.zeros_like(w)
    for i in range(w.shape[1]):
        whole[:, i] = np.clip(np.rint(w[:, i] / step[:, 0]), -127, 127)
        lost = w[:, i] - whole[:, i] * scale[:, 0]
        w[:, i + 1 :] -= np.outer(lost / U[i, i], U[i, i + 1 :])
    return whole, scale


def _half(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return x.astype("<f2").astype(float)


def _halves(x: np.ndarray) -> bytes:
    with np.errstate(over="ignore"):
        return x.astype("<f2").tobytes()


def fits(p: nn.Module, page: Carried, *given: np.ndarray) -> np.ndarray:
    """Torch's pictures, after a comparison with those of the page's weights.

    Raises:
        ValueError: a pixel is off by more than `TOLERANCES` of the bits, or all by more
            than `ON_AVERAGE`.
    """
    exact = mean(p, *given)
    v = np.concatenate(given, axis=1)
    for layer in page.layers:
        v = apply(layer, v)
    gaps = np.abs(v - exact)
    gap = gaps.max()
    if not (gap <= TOLERANCES[page.bits] and gaps.mean() <= ON_AVERAGE):
        how = "half precision" if page.bits == 16 else "8 bits a weight"
        finer = (
            ""
            if page.bits == 16
            else f"Take a decoder of at most {BUDGET // 2000},000 weights, which goes "
            "in half precision, or train with weight decay. "
        )
        raise ValueError(
            f"in {how} a pixel is off by {gap:.3g}, the mean one by {gaps.mean():.2g}, "
            f"more than {TOLERANCES[page.bits]} or {ON_AVERAGE}: the weights are too "
            f"large. {finer}"
            "`live_plane` takes any p(x|z)."
        )
    return exact
