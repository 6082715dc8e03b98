"""How a run ends with its process: killed, stopped by Ctrl-C, without room, forked."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from scope_widgets import tracking
from tests.support.paths import ROOT

BEGIN = """
import os, sys, time
from scope_widgets import tracking
run = tracking.run(sys.argv[1], config={"seed": 0})
"""


def begin(folder, code):
    """Return a process that runs code with a run open in a folder."""
    program = BEGIN + textwrap.dedent(code)
    command = [sys.executable, "-c", program, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


LOGGING = """
for i in range(10**9):
    run.log({"x": i})
    if i == 100:
        print("logging", flush=True)
"""


def test_a_sigkill_shows(tmp_path):
    process = begin(tmp_path / "a", LOGGING)
    assert process.stdout.readline() == "logging\n"
    assert tracking.load(tmp_path / "a").status == "running"
    process.send_signal(signal.SIGKILL)
    # it is a zombie before its parent has asked for it, and killed before and after
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert tracking.load(tmp_path / "a").status == "killed"
    process.communicate()
    read = tracking.load(tmp_path / "a")
    assert read.status == "killed"
    assert read.error == f"its process {process.pid} is gone"
    assert read.ended is not None
    assert read.config == {"seed": 0}
    assert read.damaged <= 1
    assert read.history["x"].tolist() == list(range(len(read.events)))  # every line that was written, in order
    assert len(read.events) >= 101
    assert tracking.runs(tmp_path)["status"].tolist() == ["killed"]


def test_ctrl_c_ends_a_block(tmp_path):
    process = begin(tmp_path / "a", "with run:\n" + textwrap.indent(LOGGING, "    "))
    assert process.stdout.readline() == "logging\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert "KeyboardInterrupt" in said
    read = tracking.load(tmp_path / "a")
    assert (read.status, read.error, read.damaged) == ("failed", "stopped by Ctrl-C", 0)
    assert read.history["x"].tolist() == list(range(len(read.events)))


def test_a_process_that_ends_without_a_word(tmp_path):
    begin(tmp_path / "a", "run.log({'x': 1})").communicate()
    read = tracking.load(tmp_path / "a")
    assert read.status == "failed"
    assert "its process ended before run.end()" in read.error


def test_a_file_that_can_grow_no_further(tmp_path):
    """The system itself writes half a line and then refuses; what waited is written when there is room."""
    process = begin(
        tmp_path / "a",
        """
        import resource
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
        for i in range(100):
            run.log({"x": i, "padding": "-" * 30})
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        run.end()
        """,
    )
    _, said = process.communicate()
    assert said.count("Events wait in memory and are written with the next one") == 1
    read = tracking.load(tmp_path / "a")
    assert (read.status, read.damaged) == ("done", 1)
    assert read.history["x"].tolist() == list(range(100))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks on this system")
def test_a_fork_logs_and_does_not_end_the_run(tmp_path):
    process = begin(
        tmp_path / "a",
        """
        with run:
            run.log({"x": 1})
            if not os.fork():
                assert tracking.current() is None
                run.log({"x": 2})
                sys.exit(1)
            os.wait()
            assert tracking.load(sys.argv[1]).status == "running"
            run.log({"x": 3})
        """,
    )
    assert process.communicate() == ("", "")
    read = tracking.load(tmp_path / "a")
    assert read.status == "done"
    assert read.history["x"].tolist() == [1, 2, 3]


def test_nothing_heavy_is_imported(tmp_path):
    code = "run.log({'x': 1}); run.end(); print(sorted(set(sys.modules) & {'torch', 'pandas', 'wandb', 'plotly'}))"
    assert begin(tmp_path / "a", code).communicate() == ("[]\n", "")
    assert json.loads((tmp_path / "a" / "run.json").read_text())["status"] == "done"
