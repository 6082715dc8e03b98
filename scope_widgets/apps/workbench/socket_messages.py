"""Messages of the socket `scope.v1` as bytes: a JSON head, and buffers that typed arrays read without a copy.

u32 version, u32 n (both little-endian), n bytes of JSON, then the buffers; each part is padded to a multiple of 8.
The head says in `buffers` how long each is.
"""

from __future__ import annotations

import json
import math
import struct
from typing import Any

from scope_widgets._untrusted import parse_json, why

PROTOCOL = "scope.v1"
VERSION = 1
#: bytes that a browser's message may have
MOST_INBOUND = 2**20
_PREFIX = struct.Struct("<II")


def encode(head: dict[str, Any], buffers: list[Any]) -> bytes:
    """Return a message as bytes.

    Examples
    --------
    >>> decode(encode({"kind": "custom", "id": "a"}, [b"xyz"]))
    ({'kind': 'custom', 'id': 'a'}, [b'xyz'])
    """
    views = [memoryview(one).cast("B") for one in buffers]
    head = {**head, "buffers": [len(one) for one in views]}
    text = _json(head).encode()
    parts: list[Any] = [_PREFIX.pack(VERSION, len(text)), text, _padding(len(text))]
    for one in views:
        parts += [one, _padding(len(one))]
    return b"".join(parts)


def decode(frame: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """Return the head and the buffers of a browser's message.

    Raises
    ------
    ValueError
        For whatever is no message of this protocol: it may come from anybody.
    """
    if len(frame) < _PREFIX.size or len(frame) > MOST_INBOUND:
        raise ValueError(f"A message has {_PREFIX.size} to {MOST_INBOUND:,} bytes, not {len(frame):,}.")
    version, n = _PREFIX.unpack_from(frame)
    if version != VERSION:
        raise ValueError(f"This is {PROTOCOL}; the message says version {version}.")
    at = _PREFIX.size + n
    if at > len(frame):
        raise ValueError("The head of the message is longer than the message.")
    try:
        head = parse_json(bytes(frame[_PREFIX.size : at]))
    except ValueError as error:
        raise ValueError(f"The head of the message cannot be read: {why(error)}.") from None
    if not isinstance(head, dict) or not isinstance(head.get("kind"), str):
        raise ValueError("The head of a message is an object with a kind.")
    lengths = head.pop("buffers", [])
    if not isinstance(lengths, list) or not all(type(one) is int and 0 <= one <= len(frame) for one in lengths):
        raise ValueError("The head of a message says how long each buffer is.")
    buffers = []
    at = _padded(at)
    for length in lengths:
        if at + length > len(frame):
            raise ValueError("The buffers are longer than the message.")
        buffers.append(bytes(frame[at : at + length]))
        at += _padded(length)
    if at > _padded(len(frame)):
        raise ValueError("The buffers are longer than the message.")
    return head, buffers


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:  # a trait may be NaN, which JSON does not know
        return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return value


def _padded(n: int) -> int:
    return (n + 7) & ~7


def _padding(n: int) -> bytes:
    return bytes(_padded(n) - n)
