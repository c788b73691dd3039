"""The limit of the machine: a step's matrix products alone, each of its own shape, and
its optimizers' updates alone."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adv_ae.game import Game
from adv_ae.training import adam
from benchmarks.work import LR, Play, Tick, Work


@dataclass(frozen=True)
class Product:
    """One matrix product of a linear layer with W (outputs, inputs) on so many rows.

    Attributes:
        kind: `forward` x W^T, `dgrad` g W (the slope by x), `wgrad` g^T x (by W).
        rows, inputs, outputs: of the layer.
    """

    kind: str
    rows: int
    inputs: int
    outputs: int

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        return 2 * self.rows * self.inputs * self.outputs

    def operands(self, dtype: torch.dtype, device: str) -> tuple[Tensor, Tensor]:
        """Two factors, lying as the layer's tensors lie."""

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, device=device).to(dtype)

        x, W = (self.rows, self.inputs), (self.outputs, self.inputs)
        g = (self.rows, self.outputs)
        if self.kind == "forward":
            return normal(*x), normal(*W).t()
        if self.kind == "dgrad":
            return normal(*g), normal(*W)
        return normal(*g).t(), normal(*x)


def forward(net: nn.Module, rows: int) -> list[Product]:
    """The products of a perceptron's forward pass."""
    return [Product("forward", rows, i, o) for i, o in _layers(net)]


def backward(
    net: nn.Module, rows: int, weights: bool = True, inputs: bool = False
) -> list[Product]:
    """The products of its way back, by its weights, by what it is given, or both."""
    layers = _layers(net)
    by_weights = [Product("wgrad", rows, i, o) for i, o in layers if weights]
    by_inputs = [Product("dgrad", rows, i, o) for i, o in layers[0 if inputs else 1 :]]
    return by_weights + by_inputs


def _layers(net: nn.Module) -> list[tuple[int, int]]:
    linear = (m for m in net.modules() if isinstance(m, nn.Linear))
    return [(m.in_features, m.out_features) for m in linear]


def products(game: Game, n: int) -> list[Product]:
    """The products of one step of this game on n rows a stream; what D makes of real
    and fake is one product."""
    return PRODUCTS[type(game).__name__](game, n)


def _aae(game, n: int) -> list[Product]:
    q, p, D = game.q, game.p, game.D
    return [
        *(forward(q, n) + forward(p, n) + backward(p, n, inputs=True) + backward(q, n)),
        *(forward(q, n) + forward(D, 2 * n) + backward(D, 2 * n)),
        *(forward(D, n) + backward(D, n, weights=False, inputs=True) + backward(q, n)),
    ]


def _bigan(game, n: int) -> list[Product]:
    E, G, D = game.q, game.p, game.D
    return [
        *(forward(E, n) + forward(G, n) + forward(D, 2 * n)),
        *(backward(D, 2 * n) + backward(D, 2 * n, weights=False, inputs=True)),
        *(backward(E, n) + backward(G, n)),
    ]


def _semi_supervised(game, n: int) -> list[Product]:
    trunk, heads, p = game.q.trunk, (game.q.y, game.q.z), game.p
    encode = forward(trunk, n) + [m for head in heads for m in forward(head, n)]
    back = [m for head in heads for m in backward(head, n, inputs=True)]
    back += backward(trunk, n)
    told, confused = [], []
    for D in (game.D_y, game.D_z):
        told += forward(D, 2 * n) + backward(D, 2 * n)
        confused += forward(D, n) + backward(D, n, weights=False, inputs=True)
    return [
        *(encode + forward(p, n) + backward(p, n, inputs=True) + back),
        *(encode + told),
        *(confused + back),
        *(forward(trunk, n) + forward(game.q.y, n)),
        *(forward(game.q.z, n)),  # the head is not asked, but the trunk's call plays it
        *(backward(game.q.y, n, inputs=True) + backward(trunk, n)),
    ]


PRODUCTS = {"AAE": _aae, "BiGAN": _bigan, "SemiSupervisedAAE": _semi_supervised}


def limit(work: Work, precision: str, device: str) -> Play:
    """All products of the step, then one fused update of each optimizer, no more."""
    low = precision == "bfloat16"
    torch.set_float32_matmul_precision("highest" if low else precision)
    dtype = torch.bfloat16 if low else torch.float32
    game = work.game(device)
    listed = [m.operands(dtype, device) for m in products(game, work.batch)]
    factors = [(a, b, torch.empty(len(a), b.shape[1], dtype=dtype)) for a, b in listed]
    factors = [(a, b, out.to(device)) for a, b, out in factors]
    optimizers = adam(game, LR)
    for w in game.parameters():
        w.grad = 1e-3 * torch.randn_like(w)

    @torch.no_grad()
    def play(steps: int, tick: Tick) -> None:
        for _ in range(steps):
            for a, b, out in factors:
                torch.mm(a, b, out=out)
            for optimizer in optimizers.values():
                optimizer.step()
            tick({})

    return play
