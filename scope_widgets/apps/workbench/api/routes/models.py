"""Models: which are loaded, what one would take of the memory, loading and unloading."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from scope_widgets.apps.workbench.api.access import Api, Client, TheApi
from scope_widgets.apps.workbench.api.fields import Given, ModelName
from scope_widgets.apps.workbench.api.job_answers import ACCEPTED, JobAnswer, accepted
from scope_widgets.apps.workbench.api.json_body import CheckedRoute
from scope_widgets.apps.workbench.api.problems import refusals
from scope_widgets.apps.workbench.api.work import LoadModel

router = APIRouter(tags=["models"], route_class=CheckedRoute)


class Model(BaseModel):
    """A model that is loaded."""

    id: str
    default: bool
    n_layers: int
    n_heads: int
    n_kv_heads: int
    d_model: int
    vocabulary: int
    parameters: int
    server: Annotated[str, Field(description="The NDIF server that it runs on; empty: this one.")]


class Models(BaseModel):
    """The models that are loaded, and names that can be."""

    items: list[Model]
    available: list[str]


class Estimate(BaseModel):
    """Bytes that a model would take, and that are free."""

    name: str
    weights: int
    needed: int
    available: int
    fits: bool
    advice: str


class Wanted(Given):
    """The model to load."""

    name: ModelName


def about(api: Api, scope: Any) -> Model:
    """Return what is told of a model."""
    return Model(
        id=str(scope.model_id),
        default=str(scope.model_id) == api.workspace.default,
        n_layers=scope.n_layers,
        n_heads=scope.n_heads,
        n_kv_heads=scope.anatomy.n_kv_heads,
        d_model=scope.d_model,
        vocabulary=int(scope.model.get_output_embeddings().weight.shape[0]),
        parameters=sum(one.numel() for one in scope.model.parameters()),
        server=api.workspace.server_of(scope),
    )


@router.get("/models", operation_id="list_models")
async def list_models(api: TheApi) -> Models:
    """Return the models that are loaded, and those of the workspace."""
    folder = api.workspace.files.folder
    inside = [path.parent.name for path in folder.glob("*/config.json")] + [path.name for path in folder.glob("*.gguf")]
    loaded = [about(api, one) for one in list(api.workspace.models.values())]
    known = {one.id for one in loaded}
    return Models(items=loaded, available=[one for one in ["demo", *sorted(inside)] if one not in known])


@router.post("/models", operation_id="load_model", status_code=202, responses=ACCEPTED)
async def load_model(asked: Wanted, api: TheApi, client: Client, response: Response) -> JobAnswer:
    """Load a model, as a job; one that does not fit into the memory is refused."""
    return await accepted(api, LoadModel(name=asked.name), client, response)


@router.get("/models:estimate", operation_id="estimate_model")
async def estimate_model(api: TheApi, name: Annotated[str, Query(min_length=1, max_length=200)]) -> Estimate:
    """Return what a model would take of the memory."""
    with refusals():
        found = await asyncio.to_thread(api.workspace.estimate, name)  # which may ask the hub
    return Estimate(
        name=name,
        weights=found.weights,
        needed=found.needed,
        available=found.available,
        fits=found.fits,
        advice=found.advice,
    )


@router.get("/models/{id:path}", operation_id="get_model")
async def get_model(id: str, api: TheApi) -> Model:
    """Return a model that is loaded."""
    return about(api, api.scope(id))


@router.delete("/models/{id:path}", operation_id="unload_model", status_code=204)
async def unload_model(id: str, api: TheApi) -> None:
    """Forget a model, its patches and traces; that of new pages stays."""
    api.scope(id)
    await api.unload(id)
