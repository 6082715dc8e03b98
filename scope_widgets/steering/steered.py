"""`Steered`: the next-token distribution under some strengths, beside that of the model as it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from scope_widgets.models.metric import metric_of
from scope_widgets.models.tokens import token_texts


@dataclass(frozen=True, eq=False)
class Steered:
    """What comes next, steered and as the model is.

    Attributes
    ----------
    strengths : tuple of float
        One for each intervention of the session.
    logits, unsteered : Tensor [vocabulary]
    tokenizer
    answers : tuple of int, or None
        Tokens whose logits `difference` compares.
    """

    strengths: tuple[float, ...]
    logits: Tensor
    unsteered: Tensor
    tokenizer: Any
    answers: tuple[int, int] | None = None

    @cached_property
    def probabilities(self) -> Tensor:
        """The next-token distribution `[vocabulary]`, summing to 1, in float64."""
        return self.logits.double().softmax(-1)

    @cached_property
    def unsteered_probabilities(self) -> Tensor:
        """The same of the model as it is."""
        return self.unsteered.double().softmax(-1)

    @cached_property
    def kl(self) -> float:
        """Divergence in nats of the steered distribution from the unsteered one, `sum p ln(p / q)`, p unsteered."""
        measure = metric_of("kl", self.tokenizer, None, None, 1, self.unsteered[None])
        return float(measure.of(self.logits[None], torch.zeros(1, dtype=torch.long)))

    @property
    def difference(self) -> float | None:
        """Logit of the first answer less that of the second; None without answers."""
        return None if self.answers is None else _difference(self.logits, self.answers)

    @property
    def unsteered_difference(self) -> float | None:
        """The same of the model as it is."""
        return None if self.answers is None else _difference(self.unsteered, self.answers)

    def top(self, k: int = 10) -> list[int]:
        """Give the k most probable tokens of either distribution: those steered first, then the others."""
        k = min(k, len(self.logits))
        ids = [*self.logits.topk(k).indices.tolist(), *self.unsteered.topk(k).indices.tolist()]
        return list(dict.fromkeys(ids))

    def ranks(self, ids: list[int]) -> tuple[list[int], list[int]]:
        """Give the ranks of tokens, 0 the most probable, steered and unsteered."""
        chosen = torch.tensor(ids)
        steered, unsteered = ((all_ > all_[chosen, None]).sum(-1).tolist() for all_ in (self.logits, self.unsteered))
        return steered, unsteered

    def to_dataframe(self, k: int = 10) -> Any:
        """Make a table: token, probability, unsteered, rank, unsteered_rank, of the k most probable of either."""
        import pandas as pd

        ids = self.top(k)
        steered, unsteered = self.ranks(ids)
        return pd.DataFrame(
            {
                "token": token_texts(self.tokenizer, ids),
                "probability": self.probabilities[ids].numpy(),
                "unsteered": self.unsteered_probabilities[ids].numpy(),
                "rank": steered,
                "unsteered_rank": unsteered,
            }
        )

    def __repr__(self) -> str:
        """Say what comes next."""
        best, before = (
            token_texts(self.tokenizer, [int(logits.argmax())])[0] for logits in (self.logits, self.unsteered)
        )
        return f"Steered(strengths {list(self.strengths)}: {best!r} instead of {before!r}, KL {self.kl:.3f} nats)"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return {"text/plain": repr(self), "text/html": self.to_dataframe()._repr_html_()}


def _difference(logits: Tensor, answers: tuple[int, int]) -> float:
    return float(logits[answers[0]].double() - logits[answers[1]].double())
