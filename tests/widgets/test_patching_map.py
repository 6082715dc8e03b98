"""PatchingMap's Python half: what it takes, what it sends, how it runs a sweep, what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from traitlets import TraitError

from scope_widgets._job import JobStatus, Steps
from scope_widgets.models.microscope import Microscope
from scope_widgets.patching import activations, sweep, sweeps
from scope_widgets.remote import microscope as remote_microscope
from scope_widgets.widgets import AttributionView, PatchingMap, Selection
from scope_widgets.widgets.patching_map import patching_map
from scope_widgets.widgets.patching_map.cells import MOST_CELLS, MOST_DOUBLES, Effects, as_bytes, values_of
from tests.support.fake_transport import QUEUED, RUNNING, FakeTransport, fake_remote
from tests.support.jobs import gone_through
from tests.support.patching_examples import Sweep, attribution, estimated, patching, words


def sent(view: PatchingMap, name: str = "values") -> Any:
    return np.frombuffer(getattr(view, name), "<f8")


# -- results


@pytest.mark.parametrize(
    ("shape", "over", "axes"),
    [
        ((3, 5), "residual", ["layer", "position"]),
        ((3, 4), "head", ["layer", "head"]),
        ((3, 4, 5), "head", ["layer", "head", "position"]),
        ((3,), "mlp_out", ["layer"]),
    ],
)
def test_every_shape_travels_exactly(shape: tuple[int, ...], over: str, axes: list[str]) -> None:
    result = patching(*shape, over=over)
    view = PatchingMap(result)
    assert (view.axes, view.shape) == (axes, list(shape))
    np.testing.assert_array_equal(sent(view), result.values.ravel())
    assert view.estimates == b""
    assert (view.done, view.total, view.live) == (result.values.size, result.values.size, False)
    assert view.result is result


def test_not_run_undefined_and_zero_are_three_things() -> None:
    result = patching(2, 3)
    per_prompt = result.per_prompt.copy()
    per_prompt[:, 0, 1] = np.nan
    per_prompt[0, 1, 2] = np.nan  # ran, but one prompt has no effect
    values, estimates = values_of(replace(result, per_prompt=per_prompt, values=per_prompt.mean(0)))
    assert estimates is None
    assert values[0] == 0
    assert np.isnan(values[1])
    assert values[5] == np.inf


def test_a_vanishing_denominator_makes_all_cells_undefined() -> None:
    nothing = np.full((8, 2, 3), np.nan)
    same = np.full(8, 3.1)
    message = "logit_difference is 3.1 in both runs."
    result = patching(2, 3, per_prompt=nothing, values=nothing[0], clean=same, corrupted=same, message=message)
    result = replace(result, floor=np.inf)
    view = PatchingMap(result)
    assert np.isposinf(sent(view)).all()
    assert view.message == message
    message = "The metric gave no finite number in 6 cells."
    other = PatchingMap(replace(result, corrupted=-same, floor=1e-7, message=message))
    assert np.isnan(sent(other)).all()


def test_estimates_stand_beside_exact_values_or_alone() -> None:
    result = patching(2, 3)
    both = PatchingMap(replace(result, estimate=estimated(result)))
    np.testing.assert_array_equal(sent(both, "estimates"), estimated(result).ravel())
    alone = PatchingMap(replace(result, exact=False))
    assert np.isnan(sent(alone)).all()
    np.testing.assert_array_equal(sent(alone, "estimates"), result.values.ravel())
    assert alone.title.startswith("Attribution patching: the residual stream")


def test_large_maps_travel_as_float32() -> None:
    few, many = np.zeros(MOST_DOUBLES), np.zeros(MOST_DOUBLES + 1)
    assert len(as_bytes(few)) == 8 * len(few)
    assert len(as_bytes(many)) == 4 * len(many)


def test_an_attribution_brings_its_parts_and_their_sum() -> None:
    result = attribution(2, 3)
    view = PatchingMap(result)
    assert view.components[0] == ["embedding", -1, -1]
    assert view.components[1] == ["attention", 0, 0]
    assert view.whole == pytest.approx(result.total.mean())
    assert (view.residue, view.metric, view.n_heads) == (1.2e-7, "logit difference", 3)
    assert "' Mary' − ' John'" in view.meaning
    assert PatchingMap(replace(result, versus=[])).metric == "logit"


def test_titles_and_meanings_say_what_was_done() -> None:
    view = PatchingMap(patching(2, 3, 4, over="attention", direction="noising"))
    assert view.title == "Patching attention patterns, SmolLM2-135M, 8 prompts"
    assert view.meaning == (
        "A head's attention of the corrupted run, put into the clean run. "
        "0: logit difference as clean; 1: as corrupted."
    )
    assert PatchingMap(patching(2, 3), title="Mine").title == "Mine"
    along = PatchingMap(patching(2, 3, over="head", call="patching.paths(scope, clean, corrupted)"))
    assert along.title == "Path patching: head outputs, SmolLM2-135M, 8 prompts"
    assert "put into the corrupted run along the paths to the receivers only." in along.meaning


@pytest.mark.parametrize(
    ("positions", "prompt", "linked"),
    [
        (["When", " Mary", " went"], "When Mary went", True),
        (["<|endoftext|>", "When", " Mary"], "When Mary", True),
        ([" caf", "<0xC3>", "<0xA9>", " now"], "café now", True),
        ([" Mary", " went"], "When Mary went", False),
        (["When", " went"], "When Mary went", False),
        (["When", " Mary"], "When Mary went", False),
        (["io", "subject", "end"], "When Mary went", False),
    ],
)
def test_only_all_tokens_of_the_prompt_are_linked_with_other_views(positions: Any, prompt: str, linked: bool) -> None:
    result = patching(2, len(positions), positions=positions)
    result = replace(result, provenance=replace(result.provenance, prompts=(prompt,) * 16))
    assert Effects.of(result).are_tokens is linked


def test_key_value_heads_are_not_the_heads_of_other_views() -> None:
    assert PatchingMap(patching(2, 3, over="head")).are_heads
    assert not PatchingMap(patching(2, 3, over="v")).are_heads


# -- what is refused


@pytest.mark.parametrize("source", [None, [[1.0]], np.zeros((2, 3)), "result"])
def test_something_else_is_refused_in_a_sentence(source: Any) -> None:
    with pytest.raises(TypeError, match="PatchingMap shows the result of patching"):
        PatchingMap(source)


def test_arrays_that_do_not_fit_are_refused() -> None:
    result = patching(2, 3)
    with pytest.raises(ValueError, match="do not fit the axes"):
        PatchingMap(replace(result, positions=["a", "b"]))
    with pytest.raises(ValueError, match=r"per_prompt must be \[prompt, layer, position\]"):
        PatchingMap(replace(result, per_prompt=result.values))
    with pytest.raises(ValueError, match="no cells"):
        PatchingMap(replace(result, values=result.values[:0], per_prompt=result.per_prompt[:, :0]))
    with pytest.raises(ValueError, match="of one length"):
        PatchingMap(replace(attribution(1, 2), component=["mlp"]))


def test_too_many_cells_are_refused() -> None:
    shape = (1, MOST_CELLS + 1)
    huge = patching(2, 3, values=np.broadcast_to(0.0, shape), per_prompt=np.broadcast_to(0.0, (8, *shape)))
    with pytest.raises(ValueError, match="Patch fewer positions"):
        PatchingMap(replace(huge, positions=[""] * shape[1]))


@pytest.mark.parametrize("limit", [0, -1, float("inf"), float("nan")])
def test_a_limit_is_above_zero(limit: float) -> None:
    with pytest.raises(TraitError, match="limit of the colours"):
        PatchingMap(patching(2, 3), limit=limit)


def test_selected_heads_must_be_there() -> None:
    with pytest.raises(TraitError, match=r"Head 2\.0 is not there"):
        PatchingMap(patching(2, 3, over="head"), selected_heads=[(2, 0)])
    with pytest.raises(TraitError, match="shows"):
        PatchingMap(patching(2, 3), shows="everything")


# -- one cell


def ask(view: PatchingMap, **args: Any) -> tuple[dict[str, Any], Any]:
    data, buffers = view.answer_cell(**args)
    return data, np.frombuffer(buffers[0], "<f8")


def test_a_cell_gives_its_prompts_and_its_code() -> None:
    result = patching(2, 3, 4)
    data, values = ask(PatchingMap(result), cell=17)
    np.testing.assert_array_equal(values, result.per_prompt[:, 1, 1, 1])
    assert data["code"] == result.code(1, 1, 1)
    parts = attribution(2, 2)
    data, values = ask(PatchingMap(parts), cell=3)
    np.testing.assert_array_equal(values, parts.per_prompt[:, 3])
    found: Any = eval(data["code"], {"result": parts})
    assert found["contribution"] == parts.contribution[3]
    with pytest.raises(ValueError, match="There is no cell 24"):
        ask(PatchingMap(result), cell=24)


def test_prompts_are_given_with_both_runs() -> None:
    result = patching(2, 3, prompts=2)
    result = replace(result, provenance=replace(result.provenance, prompts=("a", "b", "x", "y")))
    assert PatchingMap(result).prompts == ["clean: a\ncorrupted: x", "clean: b\ncorrupted: y"]
    assert PatchingMap(replace(result, provenance=replace(result.provenance, prompts=()))).prompts == []


# -- sweeps


def test_a_sweep_runs_stops_and_goes_on() -> None:
    sweep = Sweep(patching(3, 4, 5), batch=10)
    view = PatchingMap(sweep)
    assert (view.live, view.done, view.total) == (True, 0, 60)
    assert np.isnan(sent(view)).all()
    run = view.answer_run()
    assert next(run).state == "running"
    assert (view.running, view.done) == (True, 10)
    assert np.isfinite(sent(view)).sum() == 10
    view.answer_stop()
    with pytest.raises(StopIteration):
        next(run)
    assert (view.running, sweep.closed, sweep.done) == (False, 1, 10)
    for _ in view.answer_run():
        pass
    assert (view.running, view.done, view.seconds_left) == (False, 60, None)
    np.testing.assert_array_equal(sent(view), view.result.values.ravel())
    assert np.isfinite(view.result.values).all()


def test_closing_a_run_keeps_what_is_done() -> None:
    sweep = Sweep(patching(3, 4, 5), batch=10)
    view = PatchingMap(sweep)
    run = view.answer_run()
    next(run), next(run)
    run.close()
    assert (view.running, view.done, np.isfinite(sent(view)).sum(), sweep.closed) == (False, 20, 20, 1)


def test_a_second_run_beside_the_first_does_nothing() -> None:
    view = PatchingMap(Sweep(patching(3, 4, 5), batch=10))
    run = view.answer_run()
    next(run)
    assert list(view.answer_run()) == []
    assert view.running
    run.close()


def test_a_failure_is_said_and_what_is_done_stays() -> None:
    view = PatchingMap(Sweep(patching(3, 4, 5), batch=10, fails_at=20))
    messages: list[Any] = []
    view.send = lambda content, buffers=None: messages.append(content)
    view._handle_custom_msg({"v": 1, "id": "a", "kind": "req", "name": "run", "args": {}}, [])
    assert messages == [{"v": 1, "id": "a", "kind": "res", "data": {}}]
    assert view.problem == "The model ran out of memory. Patch fewer prompts at once."
    assert (view.running, view.done) == (False, 20)


def test_updates_are_few_however_many_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(np.arange(0, 1000, 0.01).tolist())
    monkeypatch.setattr(patching_map.time, "monotonic", lambda: next(clock))
    view = PatchingMap(Sweep(patching(10, 10, 10), batch=1))
    updates: list[Any] = []
    view.observe(lambda change: updates.append(change["new"]), "done")
    for _ in view.answer_run():
        pass
    seconds = next(clock)
    assert 10 < len(updates) <= 5 * seconds + 2
    assert updates[-1] == 1000


def test_the_kernel_does_other_things_between_batches() -> None:
    view = PatchingMap(Sweep(patching(3, 4, 5), batch=1))
    seen: list[int] = []

    async def kernel() -> None:
        view.send = lambda content, buffers=None: None
        view._handle_custom_msg({"v": 1, "id": "a", "kind": "req", "name": "run", "args": {}}, [])
        for _ in range(5):
            await asyncio.sleep(0)
            seen.append(view.result.done)
        view._handle_custom_msg({"v": 1, "id": "a", "kind": "cancel"}, [])
        for _ in range(5):
            await asyncio.sleep(0)

    asyncio.run(kernel())
    assert 0 < seen[0] < seen[-1] < 60
    assert not view.running
    assert view.done < 60


# -- sweeps on a server

CLEAN, CORRUPTED = (
    "When Mary and John went to the store, John gave a",
    "When Mary and John went to the store, Lily gave a",
)


def remote_map(*statuses: JobStatus) -> tuple[PatchingMap, FakeTransport]:
    scope = fake_remote(Microscope.load("demo"), statuses or (QUEUED, RUNNING))
    transport = scope.transport
    view = PatchingMap(sweep(scope, CLEAN, CORRUPTED, answer=" Mary", versus=" John", over="head", estimate=False))
    transport.blocked = True
    return view, transport


def test_a_remote_sweep_says_what_is_waited_for_and_gives_the_numbers_of_a_local_one() -> None:
    view, transport = remote_map(QUEUED, JobStatus("lost", "connection lost, waiting for the server"), RUNNING)
    said: list[str] = []
    view.observe(lambda change: said.append(change["new"]), "waiting")
    statuses, _ = gone_through(view.answer_run())
    assert [text for text in dict.fromkeys(said) if text] == [
        "sent to the server", "queued, position 3", "connection lost, waiting for the server", "running on the server"
    ]  # fmt: skip
    waited = [status for status in statuses if status.pause]
    assert len(waited) == (2 + 3) * transport.asked.count("run_cells_of")
    assert all(0.05 <= status.pause <= 0.5 for status in waited)
    assert (view.waiting, view.problem, view.running, view.done) == ("", "", False, view.total)
    local = activations(transport.local, CLEAN, CORRUPTED, answer=" Mary", versus=" John", over="head")
    np.testing.assert_allclose(sent(view), local.values.ravel(), atol=1e-6)


def test_a_remote_sweep_that_fails_says_why_keeps_what_came_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "ENOUGH", 10)
    view, transport = remote_map()
    untouched = view.done
    run = view.answer_run()
    while view.done == untouched:
        next(run)
    before = view.done
    transport.down = True
    assert list(run)
    assert (view.problem, view.running, view.waiting) == ("The server is down.", False, "")
    assert untouched < before == view.done < view.total
    transport.down = False
    gone_through(view.answer_run())
    assert (view.problem, view.done) == ("", view.total)
    assert transport.asked == ["lay_out", *["run_cells_of"] * 4]  # what had come is not asked for again


class Queue:
    """A server whose queue does not move."""

    def __init__(self) -> None:
        self.looks = 0

    def __iter__(self) -> Iterator[JobStatus]:
        while True:
            self.looks += 1
            yield JobStatus("queued", "queued")


def test_between_two_looks_the_kernel_rests_and_a_stop_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def paced(steps: Steps[Any]) -> Steps[Any]:
        for status in steps:
            yield status._replace(pause=30.0 if status.state == "queued" else 0.0)

    monkeypatch.setattr(remote_microscope, "paced", paced)
    view, transport = remote_map()
    transport.statuses = queue = Queue()

    async def kernel() -> None:
        async def until_it_looks(times: int) -> None:
            while queue.looks < times:
                await asyncio.sleep(0)
            await asyncio.sleep(0)

        view.send = lambda content, buffers=None: None
        view._handle_custom_msg({"v": 1, "id": "a", "kind": "req", "name": "run", "args": {}}, [])
        await until_it_looks(1)
        await asyncio.sleep(0.05)
        assert (queue.looks, view.running, view.waiting) == (1, True, "queued")
        view._handle_custom_msg({"v": 1, "id": "b", "kind": "req", "name": "stop", "args": {}}, [])
        assert not view.running
        view._handle_custom_msg({"v": 1, "id": "c", "kind": "req", "name": "run", "args": {}}, [])
        await until_it_looks(2)
        assert view.running
        view._handle_custom_msg({"v": 1, "id": "c", "kind": "cancel"}, [])
        assert not view.running

    asyncio.run(kernel())
    assert queue.looks == 2
    assert transport.asked == ["lay_out"]


def test_there_is_nothing_to_run_in_a_result() -> None:
    with pytest.raises(ValueError, match="nothing to run"):
        next(PatchingMap(patching(2, 3)).answer_run())


# -- without a kernel


def test_a_saved_page_has_the_prompts_of_all_cells_or_of_the_largest(monkeypatch: pytest.MonkeyPatch) -> None:
    result = patching(3, 4, 5)
    view = PatchingMap(result)
    answers = list(view.saved_answers())
    assert [args["cell"] for _, args, _, _ in answers] == list(range(60))
    assert not any("largest" in line for line in view.provenance_lines())
    monkeypatch.setattr(patching_map, "SAVED_BYTES", 5000)
    kept = [args["cell"] for _, args, _, _ in view.saved_answers()]
    assert 0 < len(kept) < 60
    assert set(kept) == set(np.argsort(-np.abs(result.values).ravel(), kind="stable")[: len(kept)].tolist())
    assert view.provenance_lines()[-1] == f"The page holds the single prompts of the {len(kept)} largest of 60 cells."


def test_stills_show_the_largest_cells_and_a_picture() -> None:
    result = patching(3, 4, 5)
    header, rows = PatchingMap(result).still_table()
    assert header == ["layer", "head", "position", "token", "effect"]
    best = np.unravel_index(np.abs(result.values).argmax(), result.values.shape)
    assert rows[0][:3] == [str(index) for index in best]
    picture = PatchingMap(result).still_image()
    assert picture.shape == (3, 4, 3)
    assert picture.dtype == np.uint8
    up = PatchingMap(patching(2, 2, values=np.array([[0.0, 1], [-1, np.nan]]), positions=["a", "b"])).still_image()
    red, blue, white, grey = up[1, 1], up[0, 0], up[1, 0], up[0, 1]  # the deepest layer is on top
    assert red[0] > red[2]
    assert blue[2] > blue[0]
    assert white.tolist() == [255] * 3
    assert len(set(grey.tolist())) == 1
    assert grey[0] < 255
    assert PatchingMap(attribution(3, 4)).still_image().shape == (6, 6, 3)  # rows and a column of what has no layer
    assert PatchingMap(patching(3, over="mlp_out")).still_image().shape == (3, 1, 3)
    assert PatchingMap(Sweep(result, estimate=False)).still_image().shape == (3, 4, 3)
    data, _ = PatchingMap(Sweep(result))._repr_mimebundle_()
    assert {"image/png", "text/html"} <= set(data)


def test_the_selection_is_shared() -> None:
    chosen = Selection(heads=[(1, 1)])
    view = PatchingMap(patching(3, 4, 5), selection=chosen)
    assert view.selected_heads == [(1, 1)]
    view.selected_tokens = [2]
    assert chosen.tokens == [2]


def test_results_show_themselves() -> None:
    assert isinstance(patching(2, 3).widget(), PatchingMap)
    assert isinstance(attribution(2, 3).widget(), AttributionView)
    assert words(15)[14] == "When"
