"""Adversarially Learned Inference (Dumoulin et al., 2017; arXiv 1606.00704), all its
variants: each says which pairs D is shown, or what is learned beside."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution

from adv_ae.divergences import fake, real
from adv_ae.games.models import Bidirectional
from adv_ae.priors import OneHot, Prior

Pair = tuple[Tensor, ...]
Value = Callable[[Distribution], Tensor]


def _draw(d: Distribution) -> Tensor:
    return d.rsample()


def _mean(d: Distribution) -> Tensor:
    return d.mean


class ALI(Bidirectional):
    """min_{q,p} max_D E_q(x,z) log D(x, z) + E_p(x,z) log(1 - D(x, z)); encoder pairs
    are 'real'.

    q and p descend the value with the labels swapped, -E_q log(1 - D) - E_p log D: the
    same fixed points, a stronger gradient where D is sure (sec. 2.3). All move at once,
    from one forward pass (algorithm 1).

    Args:
        q: encoder; `Gaussian`, `Noisy`, or `Deterministic`.
        p: decoder with `rsample`; in all the authors' experiments `Deterministic`.
        prior: p(z).
        D: discriminator D(x, z), logits (N,).
    """

    players = {"D": ("D",), "G": ("q", "p")}

    def __init__(self, q: nn.Module, p: nn.Module, prior: Prior, D: nn.Module):
        super().__init__(q, p, prior)
        self.D = D

    def play(self, *batch: Tensor):
        on_q, on_p = self.judge(*self.pairs(*batch))
        yield {"D": real(on_q) + fake(on_p), "G": fake(on_q) + real(on_p)}

    def pairs(self, x: Tensor) -> tuple[Pair, Pair]:
        """Draws of the two joints, (x, z^) and (x~, z)."""
        z = self.prior.sample(len(x))  # z ~ p(z)
        z_hat = self.q(x).rsample()  # z^ ~ q(z|x)
        x_tilde = self.p(z).rsample()  # x~ ~ p(x|z)
        return (x, z_hat), (x_tilde, z)

    def judge(self, of_q: Pair, of_p: Pair) -> tuple[Tensor, Tensor]:
        """D's logits on both pairs, by one call: batch norm in D sees both at once, as
        in the authors' code."""
        both = (torch.cat(sides) for sides in zip(of_q, of_p, strict=True))
        on_q, on_p = self.D(*both).chunk(2)
        return on_q, on_p


class ALICE(ALI):
    """ALI + weight * E_q(x,z) 1/2 ||x - x^||^2, x^ ~ p(x|z): the code has to give x
    back.

    Equal joints do not ask for that where q and p are stochastic: z independent of x
    solves ALI's game, too. Up to a constant the cost is -E_q log N(x; x^, I), which
    bounds the conditional entropy H(x|z) under q from above; it is zero where the
    coupling is one to one.

    Args:
        q, p, prior, D: as in `ALI`.
        weight: of the cost, whose squares are summed over pixels.

    References:
        Li et al., ALICE: Towards Understanding Adversarial Learning for Joint
        Distribution Matching, 2017, https://arxiv.org/abs/1709.01215, sec. 3
        (explicit cycle-consistency).
    """

    def __init__(
        self,
        q: nn.Module,
        p: nn.Module,
        prior: Prior,
        D: nn.Module,
        weight: float = 1.0,
    ):
        super().__init__(q, p, prior, D)
        self.weight = weight

    def play(self, x: Tensor):
        pairs = self.pairs(x)
        on_q, on_p = self.judge(*pairs)
        (_, z_hat), _ = pairs
        x_hat = self.p(z_hat).rsample()
        cycle = (x - x_hat).square().flatten(1).sum(1).mean() / 2
        G = fake(on_q) + real(on_p) + self.weight * cycle
        yield {"D": real(on_q) + fake(on_p), "G": G}


