"""Chat messages as the text that a tokenizer's chat template makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def is_chat(prompt: Any) -> bool:
    """Return whether this is a list of chat messages: each a mapping with its role."""
    return (
        isinstance(prompt, Sequence)
        and len(prompt) > 0
        and all(isinstance(message, Mapping) and "role" in message for message in prompt)
    )


def chat_text(tokenizer: Any, messages: Sequence[Mapping[str, Any]]) -> str:
    """Return chat messages as text, with all the special tokens of the tokenizer's chat template.

    After a user's or system's message the text ends where the assistant is to answer; after the assistant's it ends
    with that message.

    Raises
    ------
    ValueError
        For a tokenizer without a template, messages that its template refuses, or what is no text among them.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise ValueError(
            "The prompt is a list of chat messages, and this tokenizer has no chat template to write them with (it is "
            "of a model that was not trained on chats): give the prompt as text, or set tokenizer.chat_template."
        )
    kinds = [
        part.get("type", "unknown") if isinstance(part, Mapping) else type(part).__name__
        for message in messages
        for part in (message.get("content") or [] if not isinstance(message.get("content"), str) else [])
    ]
    if other := [kind for kind in kinds if kind != "text"]:
        raise ValueError(f"A chat message here is of text alone; got content of type {other[0]!r}.")
    answer_comes_next = messages[-1]["role"] != "assistant"
    try:
        return str(
            tokenizer.apply_chat_template(
                [dict(message) for message in messages], tokenize=False, add_generation_prompt=answer_comes_next
            )
        )
    except ImportError:
        raise
    except Exception as error:  # a template is a program of its own, and says in its own words what it does not take
        raise ValueError(f"This tokenizer's chat template does not take these messages: {error}") from error
