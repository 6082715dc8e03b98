"""`evaluate`: a circuit on a task, run once for its faithfulness, completeness, minimality and curve."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

from scope_widgets._seeds import seed_of
from scope_widgets.circuits.evaluation.completeness import Completeness, measure_completeness
from scope_widgets.circuits.evaluation.evaluation_run import EvaluationRun
from scope_widgets.circuits.evaluation.faithfulness import Faithfulness, measure_faithfulness
from scope_widgets.circuits.evaluation.faithfulness_curve import (
    SHARES,
    Curve,
    CurvePoint,
    curve_point_by_point,
    measure_curve,
)
from scope_widgets.circuits.evaluation.minimality import Minimality, measure_minimality
from scope_widgets.experiments.circuit.circuit import Circuit
from scope_widgets.experiments.circuit.circuit_ablation import CircuitAblation
from scope_widgets.experiments.named_tasks import TaskName
from scope_widgets.experiments.task import Task
from scope_widgets.models.microscope import Microscope

#: name of a class -> its nodes
Classes = Mapping[str, Sequence[str]]


class Evaluation(EvaluationRun):
    """A circuit on a task, run once for all four measures; made by `circuits.evaluate`.

    Attributes
    ----------
    scope : Microscope
    circuit : Circuit
    task : Task
    ablation : str
    seed : int
    """

    def __repr__(self) -> str:
        """Say of which circuit it is, on what."""
        return f"Evaluation({self.circuit.n_edges:,} edges, {self.task.name}: {len(self.task)} pairs, {self.ablation})"

    def faithfulness(self, *, draws: int = 5) -> Faithfulness:
        """Return how much of what the whole model does the circuit does: see `circuits.faithfulness`."""
        return measure_faithfulness(self, draws)

    def completeness(self, *, classes: Classes | None = None, greedy: int = 5) -> Completeness:
        """Return what circuit and model do without the same nodes: see `circuits.completeness`."""
        return measure_completeness(self, classes, greedy)

    def minimality(self, *, classes: Classes | None = None) -> Minimality:
        """Return how much each node changes the circuit: see `circuits.minimality`."""
        return measure_minimality(self, classes)

    def curve(self, *, shares: Sequence[float] = SHARES, signed: bool = False, draws: int = 3) -> Curve:
        """Return faithfulness against the number of edges: see `circuits.curve`."""
        return measure_curve(self, shares, signed, draws)

    def curve_points(
        self, *, shares: Sequence[float] = SHARES, signed: bool = False, draws: int = 3
    ) -> Generator[CurvePoint, None, Curve]:
        """Yield the points of the curve as they are measured: see `circuits.curve_points`."""
        return curve_point_by_point(self, shares, signed, draws)


def evaluate(
    scope: Microscope,
    circuit: Circuit,
    task: Task | TaskName | None = None,
    *,
    ablation: CircuitAblation | None = None,
    seed: int | None = 0,
) -> Evaluation:
    """Return an evaluation of a circuit, of which faithfulness, completeness, minimality and the curve are measured.

    They share the runs of the clean and the corrupted prompts, and no circuit runs twice. `circuits.faithfulness` and
    its like are for a single measure. What the prompts' runs hold stays in memory as long as the evaluation.

    Parameters
    ----------
    scope : Microscope
    circuit : Circuit
    task : Task or str, optional
        Other pairs than those the circuit was found on, which is the fairer test, or the name of a task; the circuit's
        own by default.
    ablation : {"counterfactual", "mean", "resample", "zero"}, optional
        What an edge that is out carries: see `discover`; the circuit's own by default.
    seed : int or None, default 0
        Of random circuits, the bootstrap, resampling, and the pairs of a task that is given by its name.

    Returns
    -------
    Evaluation
        Nothing runs before something is measured.

    Examples
    --------
    >>> from scope_widgets import Microscope, circuits
    >>> scope = Microscope.load("demo")
    >>> task = circuits.task(scope, "ioi", n=12)
    >>> circuit = circuits.discover(scope, task[:6], "eap").keep(40)
    >>> evaluation = circuits.evaluate(scope, circuit, task[6:])
    >>> evaluation.faithfulness(draws=2).n_edges
    40
    >>> evaluation.completeness(greedy=0).sets[:2]
    ('nothing', 'heads of layer 0')
    """
    seed = seed_of(seed)
    return Evaluation(scope, circuit, task, ablation, seed)
