"""`IOIResult`: the heads that do indirect-object identification, each with its evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets._types import Array, Head
from scope_widgets.ioi.comparison import ReferenceComparison, compare
from scope_widgets.ioi.graphviz import to_dot
from scope_widgets.ioi.published import CLASSES

if TYPE_CHECKING:
    import pandas as pd

#: a head with an effect that is carried as in none of the classes
UNCLASSIFIED = "unclassified"


@dataclass(frozen=True, eq=False, repr=False)
class IOIResult(Result):
    """Heads found by what they cause, named by what carries it.

    Attributes
    ----------
    layer, head : ndarray of int [row]
    head_class : list of str [row]
        One of `CLASSES`, or "unclassified": the head has an effect that is carried as in none of them.
    path : list of str [row]
        The path whose patching showed the effect.
    effect, low, high, p : ndarray [row]
        Share of the logit difference that is lost when the path is patched with the ABC prompt's activation (negative:
        gained), its 95 % bootstrap interval over the prompts, and the p of no effect, corrected for all heads tested.
    reads : list of str [row]
        The name whose exchange for another takes most of the effect away, and the position at which the head reads what
        carries most of it, such as "IO at IO+1"; "elsewhere" is none of the names, the tokens after them, and the end.
    share, share_there : ndarray [row]
        How much of the effect is lost when the head reads another name in place of this one, everywhere and at that
        position alone; more than 1 where the rest of what it reads works against it.
    signature : list of str [row]
        From the position of the path to the role that the head attends to most, such as "END -> IO".
    attention, elsewhere : ndarray [row]
        Mean attention there, and to a position that has no role: what a head that attends at random would show.
    copying, negative_copying : ndarray [row]
        Share of names that the head's output and value matrices bring to the top 5, or their negative does; NaN where
        the class has nothing to do with copying.
    direct : ndarray [layer, head]
        Direct effect on the logits of every head.
    logit_difference, logit_difference_abc : ndarray [prompt]
    lost, lost_at_random : float, ndarray [draw]
        Share of the logit difference lost when all name movers, subject suppressors and backups are ablated
        together (their output at the end replaced by its mean over ABC versions of the prompt), and when as many random
        other heads of the same layers (or the nearest) are. NaN and empty where there are none.
    p_behaviour : float
        Of a mean logit difference of 0 or less (one-sided t-test).
    message : str
        Why something was not looked for; else empty.
    strips : ndarray of uint8 [row, position]
        Attention of the head from its class's query position over the first prompt, 255 is 1.
    strip_tokens : list of str
    strip_queries : list of int [row]
    n_layers, n_heads : int
    provenance : Provenance
    """

    view: ClassVar[str] = "scope_widgets.widgets.head_table:HeadTable"
    plotted_by: ClassVar[str] = "scope_widgets.plots.ioi:ioi_heads"
    title: ClassVar[str] = "IOI heads"

    layer: Array
    head: Array
    head_class: list[str]
    path: list[str]
    effect: Array
    low: Array
    high: Array
    p: Array
    reads: list[str]
    share: Array
    share_there: Array
    signature: list[str]
    attention: Array
    elsewhere: Array
    copying: Array
    negative_copying: Array
    direct: Array
    logit_difference: Array
    logit_difference_abc: Array
    lost: float
    lost_at_random: Array
    p_behaviour: float
    message: str
    strips: Array
    strip_tokens: list[str]
    strip_queries: list[int]
    n_layers: int
    n_heads: int
    provenance: Provenance

    @property
    def model_id(self) -> str:
        """Hub id or folder name of the model."""
        return self.provenance.model

    @property
    def heads(self) -> pd.DataFrame:
        """The heads found as a table, one row a head, in the order of the classes and then of their effects."""
        return self.to_dataframe()

    @property
    def classes(self) -> dict[str, list[Head]]:
        """The heads of each class that was found."""
        found: dict[str, list[Head]] = {}
        for name, layer, head in zip(self.head_class, self.layer, self.head, strict=True):
            if name != UNCLASSIFIED:
                found.setdefault(name, []).append((int(layer), int(head)))
        return found

    def of(self, name: str) -> list[Head]:
        """Return the heads of a class, the one with the largest effect first.

        Raises
        ------
        ValueError
            When there is no such class.
        """
        if name not in CLASSES:
            raise ValueError(f"There is no class {name!r}; the classes are {', '.join(CLASSES)}.")
        return self.classes.get(name, [])

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table: layer, head, class, effect, low, high, p, then path, what it reads, attention and copying."""
        import pandas as pd

        evidence = ("effect", "low", "high", "p", "path", "reads", "share", "share_there")
        beside = ("signature", "attention", "elsewhere", "copying", "negative_copying")
        first = {"layer": self.layer, "head": self.head, "class": self.head_class}
        return pd.DataFrame(first | {name: getattr(self, name) for name in (*evidence, *beside)})

    def compare(self, reference: str | Mapping[str, Sequence[Head]]) -> ReferenceComparison:
        """Compare the heads found with a reference: "gpt2" (Wang et al. 2022), or heads of your own by class.

        Returns
        -------
        ReferenceComparison
            Precision, recall and F1 of each class.
        """
        return compare(self.classes, reference, provenance=self.provenance)

    def to_dot(self) -> str:
        """Return the heads found, and which class writes to which, as Graphviz DOT."""
        return to_dot(self.classes, title=f"IOI heads, {self.model_id}")
