"""`Intervention`: a change inside a forward as plain data, whose strength says how much of it is done."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias, TypeVar

from torch import Tensor

from scope_widgets._aliases import former_options
from scope_widgets.models.microscope import Microscope

#: all positions; the prompt's last token and all that is generated after it; or a span (start, stop) of the prompt
SteeredPositions: TypeAlias = Literal["all", "last"] | tuple[int, int | None]


class Change(NamedTuple):
    """What an intervention is to do in one forward.

    Attributes
    ----------
    intervention : Intervention
    strength : Tensor [row]
    where : Tensor of bool [row, position]
    read : list of Tensor
        The value of the site that it reads, once the forward has come there; empty where that is the one it changes.
    """

    intervention: Intervention
    strength: Tensor
    where: Tensor
    read: list[Tensor]


_Own = TypeVar("_Own", bound="Intervention")


class Intervention:
    """What all interventions share.

    Make one of `AddDirection`, `ProjectOut`, `ScaleHead`, `ClampNeuron`, `ClampFeature`, `ScaleFeature`,
    `SwapAttention`, `PatchActivation`.

    Attributes
    ----------
    layer : int
        The block in which it changes something, or whose input it changes.
    strength : float
        How much of it is done, in units that each class names; `neutral` leaves the model as it is.
    positions : "all", "last" or (start, stop)
        All positions; the prompt's last token and all that is generated after it; or a span of the prompt as Python
        slices it, where a stop of None takes in what is generated.
    kind : str
        Of the class: "add", "project", "scale", "clamp", "swap" or "patch".
    site : str
        Of the class: the quantity that it changes, named as a trace names it.
    neutral : float
        Of the class: the strength that changes nothing. NaN: only a strength of NaN switches it off.
    """

    kind: ClassVar[str]
    site: ClassVar[str]
    neutral: ClassVar[float] = 0.0
    layer: int
    strength: float
    positions: SteeredPositions

    @property
    def name(self) -> str:
        """A short name, such as "head 3.1"."""
        raise NotImplementedError

    @property
    def span(self) -> tuple[float, float]:
        """The range of a slider for its strength, where a session measures none."""
        return 0.0, 1.0

    @property
    def reads(self) -> str:
        """The site of its layer whose value says what is changed; that of a transcoder is before its own."""
        return self.site

    @property
    def together(self) -> str:
        """What it acts with at one moment, where such interventions follow each other at one place; else empty."""
        return ""

    @property
    def active(self) -> bool:
        """Whether it changes anything at its strength."""
        return not is_neutral(self, self.strength)

    @property
    def at(self) -> SteeredPositions:
        """Former name of `positions`."""
        return self.positions

    def with_strength(self: _Own, strength: float) -> _Own:
        """Return the same intervention with another strength."""
        return replace(self, strength=strength)  # type: ignore[type-var]

    def check(self, scope: Microscope) -> None:
        """Raise ValueError where this model has nothing that it could change."""
        if not 0 <= self.layer < scope.n_layers:
            raise ValueError(f"There is no {self.name}: {scope.model_id} has layers 0 to {scope.n_layers - 1}.")

    def change(self, value: Tensor, strength: Tensor, where: Tensor, positions: Tensor) -> Tensor:
        """Return a value of its site, changed.

        Parameters
        ----------
        value : Tensor [row, position, ...]
            As `Microscope.logits` hands it to an edit; attention `[row, head, position, key]`.
        strength : Tensor [row]
        where : Tensor of bool [row, position]
            Positions that it is to change.
        positions : Tensor of int [row, position]
            The index in its prompt of each position that is run.
        """
        raise NotImplementedError

    def change_together(self, value: Tensor, changes: Sequence[Change], positions: Tensor) -> Tensor:
        """Return a value of its site as several interventions that are `together` with it change it, itself first."""
        for one in changes:
            value = one.intervention.change(value, one.strength, one.where, positions)
        return value

    def span_on(self, value: Tensor) -> tuple[float, float]:
        """Return the range of a slider where the site that it reads has this value; of those of kind "clamp"."""
        return self.span

    def code(self) -> str:
        """Return a Python expression that makes it again, in terms of `steering` and `scope`."""
        strength = "float('nan')" if math.isnan(self.strength) else repr(self.strength)
        arguments = [*self._arguments(), f"strength={strength}", f"positions={self.positions!r}"]
        return f"steering.{type(self).__name__}({', '.join(arguments)})"

    def _arguments(self) -> Sequence[str]:
        """Return the arguments of `code` that come before strength and positions."""
        raise NotImplementedError

    def _normalise(self) -> None:
        object.__setattr__(self, "strength", checked_strength(self, self.strength))
        object.__setattr__(self, "positions", _checked_positions(self.positions))


def is_neutral(intervention: Intervention, strength: float) -> bool:
    """Return whether a strength changes nothing."""
    return math.isnan(strength) if math.isnan(intervention.neutral) else strength == intervention.neutral


def checked_strength(intervention: Intervention, strength: Any) -> float:
    """Return a strength as a float.

    Raises
    ------
    ValueError
        Where it is not a finite number (NaN switches a clamp off).
    """
    try:
        number = float(strength)
    except (TypeError, ValueError):
        number = math.inf
    if math.isinf(number) or (math.isnan(number) and not math.isnan(intervention.neutral)):
        raise ValueError(f"The strength of an intervention is a finite number; {intervention.name} got {strength!r}.")
    return math.nan if math.isnan(number) else number  # one NaN for all, so that it can be a key


def round_up(number: float) -> float:
    """Return a positive number rounded up to 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(number))
    return next(round(step * power, 12) for step in (1, 2, 5, 10) if step * power >= number * (1 - 1e-9))


def takes_former_at(cls: type[_Own]) -> type[_Own]:
    """Let a class of interventions still be made with `at=`, the former name of `positions=`."""
    make: Callable[..., None] = former_options(at="positions")(cls.__init__)
    cls.__init__ = make  # type: ignore[method-assign]
    return cls


def _checked_positions(positions: Any) -> SteeredPositions:
    if isinstance(positions, str) and positions in ("all", "last"):
        word: Literal["all", "last"] = positions  # type: ignore[assignment]
        return word
    bounds = tuple(positions) if isinstance(positions, Sequence) and not isinstance(positions, str) else ()
    whole = [hasattr(bound, "__index__") for bound in bounds]
    if len(bounds) != 2 or not whole[0] or not (whole[1] or bounds[1] is None):
        raise ValueError(f"positions= is 'all', 'last' or a span of positions (start, stop); got {positions!r}.")
    return int(bounds[0]), None if bounds[1] is None else int(bounds[1])
