"""`RankOnePatch`: a matrix plus a column times a row, as a LoRA of rank one is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from scope_widgets.editing import peft_adapter
from scope_widgets.editing.output_matrices import is_conv1d
from scope_widgets.editing.peft_adapter import Adapter
from scope_widgets.editing.weight_patch import Patch
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.weights.weight_edits import WeightEdit, plain_weight


class RankOnePatch(Patch):
    """Adds `strength * output_vector (input_vector . x)` to what a matrix makes of its input `x`.

    Attributes
    ----------
    target : str
        Name of the module in the model, such as "model.layers.3.mlp.down_proj".
    output_vector : Tensor [output]
    input_vector : Tensor [input]
    """

    def __init__(
        self, scope: Microscope, target: str, output_vector: Tensor, input_vector: Tensor, strength: float
    ) -> None:
        super().__init__(scope)
        self.target, self.output_vector, self.input_vector = target, output_vector, input_vector
        self._module = scope.model.get_submodule(target)
        self._strength = _finite(strength)
        plain_weight(self._module)

    def __repr__(self) -> str:
        """Say where it is, how strong, and whether it is on."""
        state = "removed" if self._weights is None else "on" if self.enabled else "off"
        return f"{type(self).__name__}({self.target}, strength {self.strength:g}, {state})"

    @property
    def strength(self) -> float:
        """What the change is multiplied by; 0 leaves the weights as they are. May be set while it is on."""
        return self._strength

    @strength.setter
    def strength(self, value: float) -> None:
        weights = self._usable()
        self._strength = _finite(value)
        if weights.applied:
            weights.apply(self._weight_edits())

    def _weight_edits(self) -> Sequence[WeightEdit]:
        if self._strength == 0:
            return [(self._module, "weight", lambda weight: weight)]
        column, row = self._strength * self.output_vector, self.input_vector
        if is_conv1d(self._module):
            column, row = row, column
        return [(self._module, "weight", lambda weight: weight + torch.outer(column.to(weight), row.to(weight)))]

    def export(self, folder: str | Path) -> Path:
        """Write it as a PEFT adapter, at the strength that it has, and return the folder.

        `peft.PeftModel.from_pretrained(model, folder)` puts it on the model without this package; `FeaturePatch.load`
        reads it here.

        Parameters
        ----------
        folder : str or Path
            Made where it does not exist.

        Raises
        ------
        ImportError
            Without peft.
        RuntimeError
            When the patch was removed.
        UnsupportedModelError
            When the matrix is in a module that PEFT has no adapter for.
        """
        self._usable()
        if not isinstance(self._module, nn.Linear) and not is_conv1d(self._module):
            raise UnsupportedModelError(
                f"PEFT puts adapters on Linear and Conv1D, and {self.target} is a {type(self._module).__name__}: this "
                "patch works here but cannot be exported. Export one of a model with plain Linear layers."
            )
        adapter = Adapter(self.target, self._strength * self.output_vector, self.input_vector, self._notes())
        base = getattr(self.scope.model.config, "_name_or_path", "") or self.scope.model_id
        return peft_adapter.write(Path(folder), adapter, transposed=is_conv1d(self._module), base_model=base)

    def _notes(self) -> dict[str, object]:
        """Return what `FeaturePatch.load` needs beside the adapter."""
        return {}


def _finite(strength: Any) -> float:
    if isinstance(strength, bool) or not isinstance(strength, Real) or not math.isfinite(strength):
        raise ValueError(f"strength= is a finite number, -1 to take all of it out, 1 to double it; got {strength!r}.")
    return float(strength)
