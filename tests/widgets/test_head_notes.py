"""Notes on heads: kept with a selection, checked, said in captions, saved and read again."""

from __future__ import annotations

import json

import pytest
import traitlets

from scope_widgets import heads, lens
from scope_widgets.widgets import AttentionView, AttributionView, HeadTable, LogitLensView, Selection
from scope_widgets.widgets.core import head_notes

PROMPT = "When Mary and John went to the store, John gave a drink to"
NOTE = "moves the name, attends to IO"


def test_notes_are_written_and_deleted_as_in_a_dict():
    chosen = Selection(notes={(3, 1): f"  {NOTE}\n", (0, 0): ""})
    assert chosen.notes == {(3, 1): NOTE}
    held = chosen.notes
    held[0, 2] = "copies"
    held[5, 5] = "of another model"
    assert list(chosen.notes) == [(0, 2), (3, 1), (5, 5)]
    del held[5, 5]
    held[0, 2] = ""
    assert chosen.notes == held == {(3, 1): NOTE}
    with pytest.raises(KeyError):
        del chosen.notes[0, 2]
    assert repr(chosen) == f"Selection(heads=[], tokens=[], notes={{(3, 1): {NOTE!r}}})"
    chosen.clear()
    assert chosen.notes


def test_views_share_notes_and_the_browser_writes_them(demo):
    trace = demo.trace(PROMPT)
    chosen = Selection()
    one, other = AttentionView(trace, selection=chosen), HeadTable(heads.score(trace, null_draws=0), selection=chosen)
    heard = []
    chosen.observe(lambda change: heard.append(dict(change["new"])), "notes")
    one.set_state({"head_notes": [[3, 1, NOTE]]})
    assert other.head_notes == [[3, 1, NOTE]]
    assert heard == [{(3, 1): NOTE}]
    chosen.notes[2, 0] = "earlier"
    assert one.head_notes == [[2, 0, "earlier"], [3, 1, NOTE]]
    assert AttentionView(trace, selection=chosen).head_notes == one.head_notes


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({(3, 1): "x" * 301}, "300 characters at most, and that on 3.1 has 301"),
        ({(3, 1): "a\x00b"}, r"cannot be seen \(U\+0000\)"),
        ({(3, 1): "\u202eturned"}, r"cannot be seen \(U\+202E\)"),
        ({(3, 1): "\ud800"}, "half a character"),
        ({(3, 1): 7}, "is a text, not 7"),
        ({3: "x"}, "on a head, a pair"),
        ({(-1, 0): "x"}, "count from 0"),
        ("3.1: x", "Notes are given as"),
        ({(0, at): "x" for at in range(head_notes.MOST_NOTES + 1)}, "5,000 notes at most, not 5,001"),
    ],
)
def test_what_is_no_note_is_refused_in_a_sentence(given, said, demo, caplog):
    view = AttentionView(demo.trace(PROMPT), selection=Selection(notes={(3, 1): NOTE}))
    with pytest.raises(traitlets.TraitError, match=said):
        view.selection.notes = given
    assert view.selection.notes == {(3, 1): NOTE}
    if isinstance(given, dict) and (3, 1) in given:
        view.set_state({"head_notes": [[3, 1, given[3, 1]]]})
        assert view.selection.notes == {(3, 1): NOTE}
        assert caplog.records


def test_captions_and_figures_say_the_notes_on_heads_that_the_model_has(demo):
    trace = demo.trace(PROMPT)
    chosen = Selection(notes={(3, 1): f"{NOTE}.", (99, 0): "of another model"})
    result = lens.direct_logit_attribution(trace, answer=" Mary", versus=" John")
    for view in (
        AttentionView(trace, selection=chosen),
        HeadTable(heads.score(trace, null_draws=0), selection=chosen),
        AttributionView(result, trace=trace, selection=chosen),
    ):
        assert view.caption().endswith(f" Notes: 3.1, {NOTE}.")
        assert "moves the" in view.to_svg()
    assert "Notes" not in LogitLensView(lens.logit_lens(trace), selection=chosen).caption()
    many = {(layer, 0): "n" for layer in range(14)}
    assert head_notes.said(many).endswith("; 11.0, n; and 2 more.")


def test_notes_are_saved_and_read_again(tmp_path):
    chosen = Selection(notes={(3, 1): NOTE, (10, 2): "ünï"})
    path = chosen.save_notes(tmp_path / "notes.json")
    assert json.loads(path.read_text(encoding="utf-8")) == {"3.1": NOTE, "10.2": "ünï"}
    other = Selection(notes={(3, 1): "old", (0, 0): "stays"})
    other.load_notes(path)
    assert other.notes == {(0, 0): "stays", **chosen.notes}


@pytest.mark.parametrize(
    "text", ["[]", '{"a": "b"}', '{"3.1": 4}', '{"3.1": "a\\u0000"}', "{", '{"3.1": NaN}', '{"9999999.0": "x"}']
)
def test_a_file_of_something_else_is_refused_and_the_notes_stay(text, tmp_path):
    (tmp_path / "notes.json").write_text(text)
    chosen = Selection(notes={(3, 1): NOTE})
    with pytest.raises(ValueError, match="The notes in "):
        chosen.load_notes(tmp_path / "notes.json")
    assert chosen.notes == {(3, 1): NOTE}
    with pytest.raises(FileNotFoundError):
        chosen.load_notes(tmp_path / "nowhere.json")
