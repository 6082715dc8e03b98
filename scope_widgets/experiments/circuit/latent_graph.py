"""`LatentGraph`: edges among latents of autoencoders, their errors, heads, MLPs and embeddings."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from scope_widgets._types import Array
from scope_widgets._untrusted import check_count

NodeKind: TypeAlias = Literal["input", "head", "mlp", "latent", "error", "logits"]

#: "a3.h1", "m3", "12.345", "12.mlp_out.345", "12.error"; what a file may name
_NAME = re.compile(r"input|logits|a(\d{1,6})\.h(\d{1,6})|m(\d{1,6})|(\d{1,6})\.(?:([a-z_]{1,20})\.)?(\d{1,12}|error)")
#: where a row of a drawing stands above the layer that a site is of
_RISE = {"residual": -0.4, "attention_out": 0.2, "mlp_in": 0.2, "mlp_out": 0.55}
_MOST_NODES, _MOST_EDGES = 60_000, 2_000_000  # views count nodes in two bytes


class LatentNode(NamedTuple):
    """What a node is: its kind, its layer (-1: embeddings), its number (head or latent; -1: none), the SAE's site."""

    kind: NodeKind
    layer: int
    number: int = -1
    site: str = ""

    @property
    def name(self) -> str:
        """Its name in a graph: "a3.h1", "m3", "12.345", "12.mlp_out.345", "12.error", "input", "logits"."""
        if self.kind in ("input", "logits"):
            return self.kind
        if self.kind == "head":
            return f"a{self.layer}.h{self.number}"
        if self.kind == "mlp":
            return f"m{self.layer}"
        return f"{self.place}.{'error' if self.kind == 'error' else self.number}"

    @property
    def place(self) -> str:
        """Of a latent or an error: where its SAE stands, "12" or "12.mlp_out"."""
        return f"{self.layer}" if self.site in ("", "residual") else f"{self.layer}.{self.site}"

    @classmethod
    def of(cls, name: str) -> LatentNode:
        """Return the node of a name.

        Raises
        ------
        ValueError
            For what is none.
        """
        found = _NAME.fullmatch(name)
        if found is None:
            raise ValueError(
                "A node is called 'input', 'a3.h1' (a head), 'm3' (an MLP), '12.345' (a latent of layer 12's SAE), "
                f"'12.mlp_out.345', '12.error' or 'logits', not {name!r}."
            )
        head_layer, head, mlp, layer, site, latent = found.groups()
        if head is not None:
            return cls("head", int(head_layer), int(head))
        if mlp is not None:
            return cls("mlp", int(mlp))
        if latent is None:
            return cls("input", -1) if name == "input" else cls("logits", -1)
        if latent == "error":
            return cls("error", int(layer), -1, site or "residual")
        return cls("latent", int(layer), int(latent), site or "residual")


