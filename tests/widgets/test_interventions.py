"""What is selected in a view is intervened on: one list for all views, and the numbers are those of plain hooks."""

from __future__ import annotations

from functools import cache
from typing import Any

import pandas as pd
import pytest
import torch

from scope_widgets import circuits, heads, lens, patching, steering
from scope_widgets._job import Job
from scope_widgets.models.microscope import Microscope
from scope_widgets.widgets import (
    AttentionView,
    AttributionView,
    CircuitGraph,
    HeadTable,
    PatchingMap,
    Selection,
    SteeringPanel,
    Workbench,
)
from scope_widgets.widgets.core.requests import finished
from tests.support.fake_transport import fake_remote
from tests.support.tiny_models import tiny_model, tiny_tokenizer

PROMPT = "When Mary and John went to the store, John gave a drink to"
CORRUPTED = "When Mary and John went to the store, Mary gave a drink to"
OTHER = "When Anna and Paul went to the park, Paul gave a book to"
ANSWERS = {"answer": " Mary", "versus": " John"}


@cache
def scope() -> Microscope:
    return Microscope.load("demo")


def logits(prompt: str = PROMPT, **hooks: Any) -> torch.Tensor:
    """Return the demo model's last logits with plain hooks before `o_proj`, `down_proj` or a layer, by their names."""
    model = scope().model
    handles = []
    for name, change in hooks.items():
        kind, layer = name.rsplit("_", 1)
        block = model.model.layers[int(layer)]
        module = {"head": block.self_attn.o_proj, "neuron": block.mlp.down_proj, "stream": block}[kind]

        def hook(_: Any, args: Any, kwargs: Any, change: Any = change) -> Any:
            if args:
                return (change(args[0].clone()), *args[1:]), kwargs
            return args, kwargs | {"hidden_states": change(kwargs["hidden_states"].clone())}

        handles.append(module.register_forward_pre_hook(hook, with_kwargs=True))
    try:
        with torch.no_grad():
            return model(**scope().tokenizer(prompt, return_tensors="pt")).logits[0, -1]
    finally:
        for handle in handles:
            handle.remove()


def put(at: Any, value: Any) -> Any:
    def change(given: torch.Tensor) -> torch.Tensor:
        given[at] = value(given[at]) if callable(value) else value
        return given

    return change


def head(index: int) -> Any:
    size = scope().d_model // scope().n_heads
    return ..., slice(index * size, (index + 1) * size)


def difference(found: torch.Tensor) -> float:
    mary, john = (scope().tokenizer(text, add_special_tokens=False).input_ids[-1] for text in (" Mary", " John"))
    return float(found[mary] - found[john])


def ask(view: Any, **target: Any) -> None:
    finished(view.answer_intervene(**target))


def effect(view: Any) -> float:
    return float(view.intervened["effect"]["difference"][1])


def attribution(of: Any = None) -> AttributionView:
    trace = (of or scope()).trace(PROMPT)
    return AttributionView(lens.direct_logit_attribution(trace, **ANSWERS), trace=trace)


# -- the numbers


def test_a_scaled_head_and_a_held_neuron_are_those_of_plain_hooks() -> None:
    view = attribution()
    ask(view, site="head", layer=3, how="scale", index=1, strength=0.25)
    expected = logits(head_3=put(head(1), lambda z: 0.25 * z))
    assert effect(view) == pytest.approx(difference(expected), abs=1e-5)
    assert view.intervened["effect"]["difference"][0] == pytest.approx(difference(logits()), abs=1e-5)
    ask(view, site="neuron", layer=1, how="clamp", index=7, strength=2.5)
    both = logits(head_3=put(head(1), lambda z: 0.25 * z), neuron_1=put((..., 7), 2.5))
    assert effect(view) == pytest.approx(difference(both), abs=1e-5)
    told = view.intervened["effect"]
    p, q = logits().double().log_softmax(-1), both.double().log_softmax(-1)
    assert told["kl"] == pytest.approx(float((p.exp() * (p - q)).sum()), abs=1e-5)
    assert told["next"][1] == scope().tokenizer.decode([int(both.argmax())]).strip()
    assert told["log_probability"] == pytest.approx([float(p.max()), float(q[p.argmax()])], abs=1e-5)


