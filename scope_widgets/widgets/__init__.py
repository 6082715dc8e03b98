"""Views for the notebook; each takes a result or a trace, and all can share one `Selection`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scope_widgets.widgets.attention_stack import AttentionStack
    from scope_widgets.widgets.attention_view import AttentionView
    from scope_widgets.widgets.attribution_view import AttributionView
    from scope_widgets.widgets.circuit_graph import CircuitGraph
    from scope_widgets.widgets.core.saved_page import save_html
    from scope_widgets.widgets.core.selection import Selection
    from scope_widgets.widgets.feature_browser import FeatureBrowser
    from scope_widgets.widgets.head_table import HeadTable
    from scope_widgets.widgets.logit_lens_view import LogitLensView
    from scope_widgets.widgets.patching_map import PatchingMap
    from scope_widgets.widgets.projection_view import ProjectionView
    from scope_widgets.widgets.steering_panel import SteeringPanel
    from scope_widgets.widgets.token_view import TokenView
    from scope_widgets.widgets.workbench import Workbench

__all__ = [
    "AttentionStack",
    "AttentionView",
    "AttributionView",
    "CircuitGraph",
    "FeatureBrowser",
    "HeadTable",
    "LogitLensView",
    "PatchingMap",
    "ProjectionView",
    "Selection",
    "SteeringPanel",
    "TokenView",
    "Workbench",
    "save_html",
]

_HOMES = {
    "AttentionStack": "attention_stack",
    "AttentionView": "attention_view",
    "AttributionView": "attribution_view",
    "CircuitGraph": "circuit_graph",
    "FeatureBrowser": "feature_browser",
    "HeadTable": "head_table",
    "LogitLensView": "logit_lens_view",
    "PatchingMap": "patching_map",
    "ProjectionView": "projection_view",
    "Selection": "core.selection",
    "SteeringPanel": "steering_panel",
    "TokenView": "token_view",
    "Workbench": "workbench",
    "save_html": "core.saved_page",
}


def __getattr__(name: str) -> Any:
    """Import a view when it is first asked for: anywidget is slow to load and often not needed."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
