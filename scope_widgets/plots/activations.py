"""Activations of traces: norms by layer and position, statistics by layer of one trace or several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import plotly.graph_objects as go

from scope_widgets._check_choice import check_choice
from scope_widgets.experiments.trace_model import check_trace
from scope_widgets.plots.drawing.labels import counted, literal, sentence, shortened, words
from scope_widgets.plots.drawing.maps import add_map, colour_axis, number_axis, positions, rows_height, token_axis
from scope_widgets.plots.drawing.theme import DASHES, SYMBOLS, ThemeName, new_figure, theme_of

if TYPE_CHECKING:
    from scope_widgets.traces.trace import Trace

#: what is known of the activations of a layer
Statistic: TypeAlias = Literal["mean_norm", "mean", "std", "min", "max"]


def token_norms(trace: Trace, *, theme: ThemeName = "light") -> go.Figure:
    """Plot the norm of the residual stream at each layer and position, on a logarithmic scale.

    Parameters
    ----------
    trace : Trace
        Of one prompt, with "residual".
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        A map `[layer, position]` of log10 norms, the deepest layer on top; `customdata` are the norms.

    Raises
    ------
    ValueError
        For several prompts.
    NotCapturedError
        When the trace did not record the residual stream.

    Examples
    --------
    >>> plots.token_norms(scope.trace("When Mary and John went to the store")).data[0].z.shape
    (5, 9)
    """
    check_trace(trace)
    if trace.batched:
        raise ValueError(f"Norms are plotted of one prompt and the trace has {len(trace)}: choose one with trace[i].")
    colours = theme_of(theme)
    norms = np.stack([trace.token_norms(layer).cpu().numpy() for layer in range(trace.n_layers + 1)]).astype(float)
    logs = np.log10(np.where(norms > 0, norms, np.nan))
    finite = logs[np.isfinite(logs)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    ticks = [float(one) for one in np.linspace(low, high, 5)]
    figure = new_figure(
        colours, "Norm of the residual stream", trace.provenance, height=rows_height(len(norms), each=26)
    )
    axis = colour_axis(
        figure,
        colours,
        (low - 0.1 * (high - low), high if high > low else low + 1),  # the least norm is no zero: it has a colour
        "norm (logarithmic)",
        signed=False,
        bar={"tickmode": "array", "tickvals": ticks, "ticktext": [f"{10**one:.3g}" for one in ticks]},
    )
    hover = "entering layer %{y}, %{x} (%{pointNumber[1]})<br>norm %{customdata:.5g}"
    add_map(
        figure,
        colours,
        logs,
        axis,
        hover,
        x=positions(trace.tokens),
        customdata=norms,
        not_run=np.isnan(norms),
    )
    figure.update_xaxes(**token_axis(trace.tokens, "position"))
    figure.update_yaxes(**number_axis(len(norms), "layer that it enters"))
    return figure


def activation_statistics(
    traces: Trace | Mapping[str, Trace],
    *,
    site: str = "residual",
    statistic: Statistic = "mean_norm",
    theme: ThemeName = "light",
) -> go.Figure:
    """Plot a statistic of activations by layer, of one trace or of several beside each other.

    Parameters
    ----------
    traces : Trace, or mapping of name to Trace
    site : str, default "residual"
        Any quantity that was recorded but attention.
    statistic : {"mean_norm", "mean", "std", "min", "max"}, default "mean_norm"
        Of `trace.activation_statistics`; the mean is shown with its standard deviation.
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        A line a trace.

    Raises
    ------
    ValueError
        For attention, an unknown statistic, or no trace.
    NotCapturedError
        When the quantity was not recorded.

    Examples
    --------
    >>> clean, corrupted = (scope.trace(f"{name} gave a drink to") for name in ("John", "Mary"))
    >>> figure = plots.activation_statistics({"clean": clean, "corrupted": corrupted}, site="mlp_out")
    >>> [one.name for one in figure.data]
    ['clean', 'corrupted']
    """
    check_choice("statistic", statistic, Statistic)
    for one in traces.values() if isinstance(traces, Mapping) else (traces,):
        check_trace(one)
    named = traces if isinstance(traces, Mapping) else {traces.model_id: traces}
    if not named:
        raise ValueError("There is no trace to plot: give one, or a dict of names and traces.")
    colours, first = theme_of(theme), next(iter(named.values()))
    what = {"std": "standard deviation", "mean_norm": "mean norm"}.get(statistic, statistic)
    title = f"{sentence(site)}: {what} by layer"
    said = "" if len(named) == 1 else counted(len(named), "trace")
    figure = new_figure(colours, title, first.provenance, height=380, said=said)
    for at, (name, trace) in enumerate(named.items()):
        table = trace.activation_statistics(site)
        hue = colours.hues[at % len(colours.hues)]
        spread = {"type": "data", "array": table["std"].to_numpy(float), "thickness": 1, "width": 0}
        figure.add_trace(
            go.Scatter(
                x=table["layer"].to_numpy(),
                y=table[statistic].to_numpy(float),
                error_y=spread if statistic == "mean" else None,
                mode="lines+markers",
                name=shortened(name),
                showlegend=len(named) > 1,
                line={"color": hue, "dash": DASHES[at % len(DASHES)]},
                marker={"symbol": SYMBOLS[at % len(SYMBOLS)], "size": 7},
                hovertext=[
                    f"{shortened(name)}, layer {row.layer}<br>{what} {getattr(row, statistic):.5g}<br>"
                    f"mean {row.mean:.4g}, standard deviation {row.std:.4g}<br>"
                    f"{row.min:.4g} to {row.max:.4g}, mean norm {row.mean_norm:.4g}"
                    for row in table.itertuples(index=False)
                ],
                hoverinfo="text",
            )
        )
    figure.update_xaxes(title_text="layer", dtick=1 if first.n_layers <= 32 else None)
    figure.update_yaxes(
        title_text=f"{literal(what)} of {words(site)}" + (" ± standard deviation" if statistic == "mean" else "")
    )
    return figure
