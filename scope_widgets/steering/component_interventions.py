"""Interventions on one component: scale a head, clamp a neuron, swap the attention pattern of a head."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scope_widgets._aliases import former_options
from scope_widgets.experiments.check_components import check_head
from scope_widgets.models.execution.activation_edits import n_neurons
from scope_widgets.models.microscope import Microscope
from scope_widgets.steering.intervention import Intervention, SteeredPositions, round_up, takes_former_at


@takes_former_at
@dataclass(frozen=True, eq=False)
class ScaleHead(Intervention):
    """Multiply the output of a head (its z) by the strength.

    Parameters
    ----------
    layer, head : int
    strength : float
        1 is the model as it is, 0 the head ablated, 2 its output doubled.
    positions : "all", "last" or (start, stop)
        See `Intervention`.

    Raises
    ------
    TypeError, ValueError
        For a layer or a head that is no number, a strength that is not finite, or other positions.

    Examples
    --------
    >>> prompt = "When Mary and John went to the store, John gave a drink to"
    >>> session = steering.Session(scope, prompt, [steering.ScaleHead(3, 1, 0.0)], answer=" Mary", versus=" John")
    >>> session.at().difference < session.at([1.0]).difference  # the head is a name mover
    True
    """

    kind = "scale"
    site = "z"
    neutral = 1.0

    layer: int
    head: int
    strength: float = 0.0
    positions: SteeredPositions = "all"

    def __post_init__(self) -> None:
        _check_numbers(self.layer, self.head)
        self._normalise()

    @property
    def name(self) -> str:
        """A short name, such as "head 3.1"."""
        return f"head {self.layer}.{self.head}"

    @property
    def span(self) -> tuple[float, float]:
        """From ablated to twice as much."""
        return 0.0, 2.0

    def check(self, scope: Microscope) -> None:
        """Raise ValueError where there is no such head."""
        check_head(scope, self.layer, self.head)

    def change(self, value: Tensor, strength: Tensor, where: Tensor, positions: Tensor) -> Tensor:
        """See `Intervention.change`."""
        new = value.clone()
        head = value[:, :, self.head]
        new[:, :, self.head] = torch.where(where[..., None], head * strength.to(value)[:, None, None], head)
        return new

    def _arguments(self) -> Sequence[str]:
        return [str(self.layer), str(self.head)]


@takes_former_at
@dataclass(frozen=True, eq=False)
class ClampNeuron(Intervention):
    """Set the activation of a neuron of an MLP (an input of its last matrix) to the strength.

    Parameters
    ----------
    layer, neuron : int
    strength : float
        The activation; NaN leaves the neuron as it is.
    positions : "all", "last" or (start, stop)
        See `Intervention`.

    Raises
    ------
    TypeError, ValueError
        For a layer or a neuron that is no number, an infinite strength, or other positions.

    Examples
    --------
    >>> steering.Session(scope, "the horse", [steering.ClampNeuron(2, 17, 3.0)]).at().kl > 0
    True
    """

    kind = "clamp"
    site = "neurons"
    neutral = math.nan

    layer: int
    neuron: int
    strength: float = 0.0
    positions: SteeredPositions = "all"

    def __post_init__(self) -> None:
        _check_numbers(self.layer, self.neuron)
        self._normalise()

    @property
    def name(self) -> str:
        """A short name, such as "neuron 2:17"."""
        return f"neuron {self.layer}:{self.neuron}"

    @property
    def span(self) -> tuple[float, float]:
        """From -5 to 5; a session measures it by the neuron's activations on its prompt."""
        return -5.0, 5.0

    def span_on(self, value: Tensor) -> tuple[float, float]:
        """Twice the neuron's largest activation, to both sides."""
        reach = round_up(max(1.0, 2 * float(value[..., self.neuron].abs().max())))
        return -reach, reach

    def check(self, scope: Microscope) -> None:
        """Raise ValueError where there is no such neuron, as in a mixture of experts."""
        super().check(scope)
        if scope.anatomy.blocks[self.layer].mlp is None:
            raise ValueError(scope.anatomy.missing("neurons", self.layer))
        width = n_neurons(scope.anatomy.blocks[self.layer])
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


@takes_former_at
@dataclass(frozen=True, eq=False)
class SwapAttention(Intervention):
    """Replace the attention pattern of a head by another.

    `SwapAttention.of` takes the pattern from another prompt.

    Parameters
    ----------
    layer, head : int
    pattern : array [query, key]
        Rows sum to 1; queries after its last keep their own pattern.
    strength : float
        1 is the other pattern, 0.5 halfway between the head's own and the other.
    positions : "all", "last" or (start, stop)
        The queries, see `Intervention`.
    source : (prompt, layer, head), optional
        Where the pattern comes from; `code` then says so instead of writing all numbers.

    Raises
    ------
    TypeError, ValueError
        For a layer or a head that is no number, an array that is no attention pattern, a strength that is not finite,
        or other positions.

    Examples
    --------
    >>> pattern = scope.trace("the dogs").attention(1)[0]
    >>> steering.SwapAttention(1, 0, pattern, 0.5).name
    'attention of 1.0'
    """

    kind = "swap"
    site = "attention"

    layer: int
    head: int
    pattern: np.ndarray[Any, Any]
    strength: float = 1.0
    positions: SteeredPositions = "all"
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
        self._normalise()

    @classmethod
    @former_options(at="positions")
    def of(
        cls,
        scope: Microscope,
        prompt: str | Sequence[int],
        layer: int,
        head: int,
        strength: float = 1.0,
        positions: SteeredPositions = "all",
    ) -> SwapAttention:
        """Return an intervention with the pattern that this head has on another prompt.

        Parameters
        ----------
        scope : Microscope
        prompt : str or list of token ids
        layer, head : int
        strength, positions
            See `SwapAttention`.

        Raises
        ------
        ValueError
            For several prompts, or a head that is not there.

        Examples
        --------
        >>> steering.SwapAttention.of(scope, "the dogs", 1, 0).source
        ('the dogs', 1, 0)
        """
        attended = scope.trace(prompt, capture=("attention",), logits=None).attention(layer)
        if attended.ndim != 3 or not 0 <= head < len(attended):
            raise ValueError(f"A pattern is of one prompt and one of the heads 0 to {scope.n_heads - 1}; got {head}.")
        pattern = attended[head].float().cpu().numpy()
        source = (str(prompt), int(layer), int(head)) if isinstance(prompt, str) else None
        return cls(layer, head, pattern, strength, positions, source)

    @property
    def name(self) -> str:
        """A short name, such as "attention of 1.0"."""
        return f"attention of {self.layer}.{self.head}"

    def check(self, scope: Microscope) -> None:
        """Raise ValueError where there is no such head, or attention cannot be changed."""
        check_head(scope, self.layer, self.head)

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


def _check_numbers(*numbers: Any) -> None:
    if not all(hasattr(number, "__index__") for number in numbers):
        raise TypeError(f"A layer, a head and a neuron are numbers; got {', '.join(map(repr, numbers))}.")
