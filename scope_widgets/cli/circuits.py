"""`microscope circuits --model demo --task ioi --out circuit`: find a circuit, test it, write it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from scope_widgets._files import as_csv, write_text
from scope_widgets._json_fields import decode
from scope_widgets._untrusted import parse_json, read_text, reading
from scope_widgets.cli.output_folder import check_writable

if TYPE_CHECKING:
    from scope_widgets import Microscope
    from scope_widgets.circuits import Circuit, Task, TaskName

#: what a task says of the answers to one pair
_Tokens: TypeAlias = str | int | list[str | int]


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    parser = commands.add_parser(
        "circuits", help="find the circuit of a task, run it by itself, and write it as JSON, DOT, SVG, CSV and HTML"
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
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if options.pairs < 2:
        raise ValueError(f"--pairs is 2 or more: half of them are for the test; got {options.pairs}.")
    check_writable(options.out)

    from scope_widgets import Microscope, circuits  # seconds: only where there is something to do

    scope = Microscope.load(options.model, remote=options.remote)
    if options.edges is not None:
        _check_edges(options.edges, _most_edges(scope), scope)
    task = _task(scope, options.task, options.pairs, options.seed)
    half = len(task) // 2
    found = circuits.discover(scope, task[:half], options.method)
    circuit = found
    if options.edges is not None:
        _check_edges(options.edges, found.graph.n_edges, scope)  # it may have fewer than its sizes say
        circuit = found.keep(options.edges)
    tested = circuits.faithfulness(scope, circuit, task=task[half:], seed=options.seed)
    _write(scope, circuit, task[half:], options.out)
    print(f"{task.name} on {scope.model_id}: {circuit.provenance.note}")
    print(circuit.top(10).to_string(index=False, float_format="{:.4f}".format))
    print(f"On {len(task) - half} other pairs: {tested}")
    print(f"Written to {options.out}: circuit.json, circuit.dot, circuit.svg, circuit.html, edges.csv")


def _most_edges(scope: Microscope) -> int:
    """Return how many edges a model of these sizes can have: runs of it, which show how many it has, take its weights.

    Fewer where MLPs do not read the attention beside them, or blocks are one node.
    """
    from scope_widgets.models.edges.graph import Graph, count_edges

    return count_edges(Graph(scope.n_layers, max(scope.n_heads, 1), max(scope.anatomy.n_kv_heads, 1)))


def _check_edges(edges: int, most: int, scope: Microscope) -> None:
    if not 0 <= edges <= most:
        raise ValueError(f"--edges is 0 to {most:,}, at most so many has {scope.model_id}; got {edges:,}.")


def _write(scope: Microscope, circuit: Circuit, held_out: Task, folder: Path) -> None:
    from scope_widgets import circuits, widgets

    for name, text in (
        ("circuit.json", circuit.to_json()),
        ("circuit.dot", circuit.to_dot()),
        ("circuit.svg", circuits.to_svg(circuit)),
    ):
        write_text(folder / name, text)
    write_text(folder / "edges.csv", as_csv(circuit.to_dataframe()))
    widgets.CircuitGraph(circuit, scope, held_out=held_out).to_html(folder / "circuit.html")


def _task(scope: Microscope, name: str, n: int, seed: int) -> Task:
    from scope_widgets import circuits

    if name.endswith(".json"):
        return _task_of_file(scope, Path(name))
    return circuits.task(scope, cast("TaskName", name), n=n, seed=seed)


def _task_of_file(scope: Microscope, path: Path) -> Task:
    from scope_widgets import circuits

    text = read_text(path)
    with reading(f"{path} is to hold an object with lists named clean, corrupted, answer and versus, one entry a pair"):
        content = decode(parse_json(text), dict[str, Any], "it")
        prompts = [decode(content[part], list[str | list[int]], part) for part in ("clean", "corrupted")]
        answers = [decode(content[part], list[_Tokens], part) for part in ("answer", "versus")]
        metric = decode(content.get("metric"), str | None, "metric")
    with reading(f"{path} holds no task of {scope.model_id}"):
        task = circuits.Task.of(scope, *prompts, *answers, metric=cast(Any, metric), name=path.stem)
    if len(task) < 2:
        raise ValueError(f"{path} holds {len(task)} pair: give two or more, half of them are for the test.")
    return task
