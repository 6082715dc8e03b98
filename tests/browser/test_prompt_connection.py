"""The setting that sends kernel messages without TCP's delay, in the real JupyterLab and Notebook 7.

The sockets say whether they hold packets back; what that costs in time is a benchmark.
"""

import json
import subprocess
import sys
import urllib.request
from contextlib import closing, contextmanager

import pytest
import websocket

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
def served(tmp_path, monkeypatch):
    """``with served(host, options, config) as address`` runs a server that has the probe."""
    (tmp_path / "probe.py").write_text(PROBE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    write_notebook(tmp_path / "one.ipynb", ["print('here')"])

    def serve(host="jupyterlab", options=(), config=""):
        (tmp_path / "jupyter_config_dir").mkdir()
        (tmp_path / "jupyter_config_dir" / "jupyter_server_config.py").write_text(config)
        return jupyter_server(host, tmp_path, options=["--ServerApp.jpserver_extensions=probe=True", *options])

    return serve


def connections(address):
    """Return the classes of open connections to kernels, and whether they delay."""
    return json.loads(urllib.request.urlopen(f"{address}/probe").read())


def ran_in_a_browser(browser, address, path):
    """Run a cell of the notebook, and return the connections."""
    page = browser.new_page()
    cells = open_notebook(page, f"{address}/{path}/one.ipynb")
    run_cell(page, cells.nth(0))
    page.get_by_text("here", exact=True).wait_for(timeout=60_000)
    found = connections(address)
    page.close()
    return found


@contextmanager
def kernel_channels(address):
    """Start a kernel, and give the socket that a page has to it."""
    start = urllib.request.Request(f"{address}/api/kernels", b"{}", method="POST")
    name = json.loads(urllib.request.urlopen(start).read())["id"]
    where = f"{address.replace('http', 'ws')}/api/kernels/{name}/channels"
    with closing(websocket.create_connection(where, timeout=60)) as socket:
        yield socket
    urllib.request.urlopen(urllib.request.Request(f"{address}/api/kernels/{name}", method="DELETE"))


def ask_for_information(socket):
    """Ask the kernel what it is, and wait for the answer."""
    header = {"msg_id": "1", "session": "1", "username": "", "date": "", "version": "5.3"}
    message = {"header": header | {"msg_type": "kernel_info_request"}, "channel": "shell", "content": {}}
    socket.send(json.dumps(message | {"parent_header": {}, "metadata": {}}))
    while json.loads(socket.recv())["msg_type"] != "kernel_info_reply":
        pass


def test_an_option_of_jupyterlab(served):
    with served(options=[f"--{SETTING}={CLASS}"]) as address, kernel_channels(address) as socket:
        ask_for_information(socket)
        assert connections(address) == {"PromptConnection": False}


@pytest.mark.heavy
def test_without_the_setting_messages_are_delayed(served, browser):
    with served() as address:
        assert ran_in_a_browser(browser, address, "lab/tree") == {"ZMQChannelsWebsocketConnection": True}


@pytest.mark.heavy
def test_a_line_in_the_configuration_of_notebook_7(served, browser):
    with served("notebook", config=f"c.{SETTING} = {CLASS!r}") as address:
        assert ran_in_a_browser(browser, address, "notebooks") == {"PromptConnection": False}


def test_the_setting_brings_nothing_heavy_to_the_server():
    code = (
        "import sys, scope_widgets.apps.jupyter; "
        "heavy = {'torch', 'numpy', 'transformers', 'scope_widgets.models', 'scope_widgets.widgets'}; "
        "sys.exit(bool(heavy & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
