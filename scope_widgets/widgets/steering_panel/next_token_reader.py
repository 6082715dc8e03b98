"""The answers to a slider's moves: the next tokens under some strengths beside those of the model as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scope_widgets.models.tokens import token_texts
from scope_widgets.steering import Steered

#: most probable tokens of either distribution
SHOWN = 10

Numbers = npt.NDArray[Any]


class Reader:
    """Reads distributions; what concerns the unsteered one is worked out once."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._texts: dict[int, str] = {}
        self._unsteered: Any = None

    def read(self, found: Steered) -> dict[str, Any]:
        """Return the most probable tokens of either distribution, the divergence, and the logit difference."""
        if self._unsteered is not found.unsteered:
            self._look(found)
        ids = found.top(SHOWN)
        logits = found.steered.logits.numpy()
        first = logits[found.steered.order]  # falling
        return {
            "tokens": [
                {
                    "id": id_,
                    "text": self._text(id_),
                    "p": p,
                    "p0": p0,
                    "rank": _rank(first, logits, id_),
                    "rank0": rank0,
                }
                for id_, p, p0, rank0 in zip(
                    ids,
                    found.steered.log_probabilities[ids].exp().tolist(),
                    self._p0[ids].tolist(),
                    self._ranks0(ids),
                    strict=True,
                )
            ],
            "kl": found.kl,
            "difference": found.difference,
            "difference0": self._difference0,
        }

    def texts(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """Return tokens as the browser gets them."""
        return [{"id": int(id_), "text": self._text(int(id_))} for id_ in ids]

    def _look(self, found: Steered) -> None:
        self._unsteered = found.unsteered
        self._p0 = found.unsteered.log_probabilities.exp()
        self._rising: Numbers = np.sort(found.unsteered.logits.numpy())
        self._difference0 = None if found.answers is None else found.unsteered.difference(found.answers)

    def _ranks0(self, ids: list[int]) -> list[int]:
        logits = self._unsteered.logits.numpy()[ids]
        ranks: list[int] = (len(self._rising) - np.searchsorted(self._rising, logits, side="right")).tolist()
        return ranks

    def _text(self, id_: int) -> str:
        if id_ not in self._texts:
            (self._texts[id_],) = token_texts(self._tokenizer, [id_])
        return self._texts[id_]


def _rank(first: Numbers, logits: Numbers, id_: int) -> int:
    """Count the tokens that are more probable; `first` are the largest logits, which mostly tell."""
    logit = logits[id_]
    return int(np.count_nonzero((first if logit >= first[-1] else logits) > logit))
