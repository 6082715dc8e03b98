"""`PatchingResult`: what patching each activation does, one number a cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets._types import Array
from scope_widgets.experiments.question import Question
from scope_widgets.experiments.statistics.rounding import rank

if TYPE_CHECKING:
    import pandas as pd
    from typing_extensions import Self


#: one bool a cell
Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, eq=False, repr=False)
class PatchingResult(Result):
    """Effects of patching activations of one run into another.

    An effect is `(m(patched) - m(base)) / (m(source) - m(base))`: 0 where nothing changed, 1 where the metric is that
    of the run the activation came from. Denoising: base is the corrupted run, source the clean one; noising: the other
    way.

    Attributes
    ----------
    values : ndarray [layer, position] or [layer, head, position]; without the last axis for all positions at once
        Mean effect over the prompts; NaN where not run, and everywhere where the denominator vanishes (see `message`).
    per_prompt : ndarray [prompt, ...] with the axes of `values`
        Change of each prompt's metric over the same denominator, so that their mean is `values`.
    estimate : ndarray like `values`, or None
        The gradient's estimate of the same effects, where it was made to order the cells.
    over : str
        What was patched: residual, attention_out, mlp_out, head, q, k, v, attention.
    direction : str
        "denoising" or "noising".
    metric : str
        Its name.
    positions : list of str
        What the position axis stands for: the tokens of the first clean prompt, or roles. Empty for all at once.
    clean, corrupted : ndarray [prompt]
        The metric of both runs.
    exact : bool
        False for the gradient's estimate.
    message : str
        What a reader must know, as a sentence; else empty.
    provenance : Provenance
    floor : float
        What rounding alone may make of an effect: a smaller one is none, and effects closer than that are a tie.
        Infinite where the metrics of both runs differ by rounding only, so that there is no effect.
    by_construction : ndarray of bool like `values`, or None
        Cells whose effect is 0 by construction, so that they were not run: at positions before the first token that
        differs; for paths, of senders that come after all receivers.
    question : Question, optional
        The first pair of prompts and its answers.
    """

    view: ClassVar[str] = "scope_widgets.widgets.patching_map:PatchingMap"
    plotted_by: ClassVar[str] = "scope_widgets.plots.patching_effects:patching"

    values: Array
    per_prompt: Array
    estimate: Array | None
    over: str
    direction: str
    metric: str
    positions: list[str]
    clean: Array
    corrupted: Array
    exact: bool
    message: str
    provenance: Provenance
    floor: float = 0.0
    by_construction: Mask | None = None
    question: Question | None = None

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Self:
        if "call" in fields:  # earlier versions wrote it beside the provenance
            fields["provenance"] = {**fields["provenance"], "calls": [fields.pop("call")]}
        return super()._from_fields(fields)

    @property
    def call(self) -> str:
        """The Python call that makes this result again, of `scope`; empty where none is known."""
        return self.provenance.calls[-1] if self.provenance.calls else ""

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes of `values`: layer, head where there are heads, position where it is not all at once."""
        heads = ("head",) if self.over in ("head", "q", "k", "v", "attention") else ()
        return ("layer", *heads, *(("position",) if self.positions else ()))

    @property
    def n_layers(self) -> int:
        """Number of layers, for the residual stream one more: its last is what enters the final norm."""
        return int(self.values.shape[0])

    @property
    def model_id(self) -> str:
        """Hub id or folder name of the model."""
        return self.provenance.model

    @property
    def done(self) -> int:
        """Number of cells that were run: neither estimates nor those that are 0 by construction."""
        return int((np.isfinite(self.per_prompt).all(0) & self.to_run).sum()) if self.exact else 0

    @property
    def to_run(self) -> Mask:
        """The cells that are not 0 by construction, with the axes of `values`."""
        return np.ones(self.values.shape, dtype=bool) if self.by_construction is None else ~self.by_construction

    def top(self, n: int = 10) -> pd.DataFrame:
        """Return the `n` cells with the largest absolute effect as a table, ties in the order of the cells."""
        table = self.to_dataframe().dropna(subset=["effect"])
        return table.iloc[rank(table["effect"].abs(), self.floor)[:n]]

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table: the axes, then effect, and estimate where there is one."""
        import pandas as pd

        index = np.indices(self.values.shape).reshape(self.values.ndim, -1)
        columns: dict[str, Any] = dict(zip(self.axes, index, strict=True))
        if self.positions:
            columns["token"] = [self.positions[at] for at in columns["position"]]
        columns["effect"] = self.values.ravel()
        if self.estimate is not None:
            columns["estimate"] = self.estimate.ravel()
        return pd.DataFrame(columns)

    def code(self, *cell: int) -> str:
        """Return the code that makes this result again, and shows the effect of one cell."""
        made = f"result = {self.call or '...'}"
        return f"{made}\nresult.values[{', '.join(map(str, cell))}]" if cell else made
