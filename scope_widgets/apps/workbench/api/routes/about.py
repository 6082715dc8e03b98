"""The server itself: whether it is well, what it allows, and its memory of answers."""

from __future__ import annotations

import time

from fastapi import APIRouter
from pydantic import BaseModel

from scope_widgets._version import __version__
from scope_widgets.apps.workbench.access_control import MOST_BODY
from scope_widgets.apps.workbench.api import access, infer, json_body, work
from scope_widgets.apps.workbench.api.access import TheApi
from scope_widgets.apps.workbench.api.arrays import MOST_IN_JSON
from scope_widgets.apps.workbench.api.json_body import CheckedRoute
from scope_widgets.apps.workbench.jobs import MOST_WAITING
from scope_widgets.apps.workbench.workspace import MOST_MODELS

router = APIRouter(tags=["server"], route_class=CheckedRoute)


class Health(BaseModel):
    """That the server answers; `uptime` in seconds."""

    status: str
    version: str
    uptime: float
    models: list[str]


class Limits(BaseModel):
    """What a request may have, and what the server keeps."""

    body_bytes: int
    json_bytes: int
    numbers_in_json: int
    prompt_characters: int
    prompt_tokens: int
    training_texts: int
    models: int
    traces: int
    trace_bytes: int
    jobs_waiting: int


class Config(BaseModel):
    """How the server was started."""

    version: str
    workspace: str
    default_model: str
    hub_allowed: bool
    limits: Limits


class Cache(BaseModel):
    """Answers of inference that are remembered, and traces that are kept."""

    hits: int
    misses: int
    size: int
    capacity: int
    traces: int
    trace_bytes: int


@router.get("/health", operation_id="health")
async def health(api: TheApi) -> Health:
    """Say that the server is well; the models' thread is not asked."""
    return Health(
        status="ok",
        version=__version__,
        uptime=time.monotonic() - api.started,
        models=list(api.workspace.models),
    )


@router.get("/config", operation_id="config")
async def config(api: TheApi) -> Config:
    """Return how the server was started, and its limits."""
    limits = Limits(
        body_bytes=MOST_BODY,
        json_bytes=json_body.MOST_JSON,
        numbers_in_json=MOST_IN_JSON,
        prompt_characters=infer.MOST_CHARACTERS,
        prompt_tokens=infer.MOST_TOKENS,
        training_texts=work.MOST_TEXTS,
        models=MOST_MODELS,
        traces=access.MOST_TRACES,
        trace_bytes=access.MOST_TRACE_BYTES,
        jobs_waiting=MOST_WAITING,
    )
    return Config(
        version=__version__,
        workspace=api.workspace.files.folder.name,
        default_model=api.workspace.default,
        hub_allowed=api.workspace.allow_hub,
        limits=limits,
    )


@router.get("/cache", operation_id="cache")
async def cache(api: TheApi) -> Cache:
    """Return how many answers are remembered, and how often one was."""
    counts = api.answers.counts
    return Cache(
        hits=counts.hits,
        misses=counts.misses,
        size=len(api.answers),
        capacity=infer.MOST_REMEMBERED,
        traces=len(api.traces),
        trace_bytes=sum(one.bytes for one in api.traces.values()),
    )


@router.delete("/cache", operation_id="clear_cache")
async def clear_cache(api: TheApi) -> Cache:
    """Forget all answers; traces stay."""
    api.answers.clear()
    return await cache(api)
