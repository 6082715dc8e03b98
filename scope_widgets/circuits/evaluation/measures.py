"""Faithfulness, completeness, minimality and the curve of a circuit, each by itself; `evaluate` shares their runs."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from scope_widgets._aliases import former_options
from scope_widgets._job import Steps
from scope_widgets._seeds import seed_of
from scope_widgets.circuits.evaluation.completeness import Completeness
from scope_widgets.circuits.evaluation.evaluate import Classes, Evaluation
from scope_widgets.circuits.evaluation.faithfulness import Faithfulness
from scope_widgets.circuits.evaluation.faithfulness_curve import SHARES, Curve, CurvePoint, curve_steps
from scope_widgets.circuits.evaluation.minimality import Minimality
from scope_widgets.experiments.circuit.circuit import Circuit
from scope_widgets.experiments.circuit.circuit_ablation import CircuitAblation
from scope_widgets.experiments.named_tasks import TaskName
from scope_widgets.experiments.task import Task
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import stepwise


def faithfulness(
    scope: Microscope,
    circuit: Circuit,
    *,
    task: Task | TaskName | None = None,
    ablation: CircuitAblation | None = None,
    draws: int = 5,
    seed: int | None = 0,
) -> Faithfulness:
    """Run a circuit by itself and compare it with the whole model and with random circuits of its size.

    Parameters
    ----------
    scope : Microscope
    circuit : Circuit
    task : Task or str, optional
        Other pairs than those the circuit was found on, which is the fairer test, or the name of a task; the circuit's
        own by default.
    ablation : {"counterfactual", "mean", "resample", "zero"}, optional
        What an edge that is out carries: see `discover`; the circuit's own by default.
    draws : int, default 5
        Number of random circuits.
    seed : int or None, default 0
        Of random circuits, the bootstrap, resampling, and the pairs of a task that is given by its name.

    Returns
    -------
    Faithfulness
        `.value` is `(m(circuit) - m(empty)) / (m(model) - m(empty))` of the mean metrics, NaN where the denominator
        vanishes; `.difference` is that of Wang et al. 2022.

    Raises
    ------
    ValueError
        For a circuit or task of another model, an unknown ablation or task, a metric that is not finite.
    MemoryError
        Where the pairs do not fit; says how many do.

    Examples
    --------
    >>> from scope_widgets import Microscope, circuits
    >>> scope = Microscope.load("demo")
    >>> task = circuits.task(scope, "ioi", n=12)
    >>> circuit = circuits.discover(scope, task[:6], "eap").keep(40)
    >>> found = circuits.faithfulness(scope, circuit, task=task[6:], draws=2)
    >>> found.low <= found.value <= found.high
    True
    """
    seed = seed_of(seed)
    return Evaluation(scope, circuit, task, ablation, seed).faithfulness(draws=draws)


@former_options("classes")
def completeness(
    scope: Microscope,
    circuit: Circuit,
    *,
    classes: Classes | None = None,
    task: Task | TaskName | None = None,
    ablation: CircuitAblation | None = None,
    greedy: int = 5,
    seed: int | None = 0,
) -> Completeness:
    r"""Take the same nodes out of the circuit and out of the whole model: a complete circuit suffers as the model does.

    Wang et al. 2022, arXiv:2211.00593: incompleteness `|F(C \ K) - F(M \ K)|` for sets K of nodes, F the mean metric.

    Parameters
    ----------
    scope : Microscope
    circuit : Circuit
    classes : dict of str to list of node, optional
        Sets K to try, such as `{"name movers": ["a9.h9", "a9.h6"]}`; each layer's heads by default.
    task : Task or str, optional
        Other pairs than those the circuit was found on, or the name of a task; the circuit's own by default.
    ablation : {"counterfactual", "mean", "resample", "zero"}, optional
        What an edge that is out carries: see `discover`; the circuit's own by default.
    greedy : int, default 5
        Number of nodes of a last set, each chosen so that the incompleteness is the largest; 0: no such set.
    seed : int or None, default 0
        Of resampling, and of the pairs of a task that is given by its name.

    Returns
    -------
    Completeness
        Its first set is the empty one.

    Raises
    ------
    ValueError
        For unknown nodes, a circuit or task of another model, an unknown ablation or task, a metric that is not finite.
    MemoryError
        Where the pairs do not fit; says how many do.

    Examples
    --------
    >>> from scope_widgets import Microscope, circuits
    >>> scope = Microscope.load("demo")
    >>> circuit = circuits.discover(scope, circuits.task(scope, "ioi", n=6), "eap").keep(40)
    >>> circuits.completeness(scope, circuit, classes={"movers": ["a3.h0", "a3.h1"]}, greedy=1).sets
    ('nothing', 'movers', 'greedy 1')
    """
    seed = seed_of(seed)
    return Evaluation(scope, circuit, task, ablation, seed).completeness(classes=classes, greedy=greedy)


@former_options("classes")
def minimality(
    scope: Microscope,
    circuit: Circuit,
    *,
    classes: Classes | None = None,
    task: Task | TaskName | None = None,
    ablation: CircuitAblation | None = None,
    seed: int | None = 0,
) -> Minimality:
    r"""Take each node out of the circuit: in a minimal one each changes something, by itself or beside its class.

    Wang et al. 2022, arXiv:2211.00593: `|F(C \ (K + v)) - F(C \ K)|` for each node v, F the mean metric, the larger of
    K empty and K the rest of v's class.

    Parameters
    ----------
    scope : Microscope
    circuit : Circuit
    classes : dict of str to list of node, optional
        Nodes that back each other up; none by default.
    task : Task or str, optional
        Other pairs than those the circuit was found on, or the name of a task; the circuit's own by default.
    ablation : {"counterfactual", "mean", "resample", "zero"}, optional
        What an edge that is out carries: see `discover`; the circuit's own by default.
    seed : int or None, default 0
        Of resampling, and of the pairs of a task that is given by its name.

    Returns
    -------
    Minimality

    Raises
    ------
    ValueError
        For unknown nodes, a circuit or task of another model, an unknown ablation or task, a metric that is not finite.
    MemoryError
        Where the pairs do not fit; says how many do.

    Examples
    --------
    >>> from scope_widgets import Microscope, circuits
    >>> scope = Microscope.load("demo")
    >>> circuit = circuits.discover(scope, circuits.task(scope, "ioi", n=6), "eap").keep(40)
    >>> found = circuits.minimality(scope, circuit)
    >>> set(found.nodes) == set(circuit.nodes) - {"input"}
    True
    """
    seed = seed_of(seed)
    return Evaluation(scope, circuit, task, ablation, seed).minimality(classes=classes)


@former_options("shares")
@stepwise
def curve(
    scope: Microscope,
    circuit: Circuit,
    *,
    shares: Sequence[float] = SHARES,
    task: Task | TaskName | None = None,
    ablation: CircuitAblation | None = None,
    signed: bool = False,
    draws: int = 3,
    seed: int | None = 0,
) -> Steps[Curve]:
    """Measure faithfulness against the share of edges kept, by the circuit's scores.

    CPR and CMD are those of MIB (Mueller et al. 2025, arXiv:2504.13151). Of `scope.submit(circuits.curve, ...)` each
    status carries the points so far.

    Parameters
    ----------
    scope : Microscope
    circuit : Circuit
        Its scores count, not which of its edges are in.
    shares : sequence of float
        Rising, of all edges; those of MIB by default.
    task : Task or str, optional
        Other pairs than those the circuit was found on, or the name of a task; the circuit's own by default.
    ablation : {"counterfactual", "mean", "resample", "zero"}, optional
        What an edge that is out carries: see `discover`; the circuit's own by default.
    signed : bool, default False
        Keep edges by their signed score, not its size: see `Circuit.keep`.
    draws : int, default 3
        Number of random circuits beside each; they grow as the real one does.
    seed : int or None, default 0
        Of random circuits, the bootstrap, resampling, and the pairs of a task that is given by its name.

    Returns
    -------
    Curve
        With `.cpr` and `.cmd`. Where fewer edges have a score than a share asks for, those are kept.

    Raises
    ------
    ValueError
        For shares that are not between 0 and 1, or do not rise, and as `faithfulness` does.
    MemoryError
        Where the pairs do not fit; says how many do.

    Examples
    --------
    >>> from scope_widgets import Microscope, circuits
    >>> scope = Microscope.load("demo")
    >>> circuit = circuits.discover(scope, circuits.task(scope, "ioi", n=6), "eap")
    >>> found = circuits.curve(scope, circuit, shares=(0.1, 1.0), draws=1)
    >>> round(float(found.faithfulness[-1]), 2)
    1.0
    """
    seed = seed_of(seed)
    return (yield from curve_steps(Evaluation(scope, circuit, task, ablation, seed), shares, signed, draws))


def curve_points(
    scope: Microscope,
    circuit: Circuit,
    *,
    shares: Sequence[float] = SHARES,
    task: Task | TaskName | None = None,
    ablation: CircuitAblation | None = None,
    signed: bool = False,
    draws: int = 3,
    seed: int | None = 0,
) -> Generator[CurvePoint, None, Curve]:
    """Yield the points of the curve as they are measured; the generator returns what `curve` does.

    Parameters
    ----------
    scope : Microscope
    circuit : Circuit
        Its scores count, not which of its edges are in.
    shares : sequence of float
        Rising, of all edges; those of MIB by default.
    task : Task or str, optional
        Other pairs than those the circuit was found on, or the name of a task; the circuit's own by default.
    ablation : {"counterfactual", "mean", "resample", "zero"}, optional
        What an edge that is out carries: see `discover`; the circuit's own by default.
    signed : bool, default False
        Keep edges by their signed score, not its size: see `Circuit.keep`.
    draws : int, default 3
        Number of random circuits beside each; they grow as the real one does.
    seed : int or None, default 0
        Of random circuits, the bootstrap, resampling, and the pairs of a task that is given by its name.

    Yields
    ------
    CurvePoint

    Raises
    ------
    ValueError, MemoryError
        At the first point: for shares that are not between 0 and 1, or do not rise, and as `faithfulness` does.

    Examples
    --------
    >>> from scope_widgets import Microscope, circuits
    >>> scope = Microscope.load("demo")
    >>> circuit = circuits.discover(scope, circuits.task(scope, "ioi", n=6), "eap")
    >>> [point.share for point in circuits.curve_points(scope, circuit, shares=(0.1, 1.0), draws=1)]
    [0.1, 1.0]
    """
    seed = seed_of(seed)
    evaluation = Evaluation(scope, circuit, task, ablation, seed)
    return (yield from evaluation.curve_points(shares=shares, signed=signed, draws=draws))
