"""Every number that the API answers is the library's own."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pyarrow
import pytest

from scope_widgets import circuits, features, heads, ioi, steering
from scope_widgets.apps.workbench.api import arrays
from scope_widgets.apps.workbench.api.tables import records
from tests.support.workbench_api import OTHER, PROMPT, Spoken, ended

ARROW, NPY = "application/vnd.apache.arrow.stream", "application/x-npy"


def of_distribution(found: steering.Steered, which: str, n: int) -> list[dict[str, Any]]:
    one = getattr(found, which)
    return [
        {"token_id": at, "probability": float(one.probabilities[at]), "logit": float(one.logits[at])}
        for at in one.order[:n]
    ]


def without_text(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: one[name] for name in ("token_id", "probability", "logit")} for one in listed]


def test_inference_is_the_session(api: Spoken) -> None:
    answers = {}
    for text in (PROMPT, OTHER):
        found = steering.Session(api.scope, text).at()
        answers[text] = api.client.inference(body={"text": text, "n": 30})
        assert without_text(answers[text]["original"]) == of_distribution(found, "unsteered", 30)
        assert answers[text]["patched"] == answers[text]["original"]
        assert answers[text]["kl"] == 0
    assert answers[PROMPT]["original"] != answers[OTHER]["original"]
    ids = api.scope.trace(PROMPT).token_ids.tolist()
    again = api.client.inference(body={"token_ids": ids, "n": 30})
    assert again["original"] == answers[PROMPT]["original"]
    assert again["token_ids"] == ids


@pytest.mark.parametrize(("kind", "strength"), [("add", 3.0), ("clamp", 4.0), ("scale", 0.0), ("scale_head", 0.0)])
def test_patched_is_the_session_with_the_intervention(api: Spoken, kind: str, strength: float) -> None:
    sae = features.load("demo")
    fires = int(sae.encode(api.scope.trace(PROMPT).residual(sae.layer)).to_dense()[-1].argmax())
    where: dict[str, Any] = {"sae": "demo", "feature": fires}
    made: Any = {
        "add": lambda: steering.AddDirection(sae.direction(fires), strength),
        "clamp": lambda: steering.ClampFeature(sae, fires, strength),
        "scale": lambda: steering.ScaleFeature(sae, fires, strength),
        "scale_head": lambda: steering.ScaleHead(3, 1, strength),
    }[kind]()
    if kind == "scale_head":
        where = {"layer": 3, "head": 1}
    api.client.create_patch(body={"kind": kind, "strength": strength, **where})
    found = steering.Session(api.scope, PROMPT, [made]).at()
    answer = api.client.inference(body={"text": PROMPT, "n": 20})
    assert without_text(answer["patched"]) == of_distribution(found, "steered", 20)
    assert without_text(answer["original"]) == of_distribution(found, "unsteered", 20)
    assert answer["patched"] != answer["original"]
    assert answer["kl"] == found.kl > 0


def test_traces_are_the_librarys(api: Spoken) -> None:
    trace = api.scope.trace(PROMPT)
    made = api.client.create_trace(body={"text": PROMPT})
    assert made["tokens"] == trace.tokens
    assert made["token_ids"] == trace.token_ids.tolist()
    whole = api.client.trace_attention(id=made["id"], layer=2)
    assert np.array_equal(np.float32(whole["values"]), trace.attention(2).numpy())
    assert whole["shape"] == list(trace.attention(2).shape)
    one = api.client.trace_attention(id=made["id"], layer=2, head=3)
    assert np.array_equal(np.float32(one["values"]), trace.attention(2)[3].numpy())
    for site in ("residual", "q", "k", "v", "z", "attention_out", "mlp_out"):
        got = api.client.trace_activations(id=made["id"], layer=1, site=site, positions=[0, 7])
        assert np.array_equal(np.float32(got["values"]), getattr(trace, site)(1)[[0, 7]].numpy())
        assert len(got["axes"]) == len(got["shape"])
    table = api.client.trace_heads(id=made["id"], seed=3, null_draws=20)
    expected = heads.score(trace, seed=3, null_draws=20)
    assert table["heads"] == json.loads(json.dumps(records(expected.to_dataframe())))
    api.client.delete_trace(id=made["id"])
    api.client.get_trace(id=made["id"], status=404)


def test_large_arrays_are_npy_or_arrow(api: Spoken) -> None:
    text = " ".join([PROMPT] * 8)
    trace = api.scope.trace(text)
    made = api.client.create_trace(body={"text": text})
    refused = api.client.trace_attention(id=made["id"], layer=0, status=406)
    assert NPY in refused["detail"]
    api.client.trace_attention(id=made["id"], layer=0, accept="text/html", status=406)
    raw = api.client.trace_attention(id=made["id"], layer=0, accept=NPY)
    assert np.array_equal(np.load(io.BytesIO(raw), allow_pickle=False), trace.attention(0).numpy())
    raw = api.client.trace_attention(id=made["id"], layer=0, accept=f"application/json;q=0.1, {ARROW};q=0.9")
    table = pyarrow.ipc.open_stream(raw).read_all()
    shape = json.loads(table.schema.metadata[b"shape"])
    assert np.array_equal(table["values"].to_numpy().reshape(shape), trace.attention(0).numpy())
    assert json.loads(table.schema.metadata[b"axes"]) == ["head", "query", "key"]


def test_latents_are_those_of_the_index(api: Spoken) -> None:
    index = features.FeatureIndex.load("demo", scope=api.scope)
    page = api.client.list_features(id="demo", limit=40, sort="max", descending=True)
    expected = index.table.sort_values("max", ascending=False, kind="stable").head(40)
    assert [one["feature"] for one in page["items"]] == expected.feature.tolist()
    assert [one["max"] for one in page["items"]] == expected["max"].tolist()
    assert [one["label"] for one in page["items"]] == expected.label.tolist()
    assert page["total"] == len(index)
    alive = api.client.list_features(id="demo", limit=1000, dead=False)
    assert [one["feature"] for one in alive["items"]] == index.table.query("not dead").feature.tolist()
    one = api.client.get_feature(id="demo", feature=4)
    assert one["examples"] == records(index.top(4))
    assert one["logits"] == records(index.logits(4))
    assert one["coactivations"] == records(index.coactivation(4))
    assert one["histogram"] == records(index.histogram(4))
    partners = api.client.coactivations(id="demo", feature=4, n=3)
    assert partners["items"] == records(index.coactivation(4).head(3))
    tokens, codes = index.encode(PROMPT)
    said = api.client.encode_text(id="demo", body={"text": PROMPT, "n": 1000})
    assert [one["token"] for one in said["tokens"]] == tokens
    dense = codes.to_dense().numpy()
    for row, token in enumerate(said["tokens"]):
        assert {one["feature"]: one["activation"] for one in token["features"]} == {
            int(j): float(dense[row, j]) for j in np.flatnonzero(dense[row])
        }
        assert token["n_active"] == len(token["features"])
    raw = api.client.encode_text(id="demo", body={"text": PROMPT}, accept=NPY)
    assert np.array_equal(np.load(io.BytesIO(raw)), dense)


def test_a_search_finds_labels_tokens_and_examples(api: Spoken) -> None:
    index = features.FeatureIndex.load("demo", scope=api.scope)
    found = api.client.list_features(id="demo", search="Adam", limit=1000)
    numbers = {one["feature"] for one in found["items"]}
    assert set(index.search(label="Adam", n=len(index)).feature) <= numbers
    assert set(index.search(text="Adam", n=len(index)).feature) <= numbers
    assert {j for j in range(len(index)) if "Adam" in index.tokens(j).token.tolist()} <= numbers
    assert 0 < found["total"] < len(index)
    nothing = api.client.list_features(id="demo", search="no such text at all")
    assert nothing == {"items": [], "total": 0, "next_cursor": None}


def test_circuits_and_ioi_are_those_of_the_library(api: Spoken) -> None:
    begun = api.client.find_circuit(body={"task": "ioi", "n": 8, "method": "eap", "keep": 12})
    job = ended(api.client, begun["id"])
    expected = circuits.discover(api.scope, circuits.task(api.scope, "ioi", n=8, seed=0), "eap").keep(n_edges=12)
    assert job["result"]["type"] == "Circuit"
    assert job["result"]["table"] == records(expected.to_dataframe().head(1000))
    text = api.client.export(id=begun["id"], raw=True).text
    assert circuits.Circuit.from_json(text).edges == expected.edges
    begun = api.client.find_ioi(body={"n": 20})
    result = ioi.detect(api.scope, ioi.prompts(api.scope, n=20))
    assert ended(api.client, begun["id"])["result"]["table"] == records(result.to_dataframe())
    assert ioi.IOIResult.from_json(api.client.export(id=begun["id"], raw=True).text).of("name_mover") == [(3, 1)]
    methods = api.client.circuit_methods()
    assert [one["id"] for one in methods["methods"]] == list(circuits.METHODS)
    assert len(api.client.ioi_templates()["templates"]) > 10


def test_provenance_is_that_of_the_library(api: Spoken) -> None:
    options = {"depth": 1, "candidates": 4, "follow": 1, "draws": 4}
    body = {"prompts": ["When Mary and John", "Then Mary and Tom"], **options}
    begun = api.client.feature_provenance(id="demo", feature=341, body=body)
    job = ended(api.client, begun["id"])
    expected = features.provenance(api.scope, features.load("demo"), 3, 341, body["prompts"], **options)
    assert job["state"] == "done"
    assert job["result"]["table"] == records(expected.to_dataframe())


def test_models_are_told_as_they_are(api: Spoken) -> None:
    model = api.client.get_model(id="demo")
    assert api.client.list_models()["items"] == [model]
    assert (model["n_layers"], model["n_heads"], model["d_model"]) == (4, 4, 128)
    assert model["parameters"] == sum(one.numel() for one in api.scope.model.parameters())
    assert api.client.estimate_model(name="demo")["fits"]
    begun = api.client.load_model(body={"name": "demo"})
    assert ended(api.client, begun["id"])["result"]["table"] == [{"id": "demo"}]
    assert "stays" in api.client.unload_model(id="demo", status=409)["detail"]
    assert "not loaded" in api.client.get_model(id="gpt2", status=404)["detail"]
    for name in ("../demo", "/etc", "openai-community/gpt2", "http://evil.example/x"):
        api.client.load_model(body={"name": name}, status=422)


def test_arrays_that_would_be_too_large_are_refused_before(api: Spoken, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = api.client.create_trace(body={"text": PROMPT})["id"]
    monkeypatch.setattr(arrays, "MOST_BYTES", 1000)
    said = api.client.encode_text(id="demo", body={"text": PROMPT}, accept=NPY, status=413)
    assert "bytes" in said["detail"]
    assert "bytes" in api.client.trace_attention(id=trace, layer=0, accept=NPY, status=413)["detail"]
    response = api.http.get(f"/compat/observatory/api/v1/traces/{trace}/attention/0")
    assert response.status_code == 413
    assert api.client.encode_text(id="demo", body={"text": PROMPT})["tokens"], "what fires is few"
