"""What is no trace is refused with where one comes from, by everything that takes one."""

import inspect
from typing import Any

import pytest

from scope_widgets import features, heads, lens, plots

FUNCTIONS = [
    function
    for module in (heads, lens, features, plots)
    for function in (getattr(module, name) for name in module.__all__)
    if inspect.isfunction(function) and next(iter(inspect.signature(function).parameters), "") in ("trace", "traces")
]


def arguments(function: Any) -> tuple[list[Any], dict[str, Any]]:
    """Return values of what has no default beside the trace."""
    rest = list(inspect.signature(function).parameters.values())[1:]
    needed = [one for one in rest if one.default is one.empty and one.kind is not one.VAR_POSITIONAL]
    values = {"positions": [[0]], "versus": None, "layer": 1, "head": 1}
    return (
        [values.get(one.name, 1) for one in needed if one.kind is one.POSITIONAL_OR_KEYWORD],
        {one.name: " Mary" for one in needed if one.kind is one.KEYWORD_ONLY},
    )


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda one: f"{one.__module__}.{one.__name__}")
def test_a_prompt_and_a_model_are_no_trace(function, demo):
    positional, named = arguments(function)
    for given in ("When Mary", demo):
        with pytest.raises(TypeError, match=r"This is of a trace, scope\.trace\(prompt\); got"):
            function(given, *positional, **named)


def test_all_are_tried():
    assert len(FUNCTIONS) > 15
