"""See, touch and change what happens inside a language model, from a notebook.

Names load on first use, so that `import scope_widgets` is instant and brings no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from scope_widgets._error_index import tell_in_notebooks
from scope_widgets._version import __version__ as __version__

if TYPE_CHECKING:
    from scope_widgets import (
        circuits,
        editing,
        evals,
        features,
        geometry,
        heads,
        ioi,
        lens,
        patching,
        plots,
        probing,
        report,
        steering,
        tracking,
        widgets,
    )
    from scope_widgets._provenance import Provenance
    from scope_widgets.models.microscope import Microscope
    from scope_widgets.traces.trace import Trace

_HOMES = {
    "Microscope": "scope_widgets.models.microscope",
    "Trace": "scope_widgets.traces.trace",
    "Provenance": "scope_widgets._provenance",
}
_MODULES = (
    "circuits",
    "editing",
    "evals",
    "features",
    "geometry",
    "heads",
    "ioi",
    "lens",
    "patching",
    "plots",
    "probing",
    "report",
    "steering",
    "tracking",
    "widgets",
)

__all__ = [
    "Microscope",
    "Provenance",
    "Trace",
    "circuits",
    "editing",
    "evals",
    "features",
    "geometry",
    "heads",
    "ioi",
    "lens",
    "patching",
    "plots",
    "probing",
    "report",
    "steering",
    "tracking",
    "widgets",
]


tell_in_notebooks()


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"scope_widgets.{name}")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'scope_widgets' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
