"""What the lower rooms need of a microscope."""

from __future__ import annotations

from typing import Any, Protocol

from scope_widgets.models.architecture.anatomy import Anatomy


class ModelParts(Protocol):
    """A model with its parts and sizes under uniform names."""

    model: Any
    tokenizer: Any
    anatomy: Anatomy
    #: what the decoder of an encoder-decoder model reads beside its prompts, an `EncodedSource`; None of any other
    source: Any

    @property
    def model_id(self) -> str:
        """Its name."""

    @property
    def n_layers(self) -> int:
        """Number of blocks."""

    @property
    def n_heads(self) -> int:
        """Number of query heads of each block."""

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
