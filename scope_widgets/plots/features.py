"""Sparse autoencoders: training, measures, rates, labels, latents on two sets of prompts, probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from scope_widgets._provenance import Provenance
from scope_widgets.plots.drawing.dots import add_dots, add_joined, reference, rows_down
from scope_widgets.plots.drawing.labels import counted, number, shortened, words
from scope_widgets.plots.drawing.maps import rows_height
from scope_widgets.plots.drawing.theme import DASHES, SYMBOLS, ThemeName, new_figure, panels, theme_of

if TYPE_CHECKING:
    from scope_widgets.features.comparison.compare import FeatureComparison
    from scope_widgets.features.evaluation.scores import SAEScores
    from scope_widgets.features.feature_index.feature_index import FeatureIndex
    from scope_widgets.features.labelling.labels import FeatureLabels
    from scope_widgets.features.probing.sparse_probes import SparseProbes
    from scope_widgets.features.sae.sae import SAE

#: measures of an SAE of which 1 is the most, those that a reader looks at first
_SHARES = (
    "variance_explained",
    "fvu",
    "cosine",
    "norm_ratio",
    "ce_score_mean",
    "ce_score_zero",
    "kl_score_mean",
    "kl_score_zero",
    "dead_share",
)
#: a measure of training and its unit
_UNITS = {"loss": "loss", "l0": "latents a token", "dead": "share of latents", "validation_l0": "latents a token"}
#: more dots than this are drawn by WebGL
_MANY = 10_000


def training_curves(sae: SAE | Mapping[str, Sequence[float]], *, theme: ThemeName = "light") -> go.Figure:
    """Plot how the measures of an SAE's training went, a panel a measure.

    Parameters
    ----------
    sae : SAE, or mapping of str to sequence of float
        An SAE that was trained, or its `history`.
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        A line a measure over the steps.

    Raises
    ------
    ValueError
        Where there is no history: an SAE that was read from a file has none.

    Examples
    --------
    >>> sae = features.train(torch.randn(64, 16), layer=0, d_sae=32, k=4, steps=3, batch=32, progress=False)
    >>> len(plots.training_curves(sae).data) == len(sae.history) - 1
    True
    """
    history = sae if isinstance(sae, Mapping) else sae.history
    names = [name for name in history if name != "step"]
    if not names or "step" not in history:
        raise ValueError("This SAE has no history of its training: features.train returns one that has.")
    colours, cols = theme_of(theme), min(2, len(names))
    rows = -(-len(names) // cols)
    titles = [words(name) for name in names]
    model = "" if isinstance(sae, Mapping) else sae.model
    named = Provenance(model=model or "")
    figure = new_figure(
        colours,
        "Training of a sparse autoencoder",
        named,
        height=100 + 170 * rows,
        into=panels(colours, rows, cols, titles, across=0.12, down=0.3 / (rows + 1)),
    )
    for at, name in enumerate(names):
        figure.add_trace(
            go.Scatter(
                x=history["step"],
                y=history[name],
                mode="lines+markers",
                line={"color": colours.hues[0], "width": 1.5},
                marker={"size": 4},
                name=titles[at],
                showlegend=False,
                hovertemplate=f"step %{{x:,}}<br>{titles[at]} %{{y:.5g}}<extra></extra>",
            ),
            row=at // cols + 1,
            col=at % cols + 1,
        )
        where = {"row": at // cols + 1, "col": at % cols + 1}
        figure.update_yaxes(title_text=_UNITS.get(name, ""), rangemode="tozero", **where)
        figure.update_xaxes(title_text="step" if at >= len(names) - cols else "", **where)
    return figure


def sae_scores(result: SAEScores, *, theme: ThemeName = "light") -> go.Figure:
    """Plot measures of an SAE with their 95 % intervals beside random latents, and how often its latents fire.

    Parameters
    ----------
    result : SAEScores
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        Dots at the left; at the right how many latents fire on which share of the tokens.

    Examples
    --------
    >>> scores = features.evaluate(scope, features.load("demo"), ["Mary gave John a book", "the dog runs"])
    >>> int(scores.plot().data[-1].y.sum()) == int(scores.rates.sum())
    True
    """
    colours = theme_of(theme)
    names = [name for name in _SHARES if name in result.values]
    said = "; ".join(
        f"{words(name)} {number(result.values[name], 4)}" for name in ("nats_lost", "kl", "l0") if name in result.values
    )
    said += f"; {counted(result.n_tokens, 'token')} of {counted(result.n_documents, 'document')}"
    figure = new_figure(
        colours,
        "Measures of a sparse autoencoder",
        result.provenance,
        height=420,
        said=said,
        into=panels(colours, 1, 2, ["measures of which 1 is the most", "how often latents fire"], across=0.12),
    )
    kinds = (
        ("SAE, 95 % interval", result.values, "circle"),
        ("random latents", result.random, "x-thin-open"),
        ("SAE of a randomised model", result.randomised, "diamond-open"),
    )
    for at, (name, values, symbol) in enumerate(kinds):
        rows = [row for row, one in enumerate(names) if one in values]
        if not rows:
            continue
        numbers = np.array([values[names[row]] for row in rows])
        ends = [np.array([end.get(names[row], np.nan) for row in rows]) for end in (result.low, result.high)]
        hover = [
            f"{words(names[row])}<br>{name.partition(',')[0]} {value:.4g}"
            + (f", 95 % {low:.4g} to {high:.4g}" if at == 0 else "")
            for row, value, low, high in zip(rows, numbers, *ends, strict=True)
        ]
        low, high = ends if at == 0 else (None, None)
        hue = colours.hues[0] if at == 0 else colours.dim
        add_dots(figure, numbers, hue, hover, rows=rows, low=low, high=high, name=name, symbol=symbol, row=1, col=1)
    rows_down(figure, [words(name) for name in names], row=1, col=1)
    figure.update_xaxes(title_text="0 to 1", zeroline=True, row=1, col=1)
    edges = result.rates_edges
    figure.add_trace(
        go.Bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=result.rates,
            width=np.diff(edges),
            marker={"color": colours.hues[0], "line": {"width": 0}},
            hovertext=[
                f"{counted(int(count), 'latent')} fire on {10**low:.3g} to {10**high:.3g} of the tokens"
                for count, low, high in zip(result.rates, edges[:-1], edges[1:], strict=True)
            ],
            hoverinfo="text",
            showlegend=False,
        ),
        row=1,
        col=2,
    )
    powers = list(range(int(np.ceil(edges[-1])), int(np.floor(edges[0])) - 1, -2))
    figure.update_xaxes(
        title_text="share of tokens on which it fires",
        tickmode="array",
        tickvals=powers,
        ticktext=[f"10<sup>{power}</sup>".replace("-", "−") if power else "1" for power in powers],
        showgrid=False,
        row=1,
        col=2,
    )
    figure.update_yaxes(title_text="latents", row=1, col=2)
    figure.update_layout(bargap=0)
    return figure


def feature_rates(index: FeatureIndex, *, theme: ThemeName = "light") -> go.Figure:
    """Plot every latent of an index: on which share of tokens it fires, and how strongly at most.

    Parameters
    ----------
    index : FeatureIndex
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        A dot a latent that fires; dead ones are counted below the title.

    Examples
    --------
    >>> index = features.FeatureIndex.load("demo")
    >>> len(index.plot().data[0].x) == int((~index.table["dead"]).sum())
    True
    """
    colours, table, about = theme_of(theme), index.table, index.manifest
    alive = table[~table["dead"]]
    dead = len(table) - len(alive)
    said = f"{counted(len(table), 'latent')}, {dead:,} dead on {counted(about.n_tokens, 'token')}; "
    said += f"{words(about.site)} of layer {about.layer}"
    figure = new_figure(colours, "Latents", Provenance(model=about.model), height=420, said=said)
    labels = alive["label"] if "label" in alive else [""] * len(alive)
    draw = go.Scattergl if len(alive) > _MANY else go.Scatter
    figure.add_trace(
        draw(
            x=alive["rate"].to_numpy(float),
            y=alive["max"].to_numpy(float),
            customdata=alive["feature"].to_numpy(),
            mode="markers",
            marker={"size": 6, "opacity": 0.6, "color": colours.hues[0]},
            hovertext=[
                f"latent {feature}{': ' + shortened(label, 60) if label else ''}<br>fires on {rate:.4g} of the tokens"
                f"<br>mean {mean:.4g}, max {most:.4g}<br>{shortened(tokens, 80)}"
                for feature, label, rate, mean, most, tokens in zip(
                    alive["feature"],
                    labels,
                    alive["rate"],
                    alive["mean"],
                    alive["max"],
                    alive["top_tokens"],
                    strict=True,
                )
            ],
            hoverinfo="text",
            showlegend=False,
        )
    )
    figure.update_xaxes(title_text="share of tokens on which it fires (logarithmic)", type="log")
    figure.update_yaxes(title_text="largest activation", rangemode="tozero")
    return figure


def feature_comparison(result: FeatureComparison, *, n: int = 30, theme: ThemeName = "light") -> go.Figure:
    """Plot latents on clean and on corrupted prompts, the surest differences first.

    Parameters
    ----------
    result : FeatureComparison
    n : int, default 30
        How many latents.
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        Hollow dots on corrupted prompts, solid ones on clean ones; latents with q below .05 have a star.

    Examples
    --------
    >>> index = features.FeatureIndex.load("demo")
    >>> found = features.compare(index.with_model(scope), ["the dogs run", "the cats sleep"], ["the dog runs", "a cat"])
    >>> len(found.plot(n=5).data[1].x)
    5
    """
    colours, rows = theme_of(theme), range(min(n, len(result.feature)))
    labels = [f"{result.feature[at]}{' *' if result.q[at] < 0.05 else ''}" for at in rows]
    hover = [
        f"latent {result.feature[at]}<br>corrupted {result.corrupted[at]:.4g}, clean {result.clean[at]:.4g}"
        f"<br>p {result.p[at]:.3g}, q {result.q[at]:.3g}"
        for at in rows
    ]
    said = f"{counted(result.n_pairs, 'pair')}; * q below .05; the {len(labels)} surest of {len(result.feature):,}"
    figure = new_figure(
        colours,
        "Latents on clean and corrupted prompts",
        result.provenance,
        height=rows_height(len(labels), each=18, least=240),
        said=said,
    )
    add_joined(figure, colours, result.corrupted[:n], result.clean[:n], hover, ("corrupted", "clean"))
    rows_down(figure, labels, "latent")
    figure.update_xaxes(title_text="largest activation in a prompt, mean over prompts", rangemode="tozero")
    return figure


def feature_labels(result: FeatureLabels, *, n: int = 40, theme: ThemeName = "light") -> go.Figure:
    """Plot how well labels of latents say on which tokens they fire, beside the null of each.

    Parameters
    ----------
    result : FeatureLabels
    n : int, default 40
        How many latents, those with the best labels.
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        Dots with 95 % intervals, crosses for nulls; latents without a label are left out and counted.

    Examples
    --------
    >>> figure = features.FeatureIndex.load("demo").labels.plot(n=5)
    >>> len(figure.data[0].x)
    5
    """
    colours = theme_of(theme)
    order = np.argsort(-np.nan_to_num(result.fuzzing, nan=-1.0), kind="stable")
    labelled = result.labelled()
    known = [int(at) for at in order if np.isfinite(result.fuzzing[at]) and int(result.feature[at]) in labelled]
    shown = known[:n]
    labels = [f"{result.feature[at]} {shortened(result.label[at], 36)}" for at in shown]
    hover = [
        f"latent {result.feature[at]}: {shortened(result.label[at], 80)}<br>fuzzing {result.fuzzing[at]:.4g}, 95 % "
        f"{result.low[at]:.4g} to {result.high[at]:.4g}, null {result.null_fuzzing[at]:.4g}<br>detection "
        f"{result.detection[at]:.4g}, null {result.null_detection[at]:.4g}<br>q {result.q[at]:.3g}"
        for at in shown
    ]
    said = f"{len(shown)} of {counted(len(result), 'latent')}; {len(result) - len(known):,} have no label"
    figure = new_figure(
        colours,
        "Labels of latents",
        result.provenance,
        height=rows_height(len(shown), each=18, least=240),
        said=said,
    )
    add_dots(
        figure,
        result.fuzzing[shown],
        colours.hues[0],
        hover,
        low=result.low[shown],
        high=result.high[shown],
        name="fuzzing, 95 % interval",
    )
    add_dots(figure, result.null_fuzzing[shown], colours.dim, hover, name="null", symbol="x-thin-open")
    rows_down(figure, labels, "latent")
    reference(figure, colours, 0.5, "")
    figure.update_xaxes(title_text="balanced accuracy on held-out passages (0.5: chance)")
    return figure


def sparse_probes(result: SparseProbes, *, theme: ThemeName = "light") -> go.Figure:
    """Plot the accuracy of probes on k latents, beside random latents, a dense probe and the larger class.

    Parameters
    ----------
    result : SparseProbes
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        A line a kind of probe with 95 % intervals over k, which is logarithmic.

    Examples
    --------
    >>> texts = [f"the {animal} {verb}" for verb in ("runs", "sleeps") for animal in ("dog", "cat", "horse", "bird")]
    >>> found = features.probe(scope, features.load("demo"), texts, [0] * 4 + [1] * 4, k=[1, 2])
    >>> [one.name for one in found.plot().data]
    ['latents', 'random latents', 'dense']
    """
    colours = theme_of(theme)
    said = f"“{shortened(result.classes[1])}” against “{shortened(result.classes[0])}”, {counted(result.n, 'text')}"
    figure = new_figure(colours, "Probes on latents", result.provenance, height=380, said=said)
    kinds = np.array(result.probe)
    for at, kind in enumerate(dict.fromkeys(result.probe)):
        rows = np.flatnonzero(kinds == kind)
        hue = colours.hues[at % len(colours.hues)]
        figure.add_trace(
            go.Scatter(
                x=result.k[rows],
                y=result.accuracy[rows],
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": result.high[rows] - result.accuracy[rows],
                    "arrayminus": result.accuracy[rows] - result.low[rows],
                    "thickness": 1.2,
                    "width": 0,
                },
                mode="lines+markers",
                name=shortened(kind),
                line={"color": hue, "dash": DASHES[at % len(DASHES)]},
                marker={"symbol": SYMBOLS[at % len(SYMBOLS)], "size": 8},
                hovertext=[
                    f"{shortened(kind)}, k {result.k[row]:,}<br>accuracy {result.accuracy[row]:.4g}, 95 % "
                    f"{result.low[row]:.4g} to {result.high[row]:.4g}"
                    + (
                        f"<br>latents {shortened(', '.join(map(str, result.latents[row])), 60)}"
                        if result.latents[row]
                        else ""
                    )
                    for row in rows
                ],
                hoverinfo="text",
            )
        )
    reference(figure, colours, result.larger_class, "the larger class", across=True)
    figure.update_xaxes(
        title_text="k: how many numbers the probe reads (logarithmic)",
        type="log",
        tickvals=sorted(set(result.k.tolist())),
    )
    figure.update_yaxes(title_text="accuracy on held-out texts")
    return figure
