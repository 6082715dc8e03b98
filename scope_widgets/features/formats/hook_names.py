"""Places of a model by their names in TransformerLens and SAELens."""

from __future__ import annotations

import re
from typing import Any

from scope_widgets._untrusted import check_count, opening

#: what is ours in a configuration: places that TransformerLens has no name for
PLACE = "scope_widgets"
#: our site -> TransformerLens's hook in the block of that layer
HOOKS = {
    "residual": "hook_resid_pre",
    "attention_out": "hook_attn_out",
    "mlp_in": "ln2.hook_normalized",
    "mlp_out": "hook_mlp_out",
    "z": "attn.hook_z",
}
_SITES = {hook: site for site, hook in HOOKS.items()} | {"hook_mlp_in": "mlp_in", "mlp.hook_in": "mlp_in"}
_NAME = re.compile(r"blocks\.(\d{1,5})\.([\w.]{1,60})")


def hook_name(site: str, layer: int, n_layers: int | None = None) -> str:
    """Return TransformerLens's name of a place.

    Examples
    --------
    >>> hook_name("residual", 3)
    'blocks.3.hook_resid_pre'
    >>> hook_name("residual", 12, n_layers=12)
    'blocks.11.hook_resid_post'
    """
    if site not in HOOKS:
        raise ValueError(f"There is no name of {site!r} in TransformerLens; there are names of {', '.join(HOOKS)}.")
    if site == "residual" and layer == n_layers:
        return f"blocks.{layer - 1}.hook_resid_post"
    return f"blocks.{layer}.{HOOKS[site]}"


def own_place(given: Any) -> tuple[str, str, int | None] | None:
    """Return site, output site and layer of what `PLACE` says; None where it says nothing."""
    if not isinstance(given, dict):
        return None
    site, output_site, layer = (given.get(name) for name in ("site", "output_site", "layer"))
    if not isinstance(site, str) or not isinstance(output_site, str):
        raise ValueError(f"its site is {opening(site)}, its output site {opening(output_site)}")
    return site, output_site, None if layer is None else check_count("layer", layer)


def place_of(name: str) -> tuple[str, int] | None:
    """Return site and layer of TransformerLens's name; None for one that is no place of ours.

    What leaves a block is what enters the next: `hook_resid_post` of block 3 is the residual stream of layer 4.

    Examples
    --------
    >>> place_of("blocks.3.hook_resid_post")
    ('residual', 4)
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    layer, hook = int(found[1]), found[2]
    if hook == "hook_resid_post":
        return "residual", layer + 1
    return (_SITES[hook], layer) if hook in _SITES else None
