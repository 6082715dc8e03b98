"""The views in the real JupyterLab, Notebook 7 and marimo: drawn, heard by Python, moved by Python."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.notebook_host

TESTS = Path(__file__).parents[1]
LONG = 60_000
SHOW = f"""
import sys; sys.path.insert(0, {str(TESTS)!r})
import numpy as np
from planted import planted_trace, previous, random, uniform
from scope_widgets import heads, widgets
draw = np.random.default_rng(0)
words = ["When", " Mary", " and", " John", " went", " to", "<img src=x onerror=alert(1)>", " John"]
patterns = [[previous(8), uniform(8), random(8, draw), random(8, draw)] for _ in range(3)]
trace = planted_trace(patterns, [1, 2, 3, 4, 5, 6, 7, 4], words)
scores = heads.score(trace)
selection = widgets.Selection(heads=[(0, 0)])
view = widgets.AttentionView(trace, labels=heads.label(scores), selection=selection)
table = widgets.HeadTable(scores, labels=heads.label(scores), selection=selection)
"""
READ = "print('selected:', view.selected_heads, table.selected_heads)"
WRITE = "selection.heads = [(2, 1)]"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(address, process, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, "The server ended."
        try:
            return urllib.request.urlopen(address, timeout=2).read()
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(address)


@contextmanager
def serving(command, address, folder):
    homes = {name: str(folder / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}
    environment = {**os.environ, **homes, "JUPYTER_DATA_DIR": str(folder / "data"), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    with open(folder / "server.log", "w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            wait_for(address, process)
            yield
        finally:
            process.terminate()
            process.wait(20)


def server_flags(port):
    return [
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        "--no-browser",
        "--IdentityProvider.token=",
        "--ServerApp.password=",
        "--ServerApp.disable_check_xsrf=True",
        "--allow-root",
    ]


@pytest.fixture(params=["light", "dark"])
def theme(request):
    return request.param


@pytest.fixture(params=["jupyterlab", "notebook"])
def jupyter(request, theme, tmp_path):
    """JupyterLab or Notebook 7: its name, its address and its folder."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", request.param, *server_flags(port), "--LabApp.extension_manager=readonly"]
    with serving(command, f"{address}/api", tmp_path):
        put_setting(address, "themes", {"theme": f"JupyterLab {theme.capitalize()}", "adaptive-theme": False})
        if request.param == "jupyterlab":
            put_setting(address, "notification", {"fetchNews": "false"})
        yield request.param, address, tmp_path
        for session in json.loads(urllib.request.urlopen(f"{address}/api/sessions").read()):
            delete = urllib.request.Request(f"{address}/api/sessions/{session['id']}", method="DELETE")
            urllib.request.urlopen(delete)


def put_setting(address, plugin, values):
    url = f"{address}/lab/api/settings/@jupyterlab/apputils-extension:{plugin}"
    body = json.dumps({"raw": json.dumps(values)}).encode()
    urllib.request.urlopen(urllib.request.Request(url, body, method="PUT"))


def write_notebook(folder, name):
    cells = [nbformat.v4.new_code_cell(code) for code in (f"{SHOW}\nview", "table", READ, WRITE, READ)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / name)


def check(page, outputs, run):
    """Run the five cells: `run(n)` runs the n-th, `outputs(n)` locates what it shows."""
    run(0)
    view = outputs(0).locator(".av-cells")
    view.wait_for(timeout=LONG)
    run(1)
    row = outputs(1).locator(".sw-row", has_text="1.2").first
    row.wait_for(timeout=30_000)
    cell = view.bounding_box()["width"] / 4
    view.click(position={"x": 1.5 * cell, "y": 1.5 * cell})
    page.wait_for_timeout(300)
    run(2)
    outputs(2).get_by_text("selected: [(1, 1)] [(1, 1)]").wait_for(timeout=20_000)
    run(3)
    outputs(0).locator(".sw-bar").get_by_text("2.1", exact=True).wait_for(timeout=20_000)
    assert "<img·src=x·onerror=alert(1)>" in outputs(0).locator(".sw").inner_text()


def test_jupyter(jupyter, browser_page, screenshot, theme):
    host, address, folder = jupyter
    page = browser_page
    name = f"{host}-{theme}.ipynb"
    write_notebook(folder, name)
    page.set_viewport_size({"width": 1300, "height": 1500})
    page.goto(f"{address}/lab/tree/{name}?reset" if host == "jupyterlab" else f"{address}/notebooks/{name}")
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=60_000)
    cells = page.locator(".jp-CodeCell")
    page.errors.clear()  # Notebook 7 logs one of its own while it loads, before any cell has run

    def run(n):
        for _ in range(10):  # a cell that is run before the kernel has answered for the first time stays as it is
            cells.nth(n).locator(".cm-content").click()
            page.keyboard.press("Shift+Enter")
            try:
                return expect(cells.nth(n).locator(".jp-InputPrompt").first).not_to_have_text("[ ]:", timeout=3000)
            except AssertionError:
                continue
        raise TimeoutError(f"Cell {n} did not run.")

    check(page, lambda n: cells.nth(n).locator(".jp-OutputArea-output").first, run)
    cells.nth(0).locator(".jp-OutputArea-output").scroll_into_view_if_needed()
    screenshot(page, f"{host}-{theme}")


def test_marimo(browser_page, screenshot, tmp_path):
    page = browser_page
    body = "".join(f"        {line}\n" for line in SHOW.strip().splitlines() if "import" not in line)
    imports = "".join(f"    {line}\n" for line in SHOW.strip().splitlines() if "import" in line)
    names = "np, planted_trace, previous, random, uniform, heads, widgets, mo"
    notebook = f'''import marimo
app = marimo.App()

@app.cell
def _():
{imports}    import marimo as mo
    return {names}

@app.cell
def _({names}):
    def make():
{body}        return view, table, selection
    view, table, selection = make()
    shown = mo.ui.anywidget(view)
    shown
    return shown, view, table, selection

@app.cell
def _(mo, table):
    mo.ui.anywidget(table)
    return

@app.cell
def _(mo):
    button = mo.ui.run_button(label="from Python")
    button
    return (button,)

@app.cell
def _(mo, shown):
    mo.md("selected: " + str([tuple(head) for head in shown.value["selected_heads"]]))
    return

@app.cell
def _(button, selection):
    if button.value:
        selection.heads = [(2, 1)]
    return

if __name__ == "__main__":
    app.run()
'''
    (tmp_path / "nb.py").write_text(notebook)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "marimo", "-q", "run", "nb.py", "--host", "127.0.0.1", "--port", str(port)]
    with serving([*command, "--headless", "--no-token"], f"{address}/health", tmp_path):
        page.set_viewport_size({"width": 1300, "height": 1400})
        page.goto(address)
        view = page.locator(".av-cells")
        view.wait_for(timeout=LONG)
        page.locator(".sw-row", has_text="1.2").first.wait_for(timeout=30_000)
        cell = view.bounding_box()["width"] / 4
        view.click(position={"x": 1.5 * cell, "y": 1.5 * cell})
        page.get_by_text("selected: [(1, 1)]").wait_for(timeout=20_000)
        page.get_by_role("button", name="from Python").click()
        page.locator(".sw-bar").first.get_by_text("2.1", exact=True).wait_for(timeout=20_000)
        screenshot(page, "marimo")
