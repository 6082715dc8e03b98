"""`subject_attention`: how much each head attends to the subject of a prompt."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from scope_widgets._provenance import Provenance
from scope_widgets._types import Array
from scope_widgets.experiments.trace_model import check_trace
from scope_widgets.heads.head_scores import HeadScores
from scope_widgets.traces.not_captured import NotCapturedError
from scope_widgets.traces.trace import Trace


@dataclass(frozen=True, eq=False, repr=False)
class SubjectAttention(HeadScores):
    """Attention of the last token to the subject of its prompt: one statistic, "subject_attention".

    Attributes
    ----------
    statistics : dict of str to ndarray [layer, head]
        "subject_attention", the mean of `per_prompt`.
    null_p : dict
        Empty.
    n_prompts : int
    provenance : Provenance
    per_prompt : ndarray [prompt, layer, head]
        Attention to all of the subject's tokens together.
    control : ndarray [prompt, layer, head]
        Attention to equally many other earlier tokens, as expected when they are drawn at random. The first token is
        not among them, because heads with nothing to do rest there; in a layer with a window neither are tokens that
        its last token does not see. NaN where there is no such token.
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.heads:subject_attention"

    per_prompt: Array
    control: Array


def subject_attention(
    traces: Trace | Iterable[Trace], positions: Sequence[int] | Sequence[Sequence[int]]
) -> SubjectAttention:
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

    Examples
    --------
    >>> prompt = "When Mary and John went to the store, John gave a drink to"
    >>> positions = heads.subject_positions(scope, prompt, "Mary")
    >>> heads.subject_attention(scope.trace(prompt), positions).top("subject_attention", 1)[0][:2]
    (3, 1)
    """
    of_prompts: list[Any] = [positions] if _is_flat(positions) else list(positions)
    subject: list[Array] = []
    control: list[Array] = []
    provenances: list[Provenance] = []
    for number, trace in enumerate(_one_by_one(traces)):
        if number == len(of_prompts):
            raise ValueError(f"There are more prompts than the {len(of_prompts)} lists of subject positions.")
        at = _checked(of_prompts[number], trace, number)
        to_subject, to_others = _attention_to(trace, at)
        subject.append(to_subject)
        control.append(to_others)
        provenances.append(trace.provenance)
    if len(subject) != len(of_prompts) or not subject:
        raise ValueError(f"There are {len(subject)} prompts for {len(of_prompts)} lists of subject positions.")
    if any(0 in map(int, at) for at in of_prompts):
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
        provenance=_joined(provenances),
        per_prompt=per_prompt,
        control=np.stack(control),
    )


def _is_flat(positions: Sequence[Any]) -> bool:
    return len(positions) > 0 and all(hasattr(i, "__index__") for i in positions)


def _one_by_one(traces: Trace | Iterable[Trace]) -> Iterator[Trace]:
    """Go through the prompts, taking traces from an iterator only one at a time: they are large."""
    if not isinstance(traces, Iterable) or isinstance(traces, str):
        check_trace(traces)
    for trace in [traces] if isinstance(traces, Trace) else traces:
        check_trace(trace)
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


def _attention_to(trace: Trace, at: list[int]) -> tuple[Array, Array]:
    """Return the attention `[layer, head]` of the last token to the positions `at`, and to equally many others."""
    length = len(trace.tokens)
    subject = np.isin(np.arange(length), at)
    others = ~subject
    others[[0, -1]] = False
    weights = np.stack([trace.attention(i)[:, -1].double().cpu().numpy() for i in range(trace.n_layers)])
    seen = np.stack([scoring.seen(length)[-1].numpy() for scoring in trace.scoring])
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = (seen & subject).sum(1) / (seen & others).sum(1)
        ratio[~np.isfinite(ratio)] = np.nan
    return weights[..., subject].sum(-1), weights[..., others].sum(-1) * ratio[:, None]


def _joined(provenances: list[Provenance]) -> Provenance:
    return dataclasses.replace(provenances[0], prompts=tuple(text for one in provenances for text in one.prompts))
