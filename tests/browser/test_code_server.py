"""A saved notebook in VS Code's own notebook editor, as code-server runs it: no Jupyter extension, no kernel."""

import json
import re

import nbformat
import pytest
from playwright.sync_api import TimeoutError, expect

from tests.support.every_view import every_view
from tests.support.guarded_page import guarded_page
from tests.support.host_packages import installed
from tests.support.jupyter_server import free_port, serving
from tests.support.saved_notebook import WIDGET, saved_notebook

pytestmark = [pytest.mark.browser, pytest.mark.notebook_host, pytest.mark.heavy]

LONG = 60_000
SETTINGS = {
    "extensions.ignoreRecommendations": True,
    "security.workspace.trust.enabled": False,
    "telemetry.telemetryLevel": "off",
    "workbench.editorAssociations": {"*.ipynb": "jupyter-notebook"},
    "workbench.startupEditor": "none",
}
#: files of this machine, which a service worker of the page gives out under this name
OWN_FILES = re.compile(r"https://[^/]*\.vscode-resource\.vscode-cdn\.net/")


@pytest.fixture
def editor(tmp_path):
    """The address of an editor that has no extension but its own, and the folder that it shows."""
    installed("code-server/built")
    entry = installed("code-server/node_modules/code-server/out/node/entry.js")
    user = tmp_path / "user" / "User"
    user.mkdir(parents=True)
    (user / "settings.json").write_text(json.dumps(SETTINGS))
    folder = tmp_path / "notebooks"
    folder.mkdir()
    address = f"127.0.0.1:{free_port()}"
    command = ["node", str(entry), "--auth", "none", "--bind-addr", address, "--config", str(tmp_path / "config.yaml")]
    command += ["--disable-telemetry", "--disable-update-check", "--extensions-dir", str(tmp_path / "extensions")]
    command += ["--user-data-dir", str(user.parent)]
    with serving(command, f"http://{address}/healthz", tmp_path):
        yield f"http://{address}", folder


def test_a_saved_notebook_shows_its_pictures(browser, editor, screenshot):
    address, folder = editor
    views = every_view()
    notebook = saved_notebook(views.values())
    assert sum(WIDGET in output.data for cell in notebook.cells for output in cell.outputs) == len(views)
    nbformat.write(notebook, folder / "saved.ipynb")
    with guarded_page(browser) as page:
        page.route(OWN_FILES, lambda route: route.continue_())
        page.set_viewport_size({"width": 1300, "height": 1000})
        page.goto(f"{address}/?folder={folder}")
        file = page.locator(".monaco-list-row", has_text="saved.ipynb").first
        shown = page.locator(".cell-list-container").first
        closed = page.locator(".tab .codicon-close")
        for _ in range(20):  # it opens as text until the editor has looked through its extensions
            file.dblclick(timeout=LONG)
            closed.first.wait_for(timeout=LONG)
            try:
                shown.wait_for(timeout=3000)
                break
            except TimeoutError:
                closed.first.click()
        outputs = page.frame_locator("iframe.webview.ready").frame_locator("#active-frame")
        stills = outputs.locator(".sw-still")
        stills.first.wait_for(timeout=LONG)
        screenshot(page, "code-server", compared=False)
        expect(stills).to_have_count(len(views), timeout=LONG)
        assert outputs.get_by_text("No renderer").count() == 0
        images = stills.locator("img")
        assert images.evaluate_all("all => all.every(one => one.complete && one.naturalWidth > 0)")
        page.goto("about:blank")
        page.errors.clear()  # the search of files, which is not installed, and Microsoft's licence file
