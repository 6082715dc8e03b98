"""Small charts of results that have no view: a circuit's curve, a strength sweep, an ablation, evaluations, probes."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from html import escape
from math import log1p
from typing import ClassVar, Generic, TypeVar

import numpy as np

from scope_widgets._chart import Charted
from scope_widgets.circuits.evaluation.faithfulness_curve import Curve
from scope_widgets.evals.comparison import Comparison
from scope_widgets.patching.ablation.result import Ablation
from scope_widgets.probing.probes import Probes
from scope_widgets.steering.strength_sweep import StrengthSweep
from scope_widgets.widgets.core.drawing.figure_files import FigureFiles
from scope_widgets.widgets.core.drawing.plot import Axis, Plot, gutter_of, round_axis
from scope_widgets.widgets.core.drawing.svg_sheet import DIM, INK, LINE, Paper
from scope_widgets.widgets.core.still import STILL_FACTOR
from scope_widgets.widgets.figures.captions import counted, number, origin

R = TypeVar("R", bound=Charted)

#: points across in a notebook, where a pixel is 7/11 of one: it fits beside the prompt of a narrow cell
_WIDTH = 286.0
_HEIGHT, _LOW_HEIGHT = 104.0, 62.0
#: the second line of a plot: a blue that both grounds bear
_OTHER = "#3f7fc4"
_METRICS = {
    "logit_difference": "logit difference, in logits",
    "logit": "logit of the answer",
    "probability": "probability of the answer",
    "log_probability": "log probability of the answer, in nats",
    "kl": "KL divergence, in nats",
}
#: an <img> follows `color-scheme`, which these hosts do not set beside their own marks of a dark page
_DARK_HOSTS = (
    '<style>:is(body[data-jp-theme-light="false"],body.vscode-dark,.dark) .sw-chart{color-scheme:dark}'
    ':is(body[data-jp-theme-light="true"],body.vscode-light,.light) .sw-chart{color-scheme:light}</style>'
)
_COLOURS = {"#fff": "#111317", INK: "#e4e6ea", DIM: "#9aa0a8", LINE: "#33373e", _OTHER: "#7fb2ea"}
_IN_THE_DARK = "<style>@media (prefers-color-scheme:dark){{{}}}</style>".format(
    "svg{fill:#e4e6ea}"
    + "".join(f'[{of}="{light}"]{{{of}:{dark}}}' for light, dark in _COLOURS.items() for of in ("fill", "stroke"))
)


class Chart(FigureFiles, Generic[R]):
    """A chart of a result: drawn for papers, and in a notebook in the colours of its page."""

    what: ClassVar[str]

    def __init__(self, result: R) -> None:
        self.result = result
        self.title = f"{self.what}, {result.provenance.model}"

    def draw(self, paper: Paper, *, whole: bool = True) -> None:
        """Draw the result below what stands on a sheet."""
        raise NotImplementedError

    def caption(self) -> str:
        """Say what is shown, of what, in which units."""
        raise NotImplementedError

    def to_html(self) -> str:
        """Return a picture that is dark on a dark page, without scripts."""
        paper = Paper(_WIDTH)
        self.draw(paper)
        start, ground, rest = paper.svg("px", STILL_FACTOR).partition("<rect ")
        source = b64encode(f"{start}{_IN_THE_DARK}{ground}{rest}".encode()).decode()
        title = escape(self.title)
        return (
            f'{_DARK_HOSTS}<figure style="margin:8px 0;max-width:456px"><div style="font-weight:600">{title}</div>'
            f'<img class="sw-chart" alt="{title}" src="data:image/svg+xml;base64,{source}" '
            'style="display:block;max-width:100%;margin:4px 0">'
            '<figcaption style="font-size:11px;line-height:15px;opacity:.75;overflow-wrap:anywhere">'
            f"{escape(self.caption())}</figcaption></figure>"
        )


class CurveChart(Chart[Curve]):
    """Faithfulness against the number of edges, with its interval and random circuits of as many."""

    what = "Faithfulness of a circuit against its number of edges"
    #: outliers of random circuits would flatten the rest
    _LEAST, _MOST = -1.0, 2.0

    def draw(self, paper: Paper, *, whole: bool = True) -> None:
        """Draw the line, its band and the random circuits."""
        curve = self.result
        lines = [curve.faithfulness, curve.low, curve.high, *curve.random]
        finite = np.concatenate([np.ravel(line)[np.isfinite(line)] for line in lines])
        ends = np.clip([finite.min(initial=0), finite.max(initial=1)], self._LEAST, self._MOST)
        up = round_axis("faithfulness", ends, 0.0, 1.0)
        most = int(curve.n_edges.max())
        powers = [10**power for power in range(len(str(most)))]
        room = [one for one in powers if log1p(one) < 0.86 * log1p(most)]
        ticks = [(float(n), f"{n:,}") for n in (0, *room, most)]
        ends_of_metric = [(0.0, number(curve.empty)), (1.0, number(curve.full))]
        right = [(at, text) for at, text in ends_of_metric if text != "–"]
        across = Axis("edges kept (logarithmic)", 0, most, ticks, log1p)
        plot = Plot(paper, across, up, _HEIGHT, right, "mean metric" if right else "")
        n = curve.n_edges.astype(float)
        plot.band(n, curve.low, curve.high)
        for draw in curve.random:
            plot.line(n, draw, DIM, 0.8, "2 2")
        plot.line(n, curve.faithfulness, INK, 1.2)
        plot.dots(n, curve.faithfulness)
        keys = [
            (_line(INK, 1.2), "edges of the largest scores"),
            (f'<rect y="1" width="8" height="6" fill="{INK}" fill-opacity=".15"/>', "95 % interval"),
        ]
        if len(curve.random):
            draws = counted(len(curve.random), "draw")
            keys.append((_line(DIM, 0.8, "2 2"), f"random circuits of as many edges, {draws}"))
        paper.keys(keys)
        beyond = int(((finite < up.low) | (finite > up.high)).sum())
        if beyond:
            paper.paragraph(f"{counted(beyond, 'value')} beyond the axis, drawn at its end.", fill=DIM)
        if curve.message:
            paper.paragraph(curve.message, fill=DIM)

    def caption(self) -> str:
        """Say what faithfulness is of, on which pairs, and both of MIB's measures."""
        curve = self.result
        return (
            f"Faithfulness is (metric of the circuit − of no edges) / (of the whole model − of no edges), means over "
            f"{curve.pairs or 'the pairs'}; the whole model {number(curve.full)}, no edges {number(curve.empty)}. "
            f"Shaded: 95 % interval, bootstrap over the pairs. CPR {number(curve.cpr)}, CMD {number(curve.cmd)}. "
            f"Ablation: {curve.ablation.rstrip('.')}. Model {curve.provenance.model}, "
            f"seed {curve.provenance.seed}."
        )


