"""Arguments and results as plain lists, dicts, numbers, texts and tensors, and back.

Nothing is pickled: what comes from a server can name classes of this package only, and runs no code.
"""

from __future__ import annotations

import dataclasses
import importlib
import types
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scope_widgets._untrusted import check_shape

_PLAIN = (bool, int, float, str, type(None))
_TAG = "$"
_OURS = "scope_widgets."


def pack(value: Any, scope: Any, *, functions: bool = False) -> Any:
    """Make plain what can travel.

    Parameters
    ----------
    value
        Of numbers, texts, arrays, tensors, tables, lists, tuples, dicts, sets and objects of this package.
    scope : Microscope
        It and its tokenizer travel as a word.
    functions : bool, default False
        Leave functions of the user's as they are: nnsight ships their text.

    Raises
    ------
    TypeError
        For anything else.
    """
    return _Packing(scope, functions)(value)


class _Packing:
    def __init__(self, scope: Any, functions: bool) -> None:
        self._scope = scope
        self._functions = functions
        self._sent: dict[tuple[Any, ...], tuple[Tensor, Tensor]] = {}

    def __call__(self, value: Any) -> Any:
        if type(value) in _PLAIN:
            return value
        if isinstance(value, Tensor):
            return self._tensor(value)
        if type(value) is list:
            return [self(one) for one in value]
        kind, parts = self._parts(value)
        return {_TAG: kind, **parts}

    def _parts(self, value: Any) -> tuple[str, dict[str, Any]]:
        if value is self._scope:
            return "scope", {}
        if value is self._scope.tokenizer:
            return "tokenizer", {}
        if hasattr(value, "_remade"):
            by, args, kwargs = value._remade()
            return "made", {"by": name_of(by), "args": self(list(args)), "kwargs": self(kwargs)}
        if type(value) is tuple:
            return "tuple", {"of": [self(one) for one in value]}
        if isinstance(value, (set, frozenset)):
            return type(value).__name__, {"of": [self(one) for one in sorted(value, key=repr)]}
        if isinstance(value, (np.ndarray, np.generic)):
            return self._array(np.asarray(value))
        if type(value) in (dict, types.MappingProxyType) or (
            isinstance(value, Mapping) and not type(value).__module__.startswith(_OURS)
        ):
            return "dict", {"of": [[self(key), self(one)] for key, one in value.items()]}
        if isinstance(value, (slice, range)):
            return type(value).__name__, {"of": [self(x) for x in (value.start, value.stop, value.step)]}
        if isinstance(value, Path):
            return "text", {"of": str(value)}
        if isinstance(value, (torch.dtype, torch.device)):
            return type(value).__name__, {"of": str(value).removeprefix("torch.")}
        if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
            return self._named(value)
        if type(value).__module__.startswith(_OURS):
            return self._object(value)
        raise TypeError(
            f"A {type(value).__module__}.{type(value).__qualname__} cannot travel to a server; what can are numbers, "
            "texts, arrays, tensors, lists, dicts and results of this package."
        )

    def _tensor(self, value: Tensor) -> Tensor:
        """Return a copy; of the same numbers in the same place one copy, which then travels once."""
        if not value.numel():
            return value.detach().cpu().clone(memory_format=torch.contiguous_format)
        key = value.data_ptr(), value.device, value.dtype, value.shape, value.stride()
        if key not in self._sent:  # with the original, whose place nothing else takes as long as it is there
            self._sent[key] = value, value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return self._sent[key][1]

    def _array(self, array: np.ndarray[Any, Any]) -> tuple[str, dict[str, Any]]:
        if array.dtype.kind in "biufc":
            return "array", {"of": torch.from_numpy(np.array(array)), "shape": list(array.shape)}
        return "objects", {"of": [self(one) for one in array.ravel().tolist()], "shape": list(array.shape),
                           "dtype": array.dtype.str if array.dtype.kind in "US" else "O"}  # fmt: skip

    def _named(self, value: Any) -> tuple[str, dict[str, Any]]:
        if getattr(value, "__module__", "").startswith(_OURS) and "<" not in value.__qualname__:
            return "named", {"of": name_of(value)}
        if self._functions:
            return "function", {"of": value}
        raise TypeError(f"The function {value.__qualname__} cannot come back from a server.")

    def _object(self, value: Any) -> tuple[str, dict[str, Any]]:
        if hasattr(value, "_as_it_travels"):
            value = value._as_it_travels()
        made = {"class": name_of(type(value))}
        if isinstance(value, tuple):
            return "fields", {**made, "of": [self(one) for one in value]}
        if isinstance(value, Enum):
            return "enum", {**made, "of": value.value}
        own = dict(vars(value))
        if dataclasses.is_dataclass(value):  # cached properties are made again
            own = {field.name: own[field.name] for field in dataclasses.fields(value) if field.name in own}
        return "object", {**made, "of": [[name, self(one)] for name, one in own.items()]}


