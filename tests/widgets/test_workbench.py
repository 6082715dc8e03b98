"""Workbench: all views of one prompt, each run once, followed by all and closed whole."""

from __future__ import annotations

import gc
import struct
from base64 import b64decode
from pathlib import Path
from typing import Any

import ipywidgets
import pytest
import traitlets

from scope_widgets.widgets import Selection, Workbench
from scope_widgets.widgets.core import display as displayed
from scope_widgets.widgets.workbench.corrupted_prompt import carried_over
from tests.support.fake_transport import fake_remote

CLEAN = "When Mary and John went to the store, John gave a drink to"
CORRUPTED = "When Mary and John went to the store, Mary gave a drink to"
OTHER = "When Anna and Paul went to the park, Paul gave a book to"
PAIR: dict[str, Any] = {"corrupted": CORRUPTED, "answer": " Mary", "versus": " John"}
instances = ipywidgets.widgets.widget._instances


def shown(bench: Any) -> list[str]:
    names = {id(view): name for name, view in bench.panes.items()}
    return [names[id(view)] for column in bench._row.children for view in column.children]


def test_the_model_runs_once_for_all(demo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run: list[Any] = []
    trace = type(demo).trace
    monkeypatch.setattr(type(demo), "trace", lambda *args, **options: run.append(args[1]) or trace(*args, **options))
    bench = Workbench(demo, CLEAN)
    bench.change_prompt(OTHER)
    assert run == [CLEAN, OTHER]
    monkeypatch.undo()
    remote = fake_remote(demo)
    bench = Workbench(remote, CLEAN, **PAIR)
    asked = remote.transport.asked
    assert sorted(asked) == sorted(set(asked))
    asked.clear()
    bench.change_prompt(OTHER)
    assert sorted(asked) == sorted(set(asked))


def test_all_panes_follow_and_share_the_selection(demo: Any) -> None:
    bench = Workbench(demo, CLEAN, **PAIR, heads=[(2, 1)], selected_heads=[(3, 1)])
    assert list(bench.panes) == ["attention", "lens", "attribution", "patching", "steering"]
    assert {view.selection for view in [bench.bar, *bench.panes.values()]} == {bench.selection}
    bench.panes["lens"].change_prompt(OTHER)  # from any of them
    names = ("attention", "lens", "attribution", "steering")
    assert [bench.panes[name].prompt for name in names] == [OTHER] * 4
    assert bench.prompt == OTHER
    assert OTHER in bench.bar.origin
    bench.panes["attention"].selected_heads = [(0, 0)]
    assert bench.panes["patching"].selected_heads == bench.bar.selected_heads == [(0, 0)]
    bench.panes["steering"].strengths = [0.0]
    assert [name for name, view in bench.panes.items() if not view.unsteered] == ["steering"]
    assert not bench.bar.unsteered


def test_patching_follows_where_a_corrupted_prompt_does(demo: Any) -> None:
    bench = Workbench(demo, CLEAN, **PAIR)
    first = bench.panes["patching"]
    bench.change_prompt(OTHER)
    second = bench.panes["patching"]
    assert first.comm is None
    corrupted = "When Anna and Paul went to the park, Anna gave a book to"
    assert list(second.result.provenance.prompts) == [OTHER, corrupted]
    assert f"corrupted={corrupted!r}" in bench.bar.arguments
    assert second in bench.views
    bench.change_prompt("the horse")
    assert bench.panes["patching"] is second
    assert bench.bar.note == "Patching shows the pair of before: no corrupted prompt follows from this one."
    bench.change_prompt("When Anna and Paul went to the park, Paul gave a drink to")
    assert bench.panes["patching"] is not second
    assert bench.bar.note == ""


@pytest.mark.parametrize(
    ("clean", "corrupted", "text", "wanted"),
    [
        ("a b, b", "a b, a", "c d, d", "c d, c"),
        ("a b", "a x", "c b", "c x"),
        ("a b", "a x", "a b c", None),
        ("a a", "a b", "a c", None),
        ("a b", "a b c", "c b", None),
        ("a  b\n", "a  c\n", "d  b\n", "d  c\n"),
    ],
)
def test_exchanged_words_are_exchanged_in_the_corrupted_prompt(
    clean: str, corrupted: str, text: str, wanted: str | None
) -> None:
    assert carried_over(clean, corrupted, text) == wanted


def test_panes_can_be_hidden(demo: Any) -> None:
    bench = Workbench(demo, CLEAN, hidden=["lens"])
    assert shown(bench) == ["attention", "steering", "attribution"]
    bench.bar.set_state({"hidden": ["steering", "attention"]})
    assert shown(bench) == ["lens", "attribution"]
    assert len(bench._row.children) == 1  # the other column takes no room
    bench.hidden = []
    assert len(shown(bench)) == 4
    with pytest.raises(traitlets.TraitError, match="no pane 'x'"):
        bench.hidden = ["x"]


def test_default_answers_are_the_two_most_probable(demo: Any) -> None:
    bench = Workbench(demo, CLEAN)
    assert bench.panes["steering"].answers == ["Mary", "John"]
    assert "patching" not in bench.panes
    assert bench.bar.arguments == []  # the code finds them again


def compared(bench: Any) -> dict[str, Any]:
    """Return what each pane says that it compares."""
    panes = bench.panes
    steering, attribution = panes["steering"], panes["attribution"]
    said = {"steering": steering.answers, "attribution": [*attribution.answer, *attribution.versus]}
    assert attribution.whole == pytest.approx(steering.start["difference"], abs=1e-4)
    if "patching" in panes:
        said["patching"] = [*panes["patching"].question["answer"], *panes["patching"].question["versus"]]
    return said


def test_default_answers_are_those_of_the_prompt_on_show(demo: Any) -> None:
    changed, fresh = Workbench(demo, CLEAN, heads=[(2, 1)]), Workbench(demo, "The dog", heads=[(2, 1)])
    sent: list[Any] = []
    steering = changed.panes["steering"]
    steering.comm.send = lambda data, buffers: sent.append(data["state"])  # what the browser gets
    changed.panes["lens"].change_prompt("The dog")
    logits = demo.trace("The dog").logits[-1]
    wanted = [demo.tokenizer.decode([int(one)]).strip() for one in logits.topk(2).indices]
    assert [one.strip() for one in changed.panes["steering"].answers] == wanted != ["Mary", "John"]
    assert compared(changed) == compared(fresh)
    (state,) = [state for state in sent if {"answers", "start"} & set(state)]  # both at once
    assert (state["answers"], state["start"]["difference"]) == (steering.answers, steering.start["difference"])
    changed.change_prompt(CLEAN)
    assert changed.panes["steering"].answers == ["Mary", "John"]
    for name in ("steering", "attribution"):
        again, first = changed.panes[name], Workbench(demo, CLEAN, heads=[(2, 1)]).panes[name]
        for trait in ("answers", "answer", "versus", "contributions", "whole"):
            assert getattr(again, trait, None) == getattr(first, trait, None)


def test_default_answers_of_patching_too(demo: Any) -> None:
    bench = Workbench(demo, CLEAN, corrupted=CORRUPTED)
    assert [one.strip() for one in compared(bench)["patching"]] == ["Mary", "John"]
    bench.change_prompt(OTHER)
    fresh = Workbench(demo, OTHER, corrupted="When Anna and Paul went to the park, Anna gave a book to")
    assert compared(bench) == compared(fresh)
    assert compared(bench)["patching"] != ["Mary", "John"]


def test_answers_that_were_given_stay(demo: Any) -> None:
    bench = Workbench(demo, CLEAN, **PAIR)
    before = compared(bench)
    bench.change_prompt(OTHER)
    assert compared(bench) == before


def test_a_far_model_is_asked_once_for_lens_and_answers(demo: Any) -> None:
    remote = fake_remote(demo)
    bench = Workbench(remote, CLEAN, corrupted=CORRUPTED)
    asked = remote.transport.asked
    asked.clear()
    bench.change_prompt(OTHER)
    assert sorted(asked) == sorted(set(asked))
    near = Workbench(demo, OTHER, corrupted="When Anna and Paul went to the park, Anna gave a book to")
    assert bench.panes["attribution"].answer == near.panes["attribution"].answer
    assert bench.panes["patching"].question == near.panes["patching"].question


def test_it_is_closed_whole(demo: Any) -> None:
    gc.collect()
    before = set(instances)
    shared = Selection()
    bench = Workbench(demo, CLEAN, **PAIR, hidden=["lens"], selection=shared)
    bench.change_prompt(OTHER)
    bench.close()
    assert set(instances) == before
    assert shared.views() == []


def test_what_a_pane_refuses_leaves_none_open(demo: Any) -> None:
    before = set(instances)
    with pytest.raises(ValueError, match="There is no head|Head 99"):
        Workbench(demo, CLEAN, heads=[(99, 0)])
    assert set(instances) == before
    with pytest.raises(TypeError, match="one prompt"):
        Workbench(demo, ["a", "b"])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="takes a Microscope, not 'demo'"):
        Workbench("demo", CLEAN)
    for empty in ("", " \n"):
        with pytest.raises(ValueError, match="The prompt is empty"):
            Workbench(demo, empty)
    assert set(instances) == before
    bench = Workbench(demo, CLEAN)
    with pytest.raises(TypeError, match=r"one prompt, a text, not \['a', 'b'\]"):
        bench.change_prompt(["a", "b"])  # type: ignore[arg-type]
    assert bench.prompt == CLEAN


