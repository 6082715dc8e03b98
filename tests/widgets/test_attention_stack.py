"""The Python half of AttentionStack: which slices travel, exact heads, another prompt, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import traitlets

from scope_widgets import Microscope
from scope_widgets.widgets import AttentionStack, AttentionView, Selection
from scope_widgets.widgets.core.requests import finished
from tests.support.fake_transport import fake_remote
from tests.support.stack_examples import stacked_trace

PROMPT = "When Mary and John went to the store"


def slices_of(view: AttentionStack) -> Any:
    side = view.thumbnail_size
    return np.frombuffer(view.thumbnails, np.uint8).reshape(view.n_layers, view.n_heads, side, side)


@pytest.mark.parametrize("where", ["here", "on a server"])
def test_slices_are_the_patterns_in_steps(demo: Any, where: str) -> None:
    scope = demo if where == "here" else fake_remote(demo)
    trace = scope.trace(PROMPT)
    view = AttentionStack(trace)
    finished(view.answer_thumbnails(view.n_layers - 1))
    assert view.thumbnail_layers == trace.n_layers
    found = slices_of(view)
    assert view.thumbnail_size == len(trace.tokens)
    for layer in range(trace.n_layers):
        np.testing.assert_allclose(found[layer] / 255, trace.attention(layer).float().numpy(), atol=0.5 / 255 + 1e-6)
    data, (packed,) = finished(view.answer_head(2, 1))
    assert data["exact"]
    rows = np.tril_indices(len(trace.tokens))
    expected = trace.attention(2)[1].float().numpy()[rows]
    np.testing.assert_allclose(np.frombuffer(packed, np.float32), expected, atol=1e-6)


def test_12_by_12_heads_of_64_tokens_are_whole_and_one_small_message() -> None:
    view = AttentionStack(stacked_trace(64, 12, 12))
    assert view.thumbnail_size == 64
    assert len(view.thumbnails) == 144 * 64 * 64
    view = AttentionStack(stacked_trace(100, 2, 3))
    assert view.thumbnail_size == 64
    pattern = stacked_trace(100, 2, 3).attention(1)[2].numpy()
    at = np.arange(100) * 64 // 100
    largest = np.zeros((64, 64))
    np.maximum.at(largest, (at[:, None].repeat(100, 1), at[None].repeat(100, 0)), pattern)
    np.testing.assert_allclose(slices_of(view)[1, 2].max(), 255 * largest.max(), atol=0.51)
    many = AttentionStack(stacked_trace(40, 30, 32))
    assert many.thumbnail_size == 32  # so that the message stays small


def test_it_shares_its_heads_and_says_how_it_is_looked_at(demo: Any) -> None:
    trace, chosen = demo.trace(PROMPT), Selection(heads=[(3, 1)])
    stack, other = AttentionStack(trace, selection=chosen), AttentionView(trace, selection=chosen)
    assert stack.selected_heads == [(3, 1)]
    stack.set_state({"selected_heads": [[2, 0]], "turn": 10.0, "tilt": -5.0, "spread": 0.5})
    assert other.selected_heads == [(2, 0)]
    assert (stack.turn, stack.tilt, stack.spread) == (10, -5, 0.5)
    stack.set_state({"turn": 500.0})
    assert stack.turn == 10
    with pytest.raises(traitlets.TraitError, match="Head 9.0 is not there"):
        stack.selected_heads = [(9, 0)]
    with pytest.raises(traitlets.TraitError, match="0 <= low < high"):
        stack.limits = (1, 0)


def test_another_prompt(demo: Any) -> None:
    stack = AttentionStack(demo.trace(PROMPT))
    assert stack.prompt == PROMPT
    stack.change_prompt("When Anna and Paul went")
    trace = demo.trace("When Anna and Paul went")
    assert stack.tokens == list(trace.tokens)
    assert "Anna and Paul" in stack.origin
    np.testing.assert_allclose(slices_of(stack)[1] / 255, trace.attention(1).float().numpy(), atol=0.51 / 255)
    assert stack.title.endswith(f"{len(trace.tokens)} tokens")
    assert 'scope.trace("When Anna' in stack.made_by or "scope.trace('When Anna" in stack.made_by


def test_what_stands_on_paper_and_in_a_saved_page(demo: Any) -> None:
    stack = AttentionStack(demo.trace(PROMPT), selected_heads=[(3, 1)], threshold=0.1)
    assert "Large: head 3.1" in stack.caption()
    assert "below 0.1 is left empty" in stack.caption()
    assert "head 3.1" in stack.to_svg()
    asked = [args for name, args, *_ in stack.saved_answers() if name == "head"]
    assert len(asked) == stack.n_layers * stack.n_heads
    assert stack.still_image() is not None
    assert {"stack of heads", "hidden heads"} <= {term for term, *_ in stack.definitions}


def test_what_cannot_be_shown_is_refused_in_a_sentence(demo: Any) -> None:
    with pytest.raises(TypeError, match=r"shows a trace, scope.trace\(prompt\), not str"):
        AttentionStack("a prompt")
    with pytest.raises(ValueError, match=r"one prompt and `trace` has 2: choose one with trace\[i\]"):
        AttentionStack(demo.trace(["the dog", "the cat runs"]))
    stack = AttentionStack(demo.trace(PROMPT))
    for bad in ({"layer": 99, "head": 0}, {"layer": 0, "head": -1}):
        with pytest.raises(ValueError, match="There is no"):
            finished(stack.answer_head(**bad))


def test_the_example_says_what_it_is() -> None:
    assert AttentionStack(Microscope.load("demo").trace(PROMPT)).title == "Stack of all heads, demo, 9 tokens"
