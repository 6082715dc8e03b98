"""SteeringPanel's Python half: what it sends, what it is asked, and what a saved page gets."""

from __future__ import annotations

import itertools
import json
import math
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from traitlets import TraitError

from scope_widgets import steering
from scope_widgets._provenance import Provenance
from scope_widgets.models.microscope import Microscope
from scope_widgets.steering.steered_distribution import Distribution, Steered
from scope_widgets.widgets import Selection, SteeringPanel
from scope_widgets.widgets.core.requests import finished
from scope_widgets.widgets.steering_panel.next_token_reader import Reader
from tests.support.fake_transport import KEY, FakeTransport, fake_remote
from tests.support.jobs import gone_through, texts
from tests.support.tiny_models import tiny_model, tiny_tokenizer

PROMPT = "When Mary and John went to the store, John gave a drink to"


@cache
def scope() -> Microscope:
    return Microscope.load("demo")


@cache
def names() -> steering.Direction:
    return steering.direction(scope(), answer=" Mary", versus=" John", layer=2, name="names")


def panel(**options: Any) -> SteeringPanel:
    """A neuron of layer 1, a direction of layer 2, a head of layer 3."""
    given = {"directions": [names()], "heads": [(3, 1)], "neurons": [(1, 5)], "answer": " Mary", "versus": " John"}
    return SteeringPanel(scope(), PROMPT, **{**given, **options})


@cache
def plain_logits(strength: float, scale: float) -> torch.Tensor:
    """The demo model with plain hooks: the direction added, the head scaled."""
    model = scope().model
    d_head = scope().d_model // scope().n_heads

    def add(_: Any, args: Any, kwargs: Any) -> Any:
        added = strength * names().scale * torch.tensor(names().vector)
        if args:
            return (args[0] + added, *args[1:]), kwargs
        return args, kwargs | {"hidden_states": kwargs["hidden_states"] + added}

    def scaled(_: Any, args: Any) -> Any:
        z = args[0].clone()
        z[..., d_head : 2 * d_head] *= scale
        return (z, *args[1:])

    handles = [
        model.model.layers[2].register_forward_pre_hook(add, with_kwargs=True),
        model.model.layers[3].self_attn.o_proj.register_forward_pre_hook(scaled),
    ]
    try:
        with torch.no_grad():
            return model(**scope().tokenizer(PROMPT, return_tensors="pt")).logits[0, -1]
    finally:
        for handle in handles:
            handle.remove()


# -- what is sent


def test_sliders_stand_in_the_order_in_which_they_act() -> None:
    view = panel()
    assert [one["name"] for one in view.interventions] == ["neuron 1:5", "add names", "head 3.1"]
    assert [one["order"] for one in view.interventions] == [1, 2, 3]
    assert [one["site"] for one in view.interventions] == ["neuron", "residual", "head"]
    assert [one["neutral"] for one in view.interventions] == [None, 0.0, 1.0]
    assert [one["head"] for one in view.interventions] == [None, None, [3, 1]]
    assert (view.strengths, view.enabled) == ([None, 0.0, 1.0], [True] * 3)
    spans = [(one["low"], one["high"]) for one in view.interventions]
    assert spans == [tuple(span) for span in view.session.spans]
    assert view.title == "Steering, demo, 15 tokens"
    assert view.answers == ["Mary", "John"]
    json.dumps(view.get_state(), default=str, allow_nan=False)


def test_at_first_nothing_is_steered() -> None:
    start = panel().start
    assert start["kl"] == 0
    assert start["difference"] == start["difference0"]
    assert all(one["p"] == pytest.approx(one["p0"], rel=1e-5) for one in start["tokens"])
    assert len(start["tokens"]) == 10


def test_positions_are_said_in_words() -> None:
    words = [panel(heads=[], neurons=[], at=at).interventions[0]["at"] for at in ("all", "last", (1, 4), (2, None))]
    assert words == ["all positions", "last position", "positions 1 to 3", "positions from 2"]


def test_the_widget_stays_a_widget() -> None:
    view = panel()
    assert view.model_id != view.model_name == "demo"  # ipywidgets' own name for its comm
    view.close()


