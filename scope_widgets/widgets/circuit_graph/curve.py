"""The curve below a circuit: faithfulness and metric against the number of edges, as the browser gets it."""

from __future__ import annotations

from typing import Any

import numpy as np

from scope_widgets._job import Steps
from scope_widgets._json_fields import to_json_numbers
from scope_widgets.circuits import Circuit
from scope_widgets.circuits.measurement import CircuitMeasurement, Measured, measure
from scope_widgets.models.remote_dispatch import submit

#: those at which MIB measures, and a few between them
SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
#: circuits of random edges a point
DRAWS = 3

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
    # a share is rounded to a number of edges, by which either may be off by one
    fits = np.all(np.abs(shares * circuit.graph.n_edges - sizes) <= 1 + 1e-6 * sizes)
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
    }


def measured(circuit: Circuit, order: Any, measurement: CircuitMeasurement, seed: int = 0) -> Steps[Curve]:
    """Measure the curve, the strongest edges and random ones; each status carries the curve so far."""
    points = _points(circuit, order, seed)
    job = submit(measure, measurement, [mask for _, _, mask in points])
    try:
        for status in job:
            yield status._replace(partial=None if status.partial is None else _curve(points, status.partial))
        return _curve(points, job.result())
    finally:
        job.cancel()


def _points(circuit: Circuit, order: Any, seed: int) -> list[tuple[int, int | None, Any]]:
    """Give what is measured: number of edges, which random draw (None: the strongest edges), edges."""
    rng = np.random.default_rng(seed)
    n_edges = circuit.graph.n_edges
    most = int((~np.isnan(circuit.scores)).sum())
    sizes = sorted({min(most, max(1, round(share * n_edges))) for share in SHARES} - {0})
    points: list[tuple[int, int | None, Any]] = []
    for size in sizes:
        points.append((size, None, _mask(n_edges, order[:size])))
        points += [(size, draw, _mask(n_edges, rng.permutation(n_edges)[:size])) for draw in range(DRAWS)]
    return points


def _curve(points: list[tuple[int, int | None, Any]], found: Measured) -> Curve:
    """Return the curve of the points that are measured."""
    curve: Curve = {"n_edges": [], "faithfulness": [], "low": [], "high": [], "metric": []}
    curve |= {"random": [[] for _ in range(DRAWS)], "full": found.full, "empty": found.empty}
    for (size, draw, _), (faithfulness, metric) in zip(points, found.values, strict=False):
        if draw is not None:
            curve["random"][draw] += _numbers([faithfulness])
            continue
        curve["n_edges"].append(size)
        curve["faithfulness"] += _numbers([faithfulness])
        curve["metric"] += _numbers([metric])
    return curve


def _mask(n_edges: int, some: Any) -> Any:
    mask = np.zeros(n_edges, dtype=bool)
    mask[some] = True
    return mask


def _numbers(values: Any) -> list[float | None]:
    """Write numbers as JSON knows them: what is not finite is missing."""
    flat = np.asarray(values, dtype=float).ravel()
    return to_json_numbers(np.where(np.isfinite(flat), flat, np.nan).tolist())
