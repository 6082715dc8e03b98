"""Texts as tokens: where a continuation begins, and what stands before a text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scope_widgets.models.tokens import encode

#: token ids of what is given, and of what is scored
Split = tuple[tuple[int, ...], tuple[int, ...]]


class Texts:
    """The tokens of a model's texts; counts how many of them its tokenizer does not know.

    A text begins with the beginning-of-sequence token; of a tokenizer that puts none, with its end-of-sequence token
    where it has no other, as lm-evaluation-harness does: so the first token of a text is predicted too.
    """

    def __init__(self, scope: Any) -> None:
        self._tokenizer = scope.tokenizer
        self._context = scope.anatomy.context
        begins = (self._tokenizer.bos_token_id, self._tokenizer.eos_token_id)
        self._begin = next((one for one in begins if one is not None), None)
        self._unknown = getattr(self._tokenizer, "unk_token_id", None)
        self._known: dict[str, tuple[int, ...]] = {}
        self.n_tokens = self.n_unknown = 0

    def ids(self, text: str) -> tuple[int, ...]:
        """Return the tokens of a text, what it begins with among them."""
        if text not in self._known:
            row = encode(self._tokenizer, text, None)[0][0] if text else []
            if self._unknown is not None and self._unknown not in (self._tokenizer.bos_token_id, self._begin):
                self.n_unknown += row.count(self._unknown)
            self.n_tokens += len(row)
            if self._begin is not None and row[:1] != [self._begin]:
                row = [self._begin, *row]
            self._known[text] = tuple(row)
        return self._known[text]

    def split(self, prompt: str, continuation: str) -> Split:
        """Return the tokens of a prompt and those of its continuation.

        Where a token would cross the border, it is one of the continuation, as in lm-evaluation-harness.
        """
        whole = self.ids(prompt + continuation)
        common = 0
        for one, other in zip(self.ids(prompt) or whole[:1], whole, strict=False):
            if one != other:
                break
            common += 1
        common = max(1, min(common, len(whole) - 1))
        if len(whole) < 2:
            raise ValueError(f"{continuation[:60]!r} is no more than one token, and nothing stands before it.")
        if len(whole) > self._context:
            raise ValueError(
                f"The prompt {prompt[:60]!r} and its continuation have {len(whole):,} tokens, and the model reads at "
                f"most {self._context:,}. Shorten them."
            )
        return whole[:common], whole[common:]

    def windows(self, text: str) -> Iterator[Split]:
        """Yield a text in parts of which each token is scored once, from at least half a context where there is one."""
        ids = self.ids(text)
        if len(ids) < 2:
            raise ValueError(f"The text {text[:60]!r} is no more than one token: there is nothing to predict.")
        start, first = 1, True
        while start < len(ids):
            stop = min(len(ids), self._context if first else start + self._context - self._context // 2)
            yield ids[max(0, stop - self._context) : start], ids[start:stop]
            start, first = stop, False
