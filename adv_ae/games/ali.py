"""Adversarially Learned Inference (Dumoulin et al., 2017; arXiv 1606.00704)."""

from torch import Tensor, nn

from adv_ae.divergences import fake, real
from adv_ae.games.models import Bidirectional
from adv_ae.priors import Prior


class ALI(Bidirectional):
    """min_{q,p} max_D E_q(x,z) log D(x, z) + E_p(x,z) log(1 - D(x, z)); encoder pairs
    are 'real'.

    q and p descend the value with the labels swapped: the same fixed points, a
    stronger gradient where D is sure (sec. 2.2). All move at once, from one forward
    pass (algorithm 1).

    Args:
        q: encoder; `Gaussian`, or `Noisy`.
        p: decoder with `rsample`; in all the authors' experiments `Deterministic`.
        prior: p(z).
        D: discriminator D(x, z), logits (N,).
    """

    players = {"D": ("D",), "G": ("q", "p")}

    def __init__(self, q: nn.Module, p: nn.Module, prior: Prior, D: nn.Module):
        super().__init__(q, p, prior)
        self.D = D

    def play(self, x: Tensor):
        z = self.prior.sample(len(x))  # z ~ p(z)
        z_hat = self.q(x).rsample()  # z^ ~ q(z|x)
        x_tilde = self.p(z).rsample()  # x~ ~ p(x|z)
        on_q, on_p = self.D(x, z_hat), self.D(x_tilde, z)
        yield {"D": real(on_q) + fake(on_p), "G": fake(on_q) + real(on_p)}