def test_nothing_to_steer_is_a_panel_too() -> None:
    view = SteeringPanel(scope(), PROMPT)
    assert view.interventions == []
    assert view.start["difference"] is None
    assert len(list(view.saved_answers())) == 2


# -- what is set


def test_strengths_that_are_set_are_steered() -> None:
    view = panel()
    view.strengths = [None, 0.05, 0.5]
    np.testing.assert_allclose(view.steered.logits, plain_logits(0.05, 0.5), atol=2e-4)
    view.enabled = [True, False, True]
    np.testing.assert_allclose(view.steered.logits, plain_logits(0.0, 0.5), atol=2e-4)
    assert view.start["strengths"] == [None, 0.0, 0.5]


@pytest.mark.parametrize(
    ("strengths", "said"),
    [
        ([0.1], "There are 3 interventions"),
        ([None, "much", 1], "names got 'much'"),
        ([None, math.inf, 1], "names got inf"),
        ([None, math.nan, 1], "names got nan"),
        ("abc", "list of numbers"),
        (0.3, "list of numbers"),
    ],
)
def test_strengths_that_make_no_sense_are_refused(strengths: Any, said: str) -> None:
    view = panel()
    with pytest.raises(TraitError, match=said):
        view.strengths = strengths
    assert view.strengths == [None, 0.0, 1.0]


def test_none_is_the_model_as_it_is() -> None:
    view = panel(strengths=[2.0, 0.3, 0.0])
    view.strengths = [None, None, None]
    assert view.strengths == [None, 0.0, 1.0]
    assert view.steered.kl == 0


def test_switches_are_one_a_slider() -> None:
    with pytest.raises(TraitError, match="3 bools"):
        panel(enabled=[True])


def test_what_is_no_intervention_is_refused() -> None:
    with pytest.raises(TypeError, match="interventions"):
        panel(interventions=["head 3.1"])
    with pytest.raises(TypeError, match="Direction"):
        panel(directions=[np.ones(4)])
    with pytest.raises(TypeError, match=r"A neuron is a pair \(layer, neuron\)"):
        panel(neurons=[5])
    with pytest.raises(TraitError, match=r"pair \(layer, head\)"):
        panel(heads=[3])
    with pytest.raises(ValueError, match="no head 3.9"):
        panel(heads=[(3, 9)])
    with pytest.raises(TypeError, match="a Microscope and a prompt"):
        SteeringPanel()
    with pytest.raises(TypeError, match="give it alone"):
        panel(session=panel().session)
    with pytest.raises(TypeError, match="no option heigth"):
        panel(heigth=3)


def test_a_session_is_taken_as_it_is() -> None:
    session = steering.Session(scope(), PROMPT, [steering.ScaleHead(0, 1, 0.25)])
    view = SteeringPanel(session=session)
    assert view.session is session
    assert view.strengths == [0.25]


# -- sliders that come and go


def test_a_slider_is_added_where_it_acts_and_the_others_stay() -> None:
    view = panel()
    view.strengths = [1.5, 0.2, 0.5]
    view.enabled = [False, True, True]
    key = view.add(steering.ScaleHead(2, 0, 1.0))
    assert [one["name"] for one in view.interventions] == ["neuron 1:5", "add names", "head 2.0", "head 3.1"]
    assert (view.strengths, view.enabled) == ([1.5, 0.2, 1.0, 0.5], [False, True, True, True])
    view.remove(key)
    assert (view.strengths, view.enabled) == ([1.5, 0.2, 0.5], [False, True, True])
    view.remove("neuron 1:5")
    assert view.strengths == [0.2, 0.5]
    with pytest.raises(ValueError, match="no slider 'neuron 1:5'; there are add names"):
        view.remove("neuron 1:5")


def test_equal_sliders_keep_their_own_keys() -> None:
    view = panel(heads=[(3, 1), (3, 0)], interventions=[steering.ScaleHead(3, 1, 0.5)])
    keys = [one["key"] for one in view.interventions]
    assert len(set(keys)) == 5
    view.remove(keys[2])
    assert [one["key"] for one in view.interventions] == keys[:2] + keys[3:]
    assert view.strengths == [None, 0.0, 1.0, 0.5]


