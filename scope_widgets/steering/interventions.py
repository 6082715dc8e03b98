"""Interventions: what a slider moves. Each is plain data; its strength says how much of it is done."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, TypeAlias, TypeVar

import torch
from torch import Tensor

from scope_widgets.models.execution.activation_edits import Edits, Place
from scope_widgets.models.microscope import Microscope

#: see `Intervention`
At: TypeAlias = str | tuple[int, int | None]

#: the order in which a forward reaches them within a block
_SITES = ("residual", "attention", "z", "neurons")

_Own = TypeVar("_Own", bound="Intervention")


class Intervention:
    """What all kinds share; make one of `AddDirection`, `ProjectOut`, `ScaleHead`, `ClampNeuron`, `SwapAttention`.

    Attributes
    ----------
    layer : int
        The block in which it changes something, or whose input it changes.
    strength : float
        What it means each kind says; `neutral` leaves the model as it is.
    at : "all", "last" or (start, stop)
        Positions: all; the prompt's last token and all that is generated after it; or a span of the prompt as Python
        slices it, where a stop of None takes in what is generated.
    """

    kind: ClassVar[str]
    site: ClassVar[str]
    #: the strength that changes nothing; NaN: there is none but to switch it off, which NaN does
    neutral: ClassVar[float] = 0.0
    layer: int
    strength: float
    at: At

    @property
    def name(self) -> str:
        """What to call it."""
        raise NotImplementedError

    @property
    def span(self) -> tuple[float, float]:
        """What a slider goes over where nothing better is known."""
        return 0.0, 1.0

    @property
    def active(self) -> bool:
        """Whether it changes anything at its strength."""
        return not is_neutral(self, self.strength)

    def with_strength(self: _Own, strength: float) -> _Own:
        """Give the same with another strength."""
        return replace(self, strength=strength)  # type: ignore[type-var]

    def check(self, scope: Microscope) -> None:
        """Raise ValueError where this model has nothing of the kind."""
        if not 0 <= self.layer < scope.n_layers:
            raise ValueError(f"There is no {self.name}: {scope.model_id} has layers 0 to {scope.n_layers - 1}.")

    def change(self, value: Tensor, strength: Tensor, where: Tensor, positions: Tensor) -> Tensor:
        """Change a value of its site.

        Parameters
        ----------
        value : Tensor [row, position, ...]
            As `Microscope.logits` hands it to an edit; attention `[row, head, position, key]`.
        strength : Tensor [row]
        where : Tensor of bool [row, position]
            Positions that it is to change.
        positions : Tensor of int [row, position]
            Their places in the prompt.
        """
        raise NotImplementedError

    def code(self) -> str:
        """Give a Python expression that makes it again, in terms of `steering` and `scope`."""
        strength = "float('nan')" if math.isnan(self.strength) else repr(self.strength)
        arguments = [*self._arguments(), f"strength={strength}", f"at={self.at!r}"]
        return f"steering.{type(self).__name__}({', '.join(arguments)})"

    def _arguments(self) -> Sequence[str]:
        raise NotImplementedError

    def _tidy(self) -> None:
        object.__setattr__(self, "strength", checked_strength(self, self.strength))
        object.__setattr__(self, "at", _checked_at(self.at))


def in_order(interventions: Sequence[Intervention]) -> list[int]:
    """Give the indices of interventions in the order in which a forward reaches them; of equal ones as given."""
    return sorted(
        range(len(interventions)), key=lambda i: (interventions[i].layer, _SITES.index(interventions[i].site))
    )


def edits_of(interventions: Sequence[Intervention], strengths: Tensor, positions: Tensor, lengths: Tensor) -> Edits:
    """Make the edits that do all of these, for `Microscope.logits` and `CachedRun.again`.

    Parameters
    ----------
    interventions : sequence of Intervention
    strengths : Tensor [row, intervention]
    positions : Tensor of int [row, position]
        Where in its prompt each position stands that is run.
    lengths : Tensor of int [row]
        Tokens of each row's prompt.
    """
    changes: dict[Place, list[Callable[[Tensor], Tensor]]] = {}
    for i in in_order(interventions):
        one, strength = interventions[i], strengths[:, i]
        where = within(one.at, positions, lengths)

        def change(value: Tensor, one: Any = one, strength: Any = strength, where: Any = where) -> Tensor:
            changed: Tensor = one.change(value, strength, where, positions)
            return changed

        changes.setdefault((one.site, one.layer), []).append(change)
    return {place: _in_turn(those) for place, those in changes.items()}


def within(at: At, positions: Tensor, lengths: Tensor) -> Tensor:
    """Say which positions `[row, position]` of prompts of these lengths `[row]` an intervention is at."""
    if isinstance(at, str):
        return positions >= (0 if at == "all" else lengths[:, None] - 1)
    start, stop = at
    inside: Tensor = (positions >= _from_end(start, lengths)) & (positions >= 0)
    if stop is None:
        return inside
    return inside & (positions < _from_end(stop, lengths).minimum(lengths[:, None]))  # what is generated is not in it


def _from_end(bound: int, lengths: Tensor) -> Tensor:
    """Give a bound for each row `[row, 1]`, counted from the end of its prompt where it is negative."""
    return torch.full_like(lengths, bound)[:, None] if bound >= 0 else lengths[:, None] + bound


def checked(scope: Microscope, interventions: Intervention | Sequence[Intervention]) -> list[Intervention]:
    """Give interventions, or one, as a list.

    Raises
    ------
    TypeError, ValueError
        For something else, or for one that this model cannot have.
    """
    listed = [interventions] if isinstance(interventions, Intervention) else list(interventions)
    for one in listed:
        if not isinstance(one, Intervention):
            raise TypeError(f"Expected interventions such as steering.AddDirection(...), got {one!r}.")
        one.check(scope)
    return listed


def is_neutral(intervention: Intervention, strength: float) -> bool:
    """Whether a strength changes nothing."""
    return math.isnan(strength) if math.isnan(intervention.neutral) else strength == intervention.neutral


def checked_strength(intervention: Intervention, strength: Any) -> float:
    """Give a strength as a float.

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


def _in_turn(changes: list[Callable[[Tensor], Tensor]]) -> Callable[[Tensor], Tensor]:
    def all_of_them(value: Tensor) -> Tensor:
        for change in changes:
            value = change(value)
        return value

    return all_of_them


def _checked_at(at: Any) -> At:
    if isinstance(at, str) and at in ("all", "last"):
        return at
    bounds = tuple(at) if isinstance(at, Sequence) and not isinstance(at, str) else ()
    whole = [hasattr(bound, "__index__") for bound in bounds]
    if len(bounds) != 2 or not whole[0] or not (whole[1] or bounds[1] is None):
        raise ValueError(f"at= is 'all', 'last' or a span of positions (start, stop); got {at!r}.")
    return int(bounds[0]), None if bounds[1] is None else int(bounds[1])
