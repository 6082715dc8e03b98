"""Whether two names are of one model."""

from __future__ import annotations

#: names that TransformerLens, and so SAELens, has for models, by what hubs call them
_SHORT = {"gpt2-small": "gpt2"}


def is_same_model(one: str, other: str) -> bool:
    """Return whether two names are of one model, without their owners ("openai-community/gpt2" is "gpt2").

    Examples
    --------
    >>> is_same_model("gpt2-small", "openai-community/gpt2")
    True
    """
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    last = name.rstrip("/").rpartition("/")[2].lower()
    return _SHORT.get(last, last)
