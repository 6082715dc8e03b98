"""Shapes of activations: dimension, spectrum, curvature, clusters, projection, statistics."""
