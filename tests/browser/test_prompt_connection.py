"""The setting that sends kernel messages without TCP's delay, in the real JupyterLab and Notebook 7.

The sockets say whether they hold packets back; what that costs in time is a benchmark.
"""

import json
import subprocess
import sys
import urllib.request

import pytest

from tests.support.jupyter_server import jupyter_server, open_notebook, run_cell, write_notebook

pytestmark = pytest.mark.notebook_host

SETTING = "ServerApp.kernel_websocket_connection_class"
CLASS = "scope_widgets.apps.jupyter.PromptConnection"
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
def connections(tmp_path, monkeypatch, browser):
    """``connections(host, options, config)``: the classes of open connections to kernels, and whether they delay."""
    (tmp_path / "probe.py").write_text(PROBE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def ask(host="jupyterlab", options=(), config=""):
        (tmp_path / "jupyter_config_dir").mkdir()
        (tmp_path / "jupyter_config_dir" / "jupyter_server_config.py").write_text(config)
        write_notebook(tmp_path / "one.ipynb", ["print('here')"])
        options = ["--ServerApp.jpserver_extensions=probe=True", *options]
        page = browser.new_page()
        with jupyter_server(host, tmp_path, options=options) as address:
            cells = open_notebook(page, f"{address}/{'lab/tree' if host == 'jupyterlab' else 'notebooks'}/one.ipynb")
            run_cell(page, cells.nth(0))
            page.get_by_text("here", exact=True).wait_for(timeout=60_000)
            found = json.loads(urllib.request.urlopen(f"{address}/probe").read())
            page.close()
        return found

    return ask


@pytest.mark.heavy
def test_without_the_setting_messages_are_delayed(connections):
    assert connections() == {"ZMQChannelsWebsocketConnection": True}


def test_an_option_of_jupyterlab(connections):
    assert connections(options=[f"--{SETTING}={CLASS}"]) == {"PromptConnection": False}


@pytest.mark.heavy
def test_a_line_in_the_configuration_of_notebook_7(connections):
    assert connections("notebook", config=f"c.{SETTING} = {CLASS!r}") == {"PromptConnection": False}


def test_the_setting_brings_nothing_heavy_to_the_server():
    code = (
        "import sys, scope_widgets.apps.jupyter; "
        "heavy = {'torch', 'numpy', 'transformers', 'scope_widgets.models', 'scope_widgets.widgets'}; "
        "sys.exit(bool(heavy & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
