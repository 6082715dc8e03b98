"""The command line: `microscope circuits --model demo --task ioi --out circuit`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; what goes wrong is one sentence on stderr and exit status 1."""
    parser = argparse.ArgumentParser(prog="microscope", description="See what happens inside a language model.")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_circuits(commands)
    given = parser.parse_args(arguments)
    try:
        given.run(given)
    except (ValueError, TypeError, OSError, MemoryError, RuntimeError) as error:
        print(f"microscope: {error}", file=sys.stderr)
        return 1
    return 0


def _add_circuits(commands: Any) -> None:
    parser = commands.add_parser(
        "circuits", help="find the circuit of a task, run it alone, and write it as JSON, DOT, SVG, CSV and HTML"
    )
    parser.add_argument("--model", default="demo", help="demo, a folder, a .gguf file or a hub id")
    parser.add_argument(
        "--task",
        default="ioi",
        help="ioi, greater_than, induction, agreement, capitals, or a JSON file with clean, corrupted, answer, versus",
    )
    parser.add_argument("--pairs", type=int, default=40, help="half to find the circuit on, half to test it")
    parser.add_argument("--method", default="eap-ig", help="eap-ig, eap, edge-patching, acdc, prune or patching")
    parser.add_argument("--edges", type=int, help="keep so many; else those with 1 %% of the effect or more")
    parser.add_argument("--remote", action="store_true", help="run it on the NDIF server of NDIF_HOST, NDIF_API_KEY")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("circuit"), help="the folder to write to")
    parser.set_defaults(run=_circuits)


def _circuits(given: argparse.Namespace) -> None:
    from scope_widgets import Microscope, circuits, widgets

    if given.pairs < 2:
        raise ValueError(f"--pairs is 2 or more: half of them are for the test; got {given.pairs}.")
    scope = Microscope.load(given.model, remote=given.remote)
    task = _task(scope, given.task, given.pairs, given.seed)
    half = len(task) // 2
    found = circuits.discover(scope, task[:half], given.method)
    circuit = found if given.edges is None else found.keep(given.edges)
    tested = circuits.faithfulness(scope, circuit, task=task[half:], seed=given.seed)
    given.out.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("circuit.json", circuit.to_json()),
        ("circuit.dot", circuit.to_dot()),
        ("circuit.svg", circuits.to_svg(circuit)),
    ):
        (given.out / name).write_text(text, encoding="utf-8")
    circuit.to_dataframe().to_csv(given.out / "edges.csv", index=False)
    widgets.CircuitGraph(circuit, scope).to_html(given.out / "circuit.html")
    print(f"{task.name} on {scope.model_id}: {circuit.provenance.note}")
    print(circuit.top(10).to_string(index=False, float_format="{:.4f}".format))
    print(f"On {len(task) - half} other pairs: {tested}")
    print(f"Written to {given.out}: circuit.json, circuit.dot, circuit.svg, circuit.html, edges.csv")


def _task(scope: Any, name: str, n: int, seed: int) -> Any:
    from scope_widgets import circuits, ioi

    if name == "ioi":
        return ioi.prompts(scope, n, seed=seed).task()
    if not name.endswith(".json"):
        return circuits.task(scope, name, n, seed=seed)
    path = Path(name)
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        pairs = [given[part] for part in ("clean", "corrupted", "answer", "versus")]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is to hold an object with lists named clean, corrupted, answer and versus, one entry a pair; "
            f"reading it gave {type(error).__name__}: {error}."
        ) from None
    task = circuits.Task.of(scope, *pairs, metric=given.get("metric"), name=path.stem)
    if len(task) < 2:
        raise ValueError(f"{path} holds {len(task)} pair: give two or more, half of them are for the test.")
    return task


if __name__ == "__main__":
    sys.exit(main())
