"""Heads that were found, compared with heads that are known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets._types import Array, Head
from scope_widgets.ioi.published import CLASSES, known

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class ReferenceComparison(Result):
    """How well heads that were found agree with a reference, class by class.

    Attributes
    ----------
    reference_name : str
        "gpt2", or "given".
    classes : list of str [row]
        Those in which there is a head on either side, in the order of `published.CLASSES`; then "all", the heads of all
        classes together, whatever class they are in.
    found, reference, true_positives : ndarray of int [row]
        Number of heads.
    precision : ndarray [row]
        Share of the found that are in the reference; NaN where nothing was found.
    recall : ndarray [row]
        Share of the reference that was found; NaN where the reference has none.
    f1 : ndarray [row]
        2 true positives / (found + reference), the harmonic mean of both where both exist, and 0 where only one side
        has heads; NaN where neither has.
    missed, extra : list of tuple of (layer, head) [row]
        In the reference and not found; found and not in the reference.
    provenance : Provenance
        Of the heads that were found.
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.ioi:reference_comparison"

    reference_name: str
    classes: list[str]
    found: Array
    reference: Array
    true_positives: Array
    precision: Array
    recall: Array
    f1: Array
    missed: list[tuple[Head, ...]]
    extra: list[tuple[Head, ...]]
    provenance: Provenance

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table, one row a class; missed and extra heads as text, such as "9.9 9.6"."""
        import pandas as pd

        names = ("found", "reference", "true_positives", "precision", "recall", "f1")
        columns = {"class": self.classes} | {name: getattr(self, name) for name in names}
        texts = {name: [_text(heads) for heads in getattr(self, name)] for name in ("missed", "extra")}
        return pd.DataFrame(columns | texts)

    def __repr__(self) -> str:
        """Show the table."""
        return f"ReferenceComparison with {self.reference_name}\n{self.to_dataframe().to_string(index=False)}"


def compare(
    found: Mapping[str, Sequence[Head]],
    reference: str | Mapping[str, Sequence[Head]],
    *,
    provenance: Provenance | None = None,
) -> ReferenceComparison:
    """Compare heads with a reference: precision, recall and F1 of each class and of all heads together.

    Parameters
    ----------
    found : dict of class to sequence of (layer, head)
        Classes are those of `published.CLASSES`.
    reference : str or dict
        "gpt2", or heads as in `found`.
    provenance : Provenance, optional
        Where the heads were found; `IOIResult.compare` gives that of the result.

    Returns
    -------
    ReferenceComparison
        One row a class, then "all".

    Raises
    ------
    TypeError, ValueError
        For a class or a reference that is not known, or something else than heads.

    Examples
    --------
    >>> comparison = ioi.compare({"name_mover": [(9, 9), (9, 6), (8, 1)]}, "gpt2")
    >>> comparison.classes[0], comparison.missed[0], comparison.extra[0]
    ('name_mover', ((10, 0),), ((8, 1),))
    """
    known_heads = _sets(known(reference) if isinstance(reference, str) else reference, "reference")
    found_heads = _sets(found, "found")
    pairs = {name: (found_heads.get(name, set()), known_heads.get(name, set())) for name in CLASSES}
    pairs = {name: pair for name, pair in pairs.items() if any(pair)}
    pairs["all"] = (set().union(*found_heads.values()), set().union(*known_heads.values()))
    n_found, n_reference, hits = (
        np.array(numbers) for numbers in zip(*((len(a), len(b), len(a & b)) for a, b in pairs.values()), strict=True)
    )
    return ReferenceComparison(
        reference_name=reference if isinstance(reference, str) else "given",
        classes=list(pairs),
        found=n_found,
        reference=n_reference,
        true_positives=hits,
        precision=_share(hits, n_found),
        recall=_share(hits, n_reference),
        f1=_share(2 * hits, n_found + n_reference),
        missed=[tuple(sorted(b - a)) for a, b in pairs.values()],
        extra=[tuple(sorted(a - b)) for a, b in pairs.values()],
        provenance=provenance or Provenance("", note="Heads that were given, not found by a detection."),
    )


def check_classes(classes: Mapping[str, Iterable[Any]], what: str) -> dict[str, list[Head]]:
    """Return heads by class as pairs of int, each once; raise where a class is unknown or a head is none."""
    if not isinstance(classes, Mapping):
        raise TypeError(f"{what}= is {{class: [(layer, head), ...]}}; got {type(classes).__name__}.")
    wrong = [name for name in classes if name not in CLASSES]
    if wrong:
        raise ValueError(f"{what}= has the class {wrong[0]!r}, which is not known; there are {', '.join(CLASSES)}.")
    return {name: list(dict.fromkeys(_head(head, what, name) for head in heads)) for name, heads in classes.items()}


def _head(head: Any, what: str, name: str) -> Head:
    try:
        layer, number = (int(part.__index__()) for part in head)
    except (TypeError, ValueError, AttributeError):
        layer = number = -1
    if layer < 0 or number < 0:
        raise ValueError(f"{what}[{name!r}] holds heads as (layer, head), counted from 0; got {head!r} among them.")
    return layer, number


def _sets(classes: Mapping[str, Iterable[Any]], what: str) -> dict[str, set[Head]]:
    return {name: set(heads) for name, heads in check_classes(classes, what).items()}


def _share(part: Array, whole: Array) -> Array:
    shares: Array = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return shares


def _text(heads: Iterable[Head]) -> str:
    return " ".join(f"{layer}.{head}" for layer, head in heads)
