"""Perceptrons on tuples, and the modules around them."""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn


class MLP(nn.Module):
    """f(u, v, ...): a perceptron on the concatenation of its arguments, each flattened
    to (N, d).

    Args:
        *widths: input width (of all arguments together), hidden widths, output width.
        activation: makes the module after each hidden layer.
        batch_norm: batch normalization between each hidden linear map and its
            nonlinearity (the order of the batch-norm, DCGAN, ALI and BiGAN papers);
            never on the output.
        dropout: rate after each hidden nonlinearity (dropout last).
        last: module on the output, such as `nn.Sigmoid()`; None for a linear output.
    """

    def __init__(
        self,
        *widths: int,
        activation: Callable[[], nn.Module] = nn.ReLU,
        batch_norm: bool = False,
        dropout: float = 0.0,
        last: nn.Module | None = None,
    ):
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths[:-1]):
            layers += [nn.Linear(before, after)]
            layers += [nn.BatchNorm1d(after)] if batch_norm else []
            layers += [activation()]
            layers += [nn.Dropout(dropout)] if dropout else []
        layers += [nn.Linear(widths[-2], widths[-1])]
        self.layers = nn.Sequential(*layers, *([last] if last is not None else []))

    def forward(self, *given: Tensor) -> Tensor:
        flat = [g.flatten(1) for g in given]
        return self.layers(torch.cat(flat, dim=1) if len(flat) > 1 else flat[0])


class PixelMLP(MLP):
    """An `MLP` whose output, logits of pixels or their sigmoid, may begin at the mean
    picture."""

    @torch.no_grad()
    def set_output_bias(self, mean_image: Tensor) -> None:
        """Set the bias of the logits to log(m / (1 - m)), m the mean picture clipped to
        [0.001, 0.999].

        Args:
            mean_image: (D,) of [0, 1]: the mean of training pictures.

        Raises:
            ValueError: of another size.

        References:
            Burda et al. (2016), authors' code.
        """
        bias = [m for m in self.layers if isinstance(m, nn.Linear)][-1].bias
        if mean_image.shape != bias.shape:
            raise ValueError(
                f"mean_image is of shape {tuple(mean_image.shape)}; this network makes "
                f"{len(bias)} pixels."
            )
        bias.copy_(mean_image.logit(1e-3))


class Discriminator(MLP):
    """D(u, v, ...): one logit a row, (N,); sigmoid(logit) is the probability of 'real'.

    Args:
        *widths: input width (of all arguments together), then the hidden widths.
        activation, batch_norm, dropout: as in `MLP`.
    """

    def __init__(
        self,
        *widths: int,
        activation: Callable[[], nn.Module] = nn.ReLU,
        batch_norm: bool = False,
        dropout: float = 0.0,
    ):
        super().__init__(
            *widths, 1, activation=activation, batch_norm=batch_norm, dropout=dropout
        )

    def forward(self, *given: Tensor) -> Tensor:
        return super().forward(*given).squeeze(1)


class GaussianNoise(nn.Module):
    """x + std * noise while training, x itself in evaluation.

    Args:
        std: standard deviation; 0.3 on the input of AAE's semi-supervised encoder
            (appendix A.2.1).
    """

    def __init__(self, std: float):
        super().__init__()
        self.std = std

    def forward(self, x: Tensor) -> Tensor:
        return x + self.std * torch.randn_like(x) if self.training else x


class Corrupted(nn.Module):
    """net(corruption(x), ...): noise or dropout on the first argument alone.

    Args:
        corruption: module on x, such as `GaussianNoise` or `nn.Dropout`.
        net: the network behind it.
    """

    def __init__(self, corruption: nn.Module, net: nn.Module):
        super().__init__()
        self.corruption, self.net = corruption, net

    def forward(self, x: Tensor, *given: Tensor) -> Tensor:
        return self.net(self.corruption(x), *given)


def init_normal_(module: nn.Module, std: float = 0.01) -> nn.Module:
    """Draw all weight matrices from N(0, std^2) and set biases to 0, in place.

    std = 0.01 in AAE (appendix A.1) and ALI (appendix A), 0.02 in BiGAN (MNIST) and
    DCGAN.
    """
    for m in module.modules():
        if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(m.weight, std=std)
            if m.bias is not None:
                nn.init.zeros_(m.bias)
    return module
