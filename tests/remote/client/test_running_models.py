"""Names come from the server's list, and what is no such list is no list."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from scope_widgets.remote.client.running_models import running_models
from scope_widgets.remote.client.server_connection import Server
from scope_widgets.remote.errors import RemoteError, ServerDownError, UnreadableError


def server(monkeypatch: pytest.MonkeyPatch, content: Any, status: int = 200) -> Server:
    one = Server("http://127.0.0.1:1", "")  # type: ignore[arg-type]
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    monkeypatch.setattr(Server, "ask", lambda *_: httpx.Response(status, content=data))
    return one


def test_those_that_are_deployed_are_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    deployments = {
        "1": {"repo_id": "b/model", "deployment_level": "HOT"},
        "2": {"repo_id": "b/model", "deployment_level": "WARM"},
        "3": {"repo_id": "a/model", "deployment_level": "WARM"},
        "4": {"repo_id": "c/cold", "deployment_level": "COLD"},
        "5": {"repo_id": "../../etc", "deployment_level": "HOT"},
        "6": {"repo_id": "<b>/x", "deployment_level": "HOT"},
        "7": {"deployment_level": "HOT"},
    }
    assert running_models(server(monkeypatch, {"deployments": deployments})) == ["a/model", "b/model"]


@pytest.mark.parametrize("content", [b"<html>", b"\xff", {}, [], {"deployments": {"1": "x"}}, b'{"deployments": 1}'])
def test_what_is_no_list_is_said(monkeypatch: pytest.MonkeyPatch, content: Any) -> None:
    with pytest.raises(UnreadableError, match="no answer of an NDIF server"):
        running_models(server(monkeypatch, content))


def test_a_list_without_end_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scope_widgets.remote.client.running_models._MOST_BYTES", 10)
    with pytest.raises(UnreadableError, match="bytes"):
        running_models(server(monkeypatch, {"deployments": {}}))


def test_a_server_that_cannot_now_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ServerDownError, match="Ask again"):
        running_models(server(monkeypatch, {}, 503))
    with pytest.raises(RemoteError):
        running_models(server(monkeypatch, {}, 404))
