"""Whoever listens to jobs hears the last word of each, and jobs that go on are not forgotten."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from scope_widgets.apps.workbench.api.job_feed import Changes, JobFeed
from scope_widgets.apps.workbench.jobs import MOST_REMEMBERED, Record


def test_of_many_words_the_last_of_each_job_is_heard_in_the_order_of_their_first() -> None:
    async def hear() -> list[dict[str, Any]]:
        changes = Changes()
        for done in range(1000):
            for id in "ab":
                changes.put({"id": id, "done": done})
        changes.put({"id": "c", "done": 0})
        waiting = [await changes.get() for _ in range(3)]
        later = asyncio.create_task(changes.get())
        await asyncio.sleep(0)
        changes.put({"id": "a", "done": "end"})
        return [*waiting, await later]

    assert [(one["id"], one["done"]) for one in asyncio.run(hear())] == [
        ("a", 999),
        ("b", 999),
        ("c", 0),
        ("a", "end"),
    ]


def test_a_listener_that_is_slow_hears_the_end() -> None:
    workspace: Any = SimpleNamespace(jobs=SimpleNamespace(listeners=[]))
    feed = JobFeed(workspace)
    (tell,) = workspace.jobs.listeners
    first, others = Record("first"), [Record("other") for _ in range(600)]

    async def hear() -> list[str]:
        with feed.listening() as changes:
            tell(first)
            first.state = "done"
            tell(first)
            for one in others:
                tell(one)
            said = []
            while len(said) < 601:
                said.append(await changes.get())
            return [one["state"] for one in said if one["id"] == first.id]

    assert asyncio.run(hear()) == ["done"]


def test_of_too_many_jobs_those_that_have_ended_are_forgotten() -> None:
    workspace: Any = SimpleNamespace(jobs=SimpleNamespace(listeners=[]))
    feed = JobFeed(workspace)
    (tell,) = workspace.jobs.listeners
    going = Record("long", state="running")
    tell(going)
    ended = [Record("short", state="done") for _ in range(MOST_REMEMBERED + 5)]
    for one in ended:
        tell(one)
    assert feed.get(going.id) is not None
    assert [feed.get(one.id) is None for one in ended[:7]] == [True] * 6 + [False]
    assert len(feed.all()) == MOST_REMEMBERED
