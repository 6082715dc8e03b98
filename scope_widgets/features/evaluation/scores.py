"""`SAEScores`: the measures of an autoencoder on text, each with its interval, beside random latents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from scope_widgets._provenance import Provenance
from scope_widgets._result import Result

if TYPE_CHECKING:
    import pandas as pd

#: each measure, and what it is
MEASURES = {
    "nats_lost": "rise of the cross-entropy of the next token where the reconstruction stands in the model",
    "ce": "cross-entropy of the next token of the model as it is, in nats; special tokens neither predict nor are "
    "predicted",
    "ce_spliced": "the same with the reconstruction in the place of the activation",
    "ce_zero": "the same with zeros there",
    "ce_mean": "the same with the mean activation there",
    "ce_score_mean": "(ce_mean - ce_spliced) / (ce_mean - ce): 1 loses nothing, 0 is no better than the mean",
    "ce_score_zero": "(ce_zero - ce_spliced) / (ce_zero - ce), which flatters: zeros harm more than the mean does",
    "kl": "divergence of the next token's distribution from the model's own, with the reconstruction there, in nats",
    "kl_zero": "the same with zeros there",
    "kl_mean": "the same with the mean activation there",
    "kl_score_mean": "1 - kl / kl_mean",
    "kl_score_zero": "1 - kl / kl_zero, which flatters",
    "variance_explained": "1 - E|x - x'|^2 / (E|x|^2 - |Ex|^2)",
    "fvu": "fraction of variance unexplained: E|x - x'|^2 / (E|x|^2 - |Ex|^2)",
    "variance_explained_per_token": "mean over tokens of 1 - |x - x'|^2 / |x - Ex|^2, which older papers report",
    "mse": "mean over elements of E(x - x')^2 / Var x: the error of data of which each element has variance 1",
    "l0": "mean number of latents that fire on a token",
    "l1": "mean sum of the latents of a token",
    "cosine": "mean over tokens of the cosine of x and x'",
    "norm_ratio": "mean over tokens of |x'| / |x|",
    "dead_share": "share of latents that fired on none of these tokens: few tokens make many dead",
}


@dataclass(frozen=True, eq=False, repr=False)
class SAEScores(Result):
    """Measures of an autoencoder on text; each is an attribute too, `scores.fvu`. `MEASURES` says what they are.

    Attributes
    ----------
    values : dict of str to float
        Each measure by its name; NaN where it is not defined.
    low, high : dict of str to float
        95 % interval, bootstrap over documents; NaN for one document, and for the share of dead latents.
    random : dict of str to float
        The same measures of random latents: as many, with random unit rows for both matrices, the mean as bias, as
        many firing as of the autoencoder on the first rows, and one factor for all fitted on these. Empty where they
        were not run.
    randomised : dict of str to float
        The measures of reconstruction of an autoencoder that was trained on a model with shuffled weights, on the same
        texts. Empty where none was given.
    rates_edges : ndarray [bin + 1]
        Edges of the bins of `rates`: log10 of the share of tokens on which a latent fires.
    rates : ndarray of int [bin]
        How many latents fire as often; those that never do are in none.
    n_tokens, n_predictions, n_documents : int
        Rows that were encoded, next tokens whose prediction counts, and texts.
    n_special : int
        Special tokens, which are left as they are, not measured, and neither predicted nor predicted from.
    n_massive : int
        Tokens whose activation has ten times the median norm or more, which are treated as special ones are.
    error_added_back : float
        The largest difference of a logit from the model's own where the reconstruction and its error stand in the
        model together, over the first batch: a check of the splice, which rounding alone should make. NaN where the
        model was not run.
    provenance : Provenance
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.features:sae_scores"

    values: dict[str, float]
    low: dict[str, float]
    high: dict[str, float]
    random: dict[str, float]
    randomised: dict[str, float]
    rates_edges: np.ndarray[Any, np.dtype[np.float64]]
    rates: np.ndarray[Any, np.dtype[np.int64]]
    n_tokens: int
    n_predictions: int
    n_documents: int
    n_special: int
    n_massive: int
    error_added_back: float
    provenance: Provenance

    def __getattr__(self, name: str) -> float:
        """Return a measure by its name."""
        values: dict[str, float] = vars(self).get("values", {})
        if name not in values:
            raise AttributeError(f"SAEScores have no {name!r}; the measures are {', '.join(values)}.")
        return values[name]

    def __dir__(self) -> list[str]:
        """Return what there is, the measures among it."""
        return sorted({*super().__dir__(), *self.values})

    def __repr__(self) -> str:
        """Say the main ones in a line, beside those of random latents."""
        said = [
            f"{name} {self.values[name]:.4g} (random {self.random[name]:.4g})"
            if name in self.random
            else f"{name} {self.values[name]:.4g}"
            for name in ("nats_lost", "variance_explained", "l0", "dead_share")
            if name in self.values
        ]
        return f"SAEScores({', '.join(said)}; {self.n_tokens:,} tokens of {self.n_documents:,} documents)"

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table of a row a measure: measure, value, low, high, random, randomised, meaning."""
        import pandas as pd

        rows = [
            (
                name,
                value,
                self.low.get(name, np.nan),
                self.high.get(name, np.nan),
                self.random.get(name, np.nan),
                self.randomised.get(name, np.nan),
                MEASURES.get(name, ""),
            )
            for name, value in self.values.items()
        ]
        return pd.DataFrame(rows, columns=["measure", "value", "low", "high", "random", "randomised", "meaning"])
