"""Circuits and the heads of IOI, found as jobs."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel

from scope_widgets import circuits
from scope_widgets.apps.workbench.api.access import Client, TheApi
from scope_widgets.apps.workbench.api.job_answers import ACCEPTED, JobAnswer, accepted
from scope_widgets.apps.workbench.api.json_body import CheckedRoute
from scope_widgets.apps.workbench.api.work import FindCircuit, FindIOI
from scope_widgets.ioi.dataset.templates import FILLERS, TEMPLATES

router = APIRouter(tags=["circuits"], route_class=CheckedRoute)


class Method(BaseModel):
    """A method that finds circuits."""

    id: str
    about: str


class Methods(BaseModel):
    """The methods, tasks and ablations that a circuit is found by."""

    methods: list[Method]
    tasks: list[str]
    ablations: list[str]


class Templates(BaseModel):
    """The sentences that IOI prompts are made of, and what stands in their slots."""

    templates: list[str]
    places: list[str]
    objects: list[str]


@router.post("/circuits", operation_id="find_circuit", status_code=202, responses=ACCEPTED)
async def find_circuit(asked: FindCircuit, api: TheApi, client: Client, response: Response) -> JobAnswer:
    """Find the circuit of a task, as a job."""
    return await accepted(api, asked, client, response)


@router.get("/circuits/methods", operation_id="circuit_methods")
async def circuit_methods() -> Methods:
    """Return the methods that find circuits."""
    methods = [Method(id=name, about=about) for name, about in circuits.METHODS.items()]
    return Methods(methods=methods, tasks=list(circuits.TASKS), ablations=list(circuits.ABLATIONS))


@router.post("/ioi", operation_id="find_ioi", status_code=202, responses=ACCEPTED)
async def find_ioi(asked: FindIOI, api: TheApi, client: Client, response: Response) -> JobAnswer:
    """Find the heads that do indirect-object identification, as a job."""
    return await accepted(api, asked, client, response)


@router.get("/ioi/templates", operation_id="ioi_templates")
async def ioi_templates() -> Templates:
    """Return the sentences that IOI prompts are made of."""
    return Templates(templates=list(TEMPLATES), places=list(FILLERS["place"]), objects=list(FILLERS["object"]))
