"""Test (a): what is lost when a component is taken out, against all components of its kind within two layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from scope_widgets._types import Array
from scope_widgets.circuits.evaluation.circuit_run import CircuitRun
from scope_widgets.experiments.statistics.bootstrap import bootstrap_interval
from scope_widgets.experiments.statistics.rounding import settled
from scope_widgets.experiments.statistics.t_test import chance, two_sided
from scope_widgets.models.edges.graph import Graph
from scope_widgets.report.entries.components import edge_name, kinds_of_edges, layers_of, random_alike, taken_out
from scope_widgets.report.entries.entry import Entry, Evidence

#: layers around a component whose components it is compared with
_NEAR = 2
#: edges of each layer, and circuits, that one is compared with at most: there are too many to take out each
_EDGES, _CIRCUITS = 12, 20
#: the standard deviation of a normal distribution in terms of its median absolute deviation
_MAD = 1.4826


class Effects:
    """What is lost when components are taken out, prompt by prompt, each measured once.

    Parameters
    ----------
    run : CircuitRun
        The pairs, under one ablation.
    keep : callable
        `keep(name, compute)`: keeps what was measured, see `FinishedSteps.get`.
    seed : int
        Of edges and circuits that are drawn for comparison.
    estimated : dict of str to float, optional
        By node: effects that need not be exact, of a look at many; tests leave it out.
    """

    def __init__(
        self,
        run: CircuitRun,
        keep: Callable[[str, Callable[[], Any]], Any],
        seed: int,
        estimated: Mapping[str, float] | None = None,
    ) -> None:
        self.run, self._seed = run, seed
        self._estimated = estimated or {}
        self._kept = keep
        self._layers: dict[int, Array] = {}
        self._edges: dict[int, tuple[list[int], Array]] = {}
        self._known: dict[str, Array] = {}

    def measure(self, entries: Iterable[Entry]) -> None:
        """Measure entries that `of` is asked for later, those of edges and circuits at once."""
        some = [entry for entry in entries if not _is_node(entry)]
        if some:
            self._known |= zip((entry.digest for entry in some), self._without(some), strict=True)

    def of(self, entry: Entry) -> Array:
        """Return the metric of the whole model less that without the entry's components, `[pair]`."""
        graph = self.run.graph
        if entry.digest in self._known:
            return self._known[entry.digest]
        if _is_node(entry):
            number = graph.sender(entry.components[0])
            layer = (number - 1) // (graph.n_heads + 1)
            return np.asarray(self._layer(layer)[(number - 1) % (graph.n_heads + 1)])
        return np.asarray(self._keep(f"effect {entry.digest}", lambda: self._without([entry])[0]))

    def null(self, entry: Entry) -> Array:
        """Return the mean effects of what an entry is compared with, `[component]`."""
        graph = self.run.graph
        first, last = layers_of(graph, entry.components)
        near = range(max(0, first - _NEAR), min(graph.n_layers - 1, last + _NEAR) + 1)
        if entry.kind in ("head", "mlp"):
            columns = slice(0, graph.n_heads) if entry.kind == "head" else slice(graph.n_heads, None)
            own = {graph.sender(name) for name in entry.components}
            means, numbers = [], []
            for layer in near:
                means.append(self._layer(layer)[columns].mean(1))
                numbers.append(graph.n_before(layer) + np.arange(graph.n_heads + 1)[columns])
            return np.concatenate(means)[~np.isin(np.concatenate(numbers), sorted(own))]
        if entry.kind == "edge":
            edges, effects = self._near_edges(last)
            return np.array([one.mean() for edge, one in zip(edges, effects, strict=True)
                             if edge_name(graph, edge) != entry.components[0]])  # fmt: skip
        return np.asarray(self._keep(f"null {entry.digest}", lambda: self._random(entry)))

    def _keep(self, name: str, compute: Callable[[], Any]) -> Any:
        return self._kept(f"{self.run.ablation} {name}", compute)

    def _layer(self, layer: int) -> Array:
        """Return the effects of the heads of a layer and of its MLP, `[component, pair]`: one exact sweep."""
        if layer not in self._layers:
            names = [f"a{layer}.h{head}" for head in range(self.run.graph.n_heads)] + [f"m{layer}"]

            def sweep() -> Array:
                graph = self.run.graph
                exact = [at for at, name in enumerate(names) if name not in self._estimated]
                found = np.array([np.full(len(self.run.task), self._estimated.get(name, 0.0)) for name in names])
                if exact:
                    found[exact] = self._lost(np.array([taken_out(graph, "head", [names[at]]) for at in exact]))
                return found

            self._layers[layer] = np.asarray(self._keep(f"sweep of layer {layer}", sweep))
        return self._layers[layer]

    def _near_edges(self, layer: int) -> tuple[list[int], Array]:
        """Return edges into the layers around one, some of each, with their effects `[edge, pair]`."""
        last = self.run.graph.n_layers  # the logits
        some = [self._some_edges(near) for near in range(max(0, layer - _NEAR), min(last, layer + _NEAR) + 1)]
        return [edge for edges, _ in some for edge in edges], np.concatenate([effects for _, effects in some])

    def _some_edges(self, layer: int) -> tuple[list[int], Array]:
        """Return edges into one layer, drawn where there are many, with their effects `[edge, pair]`."""
        if layer not in self._edges:
            graph = self.run.graph
            into = np.flatnonzero(kinds_of_edges(graph) // 12 == layer)
            chosen = np.sort(np.random.default_rng([self._seed, layer]).permutation(into)[:_EDGES]).tolist()

            def sweep() -> Array:
                out = np.zeros((len(chosen), graph.n_edges), dtype=bool)
                out[np.arange(len(chosen)), chosen] = True
                return self._lost(out)

            self._edges[layer] = chosen, np.asarray(self._keep(f"edges into layer {layer}", sweep))
        return self._edges[layer]

    def _random(self, entry: Entry) -> Array:
        graph = self.run.graph
        out = random_alike(graph, taken_out(graph, entry.kind, entry.components), _CIRCUITS, self._seed)
        return np.asarray(self._lost(out).mean(1))

    def _without(self, entries: Sequence[Entry]) -> Array:
        graph: Graph = self.run.graph
        return self._lost(np.array([taken_out(graph, one.kind, one.components) for one in entries]))

    def _lost(self, out: Array) -> Array:
        return settled(self.run.full - self.run.measure(~out), self.run.floor)


def _is_node(entry: Entry) -> bool:
    return entry.kind in ("head", "mlp") and len(entry.components) == 1


def ablation_evidence(effects: Sequence[Effects], entry: Entry, seed: int) -> tuple[Evidence, int]:
    """Return what taking an entry's components out does under the ablation that shows more, and which that was.

    The counterfactual says nothing of what does not differ between a prompt and its corrupted version, and resampling
    little where prompts are much alike; so both are tried, and p counts as that of so many tests.
    """
    tried = [_evidence_of(one, entry, seed) for one in effects]
    best = min(range(len(tried)), key=lambda at: (tried[at].p, -abs(tried[at].effect)))
    return replace(tried[best], p=min(1.0, len(tried) * tried[best].p)), best


def _evidence_of(effects: Effects, entry: Entry, seed: int) -> Evidence:
    """Return what taking an entry's components out does, as a share of what the behaviour is, with its p.

    p is the larger of two: that of chance over the prompts (two-sided t-test), and that of a component of its kind
    having so large an effect, by Student's t of the distance from their median in units of their median absolute
    deviation. That scale is not moved by the few components that matter, so that a circuit of many heads does not
    hide itself; a rank could not be below 1 / (number of components), whatever the effect.
    """
    run = effects.run
    lost, null = effects.of(entry), np.abs(effects.null(entry))
    p = float(chance(lost))
    level = np.nan
    if len(null) > 1:
        middle = float(np.median(null))
        spread = _MAD * float(np.median(np.abs(null - middle))) + run.floor
        t = (abs(float(lost.mean())) - middle) / spread
        beyond = two_sided(t, len(null) - 1) / 2
        p = max(p, beyond if t > 0 else 1 - beyond)
        level = float(np.percentile(null, 95))
    scale = run.scale
    low, high = bootstrap_interval(lost / scale, seed)
    return Evidence(
        test="ablation",
        effect=float(lost.mean() / scale),
        low=low,
        high=high,
        p=p,
        q=float("nan"),
        null=level / abs(scale),
        prompts=len(lost),
        seed=seed,
        ablation=run.sentence,
        passed=False,
    )
