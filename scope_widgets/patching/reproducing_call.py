"""The Python call that makes a result again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LONG = 100
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


def _written(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        value = {key: _plain(one) for key, one in value.items()}
    value = _plain(value)
    text = repr(value)
    return text if len(text) <= _LONG and not callable(value) else name


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value
