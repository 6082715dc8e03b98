"""What a block adds to the residual stream, found from what its modules gave in one run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Call(NamedTuple):
    """A call of a module: what it was given and what it gave."""

    module: nn.Module
    given: Tensor | None
    gave: Tensor


class Written(NamedTuple):
    """What is added to the residual stream: a module's output times a scale."""

    module: nn.Module
    scale: float


def added(
    entering: Tensor,
    leaving: Tensor,
    starts: Sequence[Sequence[nn.Module]],
    calls: Sequence[Call],
    scales: Iterable[float],
) -> list[Written] | None:
    """Return what is added to a residual stream by one writer of each kind, or None where no sum explains it.

    Where those do not, any other call of the block may be one writer more, which then comes last.

    Parameters
    ----------
    entering, leaving : Tensor [..., d_model]
        The residual stream before and after a block.
    starts : sequence of sequences of torch.nn.Module
        Of each kind (attention, MLP) the modules that may be what is added, or may be followed by what is (a norm).
    calls : sequence of Call
        Of the block's modules, in the order in which they ended.
    scales : iterable of float
        Numbers that the model's configuration holds, which a scale may be.
    """
    candidates = [_candidates(start, calls) for start in starts]
    others = [call for call in calls if not any(call.module is one.module for found in candidates for one in found)]
    change = leaving.double() - entering.double()
    known = sorted({1.0, *scales})
    for fitted, more in ((False, []), (True, []), (False, [others]), (True, [others])):
        for chosen in filter(None, product(*candidates, *more)):
            parts = [call.gave.reshape(change.shape).double() for call in chosen]
            factors = _fitted(change, parts, known, leaving.dtype) if fitted else [1.0] * len(parts)
            if _explained(entering, leaving, change, parts, factors):
                return [Written(call.module, factor) for call, factor in zip(chosen, factors, strict=True)]
    return None


def followed_by(start: nn.Module, calls: Sequence[Call]) -> list[Call]:
    """Return the call of a module, then of what got its output, and so on, without those that change nothing."""
    found: list[Call] = []
    for call in calls:
        if call.module is start:
            found = [call]
        elif (
            found and call.given is not None and _same(call.given, found[-1].gave) and not _same(call.given, call.gave)
        ):
            found.append(call)
    return found


def _candidates(start: Sequence[nn.Module], calls: Sequence[Call]) -> list[Call]:
    """Return what may be added, the last of each chain first."""
    found: list[Call] = []
    for module in start:
        for call in reversed(followed_by(module, calls)):
            if not any(_same(call.gave, other.gave) for other in found):
                found.append(call)
    return found


def _same(a: Tensor, b: Tensor) -> bool:
    return a.numel() == b.numel() and torch.equal(a.reshape(-1), b.reshape(-1))


def _fitted(change: Tensor, parts: Sequence[Tensor], known: Sequence[float], dtype: torch.dtype) -> list[float]:
    """Return the factors of the parts that best explain a change, each the nearest known number where one is near."""
    table = torch.stack([part.flatten() for part in parts], dim=1)
    fits = torch.linalg.lstsq(table, change.reshape(-1, 1)).solution.flatten().tolist()
    near = 1e-3 if dtype == torch.float32 else 2e-2
    factors = []
    for fit in fits:
        nearest = min(known, key=lambda one: abs(one - fit))
        factors.append(nearest if abs(nearest - fit) <= near * abs(nearest) else fit)
    return factors


def _explained(
    entering: Tensor, leaving: Tensor, change: Tensor, parts: Sequence[Tensor], factors: Sequence[float]
) -> bool:
    """Return whether parts times factors are the change, up to the rounding of a sum of numbers as large as these."""
    written = [factor * part for factor, part in zip(factors, parts, strict=True)]
    size = sum((part.abs() for part in written), entering.double().abs() + leaving.double().abs())
    off = (change - sum(written, torch.zeros_like(change))).abs()
    # T5 in float16 keeps one matrix in float32: what is added before it is rounded as what enters is
    eps = max(torch.finfo(one.dtype).eps for one in (entering, leaving))
    within = 8 * eps * size + 1e-5 * change.abs().max()
    return bool((off <= within).all())
