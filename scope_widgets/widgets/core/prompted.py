"""Views of one prompt, which can be shown of another one: the model runs again, and linked views follow."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any

import traitlets

from scope_widgets._job import JobStatus, Steps
from scope_widgets.widgets.core.requests import finished
from scope_widgets.widgets.core.view import LongAnswer, View

#: prompts that can be gone back to
MOST_PROMPTS = 100


class Prompted(View):
    """A view of one prompt that can show another one.

    A subclass says of which `scope` it is, reads its options from what it shows (`_traced_with`), and makes what it
    shows of another trace (`_made_of`). The browser draws the view anew when `shown` changes, so that nothing of one
    prompt stands beside anything of another.
    """

    prompts = traitlets.List(traitlets.Unicode(), help="shown so far; empty where there is no model to run").tag(
        sync=True
    )
    prompt_at = traitlets.Int(help="which of them is on show").tag(sync=True)
    shown = traitlets.Int(help="how many others were shown: each is drawn anew").tag(sync=True)
    #: what runs other prompts; None: nothing does
    scope: Any = None
    #: counts what was asked for, so that the latest wins
    _asked = 0

    def _traced_with(self) -> dict[str, Any]:
        """Return the options of `scope.trace` that the prompt on show was traced with."""
        return {}

    def _made_of(self, trace: Any) -> Steps[Callable[[], None]]:
        """Make what the view shows of a trace; return what puts it on show, which neither waits nor fails."""
        raise NotImplementedError

    @property
    def prompt(self) -> str:
        """The prompt on show; "" where it cannot be changed."""
        return self.prompts[self.prompt_at] if self.prompts else ""

    def change_prompt(self, prompt: str) -> None:
        """Run the model on another prompt and show it, as the field of the view does.

        Views of the same model and prompt that share the selection follow. Where something fails, all stay as they
        are.

        Parameters
        ----------
        prompt : str

        Raises
        ------
        ValueError
            Where the view has no model to run, and for a prompt that the model or one of the views does not take.
        """
        finished(self.answer_prompt(prompt))

    def answer_prompt(self, text: str, at: int | None = None) -> LongAnswer:
        """Show another prompt, with `at` one of those before: nothing changes before all that is new is there."""
        if self.scope is None or not self.prompts:
            raise ValueError("This view has no model to run another prompt with: give it one that is loaded.")
        asked = [(view, view._ask_anew()) for view in self._linked()]
        traces: dict[str, Any] = {}
        ready: list[tuple[Prompted, int, Callable[[], None]]] = []
        for view, number in asked:
            options = view._traced_with()
            if repr(options) not in traces:
                traces[repr(options)] = yield from _traced(self.scope, text, options)
            ready.append((view, number, (yield from view._made_of(traces[repr(options)]))))
        for view, number, put in ready:
            # one that was closed meanwhile, or asked for something else, is left alone
            if view._asked == number and view.selection.has(view):
                with view.hold_sync():
                    put()
                    view._remember(text, at)
                    view.shown += 1
        return {}, []

    def _linked(self) -> list[Prompted]:
        """Return this view, and those of the same selection, model and prompt."""
        others = [view for view in self.selection.views() if isinstance(view, Prompted) and view is not self]
        return [self, *(view for view in others if view.scope is self.scope and view.prompt == self.prompt)]

    def _ask_anew(self) -> int:
        self._asked += 1
        return self._asked

    def _remember(self, text: str, at: int | None) -> None:
        """Go to a prompt of before, or add one after that on show, as the history of a browser does."""
        if at is not None and 0 <= at < len(self.prompts) and self.prompts[at] == text:
            self.prompt_at = at
        elif text != self.prompt:
            prompts = [*self.prompts[: self.prompt_at + 1], text][-MOST_PROMPTS:]
            self.prompts, self.prompt_at = prompts, len(prompts) - 1


def _traced(scope: Any, text: str, options: dict[str, Any]) -> Steps[Any]:
    yield JobStatus("running", "running the model")
    if scope.interactive:
        return (yield from scope.submit(type(scope).trace, scope, text, **options).follow())
    # of a model on a server each view asks for what it needs; with `capture` all would come at once, without a job
    return scope.trace(text, **{name: value for name, value in options.items() if name != "capture"})


def options_of(calls: Iterable[str], function: str) -> dict[str, Any]:
    """Return the keyword arguments of the first call of a function among calls; {} where there is none."""
    for call in calls:
        found = ast.parse(call, mode="eval").body
        if isinstance(found, ast.Call) and ast.unparse(found.func) == function:
            pairs = [(str(one.arg), one.value) for one in found.keywords]
            # what stands for a value that is no literal is not known
            return {name: ast.literal_eval(value) for name, value in pairs if not isinstance(value, ast.Name)}
    return {}