class ConditionalALI(ALI):
    """ALI given y: q(z|x, y), p(x|z, y) and D(x, z, y); y belongs to both pairs.

    Args:
        q: encoder q(z|x, y).
        p: decoder p(x|z, y).
        prior_y: p(y) over rows (N, A), which `sample` draws from: `OneHot` for
            classes, `Empirical` for attributes.
        prior: p(z).
        D: discriminator D(x, z, y), logits (N,).

    y is (N, A) of any numbers, such as CelebA's 40 binary attributes, or (N,) of
    labels, which become one-hot rows.

    References:
        Sec. 4.4 (conditional generation).
    """

    def __init__(
        self,
        q: nn.Module,
        p: nn.Module,
        prior_y: Prior,
        prior: Prior,
        D: nn.Module,
    ):
        super().__init__(q, p, prior, D)
        self.prior_y = prior_y

    def pairs(self, x: Tensor, y: Tensor) -> tuple[Pair, Pair]:
        """(x, z^, y) and (x~, z, y)."""
        y = self.rows(y)
        z = self.prior.sample(len(x))
        z_hat = self.q(x, y).rsample()
        x_tilde = self.p(z, y).rsample()
        return (x, z_hat, y), (x_tilde, z, y)

    def rows(self, y: Tensor) -> Tensor:
        """y as rows, (N, A)."""
        if y.dim() > 1:
            return y
        if not isinstance(self.prior_y, OneHot):
            raise ValueError(
                f"y must be rows (N, {self.prior_y.dim}); labels (N,) become one-hot "
                "only where prior_y is priors.OneHot."
            )
        return self.prior_y.one_hot(y)

    @torch.no_grad()
    def encode(self, x: Tensor, y: Tensor) -> Tensor:
        """Mean of q(z|x, y), (N, d)."""
        return self.q(x, self.rows(y)).mean

    @torch.no_grad()
    def codes(self, x: Tensor, y: Tensor) -> Tensor:
        """One draw of q(z|x, y) per row."""
        return self.q(x, self.rows(y)).sample()

    @torch.no_grad()
    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Mean of p(x|z, y), (N, ...); y None: drawn from p(y)."""
        y = self.prior_y.sample(len(z)) if y is None else self.rows(y)
        return self.p(z, y).mean

    @torch.no_grad()
    def reconstruct(self, x: Tensor, y: Tensor, other: Tensor | None = None) -> Tensor:
        """Mean of p(x|z, y) at the mean code of x; with `other` in the place of y, x
        with other attributes."""
        return self.decode(self.encode(x, y), y if other is None else other)


class HierarchicalALI(ALI):
    """ALI with codes z_1 .. z_L, of any number L:

    q(x) q(z_1|x) q(z_2|x, z_1) .. against p(z_L) p(z_(L-1)|z_L) .. p(x|z_1 .. z_L).

    Args:
        q: L conditionals, from the bottom: q[l] is given (x, z_1, .. z_l) and makes
            z_(l+1). A Markov chain is a conditional that uses the last of them alone.
        p: L conditionals, from the bottom: p[l] is given (z_(l+1), .. z_L) and makes
            z_l, where z_0 is x.
        prior: p(z_L).
        D: discriminator D(x, z_1, .. z_L), logits (N,).

    References:
        Dumoulin et al., arXiv 1606.00704v1, "Dealing with multiple stochastic layers";
        the final paper leaves it out, and there is no experiment in either.
    """

    q: nn.ModuleList
    p: nn.ModuleList

    def __init__(
        self, q: Sequence[nn.Module], p: Sequence[nn.Module], prior: Prior, D: nn.Module
    ):
        if not len(q) == len(p) > 0:
            raise ValueError(
                f"as many layers in q as in p are wanted, not {len(q)} and {len(p)}; "
                "at least one."
            )
        super().__init__(nn.ModuleList(q), nn.ModuleList(p), prior, D)

    def pairs(self, x: Tensor) -> tuple[Pair, Pair]:
        """(x, z^_1, .. z^_L) and (x~, z_1, .. z_L)."""
        z = self.prior.sample(len(x))
        return self.infer(x), self.generate(z)

    def infer(self, x: Tensor, value: Value = _draw) -> Pair:
        """(x, z_1, .. z_L), bottom-up: of each q its draw, or another `value`."""
        known: Pair = (x,)
        for q in self.q:
            known = (*known, value(q(*known)))
        return known

    def generate(self, z: Tensor, value: Value = _draw) -> Pair:
        """(x, z_1, .. z_L), top-down from z_L: of each p its draw, or another
        `value`."""
        known: Pair = (z,)
        for p in reversed(self.p):
            known = (value(p(*known)), *known)
        return known

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Mean of q(z_L|x, ..), (N, d), the codes below at their means."""
        return self.infer(x, _mean)[-1]

    @torch.no_grad()
    def codes(self, x: Tensor) -> Tensor:
        """One draw of z_L per x."""
        return self.infer(x)[-1]

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """Mean of p(x|z_1 .. z_L), (N, ...), given z_L and draws of the codes below."""
        _, *below = self.generate(z)
        return self.p[0](*below).mean

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """Mean of p(x|z_1 .. z_L) at the means of all codes of x."""
        _, *codes = self.infer(x, _mean)
        return self.p[0](*codes).mean


class SemiSupervisedALI(ALI):
    """ALI whose D has K + 1 outputs: the classes of encoder pairs, and 'from p'.

    D calls a pair of q any of the K classes, a pair of p the last one, and a labelled
    pair of q its class. With logits l, log odds of 'from q' are log sum_{k<K} e^(l_k)
    - l_K.

    Args:
        q, p, prior: as in `ALI`.
        D: discriminator D(x, z), logits (N, K + 1).

    References:
        Sec. 4.3, after Salimans et al., Improved Techniques for Training GANs, 2016,
        https://arxiv.org/abs/1606.03498, sec. 5.

    Departs: the authors did not publish this part of their code. As in Salimans et
    al. the label's cross-entropy is that of p(y | pair, from q), over K classes; what
    is not from q is the game's own business.
    """

    def play(self, x: Tensor, x_labelled: Tensor, y_labelled: Tensor):
        """y_labelled: (M,) labels 0 .. K - 1 of x_labelled."""
        classes = self.classes(x_labelled, self.q(x_labelled).rsample())
        for turn in super().play(x):
            yield turn | {"D": turn["D"] + F.cross_entropy(classes, y_labelled)}

    def judge(self, of_q: Pair, of_p: Pair) -> tuple[Tensor, Tensor]:
        """Log odds that a pair is from q, of both."""
        return tuple(  # type: ignore[return-value]
            logits[:, :-1].logsumexp(1) - logits[:, -1]
            for logits in super().judge(of_q, of_p)
        )

    def classes(self, x: Tensor, z: Tensor) -> Tensor:
        """Logits of the K classes, (N, K)."""
        return self.D(x, z)[:, :-1]

    @torch.no_grad()
    def classify(self, x: Tensor) -> Tensor:
        """D(y | x, z), probabilities (N, K), at the mean code of x."""
        return self.classes(x, self.encode(x)).softmax(1)
