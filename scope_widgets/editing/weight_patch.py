"""`Patch`: what all changes of weights share: on and off again, any number of times, until they are removed."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from scope_widgets.models.microscope import Microscope, loaded
from scope_widgets.models.weights.weight_edits import WeightEdit, WeightEdits, restore_weights

if TYPE_CHECKING:
    from typing_extensions import Self


class Patch:
    """A change of the model's weights that can be put on and taken off.

    Nothing is changed before `enable()` or `with patch:`. Any number of patches may be on at once, also on the same
    matrix; each takes off exactly what it put on, in whatever order, and without any the weights are the original ones
    bit for bit. Traces, runs and the user's own calls of the model all see what is on. A patch is no result: it holds
    its model, and what it does is measured by running that.

    Attributes
    ----------
    scope : Microscope
    """

    def __init__(self, scope: Microscope) -> None:
        self.scope = scope
        self._weights: WeightEdits | None = WeightEdits(scope.model)
        self._was_on: list[bool] = []

    def _weight_edits(self) -> Sequence[WeightEdit]:
        """Return the edits that the patch consists of."""
        raise NotImplementedError

    @property
    def enabled(self) -> bool:
        """Whether it is on."""
        return self._weights is not None and self._weights.applied

    def enable(self) -> Self:
        """Put it on.

        Raises
        ------
        RuntimeError
            When it was removed, its module was replaced in the model, or its weights were overwritten while other
            patches were on them.
        """
        weights = self._usable()
        if not weights.applied:
            weights.apply(self._weight_edits())
        return self

    def disable(self) -> Self:
        """Take it off."""
        if self._weights is not None:
            self._weights.revert()
        return self

    def toggle(self) -> Self:
        """Put it on where it is off, and off where it is on."""
        return self.disable() if self.enabled else self.enable()

    def remove(self) -> None:
        """Take it off for good."""
        self.disable()
        self._weights = None

    def __enter__(self) -> Self:
        """Put it on for the block."""
        self._was_on.append(self.enabled)
        try:
            return self.enable()
        except BaseException:
            self._end_block()
            raise

    if TYPE_CHECKING:

        def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> None: ...

    def _end_block(self) -> None:
        """Leave it as it was before the block."""
        if not self._was_on[-1]:
            self.disable()
        self._was_on.pop()

    def _usable(self) -> WeightEdits:
        if self._weights is None:
            raise RuntimeError(f"{self!r} was removed and cannot be used again: make a new one.")
        return self._weights


class _Exit:
    """Makes the function that ends a block, which holds what ends it where Ctrl-C comes before its first line."""

    def __get__(self, patch: Patch | None, kind: type[Patch]) -> Any:
        if patch is None:
            return lambda patch, *error: patch._end_block()
        opened = _Opened(patch)
        leave: Any = partial(_leave, weakref.ref(opened))
        leave.opened = opened
        return leave


if not TYPE_CHECKING:
    Patch.__exit__ = _Exit()


class _Opened:
    """The blocks of a patch that are opened after this is made."""

    def __init__(self, patch: Patch) -> None:
        self._patch, self._before = patch, len(patch._was_on)

    def leave(self) -> None:
        """Leave the innermost block: `patch.__exit__` may be asked for after `patch.__enter__()`."""
        self._before = min(self._before, len(self._patch._was_on) - 1)
        self.end()

    def end(self) -> None:
        """Leave all that are still open."""
        while len(self._patch._was_on) > self._before:
            self._patch._end_block()

    __del__ = end


def _leave(opened: Any, *error: object) -> None:
    try:
        opened().leave()
    finally:  # the first time may be interrupted
        opened().end()


def restore(scope: Microscope) -> None:
    """Take all patches off a model, also those that no variable holds any more.

    Its weights are then the original ones, bit for bit.

    Parameters
    ----------
    scope : Microscope
        Of a model on this machine.

    Examples
    --------
    >>> names = steering.direction(scope, answer=" Mary", versus=" John", layer=2)
    >>> patch = editing.orthogonalise(scope, names).enable()
    >>> editing.restore(scope)
    >>> patch.enabled
    False
    """
    restore_weights(loaded(scope, "restore()").model)
