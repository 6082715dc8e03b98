"""A page of the workbench: what the browser's page asks for beyond its panels, of the workspace."""

from __future__ import annotations

from typing import Any

from scope_widgets._bar_steps import steps_of_bars
from scope_widgets._untrusted import opening
from scope_widgets.apps.workbench.workspace import Workspace
from scope_widgets.widgets.core.requests import Answer, LongAnswer
from scope_widgets.widgets.core.saved_page import page as saved_page
from scope_widgets.widgets.core.socket_comm import SendQueue
from scope_widgets.widgets.workbench.panels import BrowserPage

FIRST_PROMPT = "When Mary and John went to the store, John gave a drink to"
#: bytes of a file that a page is given
MOST_READ = 16 * 2**20


class WorkbenchPage(BrowserPage):
    """A page on a workspace: its models, files and jobs.

    Parameters
    ----------
    workspace : Workspace
    send_queue : SendQueue
    client : str
        Who asks, among those for whom turns are fair.
    """

    def __init__(self, workspace: Workspace, send_queue: SendQueue, client: str) -> None:
        self._workspace, self._client = workspace, client
        self._before = workspace.last_layout()
        super().__init__(
            workspace.scope(workspace.default),
            FIRST_PROMPT,
            send_queue,
            workspace.index,
            lambda model, steps: workspace.jobs.queue(model).in_turn(client, steps),
            workspace.files.below,
        )

    def scope_of(self, model: str) -> Any:
        """Return a model that is loaded."""
        try:
            return self._workspace.scope(model)
        except KeyError as unknown:
            raise ValueError(str(unknown.args[0])) from None

    def answer_layout(self, text: str) -> Answer:
        """Remember how the page has its panels, in the workspace too."""
        found = super().answer_layout(text)
        self._workspace.keep_layout(text)
        return found

    def answer_models(self) -> LongAnswer:
        """Answer with the models that are loaded, those of the workspace that can be, and those of a server."""
        workspace, there, note = self._workspace, [], ""
        try:
            there = yield from steps_of_bars(workspace.running_there, "asking the server for its models")
        except RuntimeError as silent:
            note = str(silent)
        inside = sorted(path.parent.name for path in workspace.files.folder.glob("*/config.json"))
        loaded = {name: workspace.server_of(scope) for name, scope in workspace.models.items()}
        known = [name for name in ["demo", *inside] if name not in loaded]
        return {"loaded": list(loaded), "servers": loaded, "known": known, "there": there, "note": note}, []

    def answer_load(self, name: str) -> LongAnswer:
        """Load a model, where there is memory for it."""
        scope = yield from self._workspace.load(name, self._client)
        return {"model": str(scope.model_id)}, []

    def answer_files(self) -> Answer:
        """Answer with the files of the workspace."""
        listed = self._workspace.files.list()
        return {"files": [{"name": one.name, "size": one.size, "changed": one.changed} for one in listed]}, []

    def answer_read(self, name: str) -> Answer:
        """Answer with what is in a file."""
        return {}, [self._workspace.files.read(name, MOST_READ)]

    def answer_save(self, name: str, what: str) -> Answer:
        """Write the session into the workspace: "notebook", "html" (the panels), or "layout"."""
        if what == "notebook":
            data = bytes(self.answer_notebook()[1][0])
        elif what == "html":
            views = [panel.view for side in self.sides.values() for panel in side.panels.values()]
            data = saved_page(views).encode()
        elif what == "layout":
            data = self._layout.encode()
        else:
            raise ValueError(f"A session is saved as notebook, html or layout, not as {opening(what)}.")
        entry = self._workspace.files.write(name, data)
        return {"name": entry.name, "size": entry.size}, []

    def answer_jobs(self) -> Answer:
        """Answer with all jobs of the server."""
        return {"jobs": [record.to_dict() for record in self._workspace.jobs.all()]}, []

    def answer_cancel(self, job: str) -> Answer:
        """Stop a job of the server."""
        try:
            return self._workspace.jobs.cancel(job).to_dict(), []
        except KeyError:
            raise ValueError(f"There is no job {opening(job)}.") from None

    def answer_html(self) -> Answer:
        """Answer with the saved page of all panels."""
        views = [panel.view for side in self.sides.values() for panel in side.panels.values()]
        return {}, [saved_page(views).encode()]
