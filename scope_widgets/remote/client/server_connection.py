"""An NDIF server: its address, the key, and single HTTP requests to it, each with a time limit."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
from nnsight import CONFIG

from scope_widgets.remote.errors import (
    LostConnectionError,
    RemoteError,
    ServerDownError,
    UnreadableError,
    WrongKeyError,
    of_status,
)

#: bytes that one answer may bring back
MOST_BYTES = 1_000_000_000


@dataclass
class Traffic:
    """What was sent and received so far: requests that the server took, and bytes of requests and answers."""

    requests: int = 0
    sent: int = 0
    received: int = 0


class Key(str):
    """An API key, which neither a repr (of headers, in a traceback with its variables) nor a pickle shows."""

    def __repr__(self) -> str:
        return "'...'"

    def __reduce__(self) -> tuple[type[Key], tuple[str]]:
        return Key, ("",)

    def __deepcopy__(self, memo: Any) -> Key:
        return self


@dataclass
class Server:
    """Where requests go.

    Attributes
    ----------
    host : str
        Address, as "https://api.ndif.us".
    timeout : float
        Seconds that one request may take, waiting in the queue included.
    patience : float
        Seconds that the server may take to say anything at all.
    traffic : Traffic
    most_bytes : int
        What one answer may bring back.
    met : bool
        Whether it has answered: one that has is waited for when it is lost, for its patience.
    """

    host: str
    key: Key = field(repr=False)
    timeout: float = 600.0
    patience: float = 30.0
    traffic: Traffic = field(default_factory=Traffic)
    most_bytes: int = MOST_BYTES
    met: bool = False

    @classmethod
    def of(cls, host: str | None, api_key: str | None, timeout: float) -> Server:
        """Make one of what is given; NDIF_HOST and NDIF_API_KEY, as nnsight knows them, for the rest."""
        address = (host or CONFIG.API.HOST).rstrip("/")
        if not address.startswith(("http://", "https://")):
            raise ValueError(f"host= is an address that begins with http:// or https://; got {address!r}.")
        if not timeout > 0:
            raise ValueError(f"timeout= is a positive number of seconds; got {timeout!r}.")
        key = (api_key or CONFIG.API.APIKEY or "").strip()
        if not (key.isascii() and key.isprintable()):
            raise WrongKeyError(
                "The API key holds characters that no key has: copy it from https://login.ndif.us again."
            )
        return cls(address, Key(key), timeout)

    @property
    def headers(self) -> dict[str, str]:
        """What says who asks."""
        return {"ndif-api-key": self.key} if self.key else {}

    def ask(self, method: str, path: str, limit: float | None = None, **options: Any) -> httpx.Response:
        """Make one HTTP request, which takes no longer than `limit` seconds; gives its status and content.

        Raises
        ------
        ServerDownError, LostConnectionError
        """
        end = time.monotonic() + (self.patience if limit is None else limit)
        within = max(0.1, min(end - time.monotonic(), self.patience))
        headers = {**self.headers, **options.pop("headers", {})}
        address = path if path.startswith("http") else self.host + path
        if address is path:
            headers = {}  # a presigned address of the store: the key is none of its business
        try:
            with _client().stream(method, address, timeout=within, headers=headers, **options) as response:
                content = bytearray()
                for part in response.iter_bytes():
                    content += part
                    if len(content) > 2 * self.most_bytes:
                        raise UnreadableError(self.silent(f"it sent more than {self.most_bytes:,} bytes"))
                    if time.monotonic() > end:
                        raise httpx.ReadTimeout("")
            self.met = self.met or response.is_success
            return httpx.Response(response.status_code, content=bytes(content))
        except (httpx.ConnectError, httpx.ConnectTimeout):
            failure: RemoteError = ServerDownError(self.silent("nothing answers there"))
        except httpx.TimeoutException:
            failure = LostConnectionError(self.silent(f"it said nothing for {within:.2g} s"))
        except httpx.HTTPError as error:
            failure = LostConnectionError(self.silent(f"the connection broke ({type(error).__name__})"))
        raise failure  # without httpx's error behind it, whose variables hold the key

    def alive(self, limit: float | None = None) -> bool:
        """Whether the server answers, within so many seconds."""
        try:
            return self.ask("GET", "/ping", limit).status_code == 200
        except RemoteError:
            return False

    def silent(self, why: str) -> str:
        """Say that the server cannot be reached, why, and what to do."""
        return (
            f"The NDIF server at {self.host} cannot be reached: {why}. Check the address (host= or NDIF_HOST) and "
            "https://nnsight.net/status, then ask again; what had arrived is kept."
        )

    def refused(self, code: int, detail: str) -> RemoteError:
        """Give the error of an HTTP answer that is none; a server may repeat the key in its words."""
        return of_status(code, detail.replace(self.key, "...") if self.key else detail, self.host)


@cache
def _client() -> httpx.Client:
    """Give one for all requests: making one reads all certificates, which takes as long as a request does."""
    return httpx.Client(limits=httpx.Limits(max_keepalive_connections=0))  # a server that was restarted is another
