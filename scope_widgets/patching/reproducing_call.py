"""The Python call that makes a result again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scope_widgets._code import is_literal, is_plain_call

_LONG = 100
_OF_RUNS = ("answer", "versus", "positions", "direction", "metric", "roles")
#: the functions whose results can be made again, and their options
OPTIONS = {
    "activations": (*_OF_RUNS, "over", "corrupted_roles"),
    "attribution": (*_OF_RUNS, "over", "corrupted_roles"),
    "paths": (*_OF_RUNS, "senders", "receivers"),
}
_DEFAULTS = {"positions": "each", "direction": "denoising"}
_DEFAULTS_OF_PATHS = {"positions": "all", "direction": "noising"}


def python_call(name: str, clean: Any, corrupted: Any, **options: Any) -> str:
    """Return `patching.<name>(scope, clean, corrupted, ...)`; what is long stands as the name of a variable."""
    defaults = _DEFAULTS_OF_PATHS if name == "paths" else _DEFAULTS
    said = [
        f"{key}={_written(key, value)}"
        for key, value in options.items()
        if value is not None and not (isinstance(value, str) and value == defaults.get(key))
    ]
    return f"patching.{name}(scope, {', '.join([_written('clean', clean), _written('corrupted', corrupted), *said])})"


def is_python_call(text: str) -> bool:
    """Return whether a text is one that `python_call` may have written: nothing else of a file becomes code."""
    return is_plain_call(text, {f"patching.{name}": options for name, options in OPTIONS.items()})


def _written(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        value = {key: _plain(one) for key, one in value.items()}
    value = _plain(value)
    text = repr(value)
    return text if len(text) <= _LONG and is_literal(value) else name


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value
