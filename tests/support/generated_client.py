"""A client in Python, written from an OpenAPI document: a function an operation, by its `operationId`."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable
from typing import Any

import jsonschema

Send = Callable[..., Any]

_TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "array": "list", "object": "dict"}


def source_of(document: dict[str, Any]) -> str:
    """Return the client's source: each function takes parameters by name, `body=` where there is one, and headers."""
    lines = ['"""Generated."""', ""]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            lines += _function(method, path, operation)
    return "\n".join(lines)


def _function(method: str, path: str, operation: dict[str, Any]) -> list[str]:
    named = operation["operationId"]
    assert named.isidentifier(), named
    assert not keyword.iskeyword(named), named
    parameters = operation.get("parameters", [])
    needed = [one for one in parameters if one.get("required")]
    others = [one for one in parameters if not one.get("required")]
    arguments = [f"{_name(one)}: {_type(one)}" for one in needed]
    arguments += ["body: object"] if operation.get("requestBody") else []
    arguments += [f"{_name(one)}: {_type(one)} | None = None" for one in others]
    query = ", ".join(f"{one['name']!r}: {_name(one)}" for one in parameters if one["in"] == "query")
    headers = ", ".join(f"{one['name']!r}: {_name(one)}" for one in parameters if one["in"] == "header")
    places = ", ".join(f"{one['name']!r}: {_name(one)}" for one in parameters if one["in"] == "path")
    body = "body" if operation.get("requestBody") else "None"
    signature = "".join(f", {one}" for one in arguments)
    about = " ".join(str(operation.get("description", "")).split()).replace('"', "'")
    return [
        f"def {named}(call, *{signature or ', _=None'}, **options):",
        f'    """{about}"""',
        f"    return call({method.upper()!r}, {path!r}, {{{places}}}, {{{query}}}, {{{headers}}}, {body}, **options)",
        "",
    ]


def _name(parameter: dict[str, Any]) -> str:
    name = re.sub(r"\W", "_", str(parameter["name"])).lower()
    return f"{name}_" if keyword.iskeyword(name) else name


def _type(parameter: dict[str, Any]) -> str:
    return _TYPES.get(parameter.get("schema", {}).get("type", ""), "object")


class GeneratedClient:
    """The functions of `source_of`, and what comes back, held to the schemas of the document.

    Parameters
    ----------
    document : dict
        The OpenAPI.
    send : callable
        `httpx.Client.request` or what is as it.
    """

    def __init__(self, document: dict[str, Any], send: Send) -> None:
        self.document, self._send = document, send
        self.source = source_of(document)
        self._functions: dict[str, Any] = {}
        exec(compile(self.source, "generated client", "exec"), self._functions)
        self.used: set[str] = set()

    @property
    def operations(self) -> list[str]:
        """The names of all functions."""
        return [name for name, one in self._functions.items() if callable(one) and not name.startswith("__")]

    def __getattr__(self, name: str) -> Any:
        function = self._functions.get(name)
        if function is None:
            raise AttributeError(name)

        def call(**arguments: Any) -> Any:
            self.used.add(name)
            return function(self._call, **arguments)

        return call

    def _call(
        self,
        method: str,
        path: str,
        places: dict[str, Any],
        query: dict[str, Any],
        headers: dict[str, Any],
        body: Any,
        *,
        status: int | None = None,
        accept: str | None = None,
        raw: bool = False,
    ) -> Any:
        for name, value in places.items():
            assert value is not None
            path = path.replace("{" + name + "}", str(value)).replace("{" + name + ":path}", str(value))
        given = {name: value for name, value in headers.items() if value is not None}
        if accept:
            given["Accept"] = accept
        options: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
        if body is None:
            options = {}
        response = self._send(
            method, path, params={name: one for name, one in query.items() if one is not None}, headers=given, **options
        )
        self._check(method, path, response, status)
        if raw:
            return response
        is_json = "json" in response.headers.get("content-type", "") and response.content
        return response.json() if is_json else response.content

    def _check(self, method: str, path: str, response: Any, status: int | None) -> None:
        if status is None:
            assert response.is_success, (method, path, response.status_code, response.text[:500])
        else:
            assert response.status_code == status, (method, path, response.status_code, response.text[:500])
        kind = response.headers.get("content-type", "").partition(";")[0]
        if response.is_success and kind == "application/json":
            schema = self._schema(method, path, response.status_code)
            if schema is not None:
                jsonschema.validate(response.json(), {**schema, "components": self.document["components"]})
        elif not response.is_success:
            assert kind == "application/problem+json", (method, path, response.status_code, kind)
            assert {"type", "title", "status", "detail"} <= set(response.json())

    def _schema(self, method: str, path: str, status: int) -> Any:
        for pattern, methods in self.document["paths"].items():
            form = re.sub(r"\\\{[^}]+\\\}", "[^/]+", re.escape(pattern))
            if re.fullmatch(form, path) and method.lower() in methods:
                found = methods[method.lower()]["responses"].get(str(status), {})
                return found.get("content", {}).get("application/json", {}).get("schema")
        return None
