"""What a request does beside the model; this file travels, see `bootstrap`."""

from __future__ import annotations

import sys
import types
import warnings
from typing import Any

#: printed before progress, to set it apart from what a user's own function prints
PROGRESS = "scope-widgets:"


def answer(model: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Call a function of this package on the model of the server; return its packed result, or what it raised.

    Parameters
    ----------
    model
        nnsight's model.
    request : dict
        function : its name; args, kwargs : packed; model_id, revision; most : bytes that may come back.
    """
    import torch

    with _Progress():
        from scope_widgets.models.attention.attention_function import unregister
        from scope_widgets.models.microscope import LocalMicroscope
        from scope_widgets.remote.errors import NO_WEIGHTS, NoWeightsError
        from scope_widgets.remote.worker.sandboxed_microscope import SandboxedMicroscope

        sandboxed = any(parameter.is_meta for parameter in model._module.parameters())
        try:
            name = request["model_id"], request["revision"]
            if sandboxed:
                return run_request(SandboxedMicroscope(model, *name), request)
            return run_request(LocalMicroscope(model._module, model.tokenizer, *name), request)
        except torch.OutOfMemoryError:
            raise  # the server gives its memory back, and says how much was used
        except Exception as error:
            return _raised(NoWeightsError(NO_WEIGHTS) if sandboxed and _of_weights(error) else error)
        finally:
            unregister()


def run_request(scope: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Call the function of a request with `scope` in the place of its microscope; return its packed result."""
    from scope_widgets.remote import serialization
    from scope_widgets.remote.errors import JobFailedError

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("default")
        args, kwargs = (serialization.unpack(request[part], scope, calls=True) for part in ("args", "kwargs"))
        try:
            result = serialization.pack(serialization.named(request["function"])(*args, **kwargs), scope)
        except SystemExit as end:  # of what was asked; the server's own, which ends a job, has no code
            if end.code is None:
                raise
            raise JobFailedError(f"What was asked left the interpreter there (SystemExit: {end.code}).") from None
    size = serialization.n_bytes(result)
    if size > request["most"]:
        return {"too_large": size}
    return {"result": result, "warnings": [str(one.message) for one in warned if one.category is UserWarning]}


def _of_weights(error: Exception) -> bool:
    """Whether it comes of weights that have a shape and no numbers, or of a graph that autograd does not have."""
    text = str(error)
    return any(word in text for word in ("meta", "not in this process", "does not require grad", "in the graph"))


def _raised(error: Exception) -> dict[str, Any]:
    return {"raised": [type(error).__module__, type(error).__qualname__, str(error)]}


class _Progress:
    """Stands for tqdm's module: its bars are printed as lines, which the server passes on while the job runs."""

    def __enter__(self) -> None:
        from tqdm.std import tqdm

        class Printed(tqdm):  # type: ignore[misc]
            def __init__(self, *args: Any, **options: Any) -> None:
                super().__init__(*args, **{**options, "mininterval": 0.25, "delay": 0, "file": None, "leave": False})

            def display(self, *_: Any, **__: Any) -> None:
                print(PROGRESS, self.n, self.total or 0, self.desc or "", flush=True)

            def close(self) -> None:
                self.disable = True

            @classmethod
            def write(cls, *_: Any, **__: Any) -> None:
                """Say nothing."""

        self._before = sys.modules.get("tqdm.auto")
        module = types.ModuleType("tqdm.auto")
        module.tqdm = Printed  # type: ignore[attr-defined]
        sys.modules["tqdm.auto"] = module

    def __exit__(self, *_: Any) -> None:
        if self._before is None:
            del sys.modules["tqdm.auto"]
        else:
            sys.modules["tqdm.auto"] = self._before
