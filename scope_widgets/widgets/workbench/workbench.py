"""`Workbench`: attention, lens, attribution, patching and steering of one prompt, in one layout over one selection."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import ipywidgets

from scope_widgets._job import Job, JobStatus, Steps
from scope_widgets._reproducing_calls import literal
from scope_widgets.lens.direct_logit_attribution import direct_logit_attribution
from scope_widgets.models.microscope import Microscope
from scope_widgets.patching.patching_experiment import Experiment
from scope_widgets.patching.sweeps import Sweep
from scope_widgets.widgets.attention_view import AttentionView
from scope_widgets.widgets.attribution_view import AttributionView
from scope_widgets.widgets.core.display import Displayed
from scope_widgets.widgets.core.prompt_line import check_prompt
from scope_widgets.widgets.core.reproducing_code import made_by
from scope_widgets.widgets.core.saved_page import save_html
from scope_widgets.widgets.core.selection import Head, Selection
from scope_widgets.widgets.core.steering_notice import SteeringNotice
from scope_widgets.widgets.core.still import one_below_the_other
from scope_widgets.widgets.figures.captions import origin
from scope_widgets.widgets.logit_lens_view import LogitLensView
from scope_widgets.widgets.patching_map import PatchingMap
from scope_widgets.widgets.steering_panel import SteeringPanel
from scope_widgets.widgets.workbench.corrupted_prompt import carried_over
from scope_widgets.widgets.workbench.shared_lens import SharedLens
from scope_widgets.widgets.workbench.workbench_bar import WorkbenchBar

TITLES = {
    "attention": "Attention",
    "lens": "Logit lens",
    "attribution": "Attribution",
    "patching": "Patching",
    "steering": "Steering",
}
#: side by side where each has the room, else one below the other; of about the same height
COLUMNS = (("attention", "steering"), ("lens", "attribution", "patching"))
_GAP = "24px"
_COLUMN = {"flex": "1 1 max(440px, 40%)", "min_width": "0", "grid_gap": _GAP, "overflow": "hidden"}


class Workbench(Displayed, ipywidgets.VBox):  # type: ignore[misc,unused-ignore]
    """Attention, logit lens, attribution, patching and steering of one prompt, which one field changes for all.

    The views share the trace, so that the model is run once for them, and the selection.

    Parameters
    ----------
    scope : Microscope
    prompt : str
    corrupted : str, optional
        Of as many tokens: with it there is a map of patching, which runs while it is looked at. When words of the
        prompt are exchanged for others, those of the corrupted one are too.
    answer, versus : str or int, optional
        Two tokens whose logits attribution, patching and steering compare; default the two most probable next tokens,
        of each prompt its own.
    directions, heads, interventions : list
        What can be steered, as in `SteeringPanel`.
    labels : HeadLabels or mapping of (layer, head) to letter, optional
        Classes of heads, for the attention.
    hidden : list of str
        Panes that are not shown, of "attention", "lens", "attribution", "patching", "steering". The buttons of the bar
        set it too.
    selection : Selection, optional
    selected_heads : list of (layer, head), optional
    selected_tokens : list of int, optional
    theme : {"auto", "dark", "light"}

    Attributes
    ----------
    panes : dict of str to View
        The views, by their names.
    bar : View
        The bar on top.
    selection : Selection

    Raises
    ------
    TypeError, ValueError
        For what is no Microscope, several prompts or an empty one, or whatever a view does not take.

    Examples
    --------
    >>> bench = Workbench(scope, "When Mary and John went to the store, John gave a drink to")  # doctest: +SKIP
    >>> bench.change_prompt("When Anna and Paul went to the park, Paul gave a book to")  # doctest: +SKIP
    >>> bench.panes["steering"].strengths = [0.0]  # doctest: +SKIP
    """

    _row: Any = None
    #: whether a pane can take the place of another
    _lays_out_again = True

    def __init__(
        self,
        scope: Any,
        prompt: str,
        *,
        corrupted: str | None = None,
        answer: str | int | None = None,
        versus: str | int | None = None,
        directions: Any = (),
        heads: Any = (),
        interventions: Any = (),
        labels: Any = None,
        hidden: Iterable[str] = (),
        selection: Selection | None = None,
        selected_heads: Iterable[Head] | None = None,
        selected_tokens: Iterable[int] | None = None,
        theme: str = "auto",
    ) -> None:
        if not isinstance(scope, Microscope):
            raise TypeError(
                f"A Workbench takes a Microscope, not {scope!r:.60}: Workbench(Microscope.load('demo'), 'I think')."
            )
        check_prompt(prompt)
        self.scope = scope
        self.selection = Selection() if selection is None else selection
        self._pair = None if corrupted is None else (prompt, corrupted)
        trace = scope.trace(prompt)
        shared_lens = SharedLens()
        lens = Job(shared_lens.of(trace)).result()
        self._given_pair: dict[str, Any] = {"answer": answer, "versus": versus}
        compared_of = shared_lens.most_probable if answer is None and versus is None else None
        compared = self._given_pair if compared_of is None else Job(compared_of(trace)).result()
        shared: dict[str, Any] = {"selection": self.selection, "theme": theme, "prompt_line": False}
        attribution = scope.submit(direct_logit_attribution, trace, **compared).result()
        steered: dict[str, Any] = {"directions": directions, "heads": heads, "interventions": interventions}
        self.panes: dict[str, Any] = {}
        try:
            self.panes["attention"] = AttentionView(trace, labels=labels, **shared)
            self.panes["lens"] = LogitLensView(lens, scope=scope, **shared)
            self.panes["attribution"] = AttributionView(attribution, trace=trace, **shared)
            if self._pair is not None:
                self.panes["patching"] = Job(self._patching(self._pair, compared, theme)).result()
            self.panes["steering"] = SteeringPanel(scope, prompt, **steered, **compared, **shared)
            given = _arguments({"corrupted": corrupted, **self._given_pair, **steered, "labels": labels})
            self.bar = WorkbenchBar(
                scope,
                prompt,
                [[name, TITLES[name]] for name in self.panes],
                self._follow,
                lambda: self.views,
                title=f"Workbench, {str(scope.model_id).rstrip('/').rsplit('/', 1)[-1]}",
                n_layers=scope.n_layers,
                n_heads=scope.n_heads,
                origin=origin(scope.model_id, [prompt]),
                made_by=made_by("Workbench", scope=scope)
                + "".join(_unwritten(k) for k, v in given.items() if v is None),
                arguments=[f"{k}={k if v is None else v}" for k, v in given.items()],
                hidden=list(hidden),
                selection=self.selection,
                selected_heads=selected_heads,
                selected_tokens=selected_tokens,
                theme=theme,
            )
        except BaseException:
            for view in self.panes.values():
                view.close()
            raise
        self.panes["lens"].lens_of = shared_lens.of
        for one in (self.panes["attribution"], self.panes["steering"], self.bar):
            one.compared_of = compared_of
        self._columns = [ipywidgets.VBox(layout=_COLUMN) for _ in COLUMNS]
        row = {"flex_flow": "row wrap", "grid_gap": _GAP, "align_items": "flex-start", "overflow": "hidden"}
        self._row = ipywidgets.HBox(layout=row)
        super().__init__(children=[self.bar, self._row], layout={"overflow": "hidden"})
        self.bar.observe(lambda _: self._lay_out(), "hidden")
        self._steering = SteeringNotice(self.panes.values)
        for view in self.panes.values():
            self._steering.follow(view)
        self._steering.tell()
        self._lay_out()

    @property
    def prompt(self) -> str:
        """The prompt on show."""
        return str(self.bar.prompt)

    @property
    def views(self) -> list[Any]:
        """The views that are shown, without the bar."""
        return [view for name, view in self.panes.items() if name not in self.bar.hidden]

    @property
    def hidden(self) -> list[str]:
        """Names of the panes that are not shown."""
        return list(self.bar.hidden)

    @hidden.setter
    def hidden(self, names: Iterable[str]) -> None:
        self.bar.hidden = list(names)

    def change_prompt(self, prompt: str) -> None:
        """Run the model on another prompt and show it in all panes.

        Raises
        ------
        TypeError
            For several prompts, or whatever is no text.
        ValueError
            For a prompt that the model or one of the views does not take; all then stay as they are.
        """
        self.bar.change_prompt(prompt)

    def to_html(self, path: str | Path) -> Path:
        """Save the panes that are shown as one HTML file that works from disk, without a kernel or a network."""
        return save_html(self.views, path)

    def close(self) -> None:
        """Remove the bar and all panes from the notebook, hidden ones too, and stop what they are asked for."""
        if self._row is None:  # a constructor that refused its arguments did not come so far
            return
        for view in [self.bar, *self.panes.values()]:
            view.close()
        for box in (*self._columns, self._row, self):
            box.layout.close()
        for box in (*self._columns, self._row):
            box.close()
        super().close()

    def __repr__(self) -> str:
        if self._row is None:
            return "Workbench()"
        return f"Workbench(scope, {self.prompt!r}): {', '.join(self.panes)}"

    def _display_(self) -> Any:
        """Return what marimo shows: it has no boxes of widgets, and lays out once what is there."""
        mo: Any = import_module("marimo")
        self.bar.panes, self._lays_out_again = [], False
        columns = [
            mo.vstack([mo.ui.anywidget(view) for view in column.children], gap=1.5) for column in self._row.children
        ]
        return mo.vstack([mo.ui.anywidget(self.bar), mo.hstack(columns, widths="equal", align="start", gap=1.5)])

    def _still(self) -> dict[str, str]:
        """Return the stills of the panes that are shown."""
        return one_below_the_other([one._still() for one in self.views], [one.still_image() for one in self.views])

    def _lay_out(self) -> None:
        for view in self.panes.values():
            view.layout.min_width = "0"  # a view is as wide as its column, whatever stands in it
        for column, names in zip(self._columns, COLUMNS, strict=True):
            column.children = [self.panes[name] for name in names if name in self.panes and name not in self.bar.hidden]
        self._row.children = [column for column in self._columns if column.children]  # an empty one takes no room

    # -- patching, of two prompts

    def _patching(self, pair: tuple[str, str], compared: dict[str, Any], theme: str) -> Steps[PatchingMap]:
        options = {**dict.fromkeys(("metric", "roles", "corrupted_roles")), **compared}
        options |= {"over": "head", "positions": "each", "direction": "denoising"}
        sweep = yield from Sweep.submit_new(Experiment(self.scope, *pair, options)).follow()
        return PatchingMap(sweep, selection=self.selection, theme=theme, prompt_line=False)

    def _follow(self, text: str, trace: Any) -> Steps[Callable[[], None]]:
        """Make the map of patching of another prompt, where there is a corrupted one to it."""
        yield JobStatus("running", "looking for the corrupted prompt")
        pair, found, note = self._pair, None, ""
        if pair is not None and not self._lays_out_again:
            note = "Patching shows the pair of before: make another workbench for that of this prompt."
        elif pair is not None:
            other = carried_over(*pair, text)
            if other is None or other == text:
                note = "Patching shows the pair of before: no corrupted prompt follows from this one."
            else:
                compared_of = self.bar.compared_of
                compared = self._given_pair if compared_of is None else (yield from compared_of(trace))
                try:
                    found = (text, other), (yield from self._patching((text, other), compared, self.bar.theme))
                except ValueError as problem:
                    note = f"Patching shows the pair of before: {problem}"
        return lambda: self._put(text, found, note)

    def _put(self, text: str, found: tuple[tuple[str, str], PatchingMap] | None, note: str) -> None:
        self.bar.note, self.bar.origin = note, origin(self.scope.model_id, [text])
        if found is None:
            return
        old = self.panes["patching"]
        self._pair, self.panes["patching"] = found
        self._steering.follow(found[1])
        self._steering.tell()
        self.bar.arguments = [
            f"corrupted={literal(found[0][1])}" if one.startswith("corrupted=") else one for one in self.bar.arguments
        ]
        self._lay_out()
        old.close()


def _arguments(given: dict[str, Any]) -> dict[str, str | None]:
    """Return the arguments that were given as Python; None for what is no literal."""
    # a list that is empty is what is meant without one
    told = {name: value for name, value in given.items() if value is not None and not (_is_list(value) and not value)}
    return {name: literal(list(value) if _is_list(value) else value) for name, value in told.items()}


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _unwritten(name: str) -> str:
    return f"{name} = ...  # yours, which cannot be written out here\n"
