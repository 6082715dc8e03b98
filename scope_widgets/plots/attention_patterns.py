"""Attention patterns: one head, all heads of a layer, two prompts beside each other, what flows between tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from scope_widgets._types import Array
from scope_widgets.experiments.align_tokens import align, aligned_difference
from scope_widgets.experiments.trace_model import check_trace
from scope_widgets.plots.drawing.labels import head_name, literal, token_labels
from scope_widgets.plots.drawing.maps import (
    add_map,
    colour_axis,
    limits_of,
    number_axis,
    positions,
    rows_height,
    token_axis,
)
from scope_widgets.plots.drawing.theme import Theme, ThemeName, new_figure, panels, theme_of

if TYPE_CHECKING:
    from scope_widgets.heads.attention_patterns import AttentionEntropy, AttentionRollout, TopAttended
    from scope_widgets.heads.value_weighted import ValueWeightedAttention
    from scope_widgets.traces.trace import Trace

_SIDE = 460
#: so many patterns are drawn at once; a browser is slow with more
_MOST_PATTERNS = 256
#: more columns have no room for a token in each cell
_MOST_TEXTS = 24
_HOVER = "query %{y} (%{pointNumber[0]}), key %{x} (%{pointNumber[1]})<br>"


def attention(
    trace: Trace, layer: int | None = None, head: int | None = None, *, theme: ThemeName = "light"
) -> go.Figure:
    """Plot attention patterns of a trace: of one head, of the heads of a layer, or of all heads.

    Parameters
    ----------
    trace : Trace
        Of one prompt, with "attention" or "q" and "k".
    layer : int, optional
        By default all layers, where they have no more than 256 heads together.
    head : int, optional
        By default all heads of the layer.
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    ValueError
        For several prompts, a head without its layer, or too many heads.

    Examples
    --------
    >>> trace = scope.trace("When Mary and John went to the store")
    >>> len(plots.attention(trace).data)  # a map a head
    16
    >>> len(trace.plot(3, 1).data)
    1
    """
    if layer is not None and head is not None:
        return attention_pattern(trace, layer, head, theme=theme)
    if head is not None:
        raise ValueError(f"head={head} is a head of which layer? Give layer= too.")
    return attention_heads(trace, layer, theme=theme)


def attention_pattern(trace: Trace, layer: int, head: int, *, theme: ThemeName = "light") -> go.Figure:
    """Plot the attention pattern of one head: queries down, keys across.

    Parameters
    ----------
    trace : Trace
        Of one prompt, with "attention" or "q" and "k".
    layer, head : int
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        Its one map is the pattern `[query, key]`; keys after their query are left out.

    Raises
    ------
    ValueError
        For several prompts.

    Examples
    --------
    >>> trace = scope.trace("When Mary and John went to the store")
    >>> plots.attention_pattern(trace, 3, 1).data[0].z.shape
    (9, 9)
    """
    _check_single(trace)
    colours = theme_of(theme)
    layer, tokens = range(trace.n_layers)[layer], list(trace.tokens)
    title = f"Attention of head {head_name(layer, head)}"
    figure = new_figure(colours, title, trace.provenance, height=_SIDE + 60)
    axis = colour_axis(figure, colours, (0.0, 1.0), "attention", signed=False)
    _add_pattern(figure, colours, _numbers(trace, layer, head), tokens, axis)
    _square(figure, tokens)
    return figure


def attention_heads(trace: Trace, layer: int | None = None, *, theme: ThemeName = "light") -> go.Figure:
    """Plot the patterns of all heads of a layer, or of the model, each a small map.

    Parameters
    ----------
    trace : Trace
        Of one prompt, with "attention" or "q" and "k".
    layer : int, optional
        By default all layers, a row each.
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        A map `[query, key]` a head.

    Raises
    ------
    ValueError
        For several prompts, or more than 256 heads.

    Examples
    --------
    >>> len(plots.attention_heads(scope.trace("When Mary and John went to the store"), 3).data)
    4
    """
    _check_single(trace)
    layers = [at for at in range(trace.n_layers) if trace.attends(at)]
    layers = layers if layer is None else [range(trace.n_layers)[layer]]
    if len(layers) * trace.n_heads > _MOST_PATTERNS:
        raise ValueError(
            f"A figure has at most {_MOST_PATTERNS} patterns and this model has {len(layers) * trace.n_heads:,} heads: "
            "give a layer, or use trace.widget(), which shows all."
        )
    names = [[head_name(at, head) for head in range(trace.n_heads)] for at in layers]
    patterns = [[_numbers(trace, at, head) for head in range(trace.n_heads)] for at in layers]
    title = "Attention of all heads" if layer is None else f"Attention of the heads of layer {layers[0]}"
    figure = _patterns(theme, title, names, patterns, trace, (0.0, 1.0), "attention")
    return figure


def attention_comparison(
    trace: Trace, versus: Trace, layer: int, head: int, *, theme: ThemeName = "light"
) -> go.Figure:
    """Plot the pattern of a head on two prompts, and the difference: B - A.

    Prompts of other tokens are aligned by token (the longest common subsequence), as in `AttentionView`; what has no
    partner is grey in the difference. Prompts of as many tokens are taken position by position.

    Parameters
    ----------
    trace, versus : Trace
        A and B, each of one prompt, of one model.
    layer, head : int
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        Maps `[query, key]`: A, B, and B - A over the positions of A.

    Raises
    ------
    ValueError
        For several prompts, or two models of other sizes.

    Examples
    --------
    >>> a, b = (scope.trace(f"When {name} and John went to the store") for name in ("Mary", "Anna"))
    >>> figure = plots.attention_comparison(a, b, 3, 1)
    >>> [one.z.shape for one in figure.data[:3]]
    [(9, 9), (9, 9), (9, 9)]
    """
    _check_single(trace)
    _check_single(versus)
    if (trace.n_layers, trace.n_heads) != (versus.n_layers, versus.n_heads):
        raise ValueError(
            f"B - A is of one model: A has {trace.n_layers} layers of {trace.n_heads} heads and B {versus.n_layers} of "
            f"{versus.n_heads}. Plot each with plots.attention_pattern."
        )
    colours = theme_of(theme)
    layer = range(trace.n_layers)[layer]
    a, b = _numbers(trace, layer, head), _numbers(versus, layer, head)
    partners = list(range(len(a))) if len(a) == len(b) else align(trace.tokens, versus.tokens)
    difference = aligned_difference(a, b, partners)
    prompts = " · ".join(f"{side}: “{literal(one.prompt)[:80]}”" for side, one in (("A", trace), ("B", versus)))
    figure = new_figure(
        colours,
        f"Head {head_name(layer, head)} on two prompts",
        trace.provenance,
        height=440,
        said=prompts,
        into=panels(colours, 1, 3, ["A", "B", "B − A"], across=0.09),
    )
    share = colour_axis(figure, colours, (0.0, 1.0), "attention", signed=False, bar={"len": 0.46, "y": 0.77})
    limits = limits_of(difference, signed=True)
    signed = colour_axis(figure, colours, limits, "B − A", signed=True, number=2, bar={"len": 0.46, "y": 0.23})
    for col, (values, tokens) in enumerate(((a, trace.tokens), (b, versus.tokens)), 1):
        _add_pattern(figure, colours, values, tokens, share, row=1, col=col)
        figure.update_layout(_small_axes(tokens, col, queries=col == 1))
    _add_pattern(figure, colours, difference, trace.tokens, signed, row=1, col=3)
    figure.update_layout(_small_axes(trace.tokens, 3))
    return figure


def attention_flow(rollout: AttentionRollout, *, n: int = 40, theme: ThemeName = "light") -> go.Figure:
    """Plot how attention flows between tokens through all layers: what each token draws on, as lines and as a map.

    Parameters
    ----------
    rollout : AttentionRollout
    n : int, default 40
        How many of the largest flows between two different tokens are drawn as lines; the map has all.
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        The map is the last of its data.

    Examples
    --------
    >>> figure = heads.rollout(scope.trace("When Mary and John went to the store")).plot(n=10)
    >>> figure.data[-1].z.shape
    (9, 9)
    """
    colours = theme_of(theme)
    values, tokens = rollout.values, rollout.tokens
    said = (
        f"mean over heads, layers multiplied, {rollout.residual:.0%} of each layer skipped: where attention could "
        "carry information, not what it did carry"
    )
    figure = new_figure(
        colours,
        "Attention rollout",
        rollout.provenance,
        height=rows_height(len(tokens), least=_SIDE),
        said=said,
        into=panels(colours, 1, 2, [f"the {n} largest flows between tokens", "all flows"], across=0.16),
    )
    queries, keys = np.tril_indices(len(values), -1)
    order = np.argsort(-values[queries, keys], kind="stable")[:n][::-1]
    most = float(values[queries[order], keys[order]].max(initial=0.0)) or 1.0
    t = np.linspace(0, 1, 24)
    bend = t * t * (3 - 2 * t)
    labels = token_labels(tokens)
    for query, key in zip(queries[order].tolist(), keys[order].tolist(), strict=True):
        share = float(values[query, key])
        figure.add_trace(
            go.Scatter(
                x=t,
                y=key + (query - key) * bend,
                mode="lines",
                line={"width": 0.5 + 5 * share / most, "color": colours.hues[0]},
                opacity=0.25 + 0.6 * share / most,
                hoverinfo="text",
                hovertext=f"from {labels[key]} ({key}) to {labels[query]} ({query})<br>share {share:.4g}",
                showlegend=False,
            ),
            row=1,
            col=1,
        )
    ticks = {"tickmode": "array", "tickvals": list(range(len(tokens))), "ticktext": labels, "showgrid": False}
    figure.update_yaxes(autorange="reversed", title_text="input token", row=1, col=1, **ticks)
    figure.update_xaxes(
        range=[-0.02, 1.02],
        tickmode="array",
        tickvals=[0, 1],
        ticktext=["input", "after the last layer"],
        showgrid=False,
        zeroline=False,
        row=1,
        col=1,
    )
    axis = colour_axis(figure, colours, limits_of(values, signed=False), "share", signed=False)
    _add_pattern(figure, colours, values, tokens, axis, row=1, col=2)
    figure.update_layout(_small_axes(tokens, 2, queries=True))
    return figure


def attention_entropy(result: AttentionEntropy, *, theme: ThemeName = "light") -> go.Figure:
    """Plot the entropy of the attention of each head of a layer at each query.

    Parameters
    ----------
    result : AttentionEntropy
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        A map `[head, query]`, in nats.

    Examples
    --------
    >>> heads.entropy(scope.trace("When Mary and John went to the store"), 1).plot().data[0].z.shape
    (4, 9)
    """
    colours = theme_of(theme)
    count = len(result.values)
    title = f"Entropy of attention, layer {result.layer}"
    figure = new_figure(colours, title, result.provenance, height=rows_height(count))
    axis = colour_axis(figure, colours, limits_of(result.values, signed=False), "entropy (nats)", signed=False)
    hover = f"head {result.layer}.%{{y}}, query %{{x}} (%{{pointNumber[1]}})<br>entropy %{{z:.4g}} nats"
    add_map(figure, colours, result.values, axis, hover, x=positions(result.tokens), not_run=np.isnan(result.values))
    figure.update_xaxes(**token_axis(result.tokens, "query"))
    figure.update_yaxes(**number_axis(count, "head", down=True))
    return figure


def top_attended(result: TopAttended, *, theme: ThemeName = "light") -> go.Figure:
    """Plot the most attended key of each head of a layer at each query.

    Parameters
    ----------
    result : TopAttended
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        A map `[head, query]` of the attention to that key, which is written in the cells; the hover has all `n` keys.

    Examples
    --------
    >>> trace = scope.trace("When Mary and John went to the store")
    >>> heads.top_attended(trace, 3, n=2).plot().data[0].text[1][8]
    'and'
    """
    colours = theme_of(theme)
    count, queries = result.positions.shape[:2]
    labels = token_labels(result.tokens)
    text = [[labels[at] if at >= 0 else "" for at in row] for row in result.positions[..., 0].tolist()]
    said = [
        [
            "<br>".join(
                f"{labels[key]} ({key}) {weight:.4g}"
                for key, weight in zip(result.positions[head, query], result.weights[head, query], strict=True)
                if key >= 0
            )
            for query in range(queries)
        ]
        for head in range(count)
    ]
    title = f"Most attended key, layer {result.layer}"
    figure = new_figure(colours, title, result.provenance, height=rows_height(count))
    axis = colour_axis(figure, colours, (0.0, 1.0), "attention", signed=False)
    hover = f"head {result.layer}.%{{y}}, query %{{x}} (%{{pointNumber[1]}})<br>%{{customdata}}"
    add_map(
        figure,
        colours,
        result.weights[..., 0],
        axis,
        hover,
        x=positions(result.tokens),
        text=text if queries <= _MOST_TEXTS else None,
        customdata=np.array(said, dtype=object),
    )
    figure.update_xaxes(**token_axis(result.tokens, "query"))
    figure.update_yaxes(**number_axis(count, "head", down=True))
    return figure


def value_weighted_attention(result: ValueWeightedAttention, *, theme: ThemeName = "light") -> go.Figure:
    """Plot the size of what each query gets of each key, a map a head on one scale.

    Parameters
    ----------
    result : ValueWeightedAttention
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        A map `[query, key]` a head, in units of the residual stream.

    Examples
    --------
    >>> trace = scope.trace("When Mary and John went to the store")
    >>> len(heads.value_weighted_attention(trace, 3).plot().data)
    4
    """
    names = [[head_name(result.layer, head) for head in result.heads]]
    title = f"Value-weighted attention, layer {result.layer}"
    limits = limits_of(result.values, signed=False)
    return _patterns(theme, title, names, [list(result.values)], result, limits, "norm (residual stream)")


def _patterns(
    theme: ThemeName,
    title: str,
    names: Sequence[Sequence[str]],
    patterns: Sequence[Sequence[Array]],
    of: Trace | ValueWeightedAttention,
    limits: tuple[float, float],
    unit: str,
) -> go.Figure:
    """Return small maps, a row of `patterns` in a row or more."""
    colours, tokens = theme_of(theme), list(of.tokens)
    across = min(len(patterns[0]), 12 if len(patterns) > 1 else 6)
    lines = [
        (row_names[at : at + across], row[at : at + across])
        for row_names, row in zip(names, patterns, strict=True)
        for at in range(0, len(row), across)
    ]
    titles = [name for line, _ in lines for name in [*line, *[""] * (across - len(line))]]
    figure = new_figure(
        colours,
        title,
        of.provenance,
        height=110 + len(lines) * (_SIDE - 50 if across == 1 else 760 / max(across, 3)),
        into=panels(colours, len(lines), across, titles, across=0.1 / across, down=0.28 / (len(lines) + 1)),
    )
    axis = colour_axis(figure, colours, limits, unit, signed=False)
    axes: dict[str, Any] = {}
    for row, (_, maps) in enumerate(lines, 1):
        for col, values in enumerate(maps, 1):
            _add_pattern(figure, colours, values, tokens, axis, row=row, col=col)
            panel = (row - 1) * across + col
            axes |= _small_axes(tokens, panel, queries=col == 1, keys=row == len(lines), bare=across > 1)
    figure.update_layout(axes)
    return figure


def _numbers(trace: Trace, layer: int, head: int) -> Array:
    """Return the pattern of a head, float32 [query, key]."""
    found: Array = trace.head_attention(layer, head).float().cpu().numpy()
    return found


def _add_pattern(
    figure: go.Figure,
    theme: Theme,
    values: Array,
    tokens: Sequence[str],
    axis: str,
    row: int | None = None,
    col: int | None = None,
) -> None:
    """Add a pattern without what no query sees: keys after it, where nothing is."""
    later = np.triu(np.ones(values.shape, dtype=bool), 1)
    blank = later & ~(np.nan_to_num(values) != 0)
    shown = np.where(blank, np.nan, values)
    names = positions(tokens)
    hover = _HOVER + "%{z:.4g}"
    missing = np.isnan(values) & ~later
    add_map(figure, theme, shown, axis, hover, x=names, y=names, not_run=missing, row=row, col=col)


def _square(figure: go.Figure, tokens: Sequence[str]) -> None:
    figure.update_xaxes(**token_axis(tokens, "key"), constrain="domain")
    figure.update_yaxes(**token_axis(tokens, "query", down=True, of="y"), scaleanchor="x", constrain="domain")


def _small_axes(
    tokens: Sequence[str], panel: int, *, queries: bool = False, keys: bool = True, bare: bool = False
) -> dict[str, Any]:
    """Return the axes of one map of several by their names in the layout; `bare` maps have tokens in their hover only.

    Panels are counted from 1. All axes are given to a figure at once: one by one a hundred panels take seconds.
    """
    number, frame = panel if panel > 1 else "", {"showline": True, "mirror": True}
    return {
        f"{of}axis{number}": {
            **token_axis(tokens, title if named else "", down=of == "y", of=of),
            **frame,
            "showticklabels": not bare and (of == "x" or queries),
        }
        for of, title, named in (("x", "key", keys), ("y", "query", queries))
    }


def _check_single(trace: Trace) -> None:
    check_trace(trace)
    if trace.batched:
        raise ValueError(
            f"Patterns are plotted of one prompt and the trace has {len(trace)}: choose one with trace[i]."
        )
