"""A decoder as the list of layers that the page carries."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from adv_ae.conditionals import (
    Bernoulli,
    Conditional,
    Deterministic,
    FixedScaleGaussian,
    Gaussian,
)
from adv_ae.networks import MLP

Layer = tuple[np.ndarray, np.ndarray, str, float]  # weight (out, in), bias, act, slope


def layers_of(p: nn.Module) -> list[Layer]:
    """A decoder as linear maps, each followed by a nonlinearity."""
    kinds = (Bernoulli, Deterministic, FixedScaleGaussian, Gaussian)
    if isinstance(p, Conditional) and not isinstance(p, kinds):
        names = ", ".join(k.__name__ for k in kinds)
        raise TypeError(f"{type(p).__name__} is no decoder that I know: {names}.")
    net = p.net if isinstance(p, Conditional) else p
    net = net.layers if isinstance(net, MLP) else net
    if not isinstance(net, nn.Sequential):
        raise TypeError(
            f"{type(net).__name__} is no network that can be carried into the page: "
            "an MLP or an nn.Sequential of linear layers can; see `live_plane`."
        )
    layers: list[Layer] = []
    fresh = False  # is the last layer still a bare linear map?
    for m in net:
        if isinstance(m, nn.Linear):
            bias = torch.zeros(m.out_features) if m.bias is None else m.bias
            layers.append((array(m.weight), array(bias), "none", 0.0))
            fresh = True
        elif isinstance(m, nn.BatchNorm1d) and fresh:
            layers[-1] = _fold(layers[-1], m)
        elif isinstance(m, nn.Dropout | nn.Identity | nn.Flatten):
            continue
        else:
            if not layers:
                raise TypeError("the first layer must be linear.")
            if not fresh:  # two nonlinearities in a row: the identity between them
                d = len(layers[-1][1])
                layers.append((np.eye(d), np.zeros(d), "none", 0.0))
            layers[-1] = (*layers[-1][:2], *_activation(m))
            fresh = False
    if not layers:
        raise TypeError("the network has no layers.")
    if isinstance(p, Gaussian):  # (mean, log std) side by side: the mean
        w, b, act, slope = layers[-1]
        layers[-1] = w[: len(w) // 2], b[: len(b) // 2], act, slope
    if isinstance(p, Bernoulli):  # logits
        if layers[-1][2] != "none":
            raise TypeError("a Bernoulli's network must end in a linear layer.")
        layers[-1] = (*layers[-1][:2], "sigmoid", 0.0)
    return layers


def _fold(layer: Layer, norm: nn.BatchNorm1d) -> Layer:
    """Linear map and batch norm (of evaluation mode) as one linear map."""
    if norm.running_mean is None or norm.running_var is None:
        raise TypeError("batch norm without running statistics cannot be folded.")
    w, b, _, _ = layer
    gain = 1 / np.sqrt(array(norm.running_var) + norm.eps)
    shift = np.zeros_like(gain)
    if norm.affine:
        gain, shift = gain * array(norm.weight), array(norm.bias)
    b = (b - array(norm.running_mean)) * gain + shift
    return w * gain[:, None], b, "none", 0.0


def _activation(m: nn.Module) -> tuple[str, float]:
    if isinstance(m, nn.LeakyReLU):
        return "leaky", float(m.negative_slope)
    names = {nn.ReLU: "relu", nn.Tanh: "tanh", nn.Sigmoid: "sigmoid"}
    if type(m) not in names:
        known = "Linear, BatchNorm1d after it, Dropout, ReLU, LeakyReLU, Tanh, Sigmoid"
        raise TypeError(
            f"{type(m).__name__} cannot be carried into the page; known: {known}. "
            "`live_plane` takes any p(x|z)."
        )
    return names[type(m)], 0.0


def check_shape(layers: list[Layer], shape: tuple[int, int], told: int = 0) -> None:
    inputs, outputs = layers[0][0].shape[1], len(layers[-1][1])
    if inputs != told + 2:
        besides = f" beside {told} labels" if told else ""
        raise ValueError(
            f"a plane needs codes of 2 dimensions; these have {inputs - told}{besides}."
        )
    if len(shape) != 2 or shape[0] * shape[1] != outputs:
        raise ValueError(f"shape {tuple(shape)} is not of the {outputs} outputs.")


def outline(layers: list[Layer]) -> list[list[Any]]:
    """What the page is told of each layer: inputs, outputs, activation, slope."""
    return [[w.shape[1], w.shape[0], act, slope] for w, _, act, slope in layers]


def apply(layer: Layer, v: np.ndarray) -> np.ndarray:
    """What a layer makes of the rows of v; weights that overflow give inf or nan."""
    w, b, act, slope = layer
    with np.errstate(over="ignore", invalid="ignore"):
        return _FUNCTIONS[act](v @ w.T + b, slope)


_FUNCTIONS: dict[str, Any] = {
    "none": lambda v, slope: v,
    "relu": lambda v, slope: np.maximum(v, 0),
    "leaky": lambda v, slope: np.where(v < 0, slope * v, v),
    "tanh": lambda v, slope: np.tanh(v),
    "sigmoid": lambda v, slope: 0.5 * (1 + np.tanh(v / 2)),
}


def array(x: Any) -> np.ndarray:
    x = x.detach().cpu().numpy() if isinstance(x, Tensor) else np.asarray(x)
    return x.astype(float)
