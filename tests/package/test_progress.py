"""Progress bars: nothing is left of a finished one in a saved notebook."""

import nbformat
import pytest
from nbclient import NotebookClient

CODE = """
from scope_widgets._progress import tqdm
for _ in tqdm(range(3), leave=False):
    pass
with tqdm(total=2, leave=False, delay=100) as bar:
    bar.update(1)
try:
    for _ in tqdm(range(3), leave=False):
        raise ValueError
except ValueError:
    pass
for _ in tqdm(range(3), leave=False, disable=True):
    pass
"""


def test_a_notebook_keeps_nothing_of_a_finished_bar():
    pytest.importorskip("ipykernel")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CODE)])
    NotebookClient(notebook, timeout=120).execute()
    outputs = notebook.cells[0].outputs
    assert [output.data for output in outputs if output.output_type == "display_data"] == [{}, {}]
    assert not [output for output in outputs if output.get("name") == "stderr"]
