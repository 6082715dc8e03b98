"""Where the subject of a prompt stands, and how much each head looks at it."""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scope_widgets._provenance import Provenance
from scope_widgets.heads.scores import HeadScores
from scope_widgets.traces.trace import NotCapturedError, Trace

Array = np.ndarray[Any, Any]


# --- where it stands --------------------------------------------------------------------------------------------------


def subject_positions(tokenizer: Any, prompt: str, subject: str, *, prepend_bos: bool | None = None) -> list[int]:
    """Find the tokens of a subject in a prompt, wherever it stands there as a whole word.

    Parameters
    ----------
    tokenizer
        The model's. One that does not say which characters a token covers must make the same tokens of the subject
        alone (with or without a space before it) as of the subject in the prompt.
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
        When the subject is not in the prompt, or its tokens cannot be told.
    """
    spans = _spans(prompt, subject)
    if not spans:
        raise ValueError(f"The subject {subject!r} is not in the prompt {prompt!r} as a whole word.")
    if getattr(tokenizer, "is_fast", False):
        encoded = tokenizer(prompt, return_offsets_mapping=True)
        ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
        at = [i for i, (low, high) in enumerate(offsets) if any(low < end and start < high for start, end in spans)]
    else:
        ids = list(tokenizer(prompt)["input_ids"])
        at = _by_ids(tokenizer, ids, subject, len(spans))
    if not at:
        raise ValueError(f"The subject {subject!r} is in {prompt!r}, but no token of this tokenizer covers it.")
    has_bos = ids[0] == tokenizer.bos_token_id
    shift = 0 if prepend_bos is None else int(prepend_bos) - int(has_bos)
    return [i + shift for i in at]


def _spans(prompt: str, subject: str) -> list[tuple[int, int]]:
    """Find the subject's characters; "Ali" is not in "Alice"."""
    found = [match.span() for match in re.finditer(re.escape(subject), prompt)] if subject else []
    return [(a, b) for a, b in found if not (_joined(prompt, a) or _joined(prompt, b))]


def _joined(text: str, at: int) -> bool:
    """Whether the characters around a boundary belong to one word; scripts without case have no spaces to tell by."""
    return 0 < at < len(text) and all(c.isdigit() or c.lower() != c.upper() for c in text[at - 1 : at + 1])


def _by_ids(tokenizer: Any, ids: list[int], subject: str, times: int) -> list[int]:
    found: set[tuple[int, ...]] = set()
    for text in (subject, f" {subject}"):
        wanted = list(tokenizer(text, add_special_tokens=False)["input_ids"])
        starts = [i for i in range(len(ids)) if wanted and ids[i : i + len(wanted)] == wanted]
        found |= {tuple(range(i, i + len(wanted))) for i in starts}
    # where the tokens with a space are found, so may be those without it, inside of them
    found = {one for one in found if not any(set(one) < set(other) for other in found)}
    if len(found) != times:
        raise ValueError(
            f"The subject {subject!r} stands {times} times in the prompt and its tokens {len(found)} times: this "
            "tokenizer does not say which characters a token covers. Load a fast one, or give positions by hand."
        )
    return sorted(position for one in found for position in one)


# --- how much a head looks there --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class SubjectAttention(HeadScores):
    """Attention of the last token to the subject; `statistics` holds its mean over the prompts, "subject_attention".

    Attributes
    ----------
    per_prompt : ndarray [prompt, layer, head]
        Attention to all of the subject's tokens together.
    control : ndarray [prompt, layer, head]
        Attention to equally many other earlier tokens, as expected when they are drawn at random. The first token is
        not among them, because heads with nothing to do rest there; in a layer with a window neither are tokens that
        its last token does not see. NaN where there is no such token.
    """

    per_prompt: Array
    control: Array


