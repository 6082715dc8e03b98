"""How well a circuit does the task alone, whether it is all of it, and whether all of it is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets.circuits.circuit import Circuit, touching
from scope_widgets.circuits.circuit_run import CircuitRun
from scope_widgets.experiments.task import Task
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable

Array = np.ndarray[Any, Any]
_RESAMPLES = 2000


@dataclass(frozen=True, eq=False)
class Faithfulness(Result):
    """How much of what the whole model does a circuit does alone.

    Attributes
    ----------
    value : float
        `(m(circuit) - m(empty)) / (m(model) - m(empty))` of the mean metrics; NaN where the denominator vanishes.
    low, high : float
        95 % interval, bootstrap over the pairs.
    random : ndarray [draw]
        The same of random circuits with as many edges.
    metric, full, empty : ndarray [pair]
        The metric of the circuit, of the whole model, and of no edges.
    n_edges, n_all : int
        Edges of the circuit and of the model.
    ablation : str
        What an edge carries that is out, as a sentence.
    provenance : Provenance
    """

    value: float
    low: float
    high: float
    random: Array
    metric: Array
    full: Array
    empty: Array
    n_edges: int
    n_all: int
    ablation: str
    provenance: Provenance

    @property
    def difference(self) -> float:
        """Wang et al.'s faithfulness, `|F(model) - F(circuit)|`: 0 is perfect, in units of the metric."""
        return float(abs(self.full.mean() - self.metric.mean()))

    def __repr__(self) -> str:
        """Say it in a line, with what it depends on."""
        at_random = f"{self.random.mean():.2f}" if len(self.random) else "not run"
        return (
            f"faithfulness {self.value:.3f} [{self.low:.3f}, {self.high:.3f}] of {self.n_edges:,} of {self.n_all:,} "
            f"edges, random circuits {at_random}, {len(self.metric)} pairs; {self.ablation}"
        )

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return {"text/plain": repr(self)}


@remotable
def faithfulness(
    scope: Microscope,
    circuit: Circuit,
    *,
    task: Task | None = None,
    ablation: str | None = None,
    draws: int = 5,
    seed: int = 0,
) -> Faithfulness:
    """Run a circuit alone and hold it against the whole model and against random circuits of its size.

    Parameters
    ----------
    scope : Microscope
    circuit : Circuit
    task : Task, optional
        Other pairs than those the circuit was found on, which is the fairer test.
    ablation : str, optional
        Another than the circuit's; see `discover`.
    draws : int
        Random circuits.
    seed : int
        Of those, the bootstrap and resampling.
    """
    trial = circuit_run(scope, circuit, task, ablation, seed)
    at_random = _random_circuits(circuit.n_edges, trial.graph.n_edges, draws, seed)
    measured = trial.measure(np.concatenate([circuit.included[None], at_random]))
    shares = trial.faithfulness(measured)
    low, high = interval(trial, measured[0], seed)
    return Faithfulness(
        value=float(shares[0]),
        low=low,
        high=high,
        random=shares[1:],
        metric=measured[0],
        full=trial.full,
        empty=trial.empty,
        n_edges=circuit.n_edges,
        n_all=trial.graph.n_edges,
        ablation=trial.sentence,
        provenance=provenance(trial, circuit, seed),
    )


def completeness(
    scope: Microscope,
    circuit: Circuit,
    classes: Mapping[str, Sequence[str]] | None = None,
    *,
    task: Task | None = None,
    ablation: str | None = None,
    greedy: int = 5,
    seed: int = 0,
) -> Any:
    r"""Take the same nodes out of the circuit and out of the whole model: a complete circuit suffers as the model does.

    Wang et al. 2022: incompleteness `|F(C \ K) - F(M \ K)|` for sets K of nodes, F the mean metric.

    Parameters
    ----------
    scope : Microscope
    circuit : Circuit
    classes : dict of str to list of node, optional
        Sets K to try, such as `{"name movers": ["a9.h9", "a9.h6"]}`; each layer's heads where nothing is said.
    task, ablation : optional
        As in `faithfulness`.
    greedy : int
        Nodes of a last set, each chosen so that the incompleteness is the largest; 0: none.
    seed : int

    Returns
    -------
    pandas.DataFrame
        set, nodes, circuit, model (metrics without the set), incompleteness. The first row is the empty set.
    """
    import pandas as pd

    rows, sentence = _incompleteness(scope, circuit, classes, task, ablation, greedy, seed)
    table = pd.DataFrame(rows, columns=["set", "nodes", "circuit", "model"])
    table["incompleteness"] = (table["circuit"] - table["model"]).abs()
    table.attrs["ablation"] = sentence
    return table


@remotable
def _incompleteness(
    scope: Microscope,
    circuit: Circuit,
    classes: Mapping[str, Sequence[str]] | None,
    task: Task | None,
    ablation: str | None,
    greedy: int,
    seed: int,
) -> tuple[list[tuple[str, list[str], float, float]], str]:
    trial = circuit_run(scope, circuit, task, ablation, seed)
    sets: dict[str, list[str]] = {"nothing": []}
    if classes is None:
        for name in circuit.nodes:
            if name.startswith("a"):
                sets.setdefault(f"heads of layer {name[1:].split('.')[0]}", []).append(name)
    else:
        sets |= {name: list(nodes) for name, nodes in classes.items()}
    rows = [(name, nodes, *_without(trial, circuit, [nodes])[0]) for name, nodes in sets.items()]
    chosen: list[str] = []
    left = [name for name in circuit.nodes if name != "input"]
    for _ in range(min(greedy, len(left))):
        found = _without(trial, circuit, [[*chosen, name] for name in left])
        worst = int(np.argmax([abs(one - other) for one, other in found]))
        chosen.append(left.pop(worst))
        rows.append((f"greedy {len(chosen)}", list(chosen), *found[worst]))
    return rows, trial.sentence


