"""The training loop that one meets in notebooks: a `DataLoader`, torch's default Adam,
`requires_grad_` to freeze the other players, a forward pass for each update, and
`.item()` for the curve.

BiGAN's, as in most of them, moves D first and then encoder and generator on new draws:
two forward passes, where the paper and this package have one.
"""

import itertools
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from adv_ae.data import as_float
from benchmarks.work import LR, Play, Tick, Work


def notebook(work: Work, precision: str, device: str) -> Play:
    """The loop of this work; `precision` is torch's global setting, which bfloat16
    is not."""
    torch.set_float32_matmul_precision(precision)
    game = work.game(device)
    loop = LOOPS[type(game).__name__](game)
    loaders = [
        iter(itertools.chain.from_iterable(itertools.repeat(loader)))
        for loader in _loaders(work)
    ]

    def play(steps: int, tick: Tick) -> None:
        for _ in range(steps):
            batch = [t.to(device) for loader in loaders for t in next(loader)]
            tick(loop(*batch))

    return play


def _loaders(work: Work) -> Iterator[DataLoader]:
    for stream in work.data():
        floats = (as_float(t) if t.dtype == torch.uint8 else t for t in stream)
        yield DataLoader(TensorDataset(*floats), work.batch, shuffle=True)


def _freeze(*networks: nn.Module) -> None:
    for net in networks:
        for w in net.parameters():
            w.requires_grad_(False)


def _unfreeze(*networks: nn.Module) -> None:
    for net in networks:
        for w in net.parameters():
            w.requires_grad_(True)


def _adam(*networks: nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam([w for net in networks for w in net.parameters()], lr=LR)


def _update(optimizer: torch.optim.Optimizer, loss: Tensor) -> float:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def _pixels(logits: Tensor, x: Tensor) -> Tensor:
    """Cross-entropy, summed over pixels, mean over examples."""
    loss = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    return loss / len(x)


def _called(logits: Tensor, label: int) -> Tensor:
    """Cross-entropy against this label, 1 real and 0 fake."""
    labels = torch.full_like(logits, label)
    return F.binary_cross_entropy_with_logits(logits, labels)


def _aae(game):
    encoder, decoder = game.q.net.layers, game.p.net.layers
    D, dim = game.D.layers, game.prior.dim
    opt_recon, opt_D, opt_G = _adam(encoder, decoder), _adam(D), _adam(encoder)

    def step(x: Tensor) -> dict[str, float]:
        recon = _update(opt_recon, _pixels(decoder(encoder(x)), x))

        _freeze(encoder)
        z_real = torch.randn(len(x), dim, device=x.device)
        loss = _called(D(z_real), 1) + _called(D(encoder(x)), 0)
        on_D = _update(opt_D, loss)
        _unfreeze(encoder)

        _freeze(D)
        on_G = _update(opt_G, _called(D(encoder(x)), 1))
        _unfreeze(D)
        return {"reconstruction": recon, "D": on_D, "G": on_G}

    return step


def _bigan(game):
    E, G, D = game.q.net.layers, game.p.net.layers, game.D.layers
    opt_D, opt_EG, dim = _adam(D), _adam(E, G), game.prior.dim

    def scores(x: Tensor) -> tuple[Tensor, Tensor]:
        z = 2 * torch.rand(len(x), dim, device=x.device) - 1
        return D(torch.cat([x, E(x)], 1)), D(torch.cat([G(z), z], 1))

    def step(x: Tensor) -> dict[str, float]:
        _freeze(E, G)
        on_E, on_G = scores(x)
        of_D = _update(opt_D, _called(on_E, 1) + _called(on_G, 0))
        _unfreeze(E, G)

        _freeze(D)
        on_E, on_G = scores(x)
        of_G = _update(opt_EG, _called(on_E, 0) + _called(on_G, 1))
        _unfreeze(D)
        return {"D": of_D, "G": of_G}

    return step


def _semi_supervised(game):
    trunk, head_y, head_z = (
        game.q.trunk.layers,
        game.q.y.net.layers,
        game.q.z.net.layers,
    )
    decoder, D_y, D_z = game.p.net.layers, game.D_y.layers, game.D_z.layers
    K, dim = game.prior_y.k, game.prior.dim
    opt_recon = _adam(trunk, head_y, head_z, decoder)
    opt_D, opt_G = _adam(D_y, D_z), _adam(trunk, head_y, head_z)
    opt_class = _adam(trunk, head_y)

    def encoder(x: Tensor) -> tuple[Tensor, Tensor]:
        h = trunk(x)
        return head_y(h).softmax(1), head_z(h)

    def step(x: Tensor, x_labelled: Tensor, y_labelled: Tensor) -> dict[str, float]:
        logits = decoder(torch.cat(encoder(x), 1))
        recon = _update(opt_recon, _pixels(logits, x))

        _freeze(trunk, head_y, head_z)
        labels = torch.randint(K, (len(x),), device=x.device)
        y_real = F.one_hot(labels, K).to(x.dtype)
        z_real = torch.randn(len(x), dim, device=x.device)
        y_fake, z_fake = encoder(x)
        on_y = _called(D_y(y_real), 1) + _called(D_y(y_fake), 0)
        on_z = _called(D_z(z_real), 1) + _called(D_z(z_fake), 0)
        of_D = _update(opt_D, on_y + on_z)
        _unfreeze(trunk, head_y, head_z)

        _freeze(D_y, D_z)
        y_fake, z_fake = encoder(x)
        of_G = _update(opt_G, _called(D_y(y_fake), 1) + _called(D_z(z_fake), 1))
        _unfreeze(D_y, D_z)

        loss = F.cross_entropy(head_y(trunk(x_labelled)), y_labelled)
        of_class = _update(opt_class, loss)
        return {
            "reconstruction": recon,
            "D": of_D,
            "G": of_G,
            "classification": of_class,
        }

    return step


LOOPS = {"AAE": _aae, "BiGAN": _bigan, "SemiSupervisedAAE": _semi_supervised}
