"""`microscope analyze`: what is wrong is said, a process that is killed is seen, and Ctrl-C keeps what is done."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scope_widgets._check_choice import choices
from scope_widgets.cli import analyze, child_process, main
from scope_widgets.cli.analysis_progress import AnalysisProgress
from scope_widgets.experiments.named_tasks import TaskName

STAND_IN = "tests.support.dying_worker"


@pytest.fixture
def stand_in(monkeypatch):
    monkeypatch.setattr(analyze, "_WORKER", STAND_IN)


def test_what_nobody_can_foresee_is_unknown_and_not_0():
    """Of a model on a server no times are planned; max(0, NaN) is 0."""
    progress = AnalysisProgress(quiet=True)
    for seconds in (float("nan"), float("inf")):
        planned = [{"stage": "heads", "seconds": seconds, "peak_bytes": 1}]
        progress.hear({"kind": "plan", "done": {"heads": False}, "planned": planned})
        progress.hear({"kind": "begun", "stage": "heads"})
        assert not math.isfinite(progress.seconds_left())
        assert "About unknown in all" in progress.plan_text()


def test_tasks_are_those_that_there_are():
    assert set(analyze.TASKS) == set(choices(TaskName))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--tasks", "toxicity"], "there is no task 'toxicity'"),
        (["--layers", "2,x"], "such as 0,6,9-11; got '2,x'"),
        (["--num-samples", "0"], "a whole number from 1; got '0'"),
        (["--seed", "-1"], "a whole number from 0"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(arguments, sentence, capsys, tmp_path):
    assert main(["analyze", *arguments, "--out", str(tmp_path / "out")]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--texts", "nowhere.jsonl"], "There is no file 'nowhere.jsonl'"),
        (["--remote", "--device", "cuda"], "are the server's choice"),
        (["--out", "/proc/x"], "/proc/x"),
    ],
)
def test_what_is_wrong_is_said_before_a_process_is_begun(arguments, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(child_process, "ChildProcess", lambda *_: pytest.fail("the work was begun"))
    assert main(["analyze", *arguments]) == (2 if "--remote" in arguments else 1)
    assert sentence in capsys.readouterr().err


def test_a_process_that_is_killed_goes_on_with_half_as_much(stand_in, capsys, tmp_path):
    assert main(["analyze", "--model", "killed", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".halved-0", ".halved-1", ".halved-2"]
    assert "killed in stage geometry" in said.err
    assert "1/2 at once" in said.err
    assert "1/4 at once" in said.err
    assert "recording: There are few texts." in said.out


def test_and_is_given_up_where_that_does_not_help(stand_in, capsys, tmp_path):
    assert main(["analyze", "--model", "always killed", "--quiet", "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "was ended by signal 9 in stage geometry" in said
    assert "Give fewer samples or layers" in said


def test_one_that_crashes_is_quoted(stand_in, capsys, tmp_path):
    assert main(["analyze", "--model", "crash", "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert f"was ended by signal {int(signal.SIGABRT)} in stage geometry" in said
    assert "Fatal: a library is broken" in said
    assert main(["analyze", "--model", "silent", "--out", str(tmp_path / "out")]) == 1
    assert "ended without a word in stage geometry" in capsys.readouterr().err


def test_the_object_and_the_plan(stand_in, capsys, tmp_path):
    out = tmp_path / "out"
    assert main(["analyze", "--model", "x", "--json", "--out", str(out)]) == 0
    stages = json.loads(capsys.readouterr().out)["stages"]
    assert stages["recording"] == {
        "finished": True, "seconds": 1.0, "notes": ["There are few texts."], "planned_seconds": 2.0,
        "planned_bytes": 10**9,
    }  # fmt: skip
    assert main(["analyze", "--model", "x", "--dry-run", "--out", str(out)]) == 0
    assert "1.0 GB" in capsys.readouterr().out


def _begun(out):
    """Begin the command in a process of its own whose stage hangs; return it, and the pid of its worker."""
    code = (
        "import sys; from scope_widgets.cli import analyze, child_process, main; "
        f"analyze._WORKER = {STAND_IN!r}; sys.exit(main(sys.argv[1:]))"
    )
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code, "analyze", "--model", "hang", "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=root)
    begun = out / ".halved-0"
    while not (begun.is_file() and begun.read_text()):
        assert process.poll() is None
        time.sleep(0.01)
    return process, int(begun.read_text())


def _gone(pid):
    """Wait for the end of a process that is no child of this one; a zombie has ended too."""
    while True:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                return
        except OSError:
            return
        time.sleep(0.01)


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
def test_ctrl_c_keeps_what_is_done(tmp_path):
    process, worker = _begun(tmp_path / "out")
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1]
    assert process.returncode == 130
    assert said == (
        "microscope: interrupted in stage geometry. 1 of 2 stages are finished and kept: the same command goes on.\n"
    )
    _gone(worker)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="whether a process lives is read in /proc")
def test_where_the_command_is_killed_its_process_ends_too(tmp_path):
    process, worker = _begun(tmp_path / "out")
    process.kill()
    process.communicate()
    _gone(worker)


def test_a_folder_of_something_else_is_refused_and_stays(capsys, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    assert main(["analyze", "--out", str(tmp_path)]) == 1
    assert "holds 'thesis.txt', which is of no analysis" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
