"""What is logged, as JSON knows it."""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
from typing import Any

from scope_widgets._untrusted import MOST_DEPTH, opening


def plain(value: Any, name: str, depth: int = 0) -> Any:
    """Return a value as numbers, texts, lists and dicts: those of arrays and tensors, NaN None, infinities "inf".

    Raises
    ------
    TypeError
        For what is none of these, with the name it was given under.
    ValueError
        For lists that lie in each other too deep.
    """
    if depth > MOST_DEPTH:
        raise ValueError(f"{name!r} holds lists that lie in each other more than {MOST_DEPTH} deep.")
    if hasattr(value, "tolist"):  # arrays and tensors of any library
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, argparse.Namespace):
        value = vars(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(one, f"{name}.{key}", depth + 1) for key, one in value.items()}
    if isinstance(value, (list, tuple, range, set, frozenset)):
        return [plain(one, name, depth + 1) for one in value]
    raise TypeError(
        f"A run notes numbers, texts, and lists, dicts and arrays of them; {name!r} is {opening(value)}. Tables go to "
        "run.table, results and plots to run.figure."
    )


def not_finite(values: dict[str, Any]) -> dict[str, str]:
    """Return the numbers that JSON does not know, NaN and infinities, as words."""
    numbers = {name: one.tolist() if hasattr(one, "tolist") else one for name, one in values.items()}
    return {str(name): str(one) for name, one in numbers.items() if isinstance(one, float) and not math.isfinite(one)}
