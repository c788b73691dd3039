"""The bare floor: forward and backward passes written out by hand on resident tensors,
without an engine and without autograd; both halves of D in one product."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adv_ae.training import adam
from benchmarks.work import LR, Play, Tick, Work, batches

_relu_back = torch.ops.aten.threshold_backward


def floor(work: Work, precision: str, device: str) -> Play:
    """The step of this work by hand; at bfloat16 products and what lies between them
    are bfloat16, weights and optimizers float32."""
    low = precision == "bfloat16"
    torch.set_float32_matmul_precision("highest" if low else precision)
    game, streams = work.game(device), work.streams(device)
    optimizers = adam(game, LR)
    dtype = torch.bfloat16 if low else torch.get_default_dtype()
    step = STEPS[type(game).__name__](game, optimizers, dtype)
    drawn = batches(streams, work.batch)

    @torch.no_grad()
    def play(steps: int, tick: Tick) -> None:
        for _ in range(steps):
            tick(step(*next(drawn)))

    return play


class Perceptron:
    """h_0 = x, h_i = relu(W_i h_(i-1) + b_i), the last layer linear.

    Args:
        net: whose linear layers are played; its weights are what moves.
        dtype: of products and activations.
        rectified: the last layer has a ReLU, too.
    """

    def __init__(self, net: nn.Module, dtype: torch.dtype, rectified: bool = False):
        self.weights = list(net.parameters())
        self.dtype, self.rectified = dtype, rectified
        self.depth = len(self.weights) // 2

    def forward(self, x: Tensor) -> Tensor:
        """The output, as exact as x; what the way back needs is kept."""
        cast = [w.to(self.dtype) for w in self.weights]
        self.W, self.h = cast[::2], [x.to(self.dtype)]
        for i, (W, b) in enumerate(zip(self.W, cast[1::2], strict=True), 1):
            h = torch.addmm(b, self.h[-1], W.t())
            self.h.append(h.relu_() if i < self.depth or self.rectified else h)
        return self.h[-1].to(x.dtype)

    def weight_slopes(self, g: Tensor) -> list[Tensor]:
        """g = dL/d output to dL/d weights, in their order."""
        return self._back(g, weights=True)[0]

    def input_slope(self, g: Tensor) -> Tensor:
        """g to dL/dx."""
        return self._back(g, inputs=True)[1]

    def both_slopes(self, g: Tensor) -> tuple[list[Tensor], Tensor]:
        """g to dL/d weights and dL/dx."""
        return self._back(g, weights=True, inputs=True)

    def _back(self, g: Tensor, weights: bool = False, inputs: bool = False):
        exact, g, slopes = g.dtype, g.to(self.dtype), []
        for i in reversed(range(self.depth)):
            if i + 1 < self.depth or self.rectified:
                g = _relu_back(g, self.h[i + 1], 0)
            if weights:
                slopes += [g.sum(0).to(exact), (g.t() @ self.h[i]).to(exact)]
            if i > 0 or inputs:
                g = g @ self.W[i]
        return slopes[::-1], g.to(exact)


def _move(
    optimizer: torch.optim.Optimizer, weights: list[nn.Parameter], slopes: list[Tensor]
) -> None:
    for w, slope in zip(weights, slopes, strict=True):
        w.grad = slope
    optimizer.step()


def _pixels(logits: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy summed over pixels, mean over examples, and its slope."""
    loss = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
    return loss, (logits.sigmoid() - x) / len(x)