class StrengthChart(Chart[StrengthSweep]):
    """What a slider does: divergence and loss, and below them the logit difference."""

    what = "What an intervention does at each strength"

    def draw(self, paper: Paper, *, whole: bool = True) -> None:
        """Draw two plots over one axis of strengths; the second where answers were given."""
        sweep = self.result
        across = round_axis(f"strength of “{sweep.what}”", sweep.strengths)
        nats = round_axis("nats", np.concatenate([sweep.kl, sweep.loss]), 0.0, sweep.limit)
        known = np.isfinite(sweep.difference).any()
        up = round_axis("logit difference", sweep.difference, 0.0)
        gutter = max(gutter_of(nats), gutter_of(up) if known else 0)
        first = Plot(paper, replace(across, name="") if known else across, nats, _LOW_HEIGHT, gutter=gutter)
        self._fluent(first)
        first.line(np.array([across.low, across.high]), np.full(2, sweep.limit), DIM, 0.6, "1.5 1.5")
        for values, colour in ((sweep.kl, INK), (sweep.loss, _OTHER)):
            first.line(sweep.strengths, values, colour, 1.1)
            first.dots(sweep.strengths, values, colour, 1.3)
        if known:
            second = Plot(paper, across, up, _LOW_HEIGHT, gutter=gutter)
            self._fluent(second)
            second.line(sweep.strengths, sweep.difference, INK, 1.1)
            second.dots(sweep.strengths, sweep.difference, INK, 1.3)
        keys = [
            (_line(INK, 1.1), "KL of the next token" + (", logit difference" if known else "")),
            (_line(_OTHER, 1.1), "rise of the loss, a token"),
            (_line(DIM, 0.6, "1.5 1.5"), f"limit of the loss, {number(sweep.limit)}"),
        ]
        if sweep.fluent:
            keys.append((f'<rect width="8" height="8" fill="{_OTHER}" fill-opacity=".12"/>', "fluent"))
        if np.isfinite(sweep.neutral):
            keys.append((f'<path d="M4 0v8" stroke="{DIM}" stroke-width=".5"/>', "does nothing"))
        paper.keys(keys)

    def _fluent(self, plot: Plot) -> None:
        if self.result.fluent:
            plot.between(*self.result.fluent, _OTHER)
        if np.isfinite(self.result.neutral):
            plot.upright(self.result.neutral)

    def caption(self) -> str:
        """Say what was moved, on which prompt, and what fluent means."""
        sweep = self.result
        fluent = "nowhere" if sweep.fluent is None else "from {} to {}".format(*map(number, sweep.fluent))
        text = " ".join(sweep.continuation.split())
        return (
            f"“{sweep.what}” at {len(sweep.strengths)} strengths, other interventions held; one prompt, so without "
            f"interval. Fluent {fluent}: the loss on the unsteered continuation “{text}” "
            f"rises by {number(sweep.limit)} nats a token at most, a convention. "
            f"{origin(sweep.provenance.model, sweep.provenance.prompts)}"
        )


