"""A model on a server, with a fake server: the numbers of the local model, one request an analysis, errors in words."""

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, circuits, editing, heads, ioi, lens, patching, steering
from scope_widgets._job import JobStatus
from scope_widgets.circuits.evaluation.edited_circuit import measure
from scope_widgets.circuits.evaluation.evaluation_run import EvaluationRun
from scope_widgets.models.microscope import LocalMicroscope
from scope_widgets.remote.client.response_cache import ResponseCache
from scope_widgets.remote.errors import ServerDownError, TooLargeError
from scope_widgets.remote.microscope import RemoteMicroscope
from scope_widgets.widgets.core.requests import finished
from tests.support.fake_transport import KEY, QUEUED, RUNNING, fake_remote
from tests.support.jobs import gone_through, texts
from tests.support.result_distance import distance

PROMPT = "When Mary and John went to the store, John gave a drink to"
FLIPPED = "When Mary and John went to the store, Mary gave a drink to"
QUESTION = {"answer": " Mary", "versus": " John"}


@pytest.fixture(scope="module")
def demo():
    """Return a demo model of this file's own: where weights were written, results do not know how to load it."""
    return Microscope.load("demo")


@pytest.fixture
def remote(demo):
    return fake_remote(demo)


@pytest.fixture(scope="module")
def task(demo):
    return ioi.prompts(demo, n=4, seed=1).task()


@pytest.fixture(scope="module")
def circuit(demo, task):
    return circuits.discover(demo, task, "eap").keep(20)


def session(scope):
    return steering.Session(scope, PROMPT, [steering.ScaleHead(3, 1, 0.5), steering.ClampNeuron(1, 7, 2.0)], **QUESTION)


#: of each room a function with its arguments, and by what name the server is asked
ROOMS = {
    "heads": (lambda scope, **_: (heads.score, [scope.trace(PROMPT)], {"null_draws": 5}), "score"),
    "rollout": (lambda scope, **_: (heads.rollout, [scope.trace(PROMPT)], {}), "rollout"),
    "lens": (lambda scope, **_: (lens.logit_lens, [scope.trace(PROMPT)], {}), "logit_lens"),
    "parts": (
        lambda scope, **_: (lens.direct_logit_attribution, [scope.trace(PROMPT)], QUESTION),
        "direct_logit_attribution",
    ),
    "neurons": (lambda scope, **_: (lens.neuron_attribution, [scope.trace(PROMPT), 1], QUESTION), "neuron_attribution"),
    "losses": (lambda scope, **_: (lens.token_loss, [scope.trace(PROMPT)], {}), "token_loss"),
    "patching": (lambda scope, **_: (patching.ablate, [scope, PROMPT, [(3, 1)]], QUESTION), "ablate"),
    "ioi": (
        lambda scope, **_: (ioi.ablate_heads, [scope, ioi.prompts(scope, n=4), [(3, 1)]], {"draws": 1}),
        "ablate_heads",
    ),
    "circuits": (lambda scope, task, **_: (circuits.discover, [scope, task, "eap"], {}), "discover"),
    "a measurement": (
        lambda scope, circuit, **_: (measure, [EvaluationRun(scope, circuit), [circuit.included]], {}),
        "measure",
    ),
    "steering": (lambda scope, **_: (steering.sweep, [session(scope), 0], {"strengths": [0.0, 1.0]}), "sweep"),
    "a direction": (lambda scope, **_: (steering.direction, [scope], {"layer": 1, **QUESTION}), "direction"),
}


@pytest.mark.parametrize("room", ROOMS)
def test_an_analysis_gives_the_numbers_of_the_local_model_called_or_submitted(demo, remote, task, circuit, room):
    make, name = ROOMS[room]
    function, args, kwargs = make(scope=demo, task=task, circuit=circuit)
    expected = demo.submit(function, *args, **kwargs).result()
    function, args, kwargs = make(scope=remote, task=task, circuit=circuit)
    remote.transport.asked.clear()
    assert distance(function(*args, **kwargs), expected, room) < 1e-5
    statuses, found = gone_through(remote.submit(function, *args, **kwargs))
    assert distance(found, expected, room) < 1e-5
    assert remote.transport.asked == [name] * 2
    assert texts(statuses) == ["sent to the server", "queued, position 3", "running on the server"]


def test_neurons_of_a_view_come_from_the_server(demo, remote):
    trace = remote.trace(PROMPT)
    view = lens.direct_logit_attribution(trace, **QUESTION).widget()
    assert view.no_neurons == ""
    remote.transport.asked.clear()
    _, (contributions, *_) = finished(view.answer_neurons(2))
    assert remote.transport.asked == ["neuron_attribution"]
    expected = lens.neuron_attribution(demo.trace(PROMPT), 2, **QUESTION).contribution
    np.testing.assert_allclose(np.frombuffer(contributions), expected, atol=1e-5)


def test_a_patching_map_comes_in_parts(demo, remote, monkeypatch):
    monkeypatch.setattr("scope_widgets.patching.sweeps.ENOUGH", 10)
    options = {**QUESTION, "over": "mlp_out"}
    sweep = patching.sweep(remote, PROMPT, FLIPPED, **options)
    parts = [status.partial for status in sweep.submit() if status.partial is not None]
    cells = np.concatenate(parts).tolist()
    assert len(parts) > 1
    assert len(cells) == len(set(cells))
    assert distance(sweep.result.values, patching.activations(demo, PROMPT, FLIPPED, **options).values, "map") < 1e-5


