"""The matrices that write to the residual stream, and how a direction of the stream looks from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from scope_widgets.experiments.direction import Direction
from scope_widgets.models.architecture.anatomy import Block, UnsupportedModelError
from scope_widgets.models.architecture.unembedding import freeze_norm
from scope_widgets.models.guards.locks import held
from scope_widgets.models.microscope import Microscope, loaded
from scope_widgets.models.weights.weight_edits import original_weight, plain_weight

#: the part of a block that a matrix writes for
OutputOf: TypeAlias = Literal["attention", "mlp"]


@dataclass(frozen=True)
class OutputMatrix:
    """The matrix by which attention or MLP writes to the residual stream.

    Attributes
    ----------
    module : torch.nn.Module
        Linear, or GPT-2's Conv1D.
    norm : torch.nn.Module or None
        The norm between it and the stream (Gemma 2, Gemma 3, OLMo 2).
    """

    module: nn.Module
    norm: nn.Module | None

    def vector(self, scope: Microscope, direction: Direction) -> Tensor:
        """Return the direction of the matrix' output that the norm turns into `direction`: `[d_model]`, of length 1."""
        vector = torch.from_numpy(direction.vector.copy())
        weight = plain_weight(self.module)
        if self.norm is not None:
            signs = weight.new_ones(scope.d_model)
            signs[::2] = -1  # a norm that centres maps equal numbers to zero
            with held(scope.model):
                frozen = freeze_norm(self.norm, signs)
            gained = vector.double() * frozen.gain
            gained = gained - gained.mean() if frozen.centres else gained
            vector = gained / gained.norm()
        return vector.to(weight.device, torch.promote_types(weight.dtype, torch.float32))


def output_matrices(block: Block) -> dict[OutputOf, OutputMatrix]:
    """Return the matrices of a block by what they belong to."""
    parts: dict[OutputOf, tuple[nn.Module | None, nn.Module | None, nn.Module | None]] = {
        "attention": (block.out, block.attention_norm, block.attention_out),
        "mlp": (block.down, block.mlp_norm, block.mlp_out),
    }
    found: dict[OutputOf, OutputMatrix] = {}
    for name, (matrix, norm, written) in parts.items():
        if written is None:
            continue  # the block has no such part
        if matrix is None:
            raise UnsupportedModelError(
                f"The {name} of {type(block.block).__name__} writes to the residual stream by no one matrix, so its "
                "weights cannot be changed for what it writes."
            )
        found[name] = OutputMatrix(matrix, norm)
    return found


def original_matrix(module: nn.Module) -> Tensor:
    """Return the weights of a module without any patch, `[output, input]` in float32 at least."""
    plain_weight(module)
    weight = original_weight(module)
    weight = weight.to(torch.promote_types(weight.dtype, torch.float32))
    return weight.T if is_conv1d(module) else weight


def is_conv1d(module: nn.Module) -> bool:
    """Return whether a module is GPT-2's Conv1D, whose weights are `[input, output]`."""
    return type(module).__name__ == "Conv1D"


def name_of(scope: Microscope, module: nn.Module) -> str:
    """Return the name of a module in the model."""
    names: dict[nn.Module, str] = {one: name for name, one in scope.model.named_modules()}
    return names[module]


def check_direction(scope: Microscope, direction: Direction) -> None:
    """Raise TypeError for something else than a direction, ValueError for one of another model."""
    if not isinstance(direction, Direction):
        raise TypeError(
            f"direction= is a Direction, as steering.direction(scope, ...) finds it; got {type(direction).__name__}."
        )
    loaded(scope, "a change of its weights")
    direction.check(scope)
