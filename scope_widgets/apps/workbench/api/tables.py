"""Tables of the library as lists of objects that JSON knows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def records(frame: Any) -> list[dict[str, Any]]:
    """Return the rows of a DataFrame as objects, None for NaN and infinities."""
    names = [str(name) for name in frame.columns]
    columns = [_column(frame[name]) for name in frame.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _column(column: Any) -> list[Any]:
    values = column.to_numpy()
    if values.dtype.kind in "biu" or (values.dtype.kind == "f" and np.isfinite(values).all()):
        return values.tolist()  # type: ignore[no-any-return]
    return [one if type(one) is str else plain_value(one) for one in values.tolist()]


def plain_value(value: Any) -> Any:
    """Return a value as JSON has it: None for NaN and infinities, text for what it does not know."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (str, int, type(None))):
        return value
    if isinstance(value, np.ndarray):
        return [plain_value(one) for one in value.tolist()]
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain_value(one) for one in value]
    if isinstance(value, dict):
        return {str(key): plain_value(one) for key, one in value.items()}
    return str(value)
