"""What a sparse autoencoder reads of a prompt: the activations of its place, from a run that ends there."""

from __future__ import annotations

from torch import Tensor

from scope_widgets.models.execution.read_activations import read_activations
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable


@remotable
def prompt_activations(scope: Microscope, ids: list[int], site: str, layer: int) -> Tensor:
    """Return the activations of a prompt `[position, d]`, heads side by side."""
    return read_activations(scope, [ids], [(site, layer)])[site, layer].flatten(2)[0].float().cpu()