def test_a_still_for_hosts_without_widgets(demo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Workbench(demo, CLEAN, **PAIR, hidden=["lens"])
    data, _ = bench._repr_mimebundle_()
    page = data["text/html"]
    places = [page.index(f"<b>{view.title}</b>") for view in bench.views]
    assert places == sorted(places)
    assert page.count('<figure class="sw-still"') == 4
    assert bench.panes["lens"].title not in page
    assert page.count(f'data-of="{bench.selection.id}"') == 4  # hidden while the views live
    width, height = struct.unpack(">II", b64decode(data["image/png"])[16:24])
    assert width > 200
    assert height > 300
    assert data["text/plain"].startswith(f"Workbench(scope, {CLEAN!r}): attention, lens,")
    published: list[Any] = []
    monkeypatch.setattr(displayed, "publish_display_data", lambda data, *_: published.append(set(data)))
    bench._ipython_display_()
    assert published == [
        {"application/vnd.jupyter.widget-view+json", "text/html"},
        {"text/plain", "text/html", "image/png"},
    ]
    bench.hidden = list(bench.panes)
    assert "text/html" not in bench._repr_mimebundle_()[0]


def test_code_and_pages(demo: Any, tmp_path: Path) -> None:
    bench = Workbench(demo, CLEAN, **PAIR, heads=[(2, 1)], labels={(2, 1): "I"}, hidden=["steering"])
    assert bench.bar.arguments == [
        f"corrupted={CORRUPTED!r}",
        "answer=' Mary'",
        "versus=' John'",
        "heads=[(2, 1)]",
        "labels={(2, 1): 'I'}",
    ]
    names: dict[str, Any] = {}
    exec(bench.bar.made_by, names)
    again = eval(f"Workbench(scope, {bench.prompt!r}, {', '.join(bench.bar.arguments)})", names)
    assert again.panes["attention"].letters == bench.panes["attention"].letters
    written = bench.to_html(tmp_path / "bench.html").read_text()
    assert written.count('<div id="view-') == 4
