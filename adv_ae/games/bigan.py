"""Adversarial Feature Learning (Donahue, Kraehenbuehl, Darrell, 2017; arXiv
1605.09782)."""

from torch import Tensor, nn

from adv_ae.games.ali import ALI
from adv_ae.priors import Prior


class BiGAN(ALI):
    """ALI with deterministic maps E and G: V(D, E, G) = E log D(x, E(x)) + E log(1 -
    D(G(z), z)).

    The game is ALI's own (they were found at the same time); here q(z|x) and p(x|z)
    are point masses at E(x) and G(z) (sec. 3). E and G descend the inverse objective,
    with D's labels swapped, and all three move at once (sec. 3.4).

    Args:
        E: encoder, `conditionals.Deterministic`; also known as `q`.
        G: generator, `conditionals.Deterministic`; also known as `p`.
        prior: p(z), U[-1, 1]^50 in the paper's MNIST experiment.
        D: discriminator D(x, z), logits (N,).
    """

    def __init__(self, E: nn.Module, G: nn.Module, prior: Prior, D: nn.Module):
        super().__init__(E, G, prior, D)

    def E(self, x: Tensor) -> Tensor:
        """E(x), (N, d)."""
        return self.q(x).rsample()

    def G(self, z: Tensor) -> Tensor:
        """G(z), (N, ...)."""
        return self.p(z).rsample()
