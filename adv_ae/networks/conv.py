"""Convolutional networks from the rows of a paper's table."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KINDS: Mapping[str, Callable[..., nn.Module]] = {
    "conv": nn.Conv2d,
    "transposed": nn.ConvTranspose2d,
}
ACTIVATIONS = ("leaky", "relu", "maxout", "sigmoid", "linear")


@dataclass(frozen=True)
class Layer:
    """One row of a table: dropout, convolution, batch normalization, nonlinearity, in
    this order.

    There is no padding: n pixels become (n - kernel) / stride + 1, and by a transposed
    convolution (n - 1) stride + kernel.

    Attributes:
        kind: one of `KINDS`.
        kernel: width of the square kernel, pixels.
        stride: pixels.
        channels: feature maps after the nonlinearity; the convolution before a maxout
            has `pieces` times as many.
        batch_norm: whether there is one between convolution and nonlinearity.
        dropout: rate at the convolution's input, in [0, 1).
        activation: one of `ACTIVATIONS`.

    Raises:
        ValueError: kind or activation is none of these.
    """

    kind: str
    kernel: int
    stride: int
    channels: int
    batch_norm: bool
    dropout: float
    activation: str

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}; it must be one of {list(KINDS)}.")
        if self.activation not in ACTIVATIONS:
            raise ValueError(
                f"activation is {self.activation!r}; it must be one of {ACTIVATIONS}."
            )


class Maxout(nn.Module):
    """h_c = max_j x_(c, j): the largest of each `pieces` neighboring channels.

    Args:
        pieces: how many linear pieces there are to a unit.

    Shape:
        (N, C pieces, ...) to (N, C, ...).

    References:
        Goodfellow, Warde-Farley, Mirza, Courville, Bengio, "Maxout Networks", 2013,
        arXiv 1302.4389, equation 1.
    """

    def __init__(self, pieces: int):
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (-1, self.pieces)).amax(2)


class PixelBias(nn.Module):
    """x + b, b of one number a channel and pixel: an untied bias.

    Args:
        shape: (C, H, W) of the maps.
    """

    def __init__(self, shape: tuple[int, int, int]):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


class Pointwise(nn.Conv2d):
    """A convolution of kernel 1 that is a linear map where its maps have one pixel: the
    same numbers, on a CPU in less than half the time."""

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (1, 1):
            return super().forward(x)
        return as_maps(F.linear(x.flatten(1), self.weight.flatten(1), self.bias))


def nonlinearity(name: str, slope: float, pieces: int) -> nn.Module:
    """The module of that name in `ACTIVATIONS`."""
    match name:
        case "leaky":
            return nn.LeakyReLU(slope)
        case "relu":
            return nn.ReLU()
        case "maxout":
            return Maxout(pieces)
        case "sigmoid":
            return nn.Sigmoid()
    return nn.Identity()


def convolution(layer: Layer, inputs: int, outputs: int, bias: bool) -> nn.Module:
    """The convolution of a row, from `inputs` to `outputs` maps."""
    if (layer.kind, layer.kernel, layer.stride) == ("conv", 1, 1):
        return Pointwise(inputs, outputs, 1, bias=bias)
    return KINDS[layer.kind](inputs, outputs, layer.kernel, layer.stride, bias=bias)


def row(layer: Layer, inputs: int, slope: float, pieces: int) -> nn.Sequential:
    """The modules of one row.

    The convolution has a bias where no batch normalization follows, whose shift would
    do the same. Running statistics r follow those of the batch, m, by r <- 0.95 r +
    0.05 m, and 1e-4 is added to the variance: so in the authors' code and in the
    library that it is written with.

    Args:
        layer: the row.
        inputs: channels that come in.
        slope: of leaky ReLUs below 0.
        pieces: of maxouts.

    Departs:
        The authors' running statistic of scale is the standard deviation, PyTorch's
        the unbiased variance. Their code has no bias in D(z), but for Tiny ImageNet.
    """
    width = layer.channels * (pieces if layer.activation == "maxout" else 1)
    modules: list[nn.Module] = [nn.Dropout(layer.dropout)] if layer.dropout else []
    modules += [convolution(layer, inputs, width, bias=not layer.batch_norm)]
    if layer.batch_norm:
        modules += [nn.BatchNorm2d(width, eps=1e-4, momentum=0.05)]
    modules += [nonlinearity(layer.activation, slope, pieces)]
    return nn.Sequential(*modules)


def stack(
    layers: Sequence[Layer], inputs: int, slope: float, pieces: int
) -> nn.Sequential:
    """All rows, one after the other: `stack(...)[i]` is row i.

    Args:
        layers: the rows.
        inputs: channels of the first row's input.
        slope, pieces: as in `row`.
    """
    before = [inputs, *(layer.channels for layer in layers)]
    return nn.Sequential(
        *(
            row(layer, n, slope, pieces)
            for layer, n in zip(layers, before, strict=False)
        )
    )


def as_maps(v: Tensor) -> Tensor:
    """(N, d) as d maps of one pixel, (N, d, 1, 1)."""
    return v.flatten(1)[:, :, None, None]


class Join(nn.Module):
    """(h, y) -> (h, W y + b) side by side, a linear embedding of y that is learned; h
    alone where there are no attributes.

    Args:
        attributes: numbers in y; 0: there is no y.
        embedding: numbers in the embedding.

    Shape:
        h (N, C, 1, 1), y (N, attributes), out (N, C + embedding, 1, 1).

    Raises:
        TypeError: y is missing, or not wanted.
    """

    def __init__(self, attributes: int, embedding: int):
        super().__init__()
        self.embed = nn.Linear(attributes, embedding) if attributes else None
        self.width = embedding if attributes else 0

    def forward(self, h: Tensor, *y: Tensor) -> Tensor:
        if self.embed is None and not y:
            return h
        if self.embed is None or len(y) != 1:
            wanted = "no y" if self.embed is None else "one y of attributes"
            raise TypeError(
                f"the network was built for {wanted} and was given {len(y)}; say how "
                "many numbers y has when building it: attributes=..."
            )
        return torch.cat([h, as_maps(self.embed(y[0]))], dim=1)


class Encoder(nn.Module):
    """x, or (x, y), to a vector; y joins before the last row.

    Args:
        shape: (C, H, W) of x.
        hidden: the rows but the last, on (N, C, H, W), down to one pixel.
        join: what y joins in.
        last: the last row.

    Shape:
        x (N, C H W) or (N, C, H, W), y (N, attributes), out (N, outputs).
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        hidden: nn.Module,
        join: Join,
        last: nn.Module,
    ):
        super().__init__()
        self.shape = shape
        self.hidden, self.join, self.last = hidden, join, last

    def forward(self, x: Tensor, *y: Tensor) -> Tensor:
        h = self.hidden(x.reshape(len(x), *self.shape))
        return self.last(self.join(h, *y)).flatten(1)


