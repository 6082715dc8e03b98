"""`subject_positions`: where the subject of a prompt is among its tokens."""

from __future__ import annotations

import re

from scope_widgets.models.microscope import Microscope
from scope_widgets.models.tokens import Tokenizer


def subject_positions(
    scope: Microscope | Tokenizer, prompt: str, subject: str, *, prepend_bos: bool | None = None
) -> list[int]:
    """Find the tokens of a subject in a prompt, wherever it is a whole word.

    Parameters
    ----------
    scope : Microscope or tokenizer
        A tokenizer that does not say which characters a token covers must make the same tokens of the subject alone
        (with or without a space before it) as of the subject in the prompt.
    prompt, subject : str
    prepend_bos : bool, optional
        As it is given to `Microscope.trace`.

    Returns
    -------
    list of int
        Positions as in the trace of that prompt; a token that the subject shares with other characters is one of them.

    Raises
    ------
    ValueError
        When the subject is not in the prompt, or its tokens cannot be found.

    Examples
    --------
    >>> heads.subject_positions(scope, "When Mary and John went to the store", "John")
    [4]
    """
    tokenizer: Tokenizer = scope.tokenizer if isinstance(scope, Microscope) else scope
    spans = _spans(prompt, subject)
    if not spans:
        raise ValueError(f"The subject {subject!r} is not in the prompt {prompt!r} as a whole word.")
    if getattr(tokenizer, "is_fast", False):
        encoded = tokenizer(prompt, return_offsets_mapping=True)
        ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
        at = [i for i, (low, high) in enumerate(offsets) if any(low < end and start < high for start, end in spans)]
    else:
        ids = list(tokenizer(prompt)["input_ids"])
        at = _find_token_ids(tokenizer, ids, subject, len(spans))
    if not at:
        raise ValueError(f"The subject {subject!r} is in {prompt!r}, but no token of this tokenizer covers it.")
    has_bos = ids[0] == tokenizer.bos_token_id
    shift = 0 if prepend_bos is None else int(prepend_bos) - int(has_bos)
    return [i + shift for i in at]


def _spans(prompt: str, subject: str) -> list[tuple[int, int]]:
    """Return the first and last character of the subject wherever it is a word; "Ali" is not in "Alice"."""
    found = [match.span() for match in re.finditer(re.escape(subject), prompt)] if subject else []
    return [(a, b) for a, b in found if not (_inside_word(prompt, a) or _inside_word(prompt, b))]


def _inside_word(text: str, at: int) -> bool:
    """Whether the characters around a boundary are of one word; scripts without case have no spaces between words."""
    return 0 < at < len(text) and all(c.isdigit() or c.lower() != c.upper() for c in text[at - 1 : at + 1])


def _find_token_ids(tokenizer: Tokenizer, ids: list[int], subject: str, times: int) -> list[int]:
    """Return the positions of the subject's own token ids among `ids`, where they are found as often as it is."""
    found: set[tuple[int, ...]] = set()
    for text in (subject, f" {subject}"):
        own = list(tokenizer(text, add_special_tokens=False)["input_ids"])
        starts = [i for i in range(len(ids)) if own and ids[i : i + len(own)] == own]
        found |= {tuple(range(i, i + len(own))) for i in starts}
    # where the tokens with a space are found, so may be those without it, inside of them
    found = {one for one in found if not any(set(one) < set(other) for other in found)}
    if len(found) != times:
        raise ValueError(
            f"The subject {subject!r} is {times} times in the prompt and its tokens {len(found)} times: this "
            "tokenizer does not say which characters a token covers. Load a fast one, or give positions by hand."
        )
    return sorted(position for one in found for position in one)
