"""Models are loaded one after the other, each once, and those that nobody uses make room."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scope_widgets._job import JobStatus, Steps
from scope_widgets.apps.workbench import jobs, workspace
from scope_widgets.apps.workbench.jobs import QueueFullError, Record
from scope_widgets.apps.workbench.workspace import LOADING, MOST_MODELS, Workspace, wait_for


class Loads:
    """Stands for `Microscope.load`: each takes until it may end."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.at_once = self.most_at_once = 0
        self.may_end = threading.Event()

    def __call__(self, given: str) -> Any:
        self.begun.append(Path(given).name)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.may_end.wait(60)
        self.at_once -= 1
        return _Model(Path(given).name)


class _Model:
    def __init__(self, model_id: str) -> None:
        self.model_id = model_id


@pytest.fixture
def loads() -> Loads:
    return Loads()


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loads: Loads) -> Iterator[Workspace]:
    one = Workspace(tmp_path)
    monkeypatch.setattr(one, "_load", loads)
    monkeypatch.setattr(workspace, "_estimate", lambda _: SimpleNamespace(fits=True, advice=""))
    for at in range(8):
        (tmp_path / f"m{at}").mkdir()
    loads.may_end.set()
    one.start()
    yield one
    loads.may_end.set()
    one.close()


def begin(there: Workspace, *names: str) -> list[Future[Any]]:
    async def load(name: str) -> Any:
        return await wait_for(there.kernel, lambda: there.load(name, "c"))

    return [asyncio.run_coroutine_threadsafe(load(name), there.kernel.loop) for name in names]


def test_a_model_that_is_asked_for_twice_at_once_is_loaded_once(there: Workspace, loads: Loads) -> None:
    loads.may_end.clear()
    asked = begin(there, "m0", "m0", "m1")
    loads.may_end.set()
    first, again, other = (one.result(60) for one in asked)
    assert first is again
    assert other is there.models["m1"]
    assert loads.begun == ["demo", "m0", "m1"]
    assert loads.most_at_once == 1


def test_there_are_never_more_models_than_may_be(there: Workspace, loads: Loads) -> None:
    there.shown.append(lambda: set(there.models))  # all of them are looked at
    asked = begin(there, *(f"m{at}" for at in range(MOST_MODELS)))
    found = [one.exception(60) for one in asked]
    assert found[:-1] == [None] * (MOST_MODELS - 1)
    assert "in use" in str(found[-1])
    assert len(there.models) == MOST_MODELS


def test_loads_wait_in_a_queue_that_can_be_full(there: Workspace, loads: Loads, monkeypatch: Any) -> None:
    monkeypatch.setattr(jobs, "MOST_WAITING", 3)
    loads.may_end.clear()

    def submit() -> list[Record]:
        return [
            there.jobs.submit("load", partial(there.loading, f"m{at}"), client="c", queue=LOADING) for at in range(3)
        ]

    there.kernel.call(submit)
    with pytest.raises(QueueFullError, match="try again"):
        there.kernel.call(submit)
    assert len(there.kernel.call(there.jobs.all)) == 3
    with pytest.raises(QueueFullError):
        begin(there, "m5")[0].result(60)
    loads.may_end.set()


def test_the_model_that_was_not_used_for_longest_makes_room(there: Workspace) -> None:
    gone: list[str] = []
    there.unloaded.append(gone.append)
    for at in range(3):
        begin(there, f"m{at}")[0].result(60)
    there.scope("m0")
    begin(there, "m3")[0].result(60)
    assert gone == ["m1"]
    assert set(there.models) == {"demo", "m0", "m2", "m3"}


def test_a_model_of_which_a_job_goes_on_stays_whatever_queue_it_waits_in(there: Workspace) -> None:
    begin(there, "m0")[0].result(60)

    def endless() -> Steps[None]:
        while True:
            yield JobStatus("running", pause=0.01)

    record = there.kernel.call(lambda: there.jobs.submit("x", endless, model="m0", queue="training"))
    assert (record.model, record.queue) == ("m0", "training")
    assert there.kernel.call(there.idle) == []
    there.kernel.call(there.jobs.stop_all)
    assert there.kernel.call(there.idle) == ["m0"]
    assert there.kernel.call(lambda: there.idle(3600)) == []


def test_a_model_that_is_loaded_again_has_another_number(there: Workspace) -> None:
    first = there.number(begin(there, "m0")[0].result(60))
    there.kernel.call(there.unload, "m0")
    again = begin(there, "m0")[0].result(60)
    assert there.number(again) == there.number(again) != first
