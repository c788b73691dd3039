"""Adversarially learned inference: VAE, AAE, ALI and BiGAN, as the papers write them.

A method is a `Game`; `step` plays it once, `fit` many times. Start with `adv_ae.games`.
"""

from adv_ae.game import Game, WiringError, step

__all__ = ["Game", "WiringError", "step"]
__version__ = "0.1.0"
