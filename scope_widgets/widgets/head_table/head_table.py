"""One row a head: its class, its statistics with bars on one scale a column, sorted and filtered in the browser."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import pandas as pd
import traitlets

from scope_widgets._job import Steps
from scope_widgets._provenance import Provenance
from scope_widgets._reproducing_calls import literal
from scope_widgets._result import scope_behind
from scope_widgets.heads.head_scores import HeadScores
from scope_widgets.heads.label import HeadLabels, label
from scope_widgets.heads.score import score
from scope_widgets.models.remote_dispatch import submit
from scope_widgets.widgets.core.definitions import defined
from scope_widgets.widgets.core.drawing.svg_sheet import Paper
from scope_widgets.widgets.core.intervening import Intervening
from scope_widgets.widgets.core.prompt_line import Prompted, options_of
from scope_widgets.widgets.core.reproducing_code import made_by
from scope_widgets.widgets.core.selection import Head, Selection
from scope_widgets.widgets.core.view import View
from scope_widgets.widgets.figures.captions import counted, made_of, origin
from scope_widgets.widgets.figures.heads import draw_table
from scope_widgets.widgets.head_table.attention_strips import Strips
from scope_widgets.widgets.head_table.columns import HELP, Column, class_letters, evidence_of, pack, read_frame

_FALLBACK_ROWS = 12


class HeadTable(Intervening, Prompted):
    """A table of attention heads.

    Parameters
    ----------
    scores : HeadScores, any result with ``to_dataframe()``, or a DataFrame
        Columns ``layer`` and ``head``, then numbers and text. ``<name>_low`` and ``<name>_high`` are the interval
        of ``<name>`` and drawn as its whisker; plain ``low`` and ``high`` belong to the number column before them.
        ``<name>_threshold``, and plain ``threshold`` likewise, is what each row was compared with, a mark in its bar.
        A result may bring ``strips`` (uint8 [row, position], 255 is 1), ``strip_tokens`` and ``strip_queries``
        (a position a row): a column "strips" draws the attention of each head from its query over the tokens. Its
        ``message`` stands above the rows.
    labels : HeadLabels, optional
        Classes with the score that justifies each.
    columns : list of str, optional
        The columns to show, in this order; default all.
    thresholds : dict of str to float, optional
        Where the hairline in a column's bar stands; default those of `labels`, or of the result.
    filter : str, optional
        Such as ``"induction > .4 and layer < 12"``.
    sort : list of (column, "ascending" or "descending"), optional
    selection, selected_heads, selected_tokens
        See `View`.
    session : Session, optional
        Whose interventions the selected head is ablated, scaled or frozen among; default those of the selection.
    title : str, optional

    Raises
    ------
    TypeError
        When `scores` is not a table.
    ValueError
        When a column is missing, named twice or not there, a layer or head is not a whole number from 0, or strips do
        not fit the rows.

    Examples
    --------
    >>> table = HeadTable(pd.DataFrame({"layer": [0, 0], "head": [0, 1], "induction": [0.1, 0.9]}))
    >>> table.selected_heads = [(0, 1)]
    """

    bundle = "head_table"
    set_in_browser: ClassVar[dict[str, Any]] = View.set_in_browser | {
        "filter": str,
        "sort": list[list[str]],
    }

    n_rows = traitlets.Int().tag(sync=True)
    columns = traitlets.List(traitlets.Dict(), help="See `_columns.pack`.").tag(sync=True)
    numbers = traitlets.Bytes(help="float64 or float32, one column after another").tag(sync=True)
    texts = traitlets.Dict().tag(sync=True)
    letters = traitlets.List(traitlets.Unicode()).tag(sync=True)
    evidence = traitlets.List(traitlets.Unicode()).tag(sync=True)
    strips = traitlets.Bytes(help="uint8 [row, position]").tag(sync=True)
    strip_tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    strip_queries = traitlets.List(traitlets.Int()).tag(sync=True)
    message = traitlets.Unicode(help="What a reader must know, as a sentence.").tag(sync=True)
    arguments = traitlets.List(traitlets.Unicode(), help="as Python, those that Python alone sets").tag(sync=True)
    filter = traitlets.Unicode().tag(sync=True)
    sort: Any = traitlets.List().tag(sync=True)

    def __init__(
        self,
        scores: Any,
        labels: Any = None,
        *,
        columns: Sequence[str] | None = None,
        thresholds: Mapping[str, float] | None = None,
        filter: str = "",
        sort: Iterable[tuple[str, str]] = (),
        selection: Selection | None = None,
        selected_heads: Iterable[Head] | None = None,
        selected_tokens: Iterable[int] | None = None,
        title: str | None = None,
        **traits: Any,
    ) -> None:
        given = {"columns": columns, "thresholds": thresholds}
        self._given_columns, self._given_thresholds = columns, thresholds
        self._scores, self._labels = scores, labels
        shown = self._of_scores()
        super().__init__(
            selection=selection,
            selected_heads=selected_heads,
            selected_tokens=selected_tokens,
            title=title or self._titled(),
            arguments=[f"{name}={literal(one)}" for name, one in given.items() if one is not None],
            filter=filter,
            sort=[list(key) for key in sort],
            **shown,
            **traits,
        )
        self.scope = self._scope
        if self._scope is not None and self._is_of_one_trace():
            self.prompt_history = list(scores.provenance.prompts)
        self.begin_interventions()

    def _of_scores(self) -> dict[str, Any]:
        """Return the traits that say what is shown."""
        scores, labels = self._scores, self._labels
        frame = read_frame(scores)
        why = None if labels is None else labels.to_dataframe()
        if why is not None:
            frame = _with_labels(frame, why)
        strips = Strips.of(scores, len(frame))
        thresholds = self._given_thresholds
        if thresholds is None:
            thresholds = _thresholds(scores if labels is None else labels, frame)
        known = Column.of(frame, self._given_columns, thresholds, strips is not None)
        specs, numbers, texts = pack(frame, known)
        self._frame, self._known = frame, known
        self._columns = [column for column in known if column.shown]
        self._shown = [column.name for column in known if column.shown and column.kind != "strip"]
        self._provenance = getattr(scores, "provenance", None)
        self._scope = scope_behind(scores) if isinstance(self._provenance, Provenance) else None
        return {
            "n_layers": getattr(scores, "n_layers", None),
            "n_heads": getattr(scores, "n_heads", None),
            "made_by": made_by("HeadTable", scores=scores, **({} if labels is None else {"labels": labels})),
            "n_rows": len(frame),
            "columns": specs,
            "numbers": numbers,
            "texts": texts,
            "letters": class_letters(frame, labels),
            "evidence": evidence_of(frame, why),
            "strips": b"" if strips is None else strips.levels.tobytes(),
            "strip_tokens": [] if strips is None else strips.tokens,
            "strip_queries": [] if strips is None else strips.queries,
            "message": _message(scores),
        }

    def _titled(self) -> str:
        model = getattr(self._provenance, "model", "") or getattr(self._scores, "model_id", "")
        return _title(self._scores, self._known, self._labels is not None) + (f", {model}" if model else "")

    # -- another prompt

    def _is_of_one_trace(self) -> bool:
        """Return whether all that is shown is known to be made of one trace of one prompt."""
        last = [_function(one.provenance.calls) for one in (self._scores, self._labels) if one is not None]
        calls = self._scores.provenance.calls
        made = [_function(calls[:end]) for end in range(1, len(calls) + 1)]
        return (
            made[-2:] == ["scope.trace", "heads.score"]
            and last in (["heads.score"], ["heads.score", "heads.label"])
            and len(self._scores.provenance.prompts) == 1
        )

    def traced_with(self) -> dict[str, Any]:
        """Return the options that the trace of the scores was made with."""
        return options_of(self._scores.provenance.calls, "scope.trace")

    def made_of(self, text: str, trace: Any) -> Steps[Callable[[], None]]:
        """Score the trace of another prompt, and give its heads classes by the same thresholds."""
        scores = yield from submit(score, trace, **options_of(self._scores.provenance.calls, "heads.score")).follow()
        labels = None
        if self._labels is not None:
            labels = label(scores, **options_of(self._labels.provenance.calls, "heads.label"))
        return lambda: self._put(scores, labels)

    def _put(self, scores: HeadScores, labels: HeadLabels | None) -> None:
        own_title = self.title != self._titled()
        self._scores, self._labels = scores, labels
        for name, value in self._of_scores().items():
            setattr(self, name, value)
        self.origin = self._origin()
        if not own_title:
            self.title = self._titled()

    # -- interventions

    def intervenes_on(self) -> tuple[Any, str | None] | None:
        """Return the model, and the prompt where the scores are of one."""
        found = self._provenance
        if self._scope is None or found is None:
            return None
        if self.prompt_history:
            return self._scope, self.prompt
        return self._scope, found.prompts[0] if len(found.prompts) == 1 else None

    @traitlets.validate("sort")
    def _check_sort(self, proposal: Any) -> list[list[str]]:
        keys = [list(key) if isinstance(key, (list, tuple)) else [key] for key in proposal["value"]]
        for key in keys:
            if len(key) != 2 or key[1] not in ("ascending", "descending"):
                raise traitlets.TraitError(f"Sort by [(column, 'ascending' or 'descending'), ...], not by {key!r}.")
            if key[0] not in self._frame.columns:
                raise traitlets.TraitError(f"There is no column {key[0]!r} to sort by: {_names(self._frame)}.")
        return keys

    def provenance_lines(self) -> list[str]:
        """Return where the scores came from."""
        return [] if self._provenance is None else list(self._provenance.lines())

    def still_table(self) -> tuple[list[str], list[list[str]]]:
        """Return the first rows, as sorted; without an order, those that have a class first."""
        frame = self._sorted()
        names = [name for name in self._shown if name not in ("layer", "head")][:8]
        rows = [
            [f"{head['layer']}.{head['head']}", *(_written(name, head[name]) for name in names)]
            for head in frame.head(_FALLBACK_ROWS).to_dict("records")
        ]
        left = len(frame) - len(rows)
        if left:
            rows.append([f"and {left:,} more", *("" for _ in names)])
        return ["head", *(name.replace("_", " ") for name in names)], rows

    def _sorted(self) -> pd.DataFrame:
        """Return the rows as sorted; without an order, those that have a class first."""
        frame = self._frame
        if self.sort:
            names = [name for name, _ in self.sort]
            return frame.sort_values(names, ascending=[way == "ascending" for _, way in self.sort], kind="stable")
        if "label" in frame:
            return frame.sort_values("label", key=lambda label: label == "", kind="stable")
        return frame

    # -- for papers

    def draw(self, paper: Paper, *, whole: bool = True) -> None:
        """Draw the first rows as sorted; a still is a table already."""
        if whole:
            draw_table(paper, self._sorted(), self._columns, self.letters)

    def caption(self) -> str:
        """Say what the columns and the marks are, of which model and prompts."""
        said = [f"One row a head, of {counted(len(self._frame), 'head')}."]
        known = [(name.replace("_", " "), HELP[name].rstrip(".")) for name in self._shown if name in HELP]
        if known:
            said.append("Columns: " + "; ".join(f"{name}, {text[0].lower()}{text[1:]}" for name, text in known) + ".")
        if any(column.threshold is not None for column in self._columns):
            said.append("Dashed: the threshold of a class.")
        if any(column.low for column in self._columns):
            said.append("Whiskers: the interval.")
        if self.message:
            said.append(self.message)
        said += [self.origin] if self.origin else []
        said += made_of(self._provenance) if isinstance(self._provenance, Provenance) else []
        return " ".join(said) + self.notes_said()

    @traitlets.default("definitions")
    def _explained(self) -> list[list[str]]:
        names = [column.name for column in self._columns]
        about = ["class"] if self.letters else []
        about += ["threshold", "null"] if any(column.threshold is not None for column in self._columns) else []
        return defined([*names, *about, *(["intervention", "orders_of_heads"] if self._scope is not None else [])])

    @traitlets.default("origin")
    def _origin(self) -> str:
        found = self._provenance
        return "" if found is None else origin(str(getattr(found, "model", "")), getattr(found, "prompts", ()))


def _function(calls: Sequence[str]) -> str:
    """Return the name of the function of the last call; "" where there is none."""
    return calls[-1].partition("(")[0] if calls else ""


def _with_labels(frame: pd.DataFrame, why: pd.DataFrame) -> pd.DataFrame:
    names = why.groupby(["layer", "head"])["label"].agg(", ".join)
    keys = pd.MultiIndex.from_frame(frame[["layer", "head"]])
    frame = frame.drop(columns="label", errors="ignore")
    frame.insert(2, "label", names.reindex(keys).fillna("").to_numpy())
    return frame


def _title(scores: Any, columns: Sequence[Column], labelled: bool) -> str:
    """Say what a table is of: as its result says it, else by its first columns of numbers."""
    said = getattr(scores, "title", "")
    if not isinstance(said, str) or not said:
        numbers = [column.name for column in columns if column.shown and column.kind == "number"]
        numbers = [name for name in numbers if name not in ("p", "p_corrected")]
        names = ", ".join(name.replace("_", " ") for name in numbers[:3])
        said = f"Heads: {names}{', …' * (len(numbers) > 3)}" if names else "Heads"
    return f"{said}, with labels" if labelled else said


def _thresholds(labels: Any, frame: pd.DataFrame) -> dict[str, float]:
    """Take the thresholds that the labels were given by, or that a result compares its heads with."""
    held: Mapping[str, float] = getattr(labels, "thresholds", {})
    return {name: threshold for name, threshold in held.items() if name in frame.columns}


def _message(scores: Any) -> str:
    return "" if isinstance(scores, pd.DataFrame) else str(getattr(scores, "message", ""))


def _names(frame: pd.DataFrame) -> str:
    return "the columns are " + ", ".join(map(str, frame.columns))


def _written(name: str, value: Any) -> str:
    if isinstance(value, float):
        return "–" if value != value else f"{value:.3g}".replace("-", "−")
    return str(value).replace("_", " ") if name in ("label", "class") else str(value)
