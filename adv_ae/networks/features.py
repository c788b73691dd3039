"""Hidden layers, as features."""

import torch
from torch import Tensor, nn

from adv_ae.networks.conv import Maxout

NONLINEAR = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.Tanh, Maxout)


@torch.no_grad()
def activations(net: nn.Module, *given: Tensor) -> list[Tensor]:
    """What each hidden nonlinearity of a network makes of what is given, in the order
    in which they are passed.

    The features of BiGAN's tables are `activations(game.q.net, x)[-1]`, the layer
    before the output; of a discriminator `activations(game.D, x)[-1]`.

    Args:
        net: with ReLU, leaky ReLU, ELU, Tanh or maxout between its layers. Put it in
            eval mode first, or batch norm and dropout act as in training.
        *given: its arguments.

    Returns:
        A list of (N, width), flat.

    Raises:
        ValueError: there is no such layer.
    """
    seen: list[Tensor] = []
    hooks = [
        m.register_forward_hook(lambda m, args, out: seen.append(out.flatten(1)))
        for m in net.modules()
        if isinstance(m, NONLINEAR)
    ]
    try:
        net(*given)
    finally:
        for hook in hooks:
            hook.remove()
    if not seen:
        kinds = ", ".join(kind.__name__ for kind in NONLINEAR)
        raise ValueError(f"the network has no hidden layer with one of {kinds}.")
    return seen
