"""Every failure is a typed error and a sentence, within its limit."""

import io
import os
import pickle
import signal
import threading
import time
import zipfile

import pytest
import torch
import zstandard

from scope_widgets import Microscope, heads, patching
from scope_widgets.models.loading import ModelNotFoundError
from scope_widgets.remote.client.server_connection import Key
from scope_widgets.remote.errors import (
    JobFailedError,
    JobTimeoutError,
    LostConnectionError,
    NoAnswerError,
    NotDeployedError,
    RemoteError,
    ServerDownError,
    TooLargeError,
    UnreadableError,
    VersionMismatchError,
    WrongKeyError,
)
from tests.support import broken_servers as broken
from tests.support.ndif_processes import another_api, deploy, until_it_answers
from tests.support.remote_failures import KEY, PROMPT, WAYS, fails, finished, load, own, slow, submit_ablation, works

pytestmark = pytest.mark.timeout(120)
ways = pytest.mark.parametrize("ask", WAYS.values(), ids=WAYS)


# -- no server, or one that is none


@ways
def test_nothing_listens(ask):
    scope = load(host=broken.nobody())
    with fails(ServerDownError, "cannot be reached.*Check the address.*NDIF_HOST", 1):
        ask(scope)


@pytest.mark.parametrize("options", [{"patience": 1}, {"timeout": 1}])
@ways
def test_a_server_that_accepts_and_never_answers(options, ask):
    with broken.listening(broken.silent) as host:
        scope = load(host=host, **options)
        with fails((ServerDownError, LostConnectionError), "cannot be reached: it said nothing for .* s", 1):
            ask(scope)


def test_a_server_whose_answer_never_comes_to_an_end():
    with broken.listening(broken.trickling) as host:
        scope = load(host=host, timeout=1)
        with fails(LostConnectionError, "cannot be reached: it said nothing for .* s", 1):
            WAYS["submit"](scope)


@pytest.mark.parametrize(
    ("code", "body", "kind", "match"),
    [
        (404, "<html><h1>Not found</h1></html>", RemoteError, r"answered 404.* is it an NDIF server\?"),
        (403, '{"detail": "Invalid API key."}', WrongKeyError, "does not accept the API key.*NDIF_API_KEY"),
        (502, "<html>Bad gateway</html>", ServerDownError, r"cannot work now \(502\).*few minutes"),
        (503, '{"detail": "Service temporarily unavailable."}', ServerDownError, r"cannot work now \(503\)"),
        (413, "", TooLargeError, "fewer or shorter prompts"),
        (429, "slow down", ServerDownError, r"cannot work now \(429\)"),
        (418, '{"detail": "Who is %s?"}', RemoteError, "answered 418"),
    ],
)
@ways
def test_a_refusal(code, body, kind, match, ask):
    with broken.listening(broken.answering(code, body.replace("%s", KEY))) as host:
        scope = load(host=host)
        with fails(kind, match, 1):
            ask(scope)


@ways
def test_a_page_instead_of_an_answer(ask):
    with broken.listening(broken.answering(200, "<html>Welcome</html>", "text/html")) as host:
        scope = load(host=host)
        with fails((RemoteError, UnreadableError), "answered 200|cannot be read", 1):
            ask(scope)


# -- a server that takes the job and then goes wrong


def chatty(connection):
    """Say every now and then that one lives, and nothing else."""
    for _ in range(100):
        connection.sendall(broken.PING)
        time.sleep(0.3)


@pytest.mark.parametrize("then", [lambda connection: time.sleep(60), chatty], ids=["silent", "chatty"])
@pytest.mark.parametrize("ask", [WAYS["call"], WAYS["trace"]], ids=["call", "trace"])
def test_the_job_is_never_answered(then, ask):
    with broken.listening(broken.ndif(then)) as host:
        scope = load(host=host, timeout=2)
        with fails(NoAnswerError, "within 2 s.*goes on there.*timeout=", 2):
            ask(scope)


def test_a_stored_job_is_never_answered():
    with broken.listening(broken.ndif()) as host:
        scope = load(host=host, timeout=2)
        with fails(UnreadableError, "cannot be read", 2):  # "pong" is no status
            WAYS["submit"](scope)


def test_the_connection_is_closed():
    with broken.listening(broken.ndif(lambda connection: None)) as host:
        scope = load(host=host)
        with fails(LostConnectionError, "the connection broke", 1):
            WAYS["call"](scope)


