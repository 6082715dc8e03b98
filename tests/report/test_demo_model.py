"""What the demo model's documentation is worth."""

import pytest

from scope_widgets import Microscope, report

#: minutes, as hundreds of circuits are run
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1800)]


def test_ioi_of_the_demo_model_is_explained(tmp_path):
    scope = Microscope.load("demo")
    done = report.analyse(scope, tmp_path, writers={"ioi": report.WRITERS["ioi"]})
    ioi = done.score["ioi"]
    assert ioi.value >= 0.8, done.score
    assert ioi.N < 0.1
    assert 0 < done.score.value < done.score.total < 1 / 6  # five of six behaviours are not documented here
    heads = {entry.components[0] for entry in done.of("verified") if entry.kind == "head"}
    assert {"a2.h2", "a3.h1"} <= heads
    again = report.Documentation.load(tmp_path)
    assert again.to_json() == done.to_json()
