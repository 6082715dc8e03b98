"""Summaries of attention and of codes: they know arrays, nothing else.

Each exists twice: compiled (sources in cython_ext/), for what is in this machine's memory, and by torch, for tensors on
another device and where there are no compiled modules. Here the one that fits the arguments is chosen.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from torch import Tensor

from . import _display, _ranking, _statistics, _statistics_from_qk, _torch_display, _torch_statistics
from ._autoencoder import Rows, above_scored, add_latent_gradients, strongest, strongest_scored
from ._build import build
from ._codes import rows_by_latent, top_rows
from ._compiled import COMPILED, MISSING
from ._means import visible_keys
from ._neighbours import nearest
from ._torch_statistics import cell_means, repetition_statistics

__all__ = [
    "COMPILED",
    "Rows",
    "above_scored",
    "add_latent_gradients",
    "build",
    "cell_means",
    "entropy_per_query",
    "head_statistics",
    "head_statistics_from_qk",
    "nearest",
    "pack_triangle",
    "repetition_statistics",
    "rows_by_latent",
    "strongest",
    "strongest_scored",
    "thumbnails",
    "top_keys",
    "top_rows",
    "visible_keys",
]

P = ParamSpec("P")
R = TypeVar("R")


def _either(compiled: Callable[..., R], by_torch: Callable[P, R]) -> Callable[P, R]:
    """Return the function that calls the one or the other; it has the docstring of the compiled one."""

    @functools.wraps(compiled)
    def choose(*args: P.args, **kwargs: P.kwargs) -> R:
        values = (*args, *kwargs.values())
        on_device = any(isinstance(value, Tensor) and value.device.type != "cpu" for value in values)
        if not COMPILED and not on_device:
            _warn_of_slow_kernels()
        if on_device or not COMPILED:
            return by_torch(*args, **kwargs)
        return compiled(*map(_array, args), **{name: _array(value) for name, value in kwargs.items()})

    return choose


def _array(value: Any) -> Any:
    """Return a tensor in this machine's memory as the array that compiled code takes."""
    return _torch_statistics.plain(value).contiguous().numpy() if isinstance(value, Tensor) else value


@functools.cache
def _warn_of_slow_kernels() -> None:
    warnings.warn(
        f"The compiled modules of scope_widgets are missing ({MISSING}), so attention is summarised by torch: the "
        "numbers are the same, it takes longer. Install the wheel of your platform, or build: pip install .",
        stacklevel=3,
    )


entropy_per_query = _either(_statistics.entropy_per_query, _torch_statistics.entropy_per_query)
head_statistics = _either(_statistics.head_statistics, _torch_statistics.head_statistics)
head_statistics_from_qk = _either(
    _statistics_from_qk.head_statistics_from_qk, _torch_statistics.head_statistics_from_qk
)
pack_triangle = _either(_display.pack_triangle, _torch_display.pack_triangle)
thumbnails = _either(_display.thumbnails, _torch_display.thumbnails)
top_keys = _either(_ranking.top_keys, _torch_display.top_keys)
