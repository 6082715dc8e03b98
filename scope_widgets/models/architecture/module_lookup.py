"""Finding modules of a model by name."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Sequence

from torch import nn


def named(model: nn.Module, patterns: Sequence[str]) -> dict[str, nn.Module]:
    """Return the modules of a model whose names match patterns, in which `*` stands for anything.

    Raises
    ------
    ValueError
        When a pattern matches none; names those that come close.
    """
    modules = dict(model.named_modules())
    found: dict[str, nn.Module] = {}
    for pattern in (patterns,) if isinstance(patterns, str) else patterns:
        names = fnmatch.filter(modules, pattern)
        if not names:
            close = difflib.get_close_matches(pattern, modules, n=3) or list(modules)[1:4]
            raise ValueError(f"No module of the model is named {pattern!r}. Names are such as {', '.join(close)}.")
        found |= {name: modules[name] for name in names}
    return found