class NoiseAtInput(nn.Module):
    """(x, ..., eta) -> net((x, eta), ...): eta, which `conditionals.Noisy` passes last,
    enters side by side with x.

    Args:
        net: takes x and eta as one tensor (N, d + noise).

    Raises:
        TypeError: there is no eta.
    """

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, *given: Tensor) -> Tensor:
        if not given:
            raise TypeError(
                "this network takes noise as its last argument and was given x alone; "
                "wrap it in conditionals.Noisy, which draws the noise."
            )
        *y, eta = given
        return self.net(torch.cat([x, eta], dim=1), *y)


class Decoder(nn.Module):
    """z, or (z, y), to pictures; y joins at the input, and the output's bias is untied.

    Args:
        join: what y joins in.
        hidden: the rows but the last, on (N, d, 1, 1).
        last: the last row's convolution, without a bias.
        output: its bias.
        activation: the last row's nonlinearity.

    Shape:
        z (N, latent), y (N, attributes), out (N, C H W).
    """

    def __init__(
        self,
        join: Join,
        hidden: nn.Module,
        last: nn.Module,
        output: PixelBias,
        activation: nn.Module,
    ):
        super().__init__()
        self.join, self.hidden, self.last = join, hidden, last
        self.output, self.activation = output, activation

    def forward(self, z: Tensor, *y: Tensor) -> Tensor:
        h = self.hidden(self.join(as_maps(z), *y))
        return self.activation(self.output(self.last(h))).flatten(1)

    @torch.no_grad()
    def set_output_bias(self, mean_image: Tensor) -> None:
        """Set the output's bias to log(m / (1 - m)), so that the decoder begins near
        the mean picture m.

        m is clipped to [1e-7, 1 - 1e-7]: the border of MNIST is 0, whose log-odds are
        not finite.

        Args:
            mean_image: (C H W) or (C, H, W) of [0, 1]: the mean of training pictures
                (of 500 in the authors' code).

        Raises:
            ValueError: of another size, or the decoder does not end in a sigmoid.
        """
        if not isinstance(self.activation, nn.Sigmoid):
            raise ValueError(
                "this decoder does not end in a sigmoid, so its outputs are no "
                "probabilities and have no log-odds; leave its bias as it is."
            )
        shape = self.output.bias.shape
        if mean_image.numel() != math.prod(shape):
            raise ValueError(
                f"mean_image is of shape {tuple(mean_image.shape)}; this decoder makes "
                f"pictures of {tuple(shape)}: pass x.mean(0) of such pictures."
            )
        self.output.bias.copy_(torch.logit(mean_image, eps=1e-7).reshape(shape))


class PairDiscriminator(nn.Module):
    """D(x, z) = D_joint(D_x(x), D_z(z)), or with y beside them: logits.

    Args:
        shape: (C, H, W) of x.
        D_x: the rows on x, down to one pixel.
        D_z: the rows on z.
        join: what y joins in.
        D_joint: the rows on all of them side by side, without the sigmoid that the
            tables print last: that is the loss's.

    Shape:
        x (N, C H W) or (N, C, H, W), z (N, latent), y (N, attributes); out (N,) for one
        output, else (N, outputs).
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        D_x: nn.Module,
        D_z: nn.Module,
        join: Join,
        D_joint: nn.Module,
    ):
        super().__init__()
        self.shape = shape
        self.D_x, self.D_z, self.join, self.D_joint = D_x, D_z, join, D_joint

    def forward(self, x: Tensor, z: Tensor, *y: Tensor) -> Tensor:
        h_x, h_z = self.D_x(x.reshape(len(x), *self.shape)), self.D_z(as_maps(z))
        h = self.join(torch.cat([h_x, h_z], dim=1), *y)
        return self.D_joint(h).flatten(1).squeeze(1)
