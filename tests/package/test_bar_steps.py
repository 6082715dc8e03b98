"""Work with a bar as the steps of a job: its numbers, its errors, and its end where it is stopped."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError

import pytest

from scope_widgets._bar_steps import steps_of_bars, wait_for_stopped
from scope_widgets._job import Job
from scope_widgets._progress import tqdm


def test_the_bar_gives_the_steps() -> None:
    go = threading.Semaphore(0)

    def work() -> int:
        for _ in tqdm(range(3), desc="Counting"):
            go.acquire()
        with tqdm(total=2) as bar:
            bar.set_description("Ending: ")
            bar.update()
            go.acquire()
        return 7

    job = Job(steps_of_bars(work))
    seen = []
    for status in job:
        if (now := (status.text, status.done, status.total)) not in seen:
            seen.append(now)
            if status.text:  # before there is a bar nothing waits
                go.release()
    assert job.result() == 7
    steps = [("Counting", at, 3) for at in range(3)]
    assert [one for one in seen if one[0] == "Counting"][:3] == steps
    assert ("Ending", 1, 2) in seen


def test_what_is_stopped_ends_where_its_bar_moves() -> None:
    begun, ended = threading.Event(), threading.Event()

    def work() -> None:
        try:
            with tqdm(total=10**9) as bar:
                while True:
                    begun.set()
                    bar.update()
        except CancelledError:
            ended.set()
            raise

    job = Job(steps_of_bars(work))
    next(job)
    assert begun.wait(60)
    job.cancel()
    wait_for_stopped(60)
    assert ended.is_set()
    with pytest.raises(CancelledError):
        job.result()


def test_an_error_is_the_jobs() -> None:
    with pytest.raises(ZeroDivisionError):
        Job(steps_of_bars(lambda: 1 / 0)).result()


def test_bars_of_other_threads_are_shown_as_ever(capsys: pytest.CaptureFixture[str]) -> None:
    Job(steps_of_bars(lambda: None)).result()
    assert list(tqdm(range(3), mininterval=0)) == [0, 1, 2]
    assert "3/3" in capsys.readouterr().err
