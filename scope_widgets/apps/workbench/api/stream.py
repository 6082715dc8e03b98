"""The socket of programs: text in, distributions out, progress a layer, patches and jobs as they change.

See docs/workbench_api.md for the messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import contextmanager
from threading import Event
from typing import Any

from fastapi import APIRouter, WebSocket
from pydantic import ValidationError

from scope_widgets.apps.workbench.api.access import Api, Client, TheApi
from scope_widgets.apps.workbench.api.conversation import Conversation, request_id
from scope_widgets.apps.workbench.api.infer import Inference, StoppedError, hearing_blocks
from scope_widgets.apps.workbench.api.job_answers import has_ended, job_answer
from scope_widgets.apps.workbench.api.patch_list import Patch
from scope_widgets.apps.workbench.api.problems import Problem
from scope_widgets.apps.workbench.api.routes.inference import InferenceRequest, chosen
from scope_widgets.apps.workbench.api.routes.patches import patch_answer

router = APIRouter()
PROTOCOL = "scope.stream.v1"


@router.websocket("/stream")
async def stream(socket: WebSocket, api: TheApi, client: Client) -> None:
    """Serve one program."""
    if PROTOCOL not in socket.scope.get("subprotocols", ()):
        await socket.close(1002)
        return
    talk = Conversation(socket, PROTOCOL)

    def hear(message: dict[str, Any]) -> None:
        kind, id = message.get("type"), request_id(message)
        if kind == "ping":
            talk.say({"type": "pong", "id": id})
        elif kind == "cancel":
            if not talk.cancel(id):
                refuse(id, "No request of this id is under way.", 404)
        elif kind == "inference":
            asked = given({name: value for name, value in message.items() if name not in ("type", "id")})
            talk.begin(id, lambda stopped: _answer(talk, api, client, id, asked, stopped))
        else:
            raise ValueError("its type is inference, cancel or ping")

    def refuse(id: str, why: str, status: int = 422) -> None:
        talk.say({"type": "error", "id": id, "status": status, "detail": why})

    def patched(what: str, patch: Patch) -> None:
        talk.say({"type": f"patch_{what}", "patch": patch_answer(patch).model_dump()})

    with listening(api, talk, patched, lambda said: {"type": "job", "job": job_answer(said).model_dump()}):
        await talk.hold(hear, refuse)


@contextmanager
def listening(
    api: Api,
    talk: Conversation,
    patched: Callable[[str, Patch], None],
    told: Callable[[dict[str, Any]], dict[str, Any] | None],
) -> Any:
    """Have a socket told of patches and jobs; `told` says what is sent of a job, None for nothing."""
    api.patches.listeners.append(patched)
    with api.feed.listening() as changes:

        async def pass_on() -> None:
            while True:
                said = await changes.get()
                message = told(said)
                if message is not None:
                    talk.say(message, progress=not has_ended(said))

        task = asyncio.create_task(pass_on())
        try:
            yield
        finally:
            task.cancel()
            api.patches.listeners.remove(patched)


def given(fields: dict[str, Any]) -> InferenceRequest:
    """Return what a message asks for; raise ValueError where it is not as it is to be."""
    try:
        return InferenceRequest.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(one)[:60] for one in first["loc"])
        raise ValueError(f"{place} {first['msg']}".strip()[:200]) from None


async def with_progress(
    api: Api,
    client: str,
    asked: InferenceRequest,
    stopped: Event,
    tell: Callable[[int, int], None],
) -> Inference:
    """Return what comes next; `tell` hears of each block that the forward enters, on the server's thread.

    Raises
    ------
    StoppedError
        Where `stopped` was set: the forward ends at its next block.
    Problem
        As the operation `inference`.
    """
    scope = api.scope(asked.model)
    loop = asyncio.get_running_loop()

    def entered(layer: int, n_layers: int) -> None:
        if stopped.is_set():
            raise StoppedError
        loop.call_soon_threadsafe(tell, layer, n_layers)

    def around(compute: Callable[[], Inference]) -> Inference:
        if stopped.is_set():
            raise StoppedError
        with hearing_blocks(scope, entered):
            return compute()

    patches = chosen(api, asked.patches, str(scope.model_id))
    try:
        return await api.infer(client, scope, asked.prompt, asked.n, patches, around)
    except Exception as error:
        if stopped.is_set():
            raise StoppedError from error
        raise


async def _answer(talk: Conversation, api: Api, client: str, id: str, asked: InferenceRequest, stopped: Event) -> None:
    def tell(layer: int, n_layers: int) -> None:
        talk.say({"type": "progress", "id": id, "layer": layer, "n_layers": n_layers}, progress=True)

    try:
        found = await with_progress(api, client, asked, stopped, tell)
    except StoppedError:
        talk.say({"type": "cancelled", "id": id})
    except Problem as problem:
        talk.say({"type": "error", "id": id, "status": problem.status, "detail": problem.detail})
    except Exception:
        talk.say({"type": "error", "id": id, "status": 500, "detail": "The server failed at this."})
        raise
    else:
        talk.say({"type": "result", "id": id, **found.model_dump()})
