"""Progress bars: nothing is left of a finished one in a saved notebook, and no lock taken of one that was ended."""

import linecache
import os
import re
import threading
from pathlib import Path

import nbformat
import pytest
import tqdm as tqdm_package
from nbclient import NotebookClient

from scope_widgets._progress import hearing, tqdm
from tests.support.forked import Forked
from tests.support.interrupts import OURS, interrupted_at, lines_of

TQDM = str(Path(tqdm_package.__file__).parent) + os.sep
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


def shown():
    """Show a bar, in each way that the package does, at each step."""
    for _ in tqdm(range(2), desc="some", leave=False, mininterval=0):
        pass
    with tqdm(total=2, desc="others", leave=False, mininterval=0) as bar:
        bar.update(1)
        bar.set_description("more")
        bar.refresh()


def in_another_thread(work):
    done = threading.Event()
    threading.Thread(target=lambda: (work(), done.set()), daemon=True).start()
    return done.wait(20)


@pytest.fixture
def same_lock():
    """Have the lock that is there, whatever a test leaves."""
    cls, lock = tqdm, tqdm.get_lock()
    yield lock
    cls.set_lock(lock)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of bars that were not made
def test_ctrl_c_at_any_line_of_a_bar_leaves_others_free(same_lock):
    # a trace function may raise where no signal is heard: between a lock, or what is under it, and the `with`
    places = [at for at in lines_of(shown, (OURS, TQDM)) if not re.match(r" *(with |try:)", linecache.getline(*at[:2]))]
    assert len(places) > 100
    for place in places:
        interrupted_at(place, shown)
        assert in_another_thread(lambda: same_lock.acquire() and same_lock.release()), place
    assert in_another_thread(shown)


def test_a_bar_that_is_heard_waits_for_no_lock(same_lock):
    heard = []

    def work():
        with hearing(lambda *step: heard.append(step)):
            for _ in tqdm(range(2), desc="some"):
                pass
            with tqdm(total=3, desc="others") as bar:
                bar.update(2)

    with same_lock:
        assert in_another_thread(work)
    assert heard == [("some", 0, 2), ("some", 1, 2), ("some", 2, 2), ("others", 0, 3), ("others", 2, 3)]


def test_a_fork_has_a_lock_of_its_own(same_lock):
    with same_lock:
        assert Forked(lambda: in_another_thread(shown)).result() is True
