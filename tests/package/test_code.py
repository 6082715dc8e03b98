"""Nothing that a file says becomes Python, but known arguments and literals."""

import ast
import inspect
import json
from dataclasses import fields, replace

import numpy as np
import pytest

from scope_widgets import (
    Microscope,
    Provenance,
    Trace,
    circuits,
    features,
    geometry,
    heads,
    ioi,
    lens,
    patching,
    steering,
)
from scope_widgets._python_code import is_literal, is_plain_call
from scope_widgets._reproducing_calls import OPTIONS, is_known_call, python_call
from scope_widgets.experiments.direction import RECIPE
from scope_widgets.models.microscope import LocalMicroscope
from scope_widgets.widgets.core import reproducing_code
from tests.support.patching_examples import patching as patching_result

HOSTILE = "vector=__import__('os').system('touch x'), token"


@pytest.fixture(scope="module")
def direction(demo):
    return steering.direction(demo, positive=["the dogs"], negative=["the dog"], layer=3, name="plural")


def test_what_is_known_is_what_the_functions_take():
    assert set(reproducing_code._MADE) == {*OPTIONS, "trace", "prompts"}
    assert set(inspect.signature(steering.direction).parameters) >= RECIPE
    rooms = {
        "Microscope": Microscope,
        "scope": LocalMicroscope,
        "heads": heads,
        "lens": lens,
        "patching": patching,
        "ioi": ioi,
        "features": features,
        "FeatureIndex": features.FeatureIndex,
        "index": features.FeatureIndex,
    }
    unsaid = {"resume", "scope", "trust_remote_code", "host", "api_key", "timeout"}
    rooms |= {"circuits": circuits, "features": features, "geometry": geometry}
    for function, options in OPTIONS.items():
        if function == "circuits.Task":
            assert set(options) == {one.name for one in fields(circuits.Task)}
            continue
        room, _, name = function.partition(".")
        taken = inspect.signature(getattr(rooms[room], name)).parameters.values()
        by_keyword = {one.name: one.default for one in taken if one.kind is one.KEYWORD_ONLY and one.name not in unsaid}
        if room == "geometry":  # a scope that is an option, and the method, are written
            by_keyword |= {one.name: one.default for one in taken if one.name in ("scope", "method")}
        assert {**options, "answer": by_keyword.get("answer")} == {**by_keyword, "answer": by_keyword.get("answer")}


@pytest.mark.parametrize("recipe", [{HOSTILE: 1}, {"head": [0, float("nan")]}, {"positive": np.arange(3)}])
def test_a_recipe_of_other_things_is_refused(direction, tmp_path, recipe):
    with pytest.raises(ValueError, match="recipe of a Direction holds arguments"):
        replace(direction, recipe=recipe)
    if HOSTILE in recipe:
        about = json.loads(direction.to_json()) | {"recipe": recipe}
        with pytest.raises(ValueError, match="damaged"):
            steering.Direction.from_json(json.dumps(about))


@pytest.mark.parametrize("name", ["x", HOSTILE, "') or __import__('os').system('touch x') or ('"])
def test_code_is_one_call_with_literals(direction, demo, name):
    named = replace(direction, name=name)
    assert is_plain_call(named.code(), {"steering.direction": ("layer", "name", *RECIPE)})
    given = replace(named, recipe={})
    assert is_plain_call(given.code(), {"steering.Direction.from_code": ()})
    session = steering.Session(demo, f"the {name}", [steering.AddDirection(given)])
    tree = ast.parse(session.code())
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert calls == {"steering.Direction.from_code", "steering.AddDirection", "steering.Session", "session.at"}


