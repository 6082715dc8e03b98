"""The kinds of interventions: add or project out a direction, scale a head, clamp a neuron, swap attention."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scope_widgets.experiments.direction import Direction
from scope_widgets.models.execution.attention import uses_attention_interface
from scope_widgets.models.microscope import Microscope
from scope_widgets.steering.interventions import At, Intervention


class _OfDirection(Intervention):
    """What acts along a direction of the residual stream."""

    site = "residual"

    direction: Direction

    def __post_init__(self) -> None:
        _check_direction(self.direction)
        self._tidy()

    @property
    def layer(self) -> int:  # type: ignore[override]
        """The block that the changed stream enters."""
        return self.direction.layer

    def check(self, scope: Microscope) -> None:
        """Raise ValueError where the direction is not one of this model."""
        self.direction.check(scope)

    def _arguments(self) -> Sequence[str]:
        return [self.direction.code()]


@dataclass(frozen=True, eq=False)
class AddDirection(_OfDirection):
    """Add a direction to the residual stream: strength 1 adds a vector as long as the stream typically is there.

    Turner et al. 2023 (arXiv 2308.10248), Rimsky et al. 2023 (arXiv 2312.06681).
    """

    kind = "add"

    direction: Direction
    strength: float = 0.0
    at: At = "all"

    @property
    def name(self) -> str:
        """What to call it."""
        return f"add {self.direction.name}"

    @property
    def span(self) -> tuple[float, float]:
        """Three times the length that the direction was found with, to both sides."""
        reach = min(max(nice(3 * self.direction.length), 0.1), 2.0)
        return -reach, reach

    def change(self, value: Tensor, strength: Tensor, where: Tensor, positions: Tensor) -> Tensor:
        """See `Intervention.change`."""
        added = (strength * self.direction.scale)[:, None] * torch.tensor(self.direction.vector).to(strength)
        return torch.where(where[..., None], value + added[:, None].to(value), value)


@dataclass(frozen=True, eq=False)
class ProjectOut(_OfDirection):
    """Take a direction out of the residual stream that enters its layer: strength 1 all of it, 0.5 half of it."""

    kind = "project"

    direction: Direction
    strength: float = 1.0
    at: At = "all"

    @property
    def name(self) -> str:
        """What to call it."""
        return f"project out {self.direction.name}"

    def change(self, value: Tensor, strength: Tensor, where: Tensor, positions: Tensor) -> Tensor:
        """See `Intervention.change`."""
        vector = torch.tensor(self.direction.vector).to(value)
        part = (value @ vector)[..., None] * vector
        return torch.where(where[..., None], value - strength.to(value)[:, None, None] * part, value)


@dataclass(frozen=True, eq=False)
class ScaleHead(Intervention):
    """Multiply what a head puts out (its z) by the strength: 1 is the model as it is, 0 the head ablated."""

    kind = "scale"
    site = "z"
    neutral = 1.0

    layer: int
    head: int
    strength: float = 0.0
    at: At = "all"

    def __post_init__(self) -> None:
        _check_numbers(self.layer, self.head)
        self._tidy()

    @property
    def name(self) -> str:
        """What to call it."""
        return f"head {self.layer}.{self.head}"

    @property
    def span(self) -> tuple[float, float]:
        """From ablated to twice as much."""
        return 0.0, 2.0

    def check(self, scope: Microscope) -> None:
        """Raise ValueError where there is no such head."""
        super().check(scope)
        _check_head(self, scope)

    def change(self, value: Tensor, strength: Tensor, where: Tensor, positions: Tensor) -> Tensor:
        """See `Intervention.change`."""
        new = value.clone()
        head = value[:, :, self.head]
        new[:, :, self.head] = torch.where(where[..., None], head * strength.to(value)[:, None, None], head)
        return new

    def _arguments(self) -> Sequence[str]:
        return [str(self.layer), str(self.head)]


@dataclass(frozen=True, eq=False)
class ClampNeuron(Intervention):
    """Hold a neuron of an MLP (an input of its last matrix) at the strength; a strength of NaN leaves it free."""

    kind = "clamp"
    site = "neurons"
    neutral = math.nan

    layer: int
    neuron: int
    strength: float = 0.0
    at: At = "all"

    def __post_init__(self) -> None:
        _check_numbers(self.layer, self.neuron)
        self._tidy()

    @property
    def name(self) -> str:
        """What to call it."""
        return f"neuron {self.layer}:{self.neuron}"

    @property
    def span(self) -> tuple[float, float]:
        """A session knows better, from what the neuron does on its prompt."""
        return -5.0, 5.0

    def check(self, scope: Microscope) -> None:
        """Raise ValueError where there is no such neuron."""
        super().check(scope)
        down: Any = scope.anatomy.blocks[self.layer].down
        width = getattr(down, "in_features", None) or len(down.weight)  # GPT-2's Conv1D holds its matrix turned
        if not 0 <= self.neuron < width:
            raise ValueError(f"There is no {self.name}: the MLPs of {scope.model_id} have neurons 0 to {width - 1}.")

    def change(self, value: Tensor, strength: Tensor, where: Tensor, positions: Tensor) -> Tensor:
        """See `Intervention.change`."""
        new = value.clone()
        neuron, held = value[:, :, self.neuron], strength.to(value)[:, None]
        new[:, :, self.neuron] = torch.where(where & ~held.isnan(), held, neuron)
        return new

    def _arguments(self) -> Sequence[str]:
        return [str(self.layer), str(self.neuron)]


@dataclass(frozen=True, eq=False)
class SwapAttention(Intervention):
    """Give a head another attention pattern: strength 1 all of it, 0.5 halfway between its own and the other.

    `pattern` is `[query, key]`, rows summing to 1; queries after its last keep their own. `SwapAttention.of` takes it
    from another prompt, and notes as `source` the prompt, layer and head.
    """

    kind = "swap"
    site = "attention"

    layer: int
    head: int
    pattern: np.ndarray[Any, Any]
    strength: float = 1.0
    at: At = "all"
    source: tuple[str, int, int] | None = None

    def __post_init__(self) -> None:
        _check_numbers(self.layer, self.head)
        pattern = np.array(self.pattern, dtype=np.float32)
        square = pattern.ndim == 2 and 0 < pattern.shape[0] == pattern.shape[1]
        if not square or not np.isfinite(pattern).all() or np.triu(pattern, 1).any():
            raise ValueError(
                "An attention pattern is [query, key], square, finite, and 0 for keys after the query; got an array of "
                f"shape {list(pattern.shape)}."
            )
        if np.abs(pattern.sum(1) - 1).max() > 1e-3:
            raise ValueError(f"The rows of an attention pattern sum to 1; here one sums to {pattern.sum(1).min():.4g}.")
        pattern.flags.writeable = False
        object.__setattr__(self, "pattern", pattern)
        self._tidy()

    @classmethod
    def of(
        cls, scope: Microscope, prompt: Any, layer: int, head: int, strength: float = 1.0, at: At = "all"
    ) -> SwapAttention:
        """Take the pattern that this head has on another prompt."""
        attended = scope.trace(prompt, capture=("attention",)).attention(layer)
        if attended.ndim != 3 or not 0 <= head < len(attended):
            raise ValueError(f"A pattern is of one prompt and one of the heads 0 to {scope.n_heads - 1}; got {head}.")
        pattern = attended[head].float().cpu().numpy()
        source = (str(prompt), int(layer), int(head)) if isinstance(prompt, str) else None
        return cls(layer, head, pattern, strength, at, source)

    @property
    def name(self) -> str:
        """What to call it."""
        return f"attention of {self.layer}.{self.head}"

    def check(self, scope: Microscope) -> None:
        """Raise ValueError where there is no such head, or attention cannot be changed."""
        super().check(scope)
        _check_head(self, scope)
        if not uses_attention_interface(scope.model):
            raise ValueError(
                f"{type(scope.model).__name__} computes attention by itself, so the attention of a head cannot be "
                "swapped. Other interventions work."
            )

    def change(self, value: Tensor, strength: Tensor, where: Tensor, positions: Tensor) -> Tensor:
        """See `Intervention.change`."""
        pattern = torch.tensor(self.pattern).to(value)
        size, (queries, keys) = len(pattern), value.shape[-2:]
        # keys before the prompt begins are padding on the left
        padding = (positions < 0).sum(-1) if queries == keys else keys - 1 - positions[:, -1]
        of_key = torch.arange(keys, device=value.device) - padding[:, None]
        rows = pattern[positions.clamp(0, size - 1)]
        other = rows.gather(-1, of_key.clamp(0, size - 1)[:, None].expand(-1, queries, -1))
        other = other * ((of_key >= 0) & (of_key < size))[:, None]
        own = value[:, self.head]
        known = (where & (positions >= 0) & (positions < size))[..., None]
        new = value.clone()
        new[:, self.head] = torch.where(known, own + strength.to(value)[:, None, None] * (other - own), own)
        return new

    def _arguments(self) -> Sequence[str]:
        if self.source is None:
            return [str(self.layer), str(self.head), repr(self.pattern.tolist())]
        other = "steering.SwapAttention.of(scope, {!r}, {}, {}).pattern".format(*self.source)
        return [str(self.layer), str(self.head), other]


def nice(number: float) -> float:
    """Round a positive number up to 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(number))
    return next(round(step * power, 12) for step in (1, 2, 5, 10) if step * power >= number * (1 - 1e-9))


def _check_direction(direction: Any) -> None:
    if not isinstance(direction, Direction):
        raise TypeError(f"Expected a Direction, such as steering.direction(...) gives, not {direction!r}.")


def _check_numbers(*numbers: Any) -> None:
    if not all(hasattr(number, "__index__") for number in numbers):
        raise TypeError(f"A layer, a head and a neuron are numbers; got {', '.join(map(repr, numbers))}.")


def _check_head(intervention: Any, scope: Microscope) -> None:
    if not 0 <= intervention.head < scope.n_heads:
        raise ValueError(
            f"There is no head {intervention.layer}.{intervention.head}: {scope.model_id} has heads 0 to "
            f"{scope.n_heads - 1} in each layer."
        )
