"""Metrics are noted in the run that is open."""

from scope_widgets import evals, steering, tracking


def test_metrics_are_noted_in_the_run_that_is_open(demo, tmp_path):
    with tracking.run(tmp_path / "run"):
        found = evals.run(demo, "bias", n=6, progress=False)
        compared = evals.compare(demo, "bias", steering.ScaleHead(3, 1, 0.0), n=6, progress=False)
    last = tracking.load(tmp_path / "run").last
    assert last["evals/bias.stereotyped"] == found["bias.stereotyped"].value
    at = compared.names.index("bias.difference")
    assert last["evals/bias.difference/difference"] == compared.difference[at]


def test_without_a_run_nothing_is_noted(demo):
    assert tracking.current() is None
    evals.run(demo, "bias", n=2, progress=False)
