"""A session as a notebook: the same calls, cell by cell."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable
from typing import Any

from scope_widgets._reproducing_calls import literal
from scope_widgets.widgets.core.selection import Selection
from scope_widgets.widgets.steering_panel import SteeringPanel
from scope_widgets.widgets.workbench.panels.framed_page import FramedPage
from scope_widgets.widgets.workbench.panels.make_panel import KINDS
from scope_widgets.widgets.workbench.panels.prompt_panels import Panel, PromptPanels

#: traits that all views share, which the selection says
_SHARED = {"selected_heads", "selected_tokens", "selected_latents", "head_notes", "height"}


def notebook(sides: Iterable[PromptPanels], selection: Selection) -> str:
    """Return the text of an .ipynb that makes the panels of some prompts again.

    Parameters
    ----------
    sides : iterable of PromptPanels
    selection : Selection
        What is selected in all of them, and the notes on heads.

    Returns
    -------
    str
        JSON of format 4.5; the cells have no outputs.
    """
    cells = [_cell("markdown", "# A session of the workbench\n\nRun all cells: each makes a panel again.")]
    given = {"heads": list(selection.heads), "tokens": list(selection.tokens), "latents": list(selection.latents)}
    held = [f"{name}={literal(value)}" for name, value in given.items() if value]
    held += [f"notes={literal(dict(selection.notes))}"] if selection.notes else []
    cells.append(
        _cell("code", f"from scope_widgets.widgets import Selection\n\nselection = Selection({', '.join(held)})")
    )
    assigned: dict[str, str] = {}
    for side in sides:
        cells.append(_cell("markdown", f"## {side.scope.model_id}\n\n```text\n{side.prompt}\n```"))
        cells += [_cell("code", _code(panel, side, assigned)) for panel in side.panels.values()]
    for at, cell in enumerate(cells):
        cell["id"] = f"cell-{at}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return json.dumps({"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


def _cell(kind: str, text: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "id": "", "metadata": {}, "source": text.splitlines(keepends=True)}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def _code(panel: Panel, side: PromptPanels, assigned: dict[str, str]) -> str:
    """Return the lines that make a panel; what the cells before have assigned so already is not said again."""
    view = panel.view
    if isinstance(view, SteeringPanel):
        text = view.answer_code([None if one is None else float(one) for one in view.strengths])[0]["text"]
        assigned.clear()  # it loads the model anew
        return str(text).rstrip().removesuffix(")") + ", selection=selection)"
    if isinstance(view, FramedPage):
        return str(view.made_by).rstrip()
    lines: list[str] = []
    for line in view.made_by.rstrip("\n").split("\n"):
        name, equals, _ = line.partition(" = ")
        if equals and name.isidentifier():
            if assigned.get(name) == line and not _stale(line, lines):
                continue
            assigned[name] = line
        lines.append(line)
    subject = KINDS[panel.kind].subject
    args = [subject] if subject else []
    args += [str(one) for one in getattr(view, "arguments", [])]
    args += _as_set(view, {one.partition("=")[0] for one in args})
    return "\n".join([*lines, f"{type(view).__name__}({', '.join([*args, 'selection=selection'])})"])


def _stale(line: str, lines: list[str]) -> bool:
    """Return whether a line uses a variable that was assigned anew above it."""
    new = {one.partition(" = ")[0] for one in lines if " = " in one}
    used = {node.id for node in ast.walk(ast.parse(line)) if isinstance(node, ast.Name)}
    return bool(new & (used - {line.partition(" = ")[0]}))


def _as_set(view: Any, said: set[str]) -> list[str]:
    """Return what was chosen in the browser, as arguments."""
    found = []
    for name in view.set_in_browser:
        trait = view.traits().get(name)
        if name in _SHARED or name in said or trait is None:
            continue
        value = getattr(view, name)
        text = literal(value)
        if text is not None and value != trait.default() and value not in (None, "", [], {}):
            found.append(f"{name}={text}")
    return found
