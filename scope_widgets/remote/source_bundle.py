"""The text of this package's own modules, as far as a request needs them on a server."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from scope_widgets import _version
from scope_widgets.remote import serialization

_ROOT = Path(_version.__file__).parents[1]
_PACKAGE = "scope_widgets"
#: what stands for a package whose compiled modules stay here
_INSTEAD = {"scope_widgets._kernels": "scope_widgets._kernels._torch_backend"}
#: a string by which a floor reaches a higher one; widgets stay here
_NAMED = re.compile(r"scope_widgets\.(?!widgets\.)[\w.]+:\w+")


def sources(modules: Iterable[str]) -> dict[str, str]:
    """Return the text of these modules and of all that they import, by name.

    Packages are empty there: what they offer for convenience would import everything. Compiled modules stay here.
    """
    found: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found or not name.startswith(_PACKAGE) or _file(name) is None:
            continue
        found[name] = _text(name)
        waiting += [name.rpartition(".")[0], *_imported(name)]
    return found


def sources_of(request: dict[str, Any]) -> dict[str, str]:
    """Return the text of the modules that a request needs, by name."""
    return sources([request["execute"], *serialization.modules(request)])


def digest(sources: dict[str, str]) -> str:
    """Name these texts: what was computed with others is not found again."""
    whole = hashlib.sha256()
    for name in sorted(sources):
        whole.update(f"{name}\0{sources[name]}\0".encode())
    return whole.hexdigest()[:16]


@cache
def _file(name: str) -> Path | None:
    path = _ROOT.joinpath(*name.split("."))
    if (path / "__init__.py").is_file():
        return path / "__init__.py"
    file = path.with_suffix(".py")
    return file if file.is_file() else None


@cache
def _text(name: str) -> str:
    file = _file(_INSTEAD.get(name, name))
    assert file is not None
    return "" if file.name == "__init__.py" else without_docstrings(file.read_text(encoding="utf-8"))


def without_docstrings(text: str) -> str:
    """Return the text of a module without its docstrings, a quarter of it; each line keeps its number."""
    lines = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and type(first.value.value) is str:
                at, end = first.lineno - 1, first.end_lineno or first.lineno
                alone = not lines[at][: first.col_offset].strip()
                # from the future stays the first statement of a module, and a body has one
                if alone and not lines[end - 1].encode()[first.end_col_offset :].strip():
                    lines[at:end] = [" " * first.col_offset + '"."', *[""] * (end - at - 1)]
    return "\n".join(lines)


@cache
def _imported(name: str) -> tuple[str, ...]:
    """Give what a module may import of this package, in functions too; what only types need is left out."""
    return tuple(_names(ast.parse(_text(name)), name))


def _names(tree: ast.AST, name: str) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            file = _file(name)
            package = name if file is not None and file.name == "__init__.py" else name.rpartition(".")[0]
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            whole = ".".join(part for part in (base, node.module or "") if part)
            yield whole
            yield from (f"{whole}.{one.name}" for one in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _NAMED.fullmatch(node.value):
            yield node.value.partition(":")[0]
        else:
            yield from _names(node, name)
