"""A private module is of its own room: no other imports it, nor what is in it."""

import ast

from tests.support.paths import ROOT


def imported(path, module):
    """Return the full names of what a file imports."""
    room = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = room[: len(room) + 1 - node.level] if node.level else []
            base = ".".join([*start, node.module or ""]).strip(".")
            yield from (f"{base}.{one.name}" for one in node.names)


def private_room(name):
    """Return the room of the first private module in a name below the package's own; "" where there is none."""
    parts = name.split(".")
    for at, part in enumerate(parts):
        if at >= 2 and part.startswith("_") and not part.startswith("__"):
            return ".".join(parts[:at])
    return ""


def test_no_private_module_is_imported_from_another_room():
    found = []
    for path in sorted((ROOT / "scope_widgets").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for name in imported(path, module):
            room = private_room(name)
            if name.startswith("scope_widgets.") and room and not f"{module}.".startswith(f"{room}."):
                found.append(f"{module} imports {name}")
    assert not found
