"""Requests that nobody means, from a seed: wrong types, huge numbers, odd texts, other paths, broken JSON."""

from __future__ import annotations

import json
import random
import re
from typing import Any
from urllib.parse import quote

#: what takes long where it is taken, or is not asked for without an end
_SLOW = {"/api/v1/ioi", "/api/v1/circuits", "/api/v1/models", "/api/v1/jobs", "/api/v1/jobs/{id}/events"}
_TEXTS = [
    "", " ", "a", "Mary gave John a book", "\x00", "\u202e\u0000", "é" * 300, "\U0001f600" * 20,
    "<script>alert(1)</script>",
    "../../etc/passwd", "http://evil.example/", "file:///etc/passwd", "a" * 5000, "null", "NaN", "%2e%2e", "{}", "[]",
    "' OR 1=1 --", "\ud83d", "__proto__", "con", "C:\\x", "\r\nX: y", "-1", "1e309",
]  # fmt: skip
_NUMBERS = [
    0,
    1,
    -1,
    3,
    4,
    511,
    512,
    2**31 - 1,
    2**31,
    2**63,
    2**64,
    10**40,
    0.5,
    -0.5,
    1e-300,
    1e308,
    -1e308,
    True,
    False,
]
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
_ACCEPTS = [
    "*/*",
    "application/x-npy",
    "application/vnd.apache.arrow.stream",
    "text/html",
    ";;;q=x",
    "application/json;q=0",
]
_KINDS = ["text/plain", "application/octet-stream", "x", "application/json; charset=x"]


def requests(document: dict[str, Any], paths: list[tuple[str, str]], seed: int, n: int, ids: list[str]) -> Any:
    """Yield so many requests, (method, path, headers, body)."""
    rng = random.Random(seed)
    listed = [(path, method, one) for path, methods in document["paths"].items() for method, one in methods.items()]
    for _ in range(n):
        if rng.random() < 0.25 and paths:
            path, method = rng.choice(paths)
            operation: dict[str, Any] = {}
        else:
            path, method, operation = rng.choice(listed)
        begins = path in _SLOW or path.endswith("/provenance") or path.endswith("/discover") or "/train" in path
        method = rng.choice(_METHODS) if rng.random() < 0.05 else method.upper()
        address = re.sub(r"{[^}]*}", lambda _: quote(str(_part(rng, ids)), safe="", errors="replace"), path)
        query = [(one["name"], _value(rng, 0)) for one in operation.get("parameters", ()) if one["in"] == "query"]
        query = [one for one in query if rng.random() < 0.7]
        if query:
            address += "?" + "&".join(f"{name}={quote(str(value), errors='replace')}" for name, value in query)
        body = b""
        schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        if method in ("POST", "PUT", "PATCH"):
            made = _object(rng, document, schema) if schema and rng.random() < 0.8 else _value(rng, 0)
            if begins and isinstance(made, dict):
                made["extra"] = 1  # refused, for work that is taken has tests of its own
                made.update({"layer_idx": "x", "clean_input": 1, "config": 1, "model_name": 1})
            body = _bytes(rng, made)
        headers = {"content-type": "application/json", "accept": rng.choice(_ACCEPTS)}
        if rng.random() < 0.05:
            headers["content-type"] = rng.choice(
                ["text/plain", "application/octet-stream", "x", "application/json; charset=x"]
            )
        if rng.random() < 0.05:
            headers["range"] = "bytes=0-0," * 50
        yield method, address, headers, body


def _bytes(rng: random.Random, made: Any) -> bytes:
    text = json.dumps(made)
    roll = rng.random()
    if roll < 0.06:
        return text[: rng.randrange(len(text) + 1)].encode()
    if roll < 0.1:
        return rng.randbytes(rng.randrange(200))
    if roll < 0.12:
        return b"[" * rng.randrange(1, 3000)
    if roll < 0.14:
        return text.replace('"', "", 1).encode()
    if roll < 0.16:
        return text.encode("utf-16")
    return text.encode()


def _object(rng: random.Random, document: dict[str, Any], schema: dict[str, Any]) -> Any:
    """Return an object that is as a schema wants it, but for some fields."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "oneOf" in schema or "anyOf" in schema:
        return _object(rng, document, rng.choice(schema.get("oneOf") or schema["anyOf"]))
    if schema.get("type") != "object":
        return _fitting(rng, schema) if rng.random() < 0.6 else _value(rng, 0)
    needed = schema.get("required", [])
    found = {}
    for name, one in schema.get("properties", {}).items():
        if name in needed or rng.random() < 0.4:
            found[name] = _object(rng, document, one)
    if found and rng.random() < 0.1:
        found.pop(rng.choice(list(found)))
    return found


def _fitting(rng: random.Random, schema: dict[str, Any]) -> Any:
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return rng.choice(schema["enum"])
    kind = schema.get("type")
    if kind == "string":
        return rng.choice(["demo", "Mary gave John a book", "enabled", *_TEXTS])
    if kind == "integer":
        return rng.choice([0, 1, 2, 3, 7, 20])
    if kind == "number":
        return rng.choice([0.0, 0.5, 1.0, -2.0, 1e9])
    if kind == "array":
        return [_fitting(rng, schema.get("items", {})) for _ in range(rng.randrange(4))]
    return None if kind == "null" else rng.random() < 0.5


def _value(rng: random.Random, depth: int) -> Any:
    roll = rng.random()
    if roll < 0.4:
        return rng.choice(_TEXTS)
    if roll < 0.75:
        return rng.choice(_NUMBERS)
    if roll < 0.85 or depth > 3:
        return None
    if roll < 0.93:
        return [_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {str(rng.choice(_TEXTS)): _value(rng, depth + 1) for _ in range(rng.randrange(4))}


def _part(rng: random.Random, ids: list[str]) -> Any:
    """Return a part of a path: half of the time one that there is."""
    return rng.choice(ids) if rng.random() < 0.6 else rng.choice([*_NUMBERS, *_TEXTS]) or "x"
