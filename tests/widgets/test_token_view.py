"""The Python half of TokenView: which numbers travel, what is refused, what is drawn."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
import traitlets

from scope_widgets import Microscope, features, lens, patching
from scope_widgets.widgets import Selection, TokenView
from scope_widgets.widgets.core.drawing.colours import MAGNITUDE, SIGNED
from scope_widgets.widgets.core.drawing.text_direction import directions, visual_order
from scope_widgets.widgets.figures.tokens import fitted
from scope_widgets.widgets.token_view import MOST_TOKENS
from tests.support.token_examples import made_losses


def numbers_of(view: TokenView) -> dict[str, Any]:
    values = np.frombuffer(view.values, "<f8").reshape(len(view.columns), -1)
    return {column["name"]: row for column, row in zip(view.columns, values, strict=True)}


def test_losses_display_as_this_view() -> None:
    trace = Microscope.load("demo").trace("When Mary and John went to the store")
    losses = lens.token_loss(trace)
    view = losses.widget()
    assert isinstance(view, TokenView)
    found = numbers_of(view)
    assert list(found) == ["loss", "probability", "rank", "entropy", "expected_probability"]
    for name in ("loss", "probability", "entropy", "expected_probability"):
        np.testing.assert_array_equal(found[name], getattr(losses, name))
    np.testing.assert_array_equal(found["rank"], [np.nan, *(losses.rank[1:] + 1)])  # 1 is the top
    assert view.columns[0]["mean"] == pytest.approx(losses.mean)
    assert view.expected == losses.expected
    assert view.title == "Loss of each token, demo, 9 tokens"
    np.testing.assert_array_equal(numbers_of(TokenView(trace))["loss"], losses.loss)  # the trace itself


def test_numbers_of_ones_own() -> None:
    trace = Microscope.load("demo").trace("When Mary and John")
    n = len(trace.tokens)
    view = TokenView(trace, values=torch.arange(n, dtype=torch.bfloat16, requires_grad=True))
    assert list(numbers_of(view)) == ["values"]
    assert numbers_of(view)["values"].tolist() == list(range(n))
    assert view.arguments == ["trace", "values=values"]
    assert "trace = scope.trace('When Mary and John')" in view.made_by
    columns = TokenView(["a", "b"], values={"gain": [1, -2], "other": [0, None]}, column="other", signed=False)
    assert columns.column == "other"
    assert np.isnan(numbers_of(columns)["other"][1])
    assert columns.arguments == ["tokens", "values=values", "signed=False"]
    beside = TokenView(lens.token_loss(trace), values={"gain": np.ones(n)})
    assert list(numbers_of(beside))[:2] == ["gain", "loss"]
    assert beside.title.startswith("Gain, demo")


def test_a_table_of_pandas_is_columns() -> None:
    import pandas as pd

    view = TokenView(["a", "b"], values=pd.DataFrame({"one": [1, 2], "two": [3.0, 4.0]}))
    assert numbers_of(view)["two"].tolist() == [3, 4]


def test_numbers_of_a_trace_and_latents() -> None:
    trace, sae = Microscope.load("demo").trace("When Mary and John went to the store"), features.load("demo")
    found = trace.show("loss", "norm", layer=1, neuron=(3, 10))
    view = found.widget(column="neuron 3.10")
    assert isinstance(view, TokenView)
    for name, row in numbers_of(view).items():
        np.testing.assert_array_equal(row, found[name])
    assert view.title == "3 numbers of each token, demo, 9 tokens"
    assert view.shades().signed
    assert [one["unit"] for one in view.columns] == ["nats", "", ""]
    assert [row[0] for row in view.definitions] == ["loss", "residual norm", "neuron", "colour of a token"]
    codes = sae.encode(trace.residual(3))
    of_codes = TokenView(trace, values=codes, latents=(450, 12))
    assert of_codes.arguments == ["trace", "values=values", "latents=[450, 12]"]
    np.testing.assert_array_equal(numbers_of(of_codes)["latent 450"], codes.to_dense()[:, 450])
    assert numbers_of(TokenView(trace, values=codes, latents=12)).keys() == {"latent 12"}
    with pytest.raises(ValueError, match=r"say which are shown, latents="):
        TokenView(trace, values=codes)
    with pytest.raises(ValueError, match="latents= are of codes"):
        TokenView(trace, values=np.ones(9), latents=1)


def test_effects_of_patching_at_each_position() -> None:
    scope, pair = Microscope.load("demo"), ("Mary and John went to", "John and Mary went to")
    asked: dict[str, Any] = {"answer": " Mary", "versus": " John"}
    result = patching.attribution(scope, *pair, **asked, over="residual")
    found = numbers_of(TokenView(result))
    for layer, row in enumerate(result.values):
        np.testing.assert_array_equal(found[f"effect of residual, layer {layer}"], row)
    with pytest.raises(ValueError, match="these have the axes layer, head, position"):
        TokenView(patching.attribution(scope, *pair, **asked, over="q"))


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (["the", " dog"], [0, 1]),
        (["say", " שלום", " עולם", ",", " then"], [0, 2, 1, 3, 4]),
        (["<bos>", " שלום", " the", " dog", " עולם", "."], [5, 4, 2, 3, 1, 0]),
        ([" שנת", " 19", "84", " היא"], [3, 1, 2, 0]),
        (["in", " 19", "84"], [0, 1, 2]),
    ],
)
def test_right_to_left_text_stands_in_its_own_order(tokens: list[str], expected: list[int]) -> None:
    """As in js/test/token_view.test.ts."""
    assert visual_order(directions(tokens)[0]) == expected
    svg = TokenView(tokens, values=np.ones(len(tokens))).to_svg()
    places = [float(one) for one in re.findall(r'<text x="([\d.]+)" y="[\d.]+"[^>]* font-family', svg)][: len(tokens)]
    assert np.argsort(np.argsort(places)).tolist() == list(range(len(tokens)))  # drawn from left to right


def test_what_cannot_be_shown_is_refused_in_a_sentence() -> None:
    with pytest.raises(TypeError, match=r"TokenView shows the result of lens.token_loss\(...\), a trace, or a list"):
        TokenView("a text")
    with pytest.raises(TypeError, match="Tokens are texts, not 3"):
        TokenView(["a", 3], values=[1, 2])
    with pytest.raises(ValueError, match="give values=, one number a token"):
        TokenView(["a"])
    with pytest.raises(ValueError, match=r"There are 2 tokens, and the numbers 'values' are of shape \[3\]"):
        TokenView(["a", "b"], values=[1, 2, 3])
    with pytest.raises(TypeError, match="an array of one number a token"):
        TokenView(["a"], values=["x"])
    with pytest.raises(ValueError, match=f"up to {MOST_TOKENS:,} tokens"):
        TokenView(["a"] * (MOST_TOKENS + 1), values=np.zeros(MOST_TOKENS + 1))
    with pytest.raises(traitlets.TraitError, match="no column 'entropy': there are values"):
        TokenView(["a"], values=[1], column="entropy")
    with pytest.raises(traitlets.TraitError, match="low < high"):
        TokenView(["a"], values=[1], limits=(2, 1))
    batch = Microscope.load("demo").trace(["the dog", "the cat runs"])
    with pytest.raises(ValueError, match=r"one prompt and this trace has 2: choose one with trace\[i\]"):
        TokenView(batch)


def test_a_text_of_5000_tokens_is_a_small_first_message() -> None:
    view = TokenView(made_losses(5000))
    state = {name: value for name, value in view.get_state().items() if name != "_esm"}
    assert sum(len(value) if isinstance(value, bytes) else len(str(value)) for value in state.values()) < 1_000_000


def test_the_selection_is_shared() -> None:
    chosen = Selection(tokens=[3])
    view = TokenView(made_losses(), selection=chosen)
    assert view.selected_tokens == [3]
    view.selected_tokens = [4, 5]
    assert chosen.tokens == [4, 5]


def test_one_scale_that_fits() -> None:
    losses = made_losses(400)
    shades = TokenView(losses).shades()
    finite = losses.loss[1:]
    assert (shades.low, shades.signed, shades.log) == (0, False, False)
    assert np.quantile(finite, 0.95) <= shades.high < finite.max()  # an outlier does not pale the rest
    colours = shades.of_tokens()
    at = int(np.argmin(np.abs(losses.loss[1:] - shades.high / 2))) + 1
    assert colours[at].tolist() == MAGNITUDE[round(255 * losses.loss[at] / shades.high)].tolist()
    assert (TokenView(losses, column="probability").shades().low, TokenView(losses, column="rank").shades().log) == (
        0,
        True,
    )
    signed = TokenView(["a", "b", "c"], values=[-1, 0, 2]).shades()
    assert (signed.low, signed.high) == (-2, 2)
    assert signed.of_tokens()[1].tolist() == [255, 255, 255]
    assert signed.of_tokens()[2].tolist() == SIGNED[-1].tolist()
    assert fitted(np.array([100.0, 101.0]), False, False, None) == (100, 101)
    assert fitted(np.array([]), False, False, None) == (0, 1)
    endless = TokenView(["a", "b"], values=[np.inf, -1]).shades()
    assert endless.of_tokens()[0].tolist() == SIGNED[-1].tolist()


def test_the_still_names_the_largest_and_a_figure_says_what_it_leaves_out() -> None:
    losses = made_losses(5000)
    view = TokenView(losses)
    header, rows = view.still_table()
    assert header == ["position", "token", "loss"]
    assert [int(row[0]) for row in rows] == losses.top(12).index.tolist()
    svg = view.to_svg(width="single")
    assert "more tokens" in svg
    assert f"; {int((losses.loss > view.shades().high).sum())} above" in svg.replace("</text>", " ")
    assert len(svg) < 500_000
    assert view.still_image().shape == (100, 40, 3)
    small = TokenView(["a", "b", "c"], values=[0, 1, np.nan]).still_image()
    assert small.tolist() == [[[255] * 3, MAGNITUDE[255].tolist(), [236] * 3]]
    assert TokenView([], values=[]).still_image() is None
    evil = TokenView(["</text><script>", "\u202e", "\n"], values=[1, np.nan, 3])
    assert "<script" not in evil.to_svg()
    assert "U+202E" in evil.to_svg()
    assert "&lt;script" in evil._repr_mimebundle_()[0]["text/html"]
