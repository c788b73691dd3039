"""The explorer for a running kernel: sliders and a picture, for any decoder."""

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from adv_ae.explore.pictures import decoder, grey, mean, png

if TYPE_CHECKING:
    import ipywidgets


def live_plane(
    net: nn.Module,
    shape: tuple[int, int],
    *,
    extent: float = 3.0,
    limits: tuple[float, float] = (0.0, 1.0),
    side: int = 224,
) -> "ipywidgets.VBox":
    """Two sliders and the picture at their code, by a running kernel: any decoder.

    Args:
        net: a game (its `p`) or a decoder p(x|z) on codes of two dimensions, of any
            architecture.
        shape, extent, limits: as in `latent_plane`.
        side: pixels that the longer side of the picture takes on the screen, about.

    Returns:
        A box of ipywidgets (versions 7 and 8): two `FloatSlider` and one `Image`.
    """
    import ipywidgets

    p = decoder(net)
    zoom = max(1, side // max(shape))
    first, second = (
        ipywidgets.FloatSlider(
            value=0.0, min=-extent, max=extent, step=extent / 30, description=text
        )
        for text in ("z\u2081", "z\u2082")
    )

    def picture() -> bytes:
        pixels = grey(mean(p, np.array([[first.value, second.value]])), limits)
        return png(pixels.reshape(shape).repeat(zoom, 0).repeat(zoom, 1))

    # A box stretches what is in it, unless told not to.
    size = ipywidgets.Layout(width=f"{zoom * shape[1]}px", align_self="flex-start")
    image = ipywidgets.Image(value=picture(), format="png", layout=size)

    def redraw(_change: Any) -> None:
        image.value = picture()

    first.observe(redraw, names="value")
    second.observe(redraw, names="value")
    return ipywidgets.VBox([first, second, image])