def subject_attention(traces: Trace | Iterable[Trace], positions: Sequence[Any]) -> SubjectAttention:
    """Measure how much the last token attends to the subject, in each head.

    Parameters
    ----------
    traces : Trace or iterable of Trace
        With attention recorded (or queries and keys).
    positions : list of list of int, one a prompt; of a single prompt also a list of int
        Of the subject, such as `subject_positions` finds them.

    Returns
    -------
    SubjectAttention
        Its statistic "subject_attention" is the mean over prompts of A[last, subject's tokens], summed over these.

    Raises
    ------
    NotCapturedError
        When a trace has no attention.
    ValueError
        When there is no prompt, another number of positions than prompts, or positions that are not before the last
        token.
    """
    positions = [positions] if _flat(positions) else list(positions)
    subject: list[Array] = []
    control: list[Array] = []
    provenances: list[Provenance] = []
    for number, trace in enumerate(_single(traces)):
        if number == len(positions):
            raise ValueError(f"There are more prompts than the {len(positions)} lists of subject positions.")
        at = _checked(positions[number], trace, number)
        to_subject, to_others = _attended(trace, at)
        subject.append(to_subject)
        control.append(to_others)
        provenances.append(trace.provenance)
    if len(subject) != len(positions) or not subject:
        raise ValueError(f"There are {len(subject)} prompts for {len(positions)} lists of subject positions.")
    if any(0 in map(int, at) for at in positions):
        warnings.warn(
            "A subject is the first token of its prompt, where heads with nothing to do rest: they will look like "
            "heads that attend to subjects. Trace with prepend_bos=True, or take a template in which it comes later.",
            stacklevel=2,
        )
    per_prompt = np.stack(subject)
    return SubjectAttention(
        statistics={"subject_attention": per_prompt.mean(0)},
        null_p={},
        n_prompts=len(subject),
        provenance=_joint(provenances),
        per_prompt=per_prompt,
        control=np.stack(control),
    )


def _flat(positions: Sequence[Any]) -> bool:
    return len(positions) > 0 and all(hasattr(i, "__index__") for i in positions)


def _single(traces: Trace | Iterable[Trace]) -> Iterator[Trace]:
    """Go through the prompts, taking traces from an iterator only one at a time: they are large."""
    for trace in [traces] if isinstance(traces, Trace) else traces:
        if "attention" not in trace.captured and not {"q", "k"} <= set(trace.captured):
            raise NotCapturedError(
                "Subject attention needs patterns and this trace captured "
                f"{', '.join(trace.captured) or 'logits only'}. Trace again with capture=('attention',)."
            )
        yield from (trace[i] for i in range(len(trace)))


def _checked(positions: Sequence[Any], trace: Trace, number: int) -> list[int]:
    last = len(trace.tokens) - 1
    at = sorted({int(i) for i in positions})
    if not at or at[0] < 0 or at[-1] >= last:
        raise ValueError(
            f"Subject positions of prompt {number} must be before its last token, 0 to {last - 1}, and at least one; "
            f"got {list(positions)}."
        )
    return at


def _attended(trace: Trace, at: list[int]) -> tuple[Array, Array]:
    """Attention `[layer, head]` of the last token to the positions `at`, and to equally many others."""
    length = len(trace.tokens)
    subject = np.isin(np.arange(length), at)
    others = ~subject
    others[[0, -1]] = False
    weights = np.stack([trace.attention(i)[:, -1].double().cpu().numpy() for i in range(trace.n_layers)])
    windows = [trace.scoring[i].window or length for i in range(trace.n_layers)]
    seen = np.arange(length) >= length - np.array(windows)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = (seen & subject).sum(1) / (seen & others).sum(1)
        ratio[~np.isfinite(ratio)] = np.nan
    return weights[..., subject].sum(-1), weights[..., others].sum(-1) * ratio[:, None]


def _joint(provenances: list[Provenance]) -> Provenance:
    return dataclasses.replace(provenances[0], prompts=tuple(text for one in provenances for text in one.prompts))
