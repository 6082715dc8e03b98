"""Jobs as answers: 202 with where to look, and what came of one."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from fastapi import Response
from pydantic import BaseModel

from scope_widgets._job import Steps
from scope_widgets._json_values import json_value
from scope_widgets._result import Result
from scope_widgets.apps.workbench.api.access import Api
from scope_widgets.apps.workbench.api.problems import RETRY_S, Problem, ProblemDetails, refusals
from scope_widgets.apps.workbench.api.tables import records
from scope_widgets.apps.workbench.api.work import (
    TRAINING,
    FindCircuit,
    FindIOI,
    FindProvenance,
    JobRequest,
    LoadModel,
    find_circuit,
    find_ioi,
    find_provenance,
    train_sae,
)
from scope_widgets.apps.workbench.jobs import ENDED, Record
from scope_widgets.apps.workbench.workspace import LOADING
from scope_widgets.features import SAE

#: rows of a result's table that a job holds; the whole of it is at /exports
MOST_ROWS = 1000
PATH = "/api/v1/jobs"
#: what an operation that begins a job says of itself
ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "headers": {
            "Location": {"description": "Of the job.", "schema": {"type": "string"}},
            "Retry-After": {"description": "Seconds until a look at it is worth it.", "schema": {"type": "integer"}},
        }
    },
    503: {"model": ProblemDetails, "description": "So many jobs wait that no other is taken."},
}


class JobResult(BaseModel):
    """What came of a job: the kind of result, its table (a thousand rows at most), and where the whole of it is."""

    type: str
    rows: int
    table: list[dict[str, Any]]
    export: str | None


class JobAnswer(BaseModel):
    """A job. `done` of `total` steps, 0 where they are not counted; times in seconds since 1970, `ended` 0 before."""

    id: str
    name: str
    model: str
    state: str
    text: str
    done: int
    total: int
    error: str
    created: float
    ended: float
    result: JobResult | None = None


class LoadedModel(NamedTuple):
    """The name of a model that was loaded: not the model itself, which may be unloaded."""

    id: str


def job_answer(said: dict[str, Any], result: Any = None) -> JobAnswer:
    """Return a job as an answer, with its result where there is one."""
    shown = None if result is None else _result(str(said["id"]), result)
    return JobAnswer(**{name: said[name] for name in JobAnswer.model_fields if name != "result"}, result=shown)


async def accepted(api: Api, asked: JobRequest, client: str, response: Response, key: str | None = None) -> JobAnswer:
    """Begin a job; the response is 202, with the address of it.

    Raises
    ------
    Problem
        For what cannot be begun.
    """
    record = await begun(api, asked, client, key)
    response.status_code = 202
    response.headers["Location"] = f"{PATH}/{record.id}"
    response.headers["Retry-After"] = RETRY_S
    found = api.feed.get(record.id)
    return job_answer(record.to_dict() if found is None else found[1])


async def begun(api: Api, asked: JobRequest, client: str, key: str | None = None) -> Record:
    """Begin a job, after what the request names was looked for."""
    workspace = api.workspace
    model, queue = "", None
    if isinstance(asked, LoadModel):
        with refusals():
            workspace.check_name(asked.name)
        model, queue = asked.name, LOADING
        name, work = f"loading {asked.name}", lambda: _loading(api, asked.name)
    elif isinstance(asked, FindProvenance):
        stored = await api.sae(asked.sae)
        scope = api.scope(stored.model)
        model, name = stored.model, f"what makes latent {asked.feature} fire"
        if asked.feature >= stored.sae.d_sae:
            raise Problem(404, f"There is no latent {asked.feature}: there are 0 to {stored.sae.d_sae - 1}.")
        work = lambda: find_provenance(scope, stored, asked)  # noqa: E731
    else:
        scope = api.scope(asked.model)
        model = str(scope.model_id)
        if isinstance(asked, FindCircuit):
            name, work = f"the circuit of {asked.task}", lambda: find_circuit(scope, asked)
        elif isinstance(asked, FindIOI):
            name, work = "the heads of IOI", lambda: find_ioi(scope, asked)
        else:
            with refusals():
                # aside: the file is looked at
                steps = await asyncio.to_thread(train_sae, scope, asked, workspace.files)
            queue, name = TRAINING, f"training {asked.name}"
            work = lambda: steps  # noqa: E731
    return await api.submit(client, name, work, model, queue, key, asked)


def _loading(api: Api, name: str) -> Steps[Any]:
    scope = yield from api.workspace.loading(name)
    return LoadedModel(str(scope.model_id))


def _result(id: str, result: Any) -> JobResult:
    if isinstance(result, LoadedModel):
        return JobResult(type="Model", rows=1, table=[{"id": result.id}], export=None)
    if isinstance(result, SAE):
        last = {name: json_value(values[-1]) for name, values in result.history.items() if len(values)}
        row = {"d_sae": result.d_sae, "layer": result.layer, "site": result.site, **last}
        return JobResult(type="SAE", rows=1, table=[row], export=None)
    if isinstance(result, Result):
        frame = result.to_dataframe()
        table = records(frame.head(MOST_ROWS))
        return JobResult(type=type(result).__name__, rows=len(frame), table=table, export=f"/api/v1/exports/{id}")
    return JobResult(type=type(result).__name__, rows=0, table=[], export=None)


def has_ended(said: dict[str, Any]) -> bool:
    """Return whether a job has."""
    return said["state"] in ENDED
