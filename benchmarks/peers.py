"""pythae, a published library with an AAE, by its own trainer. Run by the Python of
`.venv-bench`, which has it.

Its model makes two updates a step, not three: the encoder descends reconstruction and
adversarial cost at once, together with the decoder; then the discriminator moves.
"""

import contextlib
import tempfile

import torch
from pythae.models import Adversarial_AE, Adversarial_AE_Config
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseDiscriminator, BaseEncoder
from pythae.pipelines import TrainingPipeline
from pythae.trainers import AdversarialTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch import Tensor, nn

from adv_ae.data import as_float
from benchmarks.work import LR, Play, Tick, Work


class Encoder(BaseEncoder):
    """A point for each x; pythae asks for a variance, too, and multiplies it by 0."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> ModelOutput:
        z = self.net(x)
        return ModelOutput(embedding=z, log_covariance=torch.zeros_like(z))


class Decoder(BaseDecoder):
    """Pixels in [0, 1]."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, z: Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.net(z).sigmoid())


class Discriminator(BaseDiscriminator):
    """The probability of 'real'."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, z: Tensor) -> ModelOutput:
        return ModelOutput(embedding=self.net(z).sigmoid())


def model(work: Work) -> Adversarial_AE:
    """pythae's AAE on this work's own networks, with the same weights at the start.

    Raises:
        RuntimeError: it has more weights than the game, or fewer.
    """
    game = work.game("cpu")
    config = Adversarial_AE_Config(
        input_dim=(784,),
        latent_dim=game.prior.dim,
        reconstruction_loss="bce",
        deterministic_posterior=True,
    )
    built = Adversarial_AE(
        config,
        Encoder(game.q.net.layers),
        Decoder(game.p.net.layers),
        Discriminator(game.D.layers),
    )
    ours, theirs = (sum(w.numel() for w in m.parameters()) for m in (game, built))
    if ours != theirs:
        raise RuntimeError(f"pythae's AAE has {theirs:,} weights, not {ours:,}.")
    return built


def pythae(work: Work, precision: str, device: str) -> Play:
    """`TrainingPipeline` as its documentation has it, with its own loader and progress
    bar; `precision` is torch's global setting."""
    torch.set_float32_matmul_precision(precision)
    x = as_float(work.data()[0][0])
    built = model(work)

    def play(steps: int, tick: Tick) -> None:
        with tempfile.TemporaryDirectory() as folder, contextlib.suppress(_Done):
            config = AdversarialTrainerConfig(
                output_dir=folder,
                per_device_train_batch_size=work.batch,
                num_epochs=1 + steps * work.batch // len(x),
                autoencoder_learning_rate=LR,
                discriminator_learning_rate=LR,
                no_cuda=device == "cpu",
            )
            TrainingPipeline(built, config)(x, callbacks=[_Counted(steps, tick)])

    return play


class _Done(Exception):
    """As many steps were played as were asked for."""


class _Counted(TrainingCallback):
    """Ticks after every step, and ends the run in the middle of its epoch."""

    def __init__(self, steps: int, tick: Tick):
        self.left, self.tick = steps, tick

    def on_train_step_end(self, training_config, **kwargs) -> None:
        self.tick({})
        self.left -= 1
        if not self.left:
            raise _Done
