"""The gradient's estimate of what patching would do: every cell from one backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from scope_widgets.patching.run_pair import OVER, Pair


def estimates(pair: Pair, over: str) -> Tensor | None:
    """Estimate all cells of all prompts, `[prompt, layer, (head,) (position)]`, in units of the metric, float64.

    Nanda's attribution patching: `(a_source - a_base) . dm/da` at the base. None where the metric has no gradient.
    """
    site = OVER[over]
    n_layers = pair.scope.n_layers + (site == "residual")
    heads = [pair.base.values[site][0].shape[1 if site == "attention" else 2]] if over in HEADED else []
    width = [] if pair.at is None else [pair.at.shape[1]]
    found = torch.zeros(pair.n, n_layers, *heads, *width, dtype=torch.float64)
    for length in sorted(set(pair.base.lengths.tolist())):
        rows = (pair.base.lengths == length).nonzero().flatten()
        values = _gradients(pair, site, rows, n_layers)
        if values is None:
            return None
        for layer, (value, gradient) in enumerate(values):
            found[rows.cpu(), layer] = _contracted(pair, site, layer, rows, value, gradient).double().cpu()
    return found


#: what has a head axis
HEADED = ("head", "q", "k", "v", "attention")


def _gradients(pair: Pair, site: str, rows: Tensor, n_layers: int) -> list[tuple[Tensor, Tensor]] | None:
    kept: dict[int, Tensor] = {}

    def keep(layer: int) -> Callable[[Tensor], Tensor]:
        def look(value: Tensor) -> Tensor:
            # the first value that is met begins the graph: nothing before it is needed
            kept[layer] = value if value.requires_grad else value.detach().requires_grad_()
            return kept[layer]

        return look

    positions = pair.base.suffix(rows, 0)  # of one length
    edits = {(site, layer): keep(layer) for layer in range(n_layers)}
    logits = pair.base.again(edits, rows=rows, positions=positions, gradients=True)
    with torch.enable_grad():
        try:
            measured = pair.metric.of(logits, rows).sum()
        except RuntimeError:  # a metric that goes through NumPy
            return None
    if not measured.requires_grad:
        return None
    gradients = torch.autograd.grad(measured, [kept[layer] for layer in range(n_layers)])
    return [(kept[layer].detach(), gradient) for layer, gradient in enumerate(gradients)]


def _contracted(pair: Pair, site: str, layer: int, rows: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
    """Give `(source - base) . gradient`, `[row, (head,) (position)]`."""
    theirs = pair.source.values[site][layer][rows]
    if site == "attention":
        value, gradient, theirs = (one.transpose(1, 2) for one in (value, gradient, theirs))  # query first
    if pair.at is None or pair.source_at is None:
        theirs = theirs[:, : value.shape[1]]
    else:
        at, source_at = pair.at[rows], pair.source_at[rows]
        step = torch.arange(len(rows), device=rows.device)[:, None]
        value, gradient, theirs = value[step, at], gradient[step, at], theirs[step, source_at]
    theirs = theirs[..., : value.shape[-1]]  # attention: keys beyond the longest of these prompts
    summed = ((theirs.to(value.dtype) - value) * gradient).double().sum(-1)  # [row, position, (head)]
    summed = summed.sum(1, keepdim=True) if pair.at is None else summed
    summed = summed.transpose(1, 2) if summed.ndim == 3 else summed
    return summed[..., 0] if pair.at is None else summed


def any_estimate(pair: Pair, over: str) -> Any:
    """Estimate where it can be done; a metric of the user's own may break in autograd, which is no reason to stop."""
    try:
        return estimates(pair, over)
    except RuntimeError:
        return None
