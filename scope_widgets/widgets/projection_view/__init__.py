"""Points of a projection, coloured, pointed at and selected."""

from scope_widgets.widgets.projection_view.projection_view import ProjectionView

__all__ = ["ProjectionView"]
