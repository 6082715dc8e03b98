"""Run notebooks and keep what they showed: stills and texts, small, with nothing of this machine.

``make notebooks`` runs those of the demo model, and draws the pictures of docs/tour.md. Others by name:
``python -m scripts.run_notebooks notebooks/smollm2.ipynb``.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
PICTURES = ROOT / "docs" / "pictures"
#: notebooks that need another model, or a server
ELSEWHERE = ("before_and_after", "features_smollm2", "remote", "smollm2", "steering_smollm2")
#: bytes of a notebook, of one of a larger model, whose stills hold more; a picture's plain pixels go first
MOST, MOST_ELSEWHERE = 300_000, 500_000
#: inches
WIDTH = 6.0


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument("--no-pictures", action="store_true", help="leave docs/pictures as they are")
    arguments = parser.parse_args()
    own = sorted(path for path in NOTEBOOKS.glob("*.ipynb") if path.stem not in ELSEWHERE)
    for path in arguments.notebooks or own:
        print(path.name, f"{run(path) / 1000:.0f} kB", flush=True)
    if not arguments.no_pictures and not arguments.notebooks:
        draw_pictures()


def run(path: Path) -> int:
    """Run a notebook in a folder of its own, write it with its outputs, and return its size."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    with TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        NotebookClient(notebook, timeout=900, kernel_name="python3", resources=resources).execute()
    text = nbformat.writes(kept(notebook))
    for cell in reversed(notebook.cells):
        if len(text.encode()) <= most(path):
            break
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop("image/png", None)
        text = nbformat.writes(notebook)
    path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    return len(text.encode())


def most(path: Path) -> int:
    """Return how many bytes a notebook may have."""
    return MOST_ELSEWHERE if path.stem in ELSEWHERE else MOST


def kept(notebook: Any) -> Any:
    """Take out what only a running notebook can show: live views and their state, progress, times, machine names."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type != "code":
            continue
        outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
        for output in outputs:
            data = output.get("data", {})
            data.pop("application/vnd.jupyter.widget-view+json", None)
            if "text/html" in data:  # of the selection that hides it while a view lives: there is none
                data["text/html"] = re.sub(r'data-of="[0-9a-f]*"', 'data-of=""', data["text/html"])
            if "metadata" in output:
                output["metadata"] = {}
        cell.outputs = [output for output in outputs if output.get("text") or _shown(output.get("data", {}))]
    return notebook


def _shown(data: dict[str, Any]) -> bool:
    """Return whether data are of more than a progress bar, whose widget is gone."""
    return bool(data) and not (list(data) == ["text/plain"] and re.search(r"\d%\|", data["text/plain"]))


def draw_pictures() -> None:
    """Run the tour, and draw the last view of each kind that it shows."""
    from scope_widgets.widgets.core.view import View

    found: dict[str, View] = {}
    with TemporaryDirectory() as folder:
        for value in tour(folder):
            if isinstance(value, View):
                found[value.bundle] = value
        PICTURES.mkdir(exist_ok=True)
        for name, view in found.items():
            view.to_svg(PICTURES / f"{name}.svg", width=WIDTH)


def tour(folder: str | Path) -> list[Any]:
    """Return what the last line of each block of docs/tour.md shows; files go into `folder`."""
    names: dict[str, Any] = {}
    shown = []
    before = Path.cwd()
    os.chdir(folder)
    try:
        for block in blocks():
            tree = ast.parse(block)
            last = tree.body[-1]
            if not isinstance(last, ast.Expr):
                raise ValueError(f"This block of the tour ends with nothing that is shown:\n{block}")
            tree.body[-1] = ast.copy_location(ast.Assign([ast.Name("_", ast.Store())], last.value), last)
            exec(compile(ast.fix_missing_locations(tree), "docs/tour.md", "exec"), names)
            shown.append(names["_"])
    finally:
        os.chdir(before)
    return shown


def blocks() -> list[str]:
    """Return the blocks of Python in docs/tour.md."""
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "tour.md").read_text(encoding="utf-8"), flags=re.DOTALL)


if __name__ == "__main__":
    main()
