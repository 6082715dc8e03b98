"""Every notebook runs from its first cell to its last."""

import shutil

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.paths import NOTEBOOKS as FOLDER

NOTEBOOKS = sorted(path for path in FOLDER.glob("*.ipynb") if path.stem != "remote")  # that one needs a server
REAL = [pytest.mark.smollm2, pytest.mark.heavy]
CASES = [pytest.param(path, id=path.stem, marks=REAL if "smollm2" in path.stem else []) for path in NOTEBOOKS]


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("path", CASES)
def test_notebook_runs(path, tmp_path, request):
    if "smollm2" in path.stem:
        request.getfixturevalue("smollm2")
    shutil.copy(path, tmp_path)
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    shown = [output.data for output in outputs if "data" in output]
    views = [data for data in shown if "application/vnd.jupyter.widget-view+json" in data and "image/png" not in data]
    stills = [data for data in shown if "sw-still" in data.get("text/html", "")]
    if path.stem == "quickstart":
        assert len(views) == len(stills) == 8  # a view, and its still beside it
        assert sum("image/png" in data for data in stills) == 6
        assert (tmp_path / "heads.html").stat().st_size > 50_000