class AblationChart(Chart[Ablation]):
    """The metric of each prompt before and after, and their means."""

    what = "A metric before and after an ablation"

    def draw(self, paper: Paper, *, whole: bool = True) -> None:
        """Draw a line a prompt from before to after, and a thick one of the means."""
        done = self.result
        up = round_axis(_METRICS.get(done.metric, done.metric.replace("_", " ")), [done.before, done.after], 0.0)
        plot = Plot(paper, Axis("", -0.25, 1.25, [(0.0, "before"), (1.0, "after")]), up, _HEIGHT)
        ends = np.array([0.0, 1.0])
        for before, after in zip(done.before.tolist(), done.after.tolist(), strict=True):
            plot.line(ends, np.array([before, after]), DIM, 0.5)
            plot.dots(ends, np.array([before, after]), DIM, 1.2)
        means = np.array([done.before.mean(), done.after.mean()])
        plot.line(ends, means, INK, 1.8)
        plot.dots(ends, means, INK, 2.2)
        paper.keys(
            [
                (_line(INK, 1.8), f"mean, {number(means[0])} → {number(means[1])}"),
                (_line(DIM, 0.5), f"each of {counted(len(done.before), 'prompt')}"),
            ]
        )

    def caption(self) -> str:
        """Say what was taken out, what is lost, and of which prompts."""
        done = self.result
        before, after = (number(float(values.mean())) for values in (done.before, done.after))
        lost = f"The mean goes from {before} to {after}"
        if 0 <= done.lost <= 1:
            lost += f": {done.lost:.0%} of it is lost"
        loss = done.loss[np.isfinite(done.loss)]
        more = f", the loss on the prompts rises by {number(float(loss.mean()))} nats a token" if len(loss) else ""
        return (
            f"Taken out: {done.what.rstrip('.')}. {lost}. KL divergence of the next token "
            f"{number(float(done.kl.mean()))} nats on average{more}. "
            f"{origin(done.provenance.model, done.provenance.prompts)}"
        )


class ForestChart(Chart[Comparison]):
    """The difference of each metric with its interval, in units of the difference that would matter."""

    what = "Evaluations before and after an intervention"
    #: metrics have bounds of their own; what is far beyond stands at the end of the axis
    _MOST = 4.0
    _ROW = 9.0

    def draw(self, paper: Paper, *, whole: bool = True) -> None:
        """Draw a line a metric, from one end of its interval to the other, and a dot at the difference."""
        done = self.result
        in_bounds = np.stack([done.low, done.difference, done.high]) / done.bound
        known = np.abs(in_bounds[np.isfinite(in_bounds)])
        end = min(self._MOST, max(1.5, float(known.max(initial=0.0))))
        n = len(done.names)
        up = Axis("", -0.7, n - 0.3, [(float(n - 1 - i), name) for i, name in enumerate(done.names)])
        across = round_axis("difference, in bounds that would matter", np.array([-end, end]), 0.0)
        plot = Plot(paper, across, up, self._ROW * max(n, 1))
        plot.between(-1.0, 1.0, _OTHER)
        plot.upright(0.0)
        for i, verdict in enumerate(done.verdicts):
            at, colour = np.array([float(n - 1 - i)]), DIM if verdict == "not shown" else INK
            low, middle, high = (np.clip(in_bounds[part, i : i + 1], -end, end) for part in range(3))
            if np.isfinite([low, high]).all():  # one cluster alone has no interval
                plot.line(np.concatenate([low, high]), at.repeat(2), colour, 1.6 if verdict == "changed" else 0.8)
            plot.dots(middle, at, colour, 2.4 if verdict == "changed" else 1.6)
        paper.keys(
            [
                (_line(INK, 1.6), "changed"),
                (_line(INK, 0.8), "kept"),
                (_line(DIM, 0.8), "neither shown"),
                (f'<rect width="8" height="8" fill="{_OTHER}" fill-opacity=".12"/>', "too little to matter"),
            ]
        )
        beyond = int((known > end).sum())
        if beyond:
            paper.paragraph(f"{counted(beyond, 'value')} beyond the axis, drawn at its end.", fill=DIM)

    def caption(self) -> str:
        """Say what was changed, what is in units of what, and how verdicts are made."""
        done = self.result
        bounds = ", ".join(
            f"{name} {number(bound)}" for name, bound in zip(done.names, done.bound.tolist(), strict=True)
        )
        return (
            f"Intervention: {done.what}. After minus before on the same items, with 95 % intervals (BCa, clusters "
            f"drawn), each in units of the difference that would matter: {bounds}. Changed: Holm-corrected p below "
            f"{done.alpha:g}; kept: a smaller difference than that shown by two one-sided tests. Model "
            f"{done.provenance.model}, seed {done.provenance.seed}."
        )


