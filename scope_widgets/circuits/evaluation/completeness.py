"""Completeness: whether a circuit is all of what does the task (Wang et al. 2022, arXiv:2211.00593, section 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from scope_widgets._aliases import WasDataFrame
from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets.circuits.evaluation.circuit_run import Array
from scope_widgets.circuits.evaluation.evaluation_run import EvaluationRun
from scope_widgets.circuits.evaluation.node_ablation import circuit_and_model_without
from scope_widgets.experiments.circuit.circuit import Circuit
from scope_widgets.experiments.statistics.rounding import rank
from scope_widgets.models.remote_dispatch import remotable

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Completeness(WasDataFrame, Result):
    """What a circuit and the whole model do without the same sets of nodes; of a complete circuit both are equal.

    Attributes
    ----------
    sets : tuple of str [set]
        Their names; the first, "nothing", is the empty set.
    nodes : tuple of tuple of str [set]
    circuit, model : ndarray [set]
        Mean metric of both without the set.
    ablation : str
        What an edge that is out carries, as a sentence.
    provenance : Provenance
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.circuit_evaluation:completeness"

    sets: tuple[str, ...]
    nodes: tuple[tuple[str, ...], ...]
    circuit: Array
    model: Array
    ablation: str
    provenance: Provenance

    @property
    def incompleteness(self) -> Array:
        r"""`|F(C \ K) - F(M \ K)|` of each set K, in units of the metric: 0 is perfect, `[set]`."""
        gaps: Array = np.abs(self.circuit - self.model)
        return gaps

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table, one row a set: set, nodes, circuit, model, incompleteness."""
        import pandas as pd

        columns = {"set": self.sets, "nodes": [list(nodes) for nodes in self.nodes], "circuit": self.circuit}
        table = pd.DataFrame(columns | {"model": self.model, "incompleteness": self.incompleteness})
        table.attrs["ablation"] = self.ablation
        return table


@remotable
def measure_completeness(
    evaluated: EvaluationRun, classes: Mapping[str, Sequence[str]] | None, greedy: int
) -> Completeness:
    """Return what the circuit and the model do without the nodes of each class, and of a set chosen greedily."""
    circuit = evaluated.circuit
    given = _heads_by_layer(circuit) if classes is None else {name: list(nodes) for name, nodes in classes.items()}
    sets: list[tuple[str, list[str]]] = [("nothing", []), *given.items()]
    means = [circuit_and_model_without(evaluated, [nodes])[0] for _, nodes in sets]
    chosen: list[str] = []
    left = [name for name in circuit.nodes if name != "input"]
    for _ in range(min(greedy, len(left))):
        found = circuit_and_model_without(evaluated, [[*chosen, name] for name in left])
        worst = int(rank([abs(ours - theirs) for ours, theirs in found], evaluated.run.floor)[0])
        chosen.append(left.pop(worst))
        sets.append((f"greedy {len(chosen)}", list(chosen)))
        means.append(found[worst])
    return Completeness(
        sets=tuple(name for name, _ in sets),
        nodes=tuple(tuple(nodes) for _, nodes in sets),
        circuit=np.array([ours for ours, _ in means]),
        model=np.array([theirs for _, theirs in means]),
        ablation=evaluated.run.sentence,
        provenance=evaluated.provenance,
    )


def _heads_by_layer(circuit: Circuit) -> dict[str, list[str]]:
    layers: dict[str, list[str]] = {}
    for layer, head in circuit.heads:
        layers.setdefault(f"heads of layer {layer}", []).append(f"a{layer}.h{head}")
    return layers
