"""Paths of the earlier interpretability workbench: health, models, patches, inference."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from scope_widgets.apps.workbench.api.access import Api, Client, StoredSAE, TheApi
from scope_widgets.apps.workbench.api.fields import Id, Index, ModelName, Number
from scope_widgets.apps.workbench.api.infer import MOST_CHARACTERS, MOST_TOKENS
from scope_widgets.apps.workbench.api.json_body import CheckedRoute
from scope_widgets.apps.workbench.api.patch_list import Patch
from scope_widgets.apps.workbench.api.problems import Problem, refusals
from scope_widgets.apps.workbench.api.routes.patches import NewPatch, made, patch_answer
from scope_widgets.apps.workbench.api.routes.saes import sae_answer
from scope_widgets.apps.workbench.workspace import wait_for
from scope_widgets.models.tokens import encode

router = APIRouter(route_class=CheckedRoute)

#: tokens of each distribution, as that server had them
N = 20


class LoadModel(BaseModel):
    """A model by its name."""

    model_name: ModelName


class LoadSAE(BaseModel):
    """An autoencoder: a name of the workspace in the place of a path."""

    layer_idx: Index | None = None
    saePath: Annotated[str, Field(min_length=1, max_length=200)]
    activationsPath: Annotated[str | None, Field(max_length=200)] = None


class NewFeaturePatch(BaseModel):
    """A latent, and how many times its decoder row is added to the residual stream."""

    feature_id: Index
    layer_idx: Index
    strength: Number = 1.0
    enabled: bool = True


class FeaturePatchChange(BaseModel):
    """What is to be otherwise."""

    strength: Number | None = None
    enabled: bool | None = None
    isEnabled: bool | None = None


async def sae_of_layer(api: Api, layer: int | None) -> StoredSAE:
    """Return the autoencoder of a layer of the model of new pages, the latest that was loaded first."""
    of_model = [one for one in reversed(await api.saes()) if one.model == api.workspace.default]
    for one in of_model:
        if layer is None or one.sae.layer == layer:
            return one
    there = ", ".join(str(one.sae.layer) for one in of_model) or "none"
    raise Problem(404, f"There is no autoencoder of this layer: there are those of layers {there}.")


def feature_patch(patch: Patch) -> dict[str, Any]:
    """Return a patch as that server had it."""
    said = patch_answer(patch)
    return {
        "id": patch.id,
        "featureId": patch.feature,
        "name": said.name,
        "isEnabled": patch.enabled,
        "strength": patch.strength,
        "description": patch.description,
        "layer_idx": patch.layer,
    }


@router.get("/health")
async def health(api: TheApi) -> dict[str, Any]:
    """Say that the server is well."""
    return {"status": "healthy", "model_loaded": True, "model_name": api.workspace.default}


@router.get("/cache/stats")
async def cache_stats(api: TheApi) -> dict[str, Any]:
    """Return how often an answer was remembered."""
    counts = api.answers.counts
    asked = counts.hits + counts.misses
    rate = counts.hits / asked if asked else 0.0
    return {"hits": counts.hits, "misses": counts.misses, "size": len(api.answers), "hit_rate": rate}


@router.post("/cache/clear")
async def cache_clear(api: TheApi) -> dict[str, Any]:
    """Forget all answers."""
    return {"cleared": api.answers.clear()}


@router.get("/model/status")
async def model_status(api: TheApi) -> dict[str, Any]:
    """Return what is told of the model of new pages."""
    scope = api.scope(None)
    return {
        "loaded": True,
        "model_name": str(scope.model_id),
        "num_layers": scope.n_layers,
        "num_heads": scope.n_heads,
        "hidden_size": scope.d_model,
        "models": list(api.workspace.models),
    }


@router.post("/load-model")
async def load_model(asked: LoadModel, api: TheApi, client: Client) -> dict[str, Any]:
    """Load a model, and wait until it is there."""
    scope = await loaded(api, client, asked.model_name)
    return {"status": "loaded", "model_name": str(scope.model_id), "num_layers": scope.n_layers}


@router.get("/sae/status")
async def sae_status(api: TheApi) -> dict[str, Any]:
    """Return the autoencoders that are at hand."""
    found = [sae_answer(one).model_dump() for one in await api.saes()]
    return {"loaded": bool(found), "layers": [one["layer"] for one in found], "saes": found}


@router.post("/load-sae")
async def load_sae(asked: LoadSAE, api: TheApi) -> dict[str, Any]:
    """Load an autoencoder of the workspace."""
    stored = await api.load_sae(asked.saePath, None)
    if asked.layer_idx not in (None, stored.sae.layer):
        raise Problem(422, f"This autoencoder is of layer {stored.sae.layer}, not {asked.layer_idx}.")
    return {"status": "loaded", "layer_idx": stored.sae.layer, "num_features": stored.sae.d_sae, "id": stored.id}


@router.get("/patches")
async def patches(api: TheApi) -> list[dict[str, Any]]:
    """Return the patches of latents."""
    return [feature_patch(one) for one in api.patches.all() if one.feature is not None]


@router.post("/patch")
async def patch(asked: NewFeaturePatch, api: TheApi) -> dict[str, Any]:
    """Make a patch that adds a latent's decoder row to the residual stream."""
    stored = await sae_of_layer(api, asked.layer_idx)
    whole = NewPatch(
        kind="add",
        sae=stored.id,
        feature=asked.feature_id,
        strength=asked.strength,
        enabled=asked.enabled,
        description=f"adds {asked.strength:g} times what latent {asked.feature_id} writes",
    )
    return feature_patch(await made(api, whole))


