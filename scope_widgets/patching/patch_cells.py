"""Patching single cells: many of them in one forward, each exact."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scope_widgets.models.execution.activation_edits import Edits
from scope_widgets.patching.clean_corrupted_runs import OVER, RunPair

#: quantities that a block uses at their own position only: from others the change is seen in the next block
_OF_ONE_POSITION = ("q", "attention", "z", "attention_out", "mlp_out")


@dataclass(frozen=True)
class Cells:
    """Cells of one layer.

    Attributes
    ----------
    layer : int
    head : Tensor of int [cell], or None
    position : Tensor of int [cell], or None
        Into the positions of the pair; None for all at once.
    """

    layer: int
    head: Tensor | None
    position: Tensor | None

    def __len__(self) -> int:
        """Return the number of cells."""
        return 1 if self.head is None and self.position is None else len(self._any())

    def _any(self) -> Tensor:
        one = self.head if self.head is not None else self.position
        assert one is not None
        return one


def run_cells(pair: RunPair, over: str, cells: Cells, prompts: Tensor) -> Tensor:
    """Patch each cell into each of the prompts given; gives the metric `[cell, prompt]`, float64."""
    n = len(cells)
    rows = prompts.repeat(n)
    cell = torch.arange(n, device=rows.device).repeat_interleave(len(prompts))
    head = None if cells.head is None else cells.head[cell]
    if cells.position is None:
        positions = pair.base.suffix(rows, 0)
        patched, source_at = torch.ones_like(positions, dtype=torch.bool), positions
    else:
        assert pair.at is not None
        assert pair.source_at is not None
        at = pair.at[rows, cells.position[cell]]
        positions = pair.base.suffix(rows, at)
        patched = positions == at[:, None]
        source_at = torch.where(patched, pair.source_at[rows, cells.position[cell]][:, None], 0)
    start = min(cells.layer, pair.scope.n_layers - 1)
    if cells.position is not None and OVER[over] in _OF_ONE_POSITION:
        positions, edits, start = _behind_block(pair, over, cells.layer, rows, head, positions, patched, source_at)
    else:
        edits = _edits(pair, over, cells.layer, rows, head, patched, source_at)
    measured = pair.metric.again(pair.base, edits, rows=rows, positions=positions, layer=start)
    return measured.reshape(n, len(prompts))


def _behind_block(
    pair: RunPair,
    over: str,
    layer: int,
    rows: Tensor,
    head: Tensor | None,
    positions: Tensor,
    patched: Tensor,
    source_at: Tensor,
) -> tuple[Tensor, Edits, int]:
    """Run the block of the cells at the patched positions alone; return positions, edits and block to go on with."""
    if layer == pair.scope.n_layers - 1:  # nothing goes on to another position
        last = slice(-1, None)
        return positions[:, last], _edits(pair, over, layer, rows, head, patched[:, last], source_at[:, last]), layer
    at = patched.long().argmax(1, keepdim=True)
    there, whole = positions.gather(1, at), torch.ones_like(at, dtype=torch.bool)
    edits = _edits(pair, over, layer, rows, head, whole, source_at.gather(1, at))
    stream = pair.base.again(edits, rows=rows, positions=there, layer=layer, end=layer)
    put = {("residual", layer + 1): lambda value: torch.where(patched[..., None], stream, value)}
    return positions, put, layer + 1


def _edits(
    pair: RunPair, over: str, layer: int, rows: Tensor, head: Tensor | None, patched: Tensor, source_at: Tensor
) -> Edits:
    """Put the source's value where `patched` [row, position] says, in the head of each row."""
    site = OVER[over]
    value_of = pair.source.values[site][layer]

    def edit(value: Tensor) -> Tensor:
        if site == "attention":  # [row, head, query, key]
            theirs = value_of[rows[:, None], :, source_at].transpose(1, 2)
            where = patched[:, None, :, None]
        else:
            theirs = value_of[rows[:, None], source_at]
            where = patched.reshape(*patched.shape, *(1,) * (value.ndim - 2))
        if head is not None:
            axis = 1 if site == "attention" else 2
            shape = [1] * value.ndim
            shape[axis] = value.shape[axis]
            shape[0] = len(rows)
            ours = torch.arange(value.shape[axis], device=value.device) == head[:, None]
            where = where & ours.reshape(shape)
        return torch.where(where, theirs.to(value.dtype), value)

    return {(site, layer): edit}
