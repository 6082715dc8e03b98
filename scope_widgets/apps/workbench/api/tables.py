"""Tables of the library as lists of objects that JSON knows."""

from __future__ import annotations

from typing import Any

import numpy as np

from scope_widgets._json_values import json_value


def records(frame: Any) -> list[dict[str, Any]]:
    """Return the rows of a DataFrame as objects, None for NaN and infinities."""
    names = [str(name) for name in frame.columns]
    columns = [_column(frame[name]) for name in frame.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _column(column: Any) -> list[Any]:
    values = column.to_numpy()
    if values.dtype.kind in "biu" or (values.dtype.kind == "f" and np.isfinite(values).all()):
        return values.tolist()  # type: ignore[no-any-return]
    return [one if type(one) is str else json_value(one) for one in values.tolist()]
