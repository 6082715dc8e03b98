"""What rounding alone does: no share, rank, tie or test may depend on it.

Sums are made in another order by each instruction set, number of threads and batch size, so that the same model on the
same prompt gives logits that differ in their last digits. Measured with an error of one ulp in every linear layer, a
logit of float32 moves by a standard deviation of `0.2 * eps * size * sqrt(terms)`: `size` the largest logit, `terms`
the number of layer outputs that are added and normalised on the way. A random model whose
weights were tripled moves up to three times as much. `noise_floor` was above the largest movement of a logit in both.
What is smaller counts as nothing: a share of it is NaN, it is no effect in a test, and two values closer than that are
a tie, which position decides.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from scope_widgets.models.input_device import input_device
from scope_widgets.models.matmul_dtype import matmul_dtype

if TYPE_CHECKING:
    from scope_widgets.models.microscope import Microscope

Array = np.ndarray[Any, Any]

#: eps of what float32 products are summed in, by `torch.get_float32_matmul_precision()`: float32, TF32, bfloat16
_PRODUCTS = {"highest": 2.0**-23, "high": 2.0**-10, "medium": 2.0**-7}
#: a token that a model rules out has a logit of -inf, or of minus very much
_RULED_OUT = 1e4
#: values that a reader sees to be different are no tie, however coarse the dtype: share of the largest
_SEEN = 1e-3


def noise_floor(dtype: torch.dtype, size: float, terms: int = 1) -> float:
    """Return the difference that rounding alone may make between two numbers.

    Parameters
    ----------
    dtype : torch.dtype
        What they were computed in.
    size : float
        The largest absolute value of what was summed, which may be much more than the result.
    terms : int, default 1
        How many rounded values were summed one after the other. Errors have no common sign: they grow by the root.
    """
    # half precision is summed in float32 and rounded once, by half an eps; float32 is rounded at every term
    errors = 1 if dtype.itemsize < 4 else 4
    return errors * torch.finfo(dtype).eps * size * math.sqrt(terms)


def logit_floor(scope: Microscope, logits: Tensor) -> float:
    """Return the difference that rounding alone may make between two logits `[..., vocabulary]` of a model."""
    sizes = logits.detach().float().abs()
    size = float(sizes.where(sizes < _RULED_OUT, 0.0).nan_to_num(0.0).max())
    terms = 2 * scope.n_layers + 1  # attention and MLP of each block, and the unembedding
    dtype = matmul_dtype(scope.model)
    floor = noise_floor(dtype, size, terms)
    if dtype == torch.float32 and input_device(scope.model).type != "cpu":
        floor *= _PRODUCTS[torch.get_float32_matmul_precision()] / _PRODUCTS["highest"]
    return floor


def vanishes(value: Any, floor: float) -> Any:
    """Return whether values are nothing but rounding: at most `floor`, or not finite."""
    with np.errstate(invalid="ignore"):
        return ~(np.isfinite(value) & (np.abs(value) > floor))


def share(part: Any, whole: Any, floor: float) -> Any:
    """Return `part / whole`; NaN where the whole is nothing but rounding: a share of nothing is no share."""
    found = np.divide(part, np.where(vanishes(whole, floor), np.nan, whole))
    return found if found.ndim else float(found)


def settled(values: Any, floor: float) -> Array:
    """Return values with what is nothing but rounding as 0, so that no test takes it for an effect."""
    values = np.asarray(values, dtype=np.float64)
    return np.where(np.abs(values) <= floor, 0.0, values)


def levels(values: Any, floor: float) -> Array:
    """Return for each value `[n]` which level it is on, the highest numbers for the largest: ties share a level.

    From the largest on, each level holds what is at most `floor` below its largest value, so that a long row of close
    values is no single tie. NaN is on level -1.
    """
    flat = np.asarray(values, dtype=np.float64).ravel()
    order = np.argsort(-flat, kind="stable")[: len(flat) - int(np.isnan(flat).sum())]
    falling = flat[order]
    first = np.ones(len(falling), dtype=bool)  # of its level
    with np.errstate(invalid="ignore"):
        first[1:] = falling[:-1] - falling[1:] > floor
    value, top = falling.tolist(), 0
    for at in np.flatnonzero(~first).tolist():
        if first[at - 1]:
            top = at - 1
        if value[top] - value[at] > floor:
            first[at], top = True, at
    found = np.full(len(flat), -1)
    found[order] = first.sum() - np.cumsum(first)
    return found


def rank(values: Any, floor: float | None = None) -> Array:
    """Return the indices of values `[n]` in descending order; ties, exact or by rounding, by position; NaN last.

    Parameters
    ----------
    floor : float, optional
        Up to which two values are a tie; by default float32's rounding of the largest. Where a value is larger than
        that, it counts up to a thousandth of the largest only: half precision rounds more, but a table that visibly
        does not fall helps nobody.
    """
    flat = np.asarray(values, dtype=np.float64).ravel()
    size = float(np.abs(flat[np.isfinite(flat)]).max(initial=0.0))
    tie = noise_floor(torch.float32, size) if floor is None else floor
    tie = min(tie, _SEEN * size) if size > tie else tie
    return np.argsort(-levels(flat, tie), kind="stable")


def largest(values: Tensor, k: int) -> Tensor:
    """Return the indices `[..., k]` of the k largest values `[..., n]`, ordered as by `rank`.

    `torch.topk` does not say which of two equal values comes first, or is left out.
    """
    rows = values.reshape(-1, values.shape[-1])
    top, ids = rows.topk(min(k + 1, rows.shape[-1]))
    floors = noise_floor(torch.float32, 1.0) * top[:, :1].abs()
    close = ~(top[:, :-1] - top[:, 1:] > floors).all(1)
    ids = ids[:, :k].clone()
    for row in close.nonzero().flatten().tolist():  # rarely any
        some = (rows[row] >= top[row, k - 1] - floors[row]).nonzero().flatten()
        ids[row] = some[
            torch.as_tensor(rank(rows[row, some].double().cpu(), float(floors[row]))[:k], device=ids.device)
        ]
    return ids.reshape(*values.shape[:-1], k)
