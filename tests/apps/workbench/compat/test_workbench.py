"""The paths of the earlier interpretability workbench answer the library's numbers."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np

from scope_widgets import features, steering
from scope_widgets.apps.workbench.api import stream
from scope_widgets.apps.workbench.api.tables import records
from tests.support.workbench_api import HOST, OTHER, PROMPT, Spoken
from tests.support.workbench_server import TOKEN

AT = "/compat/workbench"


def ask(api: Spoken, method: str, path: str, status: int = 200, **options: Any) -> Any:
    response = api.http.request(method, AT + path, **options)
    assert response.status_code == status, response.text
    return response.json()


def expected(api: Spoken, text: str, *changes: Any) -> dict[str, list[tuple[int, float]]]:
    found = steering.Session(api.scope, text, changes).at()
    return {
        name: [(at, float(one.probabilities[at])) for at in one.order[:20]]
        for name, one in (("original", found.unsteered), ("patched", found.steered))
    }


def pairs(answer: dict[str, Any]) -> dict[str, list[tuple[int, float]]]:
    return {name: [(one["token_id"], one["probability"]) for one in answer[name]] for name in ("original", "patched")}


def test_health_and_status(api: Spoken) -> None:
    assert ask(api, "GET", "/health")["model_name"] == "demo"
    assert ask(api, "GET", "/model/status")["num_layers"] == api.scope.n_layers
    assert ask(api, "GET", "/sae/status")["layers"] == [3]
    assert ask(api, "POST", "/load-model", json={"model_name": "demo"})["status"] == "loaded"
    ask(api, "POST", "/load-model", 422, json={"model_name": "../../etc"})
    ask(api, "POST", "/load-sae", 422, json={"saePath": "/etc", "layer_idx": 3})


def test_two_prompts_differ_and_are_the_librarys(api: Spoken) -> None:
    answers = [ask(api, "POST", "/inference", params={"text": text}) for text in (PROMPT, OTHER)]
    assert [pairs(one) for one in answers] == [expected(api, text) for text in (PROMPT, OTHER)]
    assert answers[0]["original"] != answers[1]["original"]
    assert len(answers[0]["original"]) == 20
    ids = api.scope.trace(PROMPT).token_ids.tolist()
    shorter = ask(api, "POST", "/inference", params={"text": PROMPT, "max_length": 5})
    assert pairs(shorter) == expected(api, ids[:5])  # type: ignore[arg-type]


def test_a_patch_changes_what_comes_next_and_what_is_remembered(api: Spoken) -> None:
    ask(api, "POST", "/cache/clear")
    plain = ask(api, "POST", "/inference", params={"text": PROMPT})
    made = ask(api, "POST", "/patch", json={"feature_id": 4, "layer_idx": 3, "strength": 6.0, "enabled": True})
    assert (made["featureId"], made["isEnabled"], made["strength"]) == (4, True, 6.0)
    add = steering.AddDirection(features.load("demo").direction(4), 6.0)
    patched = ask(api, "POST", "/inference", params={"text": PROMPT})
    assert pairs(patched) == expected(api, PROMPT, add)
    assert patched["patched"] != patched["original"] == plain["original"]
    ask(api, "PATCH", f"/patch/{made['id']}", json={"strength": -2.0})
    other = ask(api, "POST", "/inference", params={"text": PROMPT})
    assert pairs(other) == expected(api, PROMPT, steering.AddDirection(features.load("demo").direction(4), -2.0))
    assert ask(api, "POST", f"/patch/{made['id']}/toggle")["isEnabled"] is False
    assert ask(api, "POST", "/inference", params={"text": PROMPT}) == plain
    stats = ask(api, "GET", "/cache/stats")
    assert (stats["hits"], stats["misses"], stats["size"]) == (1, 3, 3)
    assert [one["id"] for one in ask(api, "GET", "/patches")] == [made["id"]]
    assert ask(api, "POST", "/export-patches")["patches"] == ask(api, "GET", "/patches")
    ask(api, "DELETE", f"/patch/{made['id']}")
    assert ask(api, "GET", "/patches") == []
    ask(api, "POST", "/patch", 404, json={"feature_id": 4, "layer_idx": 1})
    ask(api, "POST", "/patch", 422, json={"feature_id": 10**6, "layer_idx": 3})


def test_latents_are_those_of_the_index(api: Spoken) -> None:
    index = features.FeatureIndex.load("demo", scope=api.scope)
    page = ask(api, "GET", "/features", params={"sortBy": "frequency", "limit": 10, "offset": 5})
    order = index.table.sort_values("rate", ascending=False, kind="stable").feature.tolist()
    assert [one["id"] for one in page["features"]] == order[5:15]
    assert (page["total"], page["hasMore"]) == (512, True)
    one = page["features"][0]
    row = records(index.rows([one["id"]]))[0]
    assert (one["sparsity"], one["activation_strength"]) == (row["rate"], row["max"])
    assert one["top_tokens"][0]["token"] == index.tokens(one["id"]).token.iloc[0]
    assert ask(api, "GET", "/features", params={"search": "nothing has this"})["total"] == 0
    details = ask(api, "GET", "/feature/4/details")
    assert details["details"]["examples"] == records(index.top(4))
    ask(api, "GET", "/feature/512/details", 404)
    ask(api, "GET", "/feature/x/details", 404)
    assert ask(api, "GET", "/export-features")["features"] == records(index.table)
    exported = ask(api, "POST", "/export-sae")
    sae = features.load(api.workspace.files.folder / exported["name"])
    assert np.array_equal(sae.W_dec.detach(), features.load("demo").W_dec.detach())


def test_what_makes_a_latent_fire_is_measured(api: Spoken) -> None:
    found = ask(api, "GET", "/feature/341/provenance", params={"upstream_layers": 1})
    index = features.FeatureIndex.load("demo", scope=api.scope)
    circuit = features.provenance(api.scope, features.load("demo"), 3, 341, index.prompts(341), depth=1)
    table = circuit.to_dataframe()
    assert found["upstream"] == json.loads(json.dumps(records(table[table.included])))
    assert found["downstream"] == records(index.logits(341))


def test_labels_are_imported_beside_an_index_of_ones_own(api: Spoken) -> None:
    texts = ["Mary gave John a book", "the dog runs"] * 10
    body = {"kind": "train_sae", "name": "labelled", "layer": 1, "texts": texts, "d_sae": 16, "k": 2, "steps": 3}
    job = api.client.begin_job(body={**body, "index": True})
    while api.client.get_job(id=job["id"])["state"] != "done":
        time.sleep(0.01)
    ask(api, "POST", "/load-sae", json={"saePath": "labelled", "layer_idx": 1})
    ask(api, "POST", "/import-features", json={"layer_idx": 1, "features": [{"id": 3, "label": "a dog"}]})
    index = features.FeatureIndex.load(api.workspace.files.folder / "labelled.index")
    assert index.notes[3].label == "a dog"
    ask(api, "POST", "/import-features", 404, json={"layer_idx": 1, "features": [{"id": 99, "label": "x"}]})


def test_training_is_real_and_can_be_stopped_and_loaded(api: Spoken) -> None:
    rows = np.random.default_rng(1).standard_normal((200, 128)).astype(np.float32)
    np.save(api.workspace.files.folder / "acts.npy", rows)
    body = {"layer_idx": 0, "activation_data_path": "acts.npy", "latent_dim": 16, "max_epochs": 2, "batch_size": 50}
    begun = ask(api, "POST", "/sae/train", json={**body, "output_dir": "of-acts", "sparsity_coef": 0.001})
    assert begun["ignored"] == ["sparsity_coef"]
    while (status := ask(api, "GET", f"/sae/training/status/{begun['job_id']}"))["status"] not in (
        "completed",
        "failed",
    ):
        time.sleep(0.01)
    assert (status["status"], status["progress"]) == ("completed", 1.0), status
    loaded = ask(api, "POST", "/sae/load-trained", params={"job_id": begun["job_id"]})
    assert (loaded["layer_idx"], loaded["num_features"]) == (0, 16)
    endless = ask(api, "POST", "/sae/train-fast", json={**body, "output_dir": "endless", "max_epochs": 10_000})
    stopped = ask(api, "DELETE", f"/sae/training/{endless['job_id']}")
    assert stopped["status"] == "cancelled"
    while ask(api, "GET", f"/sae/training/status/{endless['job_id']}")["status"] != "cancelled":
        time.sleep(0.01)
    listed = [one["job_id"] for one in ask(api, "GET", "/sae/training/jobs")]
    assert {begun["job_id"], endless["job_id"]} <= set(listed)
    ask(api, "POST", "/sae/load-trained", 409, params={"job_id": endless["job_id"]})
    ask(api, "POST", "/sae/train", 422, json={**body, "activation_data_path": "/tmp/acts.npy"})


def test_the_socket_answers_and_pushes(api: Spoken) -> None:
    address, headers = f"ws://{HOST}{AT}/ws", {"origin": f"http://{HOST}"}
    with api.http.websocket_connect(
        address, headers=headers, subprotocols=[stream.PROTOCOL, f"token.{TOKEN}"]
    ) as socket:

        def until(kind: str) -> Any:
            while (message := json.loads(socket.receive_text()))["type"] != kind:
                pass
            return message

        socket.send_json({"type": "ping"})
        until("pong")
        socket.send_json({"type": "inference_request", "requestId": "r1", "data": {"text": OTHER, "maxTokens": 50}})
        answer = until("inference_response")
        assert answer["requestId"] == "r1"
        assert pairs(answer["data"]) == expected(api, OTHER)
        made = ask(api, "POST", "/patch", json={"feature_id": 4, "layer_idx": 3, "strength": 6.0})
        assert until("patch_updated")["data"]["id"] == made["id"]
        ask(api, "POST", f"/patch/{made['id']}/toggle")
        assert until("patch_toggled")["data"]["isEnabled"] is False
        body = {"layer_idx": 0, "activation_data_path": "small.npy", "latent_dim": 8, "max_epochs": 1}
        np.save(api.workspace.files.folder / "small.npy", np.eye(8, dtype=np.float32).repeat(4, 0))
        begun = ask(api, "POST", "/sae/train", json={**body, "output_dir": "small"})
        assert until("training_progress")["data"]["job_id"] == begun["job_id"]
        assert until("training_completed")["data"]["job_id"] == begun["job_id"]
        socket.send_json({"type": "inference_request", "data": {"text": 5}})
        assert "text" in until("error")["error"]