def test_lists_of_different_lengths_are_never_sent() -> None:
    view = panel()
    sent: list[dict[str, Any]] = []
    view.comm.send = lambda data=None, **_: sent.append((data or {}).get("state", {}))
    view.add(steering.ScaleHead(2, 0, 1.0))
    (message,) = [state for state in sent if "interventions" in state]
    assert len(message["interventions"]) == len(message["strengths"]) == len(message["enabled"]) == 4


def test_a_head_that_is_selected_elsewhere_can_be_added() -> None:
    chosen = Selection(heads=[(2, 3)])
    view = panel(selection=chosen)
    assert view.answer_add_head(2, 3)[0] == {"key": "head 2.3, layer 2, all positions"}
    assert view.start["kl"] == 0
    view.answer_remove("head 2.3, layer 2, all positions")
    assert len(view.interventions) == 3
    with pytest.raises(ValueError, match="no head 9.9"):
        view.answer_add_head(9, 9)
    assert len(view.strengths) == 3


# -- what the model is asked


def test_the_answer_is_that_of_plain_hooks() -> None:
    data, buffers = finished(panel().answer_steer([None, 0.1, 0.5]))
    steered, unsteered = (logits.log_softmax(-1) for logits in (plain_logits(0.1, 0.5), plain_logits(0.0, 1.0)))
    assert not buffers
    assert data["kl"] == pytest.approx(float((unsteered.exp() * (unsteered - steered)).sum()), abs=1e-4)
    mary, john = (scope().tokenizer.convert_tokens_to_ids(name) for name in ("Mary", "John"))
    assert data["difference"] == pytest.approx(float(steered[mary] - steered[john]), abs=1e-3)
    assert {one["id"] for one in data["tokens"]} == {
        *steered.topk(10).indices.tolist(),
        *unsteered.topk(10).indices.tolist(),
    }
    for one in data["tokens"]:
        assert one["p"] == pytest.approx(float(steered[one["id"]].exp()), rel=1e-2)
        assert one["p0"] == pytest.approx(float(unsteered[one["id"]].exp()), rel=1e-2)
        assert one["rank0"] == int((unsteered > unsteered[one["id"]]).sum())
    assert [one["rank"] for one in data["tokens"][:10]] == list(range(10))


def test_ranks_count_the_tokens_that_are_more_probable() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 3000).mul(2).round(decimals=1)  # with ties
    found = Steered((), Distribution(logits[0]), Distribution(logits[1]), None, Provenance(model="m"), (3, 4))
    reader = Reader(None)
    reader._texts = {id_: str(id_) for id_ in range(3000)}
    data = reader.read(found)
    for one in data["tokens"]:
        assert one["rank"] == int((logits[0] > logits[0, one["id"]]).sum())
        assert one["rank0"] == int((logits[1] > logits[1, one["id"]]).sum())
    assert data["difference"] == pytest.approx(float(logits[0, 3] - logits[0, 4]))


class Elements(TorchDispatchMode):
    """Counts the elements that torch computes, and how many of them by sorting."""

    def __init__(self) -> None:
        super().__init__()
        self.computed = self.sorted = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        n = sum(one.numel() for one in (result if isinstance(result, tuple) else [result]) if torch.is_tensor(one))
        self.computed += n
        self.sorted += n * ("sort" in str(function))
        return result


def test_reading_goes_over_a_large_vocabulary_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    size = 50_257
    unsteered = Distribution(torch.randn(size) * 3)
    reader = Reader(None)
    reader._texts = {id_: str(id_) for id_ in range(size)}
    sorts: list[int] = []
    plain = np.sort
    monkeypatch.setattr(np, "sort", lambda array, *args, **kw: sorts.append(len(array)) or plain(array, *args, **kw))
    for turn in range(3):
        steered = Distribution(unsteered.logits + torch.randn(size))
        found = Steered((), steered, unsteered, None, Provenance(model="m"), (1, 2))
        with Elements() as elements:
            reader.read(found)
        assert elements.sorted == 0
        assert elements.computed < (8 if turn else 20) * size  # the first time it looks at what is not steered as well
    assert sorts.count(size) == 1  # of what is not steered, once


def test_strengths_that_are_asked_for_are_checked() -> None:
    with pytest.raises(ValueError, match="There are 3 interventions"):
        finished(panel().answer_steer([0.1]))


