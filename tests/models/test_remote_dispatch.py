"""A function runs where the model of its arguments is, and its caller cannot tell."""

from types import SimpleNamespace

import pytest

from scope_widgets._job import Job, JobStatus
from scope_widgets.models.remote_dispatch import remotable, scope_of, stepwise, submit


@remotable
def size(thing):
    """Return the layers of what it is given."""
    return getattr(thing, "n_layers", len(thing) if isinstance(thing, str) else 0)


@stepwise
def counted(thing, n=2):
    """Return `n`, a step each."""
    for i in range(n):
        yield JobStatus("running", "counting", i + 1, n, partial=i)
    return n


class Scope:
    """A microscope that notes what it is asked."""

    n_layers = 7

    def __init__(self):
        self.asked = []

    def call(self, function, args, kwargs):
        self.asked.append((function, tuple(args), dict(kwargs)))
        return "called"

    def submit(self, function, *args, **kwargs):
        self.asked.append((function, args, kwargs))
        return Job(iter([JobStatus("queued")]))


def test_without_a_model_it_runs_in_this_process():
    assert size("text") == 4
    assert counted("text", 3) == 3
    job = submit(counted, "text", n=3)
    assert [status.partial for status in job] == [0, 1, 2]
    assert job.result() == 3
    whole = submit(size, "text")
    assert list(whole) == []
    assert whole.result() == 4


def test_with_a_model_the_model_decides():
    scope = Scope()
    assert size(scope) == counted(scope, n=4) == "called"
    assert scope.asked == [(size, (scope,), {}), (counted, (scope,), {"n": 4})]
    scope.asked.clear()
    assert next(submit(counted, scope, n=4)).state == "queued"
    assert scope.asked == [(counted, (scope,), {"n": 4})]


def test_the_model_is_that_of_a_trace_a_session_or_one_of_a_list():
    scope, other = Scope(), Scope()
    trace = SimpleNamespace(scope=scope)
    for values in ([trace], ["text", scope], [[trace, trace]], [None, (trace,)], [scope, other]):
        assert scope_of(values) is scope
    for values in ([], ["text"], [["text"], [1, 2]], [SimpleNamespace(scope=None)], [[]], [{"scope": scope}]):
        assert scope_of(values) is None
    assert size(thing=trace) == "called"


def test_a_local_model_goes_through_the_steps(demo):
    assert (size(demo), counted(demo, 3)) == (demo.n_layers, 3)
    job = demo.submit(counted, demo, n=2)
    assert [(status.done, status.total, status.partial) for status in job] == [(1, 2, 0), (2, 2, 1)]
    assert job.result() == 2
    whole = demo.submit(size, demo)
    assert list(whole) == []
    assert whole.result() == demo.n_layers
    plain = demo.submit(lambda scope: scope.d_model, demo)  # any function has one step
    assert plain.result() == demo.d_model


def test_steps_of_a_local_model_can_be_left_and_an_error_is_its_own(demo):
    log = []

    @stepwise
    def endless(scope):
        try:
            while True:
                yield JobStatus("running")
        finally:
            log.append("closed")

    job = demo.submit(endless, demo)
    next(job), next(job)
    job.cancel()
    assert log == ["closed"]

    @stepwise
    def failing(scope):
        yield JobStatus("running")
        raise ValueError("No.")

    for ask in (lambda: failing(demo), lambda: demo.submit(failing, demo).result()):
        with pytest.raises(ValueError, match=r"No\."):
            ask()


def test_functions_keep_their_names_and_docstrings():
    assert (size.__name__, counted.__name__) == ("size", "counted")
    assert size.__doc__.startswith("Return the layers")
    assert counted.__module__ == __name__
