"""`WeightEdits`: edits of weights that can be reverted; the only place where weights are changed.

A weight holds its original with all edits applied in the order in which they were made. So an edit that is reverted
leaves exactly what the others make of the original, and the last one the original tensor itself, bit for bit.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.guards.locks import held
from scope_widgets.models.guards.restore_on_exit import recording_gradients

#: weight (float32 where the model's is of less precision) -> changed weight; pure, and holding no module or model
WeightFunction = Callable[[Tensor], Tensor]
#: a module, the name of its parameter ("weight" or "bias"), and what is done to it
WeightEdit = tuple[nn.Module, str, WeightFunction]


@dataclass
class _EditedWeight:
    """One parameter of one module, and the functions that are applied to it.

    `found` is the Parameter that was there. `parameter` is the one that is changed: the same, or where other modules
    share it, one of this module's own. `version` is that of our last write, `before` that before the first one.
    """

    found: nn.Parameter
    parameter: nn.Parameter
    original: Tensor = field(init=False)
    version: int = -1
    before: int = -1
    functions: dict[object, WeightFunction] = field(default_factory=dict)


# An edited weight holds no module, so a model that nobody else holds is collected with its edited weights.
_edited_weights: weakref.WeakKeyDictionary[nn.Module, dict[str, _EditedWeight]] = weakref.WeakKeyDictionary()


class WeightEdits:
    """Edits of a model's weights that are applied and reverted together, under the lock of the model.

    A changed Parameter stays the same object with its version counted up; its data are another tensor, so that whoever
    holds the original tensor keeps it. A weight that modules share, as embedding and unembedding do where they are
    tied, is changed for the module at hand only: meanwhile that has a Parameter of its own.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._key = object()
        self._targets: dict[tuple[nn.Module, str], None] = {}  # ordered

    @property
    def applied(self) -> bool:
        """Whether the model has any of them."""
        return any(self._key in edited.functions for _, _, edited in self._current())

    def apply(self, edits: Sequence[WeightEdit]) -> None:
        """Apply edits, in the place of those applied before; all of them, or after an error none.

        Raises
        ------
        RuntimeError
            When a module is no longer in the model, or a weight was overwritten by something else while changed.
        """
        with held(self._model), recording_gradients(False):
            inside = set(self._model.modules())
            try:
                for module, name, function in edits:
                    if module not in inside:
                        raise RuntimeError(
                            f"A {type(module).__name__} that was to be changed is no longer in the model, where "
                            "another has replaced it: make the patch again."
                        )
                    edited = _edited_weight(self._model, module, name)
                    self._targets[module, name] = None
                    edited.functions = edited.functions | {self._key: function}  # before the weight is another
                    _write(module, name, edited, edited.functions)
            except BaseException:
                self.revert()
                raise

    def revert(self) -> None:
        """Take the edits off; nothing happens where none is applied."""
        with held(self._model), recording_gradients(False):
            for module, name, edited in self._current():
                if self._key in edited.functions:
                    left = {key: function for key, function in edited.functions.items() if key is not self._key}
                    _take_off(module, name, edited, left)
            self._targets.clear()

    def _current(self) -> list[tuple[nn.Module, str, _EditedWeight]]:
        found = [(module, name, _edited_weights.get(module, {}).get(name)) for module, name in list(self._targets)]
        return [(module, name, edited) for module, name, edited in found if edited is not None]


def restore_weights(model: nn.Module) -> None:
    """Take all edits off a model's weights, whoever applied them.

    Raises
    ------
    RuntimeError
        Where a weight is not its original afterwards, bit for bit.
    """
    with held(model), recording_gradients(False):
        for module in model.modules():
            for name, edited in _edited_weights.get(module, {}).items():
                if edited.functions and _take_off(module, name, edited, {}):
                    _check_original(module, name, edited)


def original_weight(module: nn.Module, name: str = "weight") -> Tensor:
    """Return a weight as it is without any edit."""
    edited = _edited_weights.get(module, {}).get(name)
    weight: Tensor = getattr(module, name) if edited is None or not edited.functions else edited.original
    return weight.detach()


