"""`Ablation`: what is left of a behaviour when something was taken out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor

from scope_widgets._chart import Charted
from scope_widgets._provenance import Provenance
from scope_widgets._types import Array, Tokens
from scope_widgets.experiments.metric import MetricFunction, MetricName, metric_of
from scope_widgets.experiments.statistics.rounding import share, vanishes
from scope_widgets.models.execution.activation_edits import Edits
from scope_widgets.models.execution.cached_run import CachedRun
from scope_widgets.models.microscope import Microscope
from scope_widgets.patching.clean_corrupted_runs import prompt_texts

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Ablation(Charted):
    """A metric before and after something was taken out.

    Attributes
    ----------
    before, after : ndarray [prompt]
        The metric.
    kl : ndarray [prompt]
        Divergence in nats of the next-token distribution after the ablation from that before, at the last position.
    loss : ndarray [prompt]
        Rise of the mean cross-entropy of the prompt's own tokens, in nats; NaN for prompts of one token.
    metric : str
    what : str
        What was taken out, and how.
    provenance : Provenance
    floor : float
        The difference that rounding alone may make to the metric.
    """

    chart: ClassVar[str] = "scope_widgets.widgets.figures.charts:AblationChart"
    plotted_by: ClassVar[str] = "scope_widgets.plots.patching_effects:ablation"
    before: Array
    after: Array
    kl: Array
    loss: Array
    metric: str
    what: str
    provenance: Provenance
    floor: float = 0.0

    @property
    def lost(self) -> float:
        """Share of the mean metric that is lost; NaN where there was none to lose, see `message`."""
        before, after = float(self.before.mean()), float(self.after.mean())
        return float(share(before - after, before, self.floor))

    @property
    def message(self) -> str:
        """Why no share can be lost; else empty."""
        before = float(self.before.mean())
        if not vanishes(before, self.floor):
            return ""
        return (
            f"The mean {self.metric} is {before:.3g} before the ablation, which is 0 up to rounding, so that no share "
            "of it can be lost: see `after` and `kl`, or give answer= and versus=, whose logits differ."
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table, one row a prompt: prompt, before, after, change, kl, loss."""
        import pandas as pd

        columns = {"before": self.before, "after": self.after, "change": self.after - self.before}
        return pd.DataFrame({"prompt": np.arange(len(self.before)), **columns, "kl": self.kl, "loss": self.loss})

    def __repr__(self) -> str:
        """Say what was lost."""
        return (
            f"Ablation({self.what}: mean {self.metric} {self.before.mean():.3f} -> {self.after.mean():.3f}, "
            f"{len(self.before)} prompts)"
        )


def measure_ablation(
    scope: Microscope,
    run: CachedRun,
    edits: Edits,
    answer: Tokens | None,
    versus: Tokens | None,
    metric: MetricName | MetricFunction | None,
    what: str,
    seed: int | None,
    calls: tuple[str, ...] = (),
) -> Ablation:
    """Run again with edits, and compare what comes of it with the run; `what` was taken out, and how, by `calls`."""
    chosen = "kl" if metric is None and answer is None else metric
    measure = metric_of(chosen, scope.tokenizer, answer, versus, len(run), run.logits)
    before, after = scope.logits(run.token_ids), scope.logits(run.token_ids, edits)
    at = torch.arange(len(run), device=run.last.device), run.last
    kl = metric_of("kl", scope.tokenizer, None, None, len(run), before[at])
    return Ablation(
        before=measure.checked(before[at], "unchanged").numpy(),
        after=measure.checked(after[at], "ablated").numpy(),
        kl=kl.checked(after[at], "ablated").clamp_min(0.0).numpy(),
        loss=np.array([_loss(after[i], run, i) - _loss(before[i], run, i) for i in range(len(run))]),
        metric=measure.name,
        what=what,
        provenance=Provenance(
            model=scope.model_id,
            revision=scope.revision,
            prompts=tuple(prompt_texts(scope, run)),
            seed=seed,
            ablation=what,
            calls=calls,
        ),
        floor=measure.floor(scope, before[at]),
    )


def _loss(logits: Tensor, run: CachedRun, prompt: int) -> float:
    length = int(run.lengths[prompt])
    if length < 2:
        return float("nan")
    log_p = logits[: length - 1].double().log_softmax(-1)
    return -float(log_p.gather(-1, run.token_ids[prompt, 1:length, None]).mean())
