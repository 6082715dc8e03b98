"""The examples in the docstrings of all public names run, on the model that the package ships."""

import doctest
import importlib
import inspect

import numpy as np
import pytest
import torch

import scope_widgets
from scope_widgets import Microscope
from scope_widgets._job import Job

#: rooms whose every public function ends in an example
ROOMS = (
    "circuits",
    "editing",
    "evals",
    "features",
    "geometry",
    "heads",
    "ioi",
    "lens",
    "patching",
    "plots",
    "probing",
    "report",
    "steering",
    "tracking",
)
#: those that still lack one
WITHOUT: set[str] = set()
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def public(rooms):
    yield from (("Microscope", Microscope), ("Job", Job))
    for room in rooms:
        module = importlib.import_module(f"scope_widgets.{room}")
        yield from ((f"{room}.{name}", getattr(module, name)) for name in module.__all__)
    top = ((name, getattr(scope_widgets, name)) for name in scope_widgets.__all__)
    yield from ((name, thing) for name, thing in top if inspect.isclass(thing))


@pytest.fixture(scope="module")
def names():
    """What an example may use without saying where it comes from."""
    return {name: getattr(scope_widgets, name) for name in scope_widgets.__all__} | {
        "np": np,
        "torch": torch,
        "scope": Microscope.load("demo"),
    }


@pytest.mark.parametrize(("name", "thing"), public(ROOMS))
def test_examples_run(name, thing, names, tmp_path):
    if inspect.isfunction(thing) and name not in WITHOUT:
        assert ">>>" in (thing.__doc__ or ""), f"{name} has no example"
    finder = doctest.DocTestFinder(exclude_empty=True)
    for example in finder.find(thing, name, globs=names | {"folder": tmp_path / "new"}):
        outcome = doctest.DocTestRunner(optionflags=FLAGS).run(example, clear_globs=False)
        assert not outcome.failed, f"the example of {example.name} prints something else: see above"
