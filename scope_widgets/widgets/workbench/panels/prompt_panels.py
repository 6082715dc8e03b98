"""The panels of one prompt, which follow it to another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scope_widgets._job import Job, JobStatus, Steps
from scope_widgets.models.tokens import token_texts
from scope_widgets.widgets.core.prompt_line import Prompted, PromptFollower, check_prompt
from scope_widgets.widgets.core.selection import Selection
from scope_widgets.widgets.core.steering_notice import SteeringNotice
from scope_widgets.widgets.figures.captions import origin
from scope_widgets.widgets.workbench.corrupted_prompt import carried_over
from scope_widgets.widgets.workbench.panels.make_panel import KINDS, make_panel
from scope_widgets.widgets.workbench.panels.panel_prompt import Prompt, no_folder
from scope_widgets.widgets.workbench.shared_lens import SharedLens
from scope_widgets.widgets.workbench.workbench_bar import WorkbenchBar


@dataclass
class Panel:
    """A view on a page: what it is and was made with."""

    id: str
    kind: str
    options: dict[str, Any]
    view: Any


class PanelsBar(WorkbenchBar):
    """The prompt of some panels: it changes theirs, whatever else shares the selection."""

    #: set by `PromptPanels`
    panels: dict[str, Panel]

    def linked(self) -> list[PromptFollower]:
        """Return the views of its own panels that show its prompt, what stands beside them, and itself."""
        views = [one.view for one in self.panels.values() if isinstance(one.view, Prompted) and one.kind != "patching"]
        views = [self, *(view for view in views if view.scope is self.scope and view.prompt == self.prompt)]
        return [*dict.fromkeys(one for view in views for one in view.beside()), *views]


class PromptPanels:
    """A prompt on a model, and its panels.

    Parameters
    ----------
    scope : Microscope
    prompt : str
    selection : Selection
    index, in_turn, folder : callable
        See `panel_prompt.Prompt`.
    changed : callable
        Called when the prompt, or the view of a panel, is another one.

    Attributes
    ----------
    bar : PanelsBar
        The prompt and those before; `change_prompt` shows another one in all panels.
    panels : dict of str to Panel
    tokens : list of str
        Texts of the prompt's tokens.
    """

    def __init__(
        self,
        scope: Any,
        prompt: str,
        *,
        selection: Selection,
        index: Callable[[Any], Any],
        in_turn: Callable[[Steps[Any]], Steps[Any]],
        changed: Callable[[], None],
        folder: Callable[..., Path] = no_folder,
    ) -> None:
        check_prompt(prompt)
        self.scope, self.selection = scope, selection
        self._index, self._in_turn, self._changed, self._folder = index, in_turn, changed, folder
        self._lens = SharedLens()
        self.panels: dict[str, Panel] = {}
        self._steering = SteeringNotice(lambda: [panel.view for panel in self.panels.values()])
        self._trace = Job(self._traced(prompt)).result(progress=False)
        self.bar = PanelsBar(
            scope,
            prompt,
            [],
            self._follow,
            lambda: [panel.view for panel in self.panels.values()],
            title="Workbench",
            n_layers=scope.n_layers,
            n_heads=scope.n_heads,
            selection=selection,
            prompt_line=False,
            origin=origin(scope.model_id, [prompt]),
        )
        self.bar.panels, self.bar.compared_of = self.panels, self._lens.most_probable
        self.bar.observe(lambda _: changed(), ["shown", "prompt_history", "prompt_at"])

    @property
    def prompt(self) -> str:
        """The prompt on show."""
        return self.bar.prompt

    @property
    def tokens(self) -> list[str]:
        """Texts of its tokens."""
        return token_texts(self.scope.tokenizer, self._trace.token_ids.tolist())

    def add(self, id: str, kind: str, options: dict[str, Any]) -> Steps[Panel]:
        """Make a panel; where the prompt becomes another one meanwhile, it is made of that."""
        while True:
            trace = self._trace
            view = yield from make_panel(kind, self._of(self.prompt, trace), options)
            if trace is self._trace or not KINDS[kind].of_prompt:
                break
            view.close()
        self.panels[id] = Panel(id, kind, options, view)
        self._steering.follow(view)
        self._steering.tell()
        self._changed()
        return self.panels[id]

    def remove(self, id: str) -> None:
        """Close a panel."""
        panel = self.panels.pop(id, None)
        if panel is not None:
            panel.view.close()
            self._steering.tell()
            self._changed()

    def close(self) -> None:
        """Close all panels and the prompt."""
        for panel in [*self.panels.values()]:
            panel.view.close()
        self.panels.clear()
        self.bar.close()

    def _of(self, text: str, trace: Any) -> Prompt:
        return Prompt(self.scope, text, trace, self._lens, self.selection, self._index, self._in_turn, self._folder)

    def _traced(self, text: str) -> Steps[Any]:
        yield JobStatus("running", "running the model")
        if self.scope.interactive:
            return (yield from self.scope.submit(type(self.scope).trace, self.scope, text).follow())
        return self.scope.trace(text)

    def _follow(self, text: str, trace: Any) -> Steps[Callable[[], None]]:
        """Make what does not follow by itself of another prompt: views of no prompt of their own, and a pair's."""
        of = self._of(text, trace)
        made: dict[str, tuple[dict[str, Any], Any]] = {}
        notes = []
        for panel in list(self.panels.values()):
            if panel.view in self.bar.linked():
                continue
            if not KINDS[panel.kind].of_prompt:
                continue
            options = dict(panel.options)
            if panel.kind == "patching":
                options["corrupted"] = carried_over(self.prompt, options["corrupted"], text) or ""
            try:
                made[panel.id] = options, (yield from make_panel(panel.kind, of, options))
            except ValueError as problem:
                notes.append(f"{KINDS[panel.kind].title} shows the prompt of before: {problem}")

        def put() -> None:
            self._trace = trace
            for id, (options, view) in made.items():
                panel = self.panels.get(id)
                if panel is None:
                    view.close()
                    continue
                old, panel.view, panel.options = panel.view, view, options
                self._steering.follow(view)
                old.close()
            self._steering.tell()
            self.bar.note, self.bar.origin = " ".join(notes), origin(self.scope.model_id, [text])

        return put
