"""Explorers: a decoder's plane of codes under mouse, touch and keys.

`latent_plane` writes a piece of HTML that carries the decoder in it and decodes in the
page, on the site as in a notebook, with no kernel and no network. `style_plane` does so
for a decoder that is told a label, and shows every label in the same style.
`live_plane` does the same as the first by widgets of a running kernel. `small_world`
is a world of four x's and four z's whose encoder and generator the reader picks.
`latent_line` moves from the code of one picture to that of another.
"""

from adv_ae.explore.interpolation import latent_line
from adv_ae.explore.live import live_plane
from adv_ae.explore.plane import latent_plane, style_plane
from adv_ae.explore.world import small_world

__all__ = ["latent_line", "latent_plane", "live_plane", "small_world", "style_plane"]
