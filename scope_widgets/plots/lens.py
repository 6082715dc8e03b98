"""What the residual stream says at each layer, what each component and neuron writes, numbers of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import plotly.graph_objects as go

from scope_widgets._check_choice import check_choice
from scope_widgets._types import Array
from scope_widgets.plots.drawing.dots import reference
from scope_widgets.plots.drawing.labels import head_name, literal, number, shortened, token_label, token_labels, words
from scope_widgets.plots.drawing.maps import add_map, colour_axis, limits_of, positions, rows_height, token_axis
from scope_widgets.plots.drawing.theme import DASHES, SYMBOLS, ThemeName, new_figure, panels, theme_of

if TYPE_CHECKING:
    from scope_widgets.lens.direct_logit_attribution import Attribution
    from scope_widgets.lens.logit_lens import LogitLens
    from scope_widgets.lens.neuron_attribution import NeuronAttribution
    from scope_widgets.lens.token_loss import TokenLoss
    from scope_widgets.traces.token_values import TokenValues

#: what colours the cells of a logit lens
LensColour: TypeAlias = Literal["probability", "entropy", "kl"]
#: more columns have no room for a token in each cell
_MOST_TEXTS = 24
_UNITS = {"probability": "probability", "entropy": "entropy (nats)", "kl": "KL(final || layer) (nats)"}


def logit_lens(lens: LogitLens, colour: LensColour = "probability", *, theme: ThemeName = "light") -> go.Figure:
    """Plot the top token of each layer and position, on the colour of its probability, its entropy or its KL.

    Parameters
    ----------
    lens : LogitLens
    colour : {"probability", "entropy", "kl"}, default "probability"
        Of the top token; of the distribution, in nats; of the divergence of the model's own distribution, in nats.
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        A map `[layer, position]`, the deepest layer on top; the hover has the likeliest tokens.

    Examples
    --------
    >>> figure = lens.logit_lens(scope.trace("When Mary and John went to the store")).plot()
    >>> figure.data[0].z.shape
    (5, 9)
    """
    check_choice("colour", colour, LensColour)
    colours = theme_of(theme)
    values = {"probability": lens.top_probabilities[..., 0], "entropy": lens.entropy, "kl": lens.kl}[colour]
    texts = {one: token_label(text) for one, text in lens.texts.items()}
    top = [[texts[str(one)] for one in row] for row in lens.top_ids[..., 0].tolist()]
    said = [
        [
            "<br>".join(
                f"{texts[str(one)]} {probability:.4g}" for one, probability in zip(ids, probabilities, strict=True)
            )
            for ids, probabilities in zip(*layer, strict=True)
        ]
        for layer in zip(lens.top_ids.tolist(), lens.top_probabilities.tolist(), strict=True)
    ]
    n_layers = len(lens.layers)
    figure = new_figure(colours, "Logit lens", lens.provenance, height=rows_height(n_layers, each=30))
    limits = (0.0, 1.0) if colour == "probability" else limits_of(values, signed=False)
    axis = colour_axis(figure, colours, limits, _UNITS[colour], signed=False)
    hover = f"layer %{{y}}, after %{{x}} (%{{pointNumber[1]}})<br>{_UNITS[colour]} %{{z:.4g}}<br>%{{customdata}}"
    add_map(
        figure,
        colours,
        values,
        axis,
        hover,
        x=positions(lens.tokens),
        y=[str(one) for one in lens.layers],
        text=top if len(lens.tokens) <= _MOST_TEXTS else None,
        customdata=np.array(said, dtype=object),
        not_run=np.isnan(values),
    )
    figure.update_xaxes(**token_axis(lens.tokens, "position"))
    figure.update_yaxes(
        type="category", title_text="layer (residual stream that enters it)", showgrid=False, zeroline=False
    )
    return figure


def watched_tokens(lens: LogitLens, position: int = -1, *, theme: ThemeName = "light") -> go.Figure:
    """Plot how the tokens that a logit lens watches rise and fall through the layers at one position.

    Parameters
    ----------
    lens : LogitLens
        Of `lens.logit_lens(trace, watch=[...])`.
    position : int, default -1
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        Probabilities above, ranks (0: the top) below, a line a token.

    Raises
    ------
    ValueError
        Where nothing was watched.
    IndexError
        When the prompt has no such position.

    Examples
    --------
    >>> found = lens.logit_lens(scope.trace("When Mary and John went to the store"), watch=[" Mary", " John"])
    >>> len(plots.watched_tokens(found).data)
    4
    """
    if not lens.watched:
        raise ValueError("This lens watches no token: lens.logit_lens(trace, watch=[' Mary', ' John']) does.")
    if not -len(lens.tokens) <= position < len(lens.tokens):
        raise IndexError(f"Position {position} is out of range: the prompt has {len(lens.tokens)} tokens.")
    colours, at = theme_of(theme), position % len(lens.tokens)
    figure = new_figure(
        colours,
        f"Tokens through the layers, after “{token_label(lens.tokens[at])}” ({at})",
        lens.provenance,
        height=460,
        into=panels(colours, 2, 1, ["", ""], down=0.08, shared_xaxes=True),
    )
    for row, (values, what) in enumerate(
        ((lens.watched_probabilities, "probability"), (lens.watched_ranks, "rank")), 1
    ):
        for one, token_id in enumerate(lens.watched):
            name = token_label(lens.text(token_id))
            figure.add_trace(
                go.Scatter(
                    x=lens.layers,
                    y=values[one, :, at],
                    mode="lines+markers",
                    name=name,
                    legendgroup=str(token_id),
                    showlegend=row == 1,
                    line={"color": colours.hues[one % len(colours.hues)], "dash": DASHES[one % len(DASHES)]},
                    marker={"symbol": SYMBOLS[one % len(SYMBOLS)], "size": 7},
                    hovertemplate=f"{name}<br>layer %{{x}}, {what} %{{y:.4g}}<extra></extra>",
                ),
                row=row,
                col=1,
            )
    figure.update_yaxes(title_text="probability", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(title_text="rank (0: the top)", autorange="reversed", row=2, col=1)
    figure.update_xaxes(title_text="layer", dtick=1 if len(lens.layers) <= 32 else None, row=2, col=1)
    return figure


def component_effects(result: Attribution, *, n: int = 40, theme: ThemeName = "light") -> go.Figure:
    """Plot what each part of the model writes to the answer's logit, in the order of a forward.

    Parameters
    ----------
    result : Attribution
    n : int, default 40
        How many parts, those with the largest contributions; how many are left out stands below the title.
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        Bars, a group a kind of component.

    Examples
    --------
    >>> trace = scope.trace("When Mary and John went to the store, John gave a drink to")
    >>> figure = lens.direct_logit_attribution(trace, answer=" Mary", versus=" John").plot(n=10)
    >>> sum(len(bars.x) for bars in figure.data)
    10
    """
    colours, size = theme_of(theme), np.nan_to_num(np.abs(result.contribution))
    chosen = np.sort(np.argsort(-size, kind="stable")[:n])
    labels = [_component(result, at) for at in chosen.tolist()]
    total = float(result.total.mean())
    versus = f" less that of “{token_label(result.versus[0])}”" if result.versus else ""
    left = len(size) - len(chosen)
    said = f"logit of “{token_label(result.answer[0])}”{versus}: {number(total, 4)}, the sum of all {len(size)} parts"
    said += f"; the {left} smallest are left out" if left else ""
    figure = new_figure(colours, "What each component writes", result.provenance, height=380, said=said)
    for at, kind in enumerate(dict.fromkeys(result.component[one] for one in chosen)):
        rows = [row for row, one in enumerate(chosen.tolist()) if result.component[one] == kind]
        figure.add_trace(
            go.Bar(
                x=[str(row) for row in rows],
                y=result.contribution[chosen[rows]],
                name={"attention": "heads", "mlp": "MLPs"}.get(kind, words(kind)),
                marker={"color": colours.hues[at % len(colours.hues)]},
                hovertext=[
                    f"{labels[row]}<br>{number(float(result.contribution[chosen[row]]), 5)} logits" for row in rows
                ],
                hoverinfo="text",
            )
        )
    names = [str(row) for row in range(len(labels))]
    figure.update_xaxes(
        type="category",
        categoryorder="array",
        categoryarray=names,
        labelalias=dict(zip(names, labels, strict=True)),
        title_text="component, in the order of a forward",
        showgrid=False,
        tickangle=-60,
        dtick=1 if len(names) <= 60 else None,
    )
    figure.update_yaxes(title_text="contribution (logits)", zeroline=True)
    figure.update_layout(barmode="overlay", bargap=0.25)
    return figure


def neurons(result: NeuronAttribution, *, n: int = 8, theme: ThemeName = "light") -> go.Figure:
    """Plot each neuron of an MLP: its activation, and what it writes to the answer's logit.

    Parameters
    ----------
    result : NeuronAttribution
    n : int, default 8
        How many of those that write most are named.
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        A dot a neuron.

    Examples
    --------
    >>> trace = scope.trace("When Mary and John went to the store, John gave a drink to")
    >>> figure = lens.neuron_attribution(trace, 1, answer=" Mary", versus=" John").plot()
    >>> len(figure.data[0].x)
    256
    """
    colours = theme_of(theme)
    order = np.argsort(-np.abs(result.contribution), kind="stable")[:n]
    names = [""] * len(result.contribution)
    for at in order.tolist():
        names[at] = f"{result.layer}.{at}"
    versus = f" less that of “{token_label(result.versus[0])}”" if result.versus else ""
    said = (
        f"logit of “{token_label(result.answer[0])}”{versus}; the whole MLP writes "
        f"{number(float(result.total.mean()), 4)}"
    )
    figure = new_figure(colours, f"Neurons of layer {result.layer}", result.provenance, height=420, said=said)
    figure.add_trace(
        go.Scatter(
            x=result.activation,
            y=result.contribution,
            mode="markers+text",
            text=names,
            textposition="top center",
            textfont={"size": 10, "color": colours.ink},
            marker={
                "size": 6,
                "color": result.contribution,
                "colorscale": colours.signed,
                "cmid": 0,
                "line": {"width": 0.6, "color": colours.dim},
            },
            hovertext=[
                f"neuron {result.layer}.{at}<br>activation {number(float(activation), 5)}<br>"
                f"contribution {number(float(written), 5)} logits"
                for at, (activation, written) in enumerate(zip(result.activation, result.contribution, strict=True))
            ],
            hoverinfo="text",
            showlegend=False,
        )
    )
    figure.update_xaxes(title_text="activation at the position", zeroline=True)
    figure.update_yaxes(title_text="contribution (logits)", zeroline=True)
    return figure


def token_loss(result: TokenLoss, *, theme: ThemeName = "light") -> go.Figure:
    """Plot how surprised the model is by each token of a prompt, and how undecided it was before it.

    Parameters
    ----------
    result : TokenLoss
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        Bars of the loss, a stroke each for the entropy; the first token has neither.

    Examples
    --------
    >>> figure = lens.token_loss(scope.trace("When Mary and John went to the store")).plot()
    >>> figure.data[0].y.shape
    (9,)
    """
    colours = theme_of(theme)
    names = positions(result.tokens)
    figure = new_figure(colours, "Loss of each token", result.provenance, height=340)
    expected = token_labels(result.expected)
    hover = [
        f"{label} ({at})<br>loss {number(float(result.loss[at]), 5)} nats, probability {result.probability[at]:.4g}, "
        f"rank {result.rank[at]:,}<br>expected {expected[at]} {result.expected_probability[at]:.4g}"
        for at, label in enumerate(token_labels(result.tokens))
    ]
    figure.add_trace(
        go.Bar(
            x=names, y=result.loss, name="loss", marker={"color": colours.hues[0]}, hovertext=hover, hoverinfo="text"
        )
    )
    figure.add_trace(
        go.Scatter(
            x=names,
            y=result.entropy,
            name="entropy before it",
            mode="markers",
            marker={"symbol": "line-ew", "size": 14, "line": {"width": 2, "color": colours.hues[1]}},
            hovertemplate="%{x}<br>entropy %{y:.4g} nats<extra></extra>",
        )
    )
    mean = result.mean
    if mean == mean:
        reference(figure, colours, mean, f"mean {number(mean)}", across=True)
    figure.update_xaxes(**token_axis(result.tokens, "token"))
    figure.update_yaxes(title_text="nats", rangemode="tozero")
    return figure


def token_values(result: TokenValues, *, theme: ThemeName = "light") -> go.Figure:
    """Plot numbers of the tokens of a text, such as activations of neurons, a panel a column.

    Parameters
    ----------
    result : TokenValues
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        Bars, a panel a column.

    Examples
    --------
    >>> figure = scope.trace("When Mary and John went to the store").show(neuron=[(3, 10), (3, 11)]).plot()
    >>> [len(bars.y) for bars in figure.data]
    [9, 9]
    """
    colours, count = theme_of(theme), len(result.names)
    titles = [shortened(one, 80) for one in result.names]
    into = panels(colours, count, 1, titles, down=min(0.3 / count, 0.16), shared_xaxes=True)
    title = f"{titles[0]} of each token" if count == 1 else "Numbers of each token"
    figure = new_figure(colours, title, result.provenance, height=150 + 150 * count, into=into)
    names, labels = positions(result.tokens), token_labels(result.tokens)
    for row, (values, unit) in enumerate(zip(result.values, result.units, strict=True), 1):
        said = literal(f" {unit}" if unit else "")
        figure.add_trace(
            go.Bar(
                x=names,
                y=values,
                marker={"color": [colours.sign(value) for value in values.tolist()] if _crosses(values) else None},
                hovertext=[
                    f"{label} ({at})<br>{titles[row - 1]} {number(float(value), 5)}{said}"
                    for at, (label, value) in enumerate(zip(labels, values, strict=True))
                ],
                hoverinfo="text",
                showlegend=False,
            ),
            row=row,
            col=1,
        )
        figure.update_yaxes(title_text=said.strip() or "value", row=row, col=1)
        figure.update_xaxes(**token_axis(result.tokens, "token" if row == count else ""), row=row, col=1)
    return figure


def _crosses(values: Array) -> bool:
    return bool((values < 0).any())


def _component(result: Attribution, at: int) -> str:
    kind, layer, head = result.component[at], int(result.layer[at]), int(result.head[at])
    if head >= 0:
        return head_name(layer, head)
    short = {"mlp": f"m{layer}"}.get(kind, words(kind))
    return short if layer < 0 or kind == "mlp" else f"{short} {layer}"
