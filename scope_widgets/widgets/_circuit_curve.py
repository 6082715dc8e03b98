"""The curve below a circuit: faithfulness and metric against the number of edges, as the browser gets it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import numpy as np

from scope_widgets._json_fields import to_json_numbers
from scope_widgets.circuits import Circuit

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


def measured(circuit: Circuit, order: Any, live: Any, seed: int = 0) -> Iterator[tuple[int, int, str, Curve]]:
    """Measure the curve point by point, the strongest edges and random ones: (done, total, what is next, so far)."""
    points = _points(circuit, order, seed)
    curve = _empty()
    for done, (size, draw, mask) in enumerate(points):
        yield done, len(points), f"{size:,} edges{'' if draw is None else ' at random'}", curve
        _put(curve, size, draw, live.measure(mask), live)
    yield len(points), len(points), "", curve


def measured_far(circuit: Circuit, order: Any, live: Any, seed: int = 0) -> Generator[Any, None, Curve]:
    """As `measured`, all points with one request to a server; yields its `JobStatus`, gives the curve."""
    points = _points(circuit, order, seed)
    found = yield from live.measure_steps([mask for _, _, mask in points])
    curve = _empty()
    for (size, draw, _), value in zip(points, found, strict=True):
        _put(curve, size, draw, value, live)
    return curve


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


def _empty() -> Curve:
    curve: Curve = {"n_edges": [], "faithfulness": [], "low": [], "high": [], "metric": []}
    return curve | {"random": [[] for _ in range(DRAWS)], "full": None, "empty": None}


def _put(curve: Curve, size: int, draw: int | None, value: tuple[float, float], live: Any) -> None:
    faithfulness, metric = value
    if draw is not None:
        curve["random"][draw] += _numbers([faithfulness])
        return
    curve["n_edges"].append(size)
    curve["faithfulness"] += _numbers([faithfulness])
    curve["metric"] += _numbers([metric])
    curve |= {"full": float(live.full), "empty": float(live.empty)}


def _mask(n_edges: int, some: Any) -> Any:
    mask = np.zeros(n_edges, dtype=bool)
    mask[some] = True
    return mask


def _numbers(values: Any) -> list[float | None]:
    """Write numbers as JSON knows them: what is not finite is missing."""
    flat = np.asarray(values, dtype=float).ravel()
    return to_json_numbers(np.where(np.isfinite(flat), flat, np.nan).tolist())
