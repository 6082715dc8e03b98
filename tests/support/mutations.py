"""Seeded damage to files: bits, ends and parts of bytes, and values of JSON."""

from __future__ import annotations

import json
import random
from typing import Any

#: what JSON text cannot be made of by `json.dumps`: a placeholder in it, and what stands there in the end
_RAW = {
    "@nan@": "NaN",
    "@inf@": "1e999",
    "@digits@": "1" * 5000,
    "@deep@": "[" * 100_000 + "]" * 100_000,
    "@deepdict@": '{"a":' * 900 + "1" + "}" * 900,
}
HOSTILE: list[Any] = [
    *_RAW, None, True, False, 0, 1, -1, 2, 7, 0.5, -0.5, 1e38, 1e308, 10**6, 10**7, 10**9, 10**12, 2**63, 10**40, "",
    "x", "float32", "object", "U10000000", "str320000000", "bool", "\x00", "\ud800", "\u202egnp", "__proto__",
    "constructor", "<img src=x onerror=alert(1)>", "../../etc/passwd", "__import__('os').system('touch executed')",
    "x" * 300, [], [[]], [0], [None], ["x"], [10**9, 10**9], {}, {"__proto__": 1},
    {"dtype": "U10000000", "shape": [1], "values": ["x"]}, {"dtype": "float32", "shape": [0, 10**12], "values": []},
    {"dtype": "int64", "shape": [3], "values": [1.5, None, "inf"]},
]  # fmt: skip


def damaged_bytes(data: bytes, draw: random.Random) -> bytes:
    """Return bytes with one or several bits flipped, cut off, cut out, doubled, inserted, or large numbers put in."""
    at = draw.randrange(len(data)) if len(data) else 0
    if draw.random() < 0.5:
        at = min(at, draw.randrange(200))  # headers are where the harm is
    length = draw.choice((1, 1, 2, 4, 8, 64, 1000))
    match draw.randrange(6):
        case 0:
            changed = bytearray(data)
            for _ in range(draw.choice((1, 1, 3, 20))):
                if changed:
                    changed[min(draw.randrange(len(changed)), at + draw.randrange(300))] ^= 1 << draw.randrange(8)
            return bytes(changed)
        case 1:
            return data[:at]
        case 2:
            return data[:at] + data[at + length :]
        case 3:
            return data[: at + length] + data[at:]
        case 4:
            return data[:at] + draw.randbytes(length) + data[at:]
        case _:
            number = draw.choice((0, 1, 255, 2**31 - 1, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)).to_bytes(8, "little")
            return data[:at] + number[: draw.choice((1, 2, 4, 8))] + data[at + 8 :]


def damaged_json(text: str, draw: random.Random) -> str:
    """Return JSON with values replaced, inserted, taken out or doubled."""
    root: Any = [json.loads(text)]
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        _change(root, draw)
    text = json.dumps(root[0])
    for name, raw in _RAW.items():
        text = text.replace(json.dumps(name), raw)
    return text


def damaged_text(text: str, draw: random.Random) -> str | bytes:
    """Return JSON as `damaged_json` does, or its bytes as `damaged_bytes`."""
    return damaged_json(text, draw) if draw.random() < 0.75 else damaged_bytes(text.encode(), draw)


def _change(root: Any, draw: random.Random) -> None:
    parent = root
    key: Any = 0
    while isinstance(parent[key], (dict, list)) and parent[key] and draw.random() < 0.8:
        parent = parent[key]
        key = draw.choice(list(parent)) if isinstance(parent, dict) else draw.randrange(len(parent))
    what = draw.randrange(8)
    if what == 0 and parent is not root:
        del parent[key]
    elif what == 1 and isinstance(parent, dict):
        parent[draw.choice(("__proto__", "extra", "\ud800", ""))] = hostile(draw)
    elif what == 1:
        parent.insert(key, hostile(draw)) if parent is not root else None
    elif what == 2 and isinstance(parent[key], list):
        parent[key] = parent[key] * 2
    elif what == 3 and isinstance(parent[key], (int, float)):
        parent[key] = draw.choice((-parent[key] - 1, parent[key] * 1000, str(parent[key]), parent[key] + 0.5))
    elif what == 4 and isinstance(parent[key], str):
        parent[key] = draw.choice((parent[key] + "\ud800", parent[key][:-1], [parent[key]], parent[key] + "x" * 400))
    else:
        parent[key] = hostile(draw)


def hostile(draw: random.Random) -> Any:
    """Return a value that nobody expects."""
    return json.loads(json.dumps(draw.choice(HOSTILE)))
