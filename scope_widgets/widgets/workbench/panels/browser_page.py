"""One page of a browser: prompts side by side, their panels, one selection, and what the page asks for."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scope_widgets._job import JobStatus, Steps
from scope_widgets._untrusted import opening
from scope_widgets.widgets.core.prompt_line import check_prompt
from scope_widgets.widgets.core.requests import Answer, Answers, LongAnswer
from scope_widgets.widgets.core.selection import Selection
from scope_widgets.widgets.core.socket_comm import SendQueue, SocketComm
from scope_widgets.widgets.workbench.panels.make_panel import KINDS, checked, suggested
from scope_widgets.widgets.workbench.panels.notebook_cells import notebook
from scope_widgets.widgets.workbench.panels.panel_prompt import no_folder
from scope_widgets.widgets.workbench.panels.prompt_panels import PromptPanels

#: the page itself among the ids of views
PAGE = "page"
MOST_PANELS = 40
#: characters that a page's layout may have, which it alone reads
MOST_LAYOUT = 100_000
_PANEL = re.compile(r"[a-z0-9]{4,32}")


class BrowserPage(Answers):
    """What one tab shows, as long as it is there.

    Parameters
    ----------
    scope : Microscope
    prompt : str
        The first one.
    send_queue : SendQueue
        Where messages to the browser go.
    index : callable
        Returns the `FeatureIndex` of a microscope's autoencoder; raises ValueError where there is none.
    in_turn : callable
        Goes through the steps of long work when it is their turn: ``in_turn(model_id, steps)``.
    folder : callable
        See `panel_prompt.Prompt`.

    Attributes
    ----------
    selection : Selection
    sides : dict of str to PromptPanels
        "a", and "b" where two prompts or models stand side by side.

    Examples
    --------
    >>> page = BrowserPage(scope, "I think", send_queue, index, in_turn)  # doctest: +SKIP
    >>> page.hear({"kind": "custom", "id": "page", "content": {...}}, [])  # doctest: +SKIP
    """

    def __init__(
        self,
        scope: Any,
        prompt: str,
        send_queue: SendQueue,
        index: Callable[[Any], Any],
        in_turn: Callable[[str, Steps[Any]], Steps[Any]],
        folder: Callable[..., Path] = no_folder,
    ) -> None:
        self._running, self._paused = set(), {}
        self._send_queue, self._index, self._in_turn, self._folder = send_queue, index, in_turn, folder
        self._comms: dict[str, SocketComm] = {}
        self._told: dict[str, Any] | None = None
        self._layout = ""
        self.selection = Selection()
        self.sides: dict[str, PromptPanels] = {}
        self._open_side("a", scope, prompt)

    #: the layout that was kept last when the page was opened
    _before = ""

    # -- the wire

    def tell_all(self) -> None:
        """Tell a browser that knows nothing all that there is."""
        self._told = self._state()
        for comm in self._comms.values():
            comm.open()
        self._send_queue.put({"kind": "open", "id": PAGE, "bundle": "", "state": self._told, "buffer_paths": []}, [])

    def tell_anew(self, known: list[str]) -> None:
        """Tell a browser that comes back what it knows not yet, what is gone, and the state of all views."""
        for id in known:
            if id not in self._comms and id != PAGE:
                self._send_queue.put({"kind": "close", "id": id}, [])
        for id, comm in self._comms.items():
            comm.refresh() if id in known else comm.open()
        self._told = self._state()
        kind = "update" if PAGE in known else "open"
        self._send_queue.put({"kind": kind, "id": PAGE, "bundle": "", "state": self._told, "buffer_paths": []}, [])

    def hear(self, head: dict[str, Any], buffers: list[Any]) -> None:
        """Give a message of the browser to whom it is for.

        Raises
        ------
        ValueError
            For what is no message to a view.
        """
        id = head.get("id")
        if id == PAGE:
            if head.get("kind") == "custom":
                self._hear(self, head.get("content"), buffers)
        elif isinstance(id, str) and id in self._comms:
            self._comms[id].hear(head, buffers)
        # a view that was closed meanwhile hears nothing

    def busy(self) -> int:
        """Return how many requests are being answered."""
        views = [comm.view for comm in self._comms.values()]
        return len(self._running) + sum(len(view._running) for view in views)

    def send(self, content: Any, buffers: Any = None) -> None:
        """Send a message of the page itself to the browser."""
        self._send_queue.put({"kind": "custom", "id": PAGE, "content": content}, list(buffers or []))

    def close(self) -> None:
        """Close all views, and stop what was asked for."""
        self._stop()
        for side in self.sides.values():
            side.close()
        self._comms.clear()

    # -- what the page asks for

    def answer_ping(self) -> Answer:
        """Say that it is there."""
        return {}, []

    def answer_add(self, panel: str, kind: str, side: str = "a", options: dict[str, Any] | None = None) -> LongAnswer:
        """Add a panel to a side, by a name that the page gives it."""
        if not _PANEL.fullmatch(panel) or any(panel in one.panels for one in self.sides.values()):
            raise ValueError(f"A panel has a name of its own of 4 to 32 letters and digits, not {opening(panel)}.")
        panels = self._side(side)
        given = checked(kind, options or {})
        if sum(len(one.panels) for one in self.sides.values()) >= MOST_PANELS:
            raise ValueError(f"A page has {MOST_PANELS} panels at most: close one first.")
        yield from panels.add(panel, kind, given)
        return {}, []

    def answer_remove(self, panel: str) -> Answer:
        """Close a panel."""
        for side in self.sides.values():
            side.remove(panel)
        return {}, []

    def answer_compare(self, text: str, model: str | None = None) -> LongAnswer:
        """Put another prompt beside the first, on the same model or another that is loaded."""
        check_prompt(text)
        scope = self.scope_of(model) if model else self.sides["a"].scope
        yield JobStatus("running", "running the model")
        if "b" in self.sides and self.sides["b"].scope is scope:
            yield from self.sides["b"].bar.answer_prompt(text)
        else:
            self._close_side("b")
            self._open_side("b", scope, text)
        self._changed()
        return {}, []

    def answer_model(self, model: str, side: str = "a") -> LongAnswer:
        """Show a side on another model that is loaded: its panels are made anew."""
        old, scope = self._side(side), self.scope_of(model)
        if old.scope is scope:
            return {}, []
        yield JobStatus("running", "running the model")
        new = self._panels(side, scope, old.prompt)
        try:
            for panel in list(old.panels.values()):
                try:
                    yield from new.add(panel.id, panel.kind, panel.options)
                except ValueError as problem:  # what this model cannot have is left out, and said
                    new.bar.note = f"{KINDS[panel.kind].title} is not there: {problem}"
        except BaseException:
            new.close()
            raise
        self.sides[side] = new
        old.close()
        self._changed()
        return {}, []

    def answer_single(self) -> Answer:
        """Close the second side with its panels."""
        self._close_side("b")
        self._changed()
        return {}, []

    def answer_layout(self, text: str) -> Answer:
        """Remember how the page has its panels; it alone reads it."""
        if len(text) > MOST_LAYOUT:
            raise ValueError(f"A layout has {MOST_LAYOUT:,} characters at most, not {len(text):,}.")
        self._layout = text
        return {}, []

    def answer_suggest(self, side: str = "a") -> Answer:
        """Answer with a corrupted prompt to that of a side, "" where none offers itself."""
        panels = self._side(side)
        return {"corrupted": suggested(panels.scope, panels.prompt)}, []

    def answer_notebook(self) -> Answer:
        """Answer with the session as a notebook that gives the same numbers."""
        return {}, [notebook(list(self.sides.values()), self.selection).encode()]

    # -- state

    def scope_of(self, model: str) -> Any:
        """Return a model that is loaded, by its name; a host with several overrides this."""
        for side in self.sides.values():
            if str(side.scope.model_id) == model:
                return side.scope
        raise ValueError(f"The model {opening(model)} is not loaded.")

    def _side(self, side: str) -> PromptPanels:
        if side not in self.sides:
            raise ValueError(f"There is no side {opening(side)}: there are {', '.join(self.sides)}.")
        return self.sides[side]

    def _panels(self, side: str, scope: Any, prompt: str) -> PromptPanels:
        model = str(scope.model_id)
        return PromptPanels(
            scope,
            prompt,
            selection=self.selection,
            index=self._index,
            in_turn=lambda steps: self._in_turn(model, steps),
            changed=self._changed,
            folder=self._folder,
        )

    def _open_side(self, side: str, scope: Any, prompt: str) -> None:
        self.sides[side] = self._panels(side, scope, prompt)

    def _close_side(self, side: str) -> None:
        if panels := self.sides.pop(side, None):
            panels.close()

    def _changed(self) -> None:
        """Join views that are new to the wire, forget those that are gone, and tell the browser what stands where."""
        views = {view: None for side in self.sides.values() for view in (side.bar, *_views(side))}
        for id, comm in list(self._comms.items()):
            if comm.view not in views:
                del self._comms[id]
        known = {comm.view for comm in self._comms.values()}
        told = self._told
        for view in views:
            if view not in known:
                comm = SocketComm(view, self._send_queue)
                self._comms[comm.comm_id] = comm
                if told is not None:
                    comm.open()
        if told is None:
            return
        state = self._state()
        if change := {name: one for name, one in state.items() if one != told.get(name)}:
            self._told = state
            self._send_queue.put({"kind": "update", "id": PAGE, "state": change, "buffer_paths": []}, [])

    def _state(self) -> dict[str, Any]:
        ids = {comm.view: id for id, comm in self._comms.items()}
        if any(side.bar not in ids for side in self.sides.values()):
            told, self._told = self._told, None
            self._changed()
            self._told = told
            ids = {comm.view: id for id, comm in self._comms.items()}
        return {
            "sides": {
                name: {
                    "bar": ids[side.bar],
                    "model": str(side.scope.model_id),
                    "prompt": side.prompt,
                    "tokens": side.tokens,
                }
                for name, side in self.sides.items()
            },
            "panels": [
                {
                    "id": panel.id,
                    "kind": panel.kind,
                    "side": name,
                    "options": panel.options,
                    "view": ids[panel.view],
                    "bundle": panel.view.bundle,
                }
                for name, side in self.sides.items()
                for panel in side.panels.values()
            ],
            "kinds": [
                {
                    "kind": name,
                    "title": kind.title,
                    "about": kind.about,
                    "makes": kind.makes,
                    "options": [
                        {"name": option, "label": label, "value": default, "choices": choices}
                        for option, (label, default, choices) in kind.options.items()
                    ],
                }
                for name, kind in KINDS.items()
            ],
            "selection_id": self.selection.id,
            "layout": self._layout,
            "before": self._before,
        }


def _views(side: PromptPanels) -> list[Any]:
    return [panel.view for panel in side.panels.values()]
