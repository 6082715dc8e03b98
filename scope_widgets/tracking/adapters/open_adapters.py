"""Adapters by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

from scope_widgets._untrusted import opening
from scope_widgets.tracking.adapters.adapter import Adapter

#: names of packages, or the options of each
Options: TypeAlias = Sequence[str] | Mapping[str, Mapping[str, Any]]

#: name -> class, and what to install
_HOMES = {
    "trackio": ("TrackioRun", "trackio"),
    "wandb": ("WandbRun", "wandb"),
    "mlflow": ("MlflowRun", "mlflow"),
    "tensorboard": ("TensorBoardRun", "tensorboard"),
}
NAMES = tuple(_HOMES)


def check_adapters(adapters: Options) -> dict[str, dict[str, Any]]:
    """Return the options of each adapter; raise ValueError for none, ImportError where it is not installed."""
    if isinstance(adapters, str) or not isinstance(adapters, (Mapping, Sequence)):
        raise ValueError(f"adapters= is a list of names, such as ['trackio'], or a dict of options; got {adapters!r}.")
    given = adapters if isinstance(adapters, Mapping) else {name: {} for name in adapters}
    for name, options in given.items():
        if name not in _HOMES:
            raise ValueError(f"adapters= are among {', '.join(NAMES)}; got {opening(name)}.")
        if not isinstance(options, Mapping):
            raise ValueError(f"The options of the adapter {name!r} are a dict; got {opening(options)}.")
        if find_spec(_HOMES[name][1]) is None:
            raise ImportError(_missing(name))
    return {name: dict(options) for name, options in given.items()}


def open_adapters(
    adapters: dict[str, dict[str, Any]], folder: Path, name: str, config: dict[str, Any]
) -> dict[str, Adapter]:
    """Begin a run in each package.

    Raises
    ------
    ImportError
        Where one is not installed.
    """
    opened: dict[str, Adapter] = {}
    try:
        for one, options in adapters.items():
            kind, _ = _HOMES[one]
            module = import_module(f"scope_widgets.tracking.adapters.{one}_run")
            try:
                opened[one] = getattr(module, kind)(folder, name, config, options)
            except ImportError as error:
                raise ImportError(f"{_missing(one)} It said: {error}.") from None
    except BaseException:
        for adapter in opened.values():
            adapter.end("failed")
        raise
    return opened


def _missing(name: str) -> str:
    package = _HOMES[name][1]
    return f"The adapter {name!r} needs the package {package!r}: pip install {package}. A run without it needs nothing."
