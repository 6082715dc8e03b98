"""Paths of the earlier alignment observatory: autoencoders and models."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from scope_widgets.apps.workbench.api.access import Client, TheApi
from scope_widgets.apps.workbench.api.features_page import order_of
from scope_widgets.apps.workbench.api.fields import Index, ModelName, Number
from scope_widgets.apps.workbench.api.problems import Problem, refusals
from scope_widgets.apps.workbench.api.routes.models import about, estimate_model, list_models, unload_model
from scope_widgets.apps.workbench.api.routes.saes import encoded, feature_details, indexed, sae_answer, strongest
from scope_widgets.apps.workbench.api.tables import records
from scope_widgets.apps.workbench.compat.envelope import EnvelopeRoute, ok
from scope_widgets.apps.workbench.compat.workbench import loaded, sae_of_layer

router = APIRouter(route_class=EnvelopeRoute)


class LoadSAE(BaseModel):
    """An autoencoder: a name of the workspace in the place of a path."""

    path: Annotated[str, Field(min_length=1, max_length=200)]
    layer: Index | None = None


class Encode(BaseModel):
    """The prompt of a trace, and which activations are told."""

    trace_id: Annotated[str, Field(min_length=1, max_length=200)]
    layer: Index | None = None
    top_k: Annotated[int, Field(ge=1, le=1000)] = 20
    threshold: Number = 0.0


class Named(BaseModel):
    """A model by its name."""

    model_name: ModelName


@router.post("/api/v1/sae/load")
async def load_sae(asked: LoadSAE, api: TheApi) -> dict[str, Any]:
    """Load an autoencoder of the workspace."""
    stored = await api.load_sae(asked.path, None)
    if asked.layer not in (None, stored.sae.layer):
        raise Problem(422, f"This autoencoder is of layer {stored.sae.layer}, not {asked.layer}.")
    return ok(sae_answer(stored).model_dump())


@router.post("/api/v1/sae/encode")
async def encode(asked: Encode, api: TheApi, client: Client) -> dict[str, Any]:
    """Return what fires on the prompt of a trace."""
    trace = api.trace(asked.trace_id)
    stored = await sae_of_layer(api, asked.layer)
    scope = api.scope(stored.model)
    if trace.trace.model_id != stored.model:
        raise Problem(422, "This trace is of another model than the autoencoder.")
    if not trace.text:
        raise Problem(422, "This trace was made of token ids: make one of a text.")
    tokens, codes = await api.turn(client, scope, encoded, scope, stored, trace.text)
    rows = []
    for row, token in enumerate(tokens):
        _, found = strongest(codes, row, asked.top_k)
        kept = [one.model_dump() for one in found if one.activation > asked.threshold]
        rows.append({"token": token, "features": kept})
    return ok({"layer": stored.sae.layer, "tokens": rows})


@router.get("/api/v1/sae/available")
async def available(api: TheApi) -> dict[str, Any]:
    """Return the autoencoders that are at hand."""
    return ok([sae_answer(one).model_dump() for one in await api.saes()])


@router.get("/api/v1/sae/features/{layer}")
async def features(layer: int, api: TheApi, top_k: Annotated[int, Query(ge=1, le=1000)] = 20) -> dict[str, Any]:
    """Return the latents that fire most often."""
    index = indexed(await sae_of_layer(api, layer))

    def read() -> list[dict[str, Any]]:
        return records(index.rows(order_of(index, sort="rate", descending=True)[:top_k]))

    return ok({"layer": layer, "features": await api.aside(read)})


@router.get("/api/v1/sae/features/{layer}/{idx}")
async def feature(layer: int, idx: int, api: TheApi) -> dict[str, Any]:
    """Return all that is known of a latent."""
    index = indexed(await sae_of_layer(api, layer))
    if not 0 <= idx < len(index):
        raise Problem(404, f"There is no latent {idx}: there are 0 to {len(index) - 1}.")
    return ok((await api.aside(feature_details, index, idx)).model_dump())


@router.get("/api/v1/sae/coactivations/{layer}")
async def coactivations(
    layer: int,
    api: TheApi,
    feature_idx: Annotated[int | None, Query(ge=0, lt=2**31)] = None,
    top_k: Annotated[int, Query(ge=1, le=1000)] = 20,
) -> dict[str, Any]:
    """Return the latents that fire with one, or with those that fire most often."""
    index = indexed(await sae_of_layer(api, layer))
    if feature_idx is not None and feature_idx >= len(index):
        raise Problem(404, f"There is no latent {feature_idx}: there are 0 to {len(index) - 1}.")

    def read() -> dict[str, Any]:
        often = [feature_idx] if feature_idx is not None else order_of(index, sort="rate", descending=True)[:top_k]
        return {str(j): records(index.coactivation(int(j)).head(top_k)) for j in often}

    return ok({"layer": layer, "pairs": await api.aside(read)})


@router.get("/api/v1/models")
async def models(api: TheApi) -> dict[str, Any]:
    """Return the models that are loaded, and those that can be."""
    return ok((await list_models(api)).model_dump())


@router.post("/api/v1/models/load")
async def load_model(asked: Named, api: TheApi, client: Client) -> dict[str, Any]:
    """Load a model, and wait until it is there."""
    return ok(about(api, await loaded(api, client, asked.model_name)).model_dump())


@router.post("/api/v1/models/unload")
async def unload(asked: Named, api: TheApi) -> dict[str, Any]:
    """Forget a model."""
    await unload_model(asked.model_name, api)
    return ok({"unloaded": asked.model_name})


@router.get("/api/v1/models/current")
async def current(api: TheApi) -> dict[str, Any]:
    """Return the model of new pages."""
    return ok(about(api, api.scope(None)).model_dump())


@router.get("/api/v1/models/estimate/{model_name:path}")
async def estimate(model_name: str, api: TheApi) -> dict[str, Any]:
    """Return what a model would take of the memory."""
    with refusals():
        return ok((await estimate_model(api, model_name)).model_dump())
