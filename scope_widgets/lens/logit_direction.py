"""What of a residual stream makes the logit difference of two tokens at one position, the final norm's scale held."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scope_widgets._check_choice import is_whole
from scope_widgets._types import Tokens
from scope_widgets.experiments.answer_tokens import answer_ids, check_distinct
from scope_widgets.experiments.check_logits import check_logits
from scope_widgets.models.architecture.unembedding import FrozenNorm, Unembedding
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.tokens import token_texts
from scope_widgets.traces.trace import Trace


@dataclass(frozen=True)
class LogitDirection:
    """The direction in the residual stream of each prompt that its logit difference is read from.

    Attributes
    ----------
    at : Tensor of int [prompt]
        The row of the position in the padded trace.
    answers : Tensor of int [prompt]
    against : Tensor of int [prompt] or None
    total : Tensor of float64 [prompt]
        The logit difference of the real run, before any soft-cap.
    direction : Tensor of float64 [prompt, d_model]
        `W_U[answer] - W_U[versus]`.
    bias : Tensor of float64 [prompt]
        What the unembedding's biases add.
    frozen : FrozenNorm
        The final norm with its scale as it was, `[prompt, 1, d_model]`.
    unembedding : Unembedding
    """

    at: Tensor
    answers: Tensor
    against: Tensor | None
    total: Tensor
    direction: Tensor
    bias: Tensor
    frozen: FrozenNorm
    unembedding: Unembedding

    @classmethod
    def of(
        cls, trace: Trace, scope: Microscope, answer: Tokens, versus: Tokens | None, position: int
    ) -> LogitDirection:
        """Find it, see `direct_logit_attribution` for what is raised."""
        unembedding = Unembedding(scope.model, scope.anatomy)
        at = _rows_of(trace, position)
        here = value_at(trace, trace.logits, at)
        answers = answer_ids(scope.tokenizer, answer, len(trace), "answer", logits=here)
        against = None if versus is None else answer_ids(scope.tokenizer, versus, len(trace), "versus", logits=here)
        if against is not None:
            check_distinct(scope.tokenizer, answers, against)
        final = value_at(trace, trace.residual(trace.n_layers), at)
        logits = _raw_logits(trace, unembedding, final, at)
        total = logits.gather(1, answers[:, None])[:, 0]
        direction, bias = unembedding.directions(answers)
        if against is not None:
            total = total - logits.gather(1, against[:, None])[:, 0]
            subtracted, its_bias = unembedding.directions(against)
            direction, bias = direction - subtracted, bias - its_bias
        return cls(at, answers, against, total, direction, bias, unembedding.frozen(final[:, None]), unembedding)

    def of_parts(self, parts: Tensor) -> Tensor:
        """Return what parts of the stream `[prompt, part, d_model]` add to the logit difference, `[prompt, part]`."""
        return torch.einsum("prd,pd->pr", self.frozen(parts), self.direction)

    def texts(self, scope: Microscope) -> tuple[list[str], list[str]]:
        """Return the texts of answers and of what is subtracted, one a prompt, or none."""
        against = [] if self.against is None else token_texts(scope.tokenizer, self.against.tolist())
        return token_texts(scope.tokenizer, self.answers.tolist()), against


def value_at(trace: Trace, value: Tensor, at: Tensor) -> Tensor:
    """Return the value at one position of each prompt, `[prompt, ...]`."""
    value = value if trace.batched else value[None]
    return value[torch.arange(len(at)), at]


def _raw_logits(trace: Trace, unembedding: Unembedding, final: Tensor, at: Tensor) -> Tensor:
    """Return the logits `[prompt, vocabulary]` of the real run before any soft-cap, in float64."""
    logits = value_at(trace, trace.logits, at)
    unembedding.check(final, logits)
    if unembedding.softcap is not None or bool(logits.isnan().any()):  # NaN: a watched call that left these logits out
        logits = unembedding.raw(final)
    check_logits(logits, "of the model")
    return logits.cpu().double()


def _rows_of(trace: Trace, position: int) -> Tensor:
    """Return the row of `position` of each prompt in the padded trace, `[prompt]`."""
    if not is_whole(position):
        raise TypeError(f"position= is a whole number, -1 for the last token; got {position!r}.")
    shortest = min(trace.lengths)
    if not -shortest <= position < shortest:
        raise IndexError(f"Position {position} is out of range: the shortest prompt has {shortest} tokens.")
    mask = trace.mask.reshape(len(trace), -1)
    return torch.stack([torch.nonzero(row)[position, 0] for row in mask])
