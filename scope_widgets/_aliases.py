"""Names that stood elsewhere before: they still work, and warn."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from typing import Any


def moved(module: str, name: str, homes: Mapping[str, str]) -> Any:
    """Return what a former name of `module` stands for, for its `__getattr__`.

    Parameters
    ----------
    module, name : str
        Where the name was looked up, and the name.
    homes : mapping of str to str
        Former name to "module:name" of today.

    Raises
    ------
    AttributeError
        Where it is no former name either.
    """
    if name not in homes:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    home, _, today = homes[name].partition(":")
    warnings.warn(
        f"{module}.{name} is now {home}.{today}; the old name will be removed in 0.3.", DeprecationWarning, stacklevel=3
    )
    return getattr(importlib.import_module(home), today)