@pytest.mark.parametrize("how", ["zero", "patch", "freeze"])
def test_the_residual_stream_is_zeroed_patched_or_frozen_at_one_position(how: str) -> None:
    found = patching.activations(scope(), PROMPT, CORRUPTED, **ANSWERS, over="residual", direction="noising")
    view = PatchingMap(found)
    ask(view, site="residual", layer=2, how=how, position=10)
    stream = scope().trace(CORRUPTED if how == "patch" else PROMPT).residual(2)[10]
    expected = logits(stream_2=put((0, 10), 0.0 if how == "zero" else stream))
    assert effect(view) == pytest.approx(difference(expected), abs=1e-5)
    if how == "patch":  # the cell of the map
        clean, other = (difference(logits(prompt)) for prompt in (PROMPT, CORRUPTED))
        assert (effect(view) - clean) / (other - clean) == pytest.approx(float(found.values[2, 10]), abs=1e-5)


@pytest.mark.parametrize("layer", range(5))
def test_every_row_of_a_map_is_what_the_bar_does(layer: int) -> None:
    """The last of them is what enters the final norm."""
    found = patching.activations(scope(), PROMPT, CORRUPTED, **ANSWERS, over="residual", direction="noising")
    view = PatchingMap(found)
    position = 14 if layer > 2 else 10
    ask(view, site="residual", layer=layer, how="patch", position=position)
    before, after = view.intervened["effect"]["difference"]
    other = difference(logits(CORRUPTED))
    assert (after - before) / (other - before) == pytest.approx(float(found.values[layer, position]), abs=1e-5)


def test_a_head_is_that_of_the_corrupted_prompt_or_frozen_whatever_acts_before() -> None:
    view = PatchingMap(patching.activations(scope(), PROMPT, CORRUPTED, **ANSWERS, over="head", positions="all"))
    z = scope().trace(CORRUPTED).z(3)[:, 1]
    ask(view, site="head", layer=3, how="patch", index=1)
    assert effect(view) == pytest.approx(difference(logits(head_3=put(head(1), z))), abs=1e-5)
    ask(view, site="head", layer=3, how="freeze", index=1)
    assert view.intervened["effect"]["kl"] == pytest.approx(0, abs=1e-9)
    ask(view, site="head", layer=2, how="scale", index=1, strength=0.0)
    own = scope().trace(PROMPT).z(3)[:, 1]
    expected = logits(head_2=put(head(1), 0.0), head_3=put(head(1), own))
    assert effect(view) == pytest.approx(difference(expected), abs=1e-5)
    assert [row["name"] for row in view.intervened["rows"]] == ["head 2.1", "freeze head 3.1"]


def test_without_answers_it_is_the_most_probable_token_that_is_followed() -> None:
    view = AttentionView(scope().trace(PROMPT))
    ask(view, site="head", layer=3, how="scale", index=1, strength=0.0)
    told = view.intervened["effect"]
    assert told["difference"] is None
    p, q = logits().log_softmax(-1), logits(head_3=put(head(1), 0.0)).log_softmax(-1)
    assert told["log_probability"] == pytest.approx([float(p.max()), float(q[p.argmax()])], abs=1e-4)


def test_the_code_makes_the_numbers_again() -> None:
    view = PatchingMap(patching.activations(scope(), PROMPT, CORRUPTED, **ANSWERS, over="residual"))
    ask(view, site="residual", layer=2, how="patch", position=10)
    ask(view, site="head", layer=3, how="scale", index=1, strength=0.5)
    made: dict[str, Any] = {"scope": scope()}
    exec(view.answer_interventions_code()[0]["text"], made)
    assert made["session"].at().difference == pytest.approx(effect(view), abs=1e-6)
    assert view.session.at().difference == pytest.approx(effect(view), abs=1e-6)


# -- one list


