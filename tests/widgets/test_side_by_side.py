"""The Python half of two traces beside each other: alignment, heads of another model, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scope_widgets.heads.thumbnails import layer_thumbnails
from scope_widgets.widgets import AttentionView
from scope_widgets.widgets.core.requests import finished
from tests.support.trace_examples import FakeTrace
from tests.widgets.test_reproducing_code import again

A = ["When", " Mary", " and", " John", " went", ",", " John", " gave", " it", " to"]
B = ["Then", " Mary", " Ann", " and", " John", " went", " home", ",", " John", " gave", " to"]
PARTNERS = [-1, 1, 3, 4, 5, 7, 8, 9, -1, 10]


def of(tokens: list[str], model: str = "one", layers: int = 3, heads: int = 4, seed: int = 0) -> FakeTrace:
    made = FakeTrace(layers, heads, tokens, seed)
    made.model_id = model
    return made


def triangle(view: AttentionView, layer: int, head: int, side: Any) -> Any:
    _, (buffer,) = finished(view.answer_head(layer, head, side))
    return np.frombuffer(buffer, np.float32)


def lower(pattern: Any) -> Any:
    return pattern.numpy()[np.tril_indices(pattern.shape[-1])]


def test_each_is_sent_in_its_own_tokens():
    a, b = of(A), of(B, seed=1)
    view = AttentionView(a, b)
    assert (view.tokens, view.versus_tokens, view.partners) == (A, B, PARTNERS)
    assert view.differs
    assert view.title == "Attention, one, two prompts of 10 and 11 tokens"
    np.testing.assert_array_equal(triangle(view, 1, 2, "a"), lower(a.attention(1)[2]))
    np.testing.assert_array_equal(triangle(view, 1, 2, "b"), lower(b.attention(1)[2]))
    assert "8 of 10 tokens of A are aligned" in view.caption()
    assert view.comparison in view.provenance_lines()


def test_the_difference_is_over_pairs_alone():
    a, b = of(A), of(B, seed=1)
    x, y = a.attention(0)[1].numpy(), b.attention(0)[1].numpy()
    found = AttentionView(a, b)._beside.difference(x, y)
    crossed = AttentionView(a, b, align={1: 4, 3: 1})._beside.difference(x, y)
    for query in range(len(A)):
        for key in range(query + 1):
            q, k = PARTNERS[query], PARTNERS[key]
            expected = y[q, k] - x[query, key] if min(q, k) >= 0 else np.nan
            np.testing.assert_equal(found[query, key], expected)
    # the key of A's 3 -> 1 comes after the query in B
    assert np.isnan(crossed[3, 1])
    assert crossed[3, 3] == y[1, 1] - x[3, 3]


def test_prompts_of_one_length_keep_their_positions():
    swapped = [" Ann" if token == " Mary" else token for token in A]
    assert AttentionView(of(A), of(swapped)).partners == []
    assert AttentionView(of(A), of(swapped)).comparison == ""
    assert AttentionView(of(A), of(swapped), align="tokens").partners == [0, -1, *range(2, 10)]
    # of two models the same number may be another word
    assert AttentionView(of(A), of(swapped, "other")).partners == [0, -1, *range(2, 10)]
    assert AttentionView(of(A), of(A, "other")).partners == []


def test_roles_are_given_with_both_prompts():
    view = AttentionView(of(A), of(B), roles=({"IO": 1, "END": 9}, {"IO": 2, "END": 10}))
    assert view.partners[1] == 2
    assert "by role and by token" in view.comparison
    assert view.arguments == ["roles=({'IO': 1, 'END': 9}, {'IO': 2, 'END': 10})"]


def test_another_tokenizer_is_aligned_by_characters():
    pieces = ["<s>", "Wh", "en", " Ma", "ry", " left"]
    view = AttentionView(of(["When", " Mary", " left"]), of(pieces, "other"))
    assert view.partners == [2, 4, 5]  # " Ma" covers two letters of the name, as "ry" does: the last of them counts
    assert "by the characters they cover" in view.comparison


def test_unlike_heads_have_no_difference():
    a, b = of(A, layers=4), of(B, "other", layers=2, heads=3, seed=1)
    view = AttentionView(a, b, pairs={(3, 1): (1, 2)})
    assert not view.differs
    assert view.comparison.endswith("so there is no B − A. As given, heads of A and B: 3.1 beside 1.2.")
    np.testing.assert_array_equal(triangle(view, 3, 1, "b"), lower(b.attention(1)[2]))
    np.testing.assert_array_equal(triangle(view, 1, 1, "b"), lower(b.attention(1)[1]))
    with pytest.raises(ValueError, match=r"B has no head 3\.0: pairs=\{\(3, 0\): \(layer, head\)\} puts one there"):
        triangle(view, 3, 0, "b")
    pictures = view._pictures[1]
    own = AttentionView(b)._pictures[0]
    at = np.arange(view.thumbnail_size) * len(B) // view.thumbnail_size
    np.testing.assert_array_equal(pictures[3, 1], own[1, 2][np.ix_(at, at)])
    assert not pictures[3, 0].any()
    asked = [(args["layer"], args["head"]) for _, args, _, _ in view.saved_answers() if args["side"] == "b"]
    assert asked == [*((layer, head) for layer in range(2) for head in range(3)), (3, 1)]
    # of one model too: two heads are two heads
    assert not AttentionView(of(A), of(A), pairs={(0, 1): (2, 3)}).differs


def test_thumbnails_of_a_deeper_model_come_layer_by_layer(monkeypatch):
    deep = of(B, "other", layers=9, seed=1)
    expected = layer_thumbnails(deep.attention(8), 11)[3]
    monkeypatch.setattr("scope_widgets.widgets.attention_view.PATIENCE_S", 0)
    view = AttentionView(of(A), deep, pairs={(1, 0): (8, 3)})
    assert view.thumbnail_layers == 1  # layer 0 needs no more than layer 0 of B
    finished(view.answer_thumbnails(1))
    np.testing.assert_array_equal(view._pictures[1, 1, 0], expected)


def test_the_figure_has_all_that_is_there(tmp_path):
    text = AttentionView(of(A), of(B, seed=1), selected_heads=[(1, 1)]).to_svg(tmp_path / "both.svg").read_text("utf-8")
    assert all(title in text for title in ("head 1.1, A", "head 1.1, B", "head 1.1, B − A"))
    unlike = AttentionView(of(A), of(B, "other", 2, 3), pairs={(2, 1): (1, 2)}, selected_heads=[(2, 1)])
    text = unlike.to_svg(tmp_path / "unlike.svg").read_text("utf-8")
    assert "head 1.2, B" in text
    assert "B − A<" not in text


def test_it_is_made_again_by_its_code(demo):
    view = AttentionView(
        demo.trace("When Mary and John went to the store"),
        demo.trace("Then Mary and Ann went home"),
        align="tokens",
        pairs={(3, 1): (2, 0)},
    )
    made = again(view, "AttentionView(trace, versus, align='tokens', pairs={(3, 1): (2, 0)})")
    assert (made.partners, made.head_pairs, made.comparison) == (view.partners, view.head_pairs, view.comparison)


def test_what_does_not_fit_is_said():
    for options, words in [
        ({"align": "positions"}, "`trace` has 10 tokens and `versus` 11, so they are not aligned by position"),
        ({"align": "roles"}, r"needs roles=\(\{role"),
        ({"align": "words"}, '`align` is "positions", "tokens", "roles" or a mapping of positions, not \'words\''),
        ({"align": {0: 11}}, "`align` maps position 0 to 11"),
        ({"align": {0: 1, 1: 1}}, "two positions of `trace` to one"),
        ({"align": "tokens", "roles": ({}, {})}, "leave one of the two out"),
        ({"pairs": {(0, 0): (0, 9)}}, r"names head 0\.9, but `versus` has 3 layers of 4 heads"),
    ]:
        with pytest.raises(ValueError, match=words):
            AttentionView(of(A), of(B), **options)
    with pytest.raises(ValueError, match="give versus= too"):
        AttentionView(of(A), align="tokens")


def test_a_saved_page_has_the_tokens_of_the_partner(demo):
    a, b = demo.trace("When Mary and John went to the store"), demo.trace("Then Mary and Ann went home")
    view = AttentionView(
        a, b, align="tokens", selected_heads=[(3, 1)], selected_tokens=[2], quantity="value_weighted", head_tokens=True
    )
    saved = [(name, args["side"], args.get("position")) for name, args, _, _ in view.saved_answers()]
    assert view.tokens[2] == view.versus_tokens[view.partners[2]] == "Mary"
    positions = {(side, at) for name, side, at in saved if name == "head_tokens"}
    assert positions == {("a", 2), ("b", view.partners[2])}
    assert {side for name, side, _ in saved if name == "weighted"} == {"a", "b"}
