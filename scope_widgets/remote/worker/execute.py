"""What a request does where the model is; this file travels, see `there`."""

from __future__ import annotations

import sys
import types
import warnings
from typing import Any

#: printed before progress, so that it is told from what a user's own function prints
PROGRESS = "scope-widgets:"


def answer(model: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Call a function of this package on the model of the server; gives its packed result, or what it raised.

    Parameters
    ----------
    model
        nnsight's model.
    request : dict
        function : its name; args, kwargs : packed; model_id, revision; most : bytes that may come back.
    """
    import torch

    with _Progress(), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default")
        from scope_widgets.models.execution.attention import unregister
        from scope_widgets.models.microscope import Microscope
        from scope_widgets.remote import serialization as wire
        from scope_widgets.remote.errors import APART, JobFailedError, NoWeightsError
        from scope_widgets.remote.worker.sandboxed_microscope import SandboxedMicroscope

        try:
            apart = any(parameter.is_meta for parameter in model._module.parameters())
            name = request["model_id"], request["revision"]
            scope = SandboxedMicroscope(model, *name) if apart else Microscope(model._module, model.tokenizer, *name)
            args, kwargs = (wire.unpack(request[part], scope, calls=True) for part in ("args", "kwargs"))
            result = wire.pack(wire.named(request["function"])(*args, **kwargs), scope)
        except SystemExit as end:  # of what was asked; the server's own, which ends a job, has no code
            if end.code is None:
                raise
            return _raised(JobFailedError(f"What was asked left the interpreter there (SystemExit: {end.code})."))
        except torch.OutOfMemoryError:
            raise  # the server gives its memory back, and says how much was used
        except Exception as error:
            return _raised(NoWeightsError(APART) if apart and _of_weights(error) else error)
        finally:
            unregister()
    size = wire.n_bytes(result)
    if size > request["most"]:
        return {"too_large": size}
    return {"result": result, "warnings": [str(one.message) for one in said if one.category is UserWarning]}


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
                super().__init__(*args, **{**options, "mininterval": 0.25, "file": None, "leave": False})

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
