"""Kernel messages with and without TCP's delay, in the real JupyterLab and Notebook 7."""

import json
import statistics
import subprocess
import sys
import urllib.request

import pytest

from tests.support.jupyter_server import jupyter_server, open_notebook, run_cell, write_notebook

pytestmark = pytest.mark.notebook_host

SETTING = "ServerApp.kernel_websocket_connection_class"
CLASS = "scope_widgets.apps.jupyter.PromptConnection"
ECHO = '''
import anywidget

class Echo(anywidget.AnyWidget):
    _esm = """
    const pause = () => new Promise((done) => setTimeout(done, 60 + 40 * Math.random()));
    const once = (model) => new Promise((done) => {
      const start = performance.now();
      const hear = () => { model.off("msg:custom", hear); done(performance.now() - start); };
      model.on("msg:custom", hear);
      model.send({});
    });
    export default {
      render({ model, el }) {
        el.className = "echo";
        el.textContent = "here";
        window.echo = async (n) => {
          const times = [];
          for (let i = 0; i < n; i++) { await pause(); times.push(await once(model)); }
          return times;
        };
      },
    };
    """

    def __init__(self):
        super().__init__()
        self.on_msg(lambda *_: self.send({}))

Echo()
'''
#: an extension of the server that tells of its connections to kernels
PROBE = """
import socket
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

def delayed(connection):
    stream = connection.websocket_handler.ws_connection.stream
    return not stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

class Probe(JupyterHandler):
    def get(self):
        open_ones = list(ZMQChannelsWebsocketConnection._open_sockets)
        self.finish({type(one).__name__: delayed(one) for one in open_ones})

def _jupyter_server_extension_points():
    return [{"module": "probe"}]

def _load_jupyter_server_extension(server):
    server.web_app.add_handlers(".*$", [("/probe", Probe)])
"""


@pytest.fixture
def trip(tmp_path, monkeypatch, browser):
    """``trip(host, options, config)`` gives the server's connections, and what seven in ten messages take at most."""
    (tmp_path / "probe.py").write_text(PROBE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    folders = iter("abc")

    def measure(host="jupyterlab", options=(), config=""):
        folder = tmp_path / next(folders)
        (folder / "jupyter_config_dir").mkdir(parents=True)
        (folder / "jupyter_config_dir" / "jupyter_server_config.py").write_text(config)
        write_notebook(folder / "echo.ipynb", [ECHO])
        options = ["--ServerApp.jpserver_extensions=probe=True", *options]
        page = browser.new_page()
        with jupyter_server(host, folder, options=options) as address:
            cells = open_notebook(page, f"{address}/{'lab/tree' if host == 'jupyterlab' else 'notebooks'}/echo.ipynb")
            run_cell(page, cells.nth(0))
            page.locator(".echo").wait_for(timeout=60_000)
            times = page.evaluate("window.echo(60)")
            connections = json.loads(urllib.request.urlopen(f"{address}/probe").read())
            page.close()
        print(host, connections, *(round(time) for time in sorted(times)))
        return connections, statistics.quantiles(times, n=10)[6]  # without the setting not all are late

    return measure


def test_messages_come_at_once_with_the_setting_and_late_without(trip):
    # the sockets say whether they hold packets back; what that costs in time is a benchmark
    connections, _ = trip()
    assert connections == {"ZMQChannelsWebsocketConnection": True}
    connections, _ = trip(options=[f"--{SETTING}={CLASS}"])
    assert connections == {"PromptConnection": False}


def test_notebook_7_and_a_line_in_the_configuration(trip):
    connections, _ = trip("notebook", config=f"c.{SETTING} = {CLASS!r}")
    assert connections == {"PromptConnection": False}


def test_the_setting_brings_nothing_heavy_to_the_server():
    code = (
        "import sys, scope_widgets.apps.jupyter; "
        "heavy = {'torch', 'numpy', 'transformers', 'scope_widgets.models', 'scope_widgets.widgets'}; "
        "sys.exit(bool(heavy & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
