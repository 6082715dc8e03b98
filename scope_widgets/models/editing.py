"""Running a model with changes inside attention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from scope_widgets.models.anatomy import Anatomy, UnsupportedModelError
from scope_widgets.models.attention import probing, shows_attention
from scope_widgets.models.wrapped import Wrapped

#: (site, layer, value) -> the value to go on with
Edit = Callable[[str, int, Tensor], Tensor]


def forward(wrapped: Wrapped, model: Any, anatomy: Anatomy, inputs: dict[str, Any], edit: Edit | None) -> Tensor:
    """Run `inputs` with `edit` inside attention; gives the logits `[batch, position, vocabulary]`."""
    if edit is None:
        return wrapped.logits(inputs)
    if not shows_attention(model):
        raise UnsupportedModelError(
            f"{type(model).__name__} computes attention by itself, so nothing inside it can be changed from here."
        )
    layer_of = {block.attention: layer for layer, block in enumerate(anatomy.blocks)}
    with probing(model, lambda site, module, value: edit(site, layer_of[module], value)):
        return wrapped.logits(inputs)
