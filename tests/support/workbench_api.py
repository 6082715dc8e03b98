"""The API of a workspace, spoken to within this process, and a client that is generated from its OpenAPI."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from starlette.testclient import TestClient

from scope_widgets.apps.workbench.app import create_app
from scope_widgets.apps.workbench.workspace import Workspace
from tests.support.generated_client import GeneratedClient
from tests.support.workbench_server import TOKEN

HOST = "127.0.0.1:8000"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PROMPT = "When Mary and John went to the store, John gave a drink to"
OTHER = "Tom has a red ball. Then Anna and Tom"


class Spoken(NamedTuple):
    """A workspace with its API: by the generated client, by plain requests, and the library's own model."""

    client: GeneratedClient
    http: TestClient
    workspace: Workspace
    scope: Any
    app: Any


@contextmanager
def spoken(folder: Path) -> Iterator[Spoken]:
    """Serve the demo model within this process."""
    workspace = Workspace(folder)
    workspace.start()
    app = create_app(workspace, token=TOKEN, hosts=[HOST])
    with TestClient(app, base_url=f"http://{HOST}", headers=BEARER, raise_server_exceptions=False) as http:
        document = http.get("/api/v1/openapi.json").json()
        client = GeneratedClient(document, http.request)
        yield Spoken(client, http, workspace, workspace.scope("demo"), app)


def ended(client: GeneratedClient, id: str) -> dict[str, Any]:
    """Wait until a job has ended."""
    while True:
        job: dict[str, Any] = client.get_job(id=id)
        if job["state"] in ("done", "failed", "cancelled"):
            return job
        time.sleep(0.01)
