"""`Graph`: all edges that a model of given sizes has, between what writes to the residual stream and what reads it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from scope_widgets._untrusted import check_count

Array = np.ndarray[Any, Any]


#: edges of the largest graph: each is an entry of several arrays
MOST_EDGES = 200_000_000


@dataclass(frozen=True)
class Graph:
    """The edges that a model of some shape has.

    Senders are named "input" (the embeddings), "a3.h1" (a head) and "m3" (an MLP); receivers "a3.h1<q>", "m3" and
    "logits". Keys and values have one receiver a key-value head: "a3.h1<k>", or "a3.kv0<k>" where query heads share it.

    Attributes
    ----------
    n_layers, n_heads, n_kv_heads : int
    parallel : bool
        Whether MLPs read the same as the attention beside them, and so nothing of it (GPT-NeoX, Phi).
    whole : tuple of int
        Layers whose block is one node, "m3": it has no heads (a state-space layer), or what they read cannot be told
        apart. Its heads have no edges.
    """

    n_layers: int
    n_heads: int
    n_kv_heads: int
    parallel: bool = False
    whole: tuple[int, ...] = ()

    @property
    def output(self) -> str:
        """Name of what all else works towards: the last receiver, which is no sender."""
        return "logits"

    @property
    def sources(self) -> list[int]:
        """The senders that read nothing: the embeddings."""
        return [0]

    @property
    def n_columns(self) -> int:
        """How many columns a drawing has beside that of the MLPs."""
        return self.n_heads

    @property
    def shared(self) -> bool:
        """Whether several query heads share keys and values."""
        return self.n_kv_heads < self.n_heads

    @cached_property
    def senders(self) -> list[str]:
        """Names of all that writes, in the order of the forward."""
        names = ["input"]
        for layer in range(self.n_layers):
            names += [f"a{layer}.h{head}" for head in range(self.n_heads)] + [f"m{layer}"]
        return names

    @cached_property
    def receivers(self) -> list[str]:
        """Names of all that reads, in the order of the forward."""
        names = []
        kv = "kv" if self.shared else "h"
        for layer in range(self.n_layers):
            names += [f"a{layer}.h{head}<q>" for head in range(self.n_heads)]
            names += [f"a{layer}.{kv}{head}<{site}>" for site in "kv" for head in range(self.n_kv_heads)]
            names.append(f"m{layer}")
        return [*names, "logits"]

    @property
    def n_inputs(self) -> int:
        """Number of attention inputs of a layer: queries, keys, values."""
        return self.n_heads + 2 * self.n_kv_heads

    def n_before(self, layer: int) -> int:
        """Return the number of senders before a layer."""
        return 1 + layer * (self.n_heads + 1)

    def rows(self, layer: int) -> slice:
        """Return the receivers of a layer's attention; its MLP is the one after them."""
        start = layer * (self.n_inputs + 1)
        return slice(start, start + self.n_inputs)

    def n_seen(self, receiver: int) -> int:
        """Return the number of senders that a receiver can read: the first so many."""
        if receiver == len(self.receivers) - 1:
            return len(self.senders)
        layer, at = divmod(receiver, self.n_inputs + 1)
        apart = self.parallel or layer in self.whole
        beside = self.n_heads if at == self.n_inputs and not apart else 0
        return self.n_before(layer) + beside

    @cached_property
    def upstream(self) -> Array:
        """Which sender can reach which receiver directly, `[receiver, sender]` of bool."""
        seen = np.array([self.n_seen(receiver) for receiver in range(len(self.receivers))])
        reaches: Array = np.arange(len(self.senders)) < seen[:, None]
        for layer in self.whole:
            first = self.n_before(layer)
            reaches[:, first : first + self.n_heads] = False
            reaches[self.rows(layer)] = False
        return reaches

    @cached_property
    def edges(self) -> tuple[Array, Array]:
        """Receiver and sender of each edge, `[edge]` each: all edges into the first receiver come first."""
        receiver, sender = np.nonzero(self.upstream)
        return receiver, sender

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return len(self.edges[0])

    @cached_property
    def edge_of(self) -> Array:
        """Index of the edge, `[receiver, sender]`; -1 where there is none."""
        index = np.full(self.upstream.shape, -1)
        index[self.upstream] = np.arange(self.n_edges)
        return index

    @cached_property
    def owner(self) -> list[list[int]]:
        """The senders that a receiver belongs to: a head, the heads that share keys, an MLP; none for the logits."""
        found: list[list[int]] = []
        group = self.n_heads // max(self.n_kv_heads, 1)
        for layer in range(self.n_layers):
            first = self.n_before(layer)
            heads = list(range(first, first + self.n_heads))
            shared = [heads[kv * group : (kv + 1) * group] for kv in range(self.n_kv_heads)]
            found += [[head] for head in heads] + shared + shared + [[first + self.n_heads]]
        return [*found, []]

    def names(self, edge: int) -> tuple[str, str]:
        """Return the names of an edge's sender and receiver."""
        return self.senders[self.edges[1][edge]], self.receivers[self.edges[0][edge]]

    def find(self, sender: str, receiver: str) -> int:
        """Return the index of an edge by its names.

        Raises
        ------
        ValueError
            Where there is no such edge.
        """
        at = [self._index(self.receivers, receiver, "receiver"), self._index(self.senders, sender, "sender")]
        edge = int(self.edge_of[tuple(at)])
        if edge < 0:
            raise ValueError(
                f"{sender} cannot reach {receiver} directly: an edge goes from what writes to what reads after it."
            )
        return edge

    def sender(self, name: str) -> int:
        """Return the index of a sender by its name.

        Raises
        ------
        ValueError
            Where there is none.
        """
        return self._index(self.senders, name, "node")

    def _index(self, names: list[str], name: str, what: str) -> int:
        try:
            return names.index(name)
        except ValueError:
            raise ValueError(
                f"There is no {what} {name!r} in a model of {self.n_layers} layers of {self.n_heads} heads; there are "
                f"{names[0]}, {names[1]}, ... {names[-1]}."
            ) from None


def count_edges(graph: Graph) -> int:
    """Return the number of edges of a graph, from its sizes alone.

    Raises
    ------
    ValueError
        For sizes that no model has.
    """
    layers, heads, kv_heads = (
        check_count(name, getattr(graph, name)) for name in ("n_layers", "n_heads", "n_kv_heads")
    )
    whole = set(graph.whole)
    if not 0 < kv_heads <= heads or heads % kv_heads or not layers or not whole.issubset(range(layers)):
        raise ValueError(
            f"no model has {layers} layers of {heads} heads, {kv_heads} of keys and values, {len(whole)} without heads"
        )
    if layers * graph.n_inputs * layers * heads > 2 * MOST_EDGES:
        raise ValueError(f"{layers} layers of {heads} heads have more than {MOST_EDGES:,} edges")
    edges, seen = 0, 1
    for layer in range(layers):
        own = 0 if layer in whole else heads
        edges += (graph.n_inputs if own else 0) * seen + seen + (0 if graph.parallel else own)
        seen += own + 1
    return edges + seen