def put_back_versions(model: nn.Module) -> dict[int, int]:
    """Return the versions before the first of our writes of those parameters that were put back bit for bit, by id."""
    edited = [one for module in model.modules() for one in _edited_weights.get(module, {}).values()]
    return {id(one.found): one.before for one in edited if not one.functions and one.found._version == one.version}


def plain_weight(module: nn.Module) -> nn.Parameter:
    """Return the matrix of a module.

    Raises
    ------
    UnsupportedModelError
        Where it is no matrix of plain numbers on this machine.
    """
    weight = module._parameters.get("weight")
    if weight is None or weight.ndim != 2 or not weight.is_floating_point() or any(module.children()) or weight.is_meta:
        raise UnsupportedModelError(
            f"{type(module).__name__} holds no plain matrix that could be changed (quantised, offloaded, of several "
            "experts, or with an adapter on it): load the model whole and without quantisation, and merge adapters."
        )
    return weight


def _edited_weight(model: nn.Module, module: nn.Module, name: str) -> _EditedWeight:
    of_module = _edited_weights.setdefault(module, {})
    present, edited = module._parameters[name], of_module.get(name)
    assert present is not None  # the caller has found it there
    if edited is not None and edited.functions and _overwritten(module, name, edited):
        raise RuntimeError(f"{_overwritten_message(module, name)} Take them off before, and put them on again.")
    if edited is not None and edited.functions:
        return edited
    if edited is None or present is not edited.found:
        own = (
            nn.Parameter(present.detach(), requires_grad=present.requires_grad) if _shared(model, present) else present
        )
        edited = of_module[name] = _EditedWeight(present, own)
    edited.before = put_back_versions(model).get(id(present), present._version)
    edited.original, edited.version = present.detach(), edited.parameter._version
    return edited


def _shared(model: nn.Module, parameter: nn.Parameter) -> bool:
    return sum(parameter is one for module in model.modules() for one in module._parameters.values()) > 1


def _write(module: nn.Module, name: str, edited: _EditedWeight, functions: dict[object, WeightFunction]) -> None:
    parameter = edited.parameter
    edited.original = edited.original.to(parameter.device, parameter.dtype)  # the model may have been moved meanwhile
    start = weight = edited.original.to(torch.promote_types(parameter.dtype, torch.float32))
    for function in functions.values():
        weight = function(weight)
    new = edited.original if weight is start else weight.to(parameter.dtype)
    edited.version = parameter._version + 1
    torch.autograd.graph.increment_version(parameter)  # caches and autograd must see that it is another
    parameter.data = new
    module._parameters[name] = parameter if functions else edited.found


def _take_off(module: nn.Module, name: str, edited: _EditedWeight, left: dict[object, WeightFunction]) -> bool:
    """Write what is left, but lose nothing that something else has written there since; return whether it was written.

    What is taken off is forgotten last: where writing fails or is interrupted it is still known to be on.
    """
    if written := not _overwritten(module, name, edited):
        _write(module, name, edited, left)
    else:
        warnings.warn(f"{_overwritten_message(module, name)} They are left as they are.", stacklevel=4)
        left = {}
    edited.functions = left
    return written


def _check_original(module: nn.Module, name: str, edited: _EditedWeight) -> None:
    now = getattr(module, name).detach()
    if now.dtype != edited.original.dtype or not torch.equal(_bits(now), _bits(edited.original)):
        raise RuntimeError(f"The {name}s of a {type(module).__name__} are not the original ones: load the model again.")


def _bits(weight: Tensor) -> Tensor:
    return weight.contiguous().view(torch.uint8)  # NaN equals nothing, and -0 equals 0


def _overwritten(module: nn.Module, name: str, edited: _EditedWeight) -> bool:
    ours = any(module._parameters[name] is one for one in (edited.parameter, edited.found))
    return not ours or edited.parameter._version > edited.version


def _overwritten_message(module: nn.Module, name: str) -> str:
    return (
        f"The {name}s of a {type(module).__name__} were overwritten (by training, or by loading others) while changes "
        "of this package were on them."
    )