@dataclass(frozen=True)
class LatentGraph:
    """The edges that were looked at between latents, errors, heads, MLPs and embeddings.

    It has the interface of `Graph`; each node has one input.

    Attributes
    ----------
    n_layers, n_heads : int
        Of the model.
    nodes : tuple of str
        In the order of the forward; the last one is what was traced back: a latent, or "logits".
    links : tuple of (int, int)
        Sender and receiver of each edge, as indices into `nodes`, ordered by receiver, then sender.
    saes : dict of str to str
        What the SAE of each place ("12", "12.mlp_out") is, in words.

    Examples
    --------
    >>> graph = LatentGraph.of(4, 4, [("1.7", "2.3"), ("2.error", "3.5"), ("2.3", "3.5")], "3.5")
    >>> graph.nodes, graph.n_edges, graph.find("2.3", "3.5")
    (('1.7', '2.3', '2.error', '3.5'), 3, 1)
    """

    n_layers: int
    n_heads: int
    nodes: tuple[str, ...]
    links: tuple[tuple[int, int], ...]
    saes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        n_layers: int,
        n_heads: int,
        edges: Iterable[tuple[str, str]],
        output: str,
        saes: dict[str, str] | None = None,
    ) -> LatentGraph:
        """Return the graph of edges, each (sender, receiver) by name."""
        pairs = list(dict.fromkeys(edges))
        names = {name for pair in pairs for name in pair} - {output}
        nodes = (*sorted(names, key=lambda name: _order(name, n_layers)), output)
        at = {name: index for index, name in enumerate(nodes)}
        links = sorted(((at[sender], at[receiver]) for sender, receiver in pairs), key=lambda link: link[::-1])
        return cls(n_layers, n_heads, nodes, tuple(links), saes or {})

    # --- as `Graph` ---------------------------------------------------------------------------------------------------

    #: keys and values are not apart
    parallel = False
    whole = ()

    @property
    def n_kv_heads(self) -> int:
        """As many as heads: nothing here is an input of keys."""
        return self.n_heads

    @property
    def output(self) -> str:
        """Name of what was traced back: the last node, which is no sender."""
        return self.nodes[-1]

    @cached_property
    def senders(self) -> list[str]:
        """Names of all that writes, in the order of the forward."""
        return list(self.nodes[:-1])

    @cached_property
    def receivers(self) -> list[str]:
        """Names of all that an edge enters, in the order of the forward; the output is the last."""
        read = {receiver for _, receiver in self.links}
        return [name for at, name in enumerate(self.nodes) if at in read or name == self.output]

    @cached_property
    def sources(self) -> list[int]:
        """The senders that nothing was traced into."""
        read = {receiver for _, receiver in self.links}
        return [at for at in range(len(self.senders)) if at not in read]

    @cached_property
    def owner(self) -> list[list[int]]:
        """The sender that a receiver belongs to; none for the output."""
        at = {name: index for index, name in enumerate(self.senders)}
        return [[at[name]] if name in at else [] for name in self.receivers]

    @cached_property
    def edges(self) -> tuple[Array, Array]:
        """Receiver (an index into `receivers`) and sender of each edge, `[edge]` each."""
        at = {name: index for index, name in enumerate(self.receivers)}
        receiver = np.array([at[self.nodes[reads]] for _, reads in self.links], dtype=int)
        return receiver, np.array([sends for sends, _ in self.links], dtype=int)

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return len(self.links)

    def names(self, edge: int) -> tuple[str, str]:
        """Return the names of an edge's sender and receiver."""
        sender, receiver = self.links[edge]
        return self.nodes[sender], self.nodes[receiver]

    def find(self, sender: str, receiver: str) -> int:
        """Return the index of an edge by its names.

        Raises
        ------
        ValueError
            Where it was not looked at.
        """
        found = self._edge_of.get((sender, receiver))
        if found is None:
            raise ValueError(f"The edge from {sender} to {receiver} was not looked at: see circuit.to_dataframe().")
        return found

    def sender(self, name: str) -> int:
        """Return the index of a sender by its name.

        Raises
        ------
        ValueError
            Where there is none.
        """
        try:
            return self.senders.index(name)
        except ValueError:
            shown = ", ".join(self.senders[:6])
            raise ValueError(f"There is no node {name!r} in this graph of {len(self.nodes)}: {shown}, ...") from None

    @cached_property
    def _edge_of(self) -> dict[tuple[str, str], int]:
        return {self.names(edge): edge for edge in range(self.n_edges)}

    # --- drawing ------------------------------------------------------------------------------------------------------

    @cached_property
    def places(self) -> dict[str, tuple[float, float]]:
        """Column and row of each node: heads in their columns, MLPs beside them, latents in a row of each SAE."""
        rows: dict[float, list[str]] = defaultdict(list)
        for name in self.nodes:
            rows[self._row(name)].append(name)
        widest = self.n_columns
        placed = {}
        for row, names in rows.items():
            free = [name for name in names if LatentNode.of(name).kind not in ("head", "mlp")]
            for at, name in enumerate(free):
                placed[name] = ((at + 0.5) / len(free) * widest - 0.5, row)
            placed |= {name: (self._column(name), row) for name in names if name not in placed}
        return placed

    @cached_property
    def n_columns(self) -> int:
        """How many columns a drawing has beside that of the MLPs."""
        rows: dict[float, int] = defaultdict(int)
        for name in self.nodes:
            rows[self._row(name)] += LatentNode.of(name).kind not in ("head", "mlp")
        return max(self.n_heads, *rows.values())

    def _row(self, name: str) -> float:
        node = LatentNode.of(name)
        if node.kind in ("input", "logits"):
            return -1.0 if node.kind == "input" else float(self.n_layers)
        if node.kind in ("head", "mlp"):
            return node.layer + (0.4 if node.kind == "mlp" else 0.0)
        return node.layer + _RISE.get(node.site, 0.0)

    def _column(self, name: str) -> float:
        node = LatentNode.of(name)
        return float(node.number) if node.kind == "head" else self.n_columns + 0.5

    def check_read(self) -> None:
        """Raise ValueError where a file says what is no graph."""
        for name in ("n_layers", "n_heads"):
            if not check_count(name, getattr(self, name), 10_000):
                raise ValueError(f"{name} is 0")
        n = len(self.nodes)
        if not 1 <= n <= _MOST_NODES or len(self.links) > _MOST_EDGES or len(set(self.nodes)) < n:
            raise ValueError(f"a graph of latents has 1 to {_MOST_NODES:,} nodes of different names")
        parsed = [LatentNode.of(name) for name in self.nodes]
        if any(node.layer > self.n_layers for node in parsed):
            raise ValueError("one of its nodes is above the last layer")
        if list(self.links) != sorted(set(self.links), key=lambda link: link[::-1]):
            raise ValueError("its edges are not ordered by receiver and sender, or one is there twice")
        if any(not 0 <= sender < receiver < n for sender, receiver in self.links):
            raise ValueError("an edge goes from a node to one that is later")


def _order(name: str, n_layers: int) -> tuple[float, int, str]:
    """Return what nodes are ordered by: the forward, then their numbers."""
    node = LatentNode.of(name)
    if node.kind in ("input", "logits"):
        return (-1.0 if node.kind == "input" else n_layers + 1.0), 0, name
    if node.kind in ("head", "mlp"):
        return node.layer + (0.5 if node.kind == "mlp" else 0.0), node.number, name
    within = {"residual": -0.1, "attention_out": 0.1, "mlp_in": 0.2, "mlp_out": 0.6}
    last = node.kind == "error"
    return node.layer + within.get(node.site, 0.0), 2**62 if last else node.number, name
