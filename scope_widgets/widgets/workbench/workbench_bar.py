"""The bar of a workbench: the prompt that all its views follow, and which of them are shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import traitlets

from scope_widgets._job import Steps
from scope_widgets.widgets.core.prompt_line import Prompted
from scope_widgets.widgets.core.saved_page import page
from scope_widgets.widgets.core.view import Answer, View

#: makes what is no view of one prompt of another one, as `PromptFollower.made_of` does
Following = Callable[[str, Any], Steps[Callable[[], None]]]


class WorkbenchBar(Prompted):
    """The uppermost part of a `Workbench`, which makes it.

    Parameters
    ----------
    scope : Microscope
    prompt : str
    panes : list of (name, title)
    following : callable
        Makes what does not follow the selection's prompt by itself.
    shown_views : callable
        Returns the views that are saved.
    **traits
        Those of a view, and ``hidden``, names of panes.
    """

    bundle: ClassVar[str] = "workbench_bar"
    explains = ("attention", "logit_lens", "contribution", "strength", "logit_difference")
    set_in_browser: ClassVar[dict[str, Any]] = View.set_in_browser | {"hidden": list[str]}

    panes: Any = traitlets.List(help="[name, title] of each").tag(sync=True)
    hidden = traitlets.List(traitlets.Unicode(), help="names of panes").tag(sync=True)
    note = traitlets.Unicode(help="what does not follow the prompt, and why").tag(sync=True)
    arguments = traitlets.List(traitlets.Unicode(), help="of the workbench's call, as Python, after the prompt").tag(
        sync=True
    )

    def __init__(
        self,
        scope: Any,
        prompt: str,
        panes: list[list[str]],
        following: Following,
        shown_views: Callable[[], list[Any]],
        **traits: Any,
    ) -> None:
        self._names, self._following_panes, self._shown_views = [name for name, _ in panes], following, shown_views
        super().__init__(panes=panes, **traits)
        self.scope, self.prompt_history = scope, [prompt]

    @traitlets.validate("hidden")
    def _check_hidden(self, proposal: Any) -> list[str]:
        hidden = [str(name) for name in proposal["value"]]
        if unknown := [name for name in hidden if name not in self._names]:
            raise traitlets.TraitError(f"There is no pane {unknown[0][:40]!r}: there are {', '.join(self._names)}.")
        return [name for name in self._names if name in hidden]

    def traced_with(self) -> dict[str, Any] | None:
        """Return None: the bar shows nothing of a trace; one is for what finds the tokens that are compared."""
        return None if self.compared_of is None else {}

    def made_of(self, text: str, trace: Any) -> Steps[Callable[[], None]]:
        """Make what does not follow by itself."""
        return self._following_panes(text, trace)

    def answer_html(self) -> Answer:
        """Return the saved page of the panes that are shown."""
        return {}, [page(self._shown_views()).encode()]
