"""The curve below a circuit: faithfulness and metric against the number of edges, as the browser gets it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scope_widgets._json_fields import to_json_numbers
from scope_widgets.circuits import Circuit
from scope_widgets.circuits.evaluation.faithfulness_curve import CurvePoint

Curve = dict[str, Any]


def curve_of(curve: Any, circuit: Circuit) -> Curve:
    """Describe what `circuits.curve(...)` gave.

    Raises
    ------
    TypeError
        Where it is something else.
    ValueError
        Where it is the curve of another model's circuit, or of another graph.
    """
    needed = ("n_edges", "shares", "faithfulness", "low", "high", "metric", "random", "full", "empty")
    if not all(hasattr(curve, name) for name in needed):
        raise TypeError(f"curve= takes what circuits.curve(scope, circuit) gives, not a {type(curve).__name__}.")
    sizes, shares = (np.asarray(getattr(curve, name), dtype=float).ravel() for name in ("n_edges", "shares"))
    model = str(getattr(getattr(curve, "provenance", None), "model", circuit.model_id))
    # a share is rounded to a number of edges; there are fewer where fewer have a score
    most = min(circuit.graph.n_edges, int((~np.isnan(circuit.scores)).sum()))
    fits = np.all(np.abs(np.minimum(shares * circuit.graph.n_edges, most) - sizes) <= 1 + 1e-6 * sizes)
    if model != circuit.model_id or not fits:
        raise ValueError(
            f"This curve is of another circuit ({model}): this one is of {circuit.model_id} and has "
            f"{circuit.graph.n_edges:,} edges. Compute it with circuits.curve(scope, circuit)."
        )
    return {
        "n_edges": [int(size) for size in sizes],
        **{name: _numbers(getattr(curve, name)) for name in ("faithfulness", "low", "high", "metric")},
        "random": [_numbers(draw) for draw in np.atleast_2d(np.asarray(curve.random, dtype=float))],
        "full": float(curve.full),
        "empty": float(curve.empty),
        "pairs": str(getattr(curve, "pairs", "")),
    }


def partial_curve(points: Sequence[CurvePoint], pairs: str) -> Curve:
    """Describe the points of a curve that are measured on these pairs."""
    return {
        "n_edges": [point.n_edges for point in points],
        **{
            name: _numbers([getattr(point, name) for point in points])
            for name in ("faithfulness", "low", "high", "metric")
        },
        "random": [_numbers(draw) for draw in np.stack([point.random for point in points], 1)],
        "full": points[0].full,
        "empty": points[0].empty,
        "pairs": pairs,
    }


def _numbers(values: Any) -> list[float | None]:
    """Write numbers as JSON knows them: what is not finite is missing."""
    flat = np.asarray(values, dtype=float).ravel()
    return to_json_numbers(np.where(np.isfinite(flat), flat, np.nan).tolist())