def test_all_views_of_a_selection_and_the_panel_show_one_list() -> None:
    shared = Selection()
    trace = scope().trace(PROMPT)
    table = HeadTable(heads.score(trace, null_draws=0), selection=shared)
    attention = AttentionView(trace, selection=shared)
    ask(table, site="head", layer=3, how="scale", index=1, strength=0.0)
    assert attention.intervened == table.intervened
    panel = SteeringPanel(scope(), PROMPT, heads=[(0, 1)], selection=shared, **ANSWERS)
    assert [one["name"] for one in panel.interventions] == ["head 0.1", "head 3.1"]
    assert panel.strengths == [1.0, 0.0]
    assert effect(attention) == effect(table) == panel.start["difference"] == panel.steered.difference
    ask(attention, site="head", layer=3, how="scale", index=1, strength=0.5)
    assert panel.strengths == [1.0, 0.5]
    panel.strengths = [0.0, 0.5]
    assert effect(table) == panel.start["difference"] == table.session.at().difference
    panel.enabled = [False, True]
    assert [row["on"] for row in table.intervened["rows"]] == [False, True]
    assert effect(table) == panel.start["difference"] == pytest.approx(panel.session.at().difference, abs=1e-6)
    panel.remove("head 3.1")
    assert [row["name"] for row in attention.intervened["rows"]] == ["head 0.1"]
    finished(attention.answer_undo_intervention())
    assert (panel.strengths, panel.enabled) == ([0.0, 0.5], [False, True])
    finished(table.answer_withdraw(panel.interventions[0]["key"]))
    assert [one["name"] for one in panel.interventions] == ["head 3.1"]


def test_a_session_that_is_given_is_shared_by_views_that_know_no_model() -> None:
    session = steering.Session(scope(), PROMPT, [steering.ScaleHead(2, 0, 0.5)], **ANSWERS)
    table = HeadTable(pd.DataFrame({"layer": [3], "head": [1], "score": [0.5]}), session=session)
    panel = SteeringPanel(session=session)
    assert table.can_intervene
    ask(table, site="head", layer=3, how="scale", index=1, strength=0.0)
    assert panel.strengths == [0.5, 0.0]
    assert AttentionView(scope().trace(PROMPT), session=panel.session).intervened == table.intervened
    with pytest.raises(TypeError, match=r"steering\.Session"):
        AttentionView(scope().trace(PROMPT), session=panel)  # type: ignore[arg-type]


def test_of_the_same_on_the_same_the_later_stays() -> None:
    view = AttentionView(scope().trace(PROMPT))
    view.intervene(steering.ScaleHead(3, 1))
    ask(view, site="head", layer=3, how="freeze", index=1)
    assert [row["name"] for row in view.intervened["rows"]] == ["freeze head 3.1"]
    found = view.intervene(steering.ScaleHead(3, 1, 0.5))
    assert [row["strength"] for row in view.intervened["rows"]] == [0.5]
    assert found.kl == view.session.at().kl > 0


def test_what_cannot_be_done_is_said_and_changes_nothing() -> None:
    view = AttentionView(scope().trace(PROMPT))
    for problem, target in (
        ("no head 9.1", {"site": "head", "layer": 9, "how": "scale", "index": 1, "strength": 0.0}),
        ("cannot be changed", {"site": "head", "layer": 3, "how": "clamp", "index": 1}),
        ("no other prompt", {"site": "head", "layer": 3, "how": "patch", "index": 1}),
        ("not said", {"site": "head", "layer": 3, "how": "scale", "strength": 0.0}),
    ):
        with pytest.raises(ValueError, match=problem):
            ask(view, **target)
    assert view.session is None or not view.session.interventions
    alone = HeadTable(pd.DataFrame({"layer": [3], "head": [1], "score": [0.5]}))
    assert not alone.can_intervene
    with pytest.raises(ValueError, match="session="):
        ask(alone, site="head", layer=3, how="scale", index=1, strength=0.0)
    with pytest.raises(TypeError, match="ScaleHead"):
        alone.intervene("head 3.1")  # type: ignore[arg-type]


def test_two_that_are_begun_before_there_is_a_list_are_both_in_it() -> None:
    view = AttentionView(scope().trace(PROMPT))
    first = view.answer_intervene("head", 1, "zero", 0)
    next(first)
    second = view.answer_intervene("head", 2, "zero", 0)
    next(second)
    view.intervene(steering.ScaleHead(3, 1, 0.5))
    finished(second)
    finished(first)
    assert [row["name"] for row in view.intervened["rows"]] == ["zero head 1.0", "zero head 2.0", "head 3.1"]


def test_what_is_begun_on_one_prompt_and_ends_on_another_acts_on_that() -> None:
    view = AttentionView(scope().trace(PROMPT))
    answer = view.answer_intervene("head", 1, "zero", 0)
    next(answer)
    view.change_prompt(OTHER)
    finished(answer)
    assert view.session.prompt == OTHER
    again = AttentionView(scope().trace(OTHER)).intervene(steering.ScaleHead(1, 0, 0.0))
    assert view.intervened["effect"]["kl"] == pytest.approx(again.kl)


