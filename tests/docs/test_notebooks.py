"""Every notebook runs from its first cell to its last."""

import shutil

import nbformat
import pytest
from nbclient import NotebookClient

from scripts import get_brown
from tests.support.paths import NOTEBOOKS as FOLDER

NOTEBOOKS = sorted(path for path in FOLDER.glob("*.ipynb") if path.stem != "remote")  # that one needs a server
#: what is made smaller here; `make test-heavy` and `make notebooks` run them as they are
SMALLER = {
    "before_and_after": {"folder.exists()": "False", "samples=2": "samples=1, n=8"},
    "circuits": {"n=60": "n=16", "pairs[:30], pairs[30:]": "pairs[:8], pairs[8:]", "greedy=3": "greedy=2"},
    "feature_to_patch": {"range(10)": "range(2)", "steps=400": "steps=100", "[:16]": "[:8]"},
    "ioi": {"n=50": "n=20"},
    "probing": {"n=120": "n=60"},
    "quickstart": {"n=40": "n=16", "pairs[:20]": "pairs[:8]", "pairs[20:]": "pairs[8:]"},
    "report": {"n=24, n_discovery=24": "n=10, n_discovery=10", "n=16": "n=8"},
    "steering": {"range(20)": "range(2)"},
}
REAL = [pytest.mark.smollm2, pytest.mark.heavy]
CASES = [
    *(pytest.param(path, {}, id=path.stem, marks=REAL) for path in NOTEBOOKS if "smollm2" in path.stem),
    *(pytest.param(path, SMALLER.get(path.stem, {}), id=path.stem) for path in NOTEBOOKS if "smollm2" not in path.stem),
    *(pytest.param(FOLDER / f"{stem}.ipynb", {}, id=f"{stem}-whole", marks=pytest.mark.heavy) for stem in SMALLER),
]


@pytest.fixture(scope="module")
def client():
    """A kernel that has imported what notebooks import: each begins without a name in it."""
    client = NotebookClient(nbformat.v4.new_notebook(), timeout=900, kernel_name="python3")
    with client.setup_kernel():
        yield client


def run(client, notebook, folder):
    begin = nbformat.v4.new_code_cell(f"import os; os.chdir({str(folder)!r})\n%reset -f")
    client.nb = nbformat.v4.new_notebook(cells=[begin, *notebook.cells])
    client.reset_execution_trackers()
    for at, cell in enumerate(client.nb.cells):
        client.execute_cell(cell, at)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("path", "smaller"), CASES)
def test_notebook_runs(client, path, smaller, tmp_path, request):
    if "smollm2" in path.stem:
        request.getfixturevalue("smollm2")
    if path.stem == "features_smollm2" and not get_brown.ready():
        get_brown.fetch()
    shutil.copy(path, tmp_path)
    text = path.read_text(encoding="utf-8")
    for size, small in smaller.items():
        assert size in text
        text = text.replace(size, small)
    notebook = nbformat.reads(text, as_version=4)
    run(client, notebook, tmp_path)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    shown = [output.data for output in outputs if "data" in output]
    views = [data for data in shown if "application/vnd.jupyter.widget-view+json" in data and "image/png" not in data]
    stills = [data for data in shown if "sw-still" in data.get("text/html", "")]
    if path.stem == "quickstart":
        assert len(views) == len(stills) == 10  # a view, and its still beside it
        assert sum("image/png" in data for data in stills) == 8
        assert (tmp_path / "heads.html").stat().st_size > 50_000
