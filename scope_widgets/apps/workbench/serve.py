"""`serve`: the workbench on an address of this machine."""

from __future__ import annotations

import ipaddress
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from importlib import import_module
from typing import Any

import uvicorn
from fastapi import APIRouter

from scope_widgets.apps.workbench.access_control import check_token, new_token
from scope_widgets.apps.workbench.app import create_app
from scope_widgets.apps.workbench.socket_messages import MOST_INBOUND
from scope_widgets.apps.workbench.workspace import Workspace

LOCAL = "127.0.0.1"
#: connections at once; of more than that each is told to come later
MOST_CONNECTIONS = 256

OPEN = (
    "Listening on {host}: whoever reaches that address and has the token can run this machine's models and read and "
    "write the workspace, and without TLS the token can be read on the way. Put a reverse proxy with TLS before it, or "
    "use an SSH tunnel."
)


def serve(
    workspace: Workspace,
    *,
    host: str = LOCAL,
    port: int = 0,
    allowed_hosts: Iterable[str] = (),
    root_path: str = "",
    open_browser: bool = False,
    routers: Iterable[APIRouter] = (),
    say: Callable[[str], None] = print,
    token: str | None = None,
) -> None:
    """Serve a workspace until Ctrl-C.

    Parameters
    ----------
    workspace : Workspace
        Its model is loaded while the browser loads the page; where that fails the server ends.
    host : str, default "127.0.0.1"
        Another one than this machine's own needs `allowed_hosts`.
    port : int, default 0
        0: one that is free.
    allowed_hosts : iterable of str
        Names that the server is reached by besides, with the port where it is no usual one.
    root_path : str, default ""
        Prefix of a reverse proxy, such as "/workbench".
    open_browser : bool, default False
    routers : iterable of APIRouter, default ()
    say : callable, default print
        Is given the address, which holds the token where that was made here.
    token : str, optional
        The secret that pages bring; a new one by default. One that is given is not said: whoever gave it has it.

    Raises
    ------
    ValueError
        For a host that others reach without a name that it goes by, a prefix that is none, or a token to be guessed.
    OSError
        Where the port is taken, or the model is not there.
    """
    allowed = list(allowed_hosts)
    check_host(host, allowed)
    if root_path and (not root_path.startswith("/") or "//" in root_path or ".." in root_path):
        raise ValueError(f"--root-path is a prefix such as /workbench, not {root_path!r:.60}.")
    if token is not None:
        check_token(token)
    listening = _listen(host, port)
    try:
        port = listening.getsockname()[1]
        secret = token or new_token()
        app = create_app(
            workspace, token=secret, hosts=hosts_of(host, port, allowed), root_path=root_path, routers=routers
        )
        shown = allowed[0] if allowed and not _is_local(host) else f"{LOCAL if _is_local(host) else host}:{port}"
        address = f"http://{shown}{root_path.rstrip('/')}/{'' if token else f'#token={secret}'}"
        if not _is_local(host):
            print(OPEN.format(host=host), file=sys.stderr)
        serving = _Server(config_of(app), lambda: _tell(address, say, open_browser))

        def go_on(started: Future[None]) -> None:
            failed = started.exception() is not None
            serving.end_if(failed)
            if not failed:  # a browser is on its way
                workspace.kernel.soon(import_module, "scope_widgets.apps.workbench.page")

        workspace.started.add_done_callback(go_on)
        workspace.begin()
        serving.run(sockets=[listening])
        if workspace.started.done() and (problem := workspace.started.exception()) is not None:
            raise problem
    finally:
        listening.close()
        workspace.close()


def config_of(app: Any) -> uvicorn.Config:
    """Return how an application of `create_app` is served."""
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nobody's word is taken for who asks
        ws="websockets-sansio",
        ws_max_size=MOST_INBOUND,
        ws_per_message_deflate=False,
        ws_ping_interval=20.0,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=3,
        h11_max_incomplete_event_size=64 * 1024,
    )


class _Server(uvicorn.Server):
    """Says when it can be reached."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    def end_if(self, failed: bool) -> None:
        """End where there is nothing to serve."""
        self.should_exit |= failed

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._ready()


def check_host(host: str, allowed: list[str]) -> None:
    """Raise ValueError where others can reach a host, and nobody said what it is called."""
    for one in allowed:
        if not one or any(char in one for char in "/@ ,#?\\") or "*" in one:
            raise ValueError(
                f"--allowed-host is a name such as lab.example.org or lab.example.org:8443, not {one!r:.60}."
            )
    if not _is_local(host) and not allowed:
        raise ValueError(
            f"--host {host} lets other machines reach this server. Say by which name they do, --allowed-host "
            f"lab.example.org:8000, or leave --host out and use an SSH tunnel. {OPEN.format(host=host)}"
        )


def hosts_of(host: str, port: int, allowed: Iterable[str]) -> list[str]:
    """Return what the Host header may be."""
    return [f"{LOCAL}:{port}", f"localhost:{port}", f"[::1]:{port}", *allowed]


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # of TCP by its name: only then does asyncio send at once, without the 40 ms that an answer of two packets waits
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise OSError(f"{host}:{port} cannot be listened on: {error.strerror or error}. Try --port 0.") from None
    listening.listen(128)
    return listening


def _tell(address: str, say: Callable[[str], None], open_browser: bool) -> None:
    say(address)
    sys.stdout.flush()
    if open_browser:
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
