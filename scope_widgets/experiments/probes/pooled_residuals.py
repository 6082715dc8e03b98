"""The residual stream of texts at several layers, one vector a text, from one forward over each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from scope_widgets._progress import tqdm
from scope_widgets._types import Array
from scope_widgets.experiments.statistics.rounding import noise_floor
from scope_widgets.models.execution.activation_edits import HookPoint
from scope_widgets.models.execution.read_activations import read_activations
from scope_widgets.models.execution.token_batches import batches_of
from scope_widgets.models.guards.out_of_memory import in_halves
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable


def pooled_residuals(
    scope: Microscope, rows: list[list[int]], read: list[list[int]], layers: list[int], progress: bool
) -> tuple[Array, Array, Array]:
    """Return what each text is in the residual stream: the mean over the positions of it that are read.

    Where memory does not suffice a batch is run in halves.

    Parameters
    ----------
    scope : Microscope
    rows : list of list of int
        Token ids.
    read : list of list of int
        Positions of each text.
    layers : list of int
        Blocks that the stream enters.
    progress : bool
        Show a bar of texts.

    Returns
    -------
    values : ndarray of float32 [layer, text, d_model]
    norms : ndarray of float64 [layer, text]
        The median norm of the stream at these positions.
    rounding : ndarray [layer]
        The share of a number by which rounding alone may change it.
    """
    values = np.empty((len(layers), len(rows), scope.d_model), dtype=np.float32)
    norms = np.empty((len(layers), len(rows)))
    rounding = np.zeros(len(layers))

    def of(batch: Sequence[int]) -> tuple[Tensor, Tensor, list[float]]:
        return _pooled(scope, [rows[at] for at in batch], [read[at] for at in batch], layers)

    with tqdm(total=len(rows), unit=" texts", disable=not progress, leave=False) as bar:
        for whole in batches_of(rows):
            for batch, (found, sizes, errors) in in_halves(whole, of):
                values[:, batch], norms[:, batch] = found.numpy(), sizes.numpy()
                rounding[:] = errors
                bar.update(len(batch))
    return values, norms, rounding


@remotable
def _pooled(
    scope: Microscope, rows: list[list[int]], read: list[list[int]], layers: list[int]
) -> tuple[Tensor, Tensor, list[float]]:
    """Return `pooled_residuals` of one batch, from where the model is."""
    points: list[HookPoint] = [("residual", layer) for layer in layers]
    found = read_activations(scope, rows, points)
    values, norms = [], []
    for point in points:
        of_texts = [found[point][row, positions].double() for row, positions in enumerate(read)]
        values.append(torch.stack([one.mean(0) for one in of_texts]))
        norms.append(torch.stack([one.norm(dim=-1).median() for one in of_texts]))
    errors = [noise_floor(scope.model.dtype, 1.0, 2 * layer + 1) for layer in layers]
    return torch.stack(values).float().cpu(), torch.stack(norms).cpu(), errors
