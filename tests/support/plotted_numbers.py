"""What the figure of each class of results draws, beside the result's own numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def drawn(figure: Any, axis: str) -> Any:
    """Return what all traces of a figure have on one axis, one after the other, without gaps of lines."""
    return np.concatenate([np.ravel(np.asarray(getattr(one, axis), dtype=float)) for one in figure.data])


def cells(figure: Any, number: int = 0) -> Any:
    return np.asarray(figure.data[number].z, dtype=float)


def below_diagonal(values: Any) -> Any:
    """Return patterns without keys after their query, where nothing is."""
    return np.where(np.triu(np.ones(values.shape[-2:], bool), 1), np.nan, values)


def sorted_by_size(values: Any) -> Any:
    return values[np.argsort(-np.abs(values), kind="stable")]


#: class -> (what is drawn, what the result says), of its plot() without arguments
NUMBERS: dict[str, Callable[[Any, Any], list[tuple[Any, Any]]]] = {
    "Ablation": lambda f, r: [
        (np.array([one.y for one in f.data[:-1]]), np.stack([r.before, r.after], 1)),
        (f.data[-1].y, [r.before.mean(), r.after.mean()]),
    ],
    "ActivationStatistics": lambda f, r: [
        (np.sort(drawn(f, "x")), np.sort(r.mean)),
        (np.sort(drawn(f, "y")), np.sort(r.deviation)),
    ],
    "Architecture": lambda f, r: [(len(f.data[0].cells["values"][0]), len(r.facts))],
    "AttentionEntropy": lambda f, r: [(cells(f), r.values)],
    "AttentionRollout": lambda f, r: [(cells(f, -1), below_diagonal(r.values))],
    "AttributionGraph": lambda f, r: [
        (np.sort(_scores(f, r, 100)), np.sort(np.float64(r.to_dataframe()["weight"].head(100)))),
    ],
    "Attribution": lambda f, r: [
        (sum(len(one.x) for one in f.data), len(r.contribution)),
        (np.sort(drawn(f, "y")), np.sort(r.contribution)),
        (_placed(f), r.contribution),
    ],
    "CausalTest": lambda f, r: [
        (f.data[0].x, [r.effect]),
        *_ends(f.data[0], [r.low], [r.high]),
        (f.data[1].x, r.random),
        (f.data[2].x, r.data),
    ],
    "Circuit": lambda f, r: [(np.sort(_scores(f, r, 200)), np.sort(r.scores[r.included]))],
    "Clusters": lambda f, r: [(one.y, r_) for one, r_ in zip(f.data, (r.silhouettes, r.stability, r.gap), strict=True)],
    "Comparison": lambda f, r: [(np.sort(drawn(f, "x")), np.sort(r.difference / r.bound))],
    "Completeness": lambda f, r: [(f.data[1].x, r.model), (f.data[2].x, r.circuit)],
    "CompositionScores": lambda f, r: [(cells(f), r.values.reshape(16, 16))],
    "Curve": lambda f, r: [
        (f.data[-1].y, r.faithfulness),
        (f.data[-1].x, r.n_edges),
        (f.data[1].y, r.random[0]),
        (f.data[0].y, np.concatenate([r.high, r.low[::-1]])),
    ],
    "Dimension": lambda f, r: [(np.sort(drawn(f, "y")), np.sort(r.curve_value))],
    "Direction": lambda f, r: [(f.data[0].y, r.vector)],
    "EdgePositions": lambda f, r: [(cells(f), r.by_position[np.argsort(-np.abs(r.scores), kind="stable")])],
    "Documentation": lambda f, r: [(len(f.data[0].cells["values"][0]), len(r.entries))],
    "EvalResult": lambda f, r: [
        (np.sort(np.concatenate([one.x for one in f.data if one.error_x.array is not None])), np.sort(_values(r))),
    ],
    "FactEffect": lambda f, r: [(f.data[1].x, r.before), (f.data[2].x, r.after)],
    "Faithfulness": lambda f, r: [
        (f.data[0].x, [r.value]),
        *_ends(f.data[0], [r.low], [r.high]),
        (f.data[1].x, r.random),
    ],
    "FeatureComparison": lambda f, r: [(f.data[1].x, r.corrupted), (f.data[2].x, r.clean)],
    "FeatureLabels": lambda f, r: [(len(f.data[0].x), len(r.labelled()))],
    "GeometrySummary": lambda f, r: [
        (f.data[0].y, r.value),
        (f.data[5].y, [one.statistics.norm[0] for one in r.layers]),
    ],
    "HeadAblation": lambda f, r: [(f.data[0].x, [r.lost]), (f.data[1].x, r.lost_at_random)],
    "HeadComparison": lambda f, r: [(np.sort(drawn(f, "x")), np.sort(r.effect)), *_rows_of_heads(f, r)],
    "HeadLabels": lambda f, r: [(np.sort(drawn(f, "x")), np.sort(np.concatenate([r.score, r.threshold])))],
    "HeadScores": lambda f, r: [(np.asarray(one.x), r[one.name.replace(" ", "_")].ravel()) for one in f.data],
    "HeadTokens": lambda f, r: [(f.data[0].x, np.concatenate([r.up[0], r.down[0][::-1]]))],
    "IOIResult": lambda f, r: [
        (drawn(f, "x"), r.effect),
        *_ends(f.data[0], r.low[: len(f.data[0].x)], r.high[: len(f.data[0].x)]),
    ],
    "LatentFaithfulness": lambda f, r: [
        (f.data[0].x, r.value),
        *_ends(f.data[0], r.low, r.high),
        (f.data[1].x, r.random.ravel()),
    ],
    "LogitLens": lambda f, r: [
        (cells(f), r.top_probabilities[..., 0]),
        (f.data[0].text[0][1] == r.text(r.top_ids[0, 1, 0]), True),
    ],
    "Minimality": lambda f, r: [(f.data[0].y, np.sort(r.change)[::-1])],
    "NeuronAttribution": lambda f, r: [(f.data[0].x, r.activation), (f.data[0].y, r.contribution)],
    "PatchingResult": lambda f, r: [(cells(f), r.values.reshape(16, -1))],
    "Probes": lambda f, r: [
        (f.data[-1].y, r.auc),
        (f.data[0].y, np.concatenate([np.percentile(r.null, 95, axis=1), np.percentile(r.null, 5, axis=1)[::-1]])),
        (f.data[1].y, r.control),
    ],
    "Projection": lambda f, r: [
        (f.data[0].x, r.coordinates[:, 0]),
        (f.data[0].y, r.coordinates[:, 1]),
        (f.data[0].marker.color, r.norms),
    ],
    "RecallHeads": lambda f, r: [(np.sort(drawn(f, "x")), np.sort(r.effect)), *_rows_of_heads(f, r)],
    "ReferenceComparison": lambda f, r: [
        (one.x, values) for one, values in zip(f.data, (r.precision, r.recall, r.f1), strict=True)
    ],
    "SAEScores": lambda f, r: [(f.data[-1].y, r.rates), (f.data[0].x[1], r.fvu), (f.data[1].x[1], r.random["fvu"])],
    "SparseProbes": lambda f, r: [(drawn(f, "y"), r.accuracy), (drawn(f, "x"), r.k)],
    "Spectrum": lambda f, r: [
        (f.data[1].y, np.cumsum(r.variances)[: len(f.data[1].y)] / r.variances.sum()),
        (f.data[0].y, np.where(r.variances > 0, r.variances, np.nan)[: len(f.data[0].y)] / r.variances.sum()),
    ],
    "Steered": lambda f, r: [
        (f.data[1].x, r.to_dataframe()["unsteered"]),
        (f.data[2].x, r.to_dataframe()["probability"]),
    ],
    "StrengthSweep": lambda f, r: [
        (one.y, values) for one, values in zip(f.data, (r.kl, r.loss, r.difference), strict=True)
    ],
    "SubjectAttention": lambda f, r: [(cells(f), r["subject_attention"])],
    "TokenLoss": lambda f, r: [(f.data[0].y, r.loss), (f.data[1].y, r.entropy)],
    "TokenValues": lambda f, r: [(one.y, values) for one, values in zip(f.data, r.values, strict=True)],
    "TopAttended": lambda f, r: [
        (cells(f), r.weights[..., 0]),
        (f.data[0].text[1][-1] == r.tokens[r.positions[1, -1, 0]], True),
    ],
    "TransparencyScore": lambda f, r: [(f.data[0].x, [one.value for one in r.behaviours])],
    "ValueWeightedAttention": lambda f, r: [(cells(f), below_diagonal(r.values[0]))],
}


def check_plot(name: str, result: Any) -> None:
    """Raise where a result's figure draws other numbers than it has, or says nothing of what they are."""
    figure = result.plot()
    assert figure.data
    assert figure.layout.title.text
    assert figure.to_json()
    for what, expected in NUMBERS[name](figure, result) if name in NUMBERS else []:
        np.testing.assert_allclose(
            np.asarray(what, dtype=float), np.asarray(expected, dtype=float), rtol=1e-6, atol=1e-12, err_msg=name
        )
    dark = result.plot(theme="dark")
    assert dark.layout.template.layout.paper_bgcolor != figure.layout.template.layout.paper_bgcolor
    assert len(dark.data) == len(figure.data)


