"""The socket of the earlier interpretability workbench."""

from __future__ import annotations

from threading import Event
from typing import Any

from fastapi import APIRouter, WebSocket

from scope_widgets.apps.workbench.api.access import Api, Client, TheApi
from scope_widgets.apps.workbench.api.conversation import Conversation, request_id
from scope_widgets.apps.workbench.api.infer import StoppedError
from scope_widgets.apps.workbench.api.patch_list import Patch
from scope_widgets.apps.workbench.api.problems import Problem
from scope_widgets.apps.workbench.api.routes.inference import InferenceRequest
from scope_widgets.apps.workbench.api.stream import PROTOCOL, given, listening, with_progress
from scope_widgets.apps.workbench.api.work import TRAINING
from scope_widgets.apps.workbench.compat.workbench import N, distributions, feature_patch, shortened
from scope_widgets.apps.workbench.compat.workbench_training import training_status

router = APIRouter()

_ENDS = {"done": "training_completed", "failed": "training_failed", "cancelled": "training_failed"}


@router.websocket("/ws")
async def socket(socket: WebSocket, api: TheApi, client: Client) -> None:
    """Serve one program."""
    talk = Conversation(socket, PROTOCOL if PROTOCOL in socket.scope.get("subprotocols", ()) else None)

    def hear(message: dict[str, Any]) -> None:
        kind, id = message.get("type"), request_id(message, "requestId")
        if kind == "ping":
            talk.say({"type": "pong", "requestId": id})
        elif kind == "inference_request":
            asked = _asked(api, message.get("data"))
            talk.begin(id, lambda stopped: _answer(talk, api, client, id, asked, stopped))
        else:
            raise ValueError("its type is inference_request or ping")

    def refuse(id: str, why: str) -> None:
        talk.say({"type": "error", "requestId": id, "error": why})

    def patched(what: str, patch: Patch) -> None:
        kind = "patch_toggled" if what == "toggled" else "patch_updated"
        talk.say({"type": kind, "data": {**feature_patch(patch), "change": what}})

    with listening(api, talk, patched, _told):
        await talk.hold(hear, refuse)


def _asked(api: Api, data: Any) -> InferenceRequest:
    if not isinstance(data, dict) or not isinstance(data.get("text"), str):
        raise ValueError("data is an object with a text")
    most = data.get("maxTokens")
    if most is not None and (type(most) is not int or most < 1):
        raise ValueError("maxTokens is a whole number from 1")
    prompt = shortened(api.scope(None), data["text"], most) if len(data["text"]) <= 40_000 else data["text"]
    return given({"n": N, **({"text": prompt} if isinstance(prompt, str) else {"token_ids": prompt})})


async def _answer(talk: Conversation, api: Api, client: str, id: str, asked: InferenceRequest, stopped: Event) -> None:
    def tell(layer: int, n_layers: int) -> None:
        data = {"layer": layer, "totalLayers": n_layers}
        talk.say({"type": "inference_progress", "requestId": id, "data": data}, progress=True)

    try:
        found = await with_progress(api, client, asked, stopped, tell)
    except StoppedError:
        return  # the other side has gone
    except Problem as problem:
        talk.say({"type": "error", "requestId": id, "error": problem.detail})
    except Exception:
        talk.say({"type": "error", "requestId": id, "error": "The server failed at this."})
        raise
    else:
        talk.say({"type": "inference_response", "requestId": id, "data": distributions(found)})


def _told(said: dict[str, Any]) -> dict[str, Any] | None:
    if said["queue"] != TRAINING:
        return None
    return {"type": _ENDS.get(said["state"], "training_progress"), "data": training_status(said)}
