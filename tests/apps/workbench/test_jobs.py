"""Long work takes turns at a model, fair over clients, can be stopped, and says how it ended."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from scope_widgets._bar_steps import steps_of_bars
from scope_widgets._job import JobStatus, Steps
from scope_widgets._progress import tqdm
from scope_widgets.apps.workbench.jobs import MOST_WAITING, Jobs, Queue, QueueFullError, Record
from scope_widgets.apps.workbench.kernel import Kernel


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    one = Kernel()
    yield one
    one.close()


def work(log: list[str], name: str, steps: int = 3) -> Steps[str]:
    for at in range(steps):
        log.append(name)
        yield JobStatus("running", name, at, steps)
    return name


def ended(kernel: Kernel, jobs: Jobs, records: list[Record]) -> list[str]:
    done = asyncio.run_coroutine_threadsafe(_until(jobs, records), kernel.loop)
    return done.result(20)


async def _until(jobs: Jobs, records: list[Record]) -> list[str]:
    while any(record.state not in ("done", "failed", "cancelled") for record in records):
        await asyncio.sleep(0)
    return [record.state for record in records]


def test_one_job_at_a_time_and_clients_in_turn(kernel: Kernel) -> None:
    jobs, log = Jobs(), []

    def submit() -> list[Record]:
        greedy = [jobs.submit(f"g{at}", lambda at=at: work(log, f"g{at}"), client="g", model="m") for at in range(4)]
        return [*greedy, jobs.submit("modest", lambda: work(log, "modest"), client="h", model="m")]

    records = kernel.call(submit)
    assert ended(kernel, jobs, records) == ["done"] * 5
    assert [log[at] for at in range(0, 15, 3)][:2] == ["g0", "modest"]
    assert all(log[at] == log[at + 1] == log[at + 2] for at in range(0, 15, 3))
    assert records[-1].result == "modest"


def test_two_models_do_not_wait_for_each_other(kernel: Kernel) -> None:
    jobs, log = Jobs(), []
    records = kernel.call(
        lambda: [jobs.submit(name, lambda name=name: work(log, name, 20), client="c", model=name) for name in "ab"]
    )
    ended(kernel, jobs, records)
    assert log[:10].count("a") in range(3, 8)


def test_a_job_is_stopped_while_it_waits_and_while_it_runs(kernel: Kernel) -> None:
    jobs, closed = Jobs(), []

    def endless() -> Steps[None]:
        try:
            while True:
                yield JobStatus("running", "on", 1, 2)
        finally:
            closed.append(True)

    def submit() -> list[Record]:
        return [jobs.submit(str(at), endless, client="c", model="m") for at in range(2)]

    records = kernel.call(submit)
    kernel.call(jobs.cancel, records[1].id)
    ended(kernel, jobs, records[1:])
    kernel.call(jobs.cancel, records[0].id)
    assert ended(kernel, jobs, records) == ["cancelled", "cancelled"]
    assert closed == [True]
    assert kernel.call(lambda: jobs.queue("m").length) == 0
    assert kernel.call(jobs.cancel, records[0].id).state == "cancelled"


def test_what_fails_says_why_and_others_go_on(kernel: Kernel) -> None:
    jobs = Jobs()

    def fails() -> Steps[None]:
        yield JobStatus("running")
        raise ValueError("The prompt is empty.")

    records = kernel.call(
        lambda: [
            jobs.submit("one", fails, client="c", model="m"),
            jobs.submit("two", lambda: work([], "x"), client="c", model="m"),
        ]
    )
    assert ended(kernel, jobs, records) == ["failed", "done"]
    assert records[0].to_dict()["error"] == "The prompt is empty."


def test_listeners_hear_each_change_and_nothing_twice(kernel: Kernel) -> None:
    jobs, heard = Jobs(), []
    jobs.listeners.append(lambda record: heard.append((record.state, record.done)))
    ended(kernel, jobs, [kernel.call(jobs.submit, "one", lambda: work([], "x"))])
    assert heard == [("queued", 0), ("running", 0), ("running", 1), ("running", 2), ("done", 2)]


def test_a_queue_that_is_full_says_so(kernel: Kernel) -> None:
    jobs = Jobs()

    def submit() -> None:
        for at in range(MOST_WAITING + 1):
            jobs.submit(str(at), lambda: work([], "x"), client="c", model="m")
            next(jobs.all()[0]._job)  # it stands in the queue

    with pytest.raises(QueueFullError, match="try again"):
        kernel.call(submit)


def test_a_status_says_how_many_are_before() -> None:
    queue = Queue()
    first, second = queue.in_turn("a", work([], "x")), queue.in_turn("b", work([], "y"))
    next(first)
    assert next(second) == JobStatus("queued", "waiting, 1 before it", pause=0.02)
    list(first)
    assert next(second).state == "running"


def test_the_kernel_gives_results_and_errors_back(kernel: Kernel) -> None:
    async def ask() -> list[Any]:
        found = [await kernel.run(sum, [1, 2])]
        with pytest.raises(ZeroDivisionError):
            await kernel.run(lambda: 1 / 0)
        with pytest.raises(RuntimeError):
            await kernel.run(next, iter(()))
        return found

    assert asyncio.run(ask()) == [3]


def test_what_is_stopped_keeps_its_turn_until_its_thread_has_ended(kernel: Kernel) -> None:
    jobs, go, begun = Jobs(), threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def stubborn() -> None:
        threads.append(threading.current_thread())
        begun.set()
        go.wait(60)
        with tqdm(total=2) as bar:
            bar.update()

    def submit() -> list[Record]:
        return [
            jobs.submit("one", lambda: steps_of_bars(stubborn), client="c", queue="training"),
            jobs.submit("two", lambda: work([], "x"), client="c", queue="training"),
        ]

    records = kernel.call(submit)
    assert begun.wait(60)
    for _ in range(2):
        kernel.call(jobs.cancel, records[0].id)
    for _ in range(50):
        assert kernel.call(lambda: [one.state for one in records]) == ["cancelling", "queued"]
    assert threads[0].is_alive()
    go.set()
    assert ended(kernel, jobs, records) == ["cancelled", "done"]
    assert not threads[0].is_alive()
