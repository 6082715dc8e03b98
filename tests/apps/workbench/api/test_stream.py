"""The socket of programs: distributions, progress a layer, cancel, pushes, and what is not understood."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.websockets import WebSocketDisconnect

from scope_widgets.apps.workbench.api import infer, stream
from tests.support.workbench_api import HOST, OTHER, PROMPT, Spoken
from tests.support.workbench_server import TOKEN


@contextmanager
def talking(api: Spoken, path: str = "/api/v1/stream", protocol: str = stream.PROTOCOL) -> Iterator[Any]:
    with api.http.websocket_connect(
        f"ws://{HOST}{path}", headers={"origin": f"http://{HOST}"}, subprotocols=[protocol, f"token.{TOKEN}"]
    ) as socket:
        yield socket


def until(socket: Any, *kinds: str, id: str | None = None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    before = []
    while True:
        message = json.loads(socket.receive_text())
        if message["type"] in kinds and (id is None or message.get("id") == id):
            return message, before
        before.append(message)


def test_text_in_distributions_out_with_the_layers_that_were_entered(api: Spoken) -> None:
    with talking(api) as socket:
        for id, text in enumerate((PROMPT + " her", OTHER + " too")):
            socket.send_json({"type": "inference", "id": str(id), "text": text, "n": 7})
            found, before = until(socket, "result", id=str(id))
            assert found["original"] == api.client.inference(body={"text": text, "n": 7})["original"]
            layers = [one["layer"] for one in before if one["type"] == "progress"]
            assert {one["n_layers"] for one in before if one["type"] == "progress"} == {4}
            assert layers[:4] == [0, 1, 2, 3]
        socket.send_json({"type": "inference", "id": "again", "text": PROMPT + " her", "n": 7})
        found, before = until(socket, "result", id="again")
        assert found["cached"]
        assert not [one for one in before if one["type"] == "progress"], "nothing was run"


def test_the_hook_that_counts_layers_changes_nothing(api: Spoken) -> None:
    heard: list[int] = []
    plain = infer.infer(api.scope, PROMPT, [])
    with infer.hearing_blocks(api.scope, lambda layer, n: heard.append(layer)):
        counted = infer.infer(api.scope, PROMPT, [])
        assert api.scope.calls, "the model is as it was loaded"
    assert counted == plain
    assert heard[:4] == [0, 1, 2, 3]
    infer.infer(api.scope, PROMPT, [])
    assert heard[4:] == [], "it is gone"


def test_a_request_is_stopped_at_its_next_block(api: Spoken, monkeypatch: pytest.MonkeyPatch) -> None:
    api.client.clear_cache()
    plain = api.client.inference(body={"text": PROMPT})
    real = stream.hearing_blocks

    def slow(scope: Any, hear: Any) -> Any:
        def hear_slowly(layer: int, n: int) -> None:
            time.sleep(0.2)
            hear(layer, n)

        return real(scope, hear_slowly)

    monkeypatch.setattr(stream, "hearing_blocks", slow)
    with talking(api) as socket:
        socket.send_json({"type": "inference", "id": "x", "text": OTHER + " and"})
        until(socket, "progress")
        socket.send_json({"type": "cancel", "id": "x"})
        _, before = until(socket, "cancelled", id="x")
        assert max((one["layer"] for one in before if one["type"] == "progress"), default=0) < 3
        socket.send_json({"type": "ping", "id": "p"})
        assert until(socket, "pong")[0]["id"] == "p"
    monkeypatch.undo()
    api.client.clear_cache()
    assert api.client.inference(body={"text": PROMPT}) == plain, "the model is as it was"


def test_patches_and_jobs_are_pushed(api: Spoken) -> None:
    with talking(api) as socket:
        socket.send_json({"type": "ping"})
        until(socket, "pong")
        made = api.client.create_patch(body={"kind": "scale_head", "layer": 3, "head": 1, "strength": 0.0})
        assert until(socket, "patch_created")[0]["patch"] == made
        socket.send_json({"type": "inference", "id": "1", "text": PROMPT})
        found, _ = until(socket, "result")
        assert found["patches"] == [made["id"]]
        assert found["patched"] != found["original"]
        api.client.change_patch(id=made["id"], body={"strength": 1.0})
        assert until(socket, "patch_updated")[0]["patch"]["strength"] == 1.0
        api.client.toggle_patch(id=made["id"])
        assert until(socket, "patch_toggled")[0]["patch"]["enabled"] is False
        api.client.delete_patch(id=made["id"])
        until(socket, "patch_deleted")
        job = api.client.load_model(body={"name": "demo"})
        while True:
            told = until(socket, "job")[0]["job"]
            assert told["id"] == job["id"]
            if told["state"] == "done":
                break


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("{", "no JSON"),
        ("[]", "an object"),
        ('{"type": "inference", "id": "1"}', "text or token_ids"),
        ('{"type": "inference", "id": "1", "text": ""}', "text"),
        ('{"type": "inference", "id": {}, "text": "a"}', "id"),
        ('{"type": "inference", "id": "1", "text": "a", "model": "gpt2"}', "not loaded"),
        ('{"type": "inference", "id": "1", "text": "a", "url": "http://x"}', "url"),
        ('{"type": "cancel", "id": "9"}', "under way"),
        ('{"type": "eval"}', "inference, cancel or ping"),
        ("[" * 100 + "]" * 100, "deep"),
    ],
)
def test_what_is_not_understood_is_told_and_the_socket_stays(api: Spoken, message: str, said: str) -> None:
    with talking(api) as socket:
        socket.send_text(message)
        assert said in until(socket, "error")[0]["detail"]
        socket.send_json({"type": "ping"})
        until(socket, "pong")


def test_sixteen_requests_at_once_and_no_more(api: Spoken) -> None:
    with talking(api) as socket:
        release = api.workspace.kernel.loop
        import threading

        held = threading.Event()
        release.call_soon_threadsafe(held.wait)
        for at in range(17):
            socket.send_json({"type": "inference", "id": str(at), "text": f"Mary {at}"})
        assert "16 requests" in until(socket, "error")[0]["detail"]
        held.set()
        for _ in range(16):
            until(socket, "result")


def test_another_protocol_is_refused(api: Spoken) -> None:
    with pytest.raises(WebSocketDisconnect), talking(api, protocol="other") as socket:
        socket.receive_text()
