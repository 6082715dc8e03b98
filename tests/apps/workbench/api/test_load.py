"""Many at once: nobody gets an error or another number, memory stays, and the server answers while a model runs."""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
import torch

from scope_widgets import features
from scope_widgets.apps.workbench.api.routes.saes import feature_rows
from scope_widgets.widgets.core.bundle import STATIC
from tests.support import workbench_server
from tests.support.api_clients import Expected, ask_for
from tests.support.workbench_api import PROMPT, Spoken
from tests.support.workbench_server import Served

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    if not (STATIC / "workbench.js").exists():
        pytest.skip("The bundles are not built; run `make build`.")
    with workbench_server.served(tmp_path_factory.mktemp("workspace")) as one:
        yield one


def speak(server: Served) -> httpx.Client:
    headers = {"Authorization": f"Bearer {server.token}"}
    return httpx.Client(base_url=f"http://{server.host}", headers=headers, timeout=200, trust_env=False)


@pytest.mark.parametrize(
    ("clients", "seconds", "pause"), [(8, 1.0, 0.0), pytest.param(20, 60.0, 0.05, marks=pytest.mark.soak)]
)
def test_clients_at_once_get_no_error_and_no_other_number(
    server: Served, clients: int, seconds: float, pause: float
) -> None:
    expected = Expected(server.workspace.scope("demo"))
    with speak(server) as http:
        body = {"kind": "add", "sae": "demo", "feature": 4, "strength": 6.0}
        patch = http.post("/api/v1/patches", json=body).json()["id"]
        ask_for(server, expected, patch, clients, min(10.0, seconds / 3), pause)
        gc.collect()
        process = psutil.Process()
        before = process.memory_info().rss
        tally = ask_for(server, expected, patch, clients, seconds, pause)
        gc.collect()
        grown = (process.memory_info().rss - before) / 2**20
    tally.seconds.sort()
    print(
        f"{tally.calls} calls of {clients} clients in {seconds} s, {len(tally.errors)} errors, "
        f"{len(tally.wrong)} wrong; "
        f"median {1000 * statistics.median(tally.seconds):.0f} ms, "
        f"p95 {1000 * tally.seconds[int(0.95 * len(tally.seconds))]:.0f} ms; memory grew by {grown:.0f} MiB"
    )
    assert not tally.errors, tally.errors[:5]
    assert not tally.wrong, tally.wrong[:5]
    assert tally.calls > clients
    if seconds > 10:
        assert grown < 64, grown


def test_the_server_answers_while_a_model_runs(server: Served) -> None:
    asked, ended = 6, threading.Event()
    with speak(server) as http:
        http.get("/api/v1/health")
        server.workspace.kernel.soon(busy, ended)
        slowest = 0.0
        try:
            for _ in range(asked):
                begun = time.perf_counter()
                assert http.get("/api/v1/health").json()["status"] == "ok"
                assert http.get("/api/v1/jobs").status_code == 200
                assert http.get("/health").status_code == 200
                slowest = max(slowest, time.perf_counter() - begun)
        finally:
            ended.set()
    print(f"{asked} looks while the models' thread was busy, the slowest three requests {1000 * slowest:.0f} ms")


def busy(ended: threading.Event) -> None:
    """Run matrix products, as a model does, until somebody says that it is enough."""
    a = torch.ones(256, 256)
    while not ended.is_set():
        a @ a


def test_a_turn_is_fair_over_clients(server: Served) -> None:
    """A client with a dozen requests does not keep another from its first."""
    order: list[str] = []
    texts = [f"Mary {number} gave" for number in range(13)]

    def ask(client: str, text: str) -> None:
        with speak(server) as http:
            http.post("/api/v1/inference", json={"text": text}, headers={"X-Client": client}).raise_for_status()
            order.append(client)

    held = threading.Event()
    many = [threading.Thread(target=ask, args=("many", text)) for text in texts[:12]]
    queue = server.workspace.jobs.queue("demo")
    queue._now = held  # somebody has the turn
    for one in many:
        one.start()
    while queue.length < 13:
        time.sleep(0.01)
    other = threading.Thread(target=ask, args=("one", texts[12]))
    other.start()
    while queue.length < 14:
        time.sleep(0.01)
    queue._now = None
    for one in [*many, other]:
        one.join()
    assert order.index("one") < 6


def test_a_page_of_ten_thousand_latents_is_made_of_its_rows(api: Spoken) -> None:
    index = large_index(features.FeatureIndex.load("demo", scope=api.scope), 20_480)
    begun = time.perf_counter()
    rows = feature_rows(index, np.arange(6_000, 16_000))
    print(f"a page of 10,000 of 20,480 latents: {1000 * (time.perf_counter() - begun):.0f} ms")
    assert len(rows) == 10_000
    assert rows[5]["rate"] == rows[5 + 512]["rate"]


def large_index(index: Any, n: int) -> Any:
    """Return an index of as many latents, the same again and again."""
    from dataclasses import replace

    arrays = {
        name: np.resize(value, (n, *value.shape[1:])) if value.shape[:1] == (len(index),) else value
        for name, value in index.arrays.items()
    }
    manifest = replace(index.manifest, d_sae=n)
    return features.FeatureIndex(manifest, arrays, index.contexts, index._texts)


@pytest.mark.heavy
def test_a_server_that_is_killed_leaves_a_training_that_goes_on(tmp_path: Path) -> None:
    """The same request, to a server that is started anew, makes the same autoencoder as without the kill."""
    rows = np.random.default_rng(0).standard_normal((4096, 16)).astype(np.float32)
    body = {"kind": "train_sae", "name": "long", "layer": 2, "file": "rows.npy", "d_sae": 64, "k": 4, "steps": 1500}
    for folder in ("killed", "whole"):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "rows.npy", rows)
    with started(tmp_path / "killed") as (process, http):
        job = http.post("/api/v1/jobs", json={**body, "batch": 64}).json()
        checkpoint = tmp_path / "killed" / "long" / "checkpoint.safetensors"
        while not checkpoint.exists():
            assert http.get(f"/api/v1/jobs/{job['id']}").json()["state"] in ("queued", "running")
            time.sleep(0.05)
        process.kill()
        process.wait()
    for folder in ("killed", "whole"):
        with started(tmp_path / folder) as (_, http):
            job = http.post("/api/v1/jobs", json={**body, "batch": 64}).json()
            while (said := http.get(f"/api/v1/jobs/{job['id']}").json())["state"] not in ("done", "failed"):
                time.sleep(0.05)
            assert said["state"] == "done", said
            names = [one["name"] for one in http.get("/api/v1/files").json()["items"]]
            assert names == ["rows.npy"], "nothing half written lies about"
            assert http.post("/api/v1/inference", json={"text": PROMPT}).status_code == 200
    one, other = (features.load(tmp_path / folder / "long") for folder in ("killed", "whole"))
    assert torch.equal(one.W_dec, other.W_dec)
    assert torch.equal(one.W_enc, other.W_enc)


class started:
    """A server in a process of its own, as `microscope ui` starts it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> tuple[subprocess.Popen[str], httpx.Client]:
        command = [sys.executable, "-m", "scope_widgets.cli", "ui", "--no-open", "--workspace", str(self._folder)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout is not None
        address, _, token = self.process.stdout.readline().strip().partition("/#token=")
        headers = {"Authorization": f"Bearer {token}"}
        self.http = httpx.Client(base_url=address, headers=headers, timeout=200, trust_env=False)
        return self.process, self.http

    def __exit__(self, *_: Any) -> None:
        self.http.close()
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()
