"""`Steered`: the next-token distribution under some strengths, beside that of the model as it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from scope_widgets._aliases import former_options
from scope_widgets._json_fields import decode, decode_fields, encode
from scope_widgets._provenance import Provenance
from scope_widgets._result import TOO_LARGE, Result
from scope_widgets._types import Array
from scope_widgets._untrusted import json_text
from scope_widgets.experiments.check_logits import check_logits
from scope_widgets.experiments.metric import divergence
from scope_widgets.experiments.statistics.rounding import largest, noise_floor
from scope_widgets.models.tokens import token_texts

if TYPE_CHECKING:
    import pandas as pd

#: the most probable tokens of a distribution that are found at once, and whose texts a file holds
MOST_PROBABLE = 100


class Distribution:
    """The distribution of the next token.

    Attributes
    ----------
    logits : Tensor of float32 [vocabulary]

    Raises
    ------
    ValueError
        For logits that are NaN or infinite.
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits.to("cpu", torch.float32, copy=True)  # of a batch that is not to stay in memory
        check_logits(self.logits, "of the next token")

    def __eq__(self, other: object) -> bool:
        """Return whether all logits are equal."""
        return isinstance(other, Distribution) and torch.equal(self.logits, other.logits)

    __hash__ = None  # type: ignore[assignment]

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
        """The hundred most probable tokens, or all where there are fewer, the most probable first."""
        best: list[int] = largest(self.logits, min(MOST_PROBABLE, len(self.logits))).tolist()
        return best

    def ranks(self, ids: list[int]) -> list[int]:
        """Return how many tokens are more probable than each of these, by more than rounding."""
        above = self.logits[torch.tensor(ids), None] + noise_floor(torch.float32, float(self.logits.max().abs()))
        ranks: list[int] = (self.logits > above).sum(-1).tolist()
        return ranks

    def difference(self, answers: tuple[int, int]) -> float:
        """Return the logit of one token less that of another."""
        return float(self.logits[answers[0]].double() - self.logits[answers[1]].double())


@dataclass(frozen=True, eq=False, repr=False)
class Steered(Result):
    """The distribution of the next token, steered and as the model is, as `Session.at` returns it.

    Attributes
    ----------
    strengths : tuple of float
        One for each intervention of the session.
    steered, unsteered : Distribution
    tokenizer
        Of a result that was read from JSON it knows the hundred most probable tokens of either distribution.
    provenance : Provenance
    answers : tuple of int, or None
        Tokens whose logits `difference` compares.
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.steering:steered"

    strengths: tuple[float, ...]
    steered: Distribution
    unsteered: Distribution
    tokenizer: Any = dataclasses.field(compare=False)
    provenance: Provenance
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

    @former_options(k="n")
    def top(self, n: int = 10) -> list[int]:
        """Return the `n` (at most 100) most probable tokens of either distribution: those of the steered one first."""
        return list(dict.fromkeys([*self.steered.order[:n], *self.unsteered.order[:n]]))

    @former_options(k="n")
    def to_dataframe(self, n: int = 10) -> pd.DataFrame:
        """Return the `n` most probable tokens of either distribution as a table.

        Its columns are token, probability, unsteered (probability), rank and unsteered_rank, from 0.
        """
        import pandas as pd

        ids = self.top(n)
        return pd.DataFrame(
            {
                "token": token_texts(self.tokenizer, ids),
                "probability": self.steered.probabilities[ids].numpy(),
                "unsteered": self.unsteered.probabilities[ids].numpy(),
                "rank": self.steered.ranks(ids),
                "unsteered_rank": self.unsteered.ranks(ids),
            }
        )

    def to_json(self) -> str:
        """Return this result as JSON: all logits, and the texts of the hundred most probable tokens of either."""
        ids = self.top(MOST_PROBABLE)
        fields = {
            "strengths": self.strengths,
            "logits": self.steered.logits.numpy(),
            "unsteered_logits": self.unsteered.logits.numpy(),
            "tokens": dict(zip(ids, token_texts(self.tokenizer, ids), strict=True)),
            "provenance": self.provenance,
            "answers": self.answers,
        }
        encoded = {name: encode(value) for name, value in fields.items()}
        return json_text({"result": "Steered"} | encoded, "This Steered", TOO_LARGE)

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Steered:
        logits = [decode(fields.pop(name), Array, name) for name in ("logits", "unsteered_logits")]
        if any(one.ndim != 1 or one.dtype.kind != "f" for one in logits) or len(logits[0]) != len(logits[1]):
            raise ValueError("logits and unsteered_logits are not two lists of as many numbers")
        steered, unsteered = (Distribution(torch.from_numpy(one)) for one in logits)
        texts = decode(fields.pop("tokens"), dict[str, str], "tokens")
        tokens = _StoredTokens({int(id_): text for id_, text in texts.items()})
        rest = decode_fields(cls, fields, apart=("steered", "unsteered", "tokenizer"))
        return cls(steered=steered, unsteered=unsteered, tokenizer=tokens, **rest)

    def __repr__(self) -> str:
        """Say what comes next."""
        best, before = token_texts(self.tokenizer, [self.steered.order[0], self.unsteered.order[0]])
        return f"Steered(strengths {list(self.strengths)}: {best!r}, unsteered {before!r}, KL {self.kl:.3f} nats)"


class _StoredTokens:
    """The texts of some tokens, in place of a tokenizer."""

    def __init__(self, texts: Mapping[int, str]) -> None:
        self._texts = texts
        self.all_special_ids: Sequence[int] = list(texts)  # so that each text is taken as it is

    def convert_ids_to_tokens(self, token_id: int) -> str | None:
        """Return the text of a token, None where it is not known."""
        return self._texts.get(token_id)

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """Return the texts joined."""
        return "".join(tokens)
