"""Which types of rotary embedding a model has, as far as they depend on the length of a prompt."""

from __future__ import annotations

from typing import Any


def rotary_by_length(config: Any) -> set[str]:
    """Return the types of rotary embedding, of any layers, whose frequencies depend on a prompt's length.

    LongRoPE has one set of them for short prompts and one for long ones; dynamic NTK has another for each length beyond
    `max_position_embeddings`, and so no longest prompt.
    """
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    parameters = getattr(text, "rope_parameters", None) or {}
    kinds = {one.get("rope_type") for one in (parameters, *parameters.values()) if isinstance(one, dict)}
    return {kind for kind in kinds if kind and (kind == "longrope" or "dynamic" in kind)}


def longest_prompt(config: Any) -> int:
    """Return how many tokens a model reads at most."""
    if any("dynamic" in kind for kind in rotary_by_length(config)):
        return 2**31
    return int(getattr(config, "max_position_embeddings", 0) or 2**31)
