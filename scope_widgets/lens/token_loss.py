"""`token_loss`: how surprised the model is by each token of a prompt, and how undecided it was before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from scope_widgets._check_choice import checked_count
from scope_widgets._provenance import Provenance
from scope_widgets._reproducing_calls import python_call
from scope_widgets._result import Result
from scope_widgets._types import Array
from scope_widgets.experiments.check_logits import check_logits
from scope_widgets.experiments.statistics.rounding import largest, noise_floor
from scope_widgets.experiments.trace_model import check_trace
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.models.tokens import token_texts
from scope_widgets.traces.trace import Trace

if TYPE_CHECKING:
    import pandas as pd

#: logits that are held at a time
_AT_ONCE = 2**22


@dataclass(frozen=True, eq=False, repr=False)
class TokenLoss(Result):
    """What the model made of each token of a prompt, given the tokens before it; nothing precedes the first, so NaN.

    Attributes
    ----------
    tokens : list of str
        Of the prompt.
    loss : ndarray [position]
        `-ln p(token | tokens before)`, in nats.
    probability : ndarray [position]
        Of the token.
    rank : ndarray of int [position]
        Number of tokens that were likelier; 0 is the top, -1 of the first position.
    entropy : ndarray [position]
        Of the distribution that the token was drawn from: how undecided the model was, in nats.
    expected : list of str [position]
        The likeliest token in its place; "" of the first position.
    expected_probability : ndarray [position]
    provenance : Provenance
    """

    view: ClassVar[str] = "scope_widgets.widgets.token_view:TokenView"
    plotted_by: ClassVar[str] = "scope_widgets.plots.lens:token_loss"

    tokens: list[str]
    loss: Array
    probability: Array
    rank: Array
    entropy: Array
    expected: list[str]
    expected_probability: Array
    provenance: Provenance

    def __post_init__(self) -> None:
        of_tokens = (self.loss, self.probability, self.rank, self.entropy, self.expected, self.expected_probability)
        if any(len(one) != len(self.tokens) for one in of_tokens):
            raise ValueError(f"Losses of {len(self.tokens)} tokens have arrays of other lengths: expected one a token.")

    @property
    def model_id(self) -> str:
        """Hub id or folder name of the model."""
        return self.provenance.model

    @property
    def mean(self) -> float:
        """The mean loss, in nats a token; NaN of a single token."""
        return float(np.mean(self.loss[1:])) if len(self.loss) > 1 else float("nan")

    @property
    def perplexity(self) -> float:
        """The exponential of the mean loss."""
        return float(np.exp(self.mean))

    def _said(self) -> str:
        said = f"{len(self.tokens):,} tokens, mean loss {self.mean:.3f} nats"
        if len(self.tokens) < 2:
            return said
        most = int(np.argmax(self.loss[1:])) + 1
        return f"{said}; largest: {self.loss[most]:.3f} of {self.tokens[most]!r}, token {most}"

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table, a row a token: position, token, loss, probability, rank, entropy and what was expected."""
        import pandas as pd

        names = ("loss", "probability", "rank", "entropy", "expected", "expected_probability")
        columns = {name: getattr(self, name) for name in names}
        return pd.DataFrame({"position": range(len(self.tokens)), "token": self.tokens, **columns})

    def top(self, n: int = 10) -> pd.DataFrame:
        """Return the `n` tokens of the largest loss as a table, ties in their order."""
        n = checked_count("n", n)
        order = np.argsort(-np.nan_to_num(self.loss, nan=-1.0), kind="stable")
        return self.to_dataframe().iloc[order[: min(n, max(0, len(self.tokens) - 1))]]


@remotable
def token_loss(trace: Trace, *, scope: Microscope | None = None) -> TokenLoss:
    """Return loss, probability, rank and entropy of each token of a prompt, as the model's own logits have them.

    The loss of a token is its cross-entropy, `-ln p(token | tokens before)`; its mean is that of language modelling.

    Parameters
    ----------
    trace : Trace
        Of one prompt, with the logits of all positions.
    scope : Microscope, optional
        The model, whose tokenizer names the expected tokens, for a trace that was read from a file; without it they
        are their ids, "#12".

    Returns
    -------
    TokenLoss

    Raises
    ------
    ValueError
        For several prompts, or logits that are NaN or infinite.
    TypeError
        For what is no trace.
    NotCapturedError
        When the trace did not keep all logits.

    Examples
    --------
    >>> losses = lens.token_loss(scope.trace("When Mary and John went to the store"))
    >>> losses.loss.shape
    (9,)
    >>> bool(np.isnan(losses.loss[0]))  # nothing precedes it
    True
    """
    check_trace(trace)
    if trace.batched:
        raise ValueError(f"Losses are of one prompt and this trace has {len(trace)}: choose one with trace[i].")
    logits, ids = trace.logits, trace.token_ids
    n = len(ids)
    loss, entropy, expected_probability = (torch.full((n,), torch.nan, dtype=torch.float64) for _ in range(3))
    rank, best = (torch.full((n,), -1, dtype=torch.long) for _ in range(2))
    for at in torch.split(torch.arange(1, n), max(1, _AT_ONCE // logits.shape[-1])):
        before = logits[at - 1].float()
        check_logits(before, "of the model")
        log_p = before.log_softmax(-1)
        chosen = ids[at].to(before.device)[:, None]
        floor = before.amax(-1).abs() * noise_floor(torch.float32, 1.0)  # a tie is not likelier
        loss[at] = -log_p.gather(-1, chosen)[:, 0].double().cpu()
        rank[at] = (before > before.gather(-1, chosen) + floor[:, None]).sum(-1).cpu()
        entropy[at] = torch.special.entr(log_p.exp()).sum(-1).double().cpu()
        top = largest(before, 1)
        best[at] = top[:, 0].cpu()
        expected_probability[at] = log_p.gather(-1, top)[:, 0].exp().double().cpu()
    return TokenLoss(
        tokens=list(trace.tokens),
        loss=loss.numpy(),
        probability=(-loss).exp().numpy(),
        rank=rank.numpy(),
        entropy=entropy.numpy(),
        expected=["", *_texts(trace, scope, best[1:].tolist())][:n],
        expected_probability=expected_probability.numpy(),
        provenance=trace.provenance.then(python_call("lens.token_loss", "trace")),
    )


def _texts(trace: Trace, scope: Microscope | None, ids: list[int]) -> list[str]:
    scope = trace.scope if scope is None else scope
    return [f"#{one}" for one in ids] if scope is None else token_texts(scope.tokenizer, ids)
