"""The paths of the earlier alignment observatory answer the library's numbers, in their envelope."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from scope_widgets import circuits, features, ioi
from scope_widgets.apps.workbench.api import stream
from scope_widgets.apps.workbench.api.tables import records
from tests.support.workbench_api import HOST, OTHER, PROMPT, Spoken
from tests.support.workbench_server import TOKEN

AT = "/compat/observatory"


def ask(api: Spoken, method: str, path: str, status: int = 200, **options: Any) -> Any:
    response = api.http.request(method, AT + path, **options)
    assert response.status_code == status, response.text
    whole = response.json()
    assert set(whole) == {"success", "data", "error"}
    assert whole["success"] is (status == 200)
    if status != 200:
        assert set(whole["error"]) == {"code", "message", "details"}
        return whole["error"]
    return whole["data"]


def traced(api: Spoken, text: str) -> str:
    return str(ask(api, "POST", "/api/v1/traces", json={"text": text})["trace_id"])


def test_health_config_and_models(api: Spoken) -> None:
    assert ask(api, "GET", "/api/health")["status"] == "healthy"
    assert ask(api, "GET", "/api/v1/config")["default_model"] == "demo"
    assert ask(api, "GET", "/api/v1/models")["items"][0]["id"] == "demo"
    assert ask(api, "GET", "/api/v1/models/current")["d_model"] == 128
    assert ask(api, "GET", "/api/v1/models/estimate/demo")["fits"]
    assert ask(api, "POST", "/api/v1/models/load", json={"model_name": "demo"})["id"] == "demo"
    assert ask(api, "POST", "/api/v1/models/unload", 409, json={"model_name": "demo"})["code"] == "CONFLICT"
    assert ask(api, "POST", "/api/v1/models/load", 422, json={"model_name": "a/b"})["code"]


def test_traces_of_two_prompts_differ_and_are_the_librarys(api: Spoken) -> None:
    patterns = {}
    for text in (PROMPT, OTHER):
        id, trace = traced(api, text), api.scope.trace(text)
        for layer in (0, 3):
            path = f"/api/v1/traces/{id}/attention/{layer}"
            found = trace.attention(layer).numpy()
            assert np.array_equal(np.float32(ask(api, "GET", path)["pattern"]), found)
            one = ask(api, "GET", path, params={"head": 2})["pattern"]
            assert np.array_equal(np.float32(one), found[2])
            for how, value in (("mean", found.mean(0)), ("max", found.max(0))):
                said = ask(api, "GET", path, params={"aggregate": how})["pattern"]
                assert np.allclose(np.float32(said), value, atol=1e-7)
        patterns[text] = one
        for site in ("residual", "attention_out", "mlp_out"):
            said = ask(api, "GET", f"/api/v1/traces/{id}/activations/1/{site}", params={"token_indices": "0,2"})
            assert np.array_equal(np.float32(said["activations"]), getattr(trace, site)(1)[[0, 2]].numpy())
        hidden = ask(api, "GET", f"/api/v1/traces/{id}/activations/1/mlp_hidden", params={"token_indices": "1"})
        ids = trace.token_ids.tolist()
        neurons = api.scope.read_activations([ids], [("neurons", 1)])[("neurons", 1)]
        assert np.allclose(np.float32(hidden["activations"]).ravel(), neurons.reshape(len(ids), -1)[1], atol=1e-6)
        assert id in [one["trace_id"] for one in ask(api, "GET", "/api/v1/traces")]
        assert ask(api, "GET", f"/api/v1/traces/{id}")["tokens"] == trace.tokens
        ask(api, "DELETE", f"/api/v1/traces/{id}")
        assert ask(api, "GET", f"/api/v1/traces/{id}", 404)["code"] == "NOT_FOUND"
    assert patterns[PROMPT] != patterns[OTHER]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("attention/99", 422),
        ("attention/0?head=99", 404),
        ("attention/0?aggregate=median", 422),
        ("attention/x", 422),
        ("activations/0/none", 422),
        ("activations/0/residual?token_indices=999", 422),
        ("activations/0/residual?token_indices=a", 422),
    ],
)
def test_what_is_wrong_comes_in_the_envelope(api: Spoken, path: str, status: int) -> None:
    id = traced(api, PROMPT)
    assert ask(api, "GET", f"/api/v1/traces/{id}/{path}", status)["message"]


def test_a_circuit_between_two_prompts_is_discovered(api: Spoken) -> None:
    clean = PROMPT
    corrupted = clean.replace("John gave", "Mary gave")
    id = traced(api, corrupted)
    body = {"trace_id": id, "clean_input": clean, "params": {"method": "eap", "threshold": 0.05}}
    found = ask(api, "POST", "/api/v1/circuits/discover", json=body)
    answers = [int(api.scope.trace(text).logits[-1].argmax()) for text in (clean, corrupted)]
    assert answers[0] != answers[1]
    task = circuits.Task.of(api.scope, [clean], [corrupted], *answers)
    circuit = circuits.discover(api.scope, task, "eap", min_effect=0.05)
    table = circuit.to_dataframe()
    assert found["edges"] == json.loads(json.dumps(records(table[table.included])))
    few = {**body, "params": {**body["params"], "max_nodes": 3, "include_mlp": False}}  # type: ignore[dict-item]
    nodes = [one["id"] for one in ask(api, "POST", "/api/v1/circuits/discover", json=few)["nodes"]]
    assert len(nodes) == 3
    assert not [one for one in nodes if one.startswith("m")]
    ask(api, "POST", "/api/v1/circuits/discover", 422, json={**body, "clean_input": "Mary"})
    assert [one["id"] for one in ask(api, "GET", "/api/v1/circuits/methods")] == list(circuits.METHODS)


def test_ioi_is_parsed_and_detected(api: Spoken) -> None:
    roles = ask(api, "POST", "/api/v1/ioi/parse", json={"text": PROMPT})
    sentence = ioi.IOISentence.parse(PROMPT, api.scope.tokenizer)
    assert (roles["io"], roles["s1"], roles["s2"], roles["end"]) == (
        sentence.io,
        sentence.s1,
        sentence.s2,
        sentence.end,
    )
    ask(api, "POST", "/api/v1/ioi/parse", 422, json={"text": "nobody here"})
    found = ask(api, "POST", "/api/v1/ioi/detect", json={"sentence": PROMPT, "config": {"n": 12}})
    expected = ioi.detect(api.scope, ioi.prompts(api.scope, n=12))
    assert found["heads"] == json.loads(json.dumps(records(expected.to_dataframe())))
    assert found["sentence"]["io"] == sentence.io
    assert ask(api, "GET", "/api/v1/ioi/known-heads")["name_mover"] == [[9, 9], [9, 6], [10, 0]]
    assert len(ask(api, "GET", "/api/v1/ioi/templates")) > 10


def test_latents_are_those_of_the_index(api: Spoken) -> None:
    index = features.FeatureIndex.load("demo", scope=api.scope)
    assert ask(api, "GET", "/api/v1/sae/available")[0]["layer"] == 3
    codes = index.encode(PROMPT)[1].to_dense().numpy()
    body = {"trace_id": traced(api, PROMPT), "layer": 3, "top_k": 4, "threshold": 0.5}
    for row, token in enumerate(ask(api, "POST", "/api/v1/sae/encode", json=body)["tokens"]):
        best = sorted((-value, j) for j, value in enumerate(codes[row].tolist()) if value > 0.5)[:4]
        assert [(one["feature"], one["activation"]) for one in token["features"]] == [(j, -v) for v, j in best]
    top = ask(api, "GET", "/api/v1/sae/features/3", params={"top_k": 5})["features"]
    assert [one["rate"] for one in top] == sorted(index.table.rate.tolist(), reverse=True)[:5]
    assert ask(api, "GET", "/api/v1/sae/features/3/4")["tokens"] == records(index.tokens(4))
    pairs = ask(api, "GET", "/api/v1/sae/coactivations/3", params={"feature_idx": 4, "top_k": 3})["pairs"]
    assert pairs == {"4": records(index.coactivation(4).head(3))}
    ask(api, "GET", "/api/v1/sae/features/1", 404)
    ask(api, "GET", "/api/v1/sae/features/3/9999", 404)
    ask(api, "POST", "/api/v1/sae/load", 422, json={"path": "/etc", "layer": 0})


def test_the_socket_follows_a_trace(api: Spoken) -> None:
    with api.http.websocket_connect(
        f"ws://{HOST}{AT}/ws/traces/mine",
        headers={"origin": f"http://{HOST}"},
        subprotocols=[stream.PROTOCOL, f"token.{TOKEN}"],
    ) as socket:
        socket.send_json({"type": "trace", "text": PROMPT})
        layers = []
        while (message := json.loads(socket.receive_text()))["type"] != "trace_complete":
            layers.append(message["layer"])
        assert layers[:4] == [0, 1, 2, 3]
        assert message["trace"]["tokens"] == api.scope.trace(PROMPT).tokens
        socket.send_json({"type": "trace", "text": 1})
        assert "text" in json.loads(socket.receive_text())["message"]
