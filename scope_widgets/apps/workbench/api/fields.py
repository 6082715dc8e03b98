"""Fields that many requests have."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from scope_widgets.apps.workbench.api.infer import MOST_CHARACTERS

#: ids are of 16 hexadecimal digits; whatever else is asked for there is not
MOST_ID = 200
Id = Annotated[str, Path(max_length=MOST_ID)]
Name = Annotated[str, Field(min_length=1, max_length=200, description="Of a file or folder of the workspace.")]
ModelName = Annotated[str, Field(min_length=1, max_length=200)]
OfModel = Annotated[
    str | None, Field(max_length=200, description="A model that is loaded; that of new pages by default.")
]
Text = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]
TokenIds = Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1, max_length=4096)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e9, le=1e9)]


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a whole number is not true or false")
    return value


#: layers, latents, heads
Index = Annotated[int, BeforeValidator(_no_bool), Field(ge=0, lt=2**31)]


class Given(BaseModel):
    """What a request brings: no other fields than those that are known."""

    model_config = ConfigDict(extra="forbid")
