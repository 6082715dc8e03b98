"""What the sliders of a panel move: interventions made from what was given, and what the browser is told of each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from scope_widgets.steering import AddDirection, ClampNeuron, Direction, Intervention, ScaleHead
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


def named(interventions: Sequence[Intervention], known: Sequence[tuple[Intervention, str]]) -> list[str]:
    """Give each intervention a key of its own; those that are in `known` keep theirs."""
    left = list(known)
    keys: list[str] = []
    for one in interventions:
        at = next((i for i, (other, _) in enumerate(left) if other is one), None)
        keys.append(left.pop(at)[1] if at is not None else "")
    taken = {key for _, key in known}
    for i, one in enumerate(interventions):
        if not keys[i]:
            plain = f"{one.name}, layer {one.layer}, {at_words(one.at)}"
            keys[i] = next(key for key in _numbered(plain) if key not in taken)
            taken.add(keys[i])
    return keys


def _numbered(text: str) -> Iterable[str]:
    yield text
    number = 2
    while True:
        yield f"{text} ({number})"
        number += 1


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
            "site": _SITES[one.site],
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


def at_words(at: Any) -> str:
    """Say at which positions an intervention acts."""
    if isinstance(at, str):
        return {"all": "all positions", "last": "last position"}[at]
    start, stop = at
    return f"positions from {start}" if stop is None else f"positions {start} to {stop - 1}"


def number(value: float) -> float | None:
    """Write a strength for JSON: NaN, which leaves a neuron free, is null."""
    return None if math.isnan(value) else float(value)


def strength(value: Any) -> Any:
    """Read what `number` wrote."""
    return math.nan if value is None else value


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
