"""Texts that Python and the browser both write are the same; js/test/python_text.test.ts reads these fixtures too."""

import json
import math
from pathlib import Path

from scope_widgets.experiments.circuit.graphviz import to_dot
from scope_widgets.models.edges.graph import Graph
from scope_widgets.widgets.steering_panel import presets

FIXTURES = Path(__file__).parents[1] / "fixtures"


def fixture(name: str) -> str:
    return (FIXTURES / name).read_text(encoding="utf-8")


def test_the_dot_of_a_circuit():
    given = json.loads(fixture("circuit_dot.json"))
    scores = {(sender, receiver): math.nan if score is None else score for sender, receiver, score in given["edges"]}
    assert to_dot(Graph(**given["shape"]), scores, given["title"], given["labels"]) == fixture("circuit.dot")


def test_a_file_of_presets():
    given = json.loads(fixture("steering_presets.json"))
    text = presets.text_of(given["presets"], given["sliders"], given["model"])
    assert text == fixture("steering_presets_text.json")
