"""The prompt of a view is changed: all of it is then of the other prompt, and linked views follow."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import pytest

from scope_widgets import heads, lens, patching, steering
from scope_widgets._job import Job
from scope_widgets.lens import LogitLens
from scope_widgets.widgets import (
    AttentionView,
    AttributionView,
    HeadTable,
    LogitLensView,
    PatchingMap,
    Selection,
    SteeringPanel,
)
from scope_widgets.widgets.core.prompt_line import options_of
from scope_widgets.widgets.core.requests import finished
from tests.support.fake_transport import fake_remote
from tests.support.trace_examples import FakeTrace

FIRST = "When Mary and John went to the store, John gave a drink to"
OTHER = "When Anna and Paul went to the park, Paul gave a book to"
KINDS = ["attention", "lens", "attribution", "attribution map", "steering", "table"]
#: what a view has of its history, and of the time that was needed
OWN = {"prompt_history", "prompt_at", "shown", "selection_id"}


@pytest.fixture(params=["here", "on a server"])
def scope(request: Any, demo: Any) -> Any:
    return demo if request.param == "here" else fake_remote(demo)


def made(kind: str, scope: Any, prompt: str, **options: Any) -> Any:
    if kind == "steering":
        return SteeringPanel(scope, prompt, heads=[(2, 1)], answer=" Mary", versus=" John", **options)
    trace = scope.trace(prompt)
    if kind == "attention":
        return AttentionView(trace, **options)
    if kind == "table":
        scores = heads.score(trace, null_draws=5)
        return HeadTable(
            scores, heads.label(scores, thresholds={"induction": 0.3}), columns=["label", "induction"], **options
        )
    if kind == "lens":
        return LogitLensView(lens.logit_lens(trace, n=3), scope=scope, **options)
    result = lens.direct_logit_attribution(trace, answer=" Mary", versus=" John")
    return (
        PatchingMap(result, **options) if kind == "attribution map" else AttributionView(result, trace=trace, **options)
    )


def state(view: Any) -> dict[str, Any]:
    if isinstance(view, AttentionView):
        finished(view.answer_thumbnails(view.n_layers - 1))
        finished(view.answer_statistics())
    found = {name: value for name, value in view.get_state().items() if name[0] != "_" and name not in OWN}
    for name in ("layout", "tabbable", "tooltip"):
        found.pop(name, None)
    if isinstance(view, SteeringPanel):
        found["start"] = {**found["start"], "ms": 0}
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_change_a_view_is_as_one_of_the_other_prompt(kind: str, scope: Any) -> None:
    view = made(kind, scope, FIRST)
    state(view)
    view.change_prompt(OTHER)
    assert (view.prompt_history, view.prompt, view.shown) == ([FIRST, OTHER], OTHER, 1)
    wanted, found = state(made(kind, scope, OTHER)), state(view)
    for name, value in wanted.items():
        assert found[name] == value, name
    assert repr(OTHER) in view.made_by or kind == "steering"
    assert FIRST not in repr(found)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["  ", "a " * 3000, "half \ud800"])
def test_what_cannot_be_run_is_a_sentence_and_changes_nothing(kind: str, text: str, demo: Any) -> None:
    view = made(kind, demo, FIRST)
    before = state(view)
    with pytest.raises(ValueError, match=r"[.]$"):
        view.change_prompt(text)
    assert (state(view), view.shown, view.prompt) == (before, 0, FIRST)


def test_views_of_the_same_selection_model_and_prompt_follow(demo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = Selection(heads=[(2, 1)])
    views = [made(kind, demo, FIRST, selection=shared) for kind in KINDS]
    apart = [
        made("attention", demo, "the horse", selection=shared),
        made("attention", fake_remote(demo), FIRST, selection=shared),
        made("attention", demo, FIRST),
    ]
    run = []
    trace = type(demo).trace
    monkeypatch.setattr(type(demo), "trace", lambda *args, **options: run.append(args) or trace(*args, **options))
    views[1].change_prompt(OTHER)
    assert [view.prompt for view in views] == [OTHER] * len(KINDS)
    assert [view.shown for view in apart] == [0, 0, 0]
    assert len(run) == 1
    assert views[0].selected_heads == [(2, 1)]
    assert list(views[1].tokens) == list(views[0].tokens)
    with pytest.raises(ValueError, match="reads at most 256"):
        views[0].change_prompt("a " * 3000)
    assert [view.prompt for view in views] == [OTHER] * len(KINDS)


def test_a_closed_view_is_left_alone(demo: Any) -> None:
    shared = Selection()
    view, other = (made("attention", demo, FIRST, selection=shared) for _ in range(2))
    job = Job(view.answer_prompt(OTHER))
    next(job)
    other.close()
    job.result(progress=False)
    assert (view.prompt, other.prompt) == (OTHER, FIRST)


def test_the_history_is_that_of_a_browser(demo: Any) -> None:
    view = made("lens", demo, "the horse")
    for text in ("the dog", "the cat", "the cat"):
        view.change_prompt(text)
    assert view.prompt_history == ["the horse", "the dog", "the cat"]
    finished(view.answer_prompt("the horse", at=0))
    assert (view.prompt_at, view.prompt, view.tokens[-1]) == (0, "the horse", "horse")
    finished(view.answer_prompt("the dog", at=1))
    assert (view.prompt_at, view.tokens[-1]) == (1, "dog")
    view.change_prompt("the bird")
    assert view.prompt_history == ["the horse", "the dog", "the bird"]
    finished(view.answer_prompt("the cow", at=0))  # it is not the one at that place
    assert (view.prompt, view.prompt_at) == ("the cow", 3)


def test_the_latest_wins_and_what_is_stopped_changes_nothing(demo: Any) -> None:
    view = made("lens", fake_remote(demo), FIRST)
    first, second = Job(view.answer_prompt("the horse")), Job(view.answer_prompt("the dog"))
    next(first), next(second)
    for job in (second, first):
        assert "queued, position 3" in [status.text for status in job]
    assert view.prompt == "the dog"
    assert view.tokens[-1] == "dog"
    stopped = Job(view.answer_prompt("the bird"))
    for _ in range(4):
        next(stopped)
    stopped.cancel()
    assert (view.prompt, view.shown) == ("the dog", 1)


def test_an_answer_of_the_prompt_before_goes_to_what_was_known_of_it(demo: Any) -> None:
    view = made("attention", fake_remote(demo), FIRST)
    head, scores = Job(view.answer_head(2, 1)), Job(view.answer_statistics())
    next(head), next(scores)
    view.change_prompt(OTHER)
    head.result(progress=False)
    scores.result(progress=False)
    assert view.statistics == []
    data, (values,) = finished(view.answer_head(2, 1))
    wanted = demo.trace(OTHER).attention(2)[1].numpy()
    assert data["exact"]
    np.testing.assert_allclose(np.frombuffer(values, np.float32), wanted[np.tril_indices(len(wanted))], atol=1e-5)


def test_a_sweep_of_the_prompt_before_is_not_of_this_one(demo: Any) -> None:
    view = made("steering", demo, FIRST)
    sweep = Job(view.answer_sweep(0, [1.0]))
    next(sweep)
    view.change_prompt(OTHER)
    sweep.result(progress=False)
    assert (view.fluent, view._sweeps) == ({}, {})


def test_steering_keeps_its_strengths(demo: Any) -> None:
    view = made("steering", demo, FIRST)
    view.strengths = [0.0]
    view.change_prompt(OTHER)
    fresh = made("steering", demo, OTHER)
    fresh.strengths = [0.0]
    assert view.strengths == [0.0]
    assert view.start["difference"] == fresh.start["difference"]


def test_a_slider_that_came_meanwhile_stays(demo: Any) -> None:
    view = made("steering", demo, FIRST)
    job = Job(view.answer_prompt(OTHER))
    next(job)
    view.add(steering.ScaleHead(3, 1, 0.0))
    job.result(progress=False)
    assert (view.prompt, len(view.interventions), view.strengths) == (OTHER, 2, [1.0, 0.0])


def test_tokens_that_were_selected_are_harmless_in_a_shorter_prompt(demo: Any) -> None:
    shared = Selection(heads=[(2, 1)], tokens=[14])
    views = [made(kind, demo, FIRST, selection=shared) for kind in KINDS]
    views[0].change_prompt("the horse")
    for view in views:
        assert view.to_svg().startswith("<svg")
        assert view._still()


def test_the_trace_and_the_lens_keep_their_options(demo: Any) -> None:
    trace = demo.trace("the horse", capture=("attention", "residual"), prepend_bos=False)
    view, stream = AttentionView(trace), LogitLensView(lens.logit_lens(trace, n=2, watch=[" dog"]), scope=demo)
    for one in (view, stream):
        one.change_prompt("the cat")
        assert list(one.tokens) == ["the", "cat"]
    assert view.traces["a"].captured == trace.captured
    assert stream.lens.top_ids.shape[-1] == 2
    assert [stream.lens.text(token) for token in stream.watched] == ["dog"]


def test_given_scores_and_titles(demo: Any) -> None:
    trace = demo.trace(FIRST)
    view = AttentionView(trace, scores=np_scores(trace), title="My own")
    view.change_prompt(OTHER)
    assert view.arguments == []
    assert "x" not in view.statistics
    assert view.title == "My own"


def np_scores(trace: Any) -> Any:
    import pandas as pd

    heads = [(layer, head) for layer in range(trace.n_layers) for head in range(trace.n_heads)]
    return pd.DataFrame([{"layer": layer, "head": head, "x": layer} for layer, head in heads])


def test_without_a_model_there_is_nothing_to_change(demo: Any) -> None:
    found = lens.logit_lens(demo.trace(FIRST))
    read = LogitLens.from_json(found.to_json())
    pair = AttentionView(demo.trace(FIRST), demo.trace(OTHER))
    for view in (AttentionView(FakeTrace()), LogitLensView(read), pair):
        assert view.prompt_history == []
        with pytest.raises(ValueError, match="no model to run"):
            view.change_prompt("the horse")
    assert LogitLensView(found).scope is demo
    assert LogitLensView(read, scope=demo).prompt == FIRST


def test_the_browser_sets_nothing_of_it(demo: Any) -> None:
    view = made("lens", demo, FIRST)
    view.set_state({"prompt_history": ["x"], "prompt_at": 5, "shown": 3})
    assert (view.prompt_history, view.prompt_at, view.shown) == ([FIRST], 0, 0)


def test_copied_code_makes_the_other_prompt_again(demo: Any) -> None:
    view = made("lens", demo, FIRST)
    view.change_prompt('say "x"\nand y')
    names: dict[str, Any] = {}
    exec(view.made_by, names)
    assert names["result"].tokens == list(view.tokens)
    ast.parse(view.made_by)


def test_options_are_literals_of_the_call() -> None:
    calls = ("Microscope.load('demo')", "scope.trace('x', capture=('q',), logits=logits)")
    assert options_of(calls, "scope.trace") == {"capture": ("q",)}
    assert options_of(calls, "lens.logit_lens") == {}


def test_a_table_of_no_single_trace_has_no_field(demo: Any) -> None:
    scores = heads.score(demo.trace([FIRST, OTHER]), null_draws=0)
    repeated = heads.score_repeated_tokens(demo, n=1, length=8, null_draws=0)
    for table in (HeadTable(scores), HeadTable(repeated)):
        assert table.prompt_history == []


PAIR = (FIRST, "When Mary and John went to the store, Mary gave a drink to")
OTHER_PAIR = (OTHER, "When Anna and Paul went to the park, Anna gave a book to")
ASKED: dict[str, Any] = {"answer": " Mary", "versus": " John", "over": "residual"}


def run(view: PatchingMap) -> PatchingMap:
    if view.live:
        finished(view.answer_run())
    return view


@pytest.mark.parametrize("function", [patching.activations, patching.sweep, patching.attribution])
def test_a_map_of_patching_is_made_of_another_pair(function: Any, scope: Any) -> None:
    view = PatchingMap(function(scope, *PAIR, **ASKED))
    assert (view.prompt_history, view.corrupted_history) == ([PAIR[0]], [PAIR[1]])
    view.change_prompt(*OTHER_PAIR)
    wanted = run(PatchingMap(function(scope, *OTHER_PAIR, **ASKED)))
    run(view)
    for found in ("values", "estimates"):
        if function is not patching.activations or found == "values":
            first, second = (np.frombuffer(getattr(one, found)) for one in (view, wanted))
            np.testing.assert_allclose(first, second, atol=1e-6)
    assert (view.positions, view.question, view.origin, view.made_by) == (
        wanted.positions,
        wanted.question,
        wanted.origin,
        wanted.made_by,
    )
    assert (view.prompt, view.other_prompt()) == OTHER_PAIR
    finished(view.answer_prompt(PAIR[0], 0, PAIR[1]))
    assert (view.prompt_at, view.prompt_history) == (0, [FIRST, OTHER])


def test_a_pair_that_does_not_fit_changes_nothing(demo: Any) -> None:
    view = PatchingMap(patching.attribution(demo, *PAIR, **ASKED))
    before = state(view)
    with pytest.raises(ValueError, match="has 3 tokens clean and 15 corrupted"):
        view.change_prompt("the dog")  # the corrupted one stays
    with pytest.raises(ValueError, match="prompt is empty"):
        view.change_prompt(PAIR[0], " ")
    with pytest.raises(TypeError, match="one prompt, a text"):
        view.change_prompt(PAIR[0], 3)  # type: ignore[arg-type]
    assert state(view) == before
    sweep = PatchingMap(patching.sweep(demo, *PAIR, **ASKED))
    running = sweep.answer_run()
    next(running)
    with pytest.raises(ValueError, match="still being run"):
        sweep.change_prompt(*OTHER_PAIR)
    running.close()


def test_a_pair_stands_alone_and_what_is_of_these_words_has_no_field(demo: Any) -> None:
    shared = Selection()
    view = PatchingMap(patching.attribution(demo, *PAIR, **ASKED), selection=shared)
    attention = AttentionView(demo.trace(FIRST), selection=shared)
    attention.change_prompt(OTHER)
    assert (attention.prompt, view.prompt) == (OTHER, FIRST)
    view.change_prompt(*OTHER_PAIR)
    assert view.session is attention.session
    for options in ({"positions": [9, 14]}, {"roles": {"end": np.array([14])}}, {"metric": lambda one: one[0]}):
        assert not PatchingMap(patching.attribution(demo, *PAIR, **ASKED, **options)).prompt_history
    several = patching.attribution(demo, [PAIR[0]] * 2, [PAIR[1]] * 2, **ASKED)
    assert not PatchingMap(several).prompt_history
