"""`FactEffect`: what a fact edit does to its prompt, to paraphrases of it, and to prompts that it should not change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from torch import Tensor

from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets._types import Array
from scope_widgets.experiments.check_logits import check_logits
from scope_widgets.experiments.metric import divergence
from scope_widgets.experiments.statistics.rounding import largest
from scope_widgets.models.microscope import Microscope, loaded
from scope_widgets.models.tokens import token_texts

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class FactEffect(Result):
    """The model's predictions before and after a fact edit, one row a prompt.

    Attributes
    ----------
    subject, answer : str
    layer : int
        The block whose MLP is changed.
    texts : list of str
    kinds : list of str
        "prompt", "paraphrase" or "neighbour" (a prompt whose prediction the edit should not change).
    before, after : ndarray [prompt]
        Probability of the answer as the next token.
    top_before, top_after : list of str
        The most probable token.
    kl : ndarray [prompt]
        Divergence of the prediction after from that before, in nats.
    losses : ndarray [step]
        Of the gradient descent that found the value, in nats.
    size : float
        Norm of what the edit adds at the subject, in units of the norm of what the MLP wrote there.
    provenance : Provenance
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.steering:fact_effect"

    subject: str
    answer: str
    layer: int
    texts: list[str]
    kinds: list[str]
    before: Array
    after: Array
    top_before: list[str]
    top_after: list[str]
    kl: Array
    losses: Array
    size: float
    provenance: Provenance

    @property
    def specificity(self) -> float:
        """Share of the neighbours whose most probable token is the same as before; NaN without neighbours."""
        same = [b == a for k, b, a in zip(self.kinds, self.top_before, self.top_after, strict=True) if k == "neighbour"]
        return float(np.mean(same)) if same else float("nan")

    @property
    def neighbour_kl(self) -> float:
        """Mean divergence on the neighbours, in nats; NaN without neighbours."""
        near = self.kl[np.array(self.kinds) == "neighbour"]
        return float(near.mean()) if len(near) else float("nan")

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table, a row a prompt: text, kind, before, after, top_before, top_after, kl."""
        import pandas as pd

        names = ("texts", "kinds", "before", "after", "top_before", "top_after", "kl")
        return pd.DataFrame({name.removesuffix("s"): getattr(self, name) for name in names})

    def __repr__(self) -> str:
        """Say what changed."""
        near = (
            ""
            if "neighbour" not in self.kinds
            else (
                f"; {self.specificity:.0%} of {self.kinds.count('neighbour')} neighbours keep their prediction, "
                f"mean divergence {self.neighbour_kl:.3g} nats"
            )
        )
        return (
            f"FactEffect(p({self.answer!r}) after {self.texts[0]!r}: {self.before[0]:.3g} -> {self.after[0]:.3g}{near})"
        )


@dataclass(frozen=True)
class Predictions:
    """The distribution of the next token after each of several texts.

    Attributes
    ----------
    log_p : Tensor of float32 [prompt, vocabulary]
    top : list of str
        The most probable token.
    """

    log_p: Tensor
    top: list[str]

    def divergence(self, other: Predictions) -> Array:
        """Return the Kullback-Leibler divergence of another prediction from this, `[prompt]` in nats."""
        return divergence(self.log_p.double(), other.log_p.double()).clamp_min(0).cpu().numpy()


def predict(scope: Microscope, texts: Sequence[str]) -> Predictions:
    """Return what the model predicts after each text."""
    logits = loaded(scope).run(list(texts)).logits.detach()
    check_logits(logits, "of the model")
    log_p = logits.float().log_softmax(-1)
    return Predictions(log_p, token_texts(scope.tokenizer, largest(log_p, 1)[:, 0].tolist()))