def _values(result: Any) -> Any:
    return np.array([one.value for one in result.tasks])


def _ends(trace: Any, low: Any, high: Any) -> list[tuple[Any, Any]]:
    return [
        (np.asarray(trace.x) - np.asarray(trace.error_x.arrayminus), low),
        (np.asarray(trace.x) + np.asarray(trace.error_x.array), high),
    ]


def _scores(figure: Any, result: Any, n: int) -> Any:
    """Return the score of each edge that is drawn: an edge is a curve of points that are no number, and then none."""
    lines = [one for one in figure.data if one.mode == "lines"]
    found = []
    for one in lines:
        starts = np.flatnonzero(np.isnan(np.asarray(one.x, dtype=float)))
        found += np.asarray(one.customdata, dtype=float)[starts].tolist()
    return np.array(found)


def _placed(figure: Any) -> Any:
    """Return the bars of a figure in the order of their categories."""
    pairs = [(int(x), y) for one in figure.data for x, y in zip(one.x, one.y, strict=True)]
    return np.array([y for _, y in sorted(pairs)])


def _rows_of_heads(figure: Any, result: Any) -> list[tuple[Any, Any]]:
    """Return the effect of each row beside that of the head that its label names."""
    names = figure.layout.yaxis.labelalias
    at = {
        f"{layer}.{head}": effect for layer, head, effect in zip(result.layer, result.head, result.effect, strict=True)
    }
    return [(one.x, [at[names[row]] for row in one.y]) for one in figure.data if len(one.x)]
