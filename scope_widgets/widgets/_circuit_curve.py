"""The curve below a circuit: faithfulness and metric against the number of edges, as the browser gets it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from scope_widgets._result import plain
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
    rng = np.random.default_rng(seed)
    n_edges = circuit.graph.n_edges
    most = int((~np.isnan(circuit.scores)).sum())
    sizes = sorted({min(most, max(1, round(share * n_edges))) for share in SHARES} - {0})
    total = len(sizes) * (1 + DRAWS)
    curve: Curve = {"n_edges": [], "faithfulness": [], "low": [], "high": [], "metric": [], "random": []}
    curve |= {"random": [[] for _ in range(DRAWS)], "full": None, "empty": None}
    for at, size in enumerate(sizes):
        text = f"{size:,} edges"
        yield at * (1 + DRAWS), total, text, curve
        faithfulness, metric = live.measure(_mask(n_edges, order[:size]))
        curve["n_edges"].append(size)
        curve["faithfulness"] += _numbers([faithfulness])
        curve["metric"] += _numbers([metric])
        curve |= {"full": float(live.full), "empty": float(live.empty)}
        for draw in range(DRAWS):
            yield at * (1 + DRAWS) + 1 + draw, total, f"{text} at random", curve
            value, _ = live.measure(_mask(n_edges, rng.permutation(n_edges)[:size]))
            curve["random"][draw] += _numbers([value])
    yield total, total, "", curve


def _mask(n_edges: int, some: Any) -> Any:
    mask = np.zeros(n_edges, dtype=bool)
    mask[some] = True
    return mask


def _numbers(values: Any) -> list[float | None]:
    """Write numbers as JSON knows them: what is not finite is missing."""
    flat = np.asarray(values, dtype=float).ravel()
    return plain(np.where(np.isfinite(flat), flat, np.nan).tolist())
