"""Activations at chosen places of a model, by a forward that ends after the deepest of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from scope_widgets.models.execution.activation_edits import Editor, HookPoint
from scope_widgets.models.input_device import input_device
from scope_widgets.models.run_arguments import check_token_ids
from scope_widgets.models.tokens import pad


def read_activations(scope: Any, rows: list[list[int]], points: Sequence[HookPoint]) -> dict[HookPoint, Tensor]:
    """Return the activations of prompts at some places of a model in this process.

    Parameters
    ----------
    scope : LocalMicroscope
    rows : list of list of int
        Token ids; of padding behind the shorter ones what is returned means nothing.
    points : sequence of (site, layer)
        Of "residual" (also that of layer `n_layers`), "attention_out", "mlp_in", "mlp_out", "neurons", "z".

    Returns
    -------
    dict of (site, layer) to Tensor [row, position, d], of z [row, position, head, d_head]

    Raises
    ------
    ValueError
        For more tokens than the model reads, or an id that it lacks.
    """
    check_token_ids(scope, rows)
    found: dict[HookPoint, Tensor] = {}

    def keep(point: HookPoint) -> Callable[[Tensor], Tensor]:
        def look(value: Tensor) -> Tensor:
            found[point] = value.detach().clone()
            return value

        return look

    # what enters a block is what leaves the one before it
    last = max(max(layer - (site == "residual"), 0) for site, layer in points)
    leaves = ("residual", last + 1)
    ids, mask = pad(rows, input_device(scope.model))
    inputs = {"input_ids": ids}
    if len({len(row) for row in rows}) > 1:
        inputs["attention_mask"] = mask.long()
    with scope.wrapped() as wrapped:
        edits = {point: keep(point) for point in points if point != leaves}
        editor = Editor(wrapped, scope.model, scope.anatomy, edits)
        editor.end = last
        editor.logits(inputs)
    if leaves in points:
        assert editor.stream is not None
        found[leaves] = editor.stream.detach()
    return found