def test_a_sweep_gives_the_fluent_range() -> None:
    view = panel()
    statuses, (data, _) = gone_through(view.answer_sweep(1, [None, 0.3, 0.5]))
    held = [math.nan, 0.3, 0.5]
    expected = steering.sweep(view.session, 1, others=held)
    done = [status.done for status in statuses]
    assert done == sorted(set(done))
    np.testing.assert_allclose(data["kl"], expected.kl, atol=1e-5)
    np.testing.assert_allclose(data["loss"], expected.loss, atol=1e-5)
    assert data["fluent"] == list(expected.fluent or ())
    assert view.fluent == {view.interventions[1]["key"]: data["fluent"]}
    json.dumps(data, allow_nan=False)


def test_without_answers_there_is_no_difference() -> None:
    view = panel(answer=None, versus=None, neurons=[])
    data, _ = finished(view.answer_sweep(0, [0.0, 1.0]))
    assert data["difference"] is data["spearman"] is None
    assert finished(view.answer_grid(0, [0.0, 1.0]))[0]["difference"] is None


def test_a_slider_may_go_while_it_is_swept() -> None:
    view = panel()
    running = view.answer_sweep(1, [None, 0.0, 1.0])
    next(running)
    view.remove("neuron 1:5")
    finished(running)
    assert list(view.fluent) == ["add names, layer 2, all positions"]


def test_continuations_come_a_token_at_a_time() -> None:
    view = panel()
    statuses, (data, _) = gone_through(view.answer_continue([None, 0.3, 1.0], 4, 0.0, 0))
    assert [status.done for status in statuses] == [0, 1, 2, 3, 4]
    written = [json.loads(status.text) for status in statuses]
    assert written[-1] == data
    assert all(after["steered"].startswith(before["steered"]) for before, after in itertools.pairwise(written))
    assert data["unsteered"].startswith("Mary")
    assert data["steered"] != data["unsteered"]
    with pytest.raises(ValueError, match="1 to 200 tokens"):
        next(view.answer_continue([None, 0.3, 1.0], 0, 0.0, 0))


def test_the_model_can_be_asked_while_it_writes() -> None:
    view = panel()
    alone = finished(view.answer_steer([None, 0.1, 0.5]))[0]["tokens"]
    view.session.clear_cache()
    writing = view.answer_continue([None, 0.9, 0.0], 6, 0.0, 0)
    for _ in range(3):
        next(writing)
    assert finished(view.answer_steer([None, 0.1, 0.5]))[0]["tokens"] == alone
    writing.close()


def test_a_grid_is_what_steering_gives_at_its_points() -> None:
    view = panel()
    data, buffers = finished(view.answer_grid(1, [None, 0.33, 0.5]))
    low, high = view.session.spans[1]
    np.testing.assert_allclose([one for one in data["strengths"] if one != 0.33], np.linspace(low, high, 11))
    assert 0.33 in data["strengths"]
    p = np.frombuffer(buffers[0], "<f4").reshape(len(data["strengths"]), len(data["tokens"]))
    p0 = np.frombuffer(buffers[1], "<f4")
    for at in (0, 3, 11):
        answer = finished(view.answer_steer([None, data["strengths"][at], 0.5]))[0]
        assert data["kl"][at] == pytest.approx(answer["kl"], abs=1e-4)
        assert data["difference"][at] == pytest.approx(answer["difference"], abs=1e-3)
        of = {one["id"]: column for column, one in enumerate(data["tokens"])}
        for one in answer["tokens"]:
            assert p[at, of[one["id"]]] == pytest.approx(one["p"], rel=1e-2)
            assert p0[of[one["id"]]] == pytest.approx(one["p0"], rel=1e-5)


def test_a_grid_of_a_neuron_knows_the_free_one() -> None:
    data, _ = finished(panel().answer_grid(0, [None, 0.0, 1.0]))
    assert data["strengths"][-1] is None
    assert data["kl"][-1] == 0
    with pytest.raises(ValueError, match="no slider 7"):
        finished(panel().answer_grid(7, [None, 0.0, 1.0]))


