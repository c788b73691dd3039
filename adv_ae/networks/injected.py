"""The permutation-invariant networks of BiGAN's MNIST experiment."""

from torch import Tensor, nn

from adv_ae.networks.mlp import init_normal_


class Injected(nn.Module):
    """h1 = f(A u), h2 = f(BN(B h1 + C z)), output O h2; no biases.

    A second argument z is projected and added before the second nonlinearity ("at each
    later linear layer"), in the place of a concatenation at the input.

    Args:
        width: of u.
        hidden: width of both hidden layers, 1024 in the paper.
        outputs: width of the output.
        injected: dimension of z; 0: there is none.
        activation: f.
        first_norm: batch normalization of A u, too.
        last: module on the output.
    """

    def __init__(
        self,
        width: int,
        hidden: int,
        outputs: int,
        injected: int,
        activation: nn.Module,
        first_norm: bool = False,
        last: nn.Module | None = None,
    ):
        super().__init__()
        self.first = nn.Sequential(
            nn.Linear(width, hidden, bias=False),
            *([_norm(hidden)] if first_norm else []),
            activation,
        )
        self.second = nn.Linear(hidden, hidden, bias=False)
        self.projection = nn.Linear(injected, hidden, bias=False) if injected else None
        self.rest = nn.Sequential(
            _norm(hidden),
            activation,
            nn.Linear(hidden, outputs, bias=False),
            *([last] if last is not None else []),
        )
        init_normal_(self, 0.02)

    def forward(self, u: Tensor, z: Tensor | None = None) -> Tensor:
        h = self.second(self.first(u.flatten(1)))
        if self.projection is not None:
            h = h + self.projection(u if z is None else z)
        return self.rest(h)


def _norm(width: int) -> nn.Module:
    return nn.BatchNorm1d(width, affine=False)  # no gain, no bias: authors' code


def bigan_encoder(width: int, latent: int, hidden: int = 1024) -> Injected:
    """x -> what E(x) = 2 sigmoid(.) - 1 is made of, (N, latent).

    Leaky ReLU of slope 0.2, batch norm before the second one only. The features that
    the paper's table compares are the second hidden layer.

    References:
        Donahue et al. (2017), sec. 4.2 and the authors' code, train_mnist.sh.
    """
    return Injected(width, hidden, latent, 0, nn.LeakyReLU(0.2))


def bigan_generator(latent: int, width: int, hidden: int = 1024) -> Injected:
    """z -> pixels in (0, 1), (N, width); z is injected again at the second layer."""
    f, last = nn.ReLU(), nn.Sigmoid()
    return Injected(latent, hidden, width, latent, f, first_norm=True, last=last)


class InjectedDiscriminator(Injected):
    """D(x) or D(x, z), logits (N,); its output begins at zero, so that D says 1/2.

    Args:
        width: of x.
        latent: dimension of z; 0: of a discriminator of x alone.
        hidden: width of both hidden layers.
    """

    def __init__(self, width: int, latent: int, hidden: int = 1024):
        super().__init__(width, hidden, 1, latent, nn.LeakyReLU(0.2))
        nn.init.zeros_(self.rest[-1].weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        return super().forward(x, z).squeeze(1)


__all__ = [
    "Injected",
    "InjectedDiscriminator",
    "bigan_encoder",
    "bigan_generator",
]
