"""Minimality: whether all of a circuit is needed (Wang et al. 2022, arXiv:2211.00593, section 4)."""

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
from scope_widgets.circuits.evaluation.node_ablation import circuit_without
from scope_widgets.experiments.statistics.rounding import rank, share
from scope_widgets.models.remote_dispatch import remotable

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Minimality(WasDataFrame, Result):
    r"""How much each node changes a circuit; in a minimal one each changes something.

    Attributes
    ----------
    nodes : tuple of str [node]
        All of the circuit but the embeddings.
    change : ndarray [node]
        `|F(C \ (K + v)) - F(C \ K)|`, in units of the metric.
    share : ndarray [node]
        Of the whole model's metric less that of no edges.
    without : tuple of str [node]
        The nodes K, " " between them, that gave the change.
    ablation : str
        What an edge that is out carries, as a sentence.
    provenance : Provenance
    message : str
        Why there is no share; else empty.
    floor : float
        The difference that rounding alone may make to a change.
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.circuit_evaluation:minimality"

    nodes: tuple[str, ...]
    change: Array
    share: Array
    without: tuple[str, ...]
    ablation: str
    provenance: Provenance
    message: str = ""
    floor: float = 0.0

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table, one row a node, the one that matters least first: node, change, share, without."""
        import pandas as pd

        columns = {"node": self.nodes, "change": self.change, "share": self.share, "without": self.without}
        table = pd.DataFrame(columns).iloc[rank(-self.change, self.floor)].reset_index(drop=True)
        table.attrs |= {"ablation": self.ablation, "message": self.message}
        return table


@remotable
def measure_minimality(evaluated: EvaluationRun, classes: Mapping[str, Sequence[str]] | None) -> Minimality:
    """Return how much each node changes the circuit, by itself or beside the rest of its class."""
    nodes = [name for name in evaluated.circuit.nodes if name != "input"]
    peers = {name: [other for other in some if other != name] for some in (classes or {}).values() for name in some}
    sets = [((), name) for name in nodes] + [(tuple(peers[name]), name) for name in nodes if peers.get(name)]
    wanted = list(dict.fromkeys([group for group, _ in sets] + [(*group, name) for group, name in sets]))
    metric = dict(zip(wanted, circuit_without(evaluated, wanted), strict=True))
    best: dict[str, tuple[float, str]] = {}
    for group, name in sets:
        change = abs(metric[(*group, name)] - metric[group])
        if name not in best or change > best[name][0] + evaluated.run.floor:
            best[name] = (change, " ".join(group))
    changes = np.array([best[name][0] for name in nodes])
    return Minimality(
        nodes=tuple(nodes),
        change=changes,
        share=np.asarray(share(changes, abs(evaluated.run.scale), evaluated.run.floor)),
        without=tuple(best[name][1] for name in nodes),
        ablation=evaluated.run.sentence,
        provenance=evaluated.provenance,
        message=evaluated.run.message,
        floor=evaluated.run.floor,
    )
