"""Nothing that a file says becomes Python, but known arguments and literals."""

import ast
import inspect
import json
from dataclasses import replace

import numpy as np
import pytest

from scope_widgets import patching, steering
from scope_widgets._code import is_literal, is_plain_call
from scope_widgets.experiments.direction import RECIPE
from scope_widgets.patching.reproducing_call import OPTIONS
from tests.support.patching_examples import patching as patching_result

HOSTILE = "vector=__import__('os').system('touch x'), token"


@pytest.fixture(scope="module")
def direction(demo):
    return steering.direction(demo, positive=["the dogs"], negative=["the dog"], layer=3, name="plural")


def test_what_is_known_is_what_the_functions_take():
    assert set(inspect.signature(steering.direction).parameters) >= RECIPE
    for name, options in OPTIONS.items():
        taken = set(inspect.signature(getattr(patching, name)).parameters)
        assert taken - {"scope", "clean", "corrupted", "resume"} == set(options)


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


def test_literals():
    assert is_literal({"a": [1, 2.5, None, ("x", True)]})
    assert not any(map(is_literal, (float("nan"), np.int64(1), print, object())))
