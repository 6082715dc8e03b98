"""Quantities of a trace that is made beside the model, where nnsight's own means do not show them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.traces.attention_scoring import AttentionScoring


@remotable
def trace_quantities(
    scope: Microscope, rows: list[list[int]], wanted: Sequence[tuple[str, int, int | None]]
) -> tuple[list[Tensor], dict[int, AttentionScoring]]:
    """Return quantities of a trace, each `[batch, position, ...]`, and how its layers score keys.

    Parameters
    ----------
    scope : Microscope
    rows : list of list of int
        Token ids.
    wanted : list of (site, layer, head)
        Of one head alone where there is one.
    """
    trace = scope.trace(rows, capture=tuple(dict.fromkeys(site for site, *_ in wanted if site != "logits")))
    found: list[Tensor] = []
    for site, layer, head in wanted:
        value = trace.logits if site == "logits" else getattr(trace, site)(layer)
        found.append(value if head is None else value[..., head : head + 1, :])
    layers = {layer for _, layer, _ in wanted} & set(range(trace.n_layers))
    return found, {layer: trace.scoring[layer] for layer in layers}
