"""Interventions along a direction of the residual stream: add it, or project it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from scope_widgets.experiments.direction import Direction
from scope_widgets.models.microscope import Microscope
from scope_widgets.steering.intervention import Intervention, SteeredPositions, round_up, takes_former_at


class _OfDirection(Intervention):
    """What interventions along a direction of the residual stream share."""

    site = "residual"

    direction: Direction

    def __post_init__(self) -> None:
        _check_direction(self.direction)
        self._normalise()

    @property
    def layer(self) -> int:  # type: ignore[override]
        """The block that the changed stream enters."""
        return self.direction.layer

    def check(self, scope: Microscope) -> None:
        """Raise ValueError where the direction is not one of this model."""
        self.direction.check(scope)

    def _arguments(self) -> Sequence[str]:
        return [self.direction.code()]


@takes_former_at
@dataclass(frozen=True, eq=False)
class AddDirection(_OfDirection):
    """Add a direction to the residual stream that enters its layer.

    Parameters
    ----------
    direction : Direction
        As `steering.direction` finds it.
    strength : float
        In units of the typical norm of the residual stream there (`direction.scale`); negative ones subtract.
    positions : "all", "last" or (start, stop)
        See `Intervention`.

    Raises
    ------
    TypeError, ValueError
        For something else than a direction, a strength that is not finite, or other positions.

    References
    ----------
    Turner et al. 2023 (arXiv 2308.10248); Rimsky et al. 2023 (arXiv 2312.06681).

    Examples
    --------
    >>> names = steering.direction(scope, answer=" Mary", versus=" John", layer=2, name="names")
    >>> steering.AddDirection(names, 0.5).name
    'add names'
    """

    kind = "add"

    direction: Direction
    strength: float = 0.0
    positions: SteeredPositions = "all"

    @property
    def name(self) -> str:
        """A short name, such as "add plural"."""
        return f"add {self.direction.name}"

    @property
    def span(self) -> tuple[float, float]:
        """Three times the length that the direction was found with, to both sides."""
        reach = min(max(round_up(3 * self.direction.length), 0.1), 2.0)
        return -reach, reach

    def change(self, value: Tensor, strength: Tensor, where: Tensor, positions: Tensor) -> Tensor:
        """See `Intervention.change`."""
        added = (strength * self.direction.scale)[:, None] * torch.tensor(self.direction.vector).to(strength)
        return torch.where(where[..., None], value + added[:, None].to(value), value)


@takes_former_at
@dataclass(frozen=True, eq=False)
class ProjectOut(_OfDirection):
    """Take a direction out of the residual stream that enters its layer.

    Parameters
    ----------
    direction : Direction
        As `steering.direction` finds it.
    strength : float
        The share that is taken out: 1 all of it, 0.5 half of it.
    positions : "all", "last" or (start, stop)
        See `Intervention`.

    Raises
    ------
    TypeError, ValueError
        For something else than a direction, a strength that is not finite, or other positions.

    References
    ----------
    Arditi et al. 2024 (arXiv 2406.11717), section 2.4.

    Examples
    --------
    >>> names = steering.direction(scope, answer=" Mary", versus=" John", layer=2)
    >>> with steering.steer(scope, steering.ProjectOut(names)):
    ...     without = scope.trace("When Mary and John went to the store, John gave a drink to")
    """

    kind = "project"

    direction: Direction
    strength: float = 1.0
    positions: SteeredPositions = "all"

    @property
    def name(self) -> str:
        """A short name, such as "project out plural"."""
        return f"project out {self.direction.name}"

    def change(self, value: Tensor, strength: Tensor, where: Tensor, positions: Tensor) -> Tensor:
        """See `Intervention.change`."""
        vector = torch.tensor(self.direction.vector).to(value)
        part = (value @ vector)[..., None] * vector
        return torch.where(where[..., None], value - strength.to(value)[:, None, None] * part, value)


def _check_direction(direction: Any) -> None:
    if not isinstance(direction, Direction):
        raise TypeError(f"Expected a Direction, such as steering.direction(...) returns, not {direction!r}.")
