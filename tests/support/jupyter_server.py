"""A real Jupyter server on this machine, for tests and benchmarks."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import nbformat
from playwright.sync_api import expect

from tests.support.paths import ROOT


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
    environment = {
        **os.environ,
        **homes,
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),  # for tests.support
    }
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


@contextmanager
def jupyter_server(module, folder, theme="light", options=()):
    """Serve `folder` with `python -m jupyterlab` or `python -m notebook` and its `options`; gives the address."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", module, *server_flags(port), "--LabApp.extension_manager=readonly", *options]
    with serving(command, f"{address}/api", folder):
        set_theme(address, theme)
        if module == "jupyterlab":
            put_setting(address, "apputils-extension:notification", {"fetchNews": "false"})
        yield address
        end_sessions(address)


def end_sessions(address):
    """End all kernels."""
    for session in json.loads(urllib.request.urlopen(f"{address}/api/sessions").read()):
        delete = urllib.request.Request(f"{address}/api/sessions/{session['id']}", method="DELETE")
        urllib.request.urlopen(delete)


def set_theme(address, theme):
    """Make it "light" or "dark" for pages that are opened from now on."""
    put_setting(
        address, "apputils-extension:themes", {"theme": f"JupyterLab {theme.capitalize()}", "adaptive-theme": False}
    )


def put_setting(address, plugin, values):
    url = f"{address}/lab/api/settings/{plugin if plugin.startswith('@') else f'@jupyterlab/{plugin}'}"
    body = json.dumps({"raw": json.dumps(values)}).encode()
    urllib.request.urlopen(urllib.request.Request(url, body, method="PUT"))


def write_notebook(path, codes):
    cells = [nbformat.v4.new_code_cell(code) for code in codes]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)


def notebook_url(host, address, name):
    """Return where JupyterLab or Notebook 7 shows a notebook, without the tabs of before."""
    return f"{address}/{'lab/tree' if host == 'jupyterlab' else 'notebooks'}/{name}?reset"


def open_notebook(page, url):
    """Open a notebook, wait for its kernel, and give its code cells."""

    def accept(dialog):
        print("The host asked:", dialog.inner_text())
        dialog.locator(".jp-mod-accept").click()

    # a slow machine makes JupyterLab ask for a kernel or report a conflict of settings
    page.add_locator_handler(page.locator(".jp-Dialog"), accept)
    page.goto(url)
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=60_000)
    return page.locator(".jp-CodeCell")


def run_cell(page, cell):
    """Run a cell; one that is run before the kernel has answered for the first time stays as it is."""
    for _ in range(10):
        cell.locator(".cm-content").click()
        page.keyboard.press("Shift+Enter")
        try:
            return expect(cell.locator(".jp-InputPrompt").first).not_to_have_text("[ ]:", timeout=3000)
        except AssertionError:
            continue
    raise TimeoutError("The cell did not run.")
