"""The one place that opens an nnsight trace.

nnsight finds the code of a `with model.trace(...)` block by file name and line and does not read the file again, so a
block that is edited (a reloaded module, a re-run marimo cell) would silently run as it was; and it needs the source of
the caller. One block that never changes, in a file that is not compiled, cures both.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

_imported_by_user = "nnsight" in sys.modules

if not _imported_by_user:
    # nnsight hangs `.save` on every object of the process, which breaks dataclasses with a field of that name and
    # `import marimo`, and it replaces Tensor.backward by one that looks for a `with` in the caller's line, so that
    # `with torch.enable_grad(): loss.backward()` does nothing. Whoever imported nnsight first keeps both;
    # nnsight.save(value) works in any case.
    import torch
    from nnsight import _c
    from nnsight.intervention import backward

    if _c.unmount is not None:
        _c.unmount("save")
    torch.Tensor.backward = backward._original_backward  # type: ignore[method-assign]

import nnsight  # noqa: E402
from nnsight import TransformersModel  # noqa: E402
from nnsight.intervention.source import Controller  # noqa: E402

__all__ = ["Controller", "TransformersModel", "run", "run_remotely", "trace_remotely"]


def run(model: TransformersModel, body: Callable[[], bool], *inputs: Any, **options: Any) -> None:
    """Run `model` on `inputs` in an nnsight trace, with `body` as its block; it ends there when `body` says so."""
    with model.trace(*inputs, **options) as tracer:
        if body():
            tracer.stop()


def run_remotely(model: TransformersModel, backend: Any, function: Callable[..., Any], *args: Any) -> Any:
    """Call `function(model, *args)` where the model of `backend` is, and give what the backend then has.

    The function travels as text, with what it names.
    """
    nnsight.register(function.__module__)
    with model.session(backend=backend):
        answer = nnsight.save(function(model, *args))  # noqa: F841 - the backend finds it by this name
    return backend.answer


def trace_remotely(
    model: TransformersModel, backend: Any, function: Callable[..., Any], inputs: dict[str, Any], *args: Any
) -> Any:
    """As `run_remotely`, with the function as the block of a trace over `inputs`."""
    nnsight.register(function.__module__)
    with model.trace(**inputs, backend=backend, use_cache=False):
        answer = nnsight.save(function(model, *args))  # noqa: F841
    return backend.answer
