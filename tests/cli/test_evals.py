"""`microscope evals`: a model on suites, and before and after a direction or a patch."""

import json

import pytest

from scope_widgets import editing, evals, steering
from scope_widgets.cli import main


@pytest.fixture(scope="module")
def plural(demo):
    return steering.direction(demo, positive=["the dogs"], negative=["the dog"], layer=2)


def test_as_it_is(capsys, tmp_path):
    out = tmp_path / "found.json"
    assert main(["evals", "--suites", "bias, perplexity", "--n", "5", "--json", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert json.loads(said)["result"] == json.loads(out.read_text(encoding="utf-8"))
    found = evals.EvalResult.from_json(out.read_text(encoding="utf-8"))
    assert [one.suite for one in found.tasks] == ["bias", "bias", "perplexity", "perplexity"]
    assert found.what == "none"


def test_before_and_after(demo, plural, capsys, tmp_path):
    plural.save(tmp_path / "plural.safetensors")
    steer = ["--steer", str(tmp_path / "plural.safetensors"), "--strength", "1.5"]
    assert main(["evals", "--suites", "perplexity", *steer]) == 0
    said = capsys.readouterr().out
    assert "perplexity.nats_per_token" in said
    assert "Changed: perplexity.nats_per_token" in said
    editing.FeaturePatch(demo, plural, strength=2.0).export(tmp_path / "patch")
    assert main(["evals", "--suites", "perplexity", "--patch", str(tmp_path / "patch"), "--json"]) == 0
    done = evals.Comparison.from_json(json.dumps(json.loads(capsys.readouterr().out)["result"]))
    assert (done.difference != 0).all()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--suites", "ethics"], 1, "There is no suite and no file 'ethics'"),
        (["--strength", "2"], 2, "--strength is that of --steer"),
        (["--steer", "none.safetensors"], 1, "There is no file 'none.safetensors'"),
        (["--out", "none/x.json"], 1, "There is no folder"),
        (["--n", "0"], 1, "n= is a whole number from 1"),
    ],
)
def test_refuses(arguments, status, said, capsys):
    assert main(["evals", "--suites", "bias", *arguments]) == status
    assert said in capsys.readouterr().err
