"""Clients that ask a server for a mix of things, and hold each answer to the library's."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np

from scope_widgets import features, heads, steering
from scope_widgets.apps.workbench.api.tables import records
from tests.support.workbench_server import Served

TEXTS = [
    "Mary gave John a book",
    "When Tom and Anna went to the store, Tom gave a ball to",
    "the dog runs to the",
    "Lily has",
]


class Expected:
    """The library's own answers, made before the clients ask."""

    def __init__(self, scope: Any) -> None:
        sae, index = features.load("demo"), features.FeatureIndex.load("demo", scope=scope)
        self.traces = {text: scope.trace(text) for text in TEXTS}
        self.plain, self.patched, self.heads, self.codes = {}, {}, {}, {}
        for text in TEXTS:
            plain = steering.Session(scope, text).at()
            added = steering.Session(scope, text, [steering.AddDirection(sae.direction(4), 6.0)]).at()
            self.plain[text], self.patched[text] = _of(plain.unsteered), _of(added.steered)
            self.heads[text] = records(heads.score(self.traces[text], null_draws=20).to_dataframe())
            self.codes[text] = index.encode(text)[1].to_dense().numpy()
        self.page = records(index.rows(range(100, 130)))


@dataclass
class Tally:
    """What came of the calls: how many, what went wrong, and how long each took (s)."""

    calls: int = 0
    errors: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def ask_for(server: Served, expected: Expected, patch: str, clients: int, seconds: float, pause: float) -> Tally:
    """Let so many clients ask for so long, and twice at least; each waits `pause` seconds between two calls."""
    tally, lock = Tally(), threading.Lock()
    until = time.monotonic() + seconds

    def one(number: int) -> None:
        rng = random.Random(number)
        with httpx.Client(
            base_url=f"http://{server.host}",
            headers={"Authorization": f"Bearer {server.token}", "X-Client": f"c{number}"},
            timeout=200,
            trust_env=False,
        ) as http:
            asked = 0
            while asked < 2 or time.monotonic() < until:
                asked += 1
                kind = rng.choice(list(CALLS))
                begun = time.monotonic()
                try:
                    good = CALLS[kind](http, expected, rng.choice(TEXTS), patch)
                except Exception as error:
                    with lock:
                        tally.errors.append(f"{kind}: {error!r}"[:300])
                    continue
                with lock:
                    tally.calls += 1
                    tally.seconds.append(time.monotonic() - begun)
                    if not good:
                        tally.wrong.append(kind)
                time.sleep(pause)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


def _of(found: Any) -> list[tuple[int, float]]:
    return [(at, float(found.probabilities[at])) for at in found.order[:20]]


def _ask(http: httpx.Client, method: str, path: str, **options: Any) -> Any:
    response = http.request(method, f"/api/v1{path}", **options)
    response.raise_for_status()
    return response


def _inference(http: httpx.Client, expected: Expected, text: str, patch: str) -> bool:
    found = _ask(http, "POST", "/inference", json={"text": text, "patches": [patch]}).json()
    pairs = {
        which: [(one["token_id"], one["probability"]) for one in found[which]] for which in ("original", "patched")
    }
    return pairs == {"original": expected.plain[text], "patched": expected.patched[text]}


def _uncached(http: httpx.Client, expected: Expected, text: str, patch: str) -> bool:
    _ask(http, "DELETE", "/cache")
    return _inference(http, expected, text, patch)


def _trace(http: httpx.Client, expected: Expected, text: str, patch: str) -> bool:
    made = _ask(http, "POST", "/traces", json={"text": text}).json()
    found = _ask(http, "GET", f"/traces/{made['id']}/attention", params={"layer": 2}).json()
    table = _ask(http, "GET", f"/traces/{made['id']}/heads", params={"null_draws": 20}).json()
    _ask(http, "DELETE", f"/traces/{made['id']}")
    same = np.array_equal(np.float32(found["values"]), expected.traces[text].attention(2).numpy())
    return same and table["heads"] == expected.heads[text]


def _features(http: httpx.Client, expected: Expected, text: str, patch: str) -> bool:
    first = _ask(http, "GET", "/saes/demo/features", params={"limit": 100}).json()
    found = _ask(http, "GET", "/saes/demo/features", params={"limit": 30, "cursor": first["next_cursor"]}).json()
    return bool(found["items"] == expected.page)


def _encode(http: httpx.Client, expected: Expected, text: str, patch: str) -> bool:
    found = _ask(http, "POST", "/saes/demo/encodings", json={"text": text, "n": 512}).json()
    dense = np.zeros_like(expected.codes[text])
    for row, token in enumerate(found["tokens"]):
        for one in token["features"]:
            dense[row, one["feature"]] = one["activation"]
    return np.array_equal(dense, expected.codes[text])


def _job(http: httpx.Client, expected: Expected, text: str, patch: str) -> bool:
    made = _ask(http, "POST", "/jobs", json={"kind": "load_model", "name": "demo"})
    while (job := _ask(http, "GET", f"/jobs/{made.json()['id']}").json())["state"] not in ("done", "failed"):
        time.sleep(0.02)
    return bool(job["state"] == "done")


def _small(http: httpx.Client, expected: Expected, text: str, patch: str) -> bool:
    assert _ask(http, "GET", "/health").json()["status"] == "ok"
    return bool(_ask(http, "GET", f"/patches/{patch}").json()["strength"] == 6.0)


CALLS = {
    "inference": _inference,
    "uncached": _uncached,
    "trace": _trace,
    "features": _features,
    "encode": _encode,
    "job": _job,
    "small": _small,
}
