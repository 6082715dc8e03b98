"""The tokens that a question is about: an answer and what it is compared with, each one token."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from scope_widgets.models.tokens import ids_of_text, token_texts

#: how much likelier another spelling of an answer is, and how likely, where a warning names it
_LIKELIER, _LIKELY = 10.0, 1e-3


def answer_ids(tokenizer: Any, answer: Any, n: int, what: str = "answer", *, logits: Tensor | None = None) -> Tensor:
    """Return the token id of each prompt's answer.

    Parameters
    ----------
    tokenizer
        The model's.
    answer : str, int, or a sequence of n of these
        A text as it stands in the middle of a sentence, with its space (" Mary"), or a token id.
    n : int
        How many prompts there are.
    what : str, default "answer"
        What to call it in errors: "answer", "versus".
    logits : Tensor [n, vocabulary], optional
        Of what comes next after each prompt: a warning says where the model goes on with the answer spelled otherwise,
        with a space or without.

    Returns
    -------
    Tensor of int [n]

    Raises
    ------
    TypeError, ValueError
        For a text that is not one token, a token that the tokenizer lacks, or another number of answers than prompts.
    """
    if hasattr(answer, "tolist"):
        answer = answer.tolist()
    given = list(answer) if isinstance(answer, Sequence) and not isinstance(answer, str | bytes) else [answer] * n
    if len(given) != n:
        prompts = "1 prompt" if n == 1 else f"{n} prompts"
        raise ValueError(f"{what}= has {len(given)} entries for {prompts}: give one token for all, or one a prompt.")
    ids = torch.tensor([_id(tokenizer, one, what) for one in given])
    if logits is not None:
        warn_of_spelling(tokenizer, ids, logits, what)
    return ids


def as_answer(tokenizer: Any, token: int) -> str | int:
    """Return a token as `answer_ids` takes it: its text where that is this one token, else its id."""
    (text,) = token_texts(tokenizer, [token])
    try:
        return text if _id_of_text(tokenizer, text, "") == token else token
    except ValueError:
        return token


def warn_of_spelling(tokenizer: Any, ids: Tensor, logits: Tensor, what: str) -> None:
    """Warn where prompts go on with the answers `ids` `[n]` spelled otherwise, by their logits `[n, vocabulary]`."""
    spelled = {one: _with_or_without_space(tokenizer, one) for one in set(ids.tolist())}
    rows = [row for row, one in enumerate(ids.tolist()) if spelled[one] is not None]
    if not rows:
        return
    of_rows = logits.detach()[rows].float().cpu()
    both = torch.tensor([[one, spelled[one]] for one in ids[rows].tolist()])
    given, other = (of_rows.gather(1, both) - of_rows.logsumexp(1, keepdim=True)).exp().mean(0).tolist()
    if other > _LIKELIER * given and other > _LIKELY:
        text, likelier = token_texts(tokenizer, both[0].tolist())
        warnings.warn(
            f"{what}={text!r} has a probability of {given:.2g} here and {likelier!r} one of {other:.2g}: with a space "
            f"and without it are different tokens. To measure what the model goes on with give {what}={likelier!r}.",
            stacklevel=3,
        )


def _with_or_without_space(tokenizer: Any, token: int) -> int | None:
    """Return the token with a space before it more or less, where it is another one."""
    (text,) = token_texts(tokenizer, [token])
    try:
        other = _id_of_text(tokenizer, text[1:] if text.startswith(" ") else f" {text}", "")
    except ValueError:
        return None
    return None if other == token else other


def check_distinct(tokenizer: Any, answers: Tensor, versus: Tensor) -> None:
    """Raise ValueError where a prompt's answer and what it is compared with are the same token."""
    for prompt, (one, other) in enumerate(zip(answers.tolist(), versus.tolist(), strict=True)):
        if one == other:
            text = token_texts(tokenizer, [one])[0]
            raise ValueError(
                f"Prompt {prompt}: answer and versus are the same token, {text!r} (id {one}), so that their "
                "difference is 0 whatever the model does. Give two different tokens."
            )


def _id(tokenizer: Any, answer: Any, what: str) -> int:
    if isinstance(answer, str):
        return _id_of_text(tokenizer, answer, what)
    if isinstance(answer, bool) or not hasattr(answer, "__index__"):
        raise TypeError(f"{what}= is a text of one token, a token id, or a list of one a prompt; got {answer!r}.")
    if not 0 <= int(answer) < len(tokenizer):
        raise ValueError(f"{what}= got token id {int(answer)}; this tokenizer has 0 to {len(tokenizer) - 1}.")
    return int(answer)


def _id_of_text(tokenizer: Any, text: str, what: str) -> int:
    ids = _encoded(tokenizer, text)
    if len(ids) != 1 and text.startswith(" "):
        # SentencePiece puts a space before every text by itself: without ours there is only one
        bare = _encoded(tokenizer, text[1:])
        ids = bare if "".join(token_texts(tokenizer, bare)) == text else ids
    if len(ids) != 1:
        pieces = " + ".join(map(repr, token_texts(tokenizer, ids))) or "nothing"
        raise ValueError(
            f"{what}= must be one token, and {text!r} is {len(ids)} for this tokenizer: {pieces}. "
            "Choose a word that is one token (most begin with a space), or give the id of the first of these."
        )
    unknown = ids[0] == tokenizer.unk_token_id or ids[0] in tokenizer.all_special_ids
    if unknown and tokenizer.convert_ids_to_tokens(ids[0]) != text.strip():
        raise ValueError(
            f"{what}={text!r} is not in the vocabulary of this tokenizer, which reads it as "
            f"{tokenizer.convert_ids_to_tokens(ids[0])!r}. Choose a word that it knows."
        )
    return ids[0]


def _encoded(tokenizer: Any, text: str) -> list[int]:
    return ids_of_text(tokenizer, text, add_special_tokens=False)
