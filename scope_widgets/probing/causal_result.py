"""`CausalTest`: what steering along a probe's direction does to what the model says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from scope_widgets._provenance import Provenance
from scope_widgets._result import Result

if TYPE_CHECKING:
    import pandas as pd

#: p and q below which chance is no explanation
LEVEL = 0.05

_Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False, repr=False)
class CausalTest(Result):
    """What the model says when it is steered along a probe's direction, beside random directions of the same norm.

    Attributes
    ----------
    layer : int
        The block that the steered stream enters.
    classes : tuple of str
        The direction goes from the first to the second.
    answer, versus : str
        Tokens that say the second class, and the first; "several" where prompts have their own.
    strength : float
        How far to each side, in distances between the means of the classes.
    effects : ndarray [prompt]
        Logit difference of answer over versus steered to the second class, minus that steered to the first.
    effect, low, high : float
        Its mean, and the 95 % interval of that (bootstrap over prompts).
    random : ndarray [draw]
        The mean effect of directions at random.
    data : ndarray [draw]
        That of random mixtures of what the prompts differ by at this layer, the direction taken out.
    p_random, p_data : float
        The share of these with an effect as large, to either side, the direction's own among them.
    q : float
        That of the probe: how far chance explains what it decodes.
    provenance : Provenance
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.probing:causal_test"

    layer: int
    classes: tuple[str, str]
    answer: str
    versus: str
    strength: float
    effects: _Floats
    effect: float
    low: float
    high: float
    random: _Floats
    data: _Floats
    p_random: float
    p_data: float
    q: float
    provenance: Provenance

    @property
    def passed(self) -> bool:
        """Whether labels are decodable, and the output moves to the second class, more than chance explains of each."""
        return bool(self.low > 0 and max(self.p_random, self.p_data, self.q) < LEVEL)

    def text(self) -> str:
        """Return what was found as a sentence; the word "encodes" is only in it where the test passed."""
        no, yes = self.classes
        moved = (
            f"steering from {no!r} to {yes!r} moves the logit difference of {self.answer!r} over {self.versus!r} by "
            f"{self.effect:+.3g} [{self.low:.3g}, {self.high:.3g}]"
        )
        nulls = (
            f"random directions of the same norm {np.abs(self.random).mean():.3g} on average, p {self.p_random:.2g}; "
            f"within the activations {np.abs(self.data).mean():.3g}, p {self.p_data:.2g}"
        )
        if self.passed:
            return f"layer {self.layer} encodes {no!r} against {yes!r}: {moved} ({nulls})"
        nothing = "the model uses what is decodable" if self.q < LEVEL else "anything is decodable"
        return f"layer {self.layer}: nothing says that {nothing}: {moved} ({nulls})"

    def _said(self) -> str:
        return self.text()

    def to_dataframe(self) -> pd.DataFrame:
        """Return a row: layer, effect, low, high, p_random, p_data, passed, answer, versus, strength, prompts."""
        import pandas as pd

        names = ("layer", "effect", "low", "high", "p_random", "p_data", "passed", "answer", "versus", "strength")
        return pd.DataFrame([{**{name: getattr(self, name) for name in names}, "prompts": len(self.effects)}])
