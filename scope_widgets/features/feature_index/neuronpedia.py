"""`neuronpedia`: latents as Neuronpedia's records of features, for tools that read these."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from scope_widgets.features.labelling.labels import UNLABELLED

if TYPE_CHECKING:
    from scope_widgets.features.feature_index.example_lines import ExampleLine
    from scope_widgets.features.feature_index.feature_index import FeatureIndex


def neuronpedia(index: FeatureIndex, latents: Iterable[int], *, source: str = "") -> list[dict[str, Any]]:
    """Return latents as records of Neuronpedia's feature schema, to be written as JSON.

    Parameters
    ----------
    index : FeatureIndex
    latents : iterable of int
    source : str, default ""
        What Neuronpedia calls the layer, such as "6-res-jb"; by default layer and site, "6-residual".

    Returns
    -------
    list of dict
        modelId, layer, index, pos_str and pos_values (tokens that are promoted), neg_str and neg_values,
        frac_nonzero, freq_hist_data_bar_heights and freq_hist_data_bar_values, maxActApprox, activations (tokens,
        values, maxValue, maxValueTokenIndex; a value is null where the latent fires and the strength is not known),
        explanations (one's own label, then that of `features.label` with its score), and topkCosSimIndices with
        topkCosSimValues (the nearest decoder rows).

    Raises
    ------
    IndexError, TypeError
        For a latent that there is not.

    Examples
    --------
    >>> index = features.FeatureIndex.load("demo")
    >>> record = features.neuronpedia(index, [27])[0]
    >>> record["index"], record["explanations"][0]["description"], len(record["pos_str"])
    ('27', "'Lily'", 10)
    """
    layer = source or f"{index.manifest.layer}-{index.manifest.site}"
    return [_record(index, int(j), layer) for j in index.rows(list(latents))["feature"]]


def _record(index: FeatureIndex, j: int, layer: str) -> dict[str, Any]:
    logits, bins, near = index.logits(j), index.histogram(j), index.neighbours(j)
    half = len(logits) // 2
    raised, lowered = logits[:half], logits[half:][::-1]
    return {
        "modelId": index.manifest.model,
        "layer": layer,
        "index": str(j),
        "pos_str": raised["token"].tolist(),
        "pos_values": raised["logit"].tolist(),
        "neg_str": lowered["token"].tolist(),
        "neg_values": lowered["logit"].tolist(),
        "frac_nonzero": float(index.arrays["count"][j] / max(1, index.manifest.n_tokens)),
        "freq_hist_data_bar_heights": bins["count"].tolist(),
        "freq_hist_data_bar_values": ((bins["low"] + bins["high"]) / 2).tolist(),
        "maxActApprox": float(index.arrays["max"][j]),
        "topkCosSimIndices": near["feature"].tolist(),
        "topkCosSimValues": near["cosine"].tolist(),
        "activations": [_activation(j, layer, one) for one in index.lines(j)],
        "explanations": _explanations(index, j),
    }


def _activation(j: int, layer: str, line: ExampleLine) -> dict[str, Any]:
    return {
        "index": str(j),
        "layer": layer,
        "tokens": list(line.tokens),
        "values": [None if np.isnan(value) else value for value in line.values.tolist()],
        "maxValue": line.value,
        "maxValueTokenIndex": line.at,
        "dataIndex": str(line.sample),
        "binContains": -1 if line.quarter is None else line.quarter,
    }


def _explanations(index: FeatureIndex, j: int) -> list[dict[str, Any]]:
    own = index.notes[j].label if j in index.notes else ""
    found: list[dict[str, Any]] = [{"description": own, "explanationModelName": "own"}] if own else []
    labels = index.labels
    for at in [] if labels is None else np.flatnonzero(labels.feature == j).tolist():
        assert labels is not None
        if labels.label[at] != UNLABELLED:
            scores = {"detection": labels.detection[at], "fuzzing": labels.fuzzing[at]}
            known = [{"scorer": name, "value": float(value)} for name, value in scores.items() if value == value]
            found.append({"description": labels.label[at], "explanationModelName": "scope-widgets", "scores": known})
    return found