def minimality(
    scope: Microscope,
    circuit: Circuit,
    classes: Mapping[str, Sequence[str]] | None = None,
    *,
    task: Task | None = None,
    ablation: str | None = None,
    seed: int = 0,
) -> Any:
    r"""Take each node out of the circuit: in a minimal one each changes something, alone or beside its class.

    Wang et al. 2022: `|F(C \ (K + v)) - F(C \ K)|` for each node v, the larger of K empty and K the rest of v's class.

    Parameters
    ----------
    scope, circuit, task, ablation, seed
        As in `faithfulness`.
    classes : dict of str to list of node, optional
        Nodes that back each other up; none where nothing is said.

    Returns
    -------
    pandas.DataFrame
        node, change (the score, in units of the metric), share (of the whole model's metric less that of no edges),
        without (the K that gave it), the node that matters least first.
    """
    import pandas as pd

    columns, sentence = _changes(scope, circuit, classes, task, ablation, seed)
    table = pd.DataFrame(columns).sort_values("change", kind="stable", ignore_index=True)
    table.attrs["ablation"] = sentence
    return table


@remotable
def _changes(
    scope: Microscope,
    circuit: Circuit,
    classes: Mapping[str, Sequence[str]] | None,
    task: Task | None,
    ablation: str | None,
    seed: int,
) -> tuple[dict[str, list[Any]], str]:
    trial = circuit_run(scope, circuit, task, ablation, seed)
    nodes = [name for name in circuit.nodes if name != "input"]
    peers = {name: [other for other in some if other != name] for some in (classes or {}).values() for name in some}
    sets = [((), name) for name in nodes] + [(tuple(peers[name]), name) for name in nodes if peers.get(name)]
    asked = list(dict.fromkeys([group for group, _ in sets] + [(*group, name) for group, name in sets]))
    values = dict(zip(asked, (one for one, _ in _without(trial, circuit, asked, model=False)), strict=True))
    best: dict[str, tuple[float, str]] = {}
    for group, name in sets:
        change = abs(values[(*group, name)] - values[group])
        if name not in best or change > best[name][0]:
            best[name] = (change, " ".join(group))
    columns: dict[str, list[Any]] = {
        "node": nodes,
        "change": [best[name][0] for name in nodes],
        "share": [best[name][0] / abs(trial.scale) for name in nodes],
        "without": [best[name][1] for name in nodes],
    }
    return columns, trial.sentence


def circuit_run(scope: Microscope, circuit: Circuit, task: Task | None, ablation: str | None, seed: int) -> CircuitRun:
    """Make the trial that a circuit asks for.

    Raises
    ------
    ValueError
        Where the circuit is of another model.
    """
    trial = CircuitRun(scope, circuit.task if task is None else task, ablation or circuit.ablation, seed)
    if trial.graph != circuit.graph:
        raise ValueError(
            f"This circuit is of {circuit.model_id}, a model with other nodes than {scope.model_id}: load that model."
        )
    return trial


def interval(trial: CircuitRun, metric: Array, seed: int) -> tuple[float, float]:
    """Give the 95 % interval of a faithfulness, bootstrap over the pairs of numerator and denominator together."""
    rng = np.random.default_rng(seed)
    n = len(metric)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=_RESAMPLES) / n
    above, below = weights @ (metric - trial.empty), weights @ (trial.full - trial.empty)
    # a share of nothing is no share
    known = np.abs(below) > 1e-6 * max(np.abs(trial.full).max(), np.abs(trial.empty).max(), 1e-6)
    if not known.any():
        return np.nan, np.nan
    low, high = np.percentile(above[known] / below[known], [2.5, 97.5])
    return float(low), float(high)


def provenance(trial: CircuitRun, circuit: Circuit, seed: int) -> Provenance:
    """Say where an evaluation came from."""
    return Provenance(
        model=trial.scope.model_id,
        revision=trial.scope.revision,
        prompts=trial.texts,
        seed=seed,
        ablation=trial.sentence,
        note=f"a circuit of {circuit.n_edges:,} edges found by {circuit.method}; {trial.task.metric_name} on "
        f"{len(trial.task)} pairs of {trial.task.name}",
    )


def _without(
    trial: CircuitRun, circuit: Circuit, sets: Sequence[Sequence[str]], model: bool = True
) -> list[tuple[float, float]]:
    """Give the mean metric of the circuit, and of the model (NaN where not asked for), each without sets of nodes."""
    if not sets:
        return []
    gone = np.array([touching(trial.graph, nodes) for nodes in sets])
    circuits = [circuit.included & ~gone, ~gone] if model else [circuit.included & ~gone]
    found = trial.measure(np.concatenate(circuits)).mean(-1)
    ours = found[: len(sets)]
    theirs = found[len(sets) :] if model else np.full(len(sets), np.nan)
    return [(float(one), float(other)) for one, other in zip(ours, theirs, strict=True)]


def _random_circuits(n: int, n_all: int, draws: int, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    circuits = np.zeros((draws, n_all), dtype=bool)
    for row in circuits:
        row[rng.permutation(n_all)[:n]] = True
    return circuits