def test_a_session_of_another_model_is_refused() -> None:
    other = Microscope.for_model(tiny_model("llama"), tiny_tokenizer())
    session = steering.Session(other, "w3 w4", [steering.ScaleHead(1, 0, 0.0)])
    with pytest.raises(ValueError, match="session= is of local, 3 layers of 4 heads, and this view of demo, 4 of 4"):
        AttentionView(scope().trace(PROMPT), session=session)


def test_what_acts_beyond_a_prompt_says_so() -> None:
    view = AttentionView(scope().trace(PROMPT))
    ask(view, site="head", layer=3, how="zero", index=1, position=12)
    assert view.intervened["rows"][0]["at"] == "positions 12 to 12"
    view.change_prompt("the horse runs")
    assert view.intervened["rows"][0]["at"] == "positions 12 to 12, beyond this prompt"
    assert view.intervened["effect"]["kl"] == pytest.approx(0, abs=1e-9)
    view.change_prompt(PROMPT)
    assert view.intervened["rows"][0]["at"] == "positions 12 to 12"


# -- prompts, and models on a server


def test_another_prompt_keeps_the_interventions() -> None:
    view = AttentionView(scope().trace(PROMPT))
    ask(view, site="head", layer=3, how="scale", index=1, strength=0.0)
    view.change_prompt(OTHER)
    assert view.session.prompt == OTHER
    assert [row["name"] for row in view.intervened["rows"]] == ["head 3.1"]
    fresh = steering.Session(scope(), OTHER, [steering.ScaleHead(3, 1)]).at()
    assert view.intervened["effect"]["kl"] == pytest.approx(fresh.kl, abs=1e-9)


def test_in_a_workbench_the_panel_has_what_any_pane_does() -> None:
    bench = Workbench(scope(), PROMPT, corrupted=CORRUPTED, **ANSWERS)
    panel = bench.panes["steering"]
    for at, name in enumerate(("attention", "attribution", "patching"), 1):
        ask(bench.panes[name], site="head", layer=3, how="scale", index=at, strength=0.0)
        assert len(panel.interventions) == at
    bench.change_prompt(OTHER)
    assert len(panel.interventions) == 3
    for name in ("attention", "attribution", "patching"):
        assert effect(bench.panes[name]) == panel.start["difference"]
    bench.close()


def test_a_model_on_a_server_gives_the_same_and_a_change_that_is_stopped_is_none() -> None:
    remote = fake_remote(scope())
    view, here = attribution(remote), attribution()
    target = {"site": "head", "layer": 3, "how": "freeze", "index": 1}
    job = Job(view.answer_intervene(**target))
    next(iter(job))
    job.cancel()
    assert view.intervened == {}
    for one in (view, here):
        ask(one, **target)
        ask(one, site="neuron", layer=1, how="clamp", index=7, strength=2.5)
    assert effect(view) == pytest.approx(effect(here), abs=1e-5)
    assert view.intervened["rows"] == here.intervened["rows"]


def test_heads_and_mlps_of_a_circuit_act_in_the_whole_model() -> None:
    task = circuits.Task.of(scope(), [PROMPT], [CORRUPTED], " Mary", " John")
    circuit = circuits.discover(scope(), task, "eap").keep(20)
    shared = Selection()
    view = CircuitGraph(circuit, scope(), selection=shared)
    attention = AttentionView(scope().trace(PROMPT), selection=shared)
    ask(view, site="head", layer=3, index=1, how="scale", strength=0)
    ask(view, site="mlp", layer=2, how="scale", strength=0.5)
    hooks = {"head_3": put(head(1), 0.0), "neuron_2": put(..., lambda given: given * 0.5)}
    assert view.session is not None
    assert view.session.at().difference == pytest.approx(difference(logits(**hooks)), abs=1e-4)
    assert [row["name"] for row in attention.intervened["rows"]] == ["MLP 2", "head 3.1"]
    assert "steering.ScaleMLP(2, strength=0.5" in view.session.code()
    named = circuits.discover(scope(), "ioi", "eap").keep(20)
    assert CircuitGraph(named, scope()).can_intervene
    assert not CircuitGraph(named).can_intervene
