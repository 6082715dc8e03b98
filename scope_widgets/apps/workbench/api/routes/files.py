"""Files of the workspace, by their names, and results as files."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from scope_widgets._result import Result
from scope_widgets.apps.workbench.api.access import TheApi
from scope_widgets.apps.workbench.api.fields import Id
from scope_widgets.apps.workbench.api.job_answers import has_ended
from scope_widgets.apps.workbench.api.json_body import CheckedRoute
from scope_widgets.apps.workbench.api.paging import Cursor, Limit, Page, counted_page
from scope_widgets.apps.workbench.api.problems import RETRY_S, Problem, refusals
from scope_widgets.apps.workbench.api.routes.patches import patch_answer
from scope_widgets.apps.workbench.files import Entry
from scope_widgets.apps.workbench.page import MOST_READ

router = APIRouter(tags=["files"], route_class=CheckedRoute)

FileName = Annotated[str, Query(min_length=1, max_length=200)]
_BYTES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}


class File(BaseModel):
    """A file of the workspace; `changed` in seconds since 1970."""

    name: str
    size: int
    changed: float


@router.get("/files", operation_id="list_files")
async def list_files(api: TheApi, limit: Limit = 100, cursor: Cursor = None) -> Page[File]:
    """Return the files of the workspace, by their names."""
    found = [_file(one) for one in api.workspace.files.list()]
    return counted_page(len(found), limit, cursor, lambda start, end: found[start:end], "files")


@router.post(
    "/files",
    operation_id="write_file",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def write_file(name: FileName, api: TheApi, request: Request, response: Response) -> File:
    """Put the body, as it is, into a file in the place of the one of that name."""
    data = await request.body()
    with refusals():
        entry = await asyncio.to_thread(api.workspace.files.write, name, data)
    response.headers["Location"] = f"/api/v1/files/{entry.name}"
    return _file(entry)


@router.get("/files/{name}", operation_id="read_file", response_class=Response, responses=_BYTES)
async def read_file(name: Id, api: TheApi) -> Response:
    """Return what is in a file, as bytes that a browser does not open."""
    with refusals():
        data = await asyncio.to_thread(api.workspace.files.read, name, MOST_READ)
    headers = {"content-disposition": "attachment", "cache-control": "no-store"}
    return Response(data, media_type="application/octet-stream", headers=headers)


@router.delete("/files/{name}", operation_id="delete_file", status_code=204)
async def delete_file(name: Id, api: TheApi) -> None:
    """Take a file away."""
    with refusals():
        api.workspace.files.remove(name)


@router.get(
    "/exports/{id}",
    operation_id="export",
    response_class=Response,
    responses={200: {"content": {"application/json": {}}}},
)
async def export(id: Id, api: TheApi) -> Response:
    """Return the whole result of a job, a trace (`from_json` of their classes reads them), or "patches", as JSON."""
    if id == "patches":
        text = json.dumps([patch_answer(one).model_dump() for one in api.patches.all()], ensure_ascii=False)
    elif id in api.traces:
        trace = api.traces[id].trace
        with refusals():
            text = await api.workspace.kernel.run(trace.to_json)
    else:
        text = await _result_of(api, id)
    headers = {"content-disposition": f'attachment; filename="{id}.json"', "cache-control": "no-store"}
    return Response(text, media_type="application/json", headers=headers)


async def _result_of(api: TheApi, id: str) -> str:
    found = api.feed.get(id)
    if found is None:
        raise Problem(404, "There is no such job or trace; what is exported has the id of one, or is called patches.")
    record, said = found
    if not has_ended(said):
        raise Problem(409, "This job has not ended yet.", {"Retry-After": RETRY_S})
    if not isinstance(record.result, Result):
        raise Problem(409, f"This job ended as {said['state']}, and has no result that is written as JSON.")
    with refusals():
        return await api.workspace.kernel.run(record.result.to_json)


def _file(entry: Entry) -> File:
    return File(name=entry.name, size=entry.size, changed=entry.changed)
