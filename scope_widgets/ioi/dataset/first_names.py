"""First names that are one token each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scope_widgets.experiments.answer_tokens import answer_ids
from scope_widgets.models.tokens import ids_of_text, token_texts

_COMMON = """
Aaron Adam Adrian Alan Albert Alex Alice Amanda Amy Andrea Andrew Angela Anna Anne Anthony Arthur Ashley Barbara Ben
Beth Bill Bob Brandon Brian Bruce Carl Carol Catherine Charles Charlie Chris Christine Claire Clara Craig Daniel Danny
David Dennis Diana Donald Dorothy Douglas Edward Elizabeth Emily Emma Eric Erin Eva Evan Frank Fred Gary George Gordon
Grace Greg Hannah Harry Heather Helen Henry Howard Hugo Ian Jack Jacob James Jamie Jane Jason Jennifer Jeremy Jessica
Jim Jimmy Joan Joe John Jonathan Joseph Josh Joshua Julia Julie Justin Karen Kate Katie Keith Kelly Kenneth Kevin Kim
Kyle Larry Laura Lauren Lawrence Leo Leonard Lewis Lily Linda Lisa Louis Louise Lucy Luke Margaret Maria Marie Mark
Martha Martin Mary Matt Matthew Max Megan Melissa Michael Michelle Mike Molly Nancy Nathan Nicholas Nicole Nina Nora
Oliver Olivia Oscar Pamela Patricia Patrick Paul Peter Philip Rachel Ralph Raymond Rebecca Richard Robert Roger Ronald
Rosa Russell Ruth Ryan Sally Sam Samantha Samuel Sara Sarah Scott Sean Simon Sophie Stephanie Stephen Steve Steven
Stuart Susan Teresa Thomas Tim Tina Todd Tom Tony Tyler Vanessa Victor Victoria Vincent Violet Vivian Walter Wendy
William Zoe
"""

#: common English first names; which of them are one token, each tokenizer decides
NAMES: tuple[str, ...] = tuple(_COMMON.split())


@dataclass(frozen=True)
class NameToken:
    """A name and its token.

    Attributes
    ----------
    name : str
        Without a space.
    id : int
        Of the name as it stands in the middle of a sentence.
    token : str
        The token's text.
    """

    name: str
    id: int
    token: str


def name_tokens(tokenizer: Any, names: Sequence[str] | None = None) -> tuple[NameToken, ...]:
    """Return the names that are one token each, all distinct, also in the middle of a sentence.

    Parameters
    ----------
    tokenizer
        The model's.
    names : sequence of str, optional
        All of these, or an error; by default those of `NAMES` that will do.

    Raises
    ------
    ValueError
        When a given name is several tokens, unknown, or the same token as another; when fewer than two are left.
    """
    given = NAMES if names is None else _given(names)
    found: dict[int, NameToken] = {}
    wrong: list[str] = []
    for name in given:
        token = _token(tokenizer, name)
        if isinstance(token, str):
            wrong.append(token)
        elif token.id in found:
            wrong.append(f"{name!r} is the same token as {found[token.id].name!r}")
        else:
            found[token.id] = token
    if names is not None and wrong:
        raise ValueError(
            f"names= must be one token each for this tokenizer, and all distinct, but {_some(wrong)}. "
            "Leave out names=, or give others."
        )
    if len(found) < 2:
        raise ValueError(
            f"IOI prompts need at least two names of one token each, and for this tokenizer {len(found)} of "
            f"{len(given)} will do: {_some(wrong) or 'no more were given'}. Give names= that it knows as one token."
        )
    return tuple(found.values())


def _given(names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str) or not all(isinstance(name, str) and name.strip() for name in names):
        raise TypeError(f"names= is a list of names such as ['Mary', 'John']; got {names!r}.")
    return tuple(dict.fromkeys(name.strip() for name in names))


def _token(tokenizer: Any, name: str) -> NameToken | str:
    """Return a name's token, or why it has none, as a clause."""
    try:
        found = int(answer_ids(tokenizer, f" {name}", 1)[0])
    except ValueError:
        pieces = token_texts(tokenizer, bare_ids(tokenizer, f" {name}"))
        if len(pieces) == 1:
            return f"{name!r} is not in its vocabulary"
        return f"{name!r} is {' + '.join(map(repr, pieces)) or 'no token'}"
    # a name's neighbours may be merged with it
    if bare_ids(tokenizer, f"and {name} and {name},").count(found) != 2:
        return f"{name!r} is another token in the middle of a sentence"
    return NameToken(name, found, token_texts(tokenizer, [found])[0])


def bare_ids(tokenizer: Any, text: str) -> list[int]:
    """Return a text's token ids without those that the tokenizer puts around it."""
    return ids_of_text(tokenizer, text, add_special_tokens=False)


def _some(clauses: list[str], n: int = 4) -> str:
    more = f"; and {len(clauses) - n} more" if len(clauses) > n else ""
    return "; ".join(clauses[:n]) + more
