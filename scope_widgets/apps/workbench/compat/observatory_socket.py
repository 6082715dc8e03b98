"""The socket of the earlier alignment observatory: a trace that is followed."""

from __future__ import annotations

import asyncio
from threading import Event
from typing import Any

from fastapi import APIRouter, WebSocket

from scope_widgets.apps.workbench.api.access import Api, Client, TheApi
from scope_widgets.apps.workbench.api.conversation import Conversation, request_id
from scope_widgets.apps.workbench.api.infer import MOST_CHARACTERS, StoppedError, hearing_blocks
from scope_widgets.apps.workbench.api.problems import Problem
from scope_widgets.apps.workbench.api.routes.traces import make_trace, trace_answer
from scope_widgets.apps.workbench.api.stream import PROTOCOL

router = APIRouter()


@router.websocket("/ws/traces/{conn}")
async def traces(socket: WebSocket, conn: str, api: TheApi, client: Client) -> None:
    """Serve one program."""
    talk = Conversation(socket, PROTOCOL if PROTOCOL in socket.scope.get("subprotocols", ()) else None)

    def hear(message: dict[str, Any]) -> None:
        kind, id = message.get("type"), request_id(message)
        if kind == "ping":
            talk.say({"type": "pong"})
        elif kind == "trace":
            text = message.get("text")
            if not isinstance(text, str) or not 0 < len(text) <= MOST_CHARACTERS:
                raise ValueError(f"text has 1 to {MOST_CHARACTERS:,} characters")
            talk.begin(id, lambda stopped: _trace(talk, api, client, text, stopped))
        else:
            raise ValueError("its type is trace or ping")

    await talk.hold(hear, lambda id, why: talk.say({"type": "error", "message": why}))


async def _trace(talk: Conversation, api: Api, client: str, text: str, stopped: Event) -> None:
    loop = asyncio.get_running_loop()

    def entered(layer: int, n_layers: int) -> None:
        if stopped.is_set():
            raise StoppedError
        data = {"type": "trace_progress", "layer": layer, "num_layers": n_layers}
        loop.call_soon_threadsafe(lambda: talk.say(data, progress=True))

    def run() -> Any:
        with hearing_blocks(scope, entered):
            return make_trace(scope, text, None)

    try:
        scope = api.scope(None)
        trace, size = await api.turn(client, scope, run)
    except Problem as problem:
        talk.say({"type": "error", "message": problem.detail})
    except StoppedError:
        return  # the other side has gone
    except Exception:
        talk.say({"type": "error", "message": "The server failed at this."})
        raise
    else:
        talk.say({"type": "trace_complete", "trace": trace_answer(api.keep(trace, text, size)).model_dump()})
