"""Attribution graphs in the JSON that circuit-tracer and Neuronpedia read: written, and read."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from scope_widgets._provenance import Provenance
from scope_widgets._types import Array
from scope_widgets._untrusted import check_count, json_text, opening, parse_json
from scope_widgets.circuits.attribution_graphs.graph import AttributionGraph

_FEATURE, _ERROR, _TOKEN, _LOGIT = "cross layer transcoder", "mlp reconstruction error", "embedding", "logit"
#: kinds that other writers have for features
_FEATURES = {_FEATURE, "transcoder", "per layer transcoder"}
_LOGIT_WORDS = re.compile(r'Output "(.*)" \(p=[0-9.e+-]+\)', re.DOTALL)
#: entries of the largest matrix of weights
_MOST = 2**27


def to_circuit_tracer(
    graph: AttributionGraph,
    *,
    slug: str = "graph",
    scan: str = "",
    node_threshold: float = 0.8,
    edge_threshold: float = 0.98,
) -> str:
    """Return a graph as circuit-tracer's JSON, without what has little influence.

    Parameters
    ----------
    graph : AttributionGraph
    slug : str, default "graph"
        Its name.
    scan : str, default ""
        What tells a viewer which transcoders these are, such as "gemma-2-2b"; by default the model.
    node_threshold : float, default 0.8
        The share of all influence that features and errors that are written have together, the largest first.
    edge_threshold : float, default 0.98
        The same of edges, each weighed by the influence of its target.

    Returns
    -------
    str
        Nodes, links, metadata and an empty view; see `from_circuit_tracer`.

    Raises
    ------
    ValueError
        For thresholds that are no shares.

    Examples
    --------
    >>> x = torch.randn(64, scope.d_model)
    >>> made = features.train(x, target=torch.randn(64, scope.d_model), layer=1, d_sae=32, k=4, steps=3, batch=32)
    >>> graph = circuits.attribution_graph(scope, "the dog runs", made, n_logits=2)
    >>> circuits.to_circuit_tracer(graph, slug="dog")[:30]
    '{"metadata": {"slug": "dog", "'
    """
    for name, value in (("node_threshold", node_threshold), ("edge_threshold", edge_threshold)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name}= is a share from 0 to 1; got {value!r}.")
    n, n_errors = len(graph.features), len(graph.errors)
    influence = graph.influence()
    cumulative = _cumulative(influence)
    kept = np.concatenate([_first(influence, node_threshold)[: n + n_errors], np.ones(len(graph.tokens), dtype=bool)])
    edges = _edges(graph, influence, kept, edge_threshold)
    ids = _ids(graph)
    nodes = [
        *(_feature(graph, at, ids[at], float(cumulative[at])) for at in np.flatnonzero(kept[:n]).tolist()),
        *(
            _node(ids[n + at], -1, str(layer), position, _ERROR, float(cumulative[n + at]))
            for at, (layer, position) in enumerate(graph.errors.tolist())
            if kept[n + at]
        ),
        *(
            _node(ids[n + n_errors + at], at, "E", at, _TOKEN, float(cumulative[n + n_errors + at]))
            for at in range(len(graph.tokens))
        ),
        *(_logit(graph, at) for at in range(len(graph.logits))),
    ]
    targets = [*ids[:n], *(_logit_id(graph, at) for at in range(len(graph.logits)))]
    links = [
        {"source": ids[source], "target": targets[target], "weight": float(graph.weights[target, source])}
        for target, source in np.argwhere(edges).tolist()
    ]
    metadata = {
        "slug": slug,
        "scan": scan or graph.provenance.model,
        "transcoder_list": [],
        "prompt_tokens": list(graph.tokens),
        "prompt": "".join(graph.provenance.prompts) or "".join(graph.tokens),
        "node_threshold": node_threshold,
        "schema_version": 1,
    }
    view = {"pinnedIds": [], "supernodes": [], "linkType": "both", "clickedId": "", "sg_pos": ""}
    whole = {"metadata": metadata, "qParams": view, "nodes": nodes, "links": links}
    return json_text(whole, "This graph", "Keep fewer features: graph.keep(200).")


def from_circuit_tracer(text: str) -> AttributionGraph:
    """Return the graph of circuit-tracer's JSON.

    What the file does not say is NaN: biases, what is left over, and what targets are in all; weights of links that
    were pruned are 0.

    Parameters
    ----------
    text : str

    Raises
    ------
    ValueError
        For what is no such JSON, nodes that are none, or links between nodes that are not there.

    Examples
    --------
    >>> x = torch.randn(64, scope.d_model)
    >>> made = features.train(x, target=torch.randn(64, scope.d_model), layer=1, d_sae=32, k=4, steps=3, batch=32)
    >>> graph = circuits.attribution_graph(scope, "the dog runs", made, n_logits=2)
    >>> circuits.from_circuit_tracer(circuits.to_circuit_tracer(graph)).tokens == graph.tokens
    True
    """
    read = parse_json(text)
    if not isinstance(read, dict) or not all(isinstance(read.get(name), list) for name in ("nodes", "links")):
        raise ValueError(f"This is no graph of circuit-tracer, which has nodes and links: it begins {opening(text)}.")
    by_kind: dict[str, list[dict[str, Any]]] = {"feature": [], _ERROR: [], _TOKEN: [], _LOGIT: []}
    for node in read["nodes"]:
        kind = node.get("feature_type") if isinstance(node, dict) else None
        kind = "feature" if kind in _FEATURES else kind
        if kind not in by_kind or not isinstance(node.get("node_id"), str):
            raise ValueError(f"A node of this graph is no feature, error, embedding or logit: {str(node)[:80]}.")
        by_kind[kind].append(node)
    features, errors, tokens, logits = by_kind.values()
    if not logits or len(features) + len(errors) + len(tokens) == 0:
        raise ValueError("This graph has no logits, or nothing that leads to them.")
    features.sort(key=lambda node: (_numbers(node)[0], _count(node, "ctx_idx"), _numbers(node)[1]))
    errors.sort(key=lambda node: (_layer(node), _count(node, "ctx_idx")))
    tokens.sort(key=lambda node: _count(node, "ctx_idx"))
    logits.sort(key=lambda node: -_share(node))
    if [_count(node, "ctx_idx") for node in tokens] != list(range(len(tokens))):
        raise ValueError("The embeddings of this graph are not one for each position.")
    sources, targets = [*features, *errors, *tokens], [*features, *logits]
    if len(sources) * len(targets) > _MOST:
        raise ValueError(f"This graph has {len(sources):,} sources and {len(targets):,} targets, which is too many.")
    said: Any = read.get("metadata")
    said = said if isinstance(said, dict) else {}
    words: Any = said.get("prompt_tokens")
    known = isinstance(words, list) and len(words) == len(tokens) and all(isinstance(one, str) for one in words)
    unknown = np.full(len(targets), np.nan)
    return AttributionGraph(
        tokens=tuple(words if known else ["?"] * len(tokens)),
        token_ids=np.array([_id_of(node) for node in tokens], dtype=int),
        n_layers=max(1, _layer(logits[0]) - 1),
        features=np.array(
            [(_numbers(node)[0], _count(node, "ctx_idx"), _numbers(node)[1]) for node in features], dtype=int
        ).reshape(-1, 3),
        activation=np.array([_number(node.get("activation")) for node in features], dtype=float),
        errors=np.array([(_layer(node), _count(node, "ctx_idx")) for node in errors], dtype=int).reshape(-1, 2),
        logits=np.array([_id_of(node) for node in logits], dtype=int),
        logit_tokens=tuple(_token_of(node) for node in logits),
        probability=np.array([_share(node) for node in logits]),
        weights=_weights(read["links"], sources, targets),
        bias=unknown,
        rest=unknown,
        total=unknown,
        provenance=Provenance(
            str(said.get("scan") or "unknown"),
            prompts=(str(said.get("prompt", "")),),
            note="read from a file of circuit-tracer; links that were pruned are 0",
            versions={},
        ),
    )


# --- writing ----------------------------------------------------------------------------------------------------------


def _first(sizes: Array, share: float) -> Array:
    """Return which entries, the largest first, have a share of all together, `[...]` of bool."""
    flat = sizes.ravel()
    order = np.argsort(-flat, kind="stable")
    before = np.cumsum(flat[order]) - flat[order]
    chosen = np.zeros(flat.shape, dtype=bool)
    chosen[order] = (before < share * flat.sum()) & (flat[order] > 0)
    return chosen.reshape(sizes.shape)


def _cumulative(influence: Array) -> Array:
    """Return of each node the share of all influence that it and all with more have."""
    order = np.argsort(-influence, kind="stable")
    found = np.empty_like(influence)
    found[order] = np.cumsum(influence[order]) / max(float(influence.sum()), 1e-30)
    return np.minimum(found, 1.0)


def _edges(graph: AttributionGraph, influence: Array, kept: Array, share: float) -> Array:
    """Return which edges are written, `[target, source]` of bool."""
    n = len(graph.features)
    sizes = np.abs(graph.weights) * kept
    sizes[:n] *= kept[:n, None]
    shares = sizes / np.maximum(sizes.sum(1, keepdims=True), 1e-30)
    return _first(shares * np.concatenate([influence[:n], graph.probability])[:, None], share)


def _ids(graph: AttributionGraph) -> list[str]:
    """Return the ids of all sources; an error that would have that of a feature of layer 0 has one of its own."""
    features = [f"{layer}_{number}_{at}" for layer, at, number in graph.features.tolist()]
    taken = set(features)
    errors = [f"0_{layer}_{at}" for layer, at in graph.errors.tolist()]
    errors = [f"error_{one.partition('_')[2]}" if one in taken else one for one in errors]
    return [*features, *errors, *(f"E_{token}_{at}" for at, token in enumerate(graph.token_ids.tolist()))]


def _node(
    node_id: str, feature: int, layer: str, position: int, kind: str, influence: float | None, **more: Any
) -> dict[str, Any]:
    return {
        "node_id": node_id,
        "feature": feature,
        "layer": layer,
        "ctx_idx": position,
        "feature_type": kind,
        "token_prob": 0.0,
        "is_target_logit": False,
        "run_idx": 0,
        "reverse_ctx_idx": 0,
        "jsNodeId": node_id,
        "clerp": "",
        "influence": influence,
        "activation": None,
        **more,
    }


def _feature(graph: AttributionGraph, at: int, node_id: str, influence: float) -> dict[str, Any]:
    layer, position, number = graph.features[at].tolist()
    paired = (layer + number) * (layer + number + 1) // 2 + number  # Cantor: one number of both
    more = {"activation": float(graph.activation[at]), "jsNodeId": f"{layer}_{number}-0"}
    return _node(node_id, paired, str(layer), position, _FEATURE, influence, **more)


def _logit_id(graph: AttributionGraph, at: int) -> str:
    return f"{graph.n_layers + 1}_{int(graph.logits[at])}_{len(graph.tokens) - 1}"


def _logit(graph: AttributionGraph, at: int) -> dict[str, Any]:
    token, p, last = int(graph.logits[at]), float(graph.probability[at]), len(graph.tokens) - 1
    more = {
        "token_prob": p,
        "is_target_logit": at == 0,
        "jsNodeId": f"L_{token}-{last}",
        "clerp": f'Output "{graph.logit_tokens[at]}" (p={p:.3f})',
    }
    return _node(_logit_id(graph, at), token, str(graph.n_layers + 1), last, _LOGIT, None, **more)


# --- reading ----------------------------------------------------------------------------------------------------------


def _count(node: dict[str, Any], name: str) -> int:
    return check_count(name, node.get(name))


def _layer(node: dict[str, Any]) -> int:
    layer = str(node.get("layer"))
    if not re.fullmatch(r"\d{1,5}", layer):
        raise ValueError(f"A node of this graph is of the layer {layer[:20]!r}.")
    return int(layer)


def _numbers(node: dict[str, Any]) -> tuple[int, int]:
    """Return layer and number of a feature, which stand in its id."""
    found = re.fullmatch(r"(\d{1,5})_(\d{1,12})_(\d{1,9})", node["node_id"])
    if found is None or int(found[1]) != _layer(node):
        raise ValueError(
            f"A feature of this graph has the id {node['node_id'][:40]!r}, which is no layer_feature_position."
        )
    return int(found[1]), int(found[2])


def _id_of(node: dict[str, Any]) -> int:
    """Return the token id of an embedding or a logit."""
    found = re.fullmatch(r"(?:E|\d{1,5})_(\d{1,12})_\d{1,9}", node["node_id"])
    if found is None:
        raise ValueError(f"A token of this graph has the id {node['node_id'][:40]!r}, which names no token.")
    return int(found[1])


def _token_of(node: dict[str, Any]) -> str:
    found = _LOGIT_WORDS.fullmatch(str(node.get("clerp", "")))
    return found[1] if found else f"token {_id_of(node)}"


def _number(value: Any) -> float:
    if value is None:
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
        raise ValueError(f"A number of this graph is {str(value)[:20]!r}.")
    return float(value)


def _share(node: dict[str, Any]) -> float:
    value = _number(node.get("token_prob"))
    if not 0 <= value <= 1:
        raise ValueError(f"A logit of this graph has the probability {value!r}.")
    return value


def _weights(links: list[Any], sources: list[dict[str, Any]], targets: list[dict[str, Any]]) -> Array:
    source_of = {node["node_id"]: at for at, node in enumerate(sources)}
    target_of = {node["node_id"]: at for at, node in enumerate(targets)}
    if len(source_of) < len(sources) or len(target_of) < len(targets):
        raise ValueError("Two nodes of this graph have one id, so that its links cannot be told apart.")
    weights = np.zeros((len(targets), len(sources)))
    for link in links:
        given = link if isinstance(link, dict) else {}
        target, source = target_of.get(given.get("target", "")), source_of.get(given.get("source", ""))
        if target is None or source is None:
            raise ValueError(f"A link of this graph is between nodes that are not there: {str(link)[:80]}.")
        weights[target, source] = _number(given.get("weight"))
    return weights
