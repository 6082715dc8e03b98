"""The fields of a result as JSON: arrays with their dtype and shape, NaN as null, infinities as words; and back."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from scope_widgets import _untrusted
from scope_widgets._untrusted import opening


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


def decode(value: Any, hint: Any = Any, name: str = "a field") -> Any:
    """Return what `encode` wrote as a value of the annotated type `hint`: dataclasses and tuples are made again.

    Raises
    ------
    ValueError
        Where it is of another type, with the name of the field.
    """
    kind, inner = typing.get_origin(hint) or hint, typing.get_args(hint)
    if kind in (typing.Union, types.UnionType):
        return _first(value, inner, name)
    if kind is typing.Literal and value in inner and isinstance(value, str):
        return value
    if kind is float and isinstance(value, (dict, int, float)) and not isinstance(value, bool):
        return _number(value, name) if isinstance(value, dict) else _within(value, name)
    if kind is int and type(value) is int:
        return _within(value, name)
    if kind in (str, bool, types.NoneType) and type(value) is kind:
        return value
    if kind is np.ndarray and isinstance(value, dict):
        return _array(value, inner, name)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind) and isinstance(value, dict):
        made = kind(**decode_fields(kind, value))
        if hasattr(made, "check_read"):
            made.check_read()
        return made
    if kind is dict and isinstance(value, dict):
        return {key: decode(item, inner[1] if inner else Any, f"{name}[{key!r}]") for key, item in value.items()}
    if kind in (list, tuple, Sequence) and isinstance(value, list):
        return (tuple if kind is tuple else list)(_items(value, kind, inner, name))
    if kind is Any:
        return _plain(value, name)
    raise ValueError(f"{name} is {_called(value)} and no {_words(hint)}")


def decode_fields(kind: type, fields: dict[str, Any], *, apart: Collection[str] = ()) -> dict[str, Any]:
    """Return the fields of a dataclass from what `encode` wrote of each, but those that are read `apart`.

    Raises
    ------
    ValueError
        Where one is missing, unknown, or of another type than the class says.
    """
    hints = typing.get_type_hints(kind)
    known = {field.name: field for field in dataclasses.fields(kind) if field.name not in apart}
    needed = [
        name
        for name, field in known.items()
        if field.init and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if missing := [name for name in needed if name not in fields]:
        raise ValueError(f"it lacks {', '.join(missing)}")
    if unknown := [name for name in fields if name not in known]:
        raise ValueError(f"it has {opening(unknown[0])}, which a {kind.__name__} does not have")
    return {name: decode(value, hints[name], name) for name, value in fields.items()}


def _first(value: Any, options: tuple[Any, ...], name: str) -> Any:
    """Return a value as the first of several types that it is of."""
    problems = []
    for option in options:
        try:
            return decode(value, option, name)
        except ValueError as error:
            problems.append(error)
    of_none = f"{name} is {_called(value)} and no "
    inside = [problem for problem in problems if not str(problem).startswith(of_none)]
    raise inside[0] if len(inside) == 1 else ValueError(of_none + _either([_words(option) for option in options]))


def _items(value: list[Any], kind: type, inner: tuple[Any, ...], name: str) -> list[Any]:
    if kind is not tuple or not inner or inner[-1] is Ellipsis:
        of_each = inner[0] if inner else Any
        if of_each in (str, bool) and set(map(type, value)) <= {of_each}:  # the most common, and quick
            return value
        return [decode(item, of_each, f"{name}[{i}]") for i, item in enumerate(value)]
    if len(value) != len(inner):
        raise ValueError(f"{name} has {len(value)} entries and not {len(inner)}")
    return [decode(item, one, f"{name}[{i}]") for i, (item, one) in enumerate(zip(value, inner, strict=True))]


def _array(value: dict[str, Any], inner: tuple[Any, ...], name: str) -> Any:
    try:
        found = _untrusted.array(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    scalar = typing.get_args(inner[1])[0] if len(inner) == 2 and typing.get_args(inner[1]) else None
    if scalar is np.bool_ and found.dtype != bool:
        raise ValueError(f"{name} is an array of {found.dtype} and not of bools")
    return found[()]


def _number(value: dict[str, Any], name: str) -> Any:
    found = _array(value, (), name)
    if not isinstance(found, np.number):
        raise ValueError(f"{name} is an array of {found.dtype} of shape {list(found.shape)} and no number")
    return found.item()


def _plain(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        if set(value) == {"dtype", "shape", "values"}:
            return _array(value, (), name)
        return {key: _plain(item, name) for key, item in value.items()}
    return [_plain(item, name) for item in value] if isinstance(value, list) else value


def _within(value: Any, name: str) -> Any:
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise ValueError(f"{name} is {opening(value)}, which is too large")
    return value


def _called(value: Any) -> str:
    return "a text" if isinstance(value, str) and len(value) > 40 else opening(value)


def _words(hint: Any) -> str:
    kind, inner = typing.get_origin(hint) or hint, typing.get_args(hint)
    if kind is typing.Literal:
        return _either([*map(str, inner)])
    if kind in (typing.Union, types.UnionType):
        return _either([*map(_words, inner)])
    return "None" if kind is types.NoneType else getattr(kind, "__name__", str(hint))


def _either(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def to_json_numbers(numbers: list[Any]) -> list[Any]:
    """Return numbers as JSON knows them: NaN as None, infinities as "inf" and "-inf"."""
    return [(None if x != x else str(x)) if isinstance(x, float) and not np.isfinite(x) else x for x in numbers]
