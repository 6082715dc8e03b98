"""Paths of the earlier interpretability workbench: latents, their provenance, and exports."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from scope_widgets import features
from scope_widgets._json_values import json_value
from scope_widgets.apps.workbench.api.access import Client, TheApi
from scope_widgets.apps.workbench.api.features_page import Sort, order_of
from scope_widgets.apps.workbench.api.fields import Id, Index
from scope_widgets.apps.workbench.api.json_body import CheckedRoute
from scope_widgets.apps.workbench.api.problems import Problem, refusals
from scope_widgets.apps.workbench.api.routes.saes import feature_details, indexed, sae_answer
from scope_widgets.apps.workbench.api.tables import records
from scope_widgets.apps.workbench.api.work import FindProvenance, find_provenance
from scope_widgets.apps.workbench.compat.workbench import feature_patch, sae_of_layer

router = APIRouter(route_class=CheckedRoute)

_SORTS: dict[str, Sort] = {"activation": "max", "layer": "feature", "frequency": "rate"}
_MOST_IMPORTED = 2000


class ImportedFeature(BaseModel):
    """A latent and what somebody calls it."""

    id: Index
    label: Annotated[str, Field(min_length=1, max_length=200)]


class ImportedFeatures(BaseModel):
    """Labels to be written beside the index."""

    layer_idx: Index | None = None
    features: Annotated[list[ImportedFeature], Field(max_length=_MOST_IMPORTED)]


def _row(index: Any, layer: int | None, one: dict[str, Any]) -> dict[str, Any]:
    """Return a latent as that server had it: `sparsity` is the share of tokens on which it fires."""
    tokens = records(index.tokens(one["feature"]).head(5))
    return {
        "id": one["feature"],
        "layer_idx": layer,
        "sparsity": one["rate"],
        "top_tokens": [{"token": token["token"], "strength": token["share"]} for token in tokens],
        "activation_strength": one["max"],
    }


@router.get("/features")
async def list_features(
    api: TheApi,
    layer_idx: Annotated[int | None, Query(ge=0, le=10_000)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
    search: Annotated[str | None, Query(max_length=200)] = None,
    sortBy: Literal["activation", "layer", "frequency"] = "activation",
    sortOrder: Literal["asc", "desc"] = "desc",
) -> dict[str, Any]:
    """Return latents in an order."""
    stored = await sae_of_layer(api, layer_idx)
    index = indexed(stored)
    descending = sortOrder == "desc" and sortBy != "layer"

    def page() -> dict[str, Any]:
        of = order_of(index, sort=_SORTS[sortBy], descending=descending, search=search or None)
        rows = records(index.rows(of[offset : offset + limit]))
        return {
            "features": [_row(index, stored.sae.layer, one) for one in rows],
            "total": len(of),
            "hasMore": offset + limit < len(of),
        }

    return await api.aside(page)


@router.get("/feature/{id}/details")
async def details(id: Id, api: TheApi, layer_idx: Annotated[int | None, Query(ge=0, le=10_000)] = None) -> Any:
    """Return all that is known of a latent."""
    stored = await sae_of_layer(api, layer_idx)
    index = indexed(stored)
    j = _latent(id, len(index))

    def read() -> dict[str, Any]:
        row = _row(index, stored.sae.layer, records(index.rows([j]))[0])
        return {**row, "details": feature_details(index, j).model_dump()}

    return await api.aside(read)


@router.get("/feature/{id}/provenance")
async def provenance(
    id: Id,
    api: TheApi,
    client: Client,
    upstream_layers: Annotated[int, Query(ge=1, le=4)] = 2,
    downstream_layers: Annotated[int, Query(ge=0, le=4)] = 1,
    layer_idx: Annotated[int | None, Query(ge=0, le=10_000)] = None,
) -> dict[str, Any]:
    """Return what makes a latent fire, and which tokens it raises; the first takes seconds."""
    stored = await sae_of_layer(api, layer_idx)
    index = indexed(stored)
    j = _latent(id, len(index))
    scope = api.scope(stored.model)
    asked = FindProvenance(sae=stored.id, feature=j, depth=upstream_layers)
    found = await api.go(client, scope, lambda: find_provenance(scope, stored, asked))
    edges = found.to_dataframe()
    downstream = await api.aside(lambda: records(index.logits(j))) if downstream_layers else []
    return {
        "feature_id": j,
        "layer_idx": stored.sae.layer,
        "upstream": records(edges[edges.included]),
        "downstream": downstream,
    }


@router.api_route("/export-features", methods=["GET", "POST"])
async def export_features(api: TheApi, layer_idx: Annotated[int | None, Query(ge=0, le=10_000)] = None) -> Any:
    """Return the table of all latents."""
    stored = await sae_of_layer(api, layer_idx)
    index = indexed(stored)
    return {"layer_idx": stored.sae.layer, "features": await api.aside(lambda: records(index.table))}


@router.api_route("/export-patches", methods=["GET", "POST"])
async def export_patches(api: TheApi) -> Any:
    """Return all patches of latents."""
    return {"patches": [feature_patch(one) for one in api.patches.all() if one.feature is not None]}


@router.api_route("/export-sae", methods=["GET", "POST"])
async def export_sae(api: TheApi, layer_idx: Annotated[int | None, Query(ge=0, le=10_000)] = None) -> Any:
    """Write an autoencoder into a folder of the workspace, in SAELens's layout."""
    stored = await sae_of_layer(api, layer_idx)
    name = f"sae-{stored.id}-layer-{stored.sae.layer}"
    with refusals():
        path = api.workspace.files.path(name)
        await api.workspace.kernel.run(stored.sae.save, path)
    return {"name": name, **sae_answer(stored).model_dump()}


@router.post("/import-features")
async def import_features(asked: ImportedFeatures, api: TheApi) -> dict[str, Any]:
    """Write labels of latents beside the index."""
    index = indexed(await sae_of_layer(api, asked.layer_idx))
    with refusals():
        for one in asked.features:
            _latent(str(one.id), len(index))
        for one in asked.features:
            await api.workspace.kernel.run(features.annotate, index, one.id, label=one.label)
        await api.workspace.kernel.run(index.forget_notes)
    return {"imported": len(asked.features), "labels": {one.id: json_value(one.label) for one in asked.features}}


def _latent(id: str, n: int) -> int:
    """Return the number of a latent; raise a `Problem` where there is none."""
    if not id.isdecimal() or not id.isascii() or len(id) > 9 or int(id) >= n:
        raise Problem(404, f"There is no such latent: there are 0 to {n - 1}.")
    return int(id)
