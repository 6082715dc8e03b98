"""What the page of a latent shows, as the browser gets it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from scope_widgets.features import FeatureIndex, NearestLatents
from scope_widgets.features.labelling.labels import UNLABELLED
from scope_widgets.features.labelling.notes import LatentNote


def latent_page(index: FeatureIndex, j: int) -> dict[str, Any]:
    """Return the numbers and texts of one latent's page; every number is one that a method of the index returns."""
    arrays = index.arrays
    logits = index.logits(j)[["token", "logit"]]
    raised = len(logits) // 2 if len(logits) else 0
    return {
        "latent": j,
        "count": int(arrays["count"][j]),
        "mean": float(arrays["mean"][j]),
        "max": float(arrays["max"][j]),
        "lines": [
            {
                "quarter": one.quarter,
                "sample": one.sample,
                "position": one.position,
                "value": one.value,
                "at": one.at,
                "tokens": list(one.tokens),
                "values": [None if np.isnan(value) else value for value in one.values.tolist()],
            }
            for one in index.lines(j)
        ],
        "tokens": _rows(index.tokens(j)[["token", "count", "share", "lift"]]),
        "promotes": _rows(logits[:raised]),
        "suppresses": _rows(logits[raised:][::-1]),
        "neighbours": _rows(index.neighbours(j)),
        "partners": _rows(index.coactivation(j)[["feature", "share", "lift"]]),
        "histogram": _rows(index.histogram(j)),
        "label": _label(index, j),
        "own": asdict(own_notes(index).get(j, LatentNote())),
    }


def others_of(compared: NearestLatents | None, other: FeatureIndex | None, j: int) -> list[list[Any]]:
    """Return the nearest latents of another autoencoder: number, cosine, words, and whether it is mutual."""
    if compared is None:
        return []
    latents = compared.latents[j].tolist()
    words = [""] * len(latents)
    if other is not None:
        rows = other.rows(latents).to_dict("records")
        words = [row["label"] if row.get("label", "") not in ("", UNLABELLED) else row["top_tokens"] for row in rows]
    back = compared.back_latents[latents, 0] == j
    columns = latents, compared.cosines[j].tolist(), words, back.tolist()
    return [list(one) for one in zip(*columns, strict=True)]


def own_notes(index: FeatureIndex) -> dict[int, LatentNote]:
    """Return what somebody wrote on latents; nothing of a file that is damaged, which the view says once."""
    try:
        return index.notes
    except ValueError:
        return {}


def _rows(frame: Any) -> list[list[Any]]:
    columns = [frame[name].tolist() for name in frame.columns]
    return [[None if value != value else value for value in row] for row in zip(*columns, strict=True)]


def _label(index: FeatureIndex, j: int) -> dict[str, Any] | None:
    """Return the label with all that its scores rest on, None where it was not labelled."""
    labels = index.labels
    at = [] if labels is None else np.flatnonzero(labels.feature == j).tolist()
    if labels is None or not at:
        return None
    numbers = ("detection", "null_detection", "fuzzing", "null_fuzzing", "low", "high", "p", "q", "n", "firing")
    found = {name: getattr(labels, name)[at[0]].item() for name in numbers}
    known = {name: None if value != value else value for name, value in found.items()}
    return {"text": labels.label[at[0]], "evidence": labels.evidence[at[0]], **known}
