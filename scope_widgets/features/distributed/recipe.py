"""How a model is loaded anew in another process: the call that loaded it, read as literals."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import Any

from scope_widgets.models.microscope import LocalMicroscope, Microscope


def recipe_of(scope: Microscope, **other: Any) -> dict[str, Any]:
    """Return what `Microscope.load` takes to load the model of `scope` again, with `other` in place of what it took.

    Raises
    ------
    ValueError
        For a model that was given, changed since it was loaded, loaded by what is no literal, or is on a server.
    """
    calls = scope.calls if isinstance(scope, LocalMicroscope) else ()
    if not calls:
        raise ValueError(
            f"Each worker loads the model by its name, and {scope!r} is not as Microscope.load(name) loads it here (it "
            "was given, changed since, or is on a server): save it, and load it from its folder."
        )
    call = ast.parse(calls[0], mode="eval").body
    assert isinstance(call, ast.Call)
    try:
        found = {str(one.arg): ast.literal_eval(one.value) for one in call.keywords} | other
        name = ast.literal_eval(call.args[0])
    except ValueError:
        raise ValueError(
            f"Each worker loads the model anew, and {calls[0][:200]} takes what is no text, number, list or dict: load "
            "it with such alone."
        ) from None
    # a worker stands in another folder
    return {"name": os.path.abspath(name) if name != "demo" and Path(name).exists() else name, **found}