@pytest.mark.parametrize(
    "call",
    [
        "__import__('os').system('touch x')",
        "patching.activations(scope, clean, corrupted, answer=print(1))",
        "patching.activations(scope, clean, corrupted, answer=clean)",
        "patching.activations(scope, clean, corrupted, unknown=1)",
        "patching.activations(scope, [x for x in y], corrupted)",
        "patching.activations(scope, clean, corrupted); 1",
        "patching.activations(**{'a': 1})",
        "(" * 5000,
        "",
    ],
)
def test_a_call_of_other_things_is_refused(call):
    about = json.loads(patching_result(2, 3, over="head").to_json()) | {"call": call}
    with pytest.raises(ValueError, match="damaged"):
        patching.PatchingResult.from_json(json.dumps(about))


def test_a_call_that_was_made_is_taken(demo):
    clean, corrupted = "When Mary and John went", "When Mary and Paul went"
    at = [np.int64(2)]
    found = patching.attribution(demo, clean, corrupted, answer=" Mary", versus=" John", positions=at, metric=None)
    again = patching.PatchingResult.from_json(found.to_json())
    assert again.call == found.call
    assert "positions=positions" in found.call or "positions=[2]" in found.call


@pytest.mark.parametrize(
    "call",
    [
        "__import__('os').system('touch x')",
        "scope.trace(print(1))",
        "scope.trace('a').save('x')",
        "trace[__import__('os').system('touch x')]",
        "trace[1]; print(2)",
        "trace[²]",
        "Microscope.load('x', trust_remote_code=True)",
        "heads.score(trace)\nprint(1)",
        "lens.logit_lens(trace, watch=[x for x in y])",
    ],
)
def test_calls_of_other_things_are_refused_in_every_file(call, demo):
    trace = demo.trace("the dog", capture=("residual", "attention"))
    assert not is_known_call(call)
    for made, kind in ((trace, Trace), (lens.logit_lens(trace), lens.LogitLens)):
        text = made.to_json()
        own = json.dumps(list(made.provenance.calls))
        assert own in text
        with pytest.raises(ValueError, match="calls of a Provenance"):
            kind.from_json(text.replace(own, json.dumps([call])))
    hostile = replace(trace, provenance=Provenance("demo", calls=(call,)))
    assert call.splitlines()[-1] not in hostile.widget().made_by  # what comes by another way than a file


def test_a_model_and_a_variable_of_any_name_stay_in_their_line(demo):
    for name in ("x\nprint(1)", "x\u2028print(1)", "x' + print(1) + '", "\r\x0cprint(1)"):
        provenance = Provenance(name, calls=("scope.trace('the dog')",))
        made = replace(demo.trace("the dog"), provenance=provenance).widget().made_by
        calls = [node for node in ast.walk(ast.parse(made)) if isinstance(node, ast.Call)]
        assert [ast.unparse(one.func) for one in calls] == ["scope.trace"]


def test_files_of_earlier_versions_have_no_calls(demo):
    trace = demo.trace("the dog", capture=("residual",))
    text = lens.logit_lens(trace).to_json()
    fields = json.loads(text)
    del fields["provenance"]["calls"]
    assert lens.LogitLens.from_json(json.dumps(fields)).provenance.calls == ()


def test_a_patching_result_of_an_earlier_version_has_its_call():
    about = json.loads(patching_result(2, 3, over="head").to_json())
    del about["provenance"]["calls"]
    about["call"] = "patching.activations(scope, clean, 'b', answer=' Mary')"
    read = patching.PatchingResult.from_json(json.dumps(about))
    assert read.call == about["call"]
    assert "\nclean = ...  # your clean=" in read.widget().made_by


def test_a_call_says_what_is_not_the_default():
    call = python_call("scope.trace", ("prompt", np.arange(3)), capture=("q", "k"), modules=(), logits="all")
    assert call == "scope.trace([0, 1, 2], capture=('q', 'k'))"
    call = python_call("patching.paths", "scope", ("clean", object()), ("corrupted", "b"), metric=print)
    assert call == "patching.paths(scope, clean, 'b', metric=metric)"
    assert is_known_call(call)


def test_literals():
    assert is_literal({"a": [1, 2.5, None, ("x", True)]})
    assert not any(map(is_literal, (float("nan"), np.int64(1), print, object())))
