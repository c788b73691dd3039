"""Explorers: a decoder's plane of codes under mouse, touch and keys.

`latent_plane` writes a piece of HTML that carries the decoder in it and decodes in the
page, on the site as in a notebook, with no kernel and no network. `style_plane` does so
for a decoder that is told a label, and shows every label in the same style.
`live_plane` does the same as the first by widgets of a running kernel.
"""

from adv_ae.explore.live import live_plane
from adv_ae.explore.plane import latent_plane, style_plane

__all__ = ["latent_plane", "live_plane", "style_plane"]
