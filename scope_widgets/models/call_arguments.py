"""What a call gives a module, by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn


def call_arguments(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call of a module by the names that its class gives them.

    `module.forward` may be nnsight's while another thread traces, and then names none.
    """
    given = arguments(inspect.signature(type(module).forward), (module, *args), kwargs)
    return {name: value for name, value in given.items() if value is not module}


def arguments(signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments by name, those among `**kwargs` too."""
    given: dict[str, Any] = dict(signature.bind_partial(*args, **kwargs).arguments)
    rest: dict[str, Any] = given.pop("kwargs", {})
    return given | rest
