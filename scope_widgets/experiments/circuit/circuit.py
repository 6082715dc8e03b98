"""`Circuit`: the edges of a model with their scores, and which of them are in."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from scope_widgets._json_fields import decode, decode_fields
from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets._types import Array
from scope_widgets.experiments.circuit.circuit_ablation import CircuitAblation
from scope_widgets.experiments.circuit.edge_evidence import EdgeEvidence, clusters_of
from scope_widgets.experiments.circuit.graphviz import to_dot
from scope_widgets.experiments.circuit.latent_graph import LatentGraph, LatentNode
from scope_widgets.experiments.question import Question
from scope_widgets.experiments.statistics.rounding import rank
from scope_widgets.experiments.task import Task
from scope_widgets.models.edges.graph import Graph, count_edges

if TYPE_CHECKING:
    import networkx
    import pandas as pd

#: which edges are in, [edge]
Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, eq=False, repr=False)
class Circuit(Result):
    """Edges of a model with their scores, and which of them are in.

    Attributes
    ----------
    graph : Graph or LatentGraph
        The edges that a model of this shape has; or, where latents are nodes, those that were looked at.
    scores : ndarray [edge]
        What each edge does for the metric: how much of it is lost (negative: gained) when the edge carries what it
        carries on the corrupted prompt; NaN where it was not looked at. Exact or an estimate, see `exact`.
    included : ndarray of bool [edge]
    task : Task
    method : str
        A `circuits.Method`, "induction", or "given".
    exact : bool
        False where the scores are estimated by a gradient.
    ablation : str
        What an edge that is out carries, a `circuits.CircuitAblation`: see `circuits.discover`.
    provenance : Provenance
    labels : dict of str to str
        Names that a person gave to nodes.
    groups : dict of str to list of str
        Supernodes: nodes that a person put together.
    floor : float
        The difference that rounding alone may make between two scores: closer ones are a tie.
    question : Question, optional
        The first pair of prompts and its answers.
    evidence : EdgeEvidence, optional
        What an ablation said of each edge, prompt by prompt, where edges were confirmed by one (`features.provenance`).
    node_scores : dict of str to float
        What each node does for the metric (its indirect effect), where that was estimated.

    Examples
    --------
    >>> from scope_widgets import Microscope, circuits
    >>> scope = Microscope.load("demo")
    >>> circuit = circuits.discover(scope, circuits.task(scope, "ioi", n=6), "eap").keep(n_edges=20)
    >>> circuit.n_edges, circuit.without("m0").n_edges < 20
    (20, True)
    >>> circuits.Circuit.from_json(circuit.to_json()).edges == circuit.edges
    True
    """

    view: ClassVar[str] = "scope_widgets.widgets.circuit_graph:CircuitGraph"
    plotted_by: ClassVar[str] = "scope_widgets.plots.circuits:circuit"

    graph: Graph | LatentGraph
    scores: Array
    included: Mask
    task: Task
    method: str
    exact: bool
    ablation: CircuitAblation
    provenance: Provenance
    labels: dict[str, str] = dataclasses.field(default_factory=dict)
    groups: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    floor: float = 0.0
    question: Question | None = None
    evidence: EdgeEvidence | None = None
    node_scores: dict[str, float] = dataclasses.field(default_factory=dict)

    # --- what is in it ----------------------------------------------------------------------------------------------

    @property
    def model_id(self) -> str:
        """Hub id or folder name of the model."""
        return self.provenance.model

    @property
    def n_edges(self) -> int:
        """Number of edges that are in."""
        return int(self.included.sum())

    @property
    def edges(self) -> list[tuple[str, str]]:
        """Names of sender and receiver of the edges that are in."""
        return [self.graph.names(int(edge)) for edge in np.flatnonzero(self.included)]

    @cached_property
    def nodes(self) -> list[str]:
        """Names of what writes in this circuit, in the order of the forward: all with an edge out that is in."""
        out = np.zeros(len(self.graph.senders), dtype=bool)
        out[self.graph.edges[1][self.included]] = True
        return [name for name, has_edge in zip(self.graph.senders, out, strict=True) if has_edge]

    @property
    def heads(self) -> list[tuple[int, int]]:
        """The heads among the nodes, as (layer, head)."""
        parts = [name[1:].split(".h") for name in self.nodes if name.startswith("a")]
        return [(int(layer), int(head)) for layer, head in parts]

    def top(self, n: int = 10) -> pd.DataFrame:
        """Return the `n` edges with the largest absolute score, in or out, as a table."""
        return self.to_dataframe().iloc[self.order()[:n]]

    def order(self, signed: bool = False) -> Array:
        """Return the edges with the largest (absolute) score first, ties in their own order, those without one last."""
        return rank(self.scores if signed else np.abs(self.scores), self.floor)

    def clusters(self, node: str, *, least: float = 0.7) -> list[list[str]]:
        """Return which parents of a node act together: those whose effects rise and fall with each other.

        Two parents are linked where the correlation of their effects over the prompts is at least `least`; a cluster is
        what links join. The largest is first.

        Parameters
        ----------
        node : str
            A receiver, such as `circuit.graph.output`.
        least : float, default 0.7

        Raises
        ------
        ValueError
            Where effects were not measured prompt by prompt (`features.provenance` does), or the node is not there.
        """
        if self.evidence is None:
            raise ValueError("Effects of this circuit by prompt are not known: features.provenance measures them.")
        if node not in self.graph.receivers:
            raise ValueError(
                f"No edge into {node!r} was tried; there are edges into {', '.join(self.graph.receivers)}."
            )
        into = self.graph.edges[0] == self.graph.receivers.index(node)
        edges = np.flatnonzero(into & self.included)
        names = [self.graph.names(int(edge))[0] for edge in edges]
        return [[names[at] for at in one] for one in clusters_of(self.evidence.effects[edges], least)]

    # --- other circuits of it ---------------------------------------------------------------------------------------

    def keep(self, n_edges: int | None = None, *, threshold: float | None = None, signed: bool = False) -> Circuit:
        """Return the circuit of the `n_edges` edges with the largest absolute score, or of all that reach `threshold`.

        With `signed` scores count as they are: edges that work against the metric go first, and the circuit may do the
        task better than the model. MIB measures CMD of the former and CPR of the latter. Edges without a score (NaN)
        are out.

        Parameters
        ----------
        n_edges : int, optional
        threshold : float, optional
            In units of the metric.
        signed : bool, default False

        Raises
        ------
        ValueError
            Where not exactly one of both is given, or more edges are asked for than there are.
        """
        if (n_edges is None) == (threshold is None):
            raise ValueError("keep() takes a number of edges or a threshold: keep(200), or keep(threshold=0.01).")
        size = np.nan_to_num(self.scores if signed else np.abs(self.scores), nan=-np.inf)
        if threshold is not None:
            return self.with_edges((size >= threshold) & np.isfinite(size))
        if not hasattr(n_edges, "__index__") or not 0 <= n_edges <= self.graph.n_edges:  # type: ignore[operator]
            raise ValueError(f"n_edges= is a number from 0 to {self.graph.n_edges:,} in this model; got {n_edges}.")
        included = np.zeros(self.graph.n_edges, dtype=bool)
        included[self.order(signed)[:n_edges]] = True
        return self.with_edges(included & np.isfinite(size))

    def with_edges(self, included: Mask) -> Circuit:
        """Return the circuit of these edges, `[edge]` of bool."""
        if np.shape(included) != self.scores.shape:
            raise ValueError(f"Expected one bool an edge, {self.scores.shape}; got {np.shape(included)}.")
        return dataclasses.replace(self, included=np.asarray(included, dtype=bool))

    def add(self, *edges: tuple[str, str]) -> Circuit:
        """Return the circuit with these edges in it, each (sender, receiver)."""
        return self._set(edges, True)

    def remove(self, *edges: tuple[str, str]) -> Circuit:
        """Return the circuit without these edges, each (sender, receiver)."""
        return self._set(edges, False)

    def without(self, *nodes: str) -> Circuit:
        """Return the circuit without the edges out of these nodes, and into inputs that are theirs only."""
        return self.with_edges(self.included & ~touching(self.graph, nodes))

    def pruned(self) -> Circuit:
        """Return the circuit without dead ends: edges that no input reaches, or that reach no logits."""
        receiver, sender = self.graph.edges
        included = self.included.copy()
        while True:
            written = np.zeros(len(self.graph.senders), dtype=bool)  # what has an input that is in
            written[self.graph.sources] = True
            read = np.zeros(len(self.graph.receivers), dtype=bool)  # what has an owner that writes on
            read[-1] = True
            out = np.bincount(sender[included], minlength=len(written)) > 0
            into = np.bincount(receiver[included], minlength=len(read)) > 0
            for at, owners in enumerate(self.graph.owner):
                written[owners] |= into[at]
                read[at] |= bool(out[owners].any())
            on_a_path = included & written[sender] & read[receiver]
            if on_a_path.sum() == included.sum():
                return self.with_edges(on_a_path)
            included = on_a_path

    def _set(self, edges: Iterable[tuple[str, str]], state: bool) -> Circuit:
        included = self.included.copy()
        included[[self.graph.find(*edge) for edge in edges]] = state
        return self.with_edges(included)

    # --- other forms of it ------------------------------------------------------------------------------------------

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table, one row an edge of the graph: sender, receiver, score, included.

        With `evidence` also attribution, activation, low, high, p, p_null, null and depth.
        """
        import pandas as pd

        receiver, sender = self.graph.edges
        columns = {
            "sender": np.array(self.graph.senders, dtype=object)[sender],
            "receiver": np.array(self.graph.receivers, dtype=object)[receiver],
            "score": self.scores,
            "included": self.included,
        }
        return pd.DataFrame(columns if self.evidence is None else columns | self.evidence.columns())

    def to_networkx(self) -> networkx.MultiDiGraph:
        """Return a `networkx.MultiDiGraph` of the edges that are in.

        Nodes are named as senders, and "logits" (or the latent that was traced back); an edge has `score` and `input`
        ("q", "k", "v" or ""). An edge into a key or value that heads share goes to each of them. Nodes of a graph of
        latents have `kind`, `layer`, `number`, `site` and `label`.
        """
        import networkx

        made = networkx.MultiDiGraph(model=self.model_id, task=self.task.name, method=self.method)
        made.add_nodes_from([*self.nodes, self.graph.output])
        if isinstance(self.graph, LatentGraph):
            for name in made:
                node = LatentNode.of(name)
                made.nodes[name].update(node._asdict(), label=self.labels.get(name, ""))
        receiver, sender = self.graph.edges
        for edge in np.flatnonzero(self.included):
            name = self.graph.receivers[receiver[edge]]
            site = name[-2] if name.endswith(">") else ""
            for owner in [self.graph.senders[i] for i in self.graph.owner[receiver[edge]]] or [self.graph.output]:
                score = float(self.scores[edge])
                made.add_edge(self.graph.senders[sender[edge]], owner, key=site, score=score, input=site)
        return made

    def to_dot(self) -> str:
        """Return the edges that are in as DOT, which Graphviz draws, layers from below."""
        edges = np.flatnonzero(self.included)
        scores = dict(zip(map(self.graph.names, edges.tolist()), self.scores[edges].tolist(), strict=True))
        title = f"{self.task.name}, {self.model_id}: {self.n_edges:,} of {self.graph.n_edges:,} edges ({self.method})"
        return to_dot(self.graph, scores, title, self.labels)

    @classmethod
    def from_json(cls, text: str) -> Circuit:
        """Return the circuit that `to_json` wrote.

        Raises
        ------
        ValueError
            When the text is not JSON of a circuit, its edges are not those of its graph, or it names unknown nodes.
        """
        read = super().from_json(text)
        for name in (*read.labels, *(node for nodes in read.groups.values() for node in nodes)):
            if name != read.graph.output:
                read.graph.sender(name)
        return read

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Circuit:
        graph = fields.pop("graph", None)
        kind: type = LatentGraph if isinstance(graph, dict) and "nodes" in graph else Graph
        parts = decode_fields(cls, fields, apart=("graph",))
        read = cls(graph=decode(graph, kind, "graph"), **parts)
        if isinstance(read.graph, LatentGraph):
            return _checked_latents(read)
        n_edges = count_edges(read.graph)  # before the graph lists them
        if read.scores.shape != (n_edges,) or read.included.shape != (n_edges,) or read.scores.dtype.kind != "f":
            raise ValueError(
                f"a model of {read.graph.n_layers} layers of {read.graph.n_heads} heads has {n_edges:,} edges, and its "
                f"scores are {read.scores.size:,}, and {read.included.size:,} say which edges are in"
            )
        return read

    def to_json(self) -> str:
        """Return this as JSON.

        Raises
        ------
        ValueError
            Where the task's metric is a function of one's own, which no file can hold.
        """
        if callable(self.task.metric):
            raise ValueError(
                f"The metric {self.task.metric_name} is a function, which a file cannot hold. Give the task a metric "
                "by name, such as dataclasses.replace(circuit.task, metric='kl'), and keep your code beside the file."
            )
        return super().to_json()


def _checked_latents(read: Circuit) -> Circuit:
    """Return a circuit of latents that was read, where its parts fit together.

    Raises
    ------
    ValueError
        Where they do not.
    """
    n_edges = read.graph.n_edges
    if read.scores.shape != (n_edges,) or read.included.shape != (n_edges,) or read.scores.dtype.kind != "f":
        raise ValueError(
            f"its graph has {n_edges:,} edges, its scores are {read.scores.size:,}, and {read.included.size:,} say "
            "which are in"
        )
    if read.evidence is not None:
        read.evidence.check(n_edges, len(read.task))
    for name in read.node_scores:
        if name != read.graph.output:
            read.graph.sender(name)
    return read


def touching(graph: Graph | LatentGraph, nodes: Iterable[str]) -> Mask:
    """Return which edges go out of these nodes, or into inputs that are theirs only, `[edge]` of bool."""
    gone = {graph.sender(name) for name in nodes}
    receiver, sender = graph.edges
    into = np.array([bool(owners) and gone.issuperset(owners) for owners in graph.owner])
    touched: Mask = np.isin(sender, sorted(gone)) | into[receiver]
    return touched
