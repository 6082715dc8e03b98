"""What the encoder of an encoder-decoder model makes of a source."""

from __future__ import annotations

from typing import Any

from scope_widgets.models.architecture.anatomy import UnsupportedModelError


def has_encoder(model: Any) -> bool:
    """Return whether a model is a decoder that reads what its encoder makes of a source."""
    return bool(getattr(getattr(model, "config", None), "is_encoder_decoder", False))


def require_no_encoder(model: Any) -> None:
    """Raise UnsupportedModelError for an encoder-decoder model."""
    if has_encoder(model):
        raise UnsupportedModelError(
            f"{type(model).__name__} is an encoder and a decoder: its decoder reads what the encoder makes of a source "
            "beside its prompt, so that a prompt alone says nothing. Give its decoder alone, as it is loaded by "
            "transformers.AutoModelForCausalLM where it has one."
        )
