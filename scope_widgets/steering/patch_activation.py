"""An intervention that holds a head's output, or the residual stream, at what it is elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scope_widgets._types import Array
from scope_widgets._untrusted import opening
from scope_widgets.experiments.check_components import check_head
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.models.tokens import encode
from scope_widgets.steering.intervention import Intervention, SteeredPositions


@dataclass(frozen=True, eq=False)
class PatchActivation(Intervention):
    """Put other values in the place of a head's output (its z) or of the residual stream that enters a block.

    `PatchActivation.of` takes them from a prompt: from another one it is activation patching, from the same one it pins
    the activation, whatever acts before it.

    Parameters
    ----------
    layer : int
    values : array [position, width] or float
        Positions after its last keep their own; one number is for all positions and components, 0 ablates.
    head : int, optional
        None: the residual stream.
    strength : float
        1 is the other values, 0.5 halfway between the model's own and these.
    positions : "all", "last" or (start, stop)
        See `Intervention`.
    label : str
        What it does, in a word, for its name.
    source : str, optional
        The prompt that the values come from; `code` then says so instead of writing all numbers.

    Raises
    ------
    TypeError, ValueError
        For a layer or a head that is no number, values of another form or that are not finite, a strength that is not
        finite, or other positions.

    Examples
    --------
    >>> clean, corrupted = "Mary and John went. John gave to", "Mary and John went. Mary gave to"
    >>> patched = steering.PatchActivation.of(scope, corrupted, 2, positions=(5, 6))
    >>> session = steering.Session(scope, clean, [patched], answer=" Mary", versus=" John")
    >>> session.at().difference < session.at([0.0]).difference
    True
    """

    kind = "patch"

    layer: int
    values: Any
    head: int | None = None
    strength: float = 1.0
    positions: SteeredPositions = "all"
    label: str = "patch"
    source: str | None = None

    def __post_init__(self) -> None:
        if not all(hasattr(one, "__index__") for one in (self.layer, self.head or 0)):
            raise TypeError(f"A layer and a head are numbers; got {self.layer!r} and {self.head!r}.")
        for name in ("label", "source"):
            if not isinstance(getattr(self, name), str | None if name == "source" else str):
                raise TypeError(f"{name}= is a text; got {opening(getattr(self, name))}.")
        values = self.values
        if not isinstance(values, np.ndarray) or values.dtype != np.float32 or values.flags.writeable:
            values = _float32(values)
        if values.ndim not in (0, 2) or not values.size or not np.isfinite(values).all():
            raise ValueError(
                "The values of a patched activation are finite numbers [position, width], or one number; got an array "
                f"of shape {list(values.shape)}."
            )
        values.flags.writeable = False
        object.__setattr__(self, "values", values)
        self._normalise()

    @classmethod
    def of(
        cls,
        scope: Microscope,
        prompt: str | Sequence[int],
        layer: int,
        head: int | None = None,
        strength: float = 1.0,
        positions: SteeredPositions = "all",
        label: str = "patch",
    ) -> PatchActivation:
        """Return an intervention with the values of a prompt.

        Parameters
        ----------
        scope : Microscope
        prompt : str or list of token ids
        layer, head, strength, positions, label
            See `PatchActivation`.

        Raises
        ------
        ValueError
            For several prompts, or a layer or head that is not there.

        Examples
        --------
        >>> steering.PatchActivation.of(scope, "the dogs", 1, 0).name
        'patch head 1.0'
        """
        made = cls(layer, 0.0, head, strength, positions, label)
        made.check(scope)
        return made.with_values(activation_values(scope, prompt, layer, head), prompt)

    def with_values(self, values: Any, prompt: str | Sequence[int]) -> PatchActivation:
        """Return the same with the values of a prompt, as `activation_values` returns them."""
        source = prompt if isinstance(prompt, str) else None
        return PatchActivation(self.layer, values, self.head, self.strength, self.positions, self.label, source)

    @property
    def site(self) -> str:  # type: ignore[override]
        """The residual stream, or the outputs of heads."""
        return "residual" if self.head is None else "z"

    @property
    def name(self) -> str:
        """A short name, such as "patch head 3.1"."""
        return f"{self.label} {f'residual {self.layer}' if self.head is None else f'head {self.layer}.{self.head}'}"

    def check(self, scope: Microscope) -> None:
        """Raise ValueError where there is no such head or layer; the final norm is one more of the stream."""
        if self.head is not None:
            check_head(scope, self.layer, self.head)
        elif self.layer != scope.n_layers:
            super().check(scope)

    def change(self, value: Tensor, strength: Tensor, where: Tensor, positions: Tensor) -> Tensor:
        """See `Intervention.change`."""
        own = value if self.head is None else value[:, :, self.head]
        other = torch.tensor(self.values).to(own)
        if other.ndim:
            if other.shape[-1] != own.shape[-1]:
                raise ValueError(f"{self.name} has values of width {other.shape[-1]}, and this model {own.shape[-1]}.")
            where = where & (positions >= 0) & (positions < len(other))
            other = other[positions.clamp(0, len(other) - 1)]
        mixed = torch.lerp(own, other.expand_as(own), strength.to(own)[:, None, None])
        changed = torch.where(where[..., None], mixed, own)
        if self.head is None:
            return changed
        new = value.clone()
        new[:, :, self.head] = changed
        return new

    def _arguments(self) -> Sequence[str]:
        values = repr(self.values.tolist())
        if self.source is not None:
            place = f"{self.layer}" if self.head is None else f"{self.layer}, {self.head}"
            values = f"steering.PatchActivation.of(scope, {self.source!r}, {place}).values"
        label = [] if self.label == "patch" else [f"label={self.label!r}"]
        return [str(self.layer), values, *([] if self.head is None else [f"head={self.head}"]), *label]


def _float32(values: Any) -> Array:
    """Return a copy of numbers; raise TypeError where some are none."""
    try:
        found = np.asarray(values.detach().float().cpu() if isinstance(values, Tensor) else values)
        if found.dtype.kind not in "fiub":
            raise ValueError
        with np.errstate(over="ignore"):  # infinite numbers are refused
            return found.astype(np.float32)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(
            f"The values of a patched activation are numbers [position, width], or one number; got {opening(values)}."
        ) from None


@remotable
def activation_values(scope: Microscope, prompt: str | Sequence[int], layer: int, head: int | None = None) -> Tensor:
    """Return a head's output, or the residual stream that enters a block, on one prompt, `[position, width]`.

    Parameters
    ----------
    scope : Microscope
    prompt : str or list of token ids
    layer : int
    head : int, optional
        None: the residual stream.

    Raises
    ------
    ValueError
        For several prompts.

    Examples
    --------
    >>> activation_values(scope, "the dogs", 1).shape  # doctest: +SKIP
    torch.Size([2, 128])
    """
    rows, _, _ = encode(scope.tokenizer, prompt, None)
    if len(rows) > 1:
        raise ValueError(f"Values are of one prompt; got {len(rows)}.")
    found: list[Tensor] = []

    def keep(at: int | None) -> Callable[[Tensor], Tensor]:
        def capture(value: Tensor) -> Tensor:
            found.append((value[0] if at is None else value[0, :, at]).detach().float().cpu())
            return value

        return capture

    scope.logits(torch.tensor([rows[0]]), {("residual" if head is None else "z", layer): keep(head)})
    return found[0]
