"""HeadTable's Python half: what it takes, what it sends, what it refuses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from traitlets import TraitError

from scope_widgets import heads
from scope_widgets.widgets import HeadTable, Selection


class Labels:
    """As `heads.label` gives them."""

    thresholds: ClassVar = {"induction": 0.4, "duplicate": 0.4, "elsewhere": 0.1}

    def letters(self) -> dict[tuple[int, int], str]:
        return {(0, 1): "I"}

    def to_dataframe(self) -> pd.DataFrame:
        row = {"layer": 0, "head": 1, "null_p": 0.005, "threshold": 0.4}
        return pd.DataFrame(
            [
                {**row, "label": "induction", "statistic": "induction", "score": 0.87},
                {**row, "label": "previous_token", "statistic": "previous", "score": 0.5, "null_p": np.nan},
            ]
        )


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"layer": [0, 0, 1], "head": [0, 1, 0], **columns})


def spec(view: HeadTable, name: str) -> dict[str, Any]:
    return next(column for column in view.columns if column["name"] == name)


def numbers(view: HeadTable, name: str) -> np.ndarray:
    column = spec(view, name)
    return np.frombuffer(view.numbers, column["dtype"], view.n_rows, column["start"])


def test_numbers_travel_as_bytes_and_text_as_lists() -> None:
    view = HeadTable(
        frame(
            induction=np.array([0.1, np.nan, 0.3], np.float32),
            exact=[1 / 3, 2.0, -1e-12],
            count=[1, 2, 3],
            note=["a", None, "<img src=x onerror=alert(1)>"],
            dead=[True, False, True],
        )
    )
    assert view.n_rows == 3
    assert [column["name"] for column in view.columns][:2] == ["layer", "head"]
    np.testing.assert_array_equal(numbers(view, "induction"), np.array([0.1, np.nan, 0.3], np.float32))
    np.testing.assert_array_equal(numbers(view, "exact"), [1 / 3, 2.0, -1e-12])
    assert spec(view, "induction")["dtype"] == "float32"
    assert spec(view, "count")["kind"] == "integer"
    assert view.texts == {
        "note": ["a", "", "<img src=x onerror=alert(1)>"],
        "dead": ["True", "False", "True"],
    }


def test_a_result_gives_its_table_shape_and_provenance() -> None:
    provenance = SimpleNamespace(model="demo", lines=lambda: ["demo", "a prompt"])
    result = SimpleNamespace(
        to_dataframe=lambda: frame(induction=[0.1, 0.2, 0.3]), provenance=provenance, n_layers=2, n_heads=2
    )
    view = HeadTable(result)
    assert view.title == "Heads: induction, demo"
    assert view.provenance_lines() == ["demo", "a prompt"]
    with pytest.raises(TraitError, match=r"Head 2\.0 is not there"):
        view.selected_heads = [(2, 0)]


def test_a_title_says_what_the_table_is_of() -> None:
    result = SimpleNamespace(to_dataframe=lambda: frame(a=[1.0] * 3), title="Heads of a kind", model_id="m")
    assert HeadTable(result).title == "Heads of a kind, m"
    assert HeadTable(frame(a=[1.0] * 3, b=[1.0] * 3, a_low=[0.0] * 3, a_high=[2.0] * 3)).title == "Heads: a, b"
    assert HeadTable(frame(a=[0.1] * 3, b=[0.1] * 3, c=[0.1] * 3, d=[0.1] * 3)).title == "Heads: a, b, c, …"
    titles = {kind.title for kind in (heads.HeadScores, heads.HeadLabels, heads.RecallHeads, heads.HeadComparison)}
    assert len(titles) == 4


def test_what_rows_were_compared_with_is_a_mark_and_no_column() -> None:
    labels = frame(score=[0.5, 0.9, 0.4], threshold=[0.4, 0.4, 0.95], effect=[1.0] * 3, effect_threshold=[2.0] * 3)
    view = HeadTable(labels)
    assert (spec(view, "score")["marks"], spec(view, "effect")["marks"]) == ("threshold", "effect_threshold")
    assert [one["name"] for one in view.columns if one["shown"]] == ["layer", "head", "score", "effect"]
    np.testing.assert_array_equal(numbers(view, "threshold"), [0.4, 0.4, 0.95])


def test_labels_give_letters_evidence_and_thresholds() -> None:
    view = HeadTable(frame(induction=[0.1, 0.87, 0.2], duplicate=[0.0] * 3), Labels())
    assert view.letters == ["", "I", ""]
    evidence = "induction 0.87 ≥ threshold 0.40; null p = 0.005; previous token: previous 0.50 ≥ threshold 0.40"
    assert view.evidence == ["", evidence, ""]
    assert view.texts["label"] == ["", "induction, previous_token", ""]
    assert spec(view, "induction")["threshold"] == 0.4
    assert spec(view, "duplicate")["threshold"] == 0.4, "also where no head reached it"


def test_classes_of_a_table_give_letters_too() -> None:
    view = HeadTable(frame(**{"class": ["name_mover", "negative_name_mover", "something"]}))
    assert view.letters == ["N", "-", ""]


def test_intervals_are_found_by_name_and_are_no_columns_of_their_own() -> None:
    named = HeadTable(frame(effect=[0.1, 0.2, 0.3], effect_low=[0.0] * 3, effect_high=[1.0] * 3))
    plain = HeadTable(frame(effect=[0.1, 0.2, 0.3], low=[0.0] * 3, high=[1.0] * 3, p=[0.5] * 3))
    assert (spec(named, "effect")["low"], spec(named, "effect")["high"]) == ("effect_low", "effect_high")
    assert (spec(plain, "effect")["low"], spec(plain, "effect")["high"]) == ("low", "high")
    assert not spec(plain, "low")["shown"]
    assert spec(plain, "p")["shown"]
    assert spec(plain, "p")["low"] is None


def strips(**changes: Any) -> Any:
    """Stand in for an IOI result: three heads over four tokens."""
    fields = {
        "to_dataframe": lambda: frame(effect=[0.1, 0.2, 0.3], signature=["END -> IO"] * 3, attention=[0.5] * 3),
        "strips": np.arange(12, dtype=np.uint8).reshape(3, 4),
        "strip_tokens": ["When", " Mary", " and", " to"],
        "strip_queries": [3, 3, 2],
        "message": "Backups were not looked for.",
    }
    return SimpleNamespace(**{**fields, **changes})


def test_a_result_may_bring_attention_over_a_prompt() -> None:
    view = HeadTable(strips())
    assert view.strips == bytes(range(12))
    assert (view.strip_tokens, view.strip_queries) == (["When", " Mary", " and", " to"], [3, 3, 2])
    assert view.message == "Backups were not looked for."
    names = [column["name"] for column in view.columns]
    assert names[names.index("signature") + 1] == "strips"
    assert (spec(view, "strips")["kind"], spec(view, "strips")["title"]) == ("strip", "attention over the prompt")
    assert view.still_table()[0] == ["head", "effect", "signature", "attention"]
    assert not spec(HeadTable(strips(), columns=["effect"]), "strips")["shown"]
    chosen = HeadTable(strips(), columns=["strips", "effect"])
    assert [column["name"] for column in chosen.columns if column["shown"]] == ["layer", "head", "strips", "effect"]
    with pytest.raises(TraitError, match="no column 'strips' to sort by"):
        view.sort = [("strips", "ascending")]


def test_the_strips_of_the_ioi_result_fit_the_table() -> None:
    from scope_widgets import ioi

    result = getattr(ioi, "IOIResult", None)
    if result is None:
        pytest.skip("There are no IOI results yet.")
    assert {"strips", "strip_tokens", "strip_queries", "message"} <= set(result.__dataclass_fields__)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"strips": np.zeros((2, 4), np.uint8)}, r"must be uint8 \[3, 4\], a row a head .* not uint8 \[2, 4\]"),
        ({"strips": np.zeros((3, 4))}, "not float64"),
        ({"strip_queries": [3, 3]}, "with 2 queries"),
        ({"strip_queries": [3, 3, 4]}, "positions from 0 to 3"),
    ],
)
def test_strips_that_do_not_fit_are_refused(changes: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        HeadTable(strips(**changes))


def test_no_heads_need_no_strips() -> None:
    none = strips(to_dataframe=lambda: frame(a=[1.0] * 3).head(0), strips=np.zeros((0, 4), np.uint8), strip_queries=[])
    assert HeadTable(none).strips == b""
    table = HeadTable(frame(strips=[1.0, 2.0, 3.0]))
    assert spec(table, "strips")["kind"] == "number", "a column of that name is just a column"


def test_a_control_shares_the_scale_of_what_it_is_held_against() -> None:
    view = HeadTable(frame(attention=[0.5] * 3, elsewhere=[0.01] * 3))
    assert spec(view, "elsewhere")["like"] == "attention"
    assert spec(view, "attention")["like"] is None


def test_columns_choose_what_is_shown_and_in_which_order() -> None:
    view = HeadTable(frame(a=[1.0] * 3, b=[2.0] * 3, c=[3.0] * 3), columns=["c", "a"], thresholds={"c": 2})
    shown = [column["name"] for column in view.columns if column["shown"]]
    assert shown == ["layer", "head", "c", "a"]
    assert "b" in [column["name"] for column in view.columns]
    assert spec(view, "c")["threshold"] == 2.0


def test_filter_sort_and_selection_can_be_given() -> None:
    chosen = Selection(heads=[(0, 1)])
    view = HeadTable(frame(a=[1.0] * 3), filter="a > 1", sort=[("a", "descending")], selection=chosen)
    assert view.filter == "a > 1"
    assert view.sort == [["a", "descending"]]
    assert view.selected_heads == [(0, 1)]
    for wrong in ([("b", "ascending")], [("a", "up")], [("a",)]):
        with pytest.raises(TraitError):
            view.sort = wrong
    assert view.sort == [["a", "descending"]]


@pytest.mark.parametrize(
    ("scores", "options", "error", "sentence"),
    [
        (3, {}, TypeError, "or a DataFrame, not a int"),
        (pd.DataFrame({"layer": [0]}), {}, ValueError, "needs a column 'head'"),
        (pd.DataFrame({"layer": [0.5], "head": [0]}), {}, ValueError, "'layer' must hold whole numbers"),
        (pd.DataFrame({"layer": [0], "head": [-1]}), {}, ValueError, "'head' must hold whole numbers"),
        (pd.DataFrame({"layer": [0], "head": ["x"]}), {}, ValueError, "'head' must hold whole numbers"),
        (frame(a=[1, 2, 3]), {"columns": ["b"]}, ValueError, "There is no column 'b': the columns are"),
        (frame(a=[1, 2, 3]), {"thresholds": {"b": 1}}, ValueError, "There is no column 'b'"),
        (frame(a=[1, 2, 3]), {"thresholds": {"a": np.nan}}, ValueError, "must be a number"),
        (pd.DataFrame([[0, 0, 1, 2]], columns=["layer", "head", "a", "a"]), {}, ValueError, "twice there: a"),
    ],
)
def test_what_is_no_table_of_heads_is_refused(scores: Any, options: Any, error: Any, sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        HeadTable(scores, **options)


def test_odd_columns_become_text() -> None:
    view = HeadTable(frame(mixed=[1, "a", None], z=[1j, 2j, 3j]), sort=[("mixed", "ascending")])
    assert view.texts["mixed"] == ["1", "a", ""]
    assert spec(view, "z")["kind"] == "text"
    assert view._repr_mimebundle_() is not None


def test_an_empty_table_is_a_table() -> None:
    view = HeadTable(pd.DataFrame({"layer": [], "head": [], "induction": []}))
    assert view.n_rows == 0
    assert view.still_table() == (["head", "induction"], [])


def test_the_still_names_the_first_heads_as_sorted() -> None:
    many = pd.DataFrame({"layer": np.arange(20), "head": 0, "a": np.arange(20.0), "note": ["<b>"] * 19 + [None]})
    view = HeadTable(many, sort=[("a", "descending")])
    header, rows = view.still_table()
    assert header == ["head", "a", "note"]
    assert rows[1] == ["18.0", "18", "<b>"]
    assert rows[-1][0] == "and 8 more"
    page = view._repr_mimebundle_()[0]["text/html"]
    assert "&lt;b&gt;" in page
    assert "<b><" not in page


def test_the_input_is_not_changed() -> None:
    given = frame(a=[1.0, 2.0, 3.0])
    before = given.copy()
    HeadTable(given, Labels())
    pd.testing.assert_frame_equal(given, before)
