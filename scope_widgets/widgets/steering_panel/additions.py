"""What a person adds to a panel without Python: directions between words or texts, and latents."""

from __future__ import annotations

import math
import operator
from typing import Any

from scope_widgets._job import JobStatus, Steps
from scope_widgets._untrusted import opening
from scope_widgets.models.remote_dispatch import submit
from scope_widgets.models.tokens import token_texts
from scope_widgets.steering import AddDirection, ClampFeature, Intervention, direction

#: texts of a side, and characters of one
MOST_TEXTS = 200
MOST_CHARACTERS = 2000
#: characters of a text in the name of a direction
_SHOWN = 24


def between_words(scope: Any, word: str, versus: str, layer: int) -> Steps[Intervention]:
    """Return the direction that raises the logit of one word over that of another.

    Raises
    ------
    ValueError
        For what is no single token, with a space before it or without, or a layer that there is not.
    """
    answer, other = _token(scope, word), _token(scope, versus)
    yield JobStatus("running", "finding the direction")
    found = yield from submit(direction, scope, answer=answer, versus=other, layer=operator.index(layer)).follow()
    return AddDirection(found, 0.0)


def between_texts(scope: Any, positive: str, negative: str, layer: int) -> Steps[Intervention]:
    """Return the difference of means from some texts to others, each a line, at their last tokens.

    Raises
    ------
    ValueError
        For no or too many texts, a layer that there is not, or texts that make no difference.
    """
    texts = [_lines(side, what) for side, what in ((positive, "more"), (negative, "less"))]
    yield JobStatus("running", "finding the direction")
    name = " over ".join(one[0] if len(one[0]) <= _SHOWN else f"{one[0][:_SHOWN]}…" for one in texts)
    given: dict[str, Any] = {"positive": texts[0], "negative": texts[1], "layer": operator.index(layer), "name": name}
    found = yield from submit(direction, scope, **given).follow()
    return AddDirection(found, 0.0)


def of_latent(index: Any, latent: int) -> Intervention:
    """Return a latent of an index's autoencoder, at first free.

    Raises
    ------
    ValueError
        For a latent that there is not.
    """
    return ClampFeature(index.sae, latent, math.nan)


def _token(scope: Any, word: Any) -> str:
    """Return a word as the one token that it is: within a text it has a space before it."""
    plain = word.strip() if isinstance(word, str) else ""
    if not plain:
        raise ValueError("Give two words: one to go towards, and one to go away from.")
    tokenizer = scope.tokenizer
    found = {one: tokenizer.encode(one, add_special_tokens=False) for one in (f" {plain}", plain)}
    for one, ids in found.items():
        if len(ids) == 1:
            return one
    parts = ", ".join(repr(one) for one in token_texts(tokenizer, found[f" {plain}"])[:6])
    raise ValueError(f"{opening(plain)} is several tokens of this model ({parts}): take another word, or two texts.")


def _lines(text: Any, what: str) -> list[str]:
    found = [line.strip() for line in text.splitlines() if line.strip()] if isinstance(text, str) else []
    if not 1 <= len(found) <= MOST_TEXTS or max(map(len, found)) > MOST_CHARACTERS:
        raise ValueError(
            f"Texts to be {what} like are 1 to {MOST_TEXTS} lines of {MOST_CHARACTERS:,} characters at most; got "
            f"{len(found)}."
        )
    return found
