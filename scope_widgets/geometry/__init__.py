"""Shapes of activations: dimension, spectrum, curvature, clusters, projection, statistics."""

from scope_widgets.geometry.clusters import Clusters, clusters
from scope_widgets.geometry.curvature import Curvature, curvature
from scope_widgets.geometry.dimension import Dimension, dimension
from scope_widgets.geometry.points import Points
from scope_widgets.geometry.procrustes import align_layers
from scope_widgets.geometry.project import Projection, project
from scope_widgets.geometry.recorded_points import points
from scope_widgets.geometry.spectrum import Spectrum, spectrum
from scope_widgets.geometry.statistics import ActivationStatistics, statistics
from scope_widgets.geometry.summarise import GeometrySummary, LayerGeometry, summarise

__all__ = [
    "ActivationStatistics",
    "Clusters",
    "Curvature",
    "Dimension",
    "GeometrySummary",
    "LayerGeometry",
    "Points",
    "Projection",
    "Spectrum",
    "align_layers",
    "clusters",
    "curvature",
    "dimension",
    "points",
    "project",
    "spectrum",
    "statistics",
    "summarise",
]
