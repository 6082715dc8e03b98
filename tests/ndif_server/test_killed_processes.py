"""Processes of the server are ended in the middle of a job. Only on a server of our own, and after all other tests."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scope_widgets import patching
from scope_widgets.patching import sweeps
from scope_widgets.remote.errors import (
    LostConnectionError,
    NoAnswerError,
    NotDeployedError,
    ServerDownError,
)
from tests.support import ndif_processes
from tests.support.remote_failures import (
    KEY,
    PROMPT,
    fails,
    finished,
    load,
    own,
    slow,
    submit_ablation,
    until_sent,
    works,
)

pytestmark = [
    pytest.mark.last,
    pytest.mark.timeout(180),
    pytest.mark.skipif("REMOTE_TESTS_HOME" not in os.environ, reason="This server is not ours: run make test-remote."),
]


def noted(file, seconds):
    """A function that notes each of its runs on the server's disk and takes so long."""

    def change(value):
        import time

        with open(file, "a") as notes:
            notes.write("ran\n")
        time.sleep(seconds)
        return value * 0

    return change


def runs(file):
    return file.read_text().count("ran") if file.exists() else 0


def until(what, seconds=30):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def notes(tmp_path):
    return tmp_path / "notes"


class Restart:
    """Kills the API process as soon as a job has begun, and starts it again in the same way."""

    def __init__(self, begun, pause=1.0):
        self._begun, self._pause = begun, pause
        self._how = ndif_processes.command(ndif_processes.process("api"))
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        until(self._begun)
        ndif_processes.kill("api")
        time.sleep(self._pause)
        ndif_processes.start_again("api", *self._how)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._thread.join()
        ndif_processes.until_the_api_is_back()


def test_the_api_is_killed_under_jobs(local, tmp_path):
    """One whose connection is cut is sent once more, and so is a stored one that waited in the queue and was lost."""
    scopes = [load(timeout=90, patience=60) for _ in range(2)]
    notes = [tmp_path / "runs", tmp_path / "waits"]
    with ThreadPoolExecutor() as pool:
        called = pool.submit(own, scopes[0], noted(notes[0], 2))
        until(lambda: runs(notes[0]))
        stored = submit_ablation(scopes[1], noted(notes[1], 0.1))
        until(lambda: next(stored).state == "queued")
        with Restart(lambda: True):
            results = [called.result()]
    assert next(stored).state == "queued"  # so it says
    scopes[1].transport.server.patience = 1
    results.append(finished(stored))
    expected = own(local, lambda value: value * 0).after[0]
    assert [result.after[0] for result in results] == pytest.approx([expected, expected], abs=1e-5)
    assert [runs(file) for file in notes] == [2, 1]
    assert [scope.transport.server.traffic.requests for scope in scopes] == [2, 2]


LEAVING = """
import sys
from scope_widgets import Microscope, heads
scope = Microscope.load("demo/ioi", remote=True, timeout=90)
job = scope.submit(heads.score_repeated_tokens, scope, 4, **eval(sys.argv[1]))
while next(job).state != "running":
    pass
print("left", scope.transport.server.traffic.requests)
"""


def test_a_job_of_a_process_that_is_gone(local, answers):
    """Another process finds it, after the API was killed too, and then on the disk."""
    from scope_widgets import heads

    options = {"length": 60, "null_draws": 20, "seed": 5}
    expected = heads.score_repeated_tokens(local, 4, **options)["induction"].sum()
    left = subprocess.run([sys.executable, "-c", LEAVING, repr(options)], capture_output=True, text=True, timeout=120)
    assert left.stdout.split() == ["left", "1"], left.stderr
    assert len(list((answers / "remote").glob("*.job"))) == 1
    with Restart(lambda: True):
        pass
    for _ in range(2):
        scope = load(timeout=90)
        found = finished(scope.submit(heads.score_repeated_tokens, scope, 4, **options))
        assert found["induction"].sum() == pytest.approx(expected, abs=1e-4)
        assert scope.transport.server.traffic.requests == 0
    assert not list((answers / "remote").glob("*.job"))


def cells_of(status):
    return [] if status.partial is None else status.partial.tolist()


