"""`orthogonalise`: weights that cannot write a direction to the residual stream."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from scope_widgets.editing.output_matrices import check_direction, is_conv1d, output_matrices
from scope_widgets.editing.weight_patch import Patch
from scope_widgets.experiments.direction import Direction
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.weights.weight_edits import WeightEdit, WeightFunction, plain_weight


class OrthogonalPatch(Patch):
    """A patch of matrices that no longer write a direction, as `orthogonalise` returns it.

    It is on after `enable()` or in `with patch:`.

    Attributes
    ----------
    direction : Direction
    layers : tuple of int
        Blocks whose matrices are changed.
    embeddings : bool
        Whether those of tokens and positions are changed as well.
    """

    def __init__(self, scope: Microscope, direction: Direction, layers: tuple[int, ...], embeddings: bool) -> None:
        super().__init__(scope)
        self.direction, self.layers, self.embeddings = direction, layers, embeddings
        self._edits = [edit for layer in layers for edit in _block_edits(scope, layer, direction)]
        if embeddings:
            self._edits += _embedding_edits(scope, direction)

    def __repr__(self) -> str:
        """Say what is taken out of how much, and whether it is on."""
        state = "removed" if self._weights is None else "on" if self.enabled else "off"
        return f"OrthogonalPatch({self.direction.name!r}, {len(self._edits)} matrices and biases, {state})"

    def _weight_edits(self) -> Sequence[WeightEdit]:
        return self._edits


def orthogonalise(scope: Microscope, direction: Direction, *, layers: Sequence[int] | None = None) -> OrthogonalPatch:
    """Take a direction out of all matrices that write to the residual stream, and out of their biases.

    `W - v (v . W)` for the embeddings of tokens and positions, the output matrices of attention, and those of the MLPs.
    The stream then has nothing along `v` in any layer, up to rounding: the weights do what projecting it out at each
    step of a run would.

    Where a norm follows a matrix (Gemma 2, Gemma 3, OLMo 2), `v` is taken out as the norm's gain reads it; the norm
    rescales the rest. Where the unembedding is tied to the embedding it keeps the original weights meanwhile, for it
    writes nothing to the stream: the embedding then has weights of its own.

    Parameters
    ----------
    scope : Microscope
    direction : Direction
        As `steering.direction` finds it; its layer makes no difference.
    layers : sequence of int, optional
        Only the matrices of these blocks, and no embeddings; by default those of all blocks, and the embeddings.

    Returns
    -------
    OrthogonalPatch
        Not on yet: see `Patch`.

    Raises
    ------
    TypeError, ValueError
        For a direction of another model, or layers that the model does not have.
    UnsupportedModelError
        Where something writes to the stream by other means than a plain matrix.

    References
    ----------
    Arditi et al. 2024, "Refusal in Language Models Is Mediated by a Single Direction" (arXiv 2406.11717), section 4.

    Examples
    --------
    >>> names = steering.direction(scope, answer=" Mary", versus=" John", layer=2)
    >>> with editing.orthogonalise(scope, names):
    ...     trace = scope.trace("When Mary and John went to the store, John gave a drink to")
    >>> float((trace.residual(3) @ names.vector).abs().max()) < 1e-3 * names.scale
    True
    """
    check_direction(scope, direction)
    chosen = range(scope.n_layers) if layers is None else layers
    wrong = [one for one in chosen if not hasattr(one, "__index__") or not 0 <= one < scope.n_layers]
    if wrong or not len(chosen):
        raise ValueError(
            f"layers= are blocks of {scope.model_id}, 0 to {scope.n_layers - 1}; got {wrong[0] if wrong else 'none'!r}."
        )
    return OrthogonalPatch(scope, direction, tuple(sorted({int(one) for one in chosen})), layers is None)


def _block_edits(scope: Microscope, layer: int, direction: Direction) -> list[WeightEdit]:
    edits: list[WeightEdit] = []
    scope.anatomy.check_sum("Taking a direction out of the weights")
    if scope.anatomy.blocks[layer].beside:
        raise UnsupportedModelError(
            f"Something else than attention and MLP writes to the residual stream in layer {layer} of "
            f"{type(scope.model).__name__}, and its weights are not known."
        )
    for output in output_matrices(scope.anatomy.blocks[layer]).values():
        vector = output.vector(scope, direction)
        edits.append((output.module, "weight", _without(vector, -1 if is_conv1d(output.module) else 0)))
        if getattr(output.module, "bias", None) is not None:
            edits.append((output.module, "bias", _without(vector, 0)))
    return edits


def _embedding_edits(scope: Microscope, direction: Direction) -> list[WeightEdit]:
    found = [module for module in scope.model.modules() if isinstance(module, nn.Embedding)]
    if scope.anatomy.embed not in found or any(module.embedding_dim != scope.d_model for module in found):
        raise UnsupportedModelError(
            f"The embeddings of this {type(scope.model).__name__} are no plain table of {scope.d_model} numbers a "
            "token, so that the direction cannot be taken out of them. Name layers= to change blocks only."
        )
    vector = torch.from_numpy(direction.vector.copy())
    return [(module, "weight", _without(vector.to(plain_weight(module).device), -1)) for module in found]


def _without(vector: Tensor, axis: int) -> WeightFunction:
    """Return the function that takes a vector out of a weight along an axis."""

    def project_out(weight: Tensor) -> Tensor:
        last = weight.movedim(axis, -1)
        unit = vector.to(weight)
        return (last - (last @ unit)[..., None] * unit).movedim(-1, axis)

    return project_out
