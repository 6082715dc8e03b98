"""`Steered`: the next-token distribution under some strengths, beside that of the model as it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from scope_widgets.experiments.metric import divergence
from scope_widgets.experiments.rounding import largest, noise_floor
from scope_widgets.models.tokens import token_texts


class Distribution:
    """What comes next.

    Attributes
    ----------
    logits : Tensor of float32 [vocabulary]
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits.to("cpu", torch.float32, copy=True)  # of a batch that is not to stay in memory

    @cached_property
    def log_probabilities(self) -> Tensor:
        """In nats, float64 `[vocabulary]`: what a small strength does is lost in the rounding of float32."""
        return self.logits.double().log_softmax(-1)

    @cached_property
    def probabilities(self) -> Tensor:
        """Summing to 1, float64 `[vocabulary]`."""
        return self.log_probabilities.exp()

    @cached_property
    def all_possible(self) -> bool:
        """Whether no token is ruled out (a logit of -inf)."""
        return bool(self.logits.isfinite().all())

    @cached_property
    def order(self) -> list[int]:
        """The hundred most probable tokens, or all, the most probable first."""
        best: list[int] = largest(self.logits, min(100, len(self.logits))).tolist()
        return best

    def ranks(self, ids: list[int]) -> list[int]:
        """Give how many tokens are more probable than each of these, by more than rounding."""
        above = self.logits[torch.tensor(ids), None] + noise_floor(torch.float32, float(self.logits.max().abs()))
        ranks: list[int] = (self.logits > above).sum(-1).tolist()
        return ranks

    def difference(self, answers: tuple[int, int]) -> float:
        """Give the logit of one token less that of another."""
        return float(self.logits[answers[0]].double() - self.logits[answers[1]].double())


@dataclass(frozen=True, eq=False, repr=False)
class Steered:
    """What comes next, steered and as the model is.

    Attributes
    ----------
    strengths : tuple of float
        One for each intervention of the session.
    steered, unsteered : Distribution
    tokenizer
    answers : tuple of int, or None
        Tokens whose logits `difference` compares.
    """

    strengths: tuple[float, ...]
    steered: Distribution
    unsteered: Distribution
    tokenizer: Any
    answers: tuple[int, int] | None = None

    @property
    def logits(self) -> Tensor:
        """Steered, `[vocabulary]`."""
        return self.steered.logits

    @property
    def probabilities(self) -> Tensor:
        """Steered, `[vocabulary]`, summing to 1."""
        return self.steered.probabilities

    @cached_property
    def kl(self) -> float:
        """Divergence of the steered distribution q from the unsteered one p, `sum p ln(p / q)`, in nats."""
        p, log_p, log_q = self.unsteered.probabilities, self.unsteered.log_probabilities, self.steered.log_probabilities
        # the product is several times as fast as the general sum, and is taken at every move of a slider
        value = p @ (log_p - log_q) if self.unsteered.all_possible else divergence(log_p, log_q)
        return max(float(value), 0.0)

    @property
    def difference(self) -> float | None:
        """Logit of the first answer less that of the second; None without answers."""
        return None if self.answers is None else self.steered.difference(self.answers)

    def top(self, k: int = 10) -> list[int]:
        """Give the k (at most 100) most probable tokens of either distribution: those steered first."""
        return list(dict.fromkeys([*self.steered.order[:k], *self.unsteered.order[:k]]))

    def to_dataframe(self, k: int = 10) -> Any:
        """Make a table of the k most probable tokens of either: token, probability, unsteered, rank, unsteered_rank."""
        import pandas as pd

        ids = self.top(k)
        return pd.DataFrame(
            {
                "token": token_texts(self.tokenizer, ids),
                "probability": self.steered.probabilities[ids].numpy(),
                "unsteered": self.unsteered.probabilities[ids].numpy(),
                "rank": self.steered.ranks(ids),
                "unsteered_rank": self.unsteered.ranks(ids),
            }
        )

    def __repr__(self) -> str:
        """Say what comes next."""
        best, before = token_texts(self.tokenizer, [self.steered.order[0], self.unsteered.order[0]])
        return f"Steered(strengths {list(self.strengths)}: {best!r}, unsteered {before!r}, KL {self.kl:.3f} nats)"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return {"text/plain": repr(self), "text/html": self.to_dataframe()._repr_html_()}
