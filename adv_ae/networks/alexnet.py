"""BiGAN's networks for ImageNet: AlexNet's convolutions and their counterparts.

Pictures are in [-1, 1], z ~ U[-1, 1]^200. All weights are drawn from N(0, 0.02^2) but
those that project z, and there are no biases but those of batch normalization.

References:
    Donahue, Kraehenbuehl, Darrell, "Adversarial Feature Learning", ICLR 2017, arXiv
    1605.09782, the experiment on ImageNet. Widths, kernels and where z enters: the
    authors' code, github.com/jeffdonahue/bigan, train_imagenet.sh and net.py.
    Krizhevsky, Sutskever, Hinton, "ImageNet Classification with Deep Convolutional
    Neural Networks", NIPS 2012, sec. 3.5.

Departs:
    Batch normalization keeps PyTorch's running statistics and its 1e-5 under the root.
    The authors add 1e-8, and go through 1000 batches after training to average the
    statistics.
"""

import math
from collections import OrderedDict

import torch
from torch import Tensor, nn

from adv_ae.networks.mlp import init_normal_

SLOPE = 0.2  # of leaky ReLUs below 0: authors' code


def _to_plus_minus_1(logits: Tensor) -> Tensor:
    """2 sigmoid(.) - 1."""
    return 2 * torch.sigmoid(logits) - 1


class AlexNetEncoder(nn.Module):
    """E(x) = 2 sigmoid(W conv5(x)) - 1: conv1 to conv5 of AlexNet, without its local
    response normalization and its last pooling.

    Of 112 pixels the maps have 26, 12 (pooled), 12, 5 (pooled), 5, 5 and 5, of 64
    pixels 14, 6, 6, 2, 2, 2 and 2. `conv` holds the five by name.

    Args:
        size: pixels of a side, 112 or 64 in the paper.
        latent: dimension of z.

    Shape:
        x (N, 3 size size) or (N, 3, size, size) of [-1, 1], out (N, latent) of (-1, 1).

    Raises:
        ValueError: a picture is too small to be pooled twice.

    Departs:
        Padding and groups are AlexNet's. The authors' `alexnet_group_padpool` pads
        conv1 by 5 and both poolings by 1, which they call slightly broken themselves.
    """

    def __init__(self, size: int = 112, latent: int = 200):
        super().__init__()
        pixels = _after(_after(_after(size, 11, 4), 3, 2), 3, 2)
        if pixels < 1:
            raise ValueError(f"size is {size}; AlexNet takes pictures of 35 or more.")
        self.size = size
        self.conv = nn.Sequential(
            OrderedDict(
                conv1=nn.Sequential(_conv(3, 96, 11, stride=4), nn.LeakyReLU(SLOPE)),
                pool1=nn.MaxPool2d(3, 2),
                conv2=_normed(_conv(96, 256, 5, padding=2, groups=2)),
                pool2=nn.MaxPool2d(3, 2),
                conv3=_normed(_conv(256, 384, 3, padding=1)),
                conv4=_normed(_conv(384, 384, 3, padding=1, groups=2)),
                conv5=_normed(_conv(384, 256, 3, padding=1, groups=2)),
            )
        )
        self.last = nn.Linear(256 * pixels**2, latent, bias=False)
        init_normal_(self, 0.02)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv(x.reshape(len(x), 3, self.size, self.size))
        return _to_plus_minus_1(self.last(h.flatten(1)))


class InjectedConv(nn.Module):
    """f(BN(conv(h) + W z)): z is projected and added to every pixel of each map.

    The weights of a projection beside kernels of k x k have the standard deviation
    0.02 k^2, as in the authors' code.

    Args:
        conv: the convolution, or the transposed one.
        latent: dimension of z.
        activation: f.
    """

    def __init__(
        self,
        conv: nn.Conv2d | nn.ConvTranspose2d,
        latent: int,
        activation: nn.Module,
    ):
        super().__init__()
        self.conv, self.activation = conv, activation
        self.project = nn.Linear(latent, conv.out_channels, bias=False)
        self.norm = nn.BatchNorm2d(conv.out_channels)

    def forward(self, h: Tensor, z: Tensor) -> Tensor:
        projected = self.project(z)[:, :, None, None]
        return self.activation(self.norm(self.conv(h) + projected))


class ImageNetGenerator(nn.Module):
    """G(z): 4 x 4 maps, then four transposed convolutions of 5 x 5 and stride 2, up to
    64 x 64; z enters again at the first three.

    Batch normalization of the 4 x 4 maps is by channel and pixel.

    Args:
        latent: dimension of z.
        width: channels at 32 pixels; 8 times as many at 4.

    Shape:
        z (N, latent), out (N, 3 64 64) of (-1, 1).
    """

    def __init__(self, latent: int = 200, width: int = 64):
        super().__init__()
        self.width = width
        self.first = nn.Sequential(
            nn.Linear(latent, 8 * width * 16, bias=False),
            nn.BatchNorm1d(8 * width * 16),
            nn.ReLU(),
        )
        self.up = nn.ModuleList(
            InjectedConv(_up(2 * n, n), latent, nn.ReLU())
            for n in (4 * width, 2 * width, width)
        )
        self.last = _up(width, 3)
        _init(self)

    def forward(self, z: Tensor) -> Tensor:
        h = self.first(z).reshape(len(z), 8 * self.width, 4, 4)
        for up in self.up:
            h = up(h, z)
        return _to_plus_minus_1(self.last(h)).flatten(1)


class ImageNetDiscriminator(nn.Module):
    """D(x, z): four convolutions of 5 x 5 and stride 2, down to 4 x 4; z enters at all
    but the first.

    Args:
        latent: dimension of z.
        width: channels at 32 pixels; 8 times as many at 4.

    Shape:
        x (N, 3 64 64) or (N, 3, 64, 64) of [-1, 1], z (N, latent); logits (N,).
    """

    def __init__(self, latent: int = 200, width: int = 64):
        super().__init__()
        self.first = nn.Sequential(_down(3, width), nn.LeakyReLU(SLOPE))
        self.down = nn.ModuleList(
            InjectedConv(_down(n, 2 * n), latent, nn.LeakyReLU(SLOPE))
            for n in (width, 2 * width, 4 * width)
        )
        self.last = nn.Linear(8 * width * 16, 1, bias=False)
        _init(self)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        h = self.first(x.reshape(len(x), 3, 64, 64))
        for down in self.down:
            h = down(h, z)
        return self.last(h.flatten(1)).squeeze(1)


def _after(n: int, kernel: int, stride: int) -> int:
    """Pixels that a window without padding makes of n."""
    return (n - kernel) // stride + 1


def _conv(inputs: int, outputs: int, kernel: int, **how: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, bias=False, **how)  # type: ignore[arg-type]


def _down(inputs: int, outputs: int) -> nn.Conv2d:
    """n pixels to n / 2."""
    return _conv(inputs, outputs, 5, stride=2, padding=2)


def _up(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    """n pixels to 2 n."""
    return nn.ConvTranspose2d(
        inputs, outputs, 5, stride=2, padding=2, output_padding=1, bias=False
    )


def _normed(conv: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels), nn.LeakyReLU(SLOPE))


def _init(net: nn.Module) -> None:
    """N(0, 0.02^2); for projections of z beside k x k kernels N(0, (0.02 k^2)^2)."""
    init_normal_(net, 0.02)
    for module in net.modules():
        if isinstance(module, InjectedConv):
            k2 = math.prod(module.conv.kernel_size)
            nn.init.normal_(module.project.weight, std=0.02 * k2)
