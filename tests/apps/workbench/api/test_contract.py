"""The OpenAPI, its page, problems, limits and cursors."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from scope_widgets.apps.workbench.api import infer, json_body
from tests.support.workbench_api import HOST, PROMPT, Spoken


def test_the_openapi_lists_every_operation_with_its_own_name_and_answer(api: Spoken) -> None:
    document = api.client.document
    assert document["openapi"].startswith("3.1")
    ids = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(ids) == len(set(ids)) >= 45
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", one) for one in ids), "snake_case"
    for path, methods in document["paths"].items():
        assert path.startswith("/api/v1/"), path
        for method, one in methods.items():
            good = [int(status) for status in one["responses"] if status[0] == "2"]
            assert good, (path, method)
            assert one["description"].endswith("."), (path, method)
            assert "4XX" in one["responses"], (path, method)
    for name, schema in document["components"]["schemas"].items():
        for field in schema.get("properties", {}):
            assert re.fullmatch(r"[a-z][a-z0-9_]*", field), (name, field)
    assert not any("url" in field.lower() for one in document["components"]["schemas"].values()
                   for field in one.get("properties", {}))  # fmt: skip


def test_every_reference_of_the_openapi_is_there(api: Spoken) -> None:
    names = set(re.findall(r'"\$ref": "([^"]*)"', json.dumps(api.client.document)))
    assert "#/components/schemas/ProblemDetails" in names
    for name in names:
        start, _, last = name.rpartition("/")
        assert start == "#/components/schemas", name
        assert last in api.client.document["components"]["schemas"], name


def test_the_client_is_python_with_a_function_an_operation(api: Spoken) -> None:
    tree = ast.parse(api.client.source)
    functions = [one.name for one in tree.body if isinstance(one, ast.FunctionDef)]
    assert functions == api.client.operations
    assert "def inference(call, *, body: object" in api.client.source
    assert api.client.health()["status"] == "ok"
    assert api.client.config()["default_model"] == "demo"


def test_its_page_is_our_own_and_knows_nothing(api: Spoken) -> None:
    stranger = TestClient(api.app, base_url=f"http://{HOST}")
    page = stranger.get("/api/v1/docs")
    assert page.status_code == 200
    assert "http" not in page.text.replace("<!doctype html>", "")
    assert re.findall(r'(?:src|href)="([^"]*)"', page.text) == ["data:,", "docs.js"]
    assert "<script>" not in page.text
    script = stranger.get("/api/v1/docs.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "innerHTML" not in script.text
    assert "http" not in script.text
    assert stranger.get("/api/v1/openapi.json").status_code == 401
    assert "script-src 'self'" in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("GET", "/api/v1/nothing", None, 404, "nothing at this address"),
        ("PUT", "/api/v1/patches", None, 405, ""),
        ("POST", "/api/v1/inference", b"", 422, "body"),
        ("POST", "/api/v1/inference", b"{", 400, "cannot be read"),
        ("POST", "/api/v1/inference", b'{"text": "a", "n": 1e999}', 400, "too large"),
        ("POST", "/api/v1/inference", b'{"text": NaN}', 400, "NaN"),
        ("POST", "/api/v1/inference", b'{"text": "\\ud800"}', 400, "surrogate"),
        ("POST", "/api/v1/inference", b"[" * 90 + b"]" * 90, 400, "deep"),
        ("POST", "/api/v1/inference", b'{"text": "a", "token_ids": [1]}', 422, "text or token_ids"),
        ("POST", "/api/v1/inference", b'{"token_ids": [100000]}', 422, "100000"),
        ("POST", "/api/v1/inference", b'{"text": "a", "extra": 1}', 422, "extra"),
        ("POST", "/api/v1/inference", b'{"text": "a", "model": "gpt2"}', 404, "not loaded"),
        ("POST", "/api/v1/inference", b'{"text": "a", "patches": ["x"]}', 404, "no such patch"),
        ("POST", "/api/v1/traces", b'{"text": ""}', 422, "text"),
        ("GET", "/api/v1/traces/x", None, 404, "no such trace"),
        ("GET", "/api/v1/saes/x", None, 404, "autoencoder"),
        ("GET", "/api/v1/saes/demo/features/99999", None, 404, "latent"),
        ("GET", "/api/v1/jobs?cursor=x", None, 422, "cursor"),
        ("POST", "/api/v1/circuits", b'{"task": "none"}', 422, "task"),
        ("POST", "/api/v1/patches", b'{"kind": "add", "strength": 1}', 422, "sae and feature"),
        ("POST", "/api/v1/patches", b'{"kind": "scale_head", "strength": 1, "layer": 9, "head": 0}', 422, "9"),
    ],
)
def test_what_is_wrong_is_a_problem(
    api: Spoken, method: str, path: str, body: bytes | None, status: int, said: str
) -> None:
    headers = {"content-type": "application/json"}
    response = api.http.request(method, path, content=body, headers=headers)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["type"] == "about:blank"
    assert said in problem["detail"], problem["detail"]


def test_prompts_and_bodies_are_not_without_end(api: Spoken, monkeypatch: pytest.MonkeyPatch) -> None:
    long = "a " * infer.MOST_CHARACTERS
    assert "text" in api.client.inference(body={"text": long}, status=422)["detail"]
    monkeypatch.setattr(infer, "MOST_TOKENS", 8)
    for call in (api.client.inference, api.client.create_trace):
        assert "8 tokens at most" in call(body={"text": PROMPT}, status=413)["detail"]
    assert "8 tokens" in api.client.encode_text(id="demo", body={"text": PROMPT}, status=413)["detail"]
    big = json.dumps({"text": "a", "description": "x" * json_body.MOST_JSON}).encode()
    response = api.http.post("/api/v1/inference", content=big, headers={"content-type": "application/json"})
    assert response.status_code == 413
    assert "file of the workspace" in response.json()["detail"]


def test_cursors_go_through_all_once(api: Spoken) -> None:
    def walk(limit: int, **options: Any) -> list[int]:
        found, cursor = [], None
        while True:
            page = api.client.list_features(id="demo", limit=limit, cursor=cursor, **options)
            found += [one["feature"] for one in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    assert walk(100) == list(range(512))
    assert sorted(walk(77, sort="rate")) == list(range(512))
    page = api.client.list_features(id="demo", limit=5, sort="max")
    other = api.client.list_features(id="demo", cursor=page["next_cursor"], status=422)
    assert "not one of this question" in other["detail"]


def test_pages_of_what_changes_miss_nothing(api: Spoken) -> None:
    def make(strength: float) -> str:
        made = api.client.create_patch(body={"kind": "scale_head", "layer": 1, "head": 1, "strength": strength})
        return str(made["id"])

    ids = [make(one) for one in range(6)]
    page = api.client.list_patches(limit=3)
    api.client.delete_patch(id=ids[0])
    api.client.delete_patch(id=ids[3])
    new = make(9.0)
    rest = api.client.list_patches(limit=9, cursor=page["next_cursor"])
    assert [one["id"] for one in page["items"]] == ids[:3]
    assert [one["id"] for one in rest["items"]] == [ids[4], ids[5], new]


def test_every_answer_says_that_it_is_not_to_be_guessed_at(api: Spoken) -> None:
    response = api.http.get("/api/v1/config")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert api.http.get("/api/v1/nothing").headers["cache-control"] == "no-store"
