"""The Python half of AttributionView: what travels, what is refused, neurons on demand, what a saved page holds."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import traitlets

from scope_widgets import Microscope, lens
from scope_widgets.lens import Attribution
from scope_widgets.widgets import AttributionView, Selection
from scope_widgets.widgets.core.requests import finished
from scope_widgets.widgets.figures.attribution import Parts
from tests.support.attribution_examples import made_attribution

PROMPT = "When Mary and John went to the store, John gave a drink to"
QUESTION: dict[str, Any] = {"answer": " Mary", "versus": " John"}


@pytest.fixture(scope="module")
def trace() -> Any:
    return Microscope.load("demo").trace(PROMPT)


@pytest.fixture(scope="module")
def parts(trace: Any) -> Attribution:
    return lens.direct_logit_attribution(trace, **QUESTION)


def floats(data: bytes) -> Any:
    return np.frombuffer(data, "<f8")


def test_an_attribution_displays_as_this_view(trace: Any, parts: Attribution) -> None:
    view = parts.widget()
    assert isinstance(view, AttributionView)
    np.testing.assert_array_equal(floats(view.contributions), parts.contribution)
    assert view.components[1] == ["attention", 0, 0]
    logits = trace.logits[-1].double()
    assert view.whole == pytest.approx(float(logits[parts.answer_ids[0]] - logits[parts.versus_ids[0]]), abs=1e-5)
    assert view.steps[-1][3] == pytest.approx(view.whole, abs=1e-4)
    assert (view.answer, view.versus, view.n_prompts, view.errors) == (["Mary"], ["John"], 1, b"")
    assert view.question() == "logit difference 'Mary' − 'John' = +2.526 logits"


def test_the_running_total_is_the_sum_of_the_parts_in_the_order_of_a_forward(parts: Attribution) -> None:
    steps = parts.accumulated()
    assert steps.part.tolist() == ["embedding", *["attention", "mlp"] * 4, "final_norm_bias", "unembedding_bias"]
    table = parts.to_dataframe()
    for layer, part, value in zip(steps.layer, steps.part, steps.contribution, strict=True):
        names = [part, "attention_bias"] if part == "attention" else [part]
        rows = table[(table.layer == layer) & table.component.isin(names)]
        assert value == pytest.approx(rows.contribution.sum())
    np.testing.assert_allclose(steps.total, np.cumsum(steps.contribution))
    assert steps.total.iloc[-1] == pytest.approx(parts.total[0], abs=1e-4)


def test_steps_that_are_not_known_are_left_out_and_others_have_their_place() -> None:
    made = made_attribution(2, 2)
    names = [name.replace("attention_bias", "mixer") for name in made.component]
    values = np.where(np.array(names) == "attention", np.nan, 0.5)
    mixed = dataclasses.replace(
        made,
        component=[*names, "cross-attention"],
        layer=np.append(made.layer, 1),
        head=np.append(made.head, -1),
        contribution=np.append(values, 1.0),
        per_prompt=np.append(values, 1.0)[None],
    )
    steps = mixed.accumulated()
    expected = ["embedding", "mixer", "mlp", "mixer", "cross-attention", "mlp", "final_norm_bias", "unembedding_bias"]
    assert steps.part.tolist() == expected
    assert steps.total.iloc[-1] == pytest.approx(4.5)
    sheet = Parts.of(AttributionView(mixed))
    assert sheet.columns == ["0", "1", "mixer", "MLP", "cross"]
    assert sheet.unknown.sum() == 4
    assert sheet.values[0, 4] == 1.0
    assert np.isnan(sheet.values[1, 4])


def test_neurons_are_those_of_the_public_function(trace: Any, parts: Attribution) -> None:
    view = AttributionView(parts, mlp=3)
    assert view.no_neurons == ""
    assert view.neurons(3) is None
    data, (contributions, activations, errors) = finished(view.answer_neurons(3))
    expected = lens.neuron_attribution(trace, 3, **QUESTION)
    np.testing.assert_allclose(floats(contributions), expected.contribution)
    np.testing.assert_allclose(floats(activations), expected.activation)
    assert errors == b""
    assert data["total"] == pytest.approx(parts.mlps[3])
    assert [(name, args) for name, args, *_ in view.saved_answers()] == [("neurons", {"layer": 3})]
    assert "layer 3" in view.provenance_lines()[-1]


def test_several_prompts_have_errors(trace: Any) -> None:
    scope = trace.scope
    prompts = [PROMPT, "When John and Mary went to the store, Mary gave a drink to"]
    batch = scope.trace(prompts)
    found = lens.direct_logit_attribution(batch, answer=[" Mary", " John"], versus=[" John", " Mary"])
    view = AttributionView(found)
    each = found.per_prompt.std(0, ddof=1) / np.sqrt(2)
    np.testing.assert_allclose(floats(view.errors), each)
    assert "mean of 2 prompts" in view.question()
    assert "(one a prompt)" in view.question()
    _, (contributions, _, errors) = finished(view.answer_neurons(0))
    assert len(floats(errors)) == len(floats(contributions))


def test_it_says_why_there_are_no_neurons(trace: Any, parts: Attribution) -> None:
    read = Attribution.from_json(parts.to_json())
    assert "give it to the view" in AttributionView(read).no_neurons
    given = AttributionView(read, trace=trace)
    assert given.no_neurons == ""
    np.testing.assert_allclose(
        floats(finished(given.answer_neurons(0))[1][0]), lens.neuron_attribution(trace, 0, **QUESTION).contribution
    )
    older = AttributionView(dataclasses.replace(read, answer_ids=[]), trace=trace)
    with pytest.raises(ValueError, match="does not hold the ids"):
        finished(older.answer_neurons(0))
    with pytest.raises(IndexError, match="Layer 9 is out of range"):
        finished(given.answer_neurons(9))


def test_what_cannot_be_shown_is_refused_in_a_sentence(parts: Attribution) -> None:
    with pytest.raises(
        TypeError, match=r"shows an Attribution, such as lens.direct_logit_attribution gives, not a dict"
    ):
        AttributionView({})
    with pytest.raises(TypeError, match="trace= takes the Trace"):
        AttributionView(parts, trace="trace")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must be of one length"):
        AttributionView(dataclasses.replace(parts, layer=parts.layer[1:]))
    with pytest.raises(traitlets.TraitError, match="mlp= is the layer of an MLP, 0 to 3, or None; not 4"):
        AttributionView(parts, mlp=4)
    with pytest.raises(traitlets.TraitError, match="a number above 0, not -1"):
        AttributionView(parts, limit=-1.0)


def test_the_selection_is_shared(parts: Attribution) -> None:
    chosen = Selection(heads=[(3, 1)])
    view = AttributionView(parts, selection=chosen)
    assert view.selected_heads == [(3, 1)]
    view.selected_heads = [(2, 2)]
    assert chosen.heads == [(2, 2)]


def test_the_still_names_the_largest_parts(parts: Attribution) -> None:
    view = AttributionView(parts)
    header, rows = view.still_table()
    assert header == ["part", "contribution, logits"]
    assert rows[:2] == [["head 3.1", "+1.921"], ["embedding", "+0.358"]]
    sheet = Parts.of(view)
    np.testing.assert_array_equal(sheet.values[::-1, :4], parts.heads)
    np.testing.assert_array_equal(sheet.values[::-1, 4], parts.mlps)
    assert view.still_image().shape == (4, 5, 3)
    large = AttributionView(made_attribution(48, 25, 3))
    assert len(large._repr_mimebundle_()[0]["text/html"]) < 300_000


def test_a_model_without_heads_has_a_map_and_a_total() -> None:
    made = made_attribution(3, 0)
    view = AttributionView(made)
    assert Parts.of(view).columns == ["MLP"]
    assert "embedding" in view.to_svg()


def test_a_saved_page_holds_the_neurons_of_the_mlp_on_show(trace: Any, parts: Attribution) -> None:
    view = AttributionView(parts, mlp=3)
    ((name, args, data, (contributions, *_)),) = view.saved_answers()
    assert (name, args) == ("neurons", {"layer": 3})
    np.testing.assert_array_equal(floats(contributions), lens.neuron_attribution(trace, 3, **QUESTION).contribution)
    assert data["total"] == pytest.approx(floats(contributions).sum() + data["bias"], abs=1e-5)
    assert view.provenance_lines()[-1].endswith("that were opened: layer 3.")
    far = AttributionView(Attribution.from_json(parts.to_json()), mlp=3)  # without a model there is nothing to ask
    assert list(far.saved_answers()) == []