@router.patch("/patch/{id}")
async def change_patch(id: Id, asked: FeaturePatchChange, api: TheApi) -> dict[str, Any]:
    """Change a patch."""
    enabled = asked.enabled if asked.enabled is not None else asked.isEnabled
    changes: dict[str, Any] = {"strength": asked.strength, "enabled": enabled}
    return feature_patch(api.patches.change(id, **{name: one for name, one in changes.items() if one is not None}))


@router.post("/patch/{id}/toggle")
async def toggle_patch(id: Id, api: TheApi) -> dict[str, Any]:
    """Put a patch on or off."""
    return feature_patch(api.patches.change(id, "toggled", enabled=not api.patches.get(id).enabled))


@router.delete("/patch/{id}")
async def delete_patch(id: Id, api: TheApi) -> dict[str, Any]:
    """Take a patch off the list."""
    api.patches.remove(id)
    return {"status": "deleted", "id": id}


@router.post("/inference")
async def inference(
    api: TheApi,
    client: Client,
    text: Annotated[str, Query(min_length=1, max_length=MOST_CHARACTERS)],
    max_length: Annotated[int | None, Query(ge=1, le=MOST_TOKENS)] = None,
) -> dict[str, Any]:
    """Return the twenty most probable next tokens, as the model is and under the patches that are on."""
    scope = api.scope(None)
    with refusals():
        prompt = shortened(scope, text, max_length)
    found = await api.infer(client, scope, prompt, N, api.patches.enabled(str(scope.model_id)))
    return distributions(found)


def shortened(scope: Any, text: str, most: int | None) -> str | list[int]:
    """Return a text, or the first tokens of one that has more than `most`."""
    ids: list[int] = encode(scope.tokenizer, text, None)[0][0] if most is not None else []
    return ids[:most] if most is not None and len(ids) > most else text


def distributions(found: Any) -> dict[str, Any]:
    """Return both distributions as that server had them."""
    return {
        name: [
            {"token": one.token, "token_id": one.token_id, "probability": one.probability}
            for one in getattr(found, name)
        ]
        for name in ("original", "patched")
    }


async def loaded(api: Api, client: str, name: str) -> Any:
    """Load a model, and return it when it is there."""
    with refusals():
        return await wait_for(api.workspace.kernel, lambda: api.workspace.load(name, client))
