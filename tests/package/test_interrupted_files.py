"""Ctrl-C at any line while a file is written leaves the old one or the new one, whole, and nothing beside it."""

import random
import re
import shutil

import pytest
import torch

from scope_widgets import Microscope, Trace, editing, heads, steering, widgets
from tests.support.interrupts import OURS, interrupted_at, lines_of
from tests.support.tiny_models import tiny_model, tiny_tokenizer

#: of the lines of a kind that are in `make test` too
FEW = 6


@pytest.fixture(scope="module")
def scope():
    return Microscope.for_model(tiny_model("llama"), tiny_tokenizer(), "tiny llama")


@pytest.fixture(scope="module")
def things(scope):
    """Return two of each thing that is written."""
    traces = [scope.trace([3, 4, 5, 6]), scope.trace([3, 9, 5, 6, 7])]
    directions = [steering.direction(scope, positive=[[3, 4]], negative=[[5, n]], layer=1) for n in (6, 7)]
    return {
        "trace": traces,
        "scores": [heads.score(one, null_draws=2) for one in traces],
        "facts": [heads.FactSet([heads.Fact(one, "r", "b")], {"r": "{subject} is"}) for one in ("a", "c")],
        "direction": directions,
        "patch": [editing.FeaturePatch(scope, one, layer=layer) for one, layer in zip(directions, (0, 1), strict=True)],
    }


def of_trace(trace):
    """Return all that a trace holds, as bytes."""
    return trace.to_json()


def of_patch(patch):
    return patch.target, patch.direction.to_json(), patch.strength, patch.input_vector.numpy().tobytes()


#: kind -> (what is written, how, and what is read of what is there)
KINDS = {
    "save": ("trace", lambda one, path: one.save(path), lambda scope, path: of_trace(Trace.load(path))),
    "to_npz": ("trace", lambda one, path: one.to_npz(path), lambda scope, path: of_trace(Trace.from_npz(path))),
    "to_html": ("scores", lambda one, path: one.to_html(path), lambda scope, path: _text(path)),
    "save_html": ("trace", lambda one, path: widgets.save_html([one], path), lambda scope, path: _text(path)),
    "facts": ("facts", lambda one, path: one.save(path), lambda scope, path: heads.FactSet.load(path).to_json()),
    "direction": (
        "direction",
        lambda one, path: one.save(path),
        lambda scope, path: steering.Direction.load(path).to_json(),
    ),
    "export": (
        "patch",
        lambda one, path: one.export(path),
        lambda scope, path: of_patch(editing.FeaturePatch.load(scope, path)),
    ),
}


def _text(path):
    """Return a whole page without the names that are drawn for selections."""
    text = path.read_text()
    assert text.rstrip().endswith("</html>")
    return re.sub('"[0-9a-f]{32}"', "", text)


def lost_by_interrupts(scope, things, kind, folder, most=None):
    """Interrupt a second writing at its lines in turn, or at some of them; return what went wrong and where."""
    what, write, read = KINDS[kind]
    old, new = things[what]
    first, path = folder / "first", folder / "there" / "written"
    first.mkdir()
    path.parent.mkdir()

    def as_before():
        shutil.rmtree(path.parent)
        shutil.copytree(first, path.parent)

    write(old, first / path.name)
    as_before()
    either = [read(scope, path)]
    places = lines_of(lambda: write(new, path), (OURS,))
    either.append(read(scope, path))
    whole = {one.relative_to(path.parent) for one in path.parent.rglob("*")}
    whole |= {one.relative_to(first) for one in first.rglob("*")}
    wrong = []
    for place in places if most is None else random.Random(kind).sample(places, min(most, len(places))):
        as_before()
        interrupted_at(place, lambda: write(new, path))
        beside = [str(one) for one in path.parent.rglob("*") if one.relative_to(path.parent) not in whole]
        try:
            found = read(scope, path)
        except Exception as error:
            wrong.append((place, repr(error)[:300]))
            continue
        if found not in either or beside:
            wrong.append((place, found not in either, beside))
    return wrong


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("most", [FEW, pytest.param(None, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])])
def test_there_is_the_old_file_or_the_new_one(scope, things, kind, most, tmp_path):
    assert lost_by_interrupts(scope, things, kind, tmp_path, most) == []


def test_what_is_compared_tells_old_from_new(scope, things, tmp_path):
    for kind, (what, write, read) in KINDS.items():
        found = []
        for one in things[what]:
            write(one, tmp_path / kind)
            found.append(read(scope, tmp_path / kind))
        assert found[0] != found[1]
    assert torch.equal(Trace.load(tmp_path / "save").logits, things["trace"][1].logits)
