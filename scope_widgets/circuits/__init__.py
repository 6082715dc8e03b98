"""Circuits: edges of a model that together do a task, found, measured and edited."""

from scope_widgets.circuits.circuit import Circuit
from scope_widgets.models.graph import Graph
from scope_widgets.models.task import Task

__all__ = ["Circuit", "Graph", "Task"]
