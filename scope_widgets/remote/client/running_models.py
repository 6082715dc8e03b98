"""Which models an NDIF server runs."""

from __future__ import annotations

import re
from typing import Any

from scope_widgets._untrusted import parse_json
from scope_widgets.remote.client.server_connection import Server
from scope_widgets.remote.errors import understanding

#: seconds that the server is waited for: somebody has opened a menu
_PATIENCE_S = 5.0
#: bytes and models of its answer that are read
_MOST_BYTES, _MOST = 10_000_000, 200
#: how deployments are called that answer without being fetched first
_DEPLOYED = ("HOT", "WARM")
_NAME = re.compile(r"[\w.-]{1,100}/[\w.-]{1,100}", re.ASCII)


def running_models(server: Server) -> list[str]:
    """Return the hub ids of the models that a server has deployed, sorted.

    Parameters
    ----------
    server : Server

    Raises
    ------
    RemoteError
        Where it does not answer, or with what is no such list.
    """
    response = server.ask("GET", "/status", _PATIENCE_S)
    if not response.is_success:
        raise server.refused(response.status_code, response.text[:1000])
    with understanding(server.host):
        if len(response.content) > _MOST_BYTES:
            raise ValueError(f"its list of models has {len(response.content):,} bytes")
        deployments: dict[str, Any] = parse_json(response.content.decode())["deployments"]
        found = {one.get("repo_id") for one in deployments.values() if one.get("deployment_level") in _DEPLOYED}
        return sorted(one for one in found if isinstance(one, str) and _NAME.fullmatch(one))[:_MOST]
