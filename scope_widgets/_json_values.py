"""`json_value`: anything in terms of what JSON knows."""

from __future__ import annotations

import math
from typing import Any


def json_value(value: Any) -> Any:
    """Return a value as JSON has it: None for NaN and infinities, lists for arrays, text for what it does not know.

    NumPy and torch are not imported: the command line says what is wrong with their installation, too.

    Examples
    --------
    >>> json_value({"a": (1, float("nan")), 2: {"x"}})
    {'a': [1, None], '2': ['x']}
    """
    if isinstance(value, dict):
        return {str(name): json_value(one) for name, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [json_value(one) for one in value]
    if hasattr(value, "tolist"):  # a number, an array or a tensor
        return json_value(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, type(None))) else str(value)
