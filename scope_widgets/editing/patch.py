"""What all patches share: on and off again, any number of times, until they are removed."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from scope_widgets.models.microscope import Microscope, loaded
from scope_widgets.models.weights import weight_edits as weights
from scope_widgets.models.weights.weight_edits import Changes, Place

if TYPE_CHECKING:
    from typing import Self


class Patch:
    """A change of the model's weights that can be put on and taken off.

    Nothing is changed before `enable()` or `with patch:`. Any number of patches may be on at once, also on the same
    matrix; each takes off exactly what it put on, in whatever order, and without any the weights are the original ones
    bit for bit. Traces, runs and the user's own calls of the model all see what is on.

    Attributes
    ----------
    scope : Microscope
    """

    def __init__(self, scope: Microscope) -> None:
        self.scope = scope
        self._changes: Changes | None = Changes(scope.model)
        self._was_on: list[bool] = []

    def _places(self) -> Sequence[Place]:
        raise NotImplementedError

    @property
    def enabled(self) -> bool:
        """Whether it is on."""
        return self._changes is not None and self._changes.made

    def enable(self) -> Self:
        """Put it on.

        Raises
        ------
        RuntimeError
            When it was removed, its module was replaced in the model, or its weights were overwritten while other
            patches were on them.
        """
        changes = self._usable()
        if not changes.made:
            changes.make(self._places())
        return self

    def disable(self) -> Self:
        """Take it off."""
        if self._changes is not None:
            self._changes.take_back()
        return self

    def toggle(self) -> Self:
        """Put it on where it is off, and off where it is on."""
        return self.disable() if self.enabled else self.enable()

    def remove(self) -> None:
        """Take it off for good."""
        self.disable()
        self._changes = None

    def __enter__(self) -> Self:
        """Put it on for the block."""
        was_on = self.enabled
        self.enable()
        self._was_on.append(was_on)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave it as it was before the block."""
        if not self._was_on.pop():
            self.disable()

    def _usable(self) -> Changes:
        if self._changes is None:
            raise RuntimeError(f"{self!r} was removed and cannot be used again: make a new one.")
        return self._changes


def restore(scope: Microscope) -> None:
    """Take all patches off a model, also those that no name is left of; its weights are the original ones then."""
    loaded(scope, "restore()")
    weights.restore(scope.model)