def test_the_code_makes_it_again() -> None:
    text = panel().answer_code([None, 0.1, 0.5])[0]["text"]
    space: dict[str, Any] = {"scope": scope()}
    exec(in_place_of_the_model(text), space)
    np.testing.assert_allclose(space["made"].steered.logits, plain_logits(0.1, 0.5), atol=2e-4)


def in_place_of_the_model(text: str) -> str:
    """Give the code the variable `scope`, of a model of our own, and its view the name `made`."""
    lines = [line for line in text.splitlines() if not line.startswith("scope = ...")]
    return "\n".join(lines).replace("\nSteeringPanel(", "\nmade = SteeringPanel(")


# -- presets


def test_presets_go_to_another_prompt(tmp_path: Any) -> None:
    view = panel(presets={"off": {"strengths": {}, "enabled": {}}})
    keys = [one["key"] for one in view.interventions]
    mine = {"strengths": dict(zip(keys, [2.0, 0.1, None], strict=True)), "enabled": dict.fromkeys(keys, False)}
    view.presets = {**view.presets, "mine": mine}
    (tmp_path / "presets.json").write_text(view.presets_json())
    other = SteeringPanel(scope(), "The cat", directions=[names()], heads=[(3, 1)], neurons=[(1, 5)])
    other.load_presets(tmp_path / "presets.json")
    assert other.presets == view.presets
    other.load_presets(view.presets_json())


def test_presets_that_do_not_fit_say_why() -> None:
    view = panel()
    view.presets = {"a": {"strengths": {one["key"]: 1.0 for one in view.interventions}, "enabled": {}}}
    text = view.presets_json()
    lacking = panel(directions=[], neurons=[])
    with pytest.raises(
        ValueError, match=r"need 'neuron 1:5' \(layer 1, all positions\), 'add names' .*which this panel lacks"
    ):
        lacking.load_presets(text)
    with pytest.raises(ValueError, match="of gpt2, and this panel steers demo"):
        view.load_presets(text.replace('"demo"', '"gpt2"'))
    for wrong in ("{}", '{"format": 3}', text.replace("1.0", '"x"', 1)):
        with pytest.raises(ValueError, match="not JSON of presets"):
            view.load_presets(wrong)
    with pytest.raises(FileNotFoundError):
        view.load_presets("no_such_file.json")
    for bad in ([], {"a": 1}, {"a": {"strengths": {"k": math.inf}, "enabled": {}}}):
        with pytest.raises(TraitError, match="presets= is a dict"):
            view.presets = bad


# -- without a kernel


def test_a_saved_page_has_a_grid_for_every_slider() -> None:
    view = panel(max_new_tokens=3)
    view.strengths = [None, 0.2, 0.5]
    view.enabled = [True, True, False]
    finished(view.answer_sweep(1, [None, -0.7, 1.0]))
    finished(view.answer_sweep(2, [None, -0.7, 1.0]))  # holds another strength of the direction
    saved = list(view.saved_answers())
    assert [(name, args.get("which")) for name, args, _, _ in saved] == [
        ("grid", 0), ("grid", 1), ("sweep", 1), ("grid", 2), ("continue", None), ("code", None),
    ]  # fmt: skip
    assert all(args["strengths"] == [None, 0.2, 1.0] for _, args, _, _ in saved)
    assert saved[-2][2]["unsteered"]
    assert sum(len(json.dumps(data, allow_nan=False)) + sum(map(len, parts)) for _, _, data, parts in saved) < 20_000


def test_a_continuation_that_was_written_is_not_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    view = panel(max_new_tokens=3)
    data, _ = finished(view.answer_continue([None, 0.0, 1.0], 3, 0.0, 0))
    monkeypatch.setattr(view.session, "submit_continuations", None)
    (kept,) = [data for name, _, data, _ in view.saved_answers() if name == "continue"]
    assert kept == data


def test_it_says_where_it_came_from() -> None:
    view = panel(strengths=[None, 0.5, 1.0])
    lines = view.provenance_lines()
    assert lines[0].startswith("demo")
    assert lines[1] == PROMPT
    assert "neuron 1:5, layer 1, all positions: free; add names, layer 2, all positions: 0.5" in lines[2]
    header, rows = view.still_table()
    assert header == ["next token", "unsteered", "steered"]
    assert len(rows) == 10


