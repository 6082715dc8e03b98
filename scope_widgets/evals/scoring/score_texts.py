"""Many texts through a model: equal runs once, lengths grouped, a bar that moves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scope_widgets._types import Array
from scope_widgets.evals.scoring.model_runs import continue_prompts, forced_log_probabilities, token_log_probabilities
from scope_widgets.evals.scoring.tokenize import Split, Texts

#: logits that are held at once, and tokens of one forward
_LOGITS, _TOKENS = 2**26, 2**11
#: rows that are continued together
_ROWS = 64
#: nats between a whole run and one that is generated which rounding makes (times that of the unchanged model, below)
_ROUNDING, _TIMES = 1e-3, 10.0
_PROBE = (4, 4)


class TextScorer:
    """Scores and continues texts with one model.

    Parameters
    ----------
    scope : Microscope
    texts : Texts
    advance : callable
        `advance(done)` is told of work, in requests.
    generated : bool
        Whether continuations are scored as if the model generated them, see `acts_where_prompts_end`.
    """

    def __init__(self, scope: Any, texts: Texts, advance: Callable[[int], None], generated: bool = False) -> None:
        self.scope, self.texts, self._advance, self._generated = scope, texts, advance, generated

    def log_probabilities(self, requests: Sequence[tuple[str, str]]) -> list[float]:
        """Return the log-probability of each continuation after its prompt, in nats: the sum over its tokens."""
        splits = [self.texts.split(*request) for request in requests]
        return [float(found.sum()) for found in self.of_tokens(splits)]

    def documents(self, documents: Sequence[str]) -> list[tuple[float, int]]:
        """Return, of each text, the log-probability of its tokens and how many were predicted."""
        splits = [list(self.texts.windows(text)) for text in documents]
        found = iter(self.of_tokens([split for of in splits for split in of]))
        parts = [[next(found) for _ in of] for of in splits]
        return [(float(sum(one.sum() for one in of)), sum(map(len, of))) for of in parts]

    def of_tokens(self, splits: Sequence[Split]) -> list[Array]:
        """Return the log-probabilities of the tokens of continuations; equal ones are computed once."""
        distinct = list(dict.fromkeys(splits))
        found = (self._forced if self._generated else self._whole)(distinct)
        known = dict(zip(distinct, found, strict=True))
        return [known[split] for split in splits]

    def _whole(self, splits: list[Split]) -> list[Array]:
        """Run whole rows; one that begins another is read off that."""
        runs = sorted({head + tail[:-1] for head, tail in splits})
        row_of: dict[tuple[int, ...], tuple[int, ...]] = {}
        longer: tuple[int, ...] = ()
        for run in reversed(runs):  # sorted, so that one which begins with it comes right after it
            longer = row_of[run] = longer if longer[: len(run)] == run else run
        of_row: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for i, (head, tail) in enumerate(splits):
            of_row[row_of[head + tail[:-1]]].append(i)
        found: list[Array] = [np.empty(0)] * len(splits)
        for batch in self._batches(sorted(of_row, key=len)):
            at: list[list[int]] = []
            tokens: list[int] = []
            ends: list[tuple[int, int]] = []
            for row, ids in enumerate(batch):
                for i in of_row[ids]:
                    head, tail = splits[i]
                    at += [[row, len(head) - 1 + step] for step in range(len(tail))]
                    tokens += tail
                    ends.append((i, len(tokens)))
            values = token_log_probabilities(self.scope, [list(ids) for ids in batch], at, tokens)
            start = 0
            for i, end in ends:
                found[i], start = values[start:end], end
            self._advance(len(ends))
        return found

    def _batches(self, rows: list[tuple[int, ...]]) -> list[list[tuple[int, ...]]]:
        """Return rows of about the same length in batches, so that there is little padding."""
        most = min(_TOKENS, max(1, _LOGITS // self.scope.anatomy.d_vocab))
        batches: list[list[tuple[int, ...]]] = []
        for row in rows:
            if batches and len(row) * (len(batches[-1]) + 1) <= most and len(row) <= 1.25 * len(batches[-1][0]) + 2:
                batches[-1].append(row)
            else:
                batches.append([row])
        return batches

    def _forced(self, splits: list[Split]) -> list[Array]:
        found: list[Array] = [np.empty(0)] * len(splits)
        of_length: dict[int, list[int]] = defaultdict(list)
        for i in sorted(range(len(splits)), key=lambda i: len(splits[i][1])):
            of_length[len(splits[i][0])].append(i)
        for group in of_length.values():
            for start in range(0, len(group), _ROWS):
                batch = group[start : start + _ROWS]
                heads, tails = ([list(splits[i][part]) for i in batch] for part in (0, 1))
                for i, one in zip(batch, forced_log_probabilities(self.scope, heads, tails), strict=True):
                    found[i] = one
                self._advance(len(batch))
        return found

    def greedy(self, prompts: Sequence[Sequence[int]], lengths: Sequence[int]) -> list[list[int]]:
        """Return the likeliest tokens after prompts, of each so many."""
        found: list[list[int]] = [[]] * len(prompts)
        groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i, prompt in enumerate(prompts):
            groups[len(prompt), lengths[i]].append(i)
        for (_, length), group in groups.items():
            for start in range(0, len(group), _ROWS):
                batch = group[start : start + _ROWS]
                made = continue_prompts(self.scope, [list(prompts[i]) for i in batch], length, None, ends=False)
                for i, ids in zip(batch, made, strict=True):
                    found[i] = ids
        return found

    def continuations(
        self, prompts: Sequence[str], *, max_new_tokens: int, seeds: Sequence[Sequence[int]] | None
    ) -> list[str]:
        """Return a continuation of each prompt.

        Parameters
        ----------
        prompts : sequence of str
        max_new_tokens : int
        seeds : sequence of sequences of int, or None
            What the numbers by which each is sampled are drawn from, whatever else is in its batch; None: greedy.
        """
        rows = [list(self.texts.ids(prompt)) for prompt in prompts]
        of_length: dict[int, list[int]] = defaultdict(list)
        for i, row in enumerate(rows):
            of_length[len(row)].append(i)
        found = [""] * len(prompts)
        for group in of_length.values():
            for start in range(0, len(group), _ROWS):
                batch = group[start : start + _ROWS]
                uniform = None
                if seeds is not None:
                    uniform = np.stack([np.random.default_rng(list(seeds[i])).random(max_new_tokens) for i in batch])
                made = continue_prompts(self.scope, [rows[i] for i in batch], max_new_tokens, uniform)
                for i, ids in zip(batch, made, strict=True):
                    found[i] = str(self.scope.tokenizer.decode(ids, skip_special_tokens=True))
                self._advance(len(batch))
        return found


def generation_gap(scope: Any, texts: Texts, text: str) -> float:
    """Return by how much, in nats, a text differs between a run of the whole row and one that generates its end.

    Rounding alone, unless something acts where a prompt ends.
    """
    ids = list(texts.ids(text))
    head, tail = ids[: _PROBE[0]], ids[_PROBE[0] : sum(_PROBE)]
    if len(tail) < 2:
        return 0.0
    row = head + tail[:-1]
    at = [[0, len(head) - 1 + step] for step in range(len(tail))]
    whole = token_log_probabilities(scope, [row], at, tail)
    (forced,) = forced_log_probabilities(scope, [head], [tail])
    return float(np.abs(whole - forced).max())


def acts_where_prompts_end(gap: float, of_unchanged: float) -> bool:
    """Return whether a gap is more than rounding makes: continuations are then scored as if they were generated."""
    return not gap <= _ROUNDING + _TIMES * of_unchanged
