"""Circuits: edges of a model that together do a task, found, measured and edited."""

from scope_widgets.circuits.attribution_graphs.attribute import attribution_graph
from scope_widgets.circuits.attribution_graphs.circuit_tracer import from_circuit_tracer, to_circuit_tracer
from scope_widgets.circuits.attribution_graphs.graph import AttributionGraph
from scope_widgets.circuits.discovery.discover import discover
from scope_widgets.circuits.discovery.induction_circuit import induction_circuit
from scope_widgets.circuits.discovery.methods import METHODS, Method
from scope_widgets.circuits.drawing.svg import to_svg
from scope_widgets.circuits.edge_positions import EdgePositions, by_position
from scope_widgets.circuits.evaluation.ablated_nodes import AblatedNodes
from scope_widgets.circuits.evaluation.completeness import Completeness
from scope_widgets.circuits.evaluation.evaluate import Evaluation, evaluate
from scope_widgets.circuits.evaluation.faithfulness import Faithfulness
from scope_widgets.circuits.evaluation.faithfulness_curve import Curve, CurvePoint
from scope_widgets.circuits.evaluation.measures import completeness, curve, curve_points, faithfulness, minimality
from scope_widgets.circuits.evaluation.minimality import Minimality
from scope_widgets.circuits.evaluation.replacement_values import ABLATIONS
from scope_widgets.circuits.latents.faithfulness import LatentFaithfulness, latent_faithfulness
from scope_widgets.circuits.strongest_paths import strongest_paths
from scope_widgets.circuits.tasks.agreement import agreement
from scope_widgets.circuits.tasks.capitals import capitals
from scope_widgets.circuits.tasks.greater_than import greater_than
from scope_widgets.circuits.tasks.induction import induction
from scope_widgets.circuits.tasks.task_makers import TASKS
from scope_widgets.experiments.circuit.circuit import Circuit
from scope_widgets.experiments.circuit.circuit_ablation import CircuitAblation
from scope_widgets.experiments.named_tasks import TaskName, held_out
from scope_widgets.experiments.named_tasks import make_task as task
from scope_widgets.experiments.task import Task
from scope_widgets.models.edges.graph import Graph

__all__ = [
    "ABLATIONS",
    "METHODS",
    "TASKS",
    "AblatedNodes",
    "AttributionGraph",
    "Circuit",
    "CircuitAblation",
    "Completeness",
    "Curve",
    "CurvePoint",
    "EdgePositions",
    "Evaluation",
    "Faithfulness",
    "Graph",
    "LatentFaithfulness",
    "Method",
    "Minimality",
    "Task",
    "TaskName",
    "agreement",
    "attribution_graph",
    "by_position",
    "capitals",
    "completeness",
    "curve",
    "curve_points",
    "discover",
    "evaluate",
    "faithfulness",
    "from_circuit_tracer",
    "greater_than",
    "held_out",
    "induction",
    "induction_circuit",
    "latent_faithfulness",
    "minimality",
    "strongest_paths",
    "task",
    "to_circuit_tracer",
    "to_svg",
]
