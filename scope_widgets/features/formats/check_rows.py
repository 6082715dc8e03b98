"""`check_rows`: whether an SAE that was loaded reconstructs a model's rows, and what may be wrong where it does not."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from scope_widgets.features.sae.sae import SAE
from scope_widgets.models.execution.activation_edits import HookPoint
from scope_widgets.models.execution.read_activations import read_activations
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.models.tokens import encode

#: plain sentences of several kinds, some 150 tokens
_TEXTS = (
    "The city lies on both banks of the river, and its old bridge is known for a market that is held there each year.",
    "When Anna came home, she gave her brother the letter that had arrived in the morning, and he read it twice.",
    "Most metals expand when they are heated: a rail of ten metres grows by about one millimetre every ten degrees.",
    "def mean(values):\n    total = sum(values)\n    return total / len(values)\n",
    "Prices rose by 3.2 percent in 2019, more than in any year since the crisis, while wages did not rise at all.",
    "I would not have thought so yesterday, but after what you told me there is nothing left to say about it.",
)
#: variance explained below which an SAE is not one of these rows, and by how much a remedy must be better to be named
_LOWEST, _BETTER = 0.3, 0.3


def check_rows(scope: Microscope, sae: SAE) -> float:
    """Return the variance that an SAE explains on a handful of a model's rows; warn where that is little.

    The remedies that are tried are what goes wrong most: rows of the layer before or behind, rows without their mean
    (as TransformerLens centres the residual stream), rows of norm `sqrt(d)`, `b_dec` taken off or not, and of a
    transcoder its input in the place of its output, too. The warning names the best of them, where one is much better.

    One that does not say its layer is not tried: a warning says so, and NaN is returned.

    Raises
    ------
    ValueError
        For a layer that the model does not have, or rows of another width.
    """
    if sae.layer is None:
        warnings.warn(
            f"{sae!r} was not tried on rows of the model: it does not say of which layer it is "
            "(dataclasses.replace(sae, layer=...)).",
            stacklevel=3,
        )
        return float("nan")
    sites = list(dict.fromkeys((sae.site, sae.output_site)))
    n_layers = scope.n_layers + (sites == ["residual"])
    if sae.layer >= n_layers:
        raise ValueError(
            f"{sae!r} is of layer {sae.layer}; {scope!r} has {' and '.join(sites)} of layers 0 to {n_layers - 1}."
        )
    layers = [layer for layer in (sae.layer, sae.layer - 1, sae.layer + 1) if 0 <= layer < n_layers]
    pairs = _pairs(scope, sae.site, sae.output_site, layers)
    x, y = pairs[sae.layer]
    for rows, d, what in ((x, sae.d_in, "of rows"), (y, sae.W_dec.shape[1], "with outputs")):
        if rows.shape[1] != d:
            raise ValueError(f"{sae!r} is {what} of width {d}; those of {scope!r} are of {rows.shape[1]}.")
    found = _explained(sae, x, y)
    if found >= _LOWEST:
        return found
    tried = {f"rows of layer {layer}": _explained(sae, *pair) for layer, pair in pairs.items() if layer != sae.layer}
    tried |= {name: _explained(sae, change(x), change(y)) for name, change in _REMEDIES.items()}
    if sae.normalisation == "none" and sae.d_in == sae.W_dec.shape[1]:
        other = replace(sae, subtracts_b_dec=not sae.subtracts_b_dec)
        tried[f"the rows with b_dec {'' if other.subtracts_b_dec else 'not '}taken off"] = _explained(other, x, y)
    if sae.is_transcoder and x.shape == y.shape:
        tried[f"{sae.site} itself, as an autoencoder of it"] = _explained(sae, x, x)
    best = max(tried, key=lambda name: tried[name])
    known = tried[best] >= max(_LOWEST, found + _BETTER)
    likely = f"it explains {tried[best]:.2g} of {best}" if known else "it may be of another model, place or training"
    warnings.warn(
        f"{sae!r} explains {found:.2g} of the variance of {len(x)} rows of {scope.model_id}, so that its latents say "
        f"little about them; {likely}.",
        stacklevel=3,
    )
    return found


#: what may have been done to the rows that it was trained on, inputs and outputs alike
_REMEDIES: dict[str, Callable[[Tensor], Tensor]] = {
    "rows without their mean over the width (a centred residual stream)": lambda x: x - x.mean(1, keepdim=True),
    "rows that are scaled to a mean norm of sqrt(d)": lambda x: x * (x.shape[1] ** 0.5 / x.norm(dim=1).mean()),
    "rows that are each scaled to a norm of sqrt(d)": lambda x: x * (x.shape[1] ** 0.5 / x.norm(dim=1, keepdim=True)),
}


def _explained(sae: SAE, x: Tensor, y: Tensor) -> float:
    """Return 1 - the share of the variance of what rows are to become that is left."""
    y = y.double()
    left = (y - sae(x.float()).double()).square().sum()
    return float(1 - left / (y - y.mean(0)).square().sum())


def _pairs(scope: Microscope, site: str, output_site: str, layers: list[int]) -> dict[int, tuple[Tensor, Tensor]]:
    """Return inputs `[row, d]` and what they are to become, of each layer.

    Of each text without its first token and special ones, which are unlike.
    """
    ids = [encode(scope.tokenizer, text, None)[0][0] for text in _TEXTS]
    special = scope.tokenizer.all_special_ids
    kept = [torch.from_numpy(~np.isin(row, special) & (np.arange(len(row)) > 0)) for row in ids]
    sites = list(dict.fromkeys((site, output_site)))
    points = [(one, layer) for one in sites for layer in layers]
    found = zip(points, _activations(scope, ids, points), strict=True)
    rows = {
        point: torch.cat([part[: len(one)][one] for part, one in zip(value, kept, strict=True)])
        for point, value in found
    }
    return {layer: (rows[site, layer], rows[output_site, layer]) for layer in layers}


@remotable
def _activations(scope: Microscope, rows: list[list[int]], points: list[HookPoint]) -> list[Tensor]:
    """Return the activations of prompts `[row, position, d]` at each place."""
    found = read_activations(scope, rows, points)
    return [found[point].flatten(2).float().cpu() for point in points]
