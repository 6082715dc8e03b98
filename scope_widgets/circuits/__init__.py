"""Circuits: edges of a model that together do a task, found, measured and edited."""

from scope_widgets.circuits.circuit import Circuit
from scope_widgets.circuits.curve import Curve, curve
from scope_widgets.circuits.discovery import METHODS, discover
from scope_widgets.circuits.edge_positions import by_position
from scope_widgets.circuits.evaluation import Faithfulness, completeness, faithfulness, minimality
from scope_widgets.circuits.induction_circuit import induction_circuit
from scope_widgets.circuits.measurement import CircuitMeasurement
from scope_widgets.circuits.replacement_values import ABLATIONS
from scope_widgets.circuits.strongest_paths import strongest_paths
from scope_widgets.circuits.svg import to_svg
from scope_widgets.circuits.tasks import TASKS, agreement, capitals, greater_than, induction, task
from scope_widgets.experiments.task import Task
from scope_widgets.models.edges.graph import Graph

__all__ = [
    "ABLATIONS",
    "METHODS",
    "TASKS",
    "Circuit",
    "CircuitMeasurement",
    "Curve",
    "Faithfulness",
    "Graph",
    "Task",
    "agreement",
    "by_position",
    "capitals",
    "completeness",
    "curve",
    "discover",
    "faithfulness",
    "greater_than",
    "induction",
    "induction_circuit",
    "minimality",
    "strongest_paths",
    "task",
    "to_svg",
]