def _real(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of -log sigmoid(l), and its slope -sigmoid(-l) / N."""
    return F.softplus(-logits).mean(), (-logits).sigmoid() / -len(logits)


def _fake(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of -log(1 - sigmoid(l)), and its slope sigmoid(l) / N."""
    return F.softplus(logits).mean(), logits.sigmoid() / len(logits)


def _on_halves(D: Perceptron, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """D's logits on both, by one product a layer."""
    a, b = D.forward(torch.cat([first, second])).chunk(2)
    return a, b


def _tell(D: Perceptron, real: Tensor, fake: Tensor) -> tuple[Tensor, list[Tensor]]:
    """D's loss, and its slopes by D's weights."""
    on_real, on_fake = _on_halves(D, real, fake)
    (a, slope_a), (b, slope_b) = _real(on_real), _fake(on_fake)
    return a + b, D.weight_slopes(torch.cat([slope_a, slope_b]))


def _confuse(D: Perceptron, fake: Tensor) -> tuple[Tensor, Tensor]:
    """The loss of who made the fakes, and its slope by them."""
    loss, slope = _real(D.forward(fake))
    return loss, D.input_slope(slope)


def _aae(game, optimizers, dtype: torch.dtype):
    q, p, D = (Perceptron(net, dtype) for net in (game.q, game.p, game.D))
    dim = game.prior.dim

    def step(x: Tensor) -> dict[str, Tensor]:
        reconstruction, g = _pixels(p.forward(q.forward(x)), x)
        of_p, g = p.both_slopes(g)
        of_q = q.weight_slopes(g)
        _move(optimizers["reconstruction"], q.weights + p.weights, of_q + of_p)

        z, z_hat = torch.randn(len(x), dim, device=x.device), q.forward(x)
        on_D, slopes = _tell(D, z, z_hat)
        _move(optimizers["D"], D.weights, slopes)

        on_G, g = _confuse(D, z_hat)
        _move(optimizers["G"], q.weights, q.weight_slopes(g))
        return {"reconstruction": reconstruction, "D": on_D, "G": on_G}

    return step


def _bigan(game, optimizers, dtype: torch.dtype):
    E, G, D = (Perceptron(net, dtype) for net in (game.q, game.p, game.D))
    dim = game.prior.dim

    def step(x: Tensor) -> dict[str, Tensor]:
        n, width = x.shape
        z = 2 * torch.rand(n, dim, device=x.device) - 1
        x_tilde = G.forward(z).sigmoid()
        of_E, of_G = torch.cat([x, E.forward(x)], 1), torch.cat([x_tilde, z], 1)
        on_E, on_G = _on_halves(D, of_E, of_G)
        (a, slope_a), (b, slope_b) = _real(on_E), _fake(on_G)
        (c, slope_c), (d, slope_d) = _fake(on_E), _real(on_G)
        of_D = D.weight_slopes(torch.cat([slope_a, slope_b]))
        g = D.input_slope(torch.cat([slope_c, slope_d]))
        g_z, g_x = g[:n, width:], g[n:, :width] * x_tilde * (1 - x_tilde)
        slopes = E.weight_slopes(g_z) + G.weight_slopes(g_x)
        _move(optimizers["D"], D.weights, of_D)
        _move(optimizers["G"], E.weights + G.weights, slopes)
        return {"D": a + b, "G": c + d}

    return step


def _semi_supervised(game, optimizers, dtype: torch.dtype):
    trunk = Perceptron(game.q.trunk, dtype, rectified=True)
    head_y, head_z = Perceptron(game.q.y, dtype), Perceptron(game.q.z, dtype)
    p, D_y, D_z = (Perceptron(net, dtype) for net in (game.p, game.D_y, game.D_z))
    eye, k, dim = game.prior_y.eye, game.prior_y.k, game.prior.dim
    q_y = trunk.weights + head_y.weights
    q = q_y + head_z.weights

    def encode(x: Tensor) -> tuple[Tensor, Tensor]:
        h = trunk.forward(x)
        return head_y.forward(h).softmax(1), head_z.forward(h)

    def q_slopes(y: Tensor, g_y: Tensor, g_z: Tensor) -> list[Tensor]:
        """Slopes by q's weights, given those by softmax y and z."""
        g_y = y * (g_y - (g_y * y).sum(1, keepdim=True))
        of_y, g_h = head_y.both_slopes(g_y)
        of_z, g_h_too = head_z.both_slopes(g_z)
        return trunk.weight_slopes(g_h + g_h_too) + of_y + of_z

    def step(x: Tensor, x_labelled: Tensor, y_labelled: Tensor) -> dict[str, Tensor]:
        n, y_z = len(x), encode(x)
        reconstruction, g = _pixels(p.forward(torch.cat(y_z, 1)), x)
        of_p, g = p.both_slopes(g)
        of_q = q_slopes(y_z[0], *g.split([k, dim], 1))
        _move(optimizers["reconstruction"], q + p.weights, of_q + of_p)

        y = eye[torch.randint(k, (n,), device=x.device)]
        z, (y_hat, z_hat) = torch.randn(n, dim, device=x.device), encode(x)
        on_y, of_D_y = _tell(D_y, y, y_hat)
        on_z, of_D_z = _tell(D_z, z, z_hat)
        _move(optimizers["D"], D_y.weights + D_z.weights, of_D_y + of_D_z)

        (by_y, g_y), (by_z, g_z) = _confuse(D_y, y_hat), _confuse(D_z, z_hat)
        _move(optimizers["G"], q, q_slopes(y_hat, g_y, g_z))

        logits = head_y.forward(trunk.forward(x_labelled))
        classification = F.cross_entropy(logits, y_labelled)
        g = (logits.softmax(1) - eye[y_labelled]) / len(logits)
        of_head, g = head_y.both_slopes(g)
        slopes = trunk.weight_slopes(g) + of_head
        _move(optimizers["classification"], q_y, slopes)
        return {
            "reconstruction": reconstruction,
            "D": on_y + on_z,
            "G": by_y + by_z,
            "classification": classification,
        }

    return step


STEPS = {"AAE": _aae, "BiGAN": _bigan, "SemiSupervisedAAE": _semi_supervised}
