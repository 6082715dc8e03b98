"""The API key is sent to the server and is nowhere else."""

import copy
import json
import logging
import pickle

import pytest

from scope_widgets import heads, patching, widgets
from scope_widgets.remote.client.server_connection import Key
from tests.support.remote_failures import KEY, PROMPT, finished, load, own


@pytest.fixture
def scope():
    return load()


def test_it_is_what_it_is_but_shows_itself_nowhere(scope):
    server = scope.transport.server
    assert server.headers["ndif-api-key"] == KEY
    backend = scope.transport.backend()
    for shown in (repr(scope), str(scope), repr(server), str(server), repr(server.headers), repr(vars(server)),
                  repr(backend), repr(vars(backend)), repr([server.key]), f"{[server.key]}"):  # fmt: skip
        assert KEY not in shown
    assert KEY.encode() not in pickle.dumps(server)
    assert pickle.loads(pickle.dumps(server)).key == ""
    assert copy.deepcopy(server).key == copy.copy(server).key == KEY
    assert isinstance(copy.deepcopy(server).key, Key)


def test_it_is_in_no_log_and_no_output(scope, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.DEBUG)
    scope.listener = None  # a progress bar
    heads.score(scope.trace(PROMPT), null_draws=11)
    own(scope, lambda value: print("seen") or value)
    scope.trace(PROMPT).residual(1)
    finished(scope.submit(heads.importance, scope, PROMPT + " the"))
    written = capfd.readouterr()
    assert "seen" in written.out + written.err
    for text in (caplog.text, written.out, written.err):
        assert KEY not in text


def test_it_is_in_no_file_and_no_widget(scope, answers, tmp_path):
    trace = scope.trace(PROMPT)
    trace.save(tmp_path / "trace")
    map_ = patching.sweep(scope, PROMPT, PROMPT.replace(" John gave", " Mary gave"), answer=" Mary", versus=" John")
    for name, made in {
        "attention": lambda: widgets.AttentionView(trace),
        "heads": lambda: widgets.HeadTable(heads.score(trace, null_draws=11)),
        "map": lambda: widgets.PatchingMap(map_),
        "steering": lambda: widgets.SteeringPanel(scope, PROMPT, heads=[(3, 1)]),
    }.items():
        widget = made()
        state = {key: value for key, value in widget.get_state().items() if key != "layout"}
        assert KEY not in repr(state)
        assert KEY.encode() not in b"".join(
            bytes(value) for value in state.values() if isinstance(value, (bytes, memoryview))
        )
        widget.to_html(tmp_path / f"{name}.html")
    for folder in (tmp_path, answers):
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert files
        for path in files:
            assert KEY.encode() not in path.read_bytes(), path


CELLS = [
    "%xmode Verbose",
    "from scope_widgets import Microscope, heads, widgets\n"
    "scope = Microscope.load('demo/ioi', remote=True)\n"
    "assert scope.transport.server.key.startswith('11111111')\n"
    "scope",
    f"trace = scope.trace({PROMPT!r})\nheads.score(trace)",
    "widgets.AttentionView(trace)",
    "scope.transport.server",
    "scope.generate(3)",
    "server = scope.transport.server\n"
    "server.host, server.patience = 'http://127.0.0.1:9', 1\n"
    "heads.importance(scope, 'John')",
    "scope.transport.server.met = False\nscope.trace('John').residual(0)",
]


def test_it_is_in_no_notebook(monkeypatch):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    monkeypatch.setenv("NDIF_API_KEY", KEY)
    cells = [nbformat.v4.new_code_cell(text) for text in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=90, kernel_name="python3", allow_errors=True).execute()
    errors = [output["ename"] for cell in notebook.cells for output in cell.outputs if output.output_type == "error"]
    assert errors == ["TypeError", "ServerDownError", "ServerDownError"]
    assert KEY not in json.dumps(notebook)
