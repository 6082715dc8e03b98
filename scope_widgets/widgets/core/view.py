"""What every view shares: bundle, selection, answers to the browser, and what it shows without a kernel."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import numpy.typing as npt
import traitlets

from scope_widgets._json_fields import decode
from scope_widgets._untrusted import check_plain, opening
from scope_widgets.widgets.core.bundle import bundle
from scope_widgets.widgets.core.definitions import defined
from scope_widgets.widgets.core.display import Displayed
from scope_widgets.widgets.core.drawing.figure_files import FigureFiles
from scope_widgets.widgets.core.drawing.png import width_of
from scope_widgets.widgets.core.drawing.svg_sheet import Paper
from scope_widgets.widgets.core.head_notes import as_notes, said, triples
from scope_widgets.widgets.core.opened_last import OpenedLast
from scope_widgets.widgets.core.requests import Answer as Answer
from scope_widgets.widgets.core.requests import Answers
from scope_widgets.widgets.core.requests import LongAnswer as LongAnswer
from scope_widgets.widgets.core.saved_page import page, save_html
from scope_widgets.widgets.core.selection import (
    Head,
    Selection,
    as_heads,
    as_latents,
    as_points,
    as_tokens,
    check_range,
    points_of,
    points_text,
)
from scope_widgets.widgets.core.still import NARROWEST, STILL_FACTOR, STILL_WIDTH, Table, still_bundle

#: pixels of a view, and numbers that it can draw to a scale
TALLEST, LARGEST = 20_000, 1e30

_log = logging.getLogger("scope_widgets")


class View(Answers, FigureFiles, Displayed, anywidget.AnyWidget, metaclass=OpenedLast):  # type: ignore[misc,unused-ignore]
    """A view of a result.

    A subclass names its bundle, adds its traits and answers requests with methods ``answer_<name>(**args)``
    that return ``(data, buffers)``. An answer that waits for a job is a generator (``yield from job.follow()``): it
    yields the `JobStatus` of each step and returns ``(data, buffers)``; the browser can stop it at each step, and the
    kernel runs other cells in between.

    Parameters
    ----------
    selection : Selection, optional
        Shared with the other views that are given the same; without it the view has one of its own.
    selected_heads : list of (layer, head), optional
    selected_tokens : list of int, optional
        Positions. Both replace what `selection` holds.
    **traits
        Values of other traits, such as ``title``; ``head_notes`` replace the notes of `selection`, ``selected_latents``
        its latents, ``selected_points`` its points.

    Raises
    ------
    TypeError
        When `selection` is something else than a `Selection`, or an option is unknown.
    traitlets.TraitError
        When a selected head is not one of the model, or a value has the wrong form.
    """

    bundle: ClassVar[str] = ""
    #: keys of `DEFINITIONS` that the view's words are explained by
    explains: ClassVar[tuple[str, ...]] = ()
    #: traits that the browser may set, each with the type of its JSON; the others are what a result says
    set_in_browser: ClassVar[dict[str, Any]] = {
        "selected_heads": list[list[int]],
        "selected_tokens": list[int],
        "selected_latents": list[str],
        "selected_points": str,
        "head_notes": list[tuple[int, int, str]],
        "height": int | None,
    }
    selection: Selection = None  # type: ignore[assignment]
    #: whether all constructors are through, see `OpenedLast`
    made = False
    #: what it shows is of the model as it is, whatever is steered beside it
    ignores_steering: ClassVar[bool] = True
    _own_layout = False
    #: traits that changed since the view was made, None once it is drawn
    _unheard: set[str] | None = None

    title = traitlets.Unicode().tag(sync=True)
    theme = traitlets.Enum(["auto", "dark", "light"], "auto").tag(sync=True)
    n_layers = traitlets.Int(None, allow_none=True).tag(sync=True)
    n_heads = traitlets.Int(None, allow_none=True).tag(sync=True)
    made_by = traitlets.Unicode(help="Python lines that make what is shown, see `reproducing_code`").tag(sync=True)
    definitions = traitlets.List(traitlets.List(traitlets.Unicode()), help="[term, meaning, formula, source]").tag(
        sync=True
    )
    origin = traitlets.Unicode(help="of which model and prompts it is, as a sentence").tag(sync=True)
    unsteered = traitlets.Bool(help="something beside it steers its prompt, and it shows the model as it is").tag(
        sync=True
    )
    selection_id = traitlets.Unicode(read_only=True).tag(sync=True)
    selected_heads: Any = traitlets.TraitType().tag(sync=True)
    selected_tokens: Any = traitlets.TraitType().tag(sync=True)
    selected_latents: Any = traitlets.TraitType(help="names, as `Selection.latents`").tag(sync=True)
    selected_points: Any = traitlets.TraitType(help='samples and positions, in the browser as "0 7 12 3"').tag(
        sync=True, to_json=points_text, from_json=points_of
    )
    head_notes: Any = traitlets.TraitType(help="[[layer, head, text], ...], the notes of the selection").tag(sync=True)
    _esm = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        *,
        selection: Selection | None = None,
        selected_heads: Iterable[Head] | None = None,
        selected_tokens: Iterable[int] | None = None,
        **traits: Any,
    ) -> None:
        if not isinstance(selection, (Selection, type(None))):
            raise TypeError(f"selection= takes a Selection, not {selection!r}; heads go into selected_heads=.")
        if unknown := sorted(set(traits) - set(self.trait_names())):
            named = set(inspect.signature(type(self)).parameters) - {"traits"}
            options = sorted(named | set(self.set_in_browser) | {"title", "theme", "selection"})
            raise TypeError(
                f"{type(self).__name__} has no option {', '.join(unknown)}. Its options are {', '.join(options)}."
            )
        self._running, self._paused = set(), {}
        self._unheard = None
        self._own_layout = "layout" not in traits
        self.selection = selection or Selection()  # from here on `close` has all that it needs
        self._following = False
        self.set_trait("selection_id", self.selection.id)
        self.follow("selected_heads", self.selection.heads)
        self.follow("selected_tokens", self.selection.tokens)
        self.follow("selected_latents", self.selection.latents)
        self.follow("selected_points", self.selection.points)
        self.follow("head_notes", triples(self.selection.notes))
        if selected_heads is not None:
            traits["selected_heads"] = selected_heads
        if selected_tokens is not None:
            traits["selected_tokens"] = selected_tokens
        super().__init__(**traits)
        self._unheard = set()
        self.selection.join(self)
        self.on_msg(self._hear)

    def __repr__(self) -> str:
        """Say what it shows, and how to see it where nothing draws it (Python in a terminal)."""
        of = str(self._trait_values.get("origin", "")).removesuffix(".")  # none yet while it is made
        return f"{type(self).__name__}({of}): a notebook shows it, .to_html('view.html') writes it as a page"

    def open(self) -> None:
        """Open the channel to the browser, once all that the view has is there to be sent."""
        if self.made:
            super().open()

    def set_state(self, sync_data: Any) -> None:
        """Take traits from the browser; those that it may not set, or not to that, it gets back as they are."""
        names = list(map(str, sync_data))
        try:
            if refused := [name for name in names if name not in self.set_in_browser or name not in self.keys]:
                raise ValueError(f"The browser does not set {opening(refused[0])} of a {type(self).__name__}.")
            check_plain(sync_data)
            super().set_state({name: decode(sync_data[name], self.set_in_browser[name], name) for name in names})
        except (ValueError, traitlets.TraitError) as refusal:
            _log.warning("%s", " ".join(str(refusal).split())[:400])
            self.send_state([name for name in names if name in self.keys])

    # -- hosts that drop what is sent to a view before it is drawn

    def notify_change(self, change: Any) -> None:
        """Send a changed trait, and remember its name until the browser has drawn the view."""
        super().notify_change(change)
        if self._unheard is not None and change["name"] in self.keys:
            self._unheard.add(change["name"])

    def _catch_up(self) -> None:
        unheard, self._unheard = self._unheard, None
        if unheard:
            self.send_state(sorted(unheard))

    # -- selection

    def follow(self, name: str, value: list[Any]) -> None:
        """Take over a value of the shared selection, even heads that only another view's model has."""
        self._following = True
        try:
            self.set_trait(name, value)
        finally:
            self._following = False

    @traitlets.default("selected_heads")
    def _no_heads(self) -> list[Head]:
        return []

    @traitlets.default("selected_tokens")
    def _no_tokens(self) -> list[int]:
        return []

    @traitlets.validate("selected_heads")
    def _check_heads(self, proposal: Any) -> list[Head]:
        heads = as_heads(proposal["value"])
        if not self._following:
            check_range(heads, self.n_layers, self.n_heads)
        return heads

    @traitlets.validate("selected_tokens")
    def _check_tokens(self, proposal: Any) -> list[int]:
        return as_tokens(proposal["value"])

    @traitlets.default("selected_latents")
    def _no_latents(self) -> list[str]:
        return []

    @traitlets.validate("selected_latents")
    def _check_latents(self, proposal: Any) -> list[str]:
        return as_latents(proposal["value"])

    @traitlets.default("selected_points")
    def _no_points(self) -> list[tuple[int, int]]:
        return []

    @traitlets.validate("selected_points")
    def _check_points(self, proposal: Any) -> list[tuple[int, int]]:
        return as_points(proposal["value"])

    @traitlets.default("head_notes")
    def _no_notes(self) -> list[list[Any]]:
        return []

    @traitlets.validate("head_notes")
    def _check_notes(self, proposal: Any) -> list[list[Any]]:
        return triples(as_notes(proposal["value"]))

    @traitlets.observe("head_notes")
    def _share_notes(self, change: Any) -> None:
        self.selection.notes = change["new"]

    @traitlets.observe("selected_heads", "selected_tokens", "selected_latents", "selected_points")
    def _share(self, change: Any) -> None:
        setattr(self.selection, change["name"].removeprefix("selected_"), change["new"])

    def close(self) -> None:
        """Remove the view from the notebook and from its selection, and stop what it is asked for."""
        if self.selection is not None:  # a constructor that refused its arguments did not come so far
            self.selection.leave(self)
            self._stop()
        if self._own_layout and (layout := self._trait_values.get("layout")) is not None:
            layout.close()
        super().close()

    def answer_ping(self) -> Answer:
        """Say that this view is there."""
        return {}, []

    def answer_html(self) -> Answer:
        """Return the saved page, for the browser's own save button."""
        return {}, [page([self]).encode()]

    # -- without a kernel

    def saved_answers(self) -> Iterable[tuple[str, dict[str, Any], dict[str, Any], list[bytes]]]:
        """Return the requests that a saved page can make: (name, args, data, buffers) each."""
        return ()

    def provenance_lines(self) -> list[str]:
        """Return what a saved page says below the view: model, prompts, versions."""
        return []

    def still_table(self) -> Table | None:
        """Return (header, rows) of a small table for hosts that cannot run the widget, or None."""
        return None

    def still_lines(self) -> str:
        """Return what stands above the picture, in a monospaced font; empty where there is nothing to say."""
        return ""

    def still_image(self) -> npt.NDArray[Any] | None:
        """Return a picture for such hosts, uint8 [row, column] or [row, column, 3 or 4], or None."""
        return None

    def to_html(self, path: str | Path) -> Path:
        """Save this view as one HTML file that works from disk, without a kernel or a network.

        Raises
        ------
        FileNotFoundError
            When the browser half is not built.
        """
        return save_html([self], path)

    # -- for papers

    def draw(self, paper: Paper, *, whole: bool = True) -> None:
        """Draw what is shown below what stands on a sheet; `whole`: also what the model must be asked for."""

    def caption(self) -> str:
        """Say what is shown, of which model and prompt, in which units: the words below a figure."""
        return self.origin

    def notes_said(self) -> str:
        """Return what a caption says of the notes on heads that the model has, after a space; "" where none."""
        layers, heads = self.n_layers, self.n_heads
        held = {head: text for head, text in self.selection.notes.items() if _is_within(head, layers, heads)}
        return said(held)

    def _still(self) -> dict[str, str]:
        paper = Paper(STILL_WIDTH)
        self.draw(paper, whole=False)
        picture = paper.svg("px", STILL_FACTOR) if paper.y else None
        lines = self.still_lines()
        image: Any = paper.picture  # compressed once
        if image is None or width_of(image) < NARROWEST:
            image = self.still_image()
        return still_bundle(self.title, self.still_table(), image, picture, self.selection_id, lines)

    @traitlets.default("definitions")
    def _explained(self) -> list[list[str]]:
        return defined(self.explains)

    @traitlets.default("_esm")
    def _read_bundle(self) -> str:
        try:
            return bundle(self.bundle)
        except FileNotFoundError as missing:  # say so in the cell: the Python half works without
            return f"export default {{ render({{ el }}) {{ el.textContent = {str(missing)!r}; }} }};"


def _is_within(head: Head, n_layers: int | None, n_heads: int | None) -> bool:
    return (n_layers is None or head[0] < n_layers) and (n_heads is None or head[1] < n_heads)
