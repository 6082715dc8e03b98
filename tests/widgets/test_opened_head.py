"""What AttentionView says of an opened head beside its attention: of the functions of `heads`, or why it cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import traitlets

from scope_widgets import Microscope, Trace, heads
from scope_widgets.widgets import AttentionView, attention_view, opened_head
from scope_widgets.widgets.core.requests import finished
from scope_widgets.widgets.figures.captions import number
from tests.support.fake_transport import fake_remote
from tests.support.jobs import gone_through, texts

PROMPT = "When Mary and John went to the store, John gave a drink to"
FLIPPED = "When Mary and John went to the store, Mary gave a drink to"


@pytest.fixture(scope="module")
def scope() -> Any:
    return Microscope.load("demo")


@pytest.fixture
def view(scope: Any) -> AttentionView:
    return AttentionView(scope.trace(PROMPT), scope.trace(FLIPPED))


def lower(pattern: Any) -> Any:
    return pattern[np.tril_indices(len(pattern))]


def listed(view: AttentionView, what: str, position: int, layer: int = 3, head: int = 1, side: str = "a") -> Any:
    return finished(view.answer_head_tokens(what, layer, head, side, position))[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("side", ["a", "b"])
def test_value_weighted_attention_travels_as_attention_does(view: AttentionView, side: str) -> None:
    expected = heads.value_weighted_attention(view.traces[side], 3, 1).values[0]
    data, (buffer,) = finished(view.answer_weighted(3, 1, side))
    assert data == {"exact": True, "step": 1}
    np.testing.assert_array_equal(np.frombuffer(buffer, np.float32), lower(expected))


def test_long_prompts_travel_in_steps_and_exact_rows(view: AttentionView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_view, "EXACT_TOKENS", 4)
    expected = heads.value_weighted_attention(view.traces["a"], 3, 1).values[0]
    data, (buffer,) = finished(view.answer_weighted(3, 1))
    assert not data["exact"]
    steps = np.frombuffer(buffer, np.uint8)
    np.testing.assert_allclose(steps * data["step"], lower(expected), atol=data["step"])
    _, (some,) = finished(view.answer_weighted_rows(3, 1, "a", 2, 4))
    np.testing.assert_array_equal(np.frombuffer(some, np.float32), lower(expected)[3:10])


def test_lists_are_those_of_the_functions(view: AttentionView, scope: Any) -> None:
    trace = view.traces["b"]
    n = opened_head.N_TOKENS
    for what, expected in {
        "writes": heads.writes(trace, 3, 1, position=9, n=n),
        "ov": heads.ov_tokens(scope, 3, 1, int(trace.token_ids[9]), n=n),
        "qk": heads.qk_tokens(scope, 3, 1, int(trace.token_ids[9]), n=n),
    }.items():
        found = listed(view, what, 9, side="b")
        assert [tuple(one) for one in found["up"]] == expected.top()
        assert [tuple(one) for one in found["down"]] == expected.bottom()
        assert found["note"] == expected.provenance.note


def test_a_list_is_asked_for_once_and_of_a_token_wherever_it_stands(
    view: AttentionView, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    submit = opened_head.submit
    monkeypatch.setattr(opened_head, "submit", lambda *args, **options: asked.append(1) or submit(*args, **options))
    ids = view.traces["a"].token_ids.tolist()
    one, other = (at for at, token in enumerate(ids) if token == ids[-1])  # "to" stands twice
    assert listed(view, "ov", one) == listed(view, "ov", other)
    assert len(asked) == 1
    assert listed(view, "writes", one) != listed(view, "writes", other)
    listed(view, "writes", one)
    assert len(asked) == 3


def test_another_prompt_forgets_and_late_answers_go_to_their_own(scope: Any) -> None:
    remote = fake_remote(Microscope.load("demo"))
    view = AttentionView(remote.trace(PROMPT))
    remote.transport.blocked = True
    late = view.answer_head_tokens("writes", 3, 1, "a", 14)
    next(late)  # type: ignore[call-overload]
    weighted = view.answer_weighted(3, 1)
    next(weighted)  # type: ignore[call-overload]
    view.change_prompt(FLIPPED)
    of_first, of_second = (AttentionView(scope.trace(prompt)) for prompt in (PROMPT, FLIPPED))
    assert finished(late)[0] == listed(of_first, "writes", 14)
    assert finished(weighted) == finished(of_first.answer_weighted(3, 1))
    assert listed(view, "writes", 14) == listed(of_second, "writes", 14) != listed(of_first, "writes", 14)
    assert finished(view.answer_weighted(3, 1)) == finished(of_second.answer_weighted(3, 1))


def test_what_is_not_there_is_refused_in_a_sentence(view: AttentionView) -> None:
    for refused, sentence in (
        (lambda: view.answer_weighted(4, 0), "There is no layer 4"),
        (lambda: view.answer_weighted(0, 4), "There is no head 4"),
        (lambda: view.answer_weighted(0, 0, "c"), "There is no side 'c'"),
        (lambda: view.answer_head_tokens("ov", 0, 0, "a", 15), "There is no position 15"),
    ):
        with pytest.raises(ValueError, match=sentence):
            finished(refused())
    with pytest.raises(traitlets.TraitError):
        view.quantity = "values"


def test_without_weights_the_view_says_why(scope: Any) -> None:
    trace = scope.trace(PROMPT)
    view = AttentionView(Trace.from_json(trace.to_json()), head_tokens=True, quantity="value_weighted")
    assert "was read from a file without them" in view.no_weights
    assert AttentionView(trace).no_weights == ""
    with pytest.raises(ValueError, match=r"Show scope\.trace\(prompt\) of a loaded model"):
        listed(view, "writes", 0)
    assert {name for name, *_ in view.saved_answers()} == {"head"}
    assert "whose weights sum to 1" in AttentionView(trace, selected_heads=[(3, 1)]).caption()


def test_a_page_holds_what_is_on_show(scope: Any) -> None:
    options = {"selected_heads": [(1, 0), (3, 1)], "selected_tokens": [4]}
    view = AttentionView(scope.trace(PROMPT), **options, quantity="value_weighted", head_tokens=True)
    listed(view, "writes", 7)
    answers = [(name, args) for name, args, *_ in view.saved_answers() if name != "head"]
    asked = {"layer": 3, "head": 1, "side": "a"}
    assert ("weighted", asked) in answers
    lists = [(args["what"], args["position"]) for name, args in answers if name == "head_tokens"]
    assert lists == [("writes", 4), ("ov", 4), ("qk", 4), ("writes", 7)]
    assert {name for name, *_ in AttentionView(scope.trace(PROMPT), **options).saved_answers()} == {"head"}


def test_a_figure_shows_it_on_a_scale_of_its_own(scope: Any) -> None:
    options = {"selected_heads": [(3, 1)], "quantity": "value_weighted"}
    view = AttentionView(scope.trace(PROMPT), **options)
    assert "attention times the norm of what the head writes of the key" in view.caption()
    largest = heads.value_weighted_attention(scope.trace(PROMPT), 3, 1).values.max()
    drawn = view.to_svg(caption=False)
    assert "size of what is written" in drawn
    assert f">{number(largest)}<" in drawn
    assert "size of what is written" not in AttentionView(scope.trace(PROMPT), selected_heads=[(3, 1)]).to_svg()


def test_of_a_remote_model_each_list_is_one_request() -> None:
    scope = fake_remote(Microscope.load("demo"))
    transport = scope.transport
    view = AttentionView(scope.trace(PROMPT))
    transport.blocked = True
    before = len(transport.asked)
    statuses, (data, _) = gone_through(view.answer_head_tokens("writes", 3, 1, "a", 14))
    assert "running on the server" in texts(statuses)
    listed(view, "ov", 14)
    listed(view, "qk", 14)
    _, (buffer,) = finished(view.answer_weighted(3, 1))
    assert transport.asked[before:] == ["writes", "ov_tokens", "qk_tokens", "value_weighted_attention"]
    local = AttentionView(transport.local.trace(PROMPT))
    assert data == listed(local, "writes", 14)
    np.testing.assert_array_equal(
        np.frombuffer(buffer, np.float32), np.frombuffer(finished(local.answer_weighted(3, 1))[1][0], np.float32)
    )
