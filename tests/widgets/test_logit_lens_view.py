"""The Python half of LogitLensView: what travels, what is refused, what a saved page holds."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import traitlets

from scope_widgets.widgets import LogitLensView, Selection
from scope_widgets.widgets.core.drawing.colours import MAGNITUDE
from scope_widgets.widgets.logit_lens_view import MOST_CELLS
from tests.support.lens_examples import made_lens


def array(data: bytes, dtype: Any, *shape: int) -> Any:
    return np.frombuffer(data, dtype).reshape(shape)


def message_bytes(view: LogitLensView) -> int:
    state = {name: value for name, value in view.get_state().items() if name != "_esm"}
    return sum(len(v) if isinstance(v, bytes) else len(json.dumps(v)) for v in state.values())


def test_the_top_tokens_travel_first_and_the_rest_on_request() -> None:
    lens = made_lens()
    view = LogitLensView(lens)
    np.testing.assert_array_equal(array(view.top_ids, np.int32, 5, 14), lens.top_ids[..., 0])
    np.testing.assert_array_equal(array(view.top_probabilities, np.float32, 5, 14), lens.top_probabilities[..., 0])
    assert {view.texts[str(i)] for i in lens.top_ids[..., 0].ravel()} <= set(lens.texts.values())
    assert view.texts["1"] == " Mary"
    np.testing.assert_array_equal(array(view.answer_entropy()[1][0], np.float32, 5, 14), lens.entropy)
    np.testing.assert_array_equal(array(view.answer_kl()[1][0], np.float32, 5, 14), lens.kl)
    data, (ids, probabilities) = view.answer_candidates()
    np.testing.assert_array_equal(array(ids, np.int32, 5, 14, data["k"]), lens.top_ids)
    np.testing.assert_array_equal(array(probabilities, np.float32, 5, 14, 5), lens.top_probabilities)
    known = {**view.texts, **data["texts"]}
    assert all(known[str(i)] == lens.text(i) for i in lens.top_ids.ravel())
    _, (ranks, probabilities) = view.answer_watched(2)
    np.testing.assert_array_equal(array(ranks, np.int32, 5, 14), lens.watched_ranks[1])
    np.testing.assert_array_equal(array(probabilities, np.float32, 5, 14), lens.watched_probabilities[1])


def test_the_lens_of_the_demo_model_is_shown() -> None:
    from scope_widgets import Microscope
    from scope_widgets.lens import logit_lens

    trace = Microscope.load("demo").trace("When Mary and John went to the store, John gave a drink to")
    view = logit_lens(trace).widget()
    assert isinstance(view, LogitLensView)
    assert view.title == f"Logit lens, demo, {len(trace.tokens)} tokens"
    assert view.layers == [0, 1, 2, 3, 4]
    assert view.still_table()[1][0][1] == view.texts[str(view.watched[0])]


def test_a_long_prompt_in_a_deep_model_is_a_small_first_message() -> None:
    vocabulary = [f" token number {i}" for i in range(300)]
    lens = made_lens(30, 1024, vocabulary=vocabulary)
    ids = np.arange(31 * 1024).reshape(31, 1024, 1) + np.zeros(5, int)  # as many texts as there can be
    texts = {str(i): f" token number {i}" for i in range(31 * 1024)}
    view = LogitLensView(dataclasses.replace(lens, top_ids=ids, texts=texts))
    assert message_bytes(view) <= 2_000_000
    for name, args, _data, buffers in view.saved_answers():
        assert sum(map(len, buffers)) <= 10_000_000, (name, args)


def test_options_travel_and_are_checked() -> None:
    view = LogitLensView(made_lens(), colour="rank", token=2, limits=(0.01, 0.5), scale="log", chart="probability")
    assert (view.colour, view.token, view.limits, view.scale) == ("rank", 2, [0.01, 0.5], "log")
    with pytest.raises(traitlets.TraitError, match=r"known of the watched tokens only, which are: 1 \(' Mary'\), 2"):
        view.token = 7
    with pytest.raises(traitlets.TraitError, match="0 <= low < high"):
        view.limits = (0.5, 0.1)
    view.limits = None
    with pytest.raises(traitlets.TraitError, match="which are: none"):
        LogitLensView(made_lens(watch=()), colour="rank")
    assert LogitLensView(made_lens(watch=())).token is None


def test_what_cannot_be_shown_is_refused_in_a_sentence() -> None:
    with pytest.raises(TypeError, match=r"shows a LogitLens, such as lens.logit_lens gives, not a dict"):
        LogitLensView({})
    lens = made_lens()
    with pytest.raises(ValueError, match=f"shows 1 to {MOST_CELLS:,} cells, and 101 layers at 2,000 positions"):
        LogitLensView(made_lens(100, 2000))
    with pytest.raises(ValueError, match="Token 7 is not watched"):
        LogitLensView(lens).answer_watched(7)


def test_the_selection_is_shared() -> None:
    chosen = Selection(tokens=[3])
    view = LogitLensView(made_lens(), selection=chosen)
    assert view.selected_tokens == [3]
    view.selected_tokens = [4, 5]
    assert chosen.tokens == [4, 5]


def test_a_saved_page_holds_everything() -> None:
    view = LogitLensView(made_lens())
    asked = [(name, args) for name, args, *_ in view.saved_answers()]
    assert asked == [
        ("entropy", {}),
        ("kl", {}),
        ("candidates", {}),
        ("watched", {"token": 1}),
        ("watched", {"token": 2}),
    ]
    assert "somewhere/tiny-model" in view.provenance_lines()


def test_the_still_reads_the_last_position_layer_by_layer() -> None:
    lens = made_lens(tokens=["a", "\n"])
    view = LogitLensView(lens)
    header, rows = view.still_table()
    assert header == ["layer", "top token after ↵", "probability", "entropy, nats"]
    assert [row[0] for row in rows] == ["output", "3", "2", "1", "0"]
    top = lens.text(lens.top_ids[-1, -1, 0]).replace(" ", "·").replace("\n", "↵")
    assert rows[0][1:3] == [top, f"{lens.top_probabilities[-1, -1, 0]:.3f}"]
    picture = view.still_image()
    assert picture.dtype == np.uint8
    assert picture[0, 0].tolist() == MAGNITUDE[round(255 * lens.top_probabilities[-1, 0, 0])].tolist()
    assert "&lt;" in LogitLensView(made_lens(tokens=["<b>"]))._repr_mimebundle_()[0]["text/html"]


def test_texts_that_are_missing_are_numbers() -> None:
    lens = made_lens()
    assert LogitLensView(dataclasses.replace(lens, texts={})).texts["1"] == "#1"
