"""`FeatureLabels`: labels of latents with their scores, beside those of other latents' labels."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import shorten
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from scope_widgets._provenance import Provenance
from scope_widgets._result import Result

if TYPE_CHECKING:
    import pandas as pd

#: the label of a latent of which no rule is better than the labels of others
UNLABELLED = "unlabelled"


@dataclass(frozen=True, eq=False, repr=False)
class FeatureLabels(Result):
    """Labels of latents, and how well each says where its latent fires, on passages that it was not made from.

    Attributes
    ----------
    feature : ndarray of int [feature]
        Latents, ascending.
    label : tuple of str [feature]
        "unlabelled" where it is not better than the labels of others, may be chance, or rests on too few passages; the
        evidence says which.
    detection : ndarray [feature]
        Balanced accuracy of saying in which passages the latent fires: the mean of the shares that are right of those
        in which it does and of those in which it does not. NaN where there is only one kind, or the label was not
        scored.
    fuzzing : ndarray [feature]
        The same of tokens: on which it fires. Each is counted once.
    null_detection, null_fuzzing : ndarray [feature]
        Mean of the same scores of labels of other latents, .5 where there are none.
    low, high : ndarray [feature]
        95 % interval of `fuzzing`: Wilson's of both shares, put together as Newcombe does; tokens of one passage count
        as one answer.
    p : ndarray [feature]
        Of as many firings or more where the label says, if what fires in a passage might as well fire any number of
        tokens further on in it. NaN where the label was not scored.
    q : ndarray [feature]
        The same by Benjamini and Hochberg over these latents: of the labels with q below .05 a twentieth is expected to
        be false. NaN where the latent fires in fewer passages than `least`.
    n : ndarray of int [feature]
        Passages that were scored.
    firing : ndarray of int [feature]
        Those of them in which the latent fires.
    evidence : tuple of str [feature]
        What the scores rest on, in words.
    provenance : Provenance
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.features:feature_labels"

    feature: np.ndarray[Any, np.dtype[np.int64]]
    label: tuple[str, ...]
    detection: np.ndarray[Any, np.dtype[np.float64]]
    fuzzing: np.ndarray[Any, np.dtype[np.float64]]
    null_detection: np.ndarray[Any, np.dtype[np.float64]]
    null_fuzzing: np.ndarray[Any, np.dtype[np.float64]]
    low: np.ndarray[Any, np.dtype[np.float64]]
    high: np.ndarray[Any, np.dtype[np.float64]]
    p: np.ndarray[Any, np.dtype[np.float64]]
    q: np.ndarray[Any, np.dtype[np.float64]]
    n: np.ndarray[Any, np.dtype[np.int64]]
    firing: np.ndarray[Any, np.dtype[np.int64]]
    evidence: tuple[str, ...]
    provenance: Provenance

    def __post_init__(self) -> None:
        """Raise ValueError where the parts are not of one length, or a score, p or count cannot be one."""
        columns = [value for name, value in vars(self).items() if name != "provenance"]
        if any(np.shape(one) != np.shape(self.label) for one in columns):
            raise ValueError("FeatureLabels have one label, one score and one text of evidence a latent")
        for name in ("detection", "fuzzing", "null_detection", "null_fuzzing", "low", "high", "p", "q"):
            values = vars(self)[name]
            if (np.abs(values - 0.5) > 0.5 + 1e-9).any():  # NaN: not known
                raise ValueError(f"{name} of FeatureLabels is 0 to 1, or NaN; got {values.min()} to {values.max()}")
        for name in ("feature", "n", "firing"):
            if (vars(self)[name] < 0).any():
                raise ValueError(f"{name} of FeatureLabels is a whole number from 0; got {vars(self)[name].min()}")

    def __len__(self) -> int:
        """Return the number of latents."""
        return len(self.feature)

    def _said(self) -> str:
        labelled = self.labelled()
        said = f"{len(self):,} latents, {len(labelled):,} labelled"
        known = [
            at for at, one in enumerate(self.feature.tolist()) if one in labelled and np.isfinite(self.fuzzing[at])
        ]
        if not known:
            return said
        best = max(known, key=lambda at: self.fuzzing[at])
        median = np.median(self.fuzzing[known])
        label = shorten(self.label[best], 60, placeholder=" ...")
        return (
            f"{said}, fuzzing {median:.2f} in the median; best: {self.feature[best]}, {label}, {self.fuzzing[best]:.2f}"
        )

    def labelled(self) -> dict[int, str]:
        """Return the labels that are better than those of others, by latent."""
        pairs = zip(self.feature.tolist(), self.label, strict=True)
        return {latent: label for latent, label in pairs if label != UNLABELLED}

    def to_dataframe(self) -> pd.DataFrame:
        """Return a row a latent: feature, label, detection, fuzzing, their nulls, low, high, p, q, n, ...

        And firing, evidence.
        """
        import pandas as pd

        return pd.DataFrame(
            {
                "feature": self.feature,
                "label": list(self.label),
                "detection": self.detection,
                "fuzzing": self.fuzzing,
                "null_detection": self.null_detection,
                "null_fuzzing": self.null_fuzzing,
                "low": self.low,
                "high": self.high,
                "p": self.p,
                "q": self.q,
                "n": self.n,
                "firing": self.firing,
                "evidence": list(self.evidence),
            }
        )
