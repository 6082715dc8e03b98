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


class PromptFollower:
    """What shows a prompt and can be made of another one."""

    #: finds the tokens that are compared, `answer` and `versus`, of the trace of another prompt; None: they stay
    compared_of: Callable[[Any], Steps[dict[str, Any]]] | None = None
    #: counts what was asked for, so that the latest wins
    _asked = 0

    def ask_anew(self) -> int:
        """Begin to ask for another prompt; return the number of it."""
        self._asked += 1
        return self._asked

    def waits_for(self, number: int) -> bool:
        """Return whether it is still there, and was asked for nothing else since."""
        return self._asked == number

    def traced_with(self) -> dict[str, Any] | None:
        """Return the options of `scope.trace` for the prompt on show; None where no trace is needed."""
        return {}

    def made_of(self, text: str, trace: Any) -> Steps[Callable[[], None]]:
        """Make what is shown of a prompt; return what puts it on show, which neither waits nor fails."""
        raise NotImplementedError

    def take(self, put: Callable[[], None], text: str, at: int | None) -> None:
        """Show what was made of a prompt, with `at` one of those before."""
        put()


class Prompted(PromptFollower, View):
    """A view of one prompt that can show another one.

    A subclass says of which `scope` it is, and makes what it shows of another trace (`made_of`). The browser draws the
    view anew when `shown` changes, so that nothing of one prompt stands beside anything of another.
    """

    prompt_history = traitlets.List(
        traitlets.Unicode(), help="prompts shown so far; empty where there is no model to run another"
    ).tag(sync=True)
    prompt_at = traitlets.Int(help="which of them is on show").tag(sync=True)
    prompt_line = traitlets.Bool(True, help="there is a line to change it in").tag(sync=True)
    shown = traitlets.Int(help="how many others were shown: each is drawn anew").tag(sync=True)
    #: what runs other prompts; None: nothing does
    scope: Any = None
    #: prompts of other views leave it as it is, and its own theirs
    stands_alone: bool = False

    @property
    def prompt(self) -> str:
        """The prompt on show; "" where it cannot be changed."""
        return self.prompt_history[self.prompt_at] if self.prompt_history else ""

    def change_prompt(self, prompt: str) -> None:
        """Run the model on another prompt and show it, as the field of the view does.

        Views of the same model and prompt that share the selection follow. Where something fails, all stay as they
        are.

        Parameters
        ----------
        prompt : str

        Raises
        ------
        TypeError
            For several prompts, or whatever is no text.
        ValueError
            Where the view has no model to run, and for a prompt that the model or one of the views does not take.
        """
        finished(self.answer_prompt(prompt))

    def answer_prompt(self, text: str, at: int | None = None) -> LongAnswer:
        """Show another prompt, with `at` one of those before: nothing changes before all that is new is there."""
        if self.scope is None or not self.prompt_history:
            raise ValueError("This view has no model to run another prompt with: give it one that is loaded.")
        check_prompt(text)
        asked = [(one, one.ask_anew()) for one in self.linked()]
        traces: dict[str, Any] = {repr(None): None}
        ready: list[tuple[PromptFollower, int, Callable[[], None]]] = []
        for one, number in asked:
            options = one.traced_with()
            if options is not None and repr(options) not in traces:
                traces[repr(options)] = yield from _traced(self.scope, text, options)
            ready.append((one, number, (yield from one.made_of(text, traces[repr(options)]))))
        for one, number, put in ready:
            if one.waits_for(number):
                one.take(put, text, at)
        return {}, []

    def linked(self) -> list[PromptFollower]:
        """Return this view, and those of the same selection, model and prompt."""
        views = [view for view in self.selection.views() if isinstance(view, Prompted) and view is not self]
        others = [view for view in views if not view.stands_alone]
        views = [self, *(view for view in others if view.scope is self.scope and view.prompt == self.prompt)]
        return [*dict.fromkeys(one for view in views for one in view.beside()), *views]

    def beside(self) -> list[PromptFollower]:
        """Return what follows the prompt with this view, and is no view."""
        return []

    def waits_for(self, number: int) -> bool:
        """Return whether it is not closed, and was asked for nothing else since."""
        return super().waits_for(number) and self.selection.has(self)

    def take(self, put: Callable[[], None], text: str, at: int | None) -> None:
        """Show what was made of a prompt: a view is told all of it at once."""
        with self.hold_sync():
            put()
            self._remember(text, at)
            self.shown += 1

    def _remember(self, text: str, at: int | None) -> None:
        """Go to a prompt of before, or add one after that on show, as the history of a browser does."""
        history = self.prompt_history
        if at is not None and 0 <= at < len(history) and history[at] == text:
            self.prompt_at = at
        elif text != self.prompt:
            history = [*history[: self.prompt_at + 1], text][-MOST_PROMPTS:]
            self.prompt_history, self.prompt_at = history, len(history) - 1


def check_prompt(prompt: Any) -> None:
    """Raise a sentence unless it is one prompt with something in it."""
    if not isinstance(prompt, str):
        raise TypeError(f"What is shown is one prompt, a text, not {prompt!r:.60}.")
    if not prompt.strip():
        raise ValueError("The prompt is empty: write at least one word.")


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
