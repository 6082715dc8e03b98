"""Labels of an index fitted on half of its samples and scored on the other half."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from scope_widgets._types import Array
from scope_widgets.experiments.statistics.multiple_comparisons import correct
from scope_widgets.features.feature_index.feature_index import FeatureIndex
from scope_widgets.features.indexing.random_contexts import SCORED, WINDOW
from scope_widgets.features.labelling.fit_rules import Fitter
from scope_widgets.features.labelling.labels import UNLABELLED
from scope_widgets.features.labelling.passages import Passages, Vocabulary
from scope_widgets.features.labelling.rules import Rule, fires_by, rules_of, words_of
from scope_widgets.features.labelling.scores import Accuracy
from scope_widgets.features.labelling.within_passages import p_of_hits

#: says of a label and the tokens of some passages on which tokens the latent would fire
Predict: TypeAlias = Callable[[str, list[list[str]]], Sequence[Sequence[bool]]]
#: share of false labels among those that are given, at most
_FALSE = 0.05


@dataclass(frozen=True)
class Found:
    """What is known of the label of a latent; numbers are those of `FeatureLabels`, NaN and 0 where it has no scores.

    Attributes
    ----------
    label : str
        Before it is decided whether it is kept.
    evidence : str
    reason : str
        Why it is not given, by what is known of this latent alone; empty: it is.
    tested : bool
        Whether its p counts, by what is known without its scores.
    """

    label: str
    evidence: str
    reason: str = ""
    detection: float = np.nan
    fuzzing: float = np.nan
    null_detection: float = np.nan
    null_fuzzing: float = np.nan
    low: float = np.nan
    high: float = np.nan
    p: float = np.nan
    n: int = 0
    firing: int = 0
    tested: bool = False


def q_of(found: Sequence[Found]) -> Array:
    """Return the q of each p by Benjamini and Hochberg, over those that were tested; NaN of others."""
    return correct([one.p if one.tested else np.nan for one in found], method="bh")


def decided(found: Found, q: float) -> tuple[str, str]:
    """Return label and evidence, as they are given."""
    reason = found.reason
    if not reason and q > _FALSE:
        reason = f"where it fires in a passage may be chance (q {q:.2g} over latents)"
    if not reason:
        return found.label, found.evidence
    return UNLABELLED, f"{reason}: {found.label}; {found.evidence}" if found.label else reason


@dataclass(frozen=True)
class _Scored:
    """What the labels of a latent are scored on: its examples, and the random contexts that are `apart` from them."""

    examples: Passages
    apart: Array
    passages: Passages


class Labelling:
    """The passages of an index in two halves, and the labels that are the null."""

    def __init__(
        self,
        index: FeatureIndex,
        own: dict[int, str] | None,
        predict: Predict | None,
        n_contexts: int | None,
        null_draws: int,
        seed: int,
        least: int,
    ) -> None:
        self._index, self._own, self._predict, self._draws, self._seed = index, own, predict, null_draws, seed
        self._least = least
        rng = np.random.default_rng(seed)
        windows, samples = index.contexts.windows, index.contexts.samples
        self._some = np.sort(rng.permutation(len(windows))[:n_contexts])
        windows, samples = windows[self._some], samples[self._some]
        self._samples = np.unique(np.concatenate([samples, index.arrays["example_sample"].ravel()]))
        self._fits = rng.permutation(len(self._samples)) % 2 == 0
        self._vocabulary = Vocabulary(
            index, np.concatenate([windows.ravel(), np.unique(index.arrays["example_window"])])
        )
        shared = Passages.of(self._vocabulary, windows, np.zeros(windows.shape, dtype=bool))
        self._shared_fits = self._in_first_half(samples)
        self._fitter = Fitter(shared[self._shared_fits])
        self._held_out = shared[~self._shared_fits]
        self._rules: dict[int, list[Rule]] = {}
        self._of_shared: dict[str, Array | None] = {}
        self._pool = self._others(rng)

    def found(self, j: int) -> Found:
        """Return what is known of a latent."""
        label = self._label(j)
        if not label:
            return Found("", "", "no rule adds to what chance gives")
        scored = self._scored(j)
        said = self._said_of(label, scored)
        if said is None:
            return Found(label, "not scored: the label is not in the words of rules, so predict= is needed")
        passages = scored.passages
        detection, fuzzing = _accuracies(said, passages)
        nulls = self._nulls(j, label, scored)
        low, high = fuzzing.interval(detection.of, len(passages))
        # what says yes to nothing scores .5, which may be more than labels of others do
        better = low > max(nulls[1], 0.5) and not detection.balanced <= max(nulls[0], 0.5)
        enough = detection.of >= self._least
        too_few = f"it fires in {detection.of} of the passages that it is scored on, fewer than {self._least}"
        return Found(
            label,
            f"right on {detection.right} of {detection.of} passages in which it fires, and on "
            f"{detection.right_without:,} of {detection.of_without:,} in which it does not{self._how_often(j)}",
            too_few if not enough else "" if better else "not better than chance",
            detection.balanced,
            fuzzing.balanced,
            *nulls,
            low,
            high,
            p_of_hits(said, passages.fires, passages.there),
            len(passages),
            detection.of,
            tested=enough,
        )

    # --- labels -----------------------------------------------------------------------------------------------------

    def _label(self, j: int) -> str:
        if self._own is not None:
            return self._own[j]
        if j not in self._rules:
            fires = self._fires(j)[self._shared_fits][:, SCORED]
            counted = self._apart(j)[self._shared_fits]
            self._rules[j] = self._fitter.fit(self._examples(j, fitted=True), fires, counted)
        return words_of(self._rules[j], self._vocabulary)

    def _others(self, rng: np.random.Generator) -> list[str]:
        """Return labels from which those of others are drawn, four times as many as are needed."""
        if not self._draws:
            return []
        known = list(self._own) if self._own is not None else np.flatnonzero(self._index.arrays["count"]).tolist()
        labels = [self._label(j) for j in rng.permutation(known)[: 4 * self._draws].tolist()]
        return [label for label in dict.fromkeys(labels) if label]

    # --- scores -----------------------------------------------------------------------------------------------------

    def _said_of(self, label: str, scored: _Scored) -> Array | None:
        """Return where a label says that a latent fires in what is scored; None where nobody can say it."""
        of_shared, of_examples = self._said_of_shared(label), self._said(label, scored.examples)
        if of_shared is None or of_examples is None:
            return None
        return np.concatenate([of_examples, of_shared[scored.apart]])

    def _nulls(self, j: int, label: str, scored: _Scored) -> tuple[float, float]:
        """Return the mean detection and fuzzing of labels of other latents."""
        others = [one for one in self._pool if one != label]
        drawn = np.random.default_rng([self._seed, j]).permutation(len(others))[: self._draws]
        said = [self._said_of(others[at], scored) for at in drawn.tolist()]
        scores = [_accuracies(one, scored.passages) for one in said if one is not None]
        known = [(detection.balanced, fuzzing.balanced) for detection, fuzzing in scores]
        if not known:
            return 0.5, 0.5
        detection, fuzzing = np.mean(known, axis=0)  # NaN in all or in none: the passages are the same
        return float(detection), float(fuzzing)

    def _said_of_shared(self, label: str) -> Array | None:
        """Return what a label says of the random contexts; of labels that are a null it is kept."""
        if label not in self._pool:
            return self._said(label, self._held_out)
        if label not in self._of_shared:
            self._of_shared[label] = self._said(label, self._held_out)
        return self._of_shared[label]

    def _said(self, label: str, passages: Passages) -> Array | None:
        """Return where a label says that a latent fires, bool `[passage, scored]`."""
        if self._predict is not None:
            return self._predicted(label, passages)
        rules = rules_of(label, self._vocabulary)
        return None if rules is None else fires_by(rules, passages)

    def _predicted(self, label: str, passages: Passages) -> Array:
        assert self._predict is not None
        there = passages.numbers > 0
        numbers = [row[has].tolist() for row, has in zip(passages.numbers, there, strict=True)]
        given = self._predict(label, [[self._vocabulary.texts[one] for one in row] for row in numbers])
        said = np.zeros((len(passages), WINDOW), dtype=bool)
        lengths = [len(row) for row in numbers]
        try:
            found = [np.asarray(row, dtype=bool).ravel() for row in given]
        except (TypeError, ValueError):
            found = []
        if [len(row) for row in found] != lengths:
            raise ValueError(
                f"predict= returns a bool for each token of each of the {len(lengths)} passages it is given, as a list "
                "of lists of their lengths; it returned something else."
            )
        said[there] = np.concatenate(found) if found else False
        return said[:, SCORED] & passages.there

    # --- passages ---------------------------------------------------------------------------------------------------

    def _in_first_half(self, samples: Array) -> Array:
        """Return whether rules are fitted on samples, or scored."""
        found: Array = self._fits[np.searchsorted(self._samples, samples)]
        return found

    def _fires(self, j: int) -> Array:
        return self._index.contexts.fires(j)[self._some]

    def _apart(self, j: int) -> Array:
        """Return which random contexts share no token with an example of a latent: no token counts twice."""
        arrays = self._index.arrays
        there = arrays["example_row"][j] >= 0
        rows, samples = (arrays[f"example_{name}"][j][there] for name in ("row", "sample"))
        return self._index.contexts.apart_from(rows, samples)[self._some]

    def _scored(self, j: int) -> _Scored:
        examples = self._examples(j, fitted=False)
        apart = self._apart(j)[~self._shared_fits]
        others = self._held_out[apart].firing(self._fires(j)[~self._shared_fits][apart])
        return _Scored(examples, apart, Passages.joined([examples, others]))

    def _examples(self, j: int, *, fitted: bool) -> Passages:
        """Return the examples of a latent that are of one half; no two are of one sample."""
        arrays = self._index.arrays
        there = arrays["example_row"][j] >= 0
        samples = arrays["example_sample"][j][there]
        here = self._in_first_half(samples) == fitted
        bits = arrays["example_fires"][j][there][here]
        fires = (bits[:, None] >> np.arange(WINDOW)) & 1 == 1
        return Passages.of(self._vocabulary, arrays["example_window"][j][there][here], fires)

    def _how_often(self, j: int) -> str:
        """Return how often a latent fires on the tokens that it fires on most."""
        tokens = self._index.tokens(j).head(3)
        most = self._index.manifest.n_tokens
        of = np.round(np.clip(tokens["share"] / tokens["lift"] * most, 0, most)).fillna(0).astype(int)
        said = [
            f"{n:,} of {all_:,} {text!r}" for text, n, all_ in zip(tokens["token"], tokens["count"], of, strict=True)
        ]
        return f"; of all text it fires on {', '.join(said)}" if said else ""


def _accuracies(said: Array, passages: Passages) -> tuple[Accuracy, Accuracy]:
    """Return detection and fuzzing of what a label says of passages."""
    there = passages.there
    detection = Accuracy.count(np.any(said, 1), np.any(passages.fires, 1))
    return detection, Accuracy.count(said[there], passages.fires[there])
