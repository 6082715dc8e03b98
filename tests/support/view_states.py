"""Writes `tests/fixtures/view_states.json`, a small view of each kind: `python -m tests.support.view_states`."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

from tests.support.paths import ROOT

FILE = ROOT / "tests" / "fixtures" / "view_states.json"


def state_of(view: Any) -> dict[str, Any]:
    """Return what a browser gets of a view, bytes as base64."""
    own = {name: value for name, value in view.get_state().items() if not name.startswith("_")}
    for name in ("layout", "tabbable", "tooltip"):
        own.pop(name, None)
    return {
        name: {"base64": b64encode(bytes(value)).decode()} if isinstance(value, (bytes, memoryview)) else value
        for name, value in own.items()
    }


def main() -> None:
    from scope_widgets import Microscope, circuits, heads, lens, patching, steering, widgets

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
    views = {
        "attention_view": widgets.AttentionView(trace),
        "head_table": widgets.HeadTable(scores, heads.label(scores)),
        "logit_lens_view": widgets.LogitLensView(lens.logit_lens(trace, watch=[" Mary"])),
        "patching_map": widgets.PatchingMap(found),
        "steering_panel": widgets.SteeringPanel(session=session),
        "circuit_graph": widgets.CircuitGraph(circuit, labels={"a1.h1": "x"}, groups={"g": ["m0", "m1"]}),
    }
    FILE.write_text(json.dumps({name: state_of(view) for name, view in views.items()}), encoding="utf-8")


if __name__ == "__main__":
    main()
