"""What travels to a server and back: every result comes back as it was, and what a server must not send is refused."""

import collections
import dataclasses
import datetime
import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch

from scope_widgets import circuits, heads, ioi, lens, patching, steering
from scope_widgets.models.microscope import LocalMicroscope
from scope_widgets.remote import serialization
from scope_widgets.remote.client.response_cache import ResponseCache
from scope_widgets.traces.attention_scoring import AttentionScoring

PROMPT = "When Mary and John went to the store, John gave a drink to"
FLIPPED = "When Mary and John went to the store, Mary gave a drink to"
QUESTION = {"answer": " Mary", "versus": " John"}
PLAIN = (bool, int, float, str, type(None), torch.Tensor)


def same(one, other):
    """Whether two values are equal down to types, dtypes, shapes and NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        return (
            one.dtype == other.dtype and one.shape == other.shape and torch.equal(one.nan_to_num(), other.nan_to_num())
        )
    if isinstance(one, (np.ndarray, np.generic)):
        np.testing.assert_array_equal(one, other)
        return one.dtype == other.dtype and np.shape(one) == np.shape(other)
    if dataclasses.is_dataclass(one) and not isinstance(one, type):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one))
    if isinstance(one, Mapping):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return repr(one) == repr(other)


def plain(value):
    """Whether a value is made of what a server's answer may be made of."""
    if isinstance(value, dict):
        return all(type(key) is str and plain(one) for key, one in value.items())
    return all(map(plain, value)) if type(value) is list else type(value) in PLAIN or isinstance(value, torch.Tensor)


def back(value, demo, tmp_path=None):
    packed = serialization.pack(value, demo)
    assert plain(packed)
    if tmp_path is not None:  # what is kept on disk is what came
        store = ResponseCache(tmp_path)
        store.keep("a", {"result": packed})
        packed = store.find("a")["result"]
    return serialization.unpack(packed, demo)


# -- values


Place = collections.namedtuple("Place", "layer head")


VALUES = [
    *(None, True, 3, -0.0, math.nan, math.inf, "text", "", 2**70, [], [1, [2.5, ["x"]]], (), (1,), ((1, 2), [3])),
    *({}, {"a": 1}, {1: "int", (2, 3): "tuple", None: [], "$": "a tag"}, {"$": {"$": 1}}),
    *(set(), {3, 1, 2}, frozenset({"a"}), slice(1, None, -1), range(3, 10, 2)),
    *(
        torch.float16,
        torch.device("cpu"),
        AttentionScoring(0.5, None, 3),
        heads.score,
        LocalMicroscope.trace,
        heads.HeadScores,
    ),
    *(np.float32(1.5), np.int64(3), np.bool_(True), np.array([]), np.zeros((2, 0, 3))),
    *(np.arange(6).reshape(2, 3), np.arange(6.0).reshape(2, 3).T, np.arange(10, dtype=np.uint8)[::3]),
    *(np.array([np.nan, np.inf]), np.array([True, False]), np.array(["a", "long text"])),
    *(np.array([["a", None], [1, 2.5]], dtype=object), np.array([1 + 2j], dtype=np.complex64)),
    *(torch.arange(6.0).reshape(2, 3).T, torch.tensor(True), torch.zeros(0, 3)),
    torch.tensor([0.5, -1.25, 3.0], dtype=torch.bfloat16),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: getattr(value, "__qualname__", repr(value)))
def test_a_value_comes_back(demo, tmp_path, value):
    assert same(back(value, demo), value)
    assert same(back(value, demo, tmp_path), value)


def test_what_becomes_something_simpler(demo):
    assert back(Path("a") / "b", demo) == str(Path("a") / "b")
    assert back(MappingProxyType({"a": 1}), demo) == {"a": 1}
    assert back(collections.OrderedDict(a=1), demo) == {"a": 1}
    assert same(back(np.array(2.5), demo), np.float64(2.5))
    parameter = torch.nn.Parameter(torch.ones(2))
    assert type(back(parameter, demo)) is torch.Tensor
    assert not back(parameter, demo).requires_grad


