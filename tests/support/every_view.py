"""A small view of each kind, on the demo model."""

from __future__ import annotations

from typing import Any

import numpy as np


def every_view() -> dict[str, Any]:
    """Return each by the name of its bundle."""
    from scope_widgets import Microscope, circuits, features, heads, lens, patching, steering, widgets

    scope = Microscope.load("demo")
    trace = scope.trace("Mary and John went to the store")
    direction = steering.direction(scope, answer=" Mary", versus=" John", layer=2, name="names")
    session = steering.Session(
        scope, "the horse", [steering.AddDirection(direction, 0.1)], answer=" run", versus=" dog"
    )
    scores = heads.score(trace, null_draws=3)
    circuit = circuits.discover(scope, circuits.task(scope, "ioi", n=6), "eap").keep(20)
    pair = ("Mary and John went to", "John and Mary went to")
    found = patching.attribution(scope, *pair, answer=" Mary", versus=" John", over="residual")
    return {
        "attention_view": widgets.AttentionView(trace),
        "attribution_view": widgets.AttributionView(
            lens.direct_logit_attribution(trace, answer=" Mary", versus=" John"), trace=trace
        ),
        "head_table": widgets.HeadTable(scores, heads.label(scores)),
        "logit_lens_view": widgets.LogitLensView(lens.logit_lens(trace, watch=[" Mary"])),
        "patching_map": widgets.PatchingMap(found),
        "steering_panel": widgets.SteeringPanel(session=session),
        "token_view": widgets.TokenView(lens.token_loss(trace)),
        "feature_browser": widgets.FeatureBrowser(features.FeatureIndex.load("demo", scope=scope), latent=27),
        "projection_view": widgets.ProjectionView(
            np.random.default_rng(0).normal(size=(2, len(trace.tokens), 2)),
            texts=[trace.tokens],
            colours={"position": np.arange(len(trace.tokens)), "word": [token.strip() for token in trace.tokens]},
            method="pca",
            kept=0.4,
            neighbours=3,
            provenance=trace.provenance,
        ),
        "circuit_graph": widgets.CircuitGraph(circuit, labels={"a1.h1": "x"}, groups={"g": ["m0", "m1"]}),
        "attention_stack": widgets.AttentionStack(trace),
    }
