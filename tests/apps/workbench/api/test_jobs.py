"""Jobs: 202 and where to look, events, cancel, the same key twice, and what training leaves."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from scope_widgets import features
from tests.support.workbench_api import Spoken, ended

TEXTS = ["Mary gave John a book", "the dog runs to the store", "Tom has a red ball", "Anna and Tom went home"] * 10


def train(name: str, **options: object) -> dict[str, object]:
    return {"kind": "train_sae", "name": name, "layer": 2, "texts": TEXTS, "d_sae": 64, "k": 4, **options}


def test_a_job_is_accepted_and_says_where_it_is(api: Spoken) -> None:
    response = api.client.begin_job(body={"kind": "load_model", "name": "demo"}, raw=True)
    job = response.json()
    assert response.status_code == 202
    assert response.headers["location"] == f"/api/v1/jobs/{job['id']}"
    assert int(response.headers["retry-after"]) > 0
    assert ended(api.client, job["id"])["state"] == "done"
    listed = api.client.list_jobs(limit=1000)["items"]
    assert job["id"] in [one["id"] for one in listed]


def test_the_same_key_is_the_same_job(api: Spoken) -> None:
    body = {"kind": "circuit", "n": 4, "method": "eap"}
    first = api.client.begin_job(body=body, idempotency_key="k1")
    again = api.client.begin_job(body=body, idempotency_key="k1")
    assert first["id"] == again["id"]
    assert api.client.begin_job(body=body, idempotency_key="k2")["id"] != first["id"]
    other = api.client.begin_job(body={**body, "n": 5}, idempotency_key="k1", status=422)
    assert "another job" in other["detail"]
    refused = {"kind": "circuit", "n": 4, "method": "eap", "model": "none"}
    api.client.begin_job(body=refused, idempotency_key="k3", status=404)
    api.client.begin_job(body={**refused, "model": "demo"}, idempotency_key="k3")
    for job in api.client.list_jobs(limit=1000)["items"]:
        ended(api.client, job["id"])


def test_the_same_key_at_once_begins_one_job(api: Spoken) -> None:
    before = api.client.list_jobs()["total"]
    found = []

    def ask() -> None:
        body = {"kind": "circuit", "n": 4, "method": "eap"}
        found.append(api.client.begin_job(body=body, idempotency_key="at once")["id"])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(set(found)) == 1
    assert api.client.list_jobs()["total"] == before + 1
    ended(api.client, found[0])


def test_events_say_each_change_to_the_end(api: Spoken) -> None:
    job = api.client.begin_job(body=train("events", steps=30, batch=32))
    with api.http.stream("GET", f"/api/v1/jobs/{job['id']}/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in response.iter_lines() if line]
    assert set(lines[::2]) == {"event: job"}
    told = [json.loads(line.removeprefix("data: ")) for line in lines[1::2]]
    assert told[-1]["state"] == "done"
    assert [one["id"] for one in told] == [job["id"]] * len(told)
    done = [one["done"] for one in told if one["total"] == 30]
    assert done == sorted(done)
    api.client.job_events(id="none", status=404)


def test_a_job_is_cancelled_within_two_seconds(api: Spoken) -> None:
    job = api.client.begin_job(body=train("cancelled", steps=5_000_000, batch=32))
    while api.client.get_job(id=job["id"])["done"] < 5:
        time.sleep(0.01)
    begun = time.monotonic()
    said = api.client.cancel_job(id=job["id"])
    assert said["state"] in ("cancelling", "cancelled")
    assert ended(api.client, job["id"])["state"] == "cancelled"
    assert time.monotonic() - begun < 2
    again = api.client.cancel_job(id=job["id"], raw=True)
    assert (again.status_code, again.json()["state"]) == (200, "cancelled")
    assert "cancelled" in api.client.export(id=job["id"], status=409)["detail"]


def test_training_is_that_of_the_library_and_can_be_loaded(api: Spoken, tmp_path: Path) -> None:
    job = ended(api.client, api.client.begin_job(body=train("mine", steps=40, batch=32, index=True))["id"])
    assert (job["state"], job["error"]) == ("done", "")
    assert job["result"]["table"][0]["d_sae"] == 64
    rec = features.record(api.scope, TEXTS, layers=2, folder=tmp_path / "rec", progress=False)
    expected = features.train(rec, layer=2, d_sae=64, k=4, steps=40, batch=32, progress=False)
    sae = features.load(api.workspace.files.folder / "mine")
    assert np.allclose(sae.W_dec.detach(), expected.W_dec.detach(), atol=1e-6)
    loaded = api.client.load_sae(body={"name": "mine"})
    assert (loaded["id"], loaded["layer"], loaded["d_sae"], loaded["has_index"]) == ("mine", 2, 64, True)
    index = features.index(api.scope, expected, rec, folder=tmp_path / "index", progress=False)
    page = api.client.list_features(id="mine", limit=64)
    assert [one["rate"] for one in page["items"]] == pytest.approx(index.table.rate.tolist())
    again = ended(api.client, api.client.begin_job(body=train("mine", steps=40, batch=32, index=True))["id"])
    assert again["state"] == "done"
    other = ended(api.client, api.client.begin_job(body=train("mine", steps=41, batch=32))["id"])
    assert other["state"] == "failed"
    assert "another run" in other["error"] or "mine" in other["error"]


def test_rows_of_activations_are_trained_on(api: Spoken) -> None:
    rows = np.random.default_rng(0).standard_normal((256, 8)).astype(np.float32)
    np.save(api.workspace.files.folder / "rows.npy", rows)
    body = {"kind": "train_sae", "name": "of-rows", "layer": 1, "file": "rows.npy", "d_sae": 16, "k": 2, "steps": 5}
    assert ended(api.client, api.client.begin_job(body=body)["id"])["state"] == "done"
    expected = features.train(rows, layer=1, d_sae=16, k=2, steps=5, progress=False)
    found = features.load(api.workspace.files.folder / "of-rows")
    assert np.allclose(found.W_dec.detach(), expected.W_dec.detach(), atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"name": "../x"}, 422, "no name"),
        ({"name": "x/y"}, 422, "no name"),
        ({"texts": None}, 422, "Give texts"),
        ({"texts": None, "file": "none.jsonl"}, 404, "no file"),
        ({"texts": None, "file": "/etc/passwd"}, 422, "no name"),
        ({"texts": None, "file": "http://evil.example/x.jsonl"}, 422, "no name"),
        ({"texts": None, "file": "bad.npy"}, 422, "rows"),
        ({"texts": None, "file": "pickled.txt"}, 422, "pickle"),
        ({"model": "other"}, 404, "not loaded"),
        ({"layer": True}, 422, "layer"),
        ({"steps": 10**12}, 422, "steps"),
    ],
)
def test_what_cannot_be_trained_is_refused_before(
    api: Spoken, changes: dict[str, object], status: int, said: str
) -> None:
    (api.workspace.files.folder / "bad.npy").write_bytes(b"\x93NUMPY\x01\x00")
    (api.workspace.files.folder / "pickled.txt").write_bytes(b"\x80\x04\x95")
    problem = api.client.begin_job(body={**train("refused"), **changes}, status=status)
    assert said in problem["detail"], problem["detail"]
