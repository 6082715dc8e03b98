"""The quickstart of remote models runs from its first cell to its last."""

import shutil

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.paths import NOTEBOOKS

NOTEBOOK = NOTEBOOKS / "remote.ipynb"
KEY = "11111111-2222-3333-4444-555555555555"


@pytest.mark.timeout(300)
def test_the_notebook_runs_and_holds_no_key(tmp_path, monkeypatch):
    monkeypatch.setenv("SCOPE_REMOTE_MODEL", "demo/ioi")
    monkeypatch.setenv("NDIF_API_KEY", KEY)
    shutil.copy(NOTEBOOK, tmp_path)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    views = [one.data for one in outputs if "application/vnd.jupyter.widget-view+json" in one.get("data", {})]
    assert len(views) >= 6
    assert (tmp_path / "heads.html").stat().st_size > 50_000
    for written in (nbformat.writes(notebook), (tmp_path / "heads.html").read_text()):
        assert KEY not in written
