"""What interventions are called in views: keys, positions in words, and strengths as JSON has them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from scope_widgets.steering import ClampFeature, Intervention, ScaleFeature

#: what acts on a latent of an autoencoder
LATENTS = (ClampFeature, ScaleFeature)


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


def at_words(at: Any, length: int | None = None) -> str:
    """Say at which positions an intervention acts, and whether a prompt of `length` tokens has none of them."""
    if isinstance(at, str):
        return {"all": "all positions", "last": "last position"}[at]
    start, stop = at
    said = f"positions from {start}" if stop is None else f"positions {start} to {stop - 1}"
    # from a prompt's end on what is generated is changed
    return f"{said}, beyond this prompt" if length is not None and stop is not None and start >= length else said


def number(value: float) -> float | None:
    """Write a strength for JSON: NaN, which leaves a neuron free, is null."""
    return None if math.isnan(value) else float(value)


def strength(value: Any) -> Any:
    """Read what `number` wrote."""
    return math.nan if value is None else value
