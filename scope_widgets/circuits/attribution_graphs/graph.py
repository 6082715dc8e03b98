"""`AttributionGraph`: features, errors, tokens and logits of one prompt, and what each adds to each later one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets._types import Array

if TYPE_CHECKING:
    import pandas as pd

_MOST_ROWS = 1000


@dataclass(frozen=True, eq=False, repr=False)
class AttributionGraph(Result):
    """What each feature and logit of one prompt is the sum of, attention patterns and norms held as they are.

    Sources are features, then errors, then tokens; targets are features, then logits. With all active features kept, a
    target is exactly the sum of its row and its bias.

    Attributes
    ----------
    tokens : tuple of str [position]
    token_ids : ndarray of int [position]
    n_layers : int
    features : ndarray of int [feature, 3]
        Layer, position and number of each feature that is kept, in the order of the forward.
    activation : ndarray [feature]
    errors : ndarray of int [error, 2]
        Layer and position of what each MLP writes beside its features; of a layer without a transcoder all of it.
    logits : ndarray of int [logit]
        Token ids, the most probable first.
    logit_tokens : tuple of str [logit]
    probability : ndarray [logit]
    weights : ndarray [feature + logit, feature + error + token]
        What each source adds to each target: to the pre-activation of a feature, or to a logit less the mean logit.
    bias : ndarray [feature + logit]
        What biases add.
    rest : ndarray [feature + logit]
        What active features add that are not kept.
    total : ndarray [feature + logit]
        The pre-activations, and the logits less the mean logit, as the model has them.
    provenance : Provenance
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.circuits:attribution_graph"

    tokens: tuple[str, ...]
    token_ids: Array
    n_layers: int
    features: Array
    activation: Array
    errors: Array
    logits: Array
    logit_tokens: tuple[str, ...]
    probability: Array
    weights: Array
    bias: Array
    rest: Array
    total: Array
    provenance: Provenance

    def __post_init__(self) -> None:
        """Check that the parts fit together, for they may come from a file."""
        n, k, p = len(self.features), len(self.logits), len(self.tokens)
        wanted = {
            "token_ids": (p,),
            "features": (n, 3),
            "activation": (n,),
            "errors": (len(self.errors), 2),
            "probability": (k,),
            "weights": (n + k, n + len(self.errors) + p),
            **dict.fromkeys(("bias", "rest", "total"), (n + k,)),
        }
        wrong = [name for name, shape in wanted.items() if np.shape(getattr(self, name)) != shape]
        if wrong or len(self.logit_tokens) != k:
            raise ValueError(f"{', '.join(wrong) or 'logit_tokens'} of an attribution graph are not of its nodes")
        for name, columns in (("features", (self.n_layers, p, None)), ("errors", (self.n_layers, p))):
            for column, most in enumerate(columns):
                values = getattr(self, name)[:, column]
                if len(values) and (values.min() < 0 or (most is not None and values.max() >= most)):
                    raise ValueError(f"{name} of an attribution graph are of layers or positions that it does not have")

    def _said(self) -> str:
        return (
            f"{len(self.features):,} features, {len(self.errors):,} errors, {len(self.tokens)} tokens, "
            f"{len(self.logits)} logits, replacement {self.replacement:.2f}, completeness {self.completeness:.2f}"
        )

    # --- nodes --------------------------------------------------------------------------------------------------------

    @property
    def sources(self) -> list[str]:
        """Names of what gives: "3.17@5" (feature 17 of layer 3 at position 5), "3.error@5", "token@5"."""
        features = [f"{layer}.{number}@{at}" for layer, at, number in self.features.tolist()]
        errors = [f"{layer}.error@{at}" for layer, at in self.errors.tolist()]
        return [*features, *errors, *(f"token@{at}" for at in range(len(self.tokens)))]

    @property
    def targets(self) -> list[str]:
        """Names of what gets: features, and "logit 262" by token id."""
        return [*self.sources[: len(self.features)], *(f"logit {token}" for token in self.logits.tolist())]

    # --- what it says -------------------------------------------------------------------------------------------------

    @property
    def residue(self) -> Array:
        """What is missing of each target's total, `[feature + logit]`: rounding, if anything."""
        found: Array = self.total - self.weights.sum(1) - self.bias - self.rest
        return found

    def _shares(self) -> Array:
        """Return absolute weights as shares of their target's."""
        sizes = np.abs(self.weights)
        shares: Array = sizes / np.maximum(sizes.sum(1, keepdims=True), 1e-30)
        return shares

    def influence(self) -> Array:
        """Return how much of the logits goes through each source, `[feature + error + token]`.

        Over all paths the product of the shares that each source has of its target's absolute weights, summed over the
        logits by their probability (Ameisen et al. 2025).
        """
        shares, n = self._shares(), len(self.features)
        found: Array = self.probability @ shares[n:]
        # a feature gets from earlier layers only: the latest first, each has all that goes through it when it comes
        for at in np.argsort(-self.features[:, 0], kind="stable"):
            found = found + found[at] * shares[at]
        return found

    @property
    def replacement(self) -> float:
        """The share of what comes from tokens, not from errors, of all that reaches the logits, over all paths."""
        found, n = self.influence(), len(self.features)
        errors, tokens = found[n : n + len(self.errors)].sum(), found[n + len(self.errors) :].sum()
        return float(tokens / (tokens + errors)) if tokens + errors else float("nan")

    @property
    def completeness(self) -> float:
        """The share of what is no error of what nodes get, each weighed by its influence.

        As circuit-tracer computes it: errors and tokens, which get nothing, count as complete.
        """
        n, influence = len(self.features), self.influence()
        weights = np.concatenate([influence[:n], self.probability, influence[n:]])
        of_targets = 1 - self._shares()[:, n : n + len(self.errors)].sum(1)
        kept = np.concatenate([of_targets, np.ones(len(influence) - n)])
        return float((kept * weights).sum() / weights.sum()) if weights.sum() else float("nan")

    def top(self, n: int = 10) -> pd.DataFrame:
        """Return the sources with the largest influence: source, influence, activation (of features)."""
        import pandas as pd

        influence = self.influence()
        activation = np.concatenate([self.activation, np.full(len(influence) - len(self.activation), np.nan)])
        table = pd.DataFrame({"source": self.sources, "influence": influence, "activation": activation})
        return table.sort_values("influence", ascending=False, kind="stable").head(n).reset_index(drop=True)

    def keep(self, n_features: int) -> AttributionGraph:
        """Return the graph of the `n_features` features with the largest influence; the others are in `rest`."""
        n = len(self.features)
        kept = np.sort(np.argsort(-self.influence()[:n], kind="stable")[:n_features])
        out = np.setdiff1d(np.arange(n), kept)
        rows = np.concatenate([kept, np.arange(n, n + len(self.logits))])
        columns = np.concatenate([kept, np.arange(n, self.weights.shape[1])])
        changes: dict[str, Any] = {name: getattr(self, name)[rows] for name in ("bias", "total")}
        return replace(
            self,
            features=self.features[kept],
            activation=self.activation[kept],
            weights=self.weights[np.ix_(rows, columns)],
            rest=self.rest[rows] + self.weights[np.ix_(rows, out)].sum(1),
            **changes,
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return the 1,000 edges with the largest weights: source, target, weight."""
        import pandas as pd

        flat = np.abs(self.weights).ravel()
        order = np.argsort(-flat, kind="stable")[:_MOST_ROWS]
        order = order[flat[order] > 0]
        target, source = np.unravel_index(order, self.weights.shape)
        sources, targets = np.array(self.sources, dtype=object), np.array(self.targets, dtype=object)
        return pd.DataFrame(
            {"source": sources[source], "target": targets[target], "weight": self.weights[target, source]}
        )