def test_the_model_travels_as_a_word(demo):
    packed = serialization.pack([demo, demo.tokenizer, {"scope": demo}], demo)
    assert serialization.n_bytes(packed) == 0
    found = serialization.unpack(packed, other := object.__new__(Other))
    assert found[0] is found[2]["scope"] is other
    assert found[1] is other.tokenizer


class Other:
    tokenizer = object()


def test_a_part_of_a_tensor_travels_without_the_whole(demo):
    packed = serialization.pack([torch.zeros(1000, 1000)[:2, :3], np.zeros((1000, 1000))[5, :4]], demo)
    assert serialization.n_bytes(packed) == 2 * 3 * 4 + 4 * 8
    tensor, array = packed[0], packed[1]["of"]
    assert tensor.untyped_storage().nbytes() == 24
    assert array.untyped_storage().nbytes() == 32


def test_packing_changes_nothing_and_shares_nothing(demo):
    value = torch.ones(3)
    packed = serialization.pack([value], demo)
    packed[0].zero_()
    assert value.sum() == 3


# -- results


@pytest.fixture(scope="module")
def task(demo):
    return ioi.prompts(demo, n=4, seed=1).task()


@pytest.fixture(scope="module")
def circuit(demo, task):
    return circuits.discover(demo, task, "eap").keep(20)


@pytest.fixture(scope="module")
def session(demo):
    direction = steering.direction(demo, layer=1, **QUESTION)
    pattern = np.eye(4, dtype=np.float32)
    interventions = [
        steering.AddDirection(direction, 0.5, "last"),
        steering.ProjectOut(direction, 1.0, (1, None)),
        steering.ScaleHead(3, 1, 0.0),
        steering.ClampNeuron(1, 7, 2.0),
        steering.SwapAttention(2, 2, pattern, 0.4, source=("x", 1, 2)),
        steering.PatchActivation(2, np.ones((2, demo.d_model)), positions=(0, 1), source="x"),
    ]
    return steering.Session(demo, PROMPT, interventions, **QUESTION)


RESULTS = {
    "HeadScores": lambda demo, **_: heads.score(demo.trace(PROMPT), null_draws=5),
    "HeadLabels": lambda demo, **_: heads.label(heads.score(demo.trace(PROMPT), null_draws=20)),
    "top attended": lambda demo, **_: heads.top_attended(demo.trace(PROMPT), 1),
    "HeadTokens": lambda demo, **_: heads.ov_tokens(demo, 3, 1, [" Mary", " John"], n=3),
    "value-weighted": lambda demo, **_: heads.value_weighted_attention(demo.trace(PROMPT), 3),
    "composition": lambda demo, **_: heads.composition(demo, kind="q"),
    "Attribution": lambda demo, **_: lens.direct_logit_attribution(demo.trace(PROMPT), **QUESTION),
    "NeuronAttribution": lambda demo, **_: lens.neuron_attribution(demo.trace(PROMPT), 0, **QUESTION),
    "TokenLoss": lambda demo, **_: lens.token_loss(demo.trace(PROMPT)),
    "LogitLens": lambda demo, **_: lens.logit_lens(demo.trace(PROMPT), watch=[" Mary"]),
    "PatchingResult": lambda demo, **_: patching.activations(demo, PROMPT, FLIPPED, positions=[-1], **QUESTION),
    "Ablation": lambda demo, **_: patching.ablate(demo, PROMPT, [(0, 0)]),
    "IOIPrompts": lambda demo, **_: ioi.prompts(demo, n=4),
    "IOIResult": lambda demo, **_: ioi.detect(demo, ioi.prompts(demo, n=10)),
    "HeadAblation": lambda demo, **_: ioi.ablate_heads(demo, ioi.prompts(demo, n=4), [(3, 1)], draws=1),
    "Task": lambda task, **_: task,
    "Graph": lambda circuit, **_: circuit.graph,
    "Circuit": lambda circuit, **_: dataclasses.replace(circuit, labels={"a1.h2": "mine"}, groups={"all": ["m0"]}),
    "Faithfulness": lambda demo, circuit, **_: circuits.faithfulness(demo, circuit, draws=1),
    "Curve": lambda demo, circuit, **_: circuits.curve(demo, circuit, shares=(0.1, 1.0), draws=1),
    "Completeness": lambda demo, circuit, **_: circuits.completeness(demo, circuit, greedy=1),
    "Minimality": lambda demo, circuit, **_: circuits.minimality(demo, circuit),
    "Direction": lambda session, **_: session.interventions[0].direction,
    "interventions": lambda session, **_: session.interventions,
    "StrengthSweep": lambda session, **_: steering.sweep(session, 0, strengths=[-1, 0, 1]),
    "logits": lambda demo, **_: demo.logits(torch.tensor([[5, 6, 7]])),
}  # fmt: skip


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_comes_back(demo, task, circuit, session, tmp_path, name):
    result = RESULTS[name](demo=demo, task=task, circuit=circuit, session=session)
    found = back(result, demo, tmp_path)
    assert same(found, result)
    if hasattr(result, "to_json"):
        assert found.to_json() == result.to_json()
    assert repr(found) == repr(result)


