"""`Patch`: what all changes of weights share: on and off again, any number of times, until they are removed."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from scope_widgets.models.microscope import Microscope, loaded
from scope_widgets.models.weights.weight_edits import WeightEdit, WeightEdits, restore_weights

if TYPE_CHECKING:
    from typing import Self


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

    def _usable(self) -> WeightEdits:
        if self._weights is None:
            raise RuntimeError(f"{self!r} was removed and cannot be used again: make a new one.")
        return self._weights


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
