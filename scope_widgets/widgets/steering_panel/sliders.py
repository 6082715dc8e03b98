"""What the sliders of a panel move: interventions made from what was given, and what the browser is told of each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from scope_widgets.steering import AddDirection, ClampNeuron, Direction, Intervention, ScaleHead
from scope_widgets.widgets.core.intervention_names import LATENTS, at_words, number
from scope_widgets.widgets.core.selection import as_heads

_SITES = {"residual": "residual", "z": "head", "neurons": "neuron", "attention": "attention"}


def made(directions: Any, heads: Any, neurons: Any, interventions: Any, at: Any) -> list[Intervention]:
    """Make interventions that do nothing yet of directions, heads and neurons; others stay as they are.

    Raises
    ------
    TypeError, ValueError
        With a sentence, for what none can be made of.
    """
    given = [directions] if isinstance(directions, Direction) else _listed(directions, "directions", "Direction")
    own = [interventions] if isinstance(interventions, Intervention) else None
    found: list[Intervention] = [AddDirection(direction, 0.0, at) for direction in given]
    found += [ScaleHead(layer, head, 1.0, at) for layer, head in as_heads(heads)]
    found += [ClampNeuron(layer, neuron, math.nan, at) for layer, neuron in _pairs(neurons)]
    return found + (own or _listed(interventions, "interventions", "intervention"))


def identity(one: Intervention) -> dict[str, Any]:
    """Say what an intervention is, whatever the prompt: kind, name, layer, at."""
    return {"kind": one.kind, "name": one.name, "layer": one.layer, "at": at_words(one.at)}


def described(
    interventions: Sequence[Intervention], keys: Sequence[str], spans: Sequence[tuple[float, float]]
) -> list[dict[str, Any]]:
    """Describe sliders for the browser, in the order in which they act."""
    return [
        {
            "key": key,
            **identity(one),
            "site": "latent" if isinstance(one, LATENTS) else _SITES[one.site],
            "head": [one.layer, int(one.head)] if isinstance(one, ScaleHead) else None,
            "neutral": number(one.neutral),
            "low": low,
            "high": high,
            "typical": _typical(one),
            "order": order,
        }
        for order, (one, key, (low, high)) in enumerate(zip(interventions, keys, spans, strict=True), 1)
    ]


def _typical(one: Intervention) -> list[float] | None:
    """The length with which a direction was found, to both sides."""
    if not isinstance(one, AddDirection):
        return None
    return [-one.direction.length, one.direction.length]


def _listed(items: Any, what: str, of: str) -> list[Any]:
    if isinstance(items, str) or not isinstance(items, Iterable):
        raise TypeError(f"{what}= takes a list, each a {of}; got {items!r}.")
    return list(items)


def _pairs(neurons: Any) -> list[tuple[int, int]]:
    found = []
    for item in _listed(neurons, "neurons", "(layer, neuron)"):
        try:
            layer, neuron = item
        except (TypeError, ValueError):
            raise TypeError(f"A neuron is a pair (layer, neuron) of integers, not {item!r}.") from None
        found.append((layer, neuron))
    return found
