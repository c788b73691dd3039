"""Checkers of the exercises of chapter 07, Few labels, no labels, two dimensions.

Each tests properties or closed forms, on inputs of its own: no seed matters.
"""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from adv_ae.check import CheckError, equal
from adv_ae.conditionals import Categorical, Deterministic, FixedScaleGaussian, TwoHeads
from adv_ae.divergences import fake, real
from adv_ae.game import step
from adv_ae.games.aae import ClusteringAAE, head_cost
from adv_ae.networks import MLP, Discriminator
from adv_ae.priors import Normal, OneHot


def exercise_1(least_error: Callable[[Tensor], float]) -> None:
    """The smallest error of a classifier whose answers are even, on uneven classes.

    Args:
        least_error: maps the shares of the classes (K,), summing to 1, to an error.

    Raises:
        CheckError: it does not.
    """
    for shares in ([0.25] * 4, [0.9, 0.1], [0.4, 0.4, 0.1, 0.1], [1.0, 0, 0, 0]):
        pi = torch.tensor(shares, dtype=torch.float64)
        gaps = (pi - 1 / len(pi)).abs()
        got, want = float(least_error(pi)), float(gaps.sum() / 2)
        if want > 0 and math.isclose(got, 2 * want):
            raise CheckError(
                "Twice too much: a picture that leaves one class arrives in another, "
                "and is wrong once."
            )
        if not math.isclose(got, want) and math.isclose(got, float(gaps.max())):
            raise CheckError("Add up all classes that are too large, not one.")
        hint = "A class with more than 1 / K of the pictures must give the rest away."
        equal(f"shares {shares}", got, want, 1e-9, hint)


def exercise_2(pushes: Callable[[Tensor, float], Tensor]) -> None:
    """The direction in which the head cost moves every head: minus its gradient.

    Args:
        pushes: maps heads W (K, n) and eta to (K, n).

    Raises:
        CheckError: it does not.
    """
    generator = torch.Generator().manual_seed(0)
    for k, n, eta in ((2, 2, 3.0), (6, 2, 1.5), (5, 3, 2.0)):
        W = torch.randn(k, n, generator=generator, dtype=torch.float64)
        leaf = W.clone().requires_grad_()
        want = -torch.autograd.grad(head_cost(leaf, eta), leaf)[0]
        got = torch.as_tensor(pushes(W.clone(), eta))
        if got.shape == want.shape and not torch.allclose(got, want):
            _hint_pushes(W, eta, got, want)
        hint = "A unit push away from each head that is nearer than eta, no other."
        equal(f"{k} heads in {n} dimensions", got, want, 1e-6, hint)
    far = torch.tensor([[0.0, 0.0], [10.0, 0.0]])
    equal("heads beyond eta stay", pushes(far, 4.0), torch.zeros(2, 2))


def _hint_pushes(W: Tensor, eta: float, got: Tensor, want: Tensor) -> None:
    """Raise for the mistakes that we know."""
    if torch.allclose(got, -want):
        raise CheckError("The other way: heads that are too near move *apart*.")
    if torch.allclose(got, 2 * want):
        raise CheckError("Each pair counts once in the cost: that is twice as much.")
    between = W[:, None] - W[None]
    distance = between.norm(dim=2, keepdim=True)
    if torch.allclose(got, ((distance < eta) * between).sum(1)):
        raise CheckError(
            "Pushes of the length of the gap; the cost is linear, so they have length "
            "1: divide by the distance."
        )
    if torch.allclose(got, (between / distance.clamp_min(1e-12)).sum(1)):
        raise CheckError("Heads at eta or farther cost nothing and do not push.")


def exercise_3(floor: Callable[[int], float]) -> None:
    """The lowest cross-entropy that a softmax of a softmax can reach.

    Args:
        floor: maps the number of classes K to nats.

    Raises:
        CheckError: it does not.

    Example:
        >>> import math
        >>> exercise_3(lambda K: math.log(math.e + K - 1) - 1)
        [ok] 3 classes: equal within 1e-06
        [ok] 10 classes: equal within 1e-06
        [ok] 1000 classes: equal within 1e-06
    """
    for k in (3, 10, 1000):
        perfect = torch.zeros(1, k, dtype=torch.float64)
        perfect[0, 0] = 1  # the first softmax, sure and right
        want = -perfect.log_softmax(1)[0, 0].item()
        got = float(floor(k))
        if got == 0:
            raise CheckError("Zero is the floor of one softmax; there are two.")
        if math.isclose(got, math.log(k)):
            raise CheckError("log K is what an undecided answer costs, not the least.")
        if math.isclose(got, math.log(1 + (k - 1) * math.e)):
            raise CheckError("That is the worst: the first softmax sure and *wrong*.")
        hint = (
            "The second softmax sees entries between 0 and 1: take 1 and K - 1 zeros."
        )
        equal(f"{k} classes", got, want, hint=hint)


def exercise_4(noise: Callable[[float, int], float]) -> None:
    """The standard deviation of style noise that leaves the style so many nats.

    Args:
        noise: maps nats and the number of dimensions to a standard deviation.

    Raises:
        CheckError: it does not.

    Example:
        >>> import math
        >>> exercise_4(lambda nats, n: math.exp(-nats / n))
        [ok] noise for given nats: equal within 1e-06
    """
    cases = ((0.5, 2), (1.0, 1), (3.0, 5), (0.0, 4))
    got = [float(noise(nats, n)) for nats, n in cases]
    want = [math.exp(-nats / n) for nats, n in cases]

    def is_(other: list[float]) -> bool:
        return all(math.isclose(g, o) for g, o in zip(got, other, strict=True))

    if is_([w * w for w in want]):
        raise CheckError("That is the variance; the standard deviation is asked.")
    if is_([math.exp(-nats) for nats, _ in cases]):
        raise CheckError("The nats are of all n dimensions together.")
    if is_([1 / w for w in want]):
        raise CheckError("More nats want less noise: mind the sign.")
    hint = "I = -n log s for a variance of 1 in all."
    equal("noise for given nats", got, want, hint=hint)


