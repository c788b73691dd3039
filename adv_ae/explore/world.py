"""The explorer of a small world: the reader is E and G, the page is the optimal D."""

import html
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from adv_ae import joints

if TYPE_CHECKING:
    import IPython.display

Masses = tuple[Tensor, Tensor]
EVEN = torch.full((4,), 0.25, dtype=torch.float64)
UNEVEN = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
MASSES: Mapping[str, Masses] = {
    "equal": (EVEN, EVEN),
    "unequal, the same for x and z": (UNEVEN, UNEVEN),
    "unequal for x, equal for z": (UNEVEN, EVEN),
}


def small_world(
    masses: Mapping[str, Masses] = MASSES,
    *,
    name: str = "small-world",
    title: str = "You are E and G; the page is the best D",
) -> "IPython.display.HTML":
    """Explorer of a world of a few x's and z's: pick the maps E: x -> z and G: z -> x
    by tap or keyboard, and see both joints, D* on each pair, how many x are given back
    and the value max_D V on its axis from -log 4 to 0.

    All is computed in the reader's page and equals `joints.world`. Where scripts may
    not run, a sentence says what the least value of each choice of masses is.

    Args:
        masses: {name: (p_x, p_z)}, choices of masses of n x's and m z's, n and m the
            same in all, 2 to 4; float64, each summing to 1.
        name: id of the element, lower-case letters, digits and hyphens; one a page.
        title: above the world.

    Returns:
        What a notebook displays; its `.data` is the HTML.

    Raises:
        ValueError: no masses, masses of other sizes or that do not sum to 1, a bad
            `name`.

    References:
        Donahue et al., Adversarial Feature Learning, 2017,
        https://arxiv.org/abs/1605.09782, theorems 1 to 3.
    """
    from IPython.display import HTML

    if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise ValueError(f"name {name!r}: lower-case letters, digits and hyphens only.")
    if not masses:
        raise ValueError("no masses are given: one choice (p_x, p_z) at least.")
    n, m = map(len, next(iter(masses.values())))
    choices = [_choice(label, pair, n, m) for label, pair in masses.items()]
    spec = {
        "name": name,
        "title": title,
        "E": [x % m for x in range(1, n + 1)],  # a start at which there is work to do
        "G": [0] * m,
        "pairs": f"{m**n * n**m:,}",
        "masses": choices,
    }
    return HTML(_page(spec))


def _choice(label: str, pair: Masses, n: int, m: int) -> dict[str, Any]:
    """One choice of masses, and the least value that it allows."""
    sizes = tuple(map(len, pair))
    if sizes != (n, m) or not {n, m} <= {2, 3, 4}:
        raise ValueError(
            f"masses {label!r} are of {sizes} states; wanted are 2 to 4 x's and 2 to 4 "
            f"z's, the same in every choice, here {(n, m)}."
        )
    for mass in pair:
        if not (mass >= 0).all() or abs(float(mass.sum()) - 1) > 1e-9:
            raise ValueError(f"masses {label!r} must sum to 1, none below 0.")
    world = joints.world(*pair)
    return {
        "name": label,
        "masses": [mass.tolist() for mass in pair],
        "best": round(float(world.value.min()), 6),
        "optima": len(world.optima()),
    }


def _page(spec: dict[str, Any]) -> str:
    here = files("adv_ae.explore")
    script = here.joinpath("world.js").read_text(encoding="utf-8")
    css = here.joinpath("world.css").read_text(encoding="utf-8")
    said = json.dumps(spec).replace("<", "\\u003c")  # no tag can close the script
    best = "; ".join(
        f"masses {c['name']}: {c['best']:.4f} nats, by {c['optima']} of them"
        for c in spec["masses"]
    )
    text = (
        f"{spec['title']}. This explorer needs scripts. Of the {spec['pairs']} pairs "
        f"of maps (E, G), the least value is, with {best}."
    )
    # The fallback stays where scripts are stripped; Lab leaves marked keys to us.
    return (
        f'<div class="adv-ae-world" id="{spec["name"]}" '
        'data-lm-suppress-shortcuts="true">\n'
        f"<style>\n{css}</style>\n"
        f'<p class="adv-ae-world-fallback">{html.escape(text)}</p>\n'
        f"</div>\n<script>\n(() => {{\n{script}\nmountWorld({said});\n}})();\n"
        "</script>\n"
    )
