"""A job: its steps, how it ends, and what follows it."""

from concurrent.futures import CancelledError

import pytest

from scope_widgets import _job
from scope_widgets._job import Job, JobStatus


def counting(n, log=None, fails_at=None, pause=0.0):
    """Steps that count to `n` and return it; `log` gets what happens."""
    log = [] if log is None else log
    try:
        for i in range(1, n + 1):
            if i == fails_at:
                raise ValueError("The third is none.")
            log.append(i)
            yield JobStatus("running", "counting", i, n, partial=10 * i, pause=pause)
        return n
    finally:
        log.append("closed")


@pytest.fixture
def slept(monkeypatch):
    """The pauses, which take no time here."""
    pauses = []
    monkeypatch.setattr(_job.time, "sleep", pauses.append)
    return pauses


def test_nothing_is_done_before_the_first_step():
    log = []
    job = Job(counting(3, log))
    assert (log, job.done, job.status) == ([], False, JobStatus("waiting"))


def test_each_step_says_how_it_stands_and_the_result_comes_last():
    job = Job(counting(3))
    assert [(status.done, status.total, status.partial) for status in job] == [(1, 3, 10), (2, 3, 20), (3, 3, 30)]
    assert (job.done, job.result(), job.result()) == (True, 3, 3)
    assert job.status == JobStatus("done", "", 3, 3)
    assert list(job) == []


def test_the_result_needs_no_iteration_and_goes_on_where_one_stopped():
    assert Job(counting(3)).result() == 3
    log = []
    job = Job(counting(3, log))
    next(job)
    assert job.result(progress=False) == 3
    assert log == [1, 2, 3, "closed"]


def test_a_result_may_be_nothing():
    job = Job(iter_nothing())
    assert job.result() is None
    assert job.done


def iter_nothing():
    return
    yield


def test_a_cancelled_job_is_closed_and_has_no_result():
    log = []
    job = Job(counting(3, log))
    next(job)
    job.cancel()
    assert (log, job.done) == ([1, "closed"], True)
    assert list(job) == []
    with pytest.raises(CancelledError, match="This job was cancelled"):
        job.result()
    job.cancel()  # again: nothing


def test_to_cancel_what_is_done_changes_nothing():
    job = Job(counting(2))
    job.result()
    job.cancel()
    assert job.result() == 2


def test_an_error_is_raised_where_it_happens_and_kept():
    job = Job(counting(5, fails_at=3))
    seen = []
    with pytest.raises(ValueError, match="The third is none"):
        seen += [status.done for status in job]
    assert job.done
    assert job.status.done == 2
    for _ in range(2):
        with pytest.raises(ValueError, match="The third is none"):
            job.result()
    assert list(job) == []


def test_waiting_sleeps_by_the_pauses(slept):
    assert [status.done for status in Job(counting(3, pause=0.25)).wait()] == [1, 2, 3]
    assert slept == [0.25] * 3
    slept.clear()
    assert Job(counting(3)).result(progress=False) == 3
    assert slept == []
    assert Job(counting(2, pause=0.5)).result() == 2
    assert slept == [0.5] * 2


def test_iterating_does_not_sleep(slept):
    assert len(list(Job(counting(3, pause=30.0)))) == 3
    assert slept == []


def test_a_line_that_was_printed_is_printed_again(capsys):
    def steps():
        yield JobStatus("running", "running", 1, 2)
        yield JobStatus("printed", "a line of the user's")
        return 5

    assert Job(steps()).result() == 5
    assert "a line of the user's" in capsys.readouterr().out


def test_a_bar_shows_what_is_done(monkeypatch):
    shown = []

    class Bar(_job.tqdm):
        def update(self, n=1):
            shown.append((self.desc, self.n, self.total))

    monkeypatch.setattr(_job, "tqdm", Bar)
    assert Job(counting(2)).result() == 2
    assert shown == [("counting: ", 1, 2), ("counting: ", 2, 2)]


# -- one job in another


def test_then_changes_the_result():
    job = Job(counting(2)).then(lambda n: f"{n} steps")
    assert [status.done for status in job] == [1, 2]
    assert job.result() == "2 steps"


def test_then_fails_as_its_job_or_its_function_does():
    with pytest.raises(ValueError, match="The third is none"):
        Job(counting(5, fails_at=3)).then(str).result()
    with pytest.raises(ZeroDivisionError):
        Job(counting(2)).then(lambda n: n / 0).result()


def test_following_is_a_part_of_other_steps():
    def steps():
        first = yield from Job(counting(2)).follow()
        second = yield from Job(counting(3)).follow()
        return first + second

    job = Job(steps())
    assert [status.done for status in job] == [1, 2, 1, 2, 3]
    assert job.result() == 5


def test_a_job_that_is_followed_ends_with_what_follows_it():
    log = []
    inner = Job(counting(5, log))

    def steps():
        return (yield from inner.follow())

    outer = Job(steps())
    next(outer)
    outer.cancel()
    assert log == [1, "closed"]
    assert inner.done
    with pytest.raises(CancelledError):
        inner.result()


def test_cancelling_a_then_cancels_its_job():
    log = []
    job = Job(counting(5, log)).then(str)
    next(job)
    job.cancel()
    assert log == [1, "closed"]


def test_to_stop_goes_on_until_the_work_has_ended_also_through_other_steps():
    log = []

    def slow_to_end():
        try:
            while True:
                yield JobStatus("running")
        except CancelledError:
            yield JobStatus("running", "ending")
            log.append("ended")
            raise

    def around():
        return (yield from Job(slow_to_end()).follow())

    job = Job(around())
    next(job)
    job.stop()
    assert (job.done, job.status.text, log) == (False, "ending", [])
    with pytest.raises(CancelledError):
        next(job)
    assert (job.done, log) == (True, ["ended"])
    with pytest.raises(CancelledError, match="cancelled"):
        job.result()
    job.stop()  # again: nothing


def test_to_stop_what_has_not_begun_or_ends_by_itself():
    job = Job(counting(3))
    job.stop()
    assert job.done
    with pytest.raises(CancelledError):
        job.result()
    done = Job(counting(1))
    assert done.result() == 1
    done.stop()
    assert done.result() == 1
