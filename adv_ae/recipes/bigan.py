"""The experiments of the BiGAN paper (Donahue et al., 2017): its table of MNIST.

The numbers are those of the authors' released code where the text is silent:
github.com/jeffdonahue/bigan, train_mnist.sh.
"""

from typing import Any

from adv_ae.recipes.experiment import Experiment

EPOCH = 390  # steps, of 50,000 digits by batches of 128

_SAME: dict[str, Any] = {
    "networks": "bigan",
    "betas": (0.5, 0.999),
    "weight_decay": 2.5e-5,
    "fade": 0.01,
}
_SMALL = _SAME | {
    "hidden": (128, 128),
    "latent": 10,
    "steps": 2000,
    "lr": 2e-3,
}
_PAPER = _SAME | {
    "hidden": (1024, 1024),
    "latent": 50,
    "lr": 2e-4,
    "batch_size": 128,
    "steps": 400 * EPOCH,
}
_SHORT = _PAPER | {"steps": 10 * EPOCH}
_SOURCES = {
    "networks": "sec. 4.2; authors' code: mnist_mlp, deconvnet_mnist_mlp",
    "hidden": "sec. 4.2",
    "latent": "sec. 4.2: z ~ U[-1, 1]^50",
    "posterior": "authors' code: E(x) = 2 sigmoid(.) - 1",
    "prior": "sec. 4.2",
    "likelihood": "sec. 4.2: l2 or l1",
    "betas": "authors' code",
    "weight_decay": "authors' code",
    "lr": "authors' code",
    "fade": "authors' code: 200 epochs, then 200 in which the rate falls to 1 %",
    "batch_size": "authors' code",
    "steps": "authors' code: 400 epochs; of 50,000 digits, 10,000 are for choices",
}


def _row(
    name: str, summary: str, method: str, reported: float, **more: Any
) -> Experiment:
    own: dict[str, Any] = {"prior": "uniform"} | more
    return Experiment(
        f"bigan/{name}",
        summary,
        "Donahue et al. 2017, table 1",
        method,
        "feature_accuracy",
        f"{reported:.2f} %",
        small=_SMALL | own,
        short=_SHORT | own,
        paper=_PAPER | own,
        sources=_SOURCES,
    )


_E = {"posterior": "signs"}

ROWS = (
    _row("bigan", "features of BiGAN's encoder", "bigan", 97.39, **_E),
    _row("discriminator", "features of a GAN's discriminator", "gan", 97.30),
    _row(
        "latent-regressor",
        "features of an encoder that regresses z",
        "latent-regressor",
        97.44,
        **_E,
    ),
    _row(
        "joint-latent-regressor",
        "the same, the generator answers for it, too",
        "joint-latent-regressor",
        97.13,
        **_E,
    ),
    _row(
        "autoencoder-l2",
        "features of an autoencoder, squared error",
        "ae",
        97.58,
        likelihood="squared-error",
        **_E,
    ),
    _row(
        "autoencoder-l1",
        "features of an autoencoder, absolute error",
        "ae",
        97.63,
        likelihood="absolute-error",
        **_E,
    ),
)
