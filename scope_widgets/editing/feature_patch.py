"""`FeaturePatch`: one matrix writes less of a direction, or more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from scope_widgets._aliases import former_options
from scope_widgets._json_fields import decode
from scope_widgets._untrusted import reading
from scope_widgets.editing import peft_adapter
from scope_widgets.editing.output_matrices import OutputOf, check_direction, name_of, original_matrix, output_matrices
from scope_widgets.editing.peft_adapter import Adapter
from scope_widgets.editing.rank_one_patch import RankOnePatch
from scope_widgets.experiments.direction import Direction
from scope_widgets.models.microscope import Microscope

_DIRECTION = "direction.safetensors"


class FeaturePatch(RankOnePatch):
    """A patch of how much of a direction one matrix of the model writes to the residual stream.

    With `v` the direction and `W` the matrix it adds `strength * v (v . W)`, a LoRA of rank one, so that what the
    matrix writes along `v` (its bias aside) is multiplied by `1 + strength`: -1 suppresses the feature, 0 leaves the
    model as it is, 1 doubles it. Several patches add up, as PEFT's adapters do: each is computed from the weights
    without any patch.

    Where a norm follows the matrix (Gemma 2, Gemma 3, OLMo 2) `v` is read through the norm's gain, so that -1 takes the
    direction out of what reaches the stream there too; the norm then rescales the rest.

    Parameters
    ----------
    scope : Microscope
    direction : Direction
        As `steering.direction` finds it.
    strength : float
        -1 suppresses the feature, 0 leaves the model as it is, 1 doubles it.
    module : "mlp" or "attention"
        Whose output matrix is changed.
    layer : int, optional
        The block whose matrix is changed; by default the last that writes to the direction's layer (the first block for
        layer 0).

    Attributes
    ----------
    direction : Direction or None
        None for an adapter that another package made.

    Raises
    ------
    TypeError, ValueError
        For a direction of another model, a strength that is not finite, another module, or a layer that the model does
        not have.
    UnsupportedModelError
        Where there is no plain matrix (quantised, several experts).

    Examples
    --------
    >>> names = steering.direction(scope, answer=" Mary", versus=" John", layer=3)
    >>> with editing.FeaturePatch(scope, names, strength=-1.0, module="attention") as patch:
    ...     trace = scope.trace("When Mary and John went to the store, John gave a drink to")
    >>> float((trace.attention_out(2) @ names.vector).abs().max()) < 0.01 * names.scale
    True
    >>> patch.enabled
    False
    """

    direction: Direction | None

    @former_options("strength")
    def __init__(
        self,
        scope: Microscope,
        direction: Direction,
        *,
        strength: float = -1.0,
        module: OutputOf = "mlp",
        layer: int | None = None,
    ) -> None:
        check_direction(scope, direction)
        layer = max(direction.layer - 1, 0) if layer is None else layer
        if isinstance(layer, bool) or not hasattr(layer, "__index__") or not 0 <= layer < scope.n_layers:
            raise ValueError(f"layer= is a block of {scope.model_id}, 0 to {scope.n_layers - 1}; got {layer!r}.")
        found = output_matrices(scope.anatomy.blocks[layer])
        if module not in found:
            raise ValueError(f"module= is one of {', '.join(found)}; got {module!r}.")
        output = found[module]
        vector = output.vector(scope, direction)
        super().__init__(
            scope, name_of(scope, output.module), vector, vector @ original_matrix(output.module), strength
        )
        self.direction = direction
        self._where = {"module": module, "layer": int(layer)}

    def export(self, folder: str | Path) -> Path:
        """Write it as a PEFT adapter at the strength that it has, the direction beside it, and return the folder.

        `peft.PeftModel.from_pretrained(model, folder)` puts it on the model without this package; `FeaturePatch.load`
        makes the patch again.

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
        folder = super().export(folder)
        if self.direction is not None:
            self.direction.save(folder / _DIRECTION)
        return folder

    def _notes(self) -> dict[str, object]:
        """With the direction: in one file with the weights it is theirs, whatever interrupts `export`."""
        if self.direction is None:
            return {}
        return {"strength": self.strength, **self._where, "direction": self.direction.to_json()}

    @classmethod
    def load(cls, scope: Microscope, folder: str | Path) -> FeaturePatch:
        """Return the patch that `export` wrote, or that of any other PEFT adapter of rank one on one module.

        Parameters
        ----------
        scope : Microscope
        folder : str or Path
            With `adapter_config.json` and `adapter_model.safetensors`. Of an adapter that another package made the
            strength is 1.

        Raises
        ------
        FileNotFoundError
            When there is no adapter in the folder.
        ValueError
            When it is pickled or damaged, of another rank, on several modules, or does not fit the model.
        """
        folder = Path(folder)
        adapter = peft_adapter.read(folder)
        _check_fits(scope, adapter, folder)
        patch = cls.__new__(cls)
        if not adapter.notes:
            RankOnePatch.__init__(patch, scope, adapter.target, adapter.output_vector, adapter.input_vector, 1.0)
            patch.direction = None
            return patch
        with reading(f"The header of the adapter in {str(folder)!r} is damaged"):
            types = {"strength": float, "module": str, "layer": int}
            noted: dict[str, Any] = {name: decode(adapter.notes[name], hint, name) for name, hint in types.items()}
            if unknown := [name for name in adapter.notes if name not in (*noted, "direction")]:
                raise ValueError(f"it says {', '.join(unknown)[:200]}")
            text = decode(adapter.notes.get("direction"), str | None, "direction")
            direction = None if text is None else Direction.from_json(text)
        if direction is None:  # as earlier versions wrote it
            direction = Direction.load(folder / _DIRECTION)
        patch.__init__(scope, direction, **noted)  # type: ignore[misc]
        expected = patch.strength * patch.output_vector
        if patch.target != adapter.target or not torch.allclose(
            adapter.output_vector.to(expected), expected, atol=1e-5
        ):
            raise ValueError(
                f"The adapter in {str(folder)!r} and its direction do not belong together: one of them was written by "
                f"something else. Take {_DIRECTION} and the adapter of one export."
            )
        patch.input_vector = adapter.input_vector.to(
            patch.input_vector
        )  # not as computed here: the last bit may depend on the machine
        return patch


def _check_fits(scope: Microscope, adapter: Adapter, folder: Path) -> None:
    module = dict(scope.model.named_modules()).get(adapter.target)
    if module is None:
        raise ValueError(
            f"The adapter in {str(folder)!r} is for {adapter.target}, and {scope.model_id} has no such module: it "
            "is of another model."
        )
    have, wanted = list(original_matrix(module).shape), [len(adapter.output_vector), len(adapter.input_vector)]
    if have != wanted:
        raise ValueError(
            f"The adapter in {str(folder)!r} is for a matrix of {wanted[1]} inputs and {wanted[0]} outputs, and "
            f"{adapter.target} of {scope.model_id} has {have[1]} and {have[0]}: it is of another model."
        )
