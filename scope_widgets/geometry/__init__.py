"""Shapes of activations: dimension, spectrum, curvature, clusters, projection, statistics."""

from scope_widgets.geometry.dimension import Dimension, dimension
from scope_widgets.geometry.points import Points

__all__ = ["Dimension", "Points", "dimension"]
