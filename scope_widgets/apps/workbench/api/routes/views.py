"""Views as pages of one file: what is seen in the workbench, of a trace or the result of a job."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from scope_widgets.apps.workbench.api.access import TheApi
from scope_widgets.apps.workbench.api.fields import Given, Name
from scope_widgets.apps.workbench.api.job_answers import has_ended
from scope_widgets.apps.workbench.api.json_body import CheckedRoute
from scope_widgets.apps.workbench.api.problems import Problem, refusals
from scope_widgets.widgets.core.saved_page import page as saved_page
from scope_widgets.widgets.workbench.panels.make_panel import KINDS

router = APIRouter(tags=["views"], route_class=CheckedRoute)


class ViewKind(BaseModel):
    """A kind of view that a page of the workbench can have."""

    kind: str
    title: str
    about: str


class Views(BaseModel):
    """The kinds of views."""

    items: list[ViewKind]


class ViewRequest(Given):
    """What is to be seen, a trace or a job by its id, and the name of the file."""

    of: Annotated[str, Field(min_length=1, max_length=200)]
    name: Name


class SavedView(BaseModel):
    """A page that was written into the workspace."""

    name: str
    size: int


@router.get("/views", operation_id="list_views")
async def list_views() -> Views:
    """Return the kinds of views."""
    return Views(items=[ViewKind(kind=name, title=one.title, about=one.about) for name, one in KINDS.items()])


@router.post("/views", operation_id="save_view", status_code=201)
async def save_view(asked: ViewRequest, api: TheApi, response: Response) -> SavedView:
    """Write the view of a trace, or of a job's result, into the workspace: a page that works from disk."""
    if asked.of in api.traces:
        shown: Any = api.traces[asked.of].trace
    else:
        record, said = api.job(asked.of)
        if not has_ended(said) or not getattr(record.result, "view", ""):
            raise Problem(409, "This job has no result that a view shows.")
        shown = record.result
    with refusals():
        api.workspace.files.path(asked.name)
        text = await api.workspace.kernel.run(_page_of, shown)
        entry = await asyncio.to_thread(api.workspace.files.write, asked.name, text.encode())
    response.headers["Location"] = f"/api/v1/files/{entry.name}"
    return SavedView(name=entry.name, size=entry.size)


def _page_of(shown: Any) -> str:
    view = shown.widget()
    try:
        return saved_page([view])
    finally:
        view.close()