def pickled(value):
    """What torch.save writes, with any pickle inside."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("archive/data.pkl", value)
        archive.writestr("archive/version", "3")
        archive.writestr("archive/byteorder", "little")
    return whole.getvalue()


class Hostile:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return os.system, (f"touch {self.file}",)


def envelope(data):
    """An answer as the server sends it."""
    fields = {"id": "job", "status": "COMPLETED", "description": "", "data": data, "meta": None}
    return pickled(pickle.dumps(fields))


NONSENSE = {
    "text": lambda file: broken.text_frame({"what": 1}),
    "bytes": lambda file: broken.binary_frame(b"\0" * 200),
    "an archive of nothing": lambda file: broken.binary_frame(pickled(b"")),
    "a hostile status": lambda file: broken.binary_frame(pickled(pickle.dumps(Hostile(file)))),
    "a damaged answer": lambda file: broken.binary_frame(envelope(b"\x28\xb5\x2f\xfd" + b"\0" * 200)),
    "a hostile answer": lambda file: broken.binary_frame(
        envelope(zstandard.compress(pickled(pickle.dumps(Hostile(file)))))
    ),
    "another answer": lambda file: broken.binary_frame(envelope(zstandard.compress(saved({"else": torch.ones(2)})))),
}


def saved(value):
    whole = io.BytesIO()
    torch.save(value, whole)
    return whole.getvalue()


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_not_read(name, tmp_path):
    frame = NONSENSE[name](tmp_path / "ran")
    with broken.listening(broken.ndif(lambda connection: connection.sendall(frame))) as host:
        scope = load(host=host)
        with fails(UnreadableError, "cannot be read.*update nnsight", 1):
            WAYS["call"](scope)
    assert not (tmp_path / "ran").exists()


def test_the_key_goes_to_the_server_and_not_to_its_store():
    seen, at_the_store = [], []

    def store(connection):
        at_the_store.append(broken._request(connection)[0])
        connection.sendall(broken._response(404, ""))

    with broken.listening(store) as address:
        done = {"id": "job", "status": "COMPLETED", "description": "", "data": address}
        server = broken.ndif(lambda connection: connection.sendall(broken.text_frame(done)), seen)
        with broken.listening(server) as host:
            scope = load(host=host)
            with fails(LostConnectionError, "its store answered 404", 1):
                WAYS["call"](scope)
    asked = [one.split(b"\r\n\r\n")[0] for one in seen if b"/ping" not in one.split(b"\r\n")[0]]
    assert all(KEY.encode() in head for head in asked)
    assert at_the_store
    assert not any(KEY.encode() in head for head in at_the_store)


@pytest.mark.parametrize("key", ["1111\n2222", "1111–2222", "\x001111"])
def test_a_key_that_cannot_be_one(key):
    with pytest.raises(WrongKeyError, match="holds characters that no key has") as raised:
        Microscope.load("demo/ioi", remote=True, api_key=key)
    assert key not in str(raised.value)
    assert Microscope.load("demo/ioi", remote=True, api_key=" 1111\n").transport.server.key == "1111"


# -- the real server: its doors


@pytest.fixture(scope="module")
def strict_apis():
    """Two more API processes of the server: one that wants another nnsight, one that asks for keys."""
    with (
        another_api(18011, NDIF_MIN_NNSIGHT_VERSION="99.0") as newer,
        another_api(18012, NDIF_POSTGRES_URL="postgresql://nobody@127.0.0.1:1/none") as locked,
    ):
        until_it_answers(newer)
        until_it_answers(locked)
        yield newer, locked


@ways
def test_the_server_wants_another_nnsight(strict_apis, ask):
    scope = load(host=strict_apis[0])
    with fails(VersionMismatchError, "does not take requests of this nnsight.*below the minimum supported 99.0", 2):
        ask(scope)


@pytest.mark.parametrize("key", ["", "not-a-key", "1111"])
@ways
def test_the_server_does_not_accept_the_key(strict_apis, ask, key):
    scope = load(host=strict_apis[1])
    scope.transport.server.key = Key(key)
    with fails(WrongKeyError, "does not accept the API key.*NDIF_API_KEY.*login.ndif.us", 2) as raised:
        ask(scope)
    assert not key or key not in str(raised.value)


@ways
def test_the_server_cannot_look_the_key_up(strict_apis, ask):
    scope = load(host=strict_apis[1])
    with fails(ServerDownError, r"cannot work now \(503\): Auth backend unavailable. Ask again", 10):
        ask(scope)


# -- the real server: models


def test_no_such_model_on_the_hub():
    with fails(ModelNotFoundError, "No model 'demo/none' on the hub", 5):
        load("demo/none")


def test_a_model_that_only_this_machine_finds():
    scope = load()
    scope._nnsight.to_model_key = lambda: (
        'nnsight.modeling.transformers.TransformersModel:{"repo_id": "demo/none", "revision": null, '
        '"task": "text-generation"}'
    )
    with fails(NotDeployedError, "The server cannot run demo/ioi: Could not deploy this model", 20):
        WAYS["call"](scope)


def test_a_model_that_the_server_cannot_load():
    scope = load("demo/broken")
    with fails(NotDeployedError, "could not load demo/broken|cannot run demo/broken", 60):
        WAYS["call"](scope)
    works(load())


# -- the real server: what is asked


class OwnError(Exception):
    pass


def raising(error):
    def change(value):
        raise error

    return change


@pytest.mark.parametrize("error", [ValueError("The 3rd head is not to be touched."), ZeroDivisionError("By 0.")])
def test_the_users_function_raises(remote, local, error):
    for scope in (local, remote):
        with fails(type(error), str(error), 5) as raised:
            own(scope, raising(error))
        assert str(raised.value) == str(error)
    works(remote)


def test_the_users_function_raises_what_only_the_user_knows(remote):
    def change(value):
        class Odd(Exception):
            pass

        raise Odd("It is odd.")

    with fails(RemoteError, "On the server: .*Odd: It is odd.", 5):
        own(remote, change)


def test_the_users_function_leaves_the_interpreter(remote):
    def change(value):
        raise SystemExit(3)

    with fails(JobFailedError, "left the interpreter there .SystemExit: 3", 5):
        own(remote, change)
    works(remote)


def test_this_package_refuses_remotely_as_locally(remote, local):
    for scope in (local, remote):
        with fails(ValueError, "over= is one of residual", 5):
            patching.attribution(scope, PROMPT, PROMPT, over="nothing")


def test_a_package_that_the_server_lacks(remote):
    import marimo

    def inside(value):
        import marimo

        return marimo.md(value)

    def outside(value):
        return marimo.md(value)

    with fails(ModuleNotFoundError, "No module named 'marimo'", 5):
        own(remote, inside)
    with fails(VersionMismatchError, "could not read the request.*marimo.*nnsight.ndif.compare", 10):
        own(remote, outside)
    works(remote)


def test_what_cannot_travel(remote):
    lock = threading.Lock()

    def change(value):
        with lock:
            return value

    with pytest.raises(TypeError, match="lock"):
        own(remote, change)
    with fails(TypeError, "cannot travel to a server", 1):
        patching.ablate(remote, PROMPT, [(0, 0)], reference=lock)
    works(remote)


def test_the_answer_is_too_large(remote):
    scope = load()
    scope.most_bytes = 100
    with fails(TooLargeError, "would bring 0 MB.*scope.most_bytes", 1):
        scope.trace(PROMPT).residual(0)
    with fails(TooLargeError, "The result has 0 MB.*scope.most_bytes", 5):
        heads.importance(scope, PROMPT)


# -- the real server: time


@pytest.fixture(scope="module", autouse=True)
def hasty():
    """A model whose jobs get two seconds, being deployed while other tests run."""
    return deploy("demo/hasty", execution_timeout_seconds=2)


def test_the_server_gives_up_on_a_job(hasty):
    assert hasty.wait(120) == 0
    scope = load("demo/hasty", timeout=90)
    works(scope)
    for ask in (own, lambda scope, function: finished(submit_ablation(scope, function))):
        with fails(JobTimeoutError, "exceeded the execution timeout of 2.0s. Ask for less at once", 4):
            ask(scope, slow(2.5))
        time.sleep(1.5)  # the server lets go of a thread that sleeps only when it wakes up
        works(scope)


def test_the_user_gives_up_on_a_job():
    scope = load(timeout=1.5)
    with fails(NoAnswerError, "within 1.5 s. The job goes on there", 1.5):
        own(scope, slow(3))
    job = submit_ablation(scope, slow(3))
    with fails(NoAnswerError, "within 1.5 s. The job goes on there", 1.5):
        finished(job)
    works(load())


def test_ctrl_c_leaves_the_next_call_working(remote):
    def interrupt():
        os.kill(os.getpid(), signal.SIGINT)

    for ask in (own, lambda scope, function: finished(submit_ablation(scope, function))):
        threading.Timer(1, interrupt).start()
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            ask(remote, slow(3))
        assert time.monotonic() - start < 1 + 2
        works(remote)
    assert remote.trace(PROMPT).residual(1).shape == (15, 128)
