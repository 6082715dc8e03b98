"""What is asked of a sparse autoencoder, which floor 4 makes: activations with a gradient, and what a latent adds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from scope_widgets.models.architecture.anatomy import Anatomy
from scope_widgets.models.execution.activation_edits import HookPoint

#: places whose sum is the residual stream, so that an autoencoder of them can stand in it
SITES = ("residual", "attention_out", "mlp_out")


class Dictionary(Protocol):
    """A `features.SAE`."""

    W_enc: Tensor
    W_dec: Tensor
    b_enc: Tensor
    b_dec: Tensor
    activation: Any
    threshold: Tensor | None
    gate: Tensor | None
    normalisation: Any
    layer: int | None
    site: str

    @property
    def d_in(self) -> int:
        """The width of what is encoded."""

    @property
    def d_sae(self) -> int:
        """The number of latents."""

    @property
    def is_transcoder(self) -> bool:
        """Whether its output is another place than its input."""

    def encode(self, x: Tensor) -> Any:
        """Return the `SparseCodes` of rows."""

    def decode(self, codes: Any, x: Tensor) -> Tensor:
        """Return the reconstruction of rows from what `encode` returned of them."""

    def pre_activations(self, x: Tensor) -> Tensor:
        """Return what the activation function gets."""


def by_place(saes: Any, anatomy: Anatomy) -> dict[HookPoint, Dictionary]:
    """Return autoencoders by their hook points, in the order of the forward.

    Parameters
    ----------
    saes : SAE, sequence of SAE, or dict of layer to SAE
        A layer of a dict goes before what the SAE says of itself.
    anatomy : Anatomy

    Raises
    ------
    TypeError
        For what is none.
    ValueError
        For an SAE without a layer, a transcoder, one of another width or of a place that does not add up to the
        residual stream, or two of one place.
    """
    found: dict[HookPoint, Dictionary] = {}
    for layer, sae in listed(saes, "saes"):
        at = sae.layer if layer is None else layer
        if at is None:
            raise ValueError(f"{sae!r} does not say of which layer it is: give saes={{layer: sae}}.")
        if sae.is_transcoder:
            raise ValueError(
                f"{sae!r} is a transcoder, whose latents are not of one place of the residual stream: see "
                "circuits.attribution_graph, which follows transcoders."
            )
        most = anatomy.n_layers - (sae.site != "residual")
        if sae.site not in SITES or not 0 <= at <= most or sae.d_in != anatomy.d_model:
            raise ValueError(
                f"{sae!r} cannot stand in this model of {anatomy.n_layers} layers of width {anatomy.d_model}: an SAE "
                f"that is traced through is of {', '.join(SITES)} of a layer."
            )
        if (sae.site, at) in found:
            raise ValueError(f"Two SAEs are given for {sae.site} of layer {at}: give one for each place.")
        found[sae.site, int(at)] = sae
    return dict(sorted(found.items(), key=lambda one: place_in_forward(one[0])))


def listed(saes: Any, name: str) -> list[tuple[int | None, Any]]:
    """Return SAEs one by one, each with the layer that a dict says it is of.

    Parameters
    ----------
    saes : SAE, iterable of SAE, or dict of layer to SAE
    name : str
        What the argument is called.

    Raises
    ------
    TypeError
        For what is none.
    """
    if isinstance(saes, Mapping):
        found = list(saes.items())
    elif hasattr(saes, "W_enc"):
        found = [(None, saes)]
    elif isinstance(saes, Iterable) and not isinstance(saes, (str, bytes)):
        found = [(None, sae) for sae in saes]
    else:
        raise TypeError(f"{name}= is an SAE, a list of them, or a dict of layer to SAE; got a {type(saes).__name__}.")
    for _, sae in found:
        if not all(hasattr(sae, part) for part in ("W_enc", "W_dec", "encode", "pre_activations")):
            raise TypeError(
                f"{name}= are SAEs, as features.load(...) gives them, or a dict of layer to SAE; got {sae!r}."
            )
    return found


def place_in_forward(point: HookPoint) -> tuple[int, int]:
    """Return what hook points are ordered by: the stream that enters a block, its attention, its MLP."""
    return point[1], {"residual": 0, "z": 1, "attention_out": 2, "mlp_out": 3}[point[0]]


def activations(sae: Dictionary, x: Tensor) -> Tensor:
    """Return the activations of latents `[row, latent]`, with a gradient where `x` `[row, d]` has one.

    Which latents fire is taken as it is: the gradient is that of the strength of those that do.
    """
    p = sae.pre_activations(x)
    with torch.no_grad():
        fires = sae.encode(x.detach()).to_dense() != 0
    if sae.gate is not None:
        p = (p - sae.b_enc) * sae.gate[1].exp() + sae.b_enc
    return torch.where(fires, p, 0.0)


def some(sae: Dictionary, latents: list[int]) -> Dictionary:
    """Return an autoencoder of some latents alone; which of them fire must not depend on the others (not "topk")."""
    parts = {
        "W_enc": sae.W_enc[:, latents],
        "W_dec": sae.W_dec[latents],
        "b_enc": sae.b_enc[latents],
        "threshold": None if sae.threshold is None else sae.threshold[latents],
        "gate": None if sae.gate is None else sae.gate[:, latents],
    }
    made: Dictionary = dataclasses.replace(sae, **parts)  # type: ignore[type-var]
    return made


def activations_of(sae: Dictionary, x: Tensor, latents: list[int]) -> Tensor:
    """Return `activations` of some latents `[row, asked]`, without making the others where that can be."""
    if sae.activation == "topk":
        return activations(sae, x)[:, latents]
    return activations(some(sae, latents), x)


def output_scale(sae: Dictionary, x: Tensor) -> Tensor:
    """Return what decoder rows are multiplied by in each row of `x`, `[row, 1]`: 1 but for normalised rows."""
    if sae.normalisation == "layer_norm":
        return x.std(1, keepdim=True)
    if sae.normalisation == "norm":
        scale: Tensor = x.norm(dim=1, keepdim=True) / sae.d_in**0.5
        return scale
    return x.new_ones(len(x), 1)