class ProbesChart(Chart[Probes]):
    """The AUC of each layer's probe with its interval, beside permuted labels, the control task and the words alone."""

    what = "What a linear reader of each layer finds"

    def draw(self, paper: Paper, *, whole: bool = True) -> None:
        """Draw the line of AUCs, its band and that of permuted labels."""
        done = self.result
        layers = done.layer.astype(float)
        low, high = np.percentile(done.null, [5, 95], axis=1)
        beside = [done.control, np.array([done.tokens, done.embedding])]
        known = np.concatenate([done.low, done.high, low, high, *(one[np.isfinite(one)] for one in beside)])
        up = round_axis("AUC on held-out prompts", known, 0.5, 1.0)
        ends = float(layers.min()), float(layers.max())
        across = Axis(
            "layer", ends[0] - 0.3, ends[1] + 0.3, [(float(one), f"{one}") for one in _some(done.layer.tolist())]
        )
        plot = Plot(paper, across, up, _HEIGHT)
        plot.band(layers, low, high)
        wide = np.array([across.low, across.high])
        for value, dashes in ((done.tokens, "4 2"), (done.embedding, "1 2")):
            if np.isfinite(value):
                plot.line(wide, np.full(2, value), DIM, 0.8, dashes)
        if np.isfinite(done.control).any():
            plot.line(layers, done.control, _OTHER, 0.9)
        plot.line(layers, done.auc, INK, 1.2)
        for at, bottom, top in zip(layers.tolist(), done.low.tolist(), done.high.tolist(), strict=True):
            plot.line(np.full(2, at), np.array([bottom, top]), INK, 0.6)
        plot.dots(layers, done.auc)
        keys = [
            (_line(INK, 1.2), "probe, 95 % interval"),
            (f'<rect y="1" width="8" height="6" fill="{INK}" fill-opacity=".15"/>', "permuted labels, 5 to 95 %"),
            (_line(_OTHER, 0.9), "control task"),
            (_line(DIM, 0.8, "4 2"), f"words alone, {number(done.tokens)}"),
            (_line(DIM, 0.8, "1 2"), f"layer 0, {number(done.embedding)}"),
        ]
        shown = [
            True,
            True,
            bool(np.isfinite(done.control).any()),
            done.tokens == done.tokens,
            done.embedding == done.embedding,
        ]
        paper.keys([key for key, is_shown in zip(keys, shown, strict=True) if is_shown])

    def caption(self) -> str:
        """Say what was found, and on how many texts."""
        done = self.result
        return (
            f"{done.text()}. {counted(done.n, 'text')} held out, of {counted(done.n_groups, 'group')}, "
            f"{counted(done.n_fitted, 'text')} fitted; {done.null.shape[1]} permutations. Model "
            f"{done.provenance.model}, seed {done.provenance.seed}."
        )


def _some(layers: list[int]) -> list[int]:
    """Return as many of the layers as an axis has room for."""
    step = -(-len(layers) // 14)
    return layers[::step]


def _line(stroke: str, width: float, dashes: str = "") -> str:
    extra = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<path d="M0 4h8" stroke="{stroke}" stroke-width="{width:g}"{extra}/>'
