"""Shapes of activations: dimension, spectrum, curvature, clusters, projection, statistics."""

from scope_widgets.geometry.curvature import Curvature, curvature
from scope_widgets.geometry.dimension import Dimension, dimension
from scope_widgets.geometry.points import Points
from scope_widgets.geometry.spectrum import Spectrum, spectrum

__all__ = ["Curvature", "Dimension", "Points", "Spectrum", "curvature", "dimension", "spectrum"]
