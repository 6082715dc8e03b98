"""`recall_heads`: which heads attend to the subject when a fact about it is asked for."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from scope_widgets._progress import tqdm
from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets._seeds import seed_of
from scope_widgets._types import Array
from scope_widgets.experiments.statistics.multiple_comparisons import Correction
from scope_widgets.experiments.statistics.rounding import rank
from scope_widgets.heads.compare_heads import compare_heads
from scope_widgets.heads.factual_recall.fact_set import FactSet
from scope_widgets.heads.factual_recall.subject_attention import SubjectAttention, subject_attention
from scope_widgets.heads.factual_recall.subject_positions import subject_positions
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable

if TYPE_CHECKING:
    import pandas as pd

#: prompts in one forward
_BATCH = 16


@dataclass(frozen=True, eq=False, repr=False)
class RecallHeads(Result):
    """How much more than to other tokens each head attends to the subject, one row a head.

    Attributes
    ----------
    layer, head : ndarray of int [row]
    effect : ndarray [row]
        Mean over prompts of attention to the subject minus attention to equally many other earlier tokens.
    low, high : ndarray [row]
        95 % interval of the effect, of this head alone.
    p, p_corrected : ndarray [row]
        Of the two-sided paired t-test over prompts; NaN where a head's difference is 0 in every prompt.
    found : ndarray of bool [row]
        Whether the corrected p is below alpha and the effect above min_effect.
    correction : {"bonferroni", "holm", "bh", "by"}
    alpha, min_effect : float
    n_prompts, n_layers, n_heads : int
    provenance : Provenance
    """

    view: ClassVar[str] = "scope_widgets.widgets.head_table:HeadTable"
    plotted_by: ClassVar[str] = "scope_widgets.plots.heads:ranked_heads"
    title: ClassVar[str] = "Heads that attend to the subject of facts"

    layer: Array
    head: Array
    effect: Array
    low: Array
    high: Array
    p: Array
    p_corrected: Array
    found: Array
    correction: Correction
    alpha: float
    min_effect: float
    n_prompts: int
    n_layers: int
    n_heads: int
    provenance: Provenance

    @property
    def heads(self) -> list[tuple[int, int]]:
        """The heads that were found, as (layer, head), the largest effect first."""
        rows = [row for row in rank(self.effect) if self.found[row]]
        return [(int(self.layer[row]), int(self.head[row])) for row in rows]

    @property
    def thresholds(self) -> dict[str, float]:
        """What a head's numbers are compared with: the effect must be above its own, the corrected p below."""
        return {"effect": self.min_effect, "p_corrected": self.alpha}

    @property
    def why_not(self) -> list[str]:
        """Of each row the conditions that it does not pass, each beside its limit; "" where it was found."""
        return [_why_not(*row, self.alpha, self.min_effect) for row in zip(self.effect, self.p_corrected, strict=True)]

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table: layer, head, effect, low, high, p, p_corrected, found, why_not."""
        import pandas as pd

        names = ("layer", "head", "effect", "low", "high", "p", "p_corrected", "found", "why_not")
        return pd.DataFrame({name: getattr(self, name) for name in names})


def _why_not(effect: float, p: float, alpha: float, min_effect: float) -> str:
    failed = [] if effect > min_effect else [f"effect {effect:.3g} is not above {min_effect:.3g}"]
    if p != p:
        failed.append("no p: the same in every prompt")
    elif not p < alpha:
        failed.append(f"corrected p {p:.2g} is not below {alpha:.3g}")
    return "; ".join(failed)


def recall_heads(
    source: Microscope | SubjectAttention,
    facts: FactSet | None = None,
    *,
    correction: Correction = "holm",
    alpha: float = 0.05,
    min_effect: float = 0.1,
    seed: int | None = 0,
    prepend_bos: bool | None = None,
) -> RecallHeads:
    """Find the heads whose last token attends to the subject of a fact more than to other tokens.

    Attention says where a head reads, not what comes of it: patch what is found (`patching.activations`, over="head").
    Where a template ends in its subject, heads that attend to the token before are found too.

    Parameters
    ----------
    source : Microscope or SubjectAttention
        A model to run the facts' prompts on, or what `subject_attention` measured.
    facts : FactSet, optional
        With a Microscope only, and then it must be given.
    correction : {"bonferroni", "holm", "bh", "by"}, default "holm"
        For the number of heads; see `correct`.
    alpha : float, default 0.05
        The level that corrected p values are compared with.
    min_effect : float, default 0.1
        The effect that a head must exceed.
    seed : int or None, default 0
        Of the templates, where a relation has several.
    prepend_bos : bool, optional
        Whether each prompt begins with the beginning-of-sequence token; by default as the tokenizer does it.

    Returns
    -------
    RecallHeads
        One row a head; `.heads` are those that were found.

    Raises
    ------
    TypeError
        For another source, or facts with it or none.
    ValueError
        For fewer than two prompts, or one that has no token to compare the subject with.

    Examples
    --------
    >>> facts = heads.FactSet(
    ...     [heads.Fact(name, "gift", "drink") for name in ("Mary", "John", "Anna", "Ben")],
    ...     {"gift": "When {subject} went to the store, someone gave a drink to"},
    ... )
    >>> heads.recall_heads(scope, facts).heads
    [(3, 0), (3, 1)]
    """
    seed = seed_of(seed)
    if isinstance(source, Microscope) and isinstance(facts, FactSet):
        attention = _measure(source, facts, seed, prepend_bos)
    elif isinstance(source, SubjectAttention) and facts is None:
        attention = source
    else:
        raise TypeError(
            "recall_heads() takes a Microscope and a FactSet, or what subject_attention() returns; got "
            f"{type(source).__name__} and {type(facts).__name__}."
        )
    without = np.flatnonzero(np.isnan(attention.control).all(axis=(1, 2)))
    if len(without):
        raise ValueError(
            f"Prompt {without[0]} has no token to compare its subject with: between the first and the last token "
            "there is only the subject. Take a longer template."
        )
    tested = compare_heads(attention.per_prompt, attention.control, test="paired-t", correction=correction, alpha=alpha)
    same = ("layer", "head", "effect", "low", "high", "p", "p_corrected", "correction", "alpha")
    return RecallHeads(
        **{name: getattr(tested, name) for name in same},
        found=tested.different & (tested.effect > min_effect),
        min_effect=min_effect,
        n_prompts=attention.n_prompts,
        n_layers=attention.n_layers,
        n_heads=attention.n_heads,
        provenance=attention.provenance,
    )


@remotable
def _measure(scope: Microscope, facts: FactSet, seed: int, prepend_bos: bool | None) -> SubjectAttention:
    prompts = facts.prompts(seed=seed)
    positions = [
        subject_positions(scope.tokenizer, prompt.text, prompt.subject, prepend_bos=prepend_bos) for prompt in prompts
    ]
    texts = [prompt.text for prompt in prompts]
    batches = [texts[i : i + _BATCH] for i in range(0, len(texts), _BATCH)]
    traces = (
        scope.trace(batch, capture=("attention",), logits=None, prepend_bos=prepend_bos)
        for batch in tqdm(batches, desc="Asking facts", leave=False)
    )
    attention = subject_attention(traces, positions)
    return dataclasses.replace(attention, provenance=dataclasses.replace(attention.provenance, seed=seed))
