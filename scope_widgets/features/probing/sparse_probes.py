"""`SparseProbes`: how often probes of a few latents are right, beside random latents and a dense probe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from scope_widgets._provenance import Provenance
from scope_widgets._result import Result

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class SparseProbes(Result):
    """How often probes tell two classes of texts apart, on the half of the texts that nothing was chosen or fitted on.

    Attributes
    ----------
    probe : tuple of str [probe]
        What it reads: "latents"; "random latents", the null, chosen and fitted in the same way; or "dense", the
        activations that the autoencoder encodes.
    k : ndarray of int [probe]
        Columns that it reads; all `d` of "dense".
    accuracy : ndarray [probe]
        Share of texts that are right.
    low, high : ndarray [probe]
        95 % interval (Wilson's).
    latents : tuple of tuple of int [probe]
        Those that were chosen, the best first; none of "dense".
    larger_class : float
        What always saying the class that is larger in the first half would get.
    n, n_fitted : int
        Texts that were scored, and those that were fitted.
    classes : tuple of str
        The two labels; the second is what the probes say yes to.
    provenance : Provenance
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.features:sparse_probes"

    probe: tuple[str, ...]
    k: np.ndarray[Any, np.dtype[np.int64]]
    accuracy: np.ndarray[Any, np.dtype[np.float64]]
    low: np.ndarray[Any, np.dtype[np.float64]]
    high: np.ndarray[Any, np.dtype[np.float64]]
    latents: tuple[tuple[int, ...], ...]
    larger_class: float
    n: int
    n_fitted: int
    classes: tuple[str, str]
    provenance: Provenance

    def __post_init__(self) -> None:
        """Raise ValueError where the parts are not of one length."""
        arrays = (self.k, self.accuracy, self.low, self.high)
        if any(one.shape != (len(self.probe),) for one in arrays) or len(self.latents) != len(self.probe):
            raise ValueError("SparseProbes have one k, one accuracy and one list of latents a probe")

    def _said(self) -> str:
        no, yes = self.classes
        most = {name: at for at, name in sorted(enumerate(self.probe), key=lambda one: self.k[one[0]])}
        found = [f"{name} (k {self.k[at]}) {self.accuracy[at]:.3f}" for name, at in most.items()]
        found.append(f"larger class {self.larger_class:.3f}")
        return f"{yes!r} against {no!r}, right of {self.n:,} texts: {', '.join(found)}"

    def to_dataframe(self) -> pd.DataFrame:
        """Return a row a probe: probe, k, accuracy, low, high, larger_class, n, latents."""
        import pandas as pd

        return pd.DataFrame(
            {
                "probe": list(self.probe),
                "k": self.k,
                "accuracy": self.accuracy,
                "low": self.low,
                "high": self.high,
                "larger_class": self.larger_class,
                "n": self.n,
                "latents": [", ".join(map(str, one)) for one in self.latents],
            }
        )