def test_a_patching_map_goes_on_after_the_api_was_killed(local, monkeypatch):
    """What has come is kept; nothing that was computed is asked for twice."""
    monkeypatch.setattr(sweeps, "ENOUGH", 20)
    scope = load(timeout=90, patience=60)
    question = {"answer": " Mary", "versus": " John"}
    corrupted = PROMPT.replace(" John gave", " Mary gave")
    sweep = patching.sweep(scope, PROMPT, corrupted, **question)
    statuses, come = sweep.submit().wait(), []
    while not come:
        come += cells_of(next(statuses))
    with Restart(lambda: True):
        for status in statuses:
            come += cells_of(status)
    assert len(come) == len(set(come))
    assert sweep.done == sweep.total
    assert scope.transport.server.traffic.requests <= 1 + sweeps.JOBS
    expected = patching.activations(local, PROMPT, corrupted, **question)
    assert abs(sweep.result.values - expected.values).max() < 1e-4


def test_the_api_stays_away(notes):
    how = ndif_processes.command(ndif_processes.process("api"))
    called, stored = load(patience=2), load(patience=2)
    job = submit_ablation(stored, slow(1))
    until_sent(job)
    killing = threading.Thread(target=lambda: (until(lambda: runs(notes)), ndif_processes.kill("api")))
    killing.start()
    try:
        with fails((LostConnectionError, ServerDownError), "cannot be reached.*what had arrived is kept", 20):
            own(called, noted(notes, 1))
        with fails((LostConnectionError, ServerDownError), "cannot be reached", 2):
            finished(job)
        with fails(ServerDownError, "nothing answers there", 3):
            works(called)
        fresh = load(patience=30)
        with fails(ServerDownError, "nothing answers there", 1):
            works(fresh)
    finally:
        killing.join()
        ndif_processes.start_again("api", *how)
        ndif_processes.until_the_api_is_back()
    works(called)


def test_the_api_is_frozen():
    called, stored = load(timeout=4), load(timeout=4)
    job = submit_ablation(stored, slow(1))
    until_sent(job)
    with ndif_processes.frozen("api"):
        with fails((ServerDownError, NoAnswerError, LostConnectionError), "said nothing|No answer", 4):
            works(called)
        with fails((NoAnswerError, LostConnectionError), "said nothing|No answer", 4):
            finished(job)
    works(load())


@pytest.mark.parametrize(("timeout", "seconds"), [(4, 6), (30, 6)])
def test_the_api_freezes_under_a_call(notes, timeout, seconds):
    scope = load(timeout=timeout)

    def freeze():
        until(lambda: runs(notes))
        with ndif_processes.frozen("api"):
            time.sleep(seconds)

    freezing = threading.Thread(target=freeze)
    freezing.start()
    if timeout < seconds:
        with fails((NoAnswerError, LostConnectionError), "said nothing|No answer", timeout):
            own(scope, noted(notes, 1))
    else:
        own(scope, noted(notes, 1))
        assert runs(notes) == 1
    freezing.join()
    works(load())


def test_the_object_store_is_frozen():
    """Answers of stored jobs lie there: they are looked for until patience ends, and found when it is back."""
    scope = load(patience=3)
    job = submit_ablation(scope, slow(0.1))
    until_sent(job)
    with ndif_processes.frozen("s3"), fails(LostConnectionError, "cannot be reached: it said nothing", 3 + 5):
        finished(job)
    finished(submit_ablation(scope, slow(0.1)))


def test_the_actor_of_the_model_is_killed(notes):
    scope = load()

    def kill():
        until(lambda: runs(notes))
        os.kill(ndif_processes.running_actor(), 9)

    killing = threading.Thread(target=kill)
    killing.start()
    with fails(NotDeployedError, "stopped running demo/ioi in the middle.*next request", 20):
        own(scope, noted(notes, 5))
    killing.join()
    works(scope)


def test_the_key_is_written_nowhere(answers):
    """After all of this: not in what was kept, nor in what this run has printed to files."""
    for path in answers.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path
    assert list(Path(answers).rglob("*.safetensors"))
