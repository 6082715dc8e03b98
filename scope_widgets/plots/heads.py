"""Numbers of heads: scores and their distributions, effects as maps, heads ranked with intervals, labels, tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from scope_widgets._types import Array
from scope_widgets.plots.drawing.dots import add_dots, reference, rows_down
from scope_widgets.plots.drawing.labels import (
    counted,
    head_name,
    literal,
    number,
    sentence,
    shortened,
    token_label,
    words,
)
from scope_widgets.plots.drawing.maps import add_map, colour_axis, limits_of, number_axis, rows_height
from scope_widgets.plots.drawing.theme import SYMBOLS, Theme, ThemeName, new_figure, panels, theme_of

if TYPE_CHECKING:
    from scope_widgets.heads.compare_heads import HeadComparison
    from scope_widgets.heads.composition import CompositionScores
    from scope_widgets.heads.factual_recall.recall_heads import RecallHeads
    from scope_widgets.heads.factual_recall.subject_attention import SubjectAttention
    from scope_widgets.heads.head_scores import HeadScores
    from scope_widgets.heads.head_tokens import HeadTokens
    from scope_widgets.heads.label import HeadLabels
    from scope_widgets.lens.direct_logit_attribution import Attribution
    from scope_widgets.patching.result import PatchingResult

#: statistics that are no share of 0 to 1
_IN_NATS = ("entropy",)
_TOKENS_OF = {"writes": "logit", "ov": "logit", "copied": "logit", "qk": "score before the softmax"}


def head_scores(
    scores: HeadScores, statistic: str | None = None, n: int = 20, *, theme: ThemeName = "light"
) -> go.Figure:
    """Plot the largest scores of one statistic as bars; without one, the distributions of all.

    Parameters
    ----------
    scores : HeadScores
    statistic : str, optional
        One of `scores.statistics`.
    n : int, default 20
        How many heads.
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    KeyError
        When there is no such statistic.

    Examples
    --------
    >>> scores = heads.score_repeated_tokens(scope, n=4, seed=0)
    >>> scores.plot("previous_token", 3).data[0].x
    ('2.0', '1.3', '1.1')
    """
    if statistic is None:
        return score_distributions(scores, theme=theme)
    colours, top = theme_of(theme), scores.top(statistic, n)
    null = scores.null_p.get(statistic)
    names = [head_name(layer, head) for layer, head, _ in top]
    hover = [
        f"head {name}<br>{words(statistic)} {score:.4g}"
        + ("" if null is None else f"<br>p of the null {null[layer, head]:.3g}")
        for name, (layer, head, score) in zip(names, top, strict=True)
    ]
    of = counted(scores.n_prompts, "prompt")
    figure = new_figure(colours, f"{sentence(statistic)} of heads, the {len(top)} largest", scores.provenance)
    figure.add_trace(
        go.Bar(
            x=names,
            y=[score for *_, score in top],
            marker={"color": colours.hues[0]},
            hovertext=hover,
            hoverinfo="text",
        )
    )
    unit = "nats" if statistic in _IN_NATS else "0 to 1"
    figure.update_xaxes(title_text="layer.head", type="category", showgrid=False)
    figure.update_yaxes(title_text=f"{words(statistic)} ({unit}), mean of {of}")
    return figure


def score_distributions(scores: HeadScores, *, theme: ThemeName = "light") -> go.Figure:
    """Plot every statistic of every head: a row a statistic, a dot a head, early layers above late ones within it.

    Parameters
    ----------
    scores : HeadScores
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        Statistics in nats have an axis of their own.

    Examples
    --------
    >>> figure = plots.score_distributions(heads.score(scope.trace("When Mary and John went to the store")))
    >>> figure.data[0].name, len(figure.data[0].x)
    ('normalised entropy', 16)
    """
    colours = theme_of(theme)
    shares = [name for name in scores.statistics if name not in _IN_NATS]
    nats = [name for name in scores.statistics if name in _IN_NATS]
    split = bool(shares and nats)
    height = rows_height(len(shares) + len(nats), each=40, least=300)
    into = (
        panels(colours, 2, 1, ["", ""], down=64 / (height - 110), row_heights=[len(shares), len(nats)])
        if split
        else None
    )
    said = f"{counted(scores.n_layers, 'layer')} of {counted(scores.n_heads, 'head')}, mean of " + counted(
        scores.n_prompts, "prompt"
    )
    figure = new_figure(colours, "Scores of all heads", scores.provenance, height=height, said=said, into=into)
    layers, heads = np.indices((scores.n_layers, scores.n_heads)).reshape(2, -1)
    shift = (layers + 0.5) / scores.n_layers - 0.5
    for part, names in enumerate([one for one in (shares, nats) if one], 1):
        where: dict[str, Any] = {"row": part, "col": 1} if split else {}
        for row, name in enumerate(names):
            hover = [
                f"head {head_name(layer, head)}<br>{words(name)} {value:.4g}"
                for layer, head, value in zip(layers, heads, scores[name].ravel().tolist(), strict=True)
            ]
            figure.add_trace(
                go.Scatter(
                    x=scores[name].ravel(),
                    y=row + 0.7 * shift,
                    mode="markers",
                    marker={"size": 6, "opacity": 0.8, "color": colours.hues[0]},
                    hovertext=hover,
                    hoverinfo="text",
                    name=words(name),
                    showlegend=False,
                ),
                **where,
            )
        figure.update_yaxes(
            tickmode="array",
            tickvals=list(range(len(names))),
            ticktext=[words(name) for name in names],
            range=[len(names) - 0.5, -0.5],
            zeroline=False,
            **where,
        )
        unit = "nats" if names is nats else "score (0 to 1)"
        figure.update_xaxes(title_text=unit, rangemode="tozero", **where)
    return figure


def top_heads(
    results: Mapping[str, HeadScores], statistic: str, *, n: int = 10, theme: ThemeName = "light"
) -> go.Figure:
    """Plot the heads that stand highest in the first of several results beside what they are in the others.

    Parameters
    ----------
    results : mapping of name to HeadScores
        Of one model, or of models of as many layers and heads.
    statistic : str
        One that all of them have.
    n : int, default 10
        How many heads of the first.
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        Dots, a row a head, a hue and a shape a result.

    Raises
    ------
    ValueError
        For no results, or results of other numbers of heads.
    KeyError
        Where a result has no such statistic.

    Examples
    --------
    >>> sentence = heads.score(scope.trace("When Mary and John went to the store"))
    >>> repeated = heads.score_repeated_tokens(scope, n=2, seed=0)
    >>> figure = plots.top_heads({"repeated tokens": repeated, "a sentence": sentence}, "previous_token", n=4)
    >>> [one.name for one in figure.data]
    ['repeated tokens', 'a sentence']
    """
    sizes = {(one.n_layers, one.n_heads) for one in results.values()}
    if len(sizes) != 1:
        raise ValueError(
            f"Heads are compared between results of as many layers and heads; got {sorted(sizes) or 'no results'}."
        )
    colours, first = theme_of(theme), next(iter(results.values()))
    top = first.top(statistic, n)
    where = tuple(np.array([(layer, head) for layer, head, _ in top], dtype=int).reshape(-1, 2).T)
    labels = [head_name(layer, head) for layer, head, _ in top]
    title = f"{sentence(statistic)} of the {len(top)} top heads"
    said = f"of {shortened(next(iter(results)))}"
    figure = new_figure(colours, title, first.provenance, height=rows_height(len(top), each=22, least=240), said=said)
    for at, (name, result) in enumerate(results.items()):
        values = result[statistic][where]
        hover = [
            f"head {label}<br>{shortened(name)}: {value:.4g}"
            for label, value in zip(labels, values.tolist(), strict=True)
        ]
        hue = colours.hues[at % len(colours.hues)]
        add_dots(figure, values, hue, hover, name=shortened(name), symbol=SYMBOLS[at % len(SYMBOLS)])
    rows_down(figure, labels, "layer.head")
    figure.update_xaxes(title_text=words(statistic), rangemode="tozero")
    return figure


def head_effects(
    result: HeadComparison | RecallHeads | PatchingResult | Attribution | HeadScores,
    statistic: str | None = None,
    *,
    theme: ThemeName = "light",
) -> go.Figure:
    """Plot one number of each head as a map of layers and heads, on a signed scale where it may be below 0.

    Parameters
    ----------
    result : HeadComparison, RecallHeads, PatchingResult over heads at all positions, Attribution or HeadScores
    statistic : str, optional
        Of head scores: which one; by default the first.
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        A map `[layer, head]`, the deepest layer on top.

    Raises
    ------
    ValueError
        Where the result is not one number a head.

    Examples
    --------
    >>> trace = scope.trace("When Mary and John went to the store, John gave a drink to")
    >>> parts = lens.direct_logit_attribution(trace, answer=" Mary", versus=" John")
    >>> plots.head_effects(parts).data[0].z.shape
    (4, 4)
    """
    values, what, title, signed = _of_heads(result, statistic)
    return _head_map(result, values, what, title, signed, theme_of(theme))


def subject_attention(result: SubjectAttention, *, theme: ThemeName = "light") -> go.Figure:
    """Plot how much each head attends to the subject of its prompts, as a map of layers and heads.

    Parameters
    ----------
    result : SubjectAttention
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        A map `[layer, head]`.

    Examples
    --------
    >>> prompt = "When Mary and John went to the store, John gave a drink to"
    >>> found = heads.subject_attention(scope.trace(prompt), heads.subject_positions(scope, prompt, "Mary"))
    >>> found.plot().data[0].z.shape
    (4, 4)
    """
    title = "Attention of the last token to the subject"
    return _head_map(
        result, result["subject_attention"], "attention to the subject", title, False, theme_of(theme), most=1.0
    )


def ranked_heads(result: RecallHeads | HeadComparison, *, n: int = 30, theme: ThemeName = "light") -> go.Figure:
    """Plot the heads with the largest effects with their 95 % intervals; those that were found are solid.

    Parameters
    ----------
    result : RecallHeads or HeadComparison
    n : int, default 30
        How many heads.
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = heads.compare_heads(rng.normal(0.5, 0.1, (9, 4, 4)), rng.normal(0.4, 0.1, (9, 4, 4)))
    >>> sum(len(one.x) for one in found.plot(n=5).data)
    5
    """
    colours = theme_of(theme)
    least: float | None = getattr(result, "min_effect", None)
    is_recall = least is not None
    solid: Array = getattr(result, "found" if is_recall else "different")
    order = np.argsort(-np.nan_to_num(np.abs(result.effect), nan=-1.0), kind="stable")[:n]
    labels = [head_name(result.layer[at], result.head[at]) for at in order]
    hover = [
        f"head {label}<br>effect {result.effect[at]:.4g}, 95 % {result.low[at]:.4g} to {result.high[at]:.4g}"
        f"<br>corrected p {result.p_corrected[at]:.3g}"
        for label, at in zip(labels, order, strict=True)
    ]
    more = f", the {len(order)} largest of {len(result.effect):,}" if len(order) < len(result.effect) else ""
    what = "Factual-recall heads" if is_recall else "Heads that differ"
    figure = new_figure(colours, what + more, result.provenance, height=rows_height(len(order), each=18, least=260))
    for state, name in ((True, "found" if is_recall else "different"), (False, "not")):
        rows = np.flatnonzero(solid[order] == state)
        add_dots(
            figure,
            result.effect[order][rows],
            colours.hues[0] if state else colours.dim,
            [hover[row] for row in rows],
            rows=rows.tolist(),
            low=result.low[order][rows],
            high=result.high[order][rows],
            name=f"{name} (corrected p {'below' if state else 'not below'} {result.alpha:g})"
            + (f", effect {'above' if state else 'or not above'} {least:g}" if is_recall else ""),
            filled=np.full(len(rows), state),
        )
    rows_down(figure, labels, "layer.head")
    unit = "attention to the subject − to other tokens" if is_recall else "first − second set of prompts, mean score"
    figure.update_xaxes(title_text=f"effect: {unit}, 95 % interval", zeroline=True)
    if least is not None:
        reference(figure, colours, least, "min_effect")
    return figure


def head_labels(result: HeadLabels, *, theme: ThemeName = "light") -> go.Figure:
    """Plot the score of each label beside its threshold, a row a head, in the hues of the classes.

    Parameters
    ----------
    result : HeadLabels
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        Dots, and their thresholds as strokes.

    Examples
    --------
    >>> scores = heads.score_repeated_tokens(scope, n=4, seed=0)
    >>> "induction" in [one.name for one in heads.label(scores).plot().data]
    True
    """
    colours = theme_of(theme)
    rows = list(dict.fromkeys(zip(result.layer.tolist(), result.head.tolist(), strict=True)))
    place = {head: row for row, head in enumerate(rows)}
    figure = new_figure(
        colours, "Labels of heads", result.provenance, height=rows_height(len(rows), each=22, least=220)
    )
    for number_of, name in enumerate(dict.fromkeys(result.label)):
        at = [row for row, one in enumerate(result.label) if one == name]
        places = [place[(int(result.layer[row]), int(result.head[row]))] for row in at]
        hover = [
            f"head {head_name(result.layer[row], result.head[row])}: {words(name)}<br>{words(result.statistic[row])} "
            f"{result.score[row]:.4g}, threshold {result.threshold[row]:.3g}<br>p of the null {result.null_p[row]:.3g}"
            for row in at
        ]
        hue, symbol = colours.class_hue(name[:1].upper()), SYMBOLS[number_of % len(SYMBOLS)]
        add_dots(figure, result.score[at], hue, hover, rows=places, name=words(name), symbol=symbol)
        figure.add_trace(
            go.Scatter(
                x=result.threshold[at],
                y=[str(one) for one in places],
                mode="markers",
                marker={"symbol": "line-ns", "size": 12, "line": {"width": 1.5, "color": colours.dim}},
                hoverinfo="skip",
                showlegend=False,
            )
        )
    rows_down(figure, [head_name(*head) for head in rows], "layer.head")
    figure.update_xaxes(title_text="score of the label's statistic; stroke: its threshold", rangemode="tozero")
    return figure


def composition(result: CompositionScores, *, theme: ThemeName = "light") -> go.Figure:
    """Plot how much each later head composes with each earlier one.

    Parameters
    ----------
    result : CompositionScores
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        A map `[later head, earlier head]`, both counted through the layers.

    Examples
    --------
    >>> heads.composition(scope).plot().data[0].z.shape
    (16, 16)
    """
    colours = theme_of(theme)
    layers, count = result.values.shape[:2]
    values = result.values.reshape(layers * count, -1)
    names = [head_name(layer, head) for layer in range(layers) for head in range(count)]
    side = float(np.clip(9 * len(names) + 160, 460, 1000))
    figure = new_figure(colours, f"{result.kind.upper()}-composition of heads", result.provenance, height=side)
    axis = colour_axis(figure, colours, limits_of(values, signed=False), "composition score", signed=False)
    hover = "later head %{y}, earlier head %{x}<br>score %{z:.4g}"
    add_map(figure, colours, values, axis, hover, x=names, y=names)
    figure.update_xaxes(type="category", title_text="earlier head (layer.head)", showgrid=False, constrain="domain")
    figure.update_yaxes(type="category", title_text="later head", showgrid=False, scaleanchor="x", constrain="domain")
    return figure


def head_tokens(result: HeadTokens, *, theme: ThemeName = "light") -> go.Figure:
    """Plot the tokens that stand highest and lowest in what a head writes, copies or matches.

    Parameters
    ----------
    result : HeadTokens
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        Bars, a panel for each token that was asked of.

    Examples
    --------
    >>> trace = scope.trace("When Mary and John went to the store, John gave a drink to")
    >>> heads.writes(trace, 3, 1, n=2).plot().data[0].x.shape
    (4,)
    """
    colours, count = theme_of(theme), len(result.mean)
    titles = [token_label(one) for one in result.of] or [""] * count
    into = panels(colours, 1, count, titles if count > 1 else [""], across=0.6 / (count + 3))
    name = head_name(result.layer, result.head)
    of = f" at “{titles[0]}”" if result.quantity == "writes" and count == 1 else ""
    said = {
        "writes": f"What head {name} writes{of}, by token",
        "ov": f"What head {name} writes of a token (OV circuit)",
        "copied": f"Tokens that head {name} copies most and least",
        "qk": f"Keys that head {name} scores highest and lowest (QK circuit)",
    }[result.quantity]
    figure = new_figure(
        colours, said, result.provenance, height=rows_height(2 * result.up.shape[1], each=16, least=240), into=into
    )
    for row in range(count):
        ids = np.concatenate([result.up_ids[row], result.down_ids[row][::-1]])
        values = np.concatenate([result.up[row], result.down[row][::-1]])
        labels = [token_label(result.text(one)) for one in ids]
        figure.add_trace(
            go.Bar(
                x=values,
                y=[str(at) for at in range(len(ids))],
                orientation="h",
                marker={"color": [colours.sign(value) for value in values.tolist()]},
                hovertext=[
                    f"{label} (token {one})<br>{number(float(value), 5)}"
                    for label, one, value in zip(labels, ids, values, strict=True)
                ],
                hoverinfo="text",
                showlegend=False,
            ),
            row=1,
            col=row + 1,
        )
        rows_down(figure, labels, "token" if row == 0 else "", mono=True, row=1, col=row + 1)
    centred = ", less the mean over the vocabulary" if result.mean.any() else ""
    figure.update_xaxes(title_text=_TOKENS_OF[result.quantity] + centred, zeroline=True)
    return figure


# --- what maps of heads share -----------------------------------------------------------------------------------------


def _of_heads(result: Any, statistic: str | None) -> tuple[Array, str, str, bool]:
    """Return numbers `[layer, head]`, what they are, a title, and whether they may be below 0."""
    if hasattr(result, "statistics"):
        name = statistic or next(iter(result.statistics))
        return result[name], words(name), f"{sentence(name)} of heads", False
    if hasattr(result, "contribution") and hasattr(result, "mlps"):
        return result.heads, "contribution (logits)", "What each head writes to the answer", True
    if getattr(result, "axes", None) == ("layer", "head"):
        what = "effect" if result.exact else "estimate"
        title = f"Patching of {words(result.over)} on {words(result.metric)} ({literal(result.direction)})"
        return result.values, f"{what} (1: all of it)", title, True
    if hasattr(result, "p_corrected"):
        values = np.full((int(result.layer.max()) + 1, int(result.head.max()) + 1), np.nan)
        values[result.layer, result.head] = result.effect
        return values, "effect", "Effect of each head", True
    raise ValueError(
        f"A map of heads needs one number a head; this {type(result).__name__} is not that. Use its own plot()."
    )


def _head_map(
    result: Any, values: Array, what: str, title: str, signed: bool, theme: Theme, most: float | None = None
) -> go.Figure:
    figure = new_figure(theme, title, result.provenance, height=rows_height(len(values), most=900))
    low, high = limits_of(values, signed=signed)
    axis = colour_axis(figure, theme, (low, most or high), what, signed=signed)
    hover = f"head %{{y}}.%{{x}}<br>{what.partition(' (')[0]} %{{z:.4g}}"
    text = [[number(value, 2) if value == value else "" for value in row] for row in values.tolist()]
    few = values.size <= 200
    add_map(figure, theme, values, axis, hover, text=text if few else None, not_run=np.isnan(values))
    figure.update_xaxes(**number_axis(values.shape[1], "head"))
    figure.update_yaxes(**number_axis(len(values), "layer"))
    return figure