def unpack(plain: Any, scope: Any, *, calls: bool = False) -> Any:
    """Make again what `pack` made plain.

    Parameters
    ----------
    plain
    scope : Microscope
        The model on this side.
    calls : bool, default False
        Allow what is made by calling a function: in requests only, a server must not call functions here.

    Raises
    ------
    ValueError
        For what `pack` does not write.
    """

    def again(part: Any) -> Any:
        return unpack(part, scope, calls=calls)

    if isinstance(plain, list):
        return [again(one) for one in plain]
    if not isinstance(plain, dict):
        return plain
    kind = plain.get(_TAG)
    of: Any = plain.get("of")
    match kind:
        case "scope":
            return scope
        case "tokenizer":
            return scope.tokenizer
        case "made" if calls:
            return named(plain["by"])(*again(plain["args"]), **again(plain["kwargs"]))
        case "tuple" | "set" | "frozenset":
            return {"tuple": tuple, "set": set, "frozenset": frozenset}[kind](again(of))
        case "dict":
            return {again(key): again(one) for key, one in of}
        case "slice" | "range":
            return {"slice": slice, "range": range}[kind](*of)
        case "array":
            return of.numpy().reshape(check_shape(plain["shape"], of.numel()))[()]
        case "objects":
            return _objects(again(of), plain["dtype"]).reshape(check_shape(plain["shape"], len(of)))
        case "dtype" if isinstance(getattr(torch, of, None), torch.dtype):
            return getattr(torch, of)
        case "device":
            return torch.device(of)
        case "function" | "text":
            return of
        case "named":
            return named(of)
        case "fields":
            return _class(plain, tuple)._make(again(of))
        case "enum":
            return _class(plain, Enum)(of)
        case "object":
            made = object.__new__(_class(plain, object))
            for name, one in of:
                if not (isinstance(name, str) and name.isidentifier() and not name.startswith("__")):
                    raise ValueError(f"{plain['class']!r} has no field {name!r}.")
                object.__setattr__(made, name, again(one))
            return made
    raise ValueError(f"The answer holds a {kind!r}, which this package does not know: the versions differ.")


def _objects(of: list[Any], dtype: str) -> np.ndarray[Any, Any]:
    """Return an array of objects or texts, whose longest says how long those of its dtype may be."""
    width = int(dtype[2:] or 0) if dtype != "O" and dtype[1:2] in ("U", "S") and dtype[2:].isdigit() else 0
    if dtype != "O" and not 0 < width <= 100_000:
        raise ValueError(f"An array is of objects or texts, and not of {dtype!r}.")
    if width * max(len(of), 1) > 100_000_000:
        raise ValueError(f"An array of {len(of):,} texts of {width:,} characters is too large.")
    made = np.empty(len(of), dtype=dtype)
    for at, one in enumerate(of):
        made[at] = one
    return made


def _class(plain: dict[str, Any], base: type) -> Any:
    found = named(plain["class"])
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ValueError(f"{plain['class']!r} is not a class of the kind that was expected.")
    return found


def name_of(thing: Any) -> str:
    """Name a function or class of this package, `module:name`."""
    return f"{thing.__module__}:{thing.__qualname__}"


def named(name: str) -> Any:
    """Give the function or class of that name.

    Raises
    ------
    ValueError
        Where it is not one of this package.
    """
    module, _, path = name.partition(":")
    found: Any = None
    if module.startswith(_OURS):
        found = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part, None)
    # what a module of ours has imported is not ours
    if not callable(found) or getattr(found, "__module__", None) != module:
        raise ValueError(f"{name!r} is no function or class of this package.")
    return found


def modules(plain: Any) -> set[str]:
    """Give the modules of all functions and classes that are named in what is plain."""
    if isinstance(plain, str):
        module, colon, _ = plain.partition(":")
        return {module} if colon and module.startswith(_OURS) and " " not in module else set()
    parts = plain.values() if isinstance(plain, dict) else plain if isinstance(plain, list) else ()
    return set[str]().union(*map(modules, parts))


def n_bytes(plain: Any) -> int:
    """Count the bytes of the tensors, each once."""
    return sum(one.numel() * one.element_size() for one in {id(one): one for one in _tensors(plain)}.values())


def _tensors(plain: Any) -> Iterator[Tensor]:
    if isinstance(plain, Tensor):
        yield plain
    for part in plain.values() if isinstance(plain, dict) else plain if isinstance(plain, list) else ():
        yield from _tensors(part)
