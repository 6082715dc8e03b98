"""Circuits as graphs: layers up, edges by their scores; attribution graphs by position; edges by position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from scope_widgets._types import Array
from scope_widgets.experiments.circuit.layout import node_coordinates
from scope_widgets.plots.drawing.labels import counted, literal, number, shortened, token_label, token_labels, words
from scope_widgets.plots.drawing.maps import add_map, colour_axis, limits_of, number_axis, rows_height
from scope_widgets.plots.drawing.theme import Theme, ThemeName, new_figure, theme_of

if TYPE_CHECKING:
    from scope_widgets.circuits.attribution_graphs.graph import AttributionGraph
    from scope_widgets.circuits.edge_positions import EdgePositions
    from scope_widgets.experiments.circuit.circuit import Circuit

#: widths and strengths of edges: a step a fifth of the largest score
_STEPS = 5
_POINTS = 14


def circuit(result: Circuit, *, n: int = 200, theme: ThemeName = "light") -> go.Figure:
    """Plot a circuit: layers up, embeddings below and logits above, its strongest edges by their signed scores.

    Parameters
    ----------
    result : Circuit
    n : int, default 200
        How many of the edges that are in it; the rest is counted below the title.
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        `customdata` of lines are the scores of their edges; the last of its data are the nodes.

    Examples
    --------
    >>> found = circuits.discover(scope, circuits.task(scope, "ioi", n=4), "eap").keep(20)
    >>> "m0" in found.plot().data[-1].customdata
    True
    """
    colours, graph = theme_of(theme), result.graph
    receiver, sender = graph.edges
    order = result.order()
    order = order[result.included[order]]
    edges = order[:n]
    left = len(order) - len(edges)
    unit = words(result.task.metric_name)
    said = (
        f"{counted(len(order), 'edge')} of {graph.n_edges:,}, {literal(result.method)}; score: {unit} lost without it"
    )
    said += f"; the {left:,} weakest of them are not drawn" if left else ""
    said += "" if result.exact else "; estimates"
    spots = {name: node_coordinates(graph, name) for name in [*graph.senders, graph.output]}
    figure = new_figure(
        colours,
        f"Circuit of {words(result.task.name)}",
        result.provenance,
        height=float(np.clip(60 * graph.n_layers + 200, 420, 1100)),
        said=said,
    )
    ends, scores, used = [], [], set()
    for edge in edges[::-1]:  # the strongest last, above the others
        name = graph.senders[sender[edge]]
        for owner in [graph.senders[at] for at in graph.owner[receiver[edge]]] or [graph.output]:
            ends.append((name, owner, graph.receivers[receiver[edge]]))
            scores.append(float(result.scores[edge]))
            used |= {name, owner}
    _add_edges(
        figure,
        colours,
        np.array([[*spots[start], *spots[end]] for start, end, _ in ends]).reshape(-1, 4),
        np.array(scores),
        [f"{literal(start)} → {literal(into)}" for start, _, into in ends],
    )
    rest = [name for name in spots if name not in used]
    figure.add_trace(
        go.Scatter(
            x=[spots[name][0] for name in rest],
            y=[spots[name][1] for name in rest],
            mode="markers",
            marker={"size": 3, "color": colours.line},
            hovertext=[f"{literal(name)}: not in the circuit" for name in rest],
            hoverinfo="text",
            name="not in the circuit",
        )
    )
    inside = [name for name in spots if name in used]
    texts = [_short(name) for name in inside]
    labels = [result.labels.get(name, "") for name in inside]
    figure.add_trace(
        go.Scatter(
            x=[spots[name][0] for name in inside],
            y=[spots[name][1] for name in inside],
            mode="markers+text",
            text=texts,
            textposition=[_text_place(name, graph.output) for name in inside],
            textfont={"size": 10, "color": colours.ink},
            customdata=inside,
            marker={
                "size": [26 if name[0] in "am" else 12 for name in inside],
                "symbol": ["circle" if name.startswith("a") else "square" for name in inside],
                "color": colours.ground,
                "line": {"width": 1, "color": colours.ink},
            },
            hovertext=[
                f"{literal(name)}{': ' + shortened(label) if label else ''}<br>"
                f"{counted(sum(end[0] == name for end in ends), 'edge')} out, "
                f"{sum(end[1] == name for end in ends)} in, of those drawn"
                for name, label in zip(inside, labels, strict=True)
            ],
            hoverinfo="text",
            showlegend=False,
        )
    )
    figure.update_xaxes(visible=False, range=[-1, graph.n_columns + 1.2])
    figure.update_yaxes(**number_axis(graph.n_layers, "layer"))
    figure.update_yaxes(range=[-1.5, graph.n_layers + 0.6], tickvals=list(range(graph.n_layers)), tickmode="array")
    return figure


def attribution_graph(result: AttributionGraph, *, n: int = 100, theme: ThemeName = "light") -> go.Figure:
    """Plot what features, errors and tokens of one prompt add to each other and to its logits.

    Parameters
    ----------
    result : AttributionGraph
    n : int, default 100
        How many edges, those of the largest weights.
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        Positions across and layers up; `customdata` of lines are the weights.

    Examples
    --------
    >>> import dataclasses
    >>> rows = torch.randn(64, 128, generator=torch.Generator().manual_seed(0))
    >>> made = features.train(rows, layer=2, target=rows, d_sae=32, k=4, steps=2, batch=32, progress=False)
    >>> transcoder = dataclasses.replace(made, site="mlp_in", output_site="mlp_out")
    >>> figure = circuits.attribution_graph(scope, "the horse", transcoder, n_logits=2).plot()
    >>> figure.data[-1].name
    'logit'
    """
    colours, at_end = theme_of(theme), len(result.tokens) - 1
    spots = {f"{layer}.{one}@{at}": (at, layer) for layer, at, one in result.features.tolist()}
    taken: dict[tuple[int, int], int] = {}
    for name, spot in spots.items():  # several features of a place stand beside each other
        beside = taken[spot] = taken.get(spot, -1) + 1
        spots[name] = (spot[0] - 0.3 + 0.15 * (beside % 5), spot[1] + 0.12 * (beside // 5))
    kinds = dict.fromkeys(spots, "feature")
    for layer, at in result.errors.tolist():
        spots[f"{layer}.error@{at}"], kinds[f"{layer}.error@{at}"] = (at, layer + 0.4), "error"
    for at in range(len(result.tokens)):
        spots[f"token@{at}"], kinds[f"token@{at}"] = (at, -1), "token"
    for row, token in enumerate(result.logits.tolist()):
        spots[f"logit {token}"], kinds[f"logit {token}"] = (at_end, result.n_layers + 0.6 * row), "logit"
    table = result.to_dataframe().head(n)[::-1]
    ends = list(zip(table["source"], table["target"], strict=True))
    said = f"the {len(ends)} largest weights; replacement {number(result.replacement)}, completeness "
    said += number(result.completeness)
    height = float(np.clip(48 * (result.n_layers + len(result.logits)) + 200, 420, 1200))
    figure = new_figure(colours, "Attribution graph", result.provenance, height=height, said=said)
    _add_edges(
        figure,
        colours,
        np.array([[*spots[start], *spots[end]] for start, end in ends]).reshape(-1, 4),
        table["weight"].to_numpy(float),
        [f"{start} → {end}" for start, end in ends],
    )
    said_of = {f"logit {one}": text for one, text in zip(result.logits.tolist(), result.logit_tokens, strict=True)}
    used = {name for pair in ends for name in pair}
    for kind, symbol in (("feature", "circle"), ("error", "diamond"), ("token", "square"), ("logit", "square")):
        names = [name for name, one in kinds.items() if one == kind and (name in used or kind in ("token", "logit"))]
        texts = [_node_text(result, name, said_of) for name in names]
        figure.add_trace(
            go.Scatter(
                x=[spots[name][0] for name in names],
                y=[spots[name][1] for name in names],
                mode="markers+text" if kind == "logit" else "markers",
                text=texts,
                textposition="middle left",
                textfont={"size": 11, "color": colours.ink},
                marker={
                    "symbol": symbol,
                    "size": 9,
                    "color": colours.ground,
                    "line": {"width": 1.2, "color": colours.ink},
                },
                name=kind,
                hovertext=[
                    f"{name}<br>{text}" if text != name else name for name, text in zip(names, texts, strict=True)
                ],
                hoverinfo="text",
            )
        )
    labels = token_labels(result.tokens)
    figure.update_xaxes(
        tickmode="array",
        tickvals=list(range(len(labels))),
        ticktext=labels,
        range=[-0.7, len(labels) - 0.3],
        title_text="position",
        showgrid=False,
        zeroline=False,
    )
    figure.update_yaxes(
        tickmode="array",
        tickvals=[-1, *range(result.n_layers), result.n_layers],
        ticktext=["tokens", *map(str, range(result.n_layers)), "logits"],
        title_text="layer",
        zeroline=False,
    )
    return figure


def edge_positions(result: EdgePositions, *, n: int = 40, theme: ThemeName = "light") -> go.Figure:
    """Plot at which positions the edges of a circuit matter: a row an edge.

    Parameters
    ----------
    result : EdgePositions
    n : int, default 40
        How many edges, those of the largest scores.
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        A map `[edge, position]`.

    Examples
    --------
    >>> task = circuits.task(scope, "ioi", n=4)
    >>> found = circuits.discover(scope, task, "eap").keep(9)
    >>> circuits.by_position(scope, found, task=task[:1], steps=1).plot().data[0].z.shape[0]
    9
    """
    colours = theme_of(theme)
    order = np.argsort(-np.abs(result.scores), kind="stable")[:n]
    values = result.by_position[order]
    labels = [f"{result.senders[at]} → {result.receivers[at]}" for at in order]
    rows, columns = ([str(at) for at in range(count)] for count in values.shape)
    more = f", the {len(order)} strongest of {len(result.scores):,}" if len(order) < len(result.scores) else ""
    figure = new_figure(colours, f"Edges by position{more}", result.provenance, height=rows_height(len(order), each=16))
    axis = colour_axis(figure, colours, limits_of(values, signed=True), "score (estimate)", signed=True)
    add_map(figure, colours, values, axis, "%{y}, at %{x}<br>score %{z:.4g}", x=columns, y=rows)
    names = [shortened(one) for one in result.positions]
    figure.update_xaxes(
        type="category",
        labelalias=dict(zip(columns, names, strict=True)),
        title_text="position",
        showgrid=False,
        tickangle=-45,
    )
    figure.update_yaxes(
        type="category",
        autorange="reversed",
        labelalias={row: literal(label) for row, label in zip(rows, labels, strict=True)},
        title_text="edge",
        showgrid=False,
        dtick=1,
    )
    return figure


def _add_edges(figure: go.Figure, theme: Theme, ends: Array, scores: Array, names: list[str]) -> None:
    """Add curves from `ends` [edge, (x, y, x, y)], a line style a sign and fifth of the largest score."""
    size = np.nan_to_num(np.abs(scores))
    most = float(size.max(initial=0.0)) or 1.0
    step = np.minimum((size / most * _STEPS).astype(int), _STEPS - 1)
    sign = np.where(np.isnan(scores), 0, np.where(scores < 0, -1, 1))
    t = np.linspace(0, 1, _POINTS)
    kinds = {1: ("score above 0", theme.positive), -1: ("score below 0", theme.negative)}
    for way in (-1, 1, 0):
        name, colour = kinds.get(way, ("without a score", theme.dim))
        first = True
        for at in range(_STEPS - 1, -1, -1):
            some = np.flatnonzero((sign == way) & (step == at))
            if not len(some):
                continue
            x0, y0, x1, y1 = ends[some].T[:, :, None]
            handle = np.maximum(np.abs(y1 - y0) * 0.4, 0.25)
            curve: list[Any] = [
                (1 - t) ** 3 * x0 + 3 * (1 - t) ** 2 * t * x0 + 3 * (1 - t) * t**2 * x1 + t**3 * x1,
                (1 - t) ** 3 * y0
                + 3 * (1 - t) ** 2 * t * (y0 + handle)
                + 3 * (1 - t) * t**2 * (y1 - handle)
                + t**3 * y1,
            ]
            gap = np.full((len(some), 1), np.nan)
            figure.add_trace(
                go.Scatter(
                    x=np.hstack([curve[0], gap]).ravel(),
                    y=np.hstack([curve[1], gap]).ravel(),
                    customdata=np.repeat(scores[some], _POINTS + 1),
                    mode="lines",
                    line={"color": colour, "width": 0.6 + 3.2 * (at + 0.5) / _STEPS},
                    opacity=0.3 + 0.6 * (at + 0.5) / _STEPS,
                    hovertext=np.repeat(
                        [f"{names[one]}<br>score {number(float(scores[one]), 4)}" for one in some], _POINTS + 1
                    ),
                    hoverinfo="text",
                    name=name,
                    legendgroup=name,
                    showlegend=first,
                )
            )
            first = False


def _text_place(name: str, output: str) -> str:
    if name[0] in "am":
        return "middle center"
    return "top center" if name == output else "bottom center"


def _short(name: str) -> str:
    if name == "input":
        return "embeddings"
    return name[1:].replace(".h", ".") if name.startswith("a") else literal(name)


def _node_text(result: AttributionGraph, name: str, logits: dict[str, str]) -> str:
    if name in logits:
        return token_label(logits[name])
    if name.startswith("token@"):
        return token_label(result.tokens[int(name.removeprefix("token@"))])
    return name
