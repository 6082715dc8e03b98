"""Layers and heads that a caller names are checked against the model."""

from __future__ import annotations

from operator import index
from typing import Any

from scope_widgets._types import Head
from scope_widgets.models.microscope import Microscope


def check_layer(scope: Microscope, layer: Any) -> int:
    """Return a layer as a number; raise ValueError where the model has none such."""
    if not hasattr(layer, "__index__"):
        raise ValueError(f"A layer is a number from 0 to {scope.n_layers - 1}; got {layer!r}.")
    if not 0 <= layer < scope.n_layers:
        raise ValueError(f"There is no layer {layer}: {scope.model_id} has 0 to {scope.n_layers - 1}.")
    return int(layer)


def check_head(scope: Microscope, layer: int, head: int) -> None:
    """Raise ValueError where the model has no such head."""
    if not scope.n_heads:
        raise ValueError(f"There is no head {layer}.{head}: no layer of {scope.model_id} attends.")
    if not (0 <= layer < scope.n_layers and 0 <= head < scope.n_heads):
        raise ValueError(
            f"There is no head {layer}.{head}: {scope.model_id} has layers 0 to {scope.n_layers - 1} of heads 0 to "
            f"{scope.n_heads - 1}."
        )


def check_heads(scope: Microscope, given: Any, expected: str) -> list[Head]:
    """Return a list of (layer, head) as pairs of int.

    Parameters
    ----------
    scope : Microscope
    given
        What a caller gave.
    expected : str
        How the error begins: "heads= is a list of (layer, head) such as [(3, 1)]".

    Raises
    ------
    ValueError
        Where it is something else, empty, or a head is not of the model.
    """
    try:
        heads = [(index(layer), index(head)) for layer, head in given]
    except (TypeError, ValueError):
        heads = []
    if not heads:
        raise ValueError(f"{expected}; got {given!r}.")
    for layer, head in heads:
        check_head(scope, layer, head)
    return heads