# -- what cannot travel


@pytest.mark.parametrize(
    "value",
    [object(), datetime.date(2026, 1, 1), pytest, iter([]), open(__file__), {"a": [object()]}, 1j, b"bytes"],  # noqa: SIM115
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_travel_is_a_sentence(demo, value):
    with pytest.raises(TypeError, match="cannot travel to a server; what can are numbers"):
        serialization.pack(value, demo, functions=True)


def test_functions_of_the_users_go_but_do_not_come_back(demo):
    def metric(logits):
        return logits[0]

    assert serialization.pack(metric, demo, functions=True) == {"$": "function", "of": metric}
    for function in (metric, lambda x: x, print, torch.sin):
        with pytest.raises(TypeError, match="cannot come back from a server"):
            serialization.pack(function, demo)


# -- answers of a hostile server


def named(name):
    return {"$": "named", "of": name}


def made(kind, of, name):
    return {"$": kind, "class": name, "of": of}


SCORES = "scope_widgets.heads.head_scores:HeadScores"
REFUSED = {
    "another package": named("os:system"),
    "another package's name inside": named("scope_widgetsx.evil:run"),
    "no package": named("builtins:eval"),
    "what a module of ours imports": named("scope_widgets.remote.client.response_cache:os.system"),
    "a function that ours imports": named("scope_widgets.remote.client.response_cache:save_file"),
    "a class that ours imports": made("object", [], "scope_widgets.remote.client.response_cache:Path"),
    "an object of another package": made("object", [], "subprocess:Popen"),
    "an object of a function": made("object", [], "scope_widgets.heads.score:score"),
    "an object of a module": made("object", [], "scope_widgets.remote.client.response_cache:os"),
    "a tuple that is none": made("fields", [1, 2], SCORES),
    "a tuple of a function": made("fields", [1, 2], "scope_widgets.heads.score:score"),
    "an enum that is none": made("enum", 1, SCORES),
    "a call": {"$": "made", "by": "scope_widgets.heads.score:score", "args": [], "kwargs": {"$": "dict", "of": []}},
    "a call inside": [{"$": "tuple", "of": [{"$": "made", "by": "os:system", "args": ["true"], "kwargs": {}}]}],
    "an unknown kind": {"$": "lambda", "of": "x"},
    "no kind": {"of": "x"},
    "a dtype that is none": {"$": "dtype", "of": "load"},
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_answer_is_refused(demo, name):
    with pytest.raises(ValueError):
        serialization.unpack(REFUSED[name], demo)


def test_calls_are_made_where_the_request_came_from_the_user(demo):
    ask = {
        "$": "made",
        "by": "scope_widgets.models.microscope:LocalMicroscope.trace",
        "args": [{"$": "scope"}, [5, 6]],
        "kwargs": {"$": "dict", "of": []},
    }
    assert serialization.unpack(ask, demo, calls=True).token_ids.tolist() == [5, 6]
    with pytest.raises(ValueError, match="which this package does not know"):
        serialization.unpack(ask, demo)


def test_the_modules_that_a_request_names(demo, circuit):
    packed = serialization.pack({"circuit": circuit, "text": "scope_widgets.heads: a talk", "by": heads.score}, demo)
    found = serialization.modules(packed)
    theirs = ("experiments.circuit.circuit", "heads.score", "experiments.task")
    assert {f"scope_widgets.{name}" for name in theirs} <= found
    assert all(name.startswith("scope_widgets.") and " " not in name for name in found)