def exercise_5(
    pairs: Callable[[int, int, int], Iterable[tuple[Tensor, Tensor]]],
) -> None:
    """One epoch of a long stream beside a short one that is cycled.

    Args:
        pairs: maps the two lengths and the batch size to batches of rows of both.

    Raises:
        CheckError: it does not.
    """
    long, short, size = 1000, 70, 20
    batches = list(pairs(long, short, size))
    if len(batches) == short // size:
        raise CheckError(
            f"Only {len(batches)} batches: the epoch ends with the short stream. That "
            "is zip's doing; the unlabeled rows behind it are never seen."
        )
    if len(batches) != long // size:
        raise CheckError(f"{long // size} batches are wanted, not {len(batches)}.")
    first, second = (torch.stack(list(rows)) for rows in zip(*batches, strict=True))
    if first.shape[1] != size or second.shape[1] != size:
        raise CheckError(f"Every batch has {size} rows of each stream.")
    equal("every row of the long stream once", first.flatten().sort()[0], range(long))
    if second.min() < 0 or second.max() >= short:
        raise CheckError("Rows of the short stream are 0 .. short - 1.")
    times = second.flatten().bincount(minlength=short)
    even = len(batches) * size / short
    if times.max() > 1.5 * even or times.min() < 0.5 * even:
        raise CheckError(
            f"Rows of the short stream come {int(times.min())} to {int(times.max())} "
            f"times; about {even:.1f} times each are wanted: pass through all of them "
            "before you begin again."
        )
    print("[ok] rows of the short stream come about equally often")
    for period in (short, short // size * size):  # with or without what is left over
        one, two = second.flatten()[: 2 * period].split(period)
        if torch.equal(one, two):
            raise CheckError("The same order in each pass: shuffle the short one anew.")
    if torch.equal(first.flatten(), torch.arange(long)):
        raise CheckError("Shuffle the long stream, too.")
    print("[ok] both are shuffled")


class _Seen(Discriminator):
    """D(y, z) that keeps what it is shown, and what it says."""

    def __init__(self) -> None:
        super().__init__(5, 8)
        self.seen: list[tuple[tuple[Tensor, ...], Tensor]] = []

    def forward(self, *given: Tensor) -> Tensor:
        if len(given) != 2 or [g.shape[1] for g in given] != [3, 2]:
            raise CheckError(
                "D is shown pairs: D(y, z), y (N, 3) first, then z (N, 2)."
            )
        said = super().forward(*given)
        self.seen.append((tuple(g.detach().clone() for g in given), said))
        return said


def exercise_6(Game: Callable[..., ClusteringAAE]) -> None:
    """Clustering with one discriminator of pairs (y, z).

    Args:
        Game: made as `Game(q, p, prior_y, prior, D)`.

    Raises:
        CheckError: turns, pairs or losses are not as asked.
    """
    trunk = MLP(6, 8, last=nn.ReLU())
    q = TwoHeads(trunk, Categorical(MLP(8, 3)), Deterministic(MLP(8, 2)))
    D = _Seen()
    p = FixedScaleGaussian(MLP(5, 8, 6))
    game = Game(q, p, OneHot(3), Normal(2), D)
    x = torch.linspace(0, 1, 60).view(10, 6)
    turns = [list(turn) for turn in game.play(x)]
    if turns != [["reconstruction"], ["D"], ["G"]]:
        raise CheckError(f"The turns are {turns}; wanted: reconstruction, D, G.")
    print("[ok] turns: reconstruction, D, G")
    D.seen.clear()
    losses = game.losses(x)
    y_hat, z_hat = (out.mean for out in q(x))
    reals = [s for s in D.seen if _one_hot(s[0][0])]
    fakes = [s for s in D.seen if torch.allclose(s[0][0], y_hat, atol=1e-6)]
    if not reals:
        raise CheckError(
            "No pair has a one-hot y: the real ones are draws of Cat(1/K)."
        )
    if not fakes:
        raise CheckError("No pair has q's softmax vector: the fake ones are (y^, z^).")
    for pair, _ in reals:
        if torch.allclose(pair[1], z_hat, atol=1e-6):
            raise CheckError("A real pair with z^ in it: draw z from its prior.")
    for pair, _ in fakes:
        if not torch.allclose(pair[1], z_hat, atol=1e-6):
            raise CheckError("In a fake pair y^ and z^ come from the *same* x.")
    on_real, on_fake = reals[0][1], fakes[0][1]
    hint = "Real: the priors. Fake: the encoder's pair."
    equal("D's loss", losses["D"], real(on_real) + fake(on_fake), 1e-5, hint)
    hint = "Non-saturating, as everywhere: -E log D on the encoder's pairs."
    equal("the encoder's loss", losses["G"], real(on_fake), 1e-5, hint)
    step(game, {k: torch.optim.SGD(game.weights(k), 0.1) for k in game.players}, x)
    named = {id(w) for w in D.parameters()}
    if {id(w) for w in game.weights("D")} != named:
        raise CheckError("Player D moves the discriminator of pairs, and no other.")
    print("[ok] each player moves its own")


def _one_hot(y: Tensor) -> bool:
    return bool(((y == 0) | (y == 1)).all() and (y.sum(1) == 1).all())
