"""Jobs: what takes long, with progress, events and cancel."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse

from scope_widgets.apps.workbench.api.access import Api, Client, TheApi
from scope_widgets.apps.workbench.api.fields import Id
from scope_widgets.apps.workbench.api.job_answers import ACCEPTED, JobAnswer, accepted, has_ended, job_answer
from scope_widgets.apps.workbench.api.json_body import CheckedRoute
from scope_widgets.apps.workbench.api.paging import Cursor, Limit, Page, numbered_page
from scope_widgets.apps.workbench.api.problems import RETRY_S, Problem
from scope_widgets.apps.workbench.api.work import JobRequest

router = APIRouter(tags=["jobs"], route_class=CheckedRoute)

#: streams of events at once, and seconds after which a comment says that one is still there
MOST_STREAMS = 64
_BEAT_S = 15.0
_streams = 0


@router.get("/jobs", operation_id="list_jobs")
async def list_jobs(api: TheApi, limit: Limit = 100, cursor: Cursor = None) -> Page[JobAnswer]:
    """Return the jobs that are remembered, without their results."""
    found, total, more = numbered_page(api.feed.all(), limit, cursor, "jobs")
    return Page(items=[job_answer(one) for one in found], total=total, next_cursor=more)


@router.post("/jobs", operation_id="begin_job", status_code=202, responses=ACCEPTED)
async def begin_job(
    asked: JobRequest,
    api: TheApi,
    client: Client,
    response: Response,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> JobAnswer:
    """Begin a job. The same Idempotency-Key for the same request is the same job, however often it is sent."""
    return await accepted(api, asked, client, response, idempotency_key)


@router.get("/jobs/{id}", operation_id="get_job")
async def get_job(id: Id, api: TheApi, response: Response) -> JobAnswer:
    """Return a job, with its result where it has ended."""
    record, said = api.job(id)
    if not has_ended(said):
        response.headers["Retry-After"] = RETRY_S
        return job_answer(said)
    return job_answer(said, record.result)


@router.delete("/jobs/{id}", operation_id="cancel_job", status_code=202, responses=ACCEPTED)
async def cancel_job(id: Id, api: TheApi, response: Response) -> JobAnswer:
    """Stop a job: it is "cancelling", and "cancelled" at its next step."""
    said = cancel(api, id)
    if has_ended(said):
        response.status_code = 200
        return job_answer(said, api.job(id)[0].result)
    return job_answer(said)


@router.get(
    "/jobs/{id}/events",
    operation_id="job_events",
    response_class=StreamingResponse,
    responses={200: {"description": "Each change as an event `job`.", "content": {"text/event-stream": {}}}},
)
async def job_events(id: Id, api: TheApi, request: Request) -> StreamingResponse:
    """Return each change of a job as it comes, until its end."""
    api.job(id)
    if _streams >= MOST_STREAMS:
        raise Problem(503, f"{MOST_STREAMS} streams of events are open already.", {"Retry-After": RETRY_S})
    return StreamingResponse(_events(api, id), media_type="text/event-stream", headers={"cache-control": "no-store"})


def cancel(api: Api, id: str) -> dict[str, Any]:
    """Stop a job, and return what is told of it: as it ended, or that it is "cancelling"."""
    _, said = api.job(id)
    if has_ended(said):
        return said
    api.workspace.kernel.soon(_cancel, api, id)
    return {**said, "state": "cancelling"}


async def _events(api: Api, id: str) -> AsyncIterator[str]:
    global _streams
    _streams += 1
    try:
        with api.feed.listening() as changes:
            said = api.job(id)[1]
            yield _event(said)
            while not has_ended(said):
                try:
                    heard = await asyncio.wait_for(changes.get(), _BEAT_S)
                except asyncio.TimeoutError:  # of its own in Python 3.10
                    yield ": still there\n\n"
                    continue
                if heard["id"] == id and heard != said:
                    said = heard
                    yield _event(said)
    finally:
        _streams -= 1


def _event(said: dict[str, Any]) -> str:
    return f"event: job\ndata: {json.dumps(job_answer(said).model_dump(exclude={'result'}))}\n\n"


def _cancel(api: Api, id: str) -> None:
    try:
        api.workspace.jobs.cancel(id)
    except KeyError:
        return  # it was forgotten meanwhile