@pytest.mark.parametrize("family", ["gpt2", "gpt_neo", "llama"])
def test_other_families(family: str) -> None:
    tiny = Microscope.for_model(tiny_model(family), tiny_tokenizer())
    view = SteeringPanel(tiny, "the cat sat on", heads=[(1, 2)], neurons=[(0, 3)])
    view.strengths = [1.0, 0.0]
    assert view.start["kl"] > 0
    assert len(list(view.saved_answers())) == 4


# -- of a model on a server


def remote_panel(**options: Any) -> tuple[SteeringPanel, FakeTransport]:
    remote = fake_remote(scope())
    transport = remote.transport
    given = {"directions": [names()], "heads": [(3, 1)], "neurons": [(1, 5)], "answer": " Mary", "versus": " John"}
    view = SteeringPanel(remote, PROMPT, **{**given, **options})
    transport.asked.clear()
    transport.blocked = True
    return view, transport


def close(one: Any, other: Any) -> bool:
    """Whether two answers say the same, up to rounding."""
    return [token["id"] for token in one["tokens"]] == [token["id"] for token in other["tokens"]] and all(
        one[name] == pytest.approx(other[name], abs=1e-4) for name in ("kl", "difference", "difference0")
    )


def test_a_remote_panel_begins_with_what_is_known_and_does_not_hold_the_kernel() -> None:
    view, transport = remote_panel()
    assert (view.interactive, panel().interactive, view.continue_on_release) == (False, True, False)
    assert close(view.start, panel().start)
    view.strengths = [None, 0.4, 1.0]
    assert transport.asked == []
    assert view.start["strengths"] == [None, 0.0, 1.0]


def test_a_remote_panel_asks_for_exact_numbers_and_says_what_is_waited_for() -> None:
    view, transport = remote_panel()
    view.strengths = [None, 0.4, 1.0]
    statuses, (data, _) = gone_through(view.answer_steer([None, 0.4, 1.0]))
    assert texts(statuses) == ["sent to the server", "queued, position 3", "running on the server"]
    assert close(data, finished(panel().answer_steer([None, 0.4, 1.0]))[0])
    assert view.start["strengths"] == [None, 0.4, 1.0]
    finished(view.answer_steer([None, 0.4, 1.0]))
    assert transport.asked == ["_rows"]


def test_a_remote_grid_comes_with_one_request() -> None:
    view, transport = remote_panel()
    data, buffers = finished(view.answer_grid(1, [None, 0.03, 1.0]))
    local, local_buffers = finished(panel().answer_grid(1, [None, 0.03, 1.0]))
    assert transport.asked == ["_rows"]
    assert (data["strengths"], [one["id"] for one in data["tokens"]]) == (
        local["strengths"],
        [one["id"] for one in local["tokens"]],
    )
    for one, other in zip(buffers, local_buffers, strict=True):
        np.testing.assert_allclose(np.frombuffer(one, "<f4"), np.frombuffer(other, "<f4"), atol=1e-6)


def test_remote_sweeps_and_continuations_come_with_one_request_each() -> None:
    view, transport = remote_panel()
    strengths = [None, 0.3, 1.0]
    data, _ = finished(view.answer_sweep(1, strengths))
    local, _ = finished(panel().answer_sweep(1, strengths))
    np.testing.assert_allclose(data["kl"], local["kl"], atol=1e-5)
    assert data["fluent"] == local["fluent"]
    asked = {"strengths": strengths, "max_new_tokens": 5, "temperature": 0.0, "seed": 0}
    statuses, (data, _) = gone_through(view.answer_continue(**asked))
    assert texts(statuses)[1:] == ["sent to the server", "queued, position 3", "running on the server"]
    assert data == finished(panel().answer_continue(**asked))[0]
    assert transport.asked == ["sweep", "_continued"]


def test_a_saved_remote_panel_is_of_the_present_strengths_and_knows_no_key(tmp_path: Any) -> None:
    view, _ = remote_panel()
    view.strengths = [None, 0.4, 1.0]
    page = view.to_html(tmp_path / "page.html").read_text("utf-8")
    assert view.start["strengths"] == [None, 0.4, 1.0]
    assert '"strengths":[null,0.4,1.0]' in page.replace(" ", "")
    assert KEY not in page + repr(view.get_state())
