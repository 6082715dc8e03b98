"""A circuit as a graph: the view and its parts."""

from scope_widgets.widgets.circuit_graph.circuit_graph import CircuitGraph

__all__ = ["CircuitGraph"]
