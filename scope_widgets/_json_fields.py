"""The fields of a result as JSON: arrays with their dtype and shape, NaN as null, infinities as words; and back."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

import numpy as np


def encode(value: Any) -> Any:
    """Return `value` in terms of what JSON knows."""
    if isinstance(value, float) and not np.isfinite(value):
        value = np.array(value)
    if isinstance(value, np.ndarray):
        return {
            "dtype": value.dtype.name,
            "shape": list(value.shape),
            "values": to_json_numbers(value.ravel().tolist()),
        }
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def decode(value: Any, hint: Any = Any) -> Any:
    """Return what `encode` wrote as a value of the annotated type `hint`: dataclasses and tuples are made again."""
    if isinstance(value, dict) and set(value) == {"dtype", "shape", "values"}:
        return np.array(from_json_numbers(value["values"]), dtype=value["dtype"]).reshape(value["shape"])[()]
    inner = [one for one in typing.get_args(hint) if one is not type(None)]
    if type(None) in typing.get_args(hint):
        return None if value is None else decode(value, inner[0] if len(inner) == 1 else Any)
    kind = typing.get_origin(hint) or hint
    if dataclasses.is_dataclass(kind) and isinstance(kind, type) and not isinstance(value, dict):
        raise TypeError(f"expected the fields of a {kind.__name__}")
    if isinstance(value, dict):
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            return kind(**decode_fields(kind, value))
        of_item = inner[1] if kind is dict and len(inner) == 2 else Any
        return {key: decode(item, of_item) for key, item in value.items()}
    if isinstance(value, list):
        if kind is tuple and inner and inner[-1] is not Ellipsis:
            return tuple(decode(item, one) for item, one in zip(value, inner, strict=True))
        items = [decode(item, inner[0] if inner else Any) for item in value]
        return tuple(items) if kind is tuple else items
    return value


def decode_fields(kind: type, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a dataclass from what `encode` wrote of each."""
    hints = typing.get_type_hints(kind)
    return {name: decode(value, hints.get(name, Any)) for name, value in fields.items()}


def to_json_numbers(numbers: list[Any]) -> list[Any]:
    """Return numbers as JSON knows them: NaN as None, infinities as "inf" and "-inf"."""
    return [(None if x != x else str(x)) if isinstance(x, float) and not np.isfinite(x) else x for x in numbers]


def from_json_numbers(plain: list[Any]) -> list[Any]:
    """Return what `to_json_numbers` wrote as numbers again."""
    return [np.nan if x is None else float(x) if isinstance(x, str) else x for x in plain]
