"""JSON schemas of what commands answer, in few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]


def text(about: str) -> Schema:
    """Return the schema of a text."""
    return {"type": "string", "description": about}


def whole(about: str) -> Schema:
    """Return the schema of a whole number."""
    return {"type": "integer", "description": about}


def number(about: str) -> Schema:
    """Return the schema of a number, null where it is not defined."""
    return {"type": ["number", "null"], "description": about}


def truth(about: str) -> Schema:
    """Return the schema of true or false."""
    return {"type": "boolean", "description": about}


def listed(items: Schema, about: str) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": items, "description": about}


def table(about: str, *columns: str) -> Schema:
    """Return the schema of the rows of a table, objects with these columns at least."""
    return listed({"type": "object", "required": list(columns)}, about)


def record(about: str, **properties: Schema) -> Schema:
    """Return the schema of an object with these properties."""
    return {"type": "object", "properties": properties, "required": list(properties), "description": about}


def maybe(schema: Schema) -> Schema:
    """Return the schema of the same, or null."""
    return {"anyOf": [schema, {"type": "null"}], "description": schema["description"]}


#: fields that several commands have
MODEL = text("the model: demo, a folder's name or a hub id")
FILES = listed({"type": "string"}, "files that were written; empty without --out")
#: what --dry-run answers in place of the rest
DRY_RUN: Schema = {
    "dry_run": {"const": True},
    "model": MODEL,
    "weights": whole("bytes of the weights"),
    "needed": whole("bytes of the weights and a forward"),
    "available": whole("bytes of this machine that are free"),
    "fits": truth("whether there is memory for it"),
    "advice": text("what to do, as a sentence"),
}


def whole_schema(command: str, answer: Mapping[str, Any]) -> Schema:
    """Return the JSON schema of the object that a command prints.

    Examples
    --------
    >>> whole_schema("completion", {"shell": text("its name")})["required"]
    ['command', 'version', 'shell']
    """
    properties = {"command": {"const": command}, "version": text("of scope-widgets"), **answer}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
