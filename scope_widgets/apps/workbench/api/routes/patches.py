"""Patches: changes of latents and heads that inference runs under while they are on."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from scope_widgets.apps.workbench.api.access import Api, TheApi
from scope_widgets.apps.workbench.api.fields import Given, Id, Index, Number, OfModel
from scope_widgets.apps.workbench.api.json_body import CheckedRoute
from scope_widgets.apps.workbench.api.paging import Cursor, Limit, Page, numbered_page
from scope_widgets.apps.workbench.api.patch_list import Patch, PatchKind
from scope_widgets.apps.workbench.api.problems import Problem, refusals

router = APIRouter(tags=["patches"], route_class=CheckedRoute)

Description = Annotated[str, Field(max_length=500)]


class NewPatch(Given):
    """A patch to be made: of a latent (`sae`, `feature`) or a head (`layer`, `head`)."""

    kind: PatchKind
    sae: Annotated[str | None, Field(max_length=200)] = None
    feature: Index | None = None
    layer: Index | None = None
    head: Index | None = None
    model: OfModel = None
    strength: Number
    enabled: bool = True
    description: Description = ""


class PatchChange(Given):
    """What is to be otherwise; what is left out stays."""

    strength: Number | None = None
    enabled: bool | None = None
    description: Description | None = None


class PatchAnswer(BaseModel):
    """A patch. `name` is what the library calls it."""

    id: str
    kind: PatchKind
    model: str
    sae: str | None
    feature: int | None
    layer: int | None
    head: int | None
    strength: float
    enabled: bool
    name: str
    description: str


def patch_answer(patch: Patch) -> PatchAnswer:
    """Return a patch as an answer."""
    of = f"head {patch.layer}.{patch.head}" if patch.kind == "scale_head" else f"latent {patch.layer}.{patch.feature}"
    return PatchAnswer(
        id=patch.id,
        kind=patch.kind,
        model=patch.model,
        sae=patch.sae or None,
        feature=patch.feature,
        layer=patch.layer,
        head=patch.head,
        strength=patch.strength,
        enabled=patch.enabled,
        name=f"{patch.kind.partition('_')[0]} {of}",
        description=patch.description,
    )


async def made(api: Api, asked: NewPatch) -> Patch:
    """Make a patch; raise a `Problem` where the library takes no such intervention."""
    if asked.kind == "scale_head":
        scope = api.scope(asked.model)
        if asked.layer is None or asked.head is None or asked.sae is not None or asked.feature is not None:
            raise Problem(422, 'A patch "scale_head" has layer and head, and neither sae nor feature.')
        where: dict[str, Any] = {"layer": asked.layer, "head": asked.head}
        latents = None
    else:
        if asked.sae is None or asked.feature is None or asked.layer is not None or asked.head is not None:
            raise Problem(422, f'A patch "{asked.kind}" has sae and feature, and neither layer nor head.')
        stored = await api.sae(asked.sae)
        scope, latents = api.scope(stored.model), stored.latents
        where = {"sae": stored.id, "feature": asked.feature, "layer": stored.sae.layer}
    patch = Patch(
        str(scope.model_id),
        asked.kind,
        asked.strength,
        enabled=asked.enabled,
        description=asked.description,
        **where,
    )
    with refusals():
        patch.intervention(latents).check(scope)
    return api.patches.add(patch)


@router.get("/patches", operation_id="list_patches")
async def list_patches(api: TheApi, limit: Limit = 100, cursor: Cursor = None) -> Page[PatchAnswer]:
    """Return all patches, in the order in which they were made."""
    listed = [(one.number, patch_answer(one)) for one in api.patches.all()]
    found, total, more = numbered_page(listed, limit, cursor, "patches")
    return Page(items=found, total=total, next_cursor=more)


@router.post("/patches", operation_id="create_patch", status_code=201)
async def create_patch(asked: NewPatch, api: TheApi, response: Response) -> PatchAnswer:
    """Make a patch."""
    patch = await made(api, asked)
    response.headers["Location"] = f"/api/v1/patches/{patch.id}"
    return patch_answer(patch)


@router.get("/patches/{id}", operation_id="get_patch")
async def get_patch(id: Id, api: TheApi) -> PatchAnswer:
    """Return a patch."""
    return patch_answer(api.patches.get(id))


@router.patch("/patches/{id}", operation_id="change_patch")
async def change_patch(id: Id, asked: PatchChange, api: TheApi) -> PatchAnswer:
    """Change the strength of a patch, whether it is on, or its description."""
    return patch_answer(api.patches.change(id, **asked.model_dump(exclude_none=True)))


@router.post("/patches/{id}/toggle", operation_id="toggle_patch")
async def toggle_patch(id: Id, api: TheApi) -> PatchAnswer:
    """Put a patch on where it is off, and off where it is on."""
    return patch_answer(api.patches.change(id, "toggled", enabled=not api.patches.get(id).enabled))


@router.delete("/patches/{id}", operation_id="delete_patch", status_code=204)
async def delete_patch(id: Id, api: TheApi) -> None:
    """Take a patch off the list."""
    api.patches.remove(id)
