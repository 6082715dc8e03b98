"""`subject_positions`: where the subject of a prompt is among its tokens."""

from __future__ import annotations

import unicodedata

import regex

from scope_widgets.models.microscope import Microscope
from scope_widgets.models.tokens import Tokenizer, encode_with_spans, ids_of_text

#: what is no part of a word: "Ali" is a word in "Ali's" and in "_Ali_", which text segmentation takes for one each
_NO_WORD = regex.compile(r"[^\p{L}\p{M}\p{N}\p{Cf}]")
#: between words as Unicode tells them (UAX 29): scripts that are written without spaces are parted there too
_BETWEEN_WORDS = regex.compile(r"\b", regex.WORD)


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
    found, inside = _spans(prompt, subject)
    if not found:
        only = f"; it is there inside of {inside[0]!r}, which would be a subject" if inside else ""
        raise ValueError(f"The subject {subject!r} is not in the prompt {prompt!r} as a whole word{only}.")
    ids, spans = encode_with_spans(tokenizer, prompt, prepend_bos)
    if spans is None:
        at = _find_token_ids(tokenizer, ids, [prompt[start:end] for start, end in found])
    else:
        at = [i for i, (low, high) in enumerate(spans) if any(low < end and start < high for start, end in found)]
    if not at:
        raise ValueError(f"The subject {subject!r} is in {prompt!r}, but no token of this tokenizer covers it.")
    return at


def _spans(prompt: str, subject: str) -> tuple[list[tuple[int, int]], list[str]]:
    """Return the first and last character of the subject wherever it is a word, and the longer words that it is in.

    However accents are composed in either of them.
    """
    characters = regex.findall(r"\X", prompt)
    decomposed = [unicodedata.normalize("NFD", one) for one in characters]
    text, wanted = "".join(decomposed), unicodedata.normalize("NFD", subject)
    bare = _NO_WORD.sub(" ", text)
    between = {match.start() for match in _BETWEEN_WORDS.finditer(bare)} | {0, len(text)}
    between |= {at for at in range(1, len(text)) if " " in bare[at - 1 : at + 1]}
    original, start, at = {0: 0}, 0, 0  # of the beginning of each character in the decomposed text
    for one, parts in zip(characters, decomposed, strict=True):
        start, at = start + len(parts), at + len(one)
        original[start] = at
    found, inside = [], []
    for match in regex.finditer(regex.escape(wanted), text, overlapped=True) if wanted else ():
        low, high = match.span()
        if low in original and high in original and {low, high} <= between:
            found.append((original[low], original[high]))
        else:
            low, high = max(i for i in between if i <= low), min(i for i in between if i >= high)
            inside.append(unicodedata.normalize("NFC", text[low:high]))
    return found, inside


def _find_token_ids(tokenizer: Tokenizer, ids: list[int], written: list[str]) -> list[int]:
    """Return the positions of the subject's own token ids among `ids`, where they are found as often as it is.

    `written` is the subject as it stands in the prompt, each time.
    """
    found: set[tuple[int, ...]] = set()
    for text in [spelling for subject in dict.fromkeys(written) for spelling in (subject, f" {subject}")]:
        own = ids_of_text(tokenizer, text, add_special_tokens=False)
        starts = [i for i in range(len(ids)) if own and ids[i : i + len(own)] == own]
        found |= {tuple(range(i, i + len(own))) for i in starts}
    # where the tokens with a space are found, so may be those without it, inside of them
    found = {one for one in found if not any(set(one) < set(other) for other in found)}
    if len(found) != len(written):
        raise ValueError(
            f"The subject {written[0]!r} is {len(written)} times in the prompt and its tokens {len(found)} times: this "
            "tokenizer does not say which characters a token covers. Load a fast one, or give positions by hand."
        )
    return sorted(position for one in found for position in one)
