"""What a docstring says of a default is what the signature has."""

import importlib
import inspect
import re

import pytest

from tests.docs.test_examples import ROOMS

_LINE = re.compile(r"^(\w[\w, ]*) : (.+)$", re.MULTILINE)


def functions():
    for room in ROOMS:
        module = importlib.import_module(f"scope_widgets.{room}")
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isfunction(thing):
                yield f"{room}.{name}", thing
            elif inspect.isclass(thing):
                for method, one in inspect.getmembers(thing, inspect.isfunction):
                    if not method.startswith("_"):
                        yield f"{room}.{name}.{method}", one


def said(function):
    """Return what the docstring says of the type and default of each parameter."""
    text = (inspect.getdoc(function) or "").partition("Parameters\n")[2]
    text = re.split(r"\n(?:Returns|Raises|Yields|Examples|References|Attributes)\n", text)[0]
    return {name.strip(): line for names, line in _LINE.findall(text) for name in names.split(",")}


@pytest.mark.parametrize(("name", "function"), functions())
def test_defaults_are_those_of_the_signature(name, function):
    parameters = inspect.signature(function).parameters
    for parameter, line in said(function).items():
        if parameter not in parameters:
            continue
        default, stated = parameters[parameter].default, re.search(r", default (.+)$", line)
        if default is inspect.Parameter.empty:
            assert not stated, f"{name}: {parameter} has no default"
        elif stated and isinstance(default, (str, int, float, bool)):
            assert stated[1].replace('"', "'") == repr(default), f"{name}: {parameter}"
        elif default is None:
            assert not stated, f"{name}: {parameter} is optional"
        elif isinstance(default, (str, int, float, bool)):
            shared = sum(one == line for one in said(function).values()) > 1  # two parameters with different defaults
            assert shared or "default" in line, f"{name}: {parameter} does not say that it is {default!r} by default"
