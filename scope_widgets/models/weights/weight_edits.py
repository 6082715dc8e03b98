"""`Changes`: edits of weights that can be undone; the only place where weights are changed.

A weight holds its original with all changes applied in the order in which they were made. So a change that is undone
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
from scope_widgets.models.locks import lock_of

#: weight (float32 where the model's is of less precision) -> changed weight; pure, and holding no module or model
Change = Callable[[Tensor], Tensor]
#: module, "weight" or "bias", and what is done to it
Place = tuple[nn.Module, str, Change]


@dataclass
class _Slot:
    """One weight of one module, and the changes on it.

    `found` is the Parameter that the module had. `parameter` takes the changes: the same, or where other modules share
    it, one of this module's own. `version` is that of our last write.
    """

    found: nn.Parameter
    parameter: nn.Parameter
    original: Tensor = field(init=False)
    version: int = field(init=False)
    changes: dict[object, Change] = field(default_factory=dict)


# A slot holds no module, so that a model that nobody else holds is garbage-collected with its slots.
_slots: weakref.WeakKeyDictionary[nn.Module, dict[str, _Slot]] = weakref.WeakKeyDictionary()


class Changes:
    """Changes of a model's weights that are made and undone together, under the lock of the model.

    A changed Parameter stays the same object with its version counted up; its data are another tensor, so that whoever
    holds the original tensor keeps it. A weight that modules share, as embedding and unembedding do where they are
    tied, is changed for the module at hand only: meanwhile that has a Parameter of its own.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._key = object()
        self._places: dict[tuple[nn.Module, str], None] = {}  # ordered

    @property
    def made(self) -> bool:
        """Whether the model has any of them."""
        return any(self._key in slot.changes for _, _, slot in self._found())

    def make(self, places: Sequence[Place]) -> None:
        """Make changes, in place of those made before; all of them, or after an error none.

        Raises
        ------
        RuntimeError
            When a module is no longer in the model, or a weight was overwritten by something else while changed.
        """
        with lock_of(self._model), torch.no_grad():
            inside = set(self._model.modules())
            try:
                for module, name, change in places:
                    if module not in inside:
                        raise RuntimeError(
                            f"A {type(module).__name__} that was to be changed is no longer in the model, where "
                            "another has replaced it: make the patch again."
                        )
                    slot = _slot(self._model, module, name)
                    self._places[module, name] = None
                    slot.changes[self._key] = change
                    _write(module, name, slot)
            except BaseException:
                self.take_back()
                raise

    def take_back(self) -> None:
        """Undo them; nothing happens where none is made."""
        with lock_of(self._model), torch.no_grad():
            for module, name, slot in self._found():
                if slot.changes.pop(self._key, None) is not None:
                    _write_or_leave(module, name, slot)
            self._places.clear()

    def _found(self) -> list[tuple[nn.Module, str, _Slot]]:
        return [(module, name, _slots[module][name]) for module, name in list(self._places)]


def restore(model: nn.Module) -> None:
    """Undo all changes of a model's weights, whoever made them."""
    with lock_of(model), torch.no_grad():
        for module in model.modules():
            for name, slot in _slots.get(module, {}).items():
                if slot.changes:
                    slot.changes.clear()
                    _write_or_leave(module, name, slot)


def original(module: nn.Module, name: str = "weight") -> Tensor:
    """Return a weight as it is without our changes."""
    slot = _slots.get(module, {}).get(name)
    weight: Tensor = getattr(module, name) if slot is None or not slot.changes else slot.original
    return weight.detach()


def plain(module: nn.Module) -> nn.Parameter:
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


def _slot(model: nn.Module, module: nn.Module, name: str) -> _Slot:
    slots = _slots.setdefault(module, {})
    stands, slot = module._parameters[name], slots.get(name)
    assert stands is not None  # the caller has found it there
    if slot is not None and slot.changes and _overwritten(module, name, slot):
        raise RuntimeError(f"{_said(module, name)} Take them off before, and put them on again.")
    if slot is not None and slot.changes:
        return slot
    if slot is None or stands is not slot.found:
        own = nn.Parameter(stands.detach(), requires_grad=stands.requires_grad) if _shared(model, stands) else stands
        slot = slots[name] = _Slot(stands, own)
    slot.original, slot.version = stands.detach(), slot.parameter._version
    return slot


def _shared(model: nn.Module, parameter: nn.Parameter) -> bool:
    return sum(parameter is one for module in model.modules() for one in module._parameters.values()) > 1


def _write(module: nn.Module, name: str, slot: _Slot) -> None:
    parameter = slot.parameter
    slot.original = slot.original.to(parameter.device, parameter.dtype)  # the model may have been moved meanwhile
    start = weight = slot.original.to(torch.promote_types(parameter.dtype, torch.float32))
    for change in slot.changes.values():
        weight = change(weight)
    new = slot.original if weight is start else weight.to(parameter.dtype)
    slot.version = parameter._version + 1
    torch.autograd.graph.increment_version(parameter)  # caches and autograd must see that it is another
    parameter.data = new
    module._parameters[name] = parameter if slot.changes else slot.found


def _write_or_leave(module: nn.Module, name: str, slot: _Slot) -> None:
    """Write the changes that are left, but lose nothing that something else has written to the weight since."""
    if _overwritten(module, name, slot):
        warnings.warn(f"{_said(module, name)} They are left as they are.", stacklevel=4)
        slot.changes.clear()
    else:
        _write(module, name, slot)


def _overwritten(module: nn.Module, name: str, slot: _Slot) -> bool:
    ours = any(module._parameters[name] is one for one in (slot.parameter, slot.found))
    return not ours or slot.parameter._version > slot.version


def _said(module: nn.Module, name: str) -> str:
    return (
        f"The {name}s of a {type(module).__name__} were overwritten (by training, or by loading others) while changes "
        "of this package were on them."
    )
