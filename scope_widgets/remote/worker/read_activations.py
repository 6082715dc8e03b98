"""Quantities of one forward on a server, read by nnsight's own means: the least that travels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from scope_widgets.models.architecture.anatomy import Anatomy
from scope_widgets.models.execution.recorder import Recorder

#: quantities that are arguments of the attention function, by their place among them
_ARGUMENTS = {"q": 1, "k": 2, "v": 3}


class Wanted(NamedTuple):
    """A quantity of a layer, or of one head of it."""

    site: str
    layer: int
    head: int | None = None


def read(model: Any, wanted: list[tuple[str, str, str, int | list[int] | None]]) -> dict[str, Any]:
    """Read in the block of a trace; it travels as text and knows nothing from outside.

    Parameters
    ----------
    model
        nnsight's.
    wanted : list of (name, path of the module, side, slice)
        In the order of a forward. The side is "input", "output", or the number of an argument of the attention
        function; then the slice is a head. Of logits it is a position of each prompt.

    Returns
    -------
    dict of str to Tensor, and for attention's arguments "scoring <path>" with how scores are made of them: scale, cap,
    window, sinks, and which keys are seen, or whether attention is causal
    """
    found: dict[str, Any] = {}
    for name, path, side, head in wanted:
        envoy = model
        for part in path.split(".") if path else []:
            envoy = envoy[int(part)] if part.isdigit() else getattr(envoy, part)
        if side in ("input", "output"):
            value = getattr(envoy, side)
            value = value[0] if isinstance(value, tuple) else getattr(value, "logits", value)
            if isinstance(head, list):
                value = value[list(range(len(head))), head]
        else:
            calls = [call for call in envoy.source.names if call.startswith("attention_interface_")]
            args, options = getattr(envoy.source, calls[-1]).inputs
            value = args[int(side)]
            if isinstance(head, int):
                value = value[:, head : head + 1]
            scaling, sinks = options.get("scaling"), options.get("s_aux")
            mask = args[4] if len(args) > 4 else options.get("attention_mask")
            if mask is not None and mask.dtype.is_floating_point:
                mask = mask > -3e4
            found["scoring " + path] = [
                value.shape[-1] ** -0.5 if scaling is None else float(scaling),
                options.get("softcap"),
                options.get("sliding_window"),
                None if sinks is None else sinks.detach().float().cpu(),
                getattr(args[0], "is_causal", True) if mask is None else mask.detach().clone(),
            ]
        found[name] = value.detach().clone()  # a view would send all of what it is a view of
    return found


def plan(
    model: nn.Module, anatomy: Anatomy, wanted: Iterable[Wanted], last: list[int]
) -> list[tuple[str, str, str, int | list[int] | None]]:
    """Give what `read` takes, in the order of a forward; `last` is the last position of each prompt."""
    name_of = {module: name for name, module in model.named_modules()}
    asked = {(one.site, one.layer): one for one in wanted}
    places: dict[tuple[str, int], tuple[nn.Module, str]] = {}
    own = list(Recorder(anatomy, ("residual", "q", "k", "v", "z", "attention_out", "mlp_out")).capture_points())
    for site in own:
        places[site.name, site.layer] = (site.module, site.side)
    for layer, block in enumerate(anatomy.blocks):
        if block.attention is not None:
            for name, argument in _ARGUMENTS.items():
                places.setdefault((name, layer), (block.attention, str(argument)))
        if block.out is not None:
            places.setdefault(("z", layer), (block.out, "input"))
    places["logits", 0] = places["last_logits", 0] = (model, "output")
    order = ["residual", "q", "k", "v", "z", "attention_out", "mlp_out"]
    end = (anatomy.n_layers + 1, 0)

    def when(place: tuple[str, int]) -> tuple[int, int]:
        return (place[1], order.index(place[0])) if place[0] in order else end

    def part(place: tuple[str, int]) -> int | list[int] | None:
        return last if place[0] == "last_logits" else asked[place].head

    return [
        (".".join(map(str, place)), name_of[places[place][0]], places[place][1], part(place))
        for place in sorted(asked, key=when)
    ]


def arranged(anatomy: Anatomy, site: str, value: Tensor, shape: Sequence[int], head: int | None) -> Tensor:
    """Give a value that was read its axes as a `Recorder` gives them: `[batch, ...]`."""
    heads = {"q": anatomy.n_heads, "k": anatomy.n_kv_heads, "v": anatomy.n_kv_heads, "z": anatomy.n_heads}
    if site == "z":
        return value.reshape(*shape, heads[site], -1)
    if site in heads and value.ndim == 3:  # what a projection gives, heads side by side
        value = value.reshape(*shape, heads[site], -1).transpose(1, 2)
        return value if head is None else value[:, head : head + 1]
    return value if site in heads else value.reshape(*shape, -1)
