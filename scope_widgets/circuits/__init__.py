"""Circuits: edges of a model that together do a task, found, measured and edited."""

from scope_widgets.circuits.circuit import Circuit
from scope_widgets.circuits.curves import Curve, curve
from scope_widgets.circuits.discovery import METHODS, discover
from scope_widgets.circuits.evaluation import Faithfulness, completeness, faithfulness, minimality
from scope_widgets.circuits.known import induction_circuit
from scope_widgets.circuits.live import Live
from scope_widgets.circuits.places import by_position
from scope_widgets.circuits.replacing import ABLATIONS
from scope_widgets.circuits.strongest import strongest_paths
from scope_widgets.circuits.svg import to_svg
from scope_widgets.circuits.tasks import TASKS, agreement, capitals, greater_than, induction, task
from scope_widgets.models.graph import Graph
from scope_widgets.models.task import Task

__all__ = [
    "ABLATIONS",
    "METHODS",
    "TASKS",
    "Circuit",
    "Curve",
    "Faithfulness",
    "Graph",
    "Live",
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
