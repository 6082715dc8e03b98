"""What the tests of failures share: how requests are made, and what every failure must be."""

import time
import traceback
from contextlib import contextmanager

import pytest

from scope_widgets import Microscope, heads, patching
from scope_widgets.remote.errors import RemoteError

KEY = "11111111-2222-3333-4444-555555555555"
PROMPT = "When Mary and John went to the store, John gave a drink to"
#: seconds that a failure may take beyond its limit: 2 where nobody else computes
GRACE = 4.0
#: what each failure took, for the summary of the run
took = {}


def load(name="demo/ioi", host=None, timeout=60.0, patience=None):
    """A remote model with a made-up key."""
    scope = Microscope.load(name, remote=True, host=host, api_key=KEY, timeout=timeout)
    scope.listener = lambda status: None
    if patience is not None:
        scope.transport.server.patience = patience
    return scope


def submit_ablation(scope, function):
    """The job of `own`."""
    return scope.submit(patching.ablate, scope, PROMPT, [(0, 0)], ablation=function)


def finished(job):
    """The result of a job, without a bar."""
    return job.result(progress=False)


def until_sent(job):
    """Go through a job until the server has it."""
    while job.status.state in ("waiting", "lost"):
        next(job)


#: the three ways in which anything is asked of a server; none of them is answered from the disk
WAYS = {
    "call": lambda scope: own(scope, lambda value: value),
    "submit": lambda scope: finished(submit_ablation(scope, abs)),
    "trace": lambda scope: scope.trace(f"{PROMPT} {time.monotonic_ns()}").residual(0),
}


def own(scope, function):
    """Run a function of one's own on the server, once."""
    return patching.ablate(scope, PROMPT, [(0, 0)], ablation=function)


def slow(seconds):
    """A function that takes so long on the server."""

    def wait(value):
        import time

        time.sleep(seconds)
        return value * 0

    return wait


def works(scope):
    """Assert that the next request is answered."""
    assert heads.importance(scope, f"{PROMPT} {time.monotonic_ns()}").n_layers == 4


@contextmanager
def fails(kind, match, limit):
    """Assert that the block raises this, as a sentence, within a limit, and shows the key nowhere."""
    start = time.monotonic()
    with pytest.raises(kind, match=match) as raised:
        yield raised
    seconds = time.monotonic() - start
    error = raised.value
    took[f"{type(error).__name__}: {error}"] = seconds
    assert seconds < limit + GRACE
    if isinstance(error, RemoteError):
        assert type(error) in (kind if isinstance(kind, tuple) else (kind,))
        assert str(error)[0].isupper()
        assert str(error).endswith((".", "?"))
    without_key(error)


def without_key(error):
    """Assert that the key is not in an error, nor in the variables of any frame of its traceback.

    But for those of the tests, and of `Microscope.load`, to which a test has just given it.
    """
    for one in (error, error.__cause__, error.__context__):
        assert KEY not in f"{one} {one!r} {getattr(one, '__dict__', '')}"
        for frame, _ in traceback.walk_tb(getattr(one, "__traceback__", None)):
            if frame.f_code.co_qualname == "Microscope.load" or "tests" in frame.f_code.co_filename:
                continue
            for name, value in frame.f_locals.items():
                assert KEY not in _shown(value), f"{name} in {frame.f_code.co_qualname} shows the key"


def _shown(value):
    try:
        return repr(value)
    except AttributeError:  # of an object that is being made
        return ""
