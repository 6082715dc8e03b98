"""How long the detection of IOI heads takes, and what it finds."""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np

from benchmarks.figure import Figure


def measure(quick: bool = False) -> list[Figure]:
    from scope_widgets import Microscope
    from scripts import get_smollm2

    figures = _model(Microscope.load("demo"), "the demo model", 20, rounds=1 if quick else 3)
    if get_smollm2.ready() and not quick:
        figures += _model(Microscope.load(get_smollm2.folder()), "SmolLM2-135M", 600, rounds=1)
    return figures


def _model(scope: Any, name: str, limit: float, rounds: int) -> list[Figure]:
    from scope_widgets import ioi

    prompts = ioi.prompts(scope, n=50, seed=0)
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        result = ioi.detect(scope, prompts)
        times.append(time.perf_counter() - start)
    found = {kind: [f"{layer}.{head}" for layer, head in heads] for kind, heads in result.classes.items()}
    at_random = float(abs(result.lost_at_random).max()) if len(result.lost_at_random) else float("nan")
    detail = {"lost_at_random": result.lost_at_random.tolist(), "classes": found}
    movers = result.of("name_mover") + result.of("backup_name_mover")
    alone = ioi.ablate_heads(scope, prompts, movers, draws=0).lost
    lost = "logit difference lost without name movers"
    many = ioi.prompts(scope, n=200, seed=0)
    one, other = (ioi.detect(scope, half) for half in (many[:100], many[100:]))
    sets = [set(half.of("name_mover")) for half in (one, other)]
    shared = len(sets[0] & sets[1]) / max(1, len(sets[0] | sets[1]))
    direct = np.array([path == "END -> logits" for path in result.path])
    unnamed = np.array([kind == "unclassified" for kind in result.head_class])
    unclassified = float(abs(result.effect[direct & unnamed]).sum() / abs(result.effect[direct]).sum())
    positive = [int((half.logit_difference > 0).sum()) for half in (one, other)]
    return [
        Figure(f"IOI prompts of 100 with a positive logit difference, {name}", min(positive), "", 98, "higher"),
        Figure(f"name movers of two disjoint sets of 100 prompts, Jaccard, {name}", shared, "", 0.6, "higher"),
        Figure(f"ioi.detect, 50 prompts, {name}", statistics.median(times), "s", limit, "lower", {"classes": found}),
        Figure(f"unclassified of the direct effects of the heads found, {name}", 100 * unclassified, "%", 10, "lower"),
        Figure(f"{lost}, subject suppressors and backups, {name}", 100 * result.lost, "%", 50, "higher", detail),
        Figure(f"{lost} and backups only, {name}", 100 * alone, "%", 50, "higher"),
        Figure(
            f"logit difference lost without as many random heads of their layers, {name}",
            100 * at_random,
            "%",
            15,
            "lower",
            detail,
        ),
    ]
