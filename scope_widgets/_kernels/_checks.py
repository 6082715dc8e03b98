"""Checks of what the kernels are given, in one place before the call: compiled code trusts its arguments."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
BLOCK = 128  # queries that one thread takes at a time: fewer cost more in scheduling than they balance
FLOATS = (np.float32, np.float16)
OUTSIDE, NOT_FINITE = 1, 2  # what kernels of codes find wrong, as in codes.h
FINITE_HINT = "look for an overflow (float16?) or a fully masked row where it was computed."


def array(given: object, name: str, axes: tuple[str, ...], dtypes: tuple[type, ...], contiguous: bool = True) -> Array:
    """Return `given` where it is a (C-contiguous) non-empty array of these axes and one of these dtypes."""
    layout = f"[{', '.join(axes)}]"
    if not isinstance(given, np.ndarray):
        raise TypeError(
            f"{name} is a {type(given).__name__}, expected a NumPy array {layout} or such a tensor: "
            "convert it with numpy.asarray()."
        )
    expected = " or ".join(np.dtype(dtype).name for dtype in dtypes)
    if given.dtype not in [np.dtype(dtype) for dtype in dtypes]:
        raise TypeError(
            f"{name} has dtype {given.dtype}, expected {expected}: convert it with .astype(), a tensor with .to()."
        )
    if given.ndim != len(axes):
        raise ValueError(f"{name} has shape {given.shape}, expected {layout}: give it {len(axes)} axes.")
    if given.size == 0:
        raise ValueError(f"{name} has shape {given.shape} and so no entry, expected one or more along every axis.")
    if contiguous and not given.flags.c_contiguous:
        raise ValueError(f"{name} is not C-contiguous: pass numpy.ascontiguousarray({name}).")
    return given


def attention(given: object) -> Array:
    """Return `given` where it is attention [head, query, key], float32 or float16."""
    checked = array(given, "attention", ("head", "query", "key"), FLOATS)
    square(checked.shape, "attention")
    return checked


def square(shape: tuple[int, ...], name: str) -> None:
    """Raise ValueError for a `shape` whose last two axes, query and key, differ."""
    n_queries, n_keys = shape[-2:]
    if n_queries != n_keys:
        raise ValueError(
            f"{name} has {n_queries} queries and {n_keys} keys, expected as many keys as queries: "
            "pass the attention of one whole prompt."
        )


def queries_and_keys(q: tuple[int, ...], k: tuple[int, ...], scaling: float, softcap: float | None) -> None:
    """Raise ValueError for queries and keys whose shapes do not go together, and numbers that are out of range."""
    n_heads, n_tokens, d_head = q
    if k[1:] != (n_tokens, d_head) or n_heads % k[0]:
        raise ValueError(
            f"q has shape {q} and k {k}, expected k [kv_head, {n_tokens}, {d_head}] with a number "
            f"of kv_heads that divides {n_heads}: pass the queries and keys of one layer and one prompt."
        )
    if not math.isfinite(scaling):
        raise ValueError(f"scaling is {scaling}, expected a finite number: pass the model's, or 1 / sqrt(d_head).")
    if softcap is not None and not (0 < softcap < math.inf):
        raise ValueError(f"softcap is {softcap}, expected a positive number, or None for no cap.")


def at_least_one(given: int, name: str, what: str) -> None:
    """Raise ValueError for a number of `what` below 1."""
    if given < 1:
        raise ValueError(f"{name} is {given}, expected 1 or more: it is the number of {what}.")


def positive_scale(scale: float | None) -> None:
    """Raise ValueError for a scale that is given and not a positive number."""
    if scale is not None and not (0 < scale < math.inf):
        raise ValueError(f"scale is {scale}, expected a positive number: pass the attention that becomes 255.")


def finite_maximum(maximum: float) -> None:
    """Raise ValueError for a matrix whose largest entry is NaN or infinite."""
    if not math.isfinite(maximum):
        raise ValueError(f"matrix holds NaN or infinite entries, expected finite ones: {FINITE_HINT}")


def tokens(given: object, n_queries: int) -> Array:
    """Return `given` where it is int64 token ids, one per query."""
    checked = array(given, "tokens", ("query",), (np.int64,))
    if len(checked) != n_queries:
        raise ValueError(f"tokens holds {len(checked)} ids for {n_queries} queries: pass one token id per query.")
    return checked


def codes(starts: object, latents: object, values: object, n_latents: int) -> int:
    """Return `n_latents` where these are codes compressed by rows, whose latents the kernel itself looks at."""
    at_least_one(n_latents, "n_latents", "latents")
    if n_latents >= 2**31:
        raise ValueError(f"n_latents is {n_latents:,}, expected fewer than 2^31: read the latents in parts.")
    found = array(starts, "starts", ("row + 1",), (np.int64,))
    sizes = [_entries(latents, "latents", (np.int32,)), _entries(values, "values", FLOATS)]
    rows = len(found) - 1
    if found[0] != 0 or [found[-1]] * 2 != sizes or (found[1:] < found[:-1]).any() or not 0 <= rows < 2**31:
        raise ValueError(
            f"starts of {rows:,} rows goes from {found[0]:,} to {found[-1]:,}, expected from 0 to the {sizes[0]:,} "
            f"latents and {sizes[1]:,} values, without falling: pass the indptr, indices and data of a csr_array."
        )
    return int(n_latents)


def _entries(given: object, name: str, dtypes: tuple[type, ...]) -> int:
    """Return how many entries an array [entry] has, which may be none."""
    if isinstance(given, np.ndarray) and given.shape == (0,) and given.dtype in [np.dtype(one) for one in dtypes]:
        return 0
    return len(array(given, name, ("entry",), dtypes))


def nothing_wrong(wrong: Array, n_latents: int) -> None:
    """Raise ValueError where a part of codes has latents or values that are none."""
    if (wrong == OUTSIDE).any():
        raise ValueError(f"latents holds numbers that are none of 0 to {n_latents - 1:,}: pass the codes' n_latents.")
    if (wrong == NOT_FINITE).any():
        raise ValueError(f"values holds NaN or infinite entries, expected finite ones: {FINITE_HINT}")


def threads(given: int | None) -> int:
    """Return the number of threads, 0: as many as the machine has and the work is worth."""
    if given is not None and given < 1:
        raise ValueError(f"threads is {given}, expected 1 or more, or None for as many as are worth it.")
    return given or 0


def all_finite(is_finite: Array, name: str) -> None:
    """Raise ValueError where `is_finite` [head] says that a head of `name` has entries that are NaN or infinite."""
    bad = np.flatnonzero(~is_finite)
    if bad.size:
        heads = ", ".join(map(str, bad[:8])) + (", ..." if bad.size > 8 else "")
        raise ValueError(f"{name} of head {heads} holds NaN or infinite entries, expected finite ones: {FINITE_HINT}")


def bits(checked: Array) -> Array:
    """Return float32 or float16 as a view of integers of the same bits, which is how the compiled code takes them."""
    return checked.view(np.int16 if checked.dtype == np.float16 else np.int32)
