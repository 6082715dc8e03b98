"""Requests that nobody means are refused with a problem, and none of them is the server's failure."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support.api_fuzz import requests
from tests.support.every_route import every_route
from tests.support.workbench_api import PROMPT, Spoken


@pytest.mark.parametrize(
    ("seed", "n"),
    [(0, 200), *(pytest.param(seed, 2000, marks=pytest.mark.soak) for seed in (1, 2))],
)
def test_no_request_is_the_servers_failure(api: Spoken, seed: int, n: int) -> None:
    trace = api.client.create_trace(body={"text": PROMPT})["id"]
    patch = api.client.create_patch(body={"kind": "scale_head", "layer": 1, "head": 1, "strength": 0.5})["id"]
    compat = [
        (one.path, method)
        for one in every_route(api.app.app.routes)
        if one.path.startswith("/compat") and not one.is_socket
        for method in sorted(one.methods)
    ]
    plain = api.client.inference(body={"text": PROMPT, "patches": "none"})
    counts: Counter[int] = Counter()
    before = set(api.workspace.files.folder.parent.rglob("*"))
    for method, path, headers, body in requests(api.client.document, compat, seed, n, ["demo", trace, patch, "0", "3"]):
        response = api.http.request(method, path, headers=headers, content=body)
        counts[response.status_code] += 1
        assert response.status_code < 500, (method, path, headers, body[:300], response.text[:300])
        if response.status_code >= 400 and method != "HEAD" and not path.startswith("/compat/observatory"):
            assert response.headers["content-type"] == "application/problem+json", (method, path)
            assert response.json()["detail"], (method, path)
        assert "Traceback" not in response.text
        assert str(api.workspace.files.folder) not in response.text, (method, path, response.text[:300])
    assert counts[200] > n / 20, counts
    assert counts[422] > n / 10, counts
    after = set(api.workspace.files.folder.parent.rglob("*")) - before
    assert all(one.is_relative_to(api.workspace.files.folder) for one in after), after
    again = api.client.inference(body={"text": PROMPT, "patches": "none"})
    assert again["original"] == plain["original"]