def test_traces_logits_and_texts_are_those_of_the_local_model(demo, remote):
    ours, theirs = demo.trace(PROMPT), remote.trace(PROMPT)
    for site in ("residual", "q", "attention", "mlp_out"):
        assert distance(getattr(theirs, site)(2), getattr(ours, site)(2), site) < 1e-6
    assert theirs.fetch("z", layers=[1]).z(1).shape == ours.z(1).shape
    assert remote.generate(PROMPT, max_new_tokens=4) == demo.generate(PROMPT, max_new_tokens=4)
    ids = torch.tensor([[5, 6, 7]])
    edits = {("residual", 2): lambda value: value * 0.5}
    assert torch.equal(remote.logits(ids, edits), demo.logits(ids, edits))


# -- what is refused, and what fails


def test_what_needs_the_model_in_this_process_is_a_sentence(remote):
    for name in ("run", "watch"):
        with pytest.raises(AttributeError, match=rf"and {name}\(\) needs the model in this process: load it without"):
            getattr(remote, name)
    assert not hasattr(remote, "no_such_thing")
    with pytest.raises(NotImplementedError, match=r"has no weights in this process.*without remote=True"):
        editing.edit_fact(remote, "Mary is in the store", "Mary", " John")
    assert isinstance(remote, RemoteMicroscope)
    assert not isinstance(remote, LocalMicroscope)
    assert "on http://127.0.0.1:1)" in repr(remote)
    assert {"trace", "logits", "generate", "submit", "nnsight", "transport"} <= set(dir(remote))


def test_an_error_of_the_analysis_comes_with_its_type_and_sentence(demo, remote):
    for scope in (demo, remote):
        for ask in (patching.ablate, lambda *args: scope.submit(patching.ablate, *args).result()):  # noqa: B023
            with pytest.raises(ValueError, match="no head 9.9|Head 9.9|9.9"):
                ask(scope, PROMPT, [(9, 9)])


def test_a_server_that_is_down_fails_the_job_and_another_one_works(remote):
    remote.transport.down = True
    job = remote.submit(heads.importance, remote, PROMPT)
    with pytest.raises(ServerDownError, match="The server is down"):
        list(job)
    with pytest.raises(ServerDownError):
        job.result()
    remote.transport.down = False
    assert remote.submit(heads.importance, remote, PROMPT).result().n_layers == remote.n_layers


def test_a_cancelled_job_asks_nothing_more(demo):
    remote = fake_remote(demo, (QUEUED,) * 1000)
    job = remote.submit(heads.importance, remote, PROMPT)
    while job.status.state != "queued":
        next(job)
    job.cancel()
    assert job.done
    assert remote.transport.asked == []


def test_a_result_that_is_too_large_is_a_sentence(remote):
    remote.most_bytes = 100
    with pytest.raises(TooLargeError, match=r"one request may bring 0 MB.*scope\.most_bytes"):
        remote.trace(PROMPT).residual(0)
    with pytest.raises(TooLargeError, match=r"The result has 0 MB.*scope\.most_bytes"):
        heads.importance(remote, PROMPT)


def test_pauses_grow_while_nothing_changes(demo):
    remote = fake_remote(demo, (*[QUEUED] * 20, *[RUNNING] * 2))
    pauses = [status.pause for status in remote.submit(heads.importance, remote, PROMPT) if status.state == "queued"]
    assert pauses[0] == 0.05
    assert pauses == sorted(pauses)
    assert pauses[-1] == 0.5


# -- answers are kept


def kept(demo, tmp_path):
    remote = fake_remote(demo)
    remote._cache = ResponseCache(tmp_path)
    return remote


def test_the_same_question_is_not_asked_twice(demo, tmp_path):
    first, second = kept(demo, tmp_path), kept(demo, tmp_path)
    found = heads.importance(first, PROMPT)
    assert distance(heads.importance(second, PROMPT), found, "kept") == 0
    job = second.submit(heads.importance, second, PROMPT)
    assert [status.state for status in job] == ["waiting"]
    assert distance(job.result(), found, "kept") == 0
    assert (first.transport.asked, second.transport.asked) == (["importance"], [])
    heads.importance(second, FLIPPED)
    assert second.transport.asked == ["importance"]


def test_a_job_is_found_again_by_another_microscope(demo, tmp_path):
    first = kept(demo, tmp_path)
    left = first.submit(heads.importance, first, PROMPT)
    while left.status.state != "queued":
        next(left)
    second = kept(demo, tmp_path)
    second.transport._jobs = first.transport._jobs  # the same server
    statuses, _ = gone_through(second.submit(heads.importance, second, PROMPT))
    assert "sent to the server" not in texts(statuses)
    assert second.transport.asked == ["importance"]
    assert len(second.transport._jobs) == 1


def test_a_function_of_the_users_is_asked_each_time(demo, tmp_path):
    remote = kept(demo, tmp_path)
    for _ in range(2):
        patching.ablate(remote, PROMPT, [(3, 1)], ablation=lambda value: value * 0)
    assert remote.transport.asked == ["ablate"] * 2


def test_the_listener_hears_what_is_waited_for_and_the_key_is_nowhere(demo, tmp_path):
    remote = kept(demo, tmp_path)
    heard = []
    remote.listener = heard.append
    heads.importance(remote, PROMPT)
    assert all(isinstance(status, JobStatus) for status in heard)
    assert KEY not in repr(remote) + repr(vars(remote)) + repr(vars(remote.transport))
    assert not any(KEY.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
