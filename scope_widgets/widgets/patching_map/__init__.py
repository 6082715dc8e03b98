"""A map of effects: the view and its parts."""

from scope_widgets.widgets.patching_map.patching_map import PatchingMap

__all__ = ["PatchingMap"]
