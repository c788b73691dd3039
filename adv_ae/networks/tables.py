"""The networks of ALI's experiments: the paper's tables as data.

Dumoulin, Belghazi, Poole, Mastropietro, Lamb, Arjovsky, Courville, "Adversarially
Learned Inference", ICLR 2017, arXiv 1606.00704, appendix A; and the authors' code,
github.com/IshmaelBelghazi/ALI, where the tables are silent.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import nn

from adv_ae.networks.conv import (
    Decoder,
    Encoder,
    Join,
    Layer,
    NoiseAtInput,
    PairDiscriminator,
    PixelBias,
    convolution,
    nonlinearity,
    stack,
)
from adv_ae.networks.mlp import init_normal_


@dataclass(frozen=True)
class Table:
    """The networks of one experiment; the rows are named as the paper heads them.

    Attributes:
        name: key in `TABLES`.
        shape: of one example, (C, H, W); (2,) is a point of the plane, on which a
            convolution of kernel 1 is a linear layer.
        latent: dimension of z.
        slope: of leaky ReLUs below 0.
        G_z: the encoder's rows; of the last one `encoder` chooses the channels.
        G_x: the decoder's rows.
        D_x, D_z, D_joint: the discriminator's rows on x, on z, and on both outputs side
            by side.
        batch: examples in a mini-batch.
        epochs: passes through the data.
        source: where the numbers come from, and which of them the table cannot mean.
        pieces: of maxouts.
        noise: numbers of noise that enter the encoder beside x.
        init_std: of all weights at the start; biases start at 0.
        betas: of Adam, as decay rates.
        lr: of Adam.
        embedding: numbers in the embedding of y, where there is a y: those of the
            conditional experiment, on CelebA.

    Example:
        >>> import torch
        >>> table, x, z = TABLES["svhn"], torch.rand(4, 3072), torch.randn(4, 256)
        >>> table.encoder(2 * table.latent)(x).shape, table.decoder()(z).shape
        (torch.Size([4, 512]), torch.Size([4, 3072]))
        >>> table.discriminator()(x, z).shape
        torch.Size([4])
    """

    name: str
    shape: tuple[int, ...]
    latent: int
    slope: float
    G_z: tuple[Layer, ...]
    G_x: tuple[Layer, ...]
    D_x: tuple[Layer, ...]
    D_z: tuple[Layer, ...]
    D_joint: tuple[Layer, ...]
    batch: int
    epochs: int
    source: str
    pieces: int = 1
    noise: int = 0
    init_std: float = 0.01
    betas: tuple[float, float] = (0.5, 0.999)
    lr: float = 1e-4
    embedding: int = 256

    @property
    def width(self) -> int:
        """Numbers in one example."""
        return math.prod(self.shape)

    @property
    def maps(self) -> tuple[int, int, int]:
        """Shape of one example as maps; those of a point have one pixel."""
        channels, height, width = (*self.shape, 1, 1)[:3]
        return channels, height, width

    def encoder(self, outputs: int, attributes: int = 0) -> nn.Module:
        """G_z: x, or (x, y), to (N, outputs).

        Args:
            outputs: 2 latent for `Gaussian` (mean and log std side by side), latent for
                `Deterministic` and `Noisy`.
            attributes: numbers in y, 0: there is no y. The embedding of y joins before
                the last layer.

        Returns:
            A module on x (N, C H W) or (N, C, H, W), and y (N, attributes). Where the
            table has `noise`, it takes noise (N, noise) after all others, as `Noisy`
            gives it.

        Departs:
            The embedding of y is the network's own, and learned. That of the authors'
            code is one for all three networks and among the weights of neither
            player, so that it stays as it was drawn.
        """
        channels, height, width = self.maps
        *hidden, last = self.G_z
        join = Join(attributes, self.embedding)
        inputs, between = channels + self.noise, hidden[-1].channels + join.width
        net: nn.Module = Encoder(
            (inputs, height, width),
            self._stack(hidden, inputs),
            join,
            self._stack([replace(last, channels=outputs)], between),
        )
        return init_normal_(NoiseAtInput(net) if self.noise else net, self.init_std)

    def decoder(self, attributes: int = 0) -> Decoder:
        """G_x: z, or (z, y), to x flat, (N, C H W).

        Args:
            attributes: numbers in y, 0: there is no y. The embedding of y joins z.

        Departs:
            See `encoder` of the embedding. The output's bias is 0 until
            `set_output_bias` is told the mean picture.
        """
        *hidden, last = self.G_x
        join = Join(attributes, self.embedding)
        net = Decoder(
            join,
            self._stack(hidden, self.latent + join.width),
            convolution(last, hidden[-1].channels, last.channels, bias=False),
            PixelBias(self.maps),
            nonlinearity(last.activation, self.slope, self.pieces),
        )
        init_normal_(net, self.init_std)
        return net

    def discriminator(self, outputs: int = 1, attributes: int = 0) -> nn.Module:
        """D(x, z), or D(x, z, y): logits, (N,) for one output, else (N, outputs).

        Where D(x) has batch normalization, it matters that `games.ALI` shows both kinds
        of pairs at once, as the authors do: the statistics are of both together.

        Args:
            outputs: K + 1 in semi-supervised learning with K classes.
            attributes: numbers in y, 0: there is no y. The embedding of y joins the
                outputs of D(x) and D(z).

        Departs:
            See `encoder` of the embedding.
        """
        *hidden, last = self.D_joint
        logits = replace(last, channels=outputs, activation="linear")
        join = Join(attributes, self.embedding)
        width = self.D_x[-1].channels if self.D_x else self.maps[0]
        width += self.D_z[-1].channels if self.D_z else self.latent
        net = PairDiscriminator(
            self.maps,
            self._stack(self.D_x, self.maps[0]),
            self._stack(self.D_z, self.latent),
            join,
            self._stack([*hidden, logits], width + join.width),
        )
        return init_normal_(net, self.init_std)

    def _stack(self, layers: Sequence[Layer], inputs: int) -> nn.Module:
        return stack(layers, inputs, self.slope, self.pieces)


CIFAR10 = Table(
    name="cifar10",
    shape=(3, 32, 32),
    latent=64,
    slope=0.1,
    pieces=2,
    G_z=(
        Layer("conv", 5, 1, 32, True, 0.0, "leaky"),
        Layer("conv", 4, 2, 64, True, 0.0, "leaky"),
        Layer("conv", 4, 1, 128, True, 0.0, "leaky"),
        Layer("conv", 4, 2, 256, True, 0.0, "leaky"),
        Layer("conv", 4, 1, 512, True, 0.0, "leaky"),
        Layer("conv", 1, 1, 512, True, 0.0, "leaky"),
        Layer("conv", 1, 1, 128, False, 0.0, "linear"),
    ),
    G_x=(
        Layer("transposed", 4, 1, 256, True, 0.0, "leaky"),
        Layer("transposed", 4, 2, 128, True, 0.0, "leaky"),
        Layer("transposed", 4, 1, 64, True, 0.0, "leaky"),
        Layer("transposed", 4, 2, 32, True, 0.0, "leaky"),
        Layer("transposed", 5, 1, 32, True, 0.0, "leaky"),
        Layer("conv", 1, 1, 32, True, 0.0, "leaky"),
        Layer("conv", 1, 1, 3, False, 0.0, "sigmoid"),
    ),
    D_x=(
        Layer("conv", 5, 1, 32, False, 0.2, "maxout"),
        Layer("conv", 4, 2, 64, False, 0.5, "maxout"),
        Layer("conv", 4, 1, 128, False, 0.5, "maxout"),
        Layer("conv", 4, 2, 256, False, 0.5, "maxout"),
        Layer("conv", 4, 1, 512, False, 0.5, "maxout"),
    ),
    D_z=(
        Layer("conv", 1, 1, 512, False, 0.2, "maxout"),
        Layer("conv", 1, 1, 512, False, 0.5, "maxout"),
    ),
    D_joint=(
        Layer("conv", 1, 1, 1024, False, 0.5, "maxout"),
        Layer("conv", 1, 1, 1024, False, 0.5, "maxout"),
        Layer("conv", 1, 1, 1, False, 0.5, "sigmoid"),
    ),
    batch=100,
    epochs=6475,
    source=(
        "Appendix A, table of CIFAR-10. The feature maps of a maxout are counted after "
        "it, as the table's 1024 inputs of D(x, z) say; the authors' code counts them "
        "before, so that D has half of them, and puts dropout of 0.5 before the second "
        "and fifth convolutions and the third maxout of D(x), not before every "
        "convolution but the first. The printed beta2 = 1e-3 is 1 minus the decay "
        "rate, an older convention of the library that the code is written with."
    ),
)

SVHN = Table(
    name="svhn",
    shape=(3, 32, 32),
    latent=256,
    slope=0.01,
    G_z=(
        *CIFAR10.G_z[:-1],
        Layer("conv", 1, 1, 512, False, 0.0, "linear"),
    ),
    G_x=CIFAR10.G_x,
    D_x=(
        Layer("conv", 5, 1, 32, False, 0.2, "leaky"),
        Layer("conv", 4, 2, 64, True, 0.2, "leaky"),
        Layer("conv", 4, 1, 128, True, 0.2, "leaky"),
        Layer("conv", 4, 2, 256, True, 0.2, "leaky"),
        Layer("conv", 4, 1, 512, True, 0.2, "leaky"),
    ),
    D_z=(
        Layer("conv", 1, 1, 512, False, 0.2, "leaky"),
        Layer("conv", 1, 1, 512, False, 0.2, "leaky"),
    ),
    D_joint=(
        Layer("conv", 1, 1, 1024, False, 0.2, "leaky"),
        Layer("conv", 1, 1, 1024, False, 0.2, "leaky"),
        Layer("conv", 1, 1, 1, False, 0.2, "sigmoid"),
    ),
    batch=100,
    epochs=100,
    source=(
        "Appendix A, table of SVHN, with which the authors' code agrees. Of beta2 see "
        "CIFAR-10."
    ),
)

CELEBA = Table(
    name="celeba",
    shape=(3, 64, 64),
    latent=256,
    slope=0.02,
    G_z=(
        Layer("conv", 2, 1, 64, True, 0.0, "leaky"),
        Layer("conv", 7, 2, 128, True, 0.0, "leaky"),
        Layer("conv", 5, 2, 256, True, 0.0, "leaky"),
        Layer("conv", 7, 2, 256, True, 0.0, "leaky"),
        Layer("conv", 4, 1, 512, True, 0.0, "leaky"),
        Layer("conv", 1, 1, 512, False, 0.0, "linear"),
    ),
    G_x=(
        Layer("transposed", 4, 1, 512, True, 0.0, "leaky"),
        Layer("transposed", 7, 2, 256, True, 0.0, "leaky"),
        Layer("transposed", 5, 2, 256, True, 0.0, "leaky"),
        Layer("transposed", 7, 2, 128, True, 0.0, "leaky"),
        Layer("transposed", 2, 1, 64, True, 0.0, "leaky"),
        Layer("conv", 1, 1, 3, False, 0.0, "sigmoid"),
    ),
    D_x=(
        Layer("conv", 2, 1, 64, True, 0.0, "leaky"),
        Layer("conv", 7, 2, 128, True, 0.0, "leaky"),
        Layer("conv", 5, 2, 256, True, 0.0, "leaky"),
        Layer("conv", 7, 2, 256, True, 0.0, "leaky"),
        Layer("conv", 4, 1, 512, True, 0.0, "leaky"),
    ),
    D_z=(
        Layer("conv", 1, 1, 1024, False, 0.2, "leaky"),
        Layer("conv", 1, 1, 1024, False, 0.2, "leaky"),
    ),
    D_joint=(
        Layer("conv", 1, 1, 2048, False, 0.2, "leaky"),
        Layer("conv", 1, 1, 2048, False, 0.2, "leaky"),
        Layer("conv", 1, 1, 1, False, 0.2, "sigmoid"),
    ),
    batch=100,
    epochs=123,
    source=(
        "Appendix A, table of CelebA. It prints 512 inputs of G_x(z) and D(z), which "
        "are the 512 outputs of G_z(x), mean and log std of 256 numbers: z has 256, as "
        "in the authors' code. It prints 1024 inputs of D(x, z), and 512 maps of D(x) "
        "beside 1024 of D(z) are 1536. It prints batch normalization on the first row "
        "of D(x) and no dropout there; the code has no such normalization and dropout "
        "of 0.2 at every convolution. beta2 is not printed; the library's default then "
        "was the 0.999 of now. The conditional experiment's code has mini-batches of "
        "128."
    ),
)

TINY_IMAGENET = Table(
    name="tiny-imagenet",
    shape=(3, 64, 64),
    latent=256,
    slope=0.01,
    G_z=(
        Layer("conv", 4, 2, 64, True, 0.0, "leaky"),
        Layer("conv", 4, 1, 64, True, 0.0, "leaky"),
        Layer("conv", 4, 2, 128, True, 0.0, "leaky"),
        Layer("conv", 4, 1, 128, True, 0.0, "leaky"),
        Layer("conv", 4, 2, 256, True, 0.0, "leaky"),
        Layer("conv", 4, 1, 256, True, 0.0, "leaky"),
        Layer("conv", 1, 1, 2048, True, 0.0, "leaky"),
        Layer("conv", 1, 1, 2048, True, 0.0, "leaky"),
        Layer("conv", 1, 1, 512, False, 0.0, "linear"),
    ),
    G_x=(
        Layer("conv", 1, 1, 2048, True, 0.0, "leaky"),
        Layer("conv", 1, 1, 256, True, 0.0, "leaky"),
        Layer("transposed", 4, 1, 256, True, 0.0, "leaky"),
        Layer("transposed", 4, 2, 128, True, 0.0, "leaky"),
        Layer("transposed", 4, 1, 128, True, 0.0, "leaky"),
        Layer("transposed", 4, 2, 64, True, 0.0, "leaky"),
        Layer("transposed", 4, 1, 64, True, 0.0, "leaky"),
        Layer("transposed", 4, 2, 64, True, 0.0, "leaky"),
        Layer("conv", 1, 1, 3, False, 0.0, "sigmoid"),
    ),
    D_x=(
        Layer("conv", 4, 2, 64, False, 0.2, "leaky"),
        Layer("conv", 4, 1, 64, True, 0.2, "leaky"),
        Layer("conv", 4, 2, 128, True, 0.2, "leaky"),
        Layer("conv", 4, 1, 128, True, 0.2, "leaky"),
        Layer("conv", 4, 2, 256, True, 0.2, "leaky"),
        Layer("conv", 4, 1, 256, True, 0.2, "leaky"),
    ),
    D_z=(
        Layer("conv", 1, 1, 2048, False, 0.2, "leaky"),
        Layer("conv", 1, 1, 2048, False, 0.2, "leaky"),
    ),
    D_joint=(
        Layer("conv", 1, 1, 4096, False, 0.2, "leaky"),
        Layer("conv", 1, 1, 4096, False, 0.2, "leaky"),
        Layer("conv", 1, 1, 1, False, 0.2, "sigmoid"),
    ),
    batch=128,
    epochs=125,
    source=(
        "Appendix A, table of Tiny ImageNet. The authors' code has 1000 epochs. Of "
        "beta2 see CIFAR-10."
    ),
)

MIXTURE = Table(
    name="mixture",
    shape=(2,),
    latent=2,
    slope=0.0,
    pieces=5,
    noise=2,
    G_z=(
        Layer("conv", 1, 1, 400, True, 0.0, "relu"),
        Layer("conv", 1, 1, 400, True, 0.0, "relu"),
        Layer("conv", 1, 1, 2, False, 0.0, "linear"),
    ),
    G_x=(
        Layer("conv", 1, 1, 400, True, 0.0, "relu"),
        Layer("conv", 1, 1, 400, True, 0.0, "relu"),
        Layer("conv", 1, 1, 400, True, 0.0, "relu"),
        Layer("conv", 1, 1, 400, True, 0.0, "relu"),
        Layer("conv", 1, 1, 2, False, 0.0, "linear"),
    ),
    D_x=(),
    D_z=(),
    D_joint=(
        Layer("conv", 1, 1, 200, False, 0.0, "maxout"),
        Layer("conv", 1, 1, 200, False, 0.0, "maxout"),
        Layer("conv", 1, 1, 200, False, 0.0, "maxout"),
        Layer("conv", 1, 1, 1, False, 0.0, "sigmoid"),
    ),
    batch=100,
    epochs=200,
    init_std=0.02,
    betas=(0.2, 0.999),
    source=(
        "The authors' code, experiments/ali_mixture.py, of the experiment on 25 "
        "Gaussians in the plane (sec. 4.5 of the paper, which has no table for it). "
        "The linear layers are convolutions of kernel 1 on one pixel. Adam's beta1 is "
        "written 0.8, which by the convention of CIFAR-10's beta2 is a decay rate of "
        "0.2. The code writes a dropout of D down and builds the model without it."
    ),
)

TABLES: Mapping[str, Table] = {
    table.name: table for table in (CIFAR10, SVHN, CELEBA, TINY_IMAGENET, MIXTURE)
}
"""The tables by name."""
