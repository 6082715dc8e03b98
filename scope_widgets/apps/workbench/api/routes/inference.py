"""The next token of a text."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field, model_validator

from scope_widgets.apps.workbench.api.access import Api, Client, TheApi
from scope_widgets.apps.workbench.api.fields import Given, OfModel, Text, TokenIds
from scope_widgets.apps.workbench.api.infer import Inference
from scope_widgets.apps.workbench.api.json_body import CheckedRoute
from scope_widgets.apps.workbench.api.patch_list import MOST_PATCHES, Patch
from scope_widgets.apps.workbench.api.problems import Problem
from scope_widgets.steering.steered_distribution import MOST_PROBABLE

router = APIRouter(tags=["inference"], route_class=CheckedRoute)


class InferenceRequest(Given):
    """A text, or token ids, and which patches are on: "enabled", "none", or some by their ids."""

    text: Text | None = None
    token_ids: TokenIds | None = None
    model: OfModel = None
    n: Annotated[int, Field(ge=1, le=MOST_PROBABLE, description="Tokens of each distribution.")] = 20
    patches: Literal["enabled", "none"] | Annotated[list[str], Field(max_length=MOST_PATCHES)] = "enabled"

    @model_validator(mode="after")
    def _one_prompt(self) -> InferenceRequest:
        if (self.text is None) == (self.token_ids is None):
            raise ValueError("give text or token_ids")
        return self

    @property
    def prompt(self) -> str | list[int]:
        """What is run."""
        return self.text if self.text is not None else (self.token_ids or [])


@router.post("/inference", operation_id="inference")
async def inference(asked: InferenceRequest, api: TheApi, client: Client) -> Inference:
    """Return the most probable next tokens, as the model is and under the patches."""
    scope = api.scope(asked.model)
    return await api.infer(client, scope, asked.prompt, asked.n, chosen(api, asked.patches, str(scope.model_id)))


def chosen(api: Api, patches: str | list[str], model: str) -> list[Patch]:
    """Return the patches that a request asks for; raise a `Problem` for those of another model."""
    if isinstance(patches, str):
        return [] if patches == "none" else api.patches.enabled(model)
    found = [api.patches.get(one) for one in dict.fromkeys(patches)]
    for one in found:
        if one.model != model:
            raise Problem(422, f"The patch {one.id} is of another model.")
    return found
