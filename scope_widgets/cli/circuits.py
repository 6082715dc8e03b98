"""`microscope circuits --model demo --task ioi --out circuit`: find a circuit, test it, write it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from scope_widgets.cli.conventions import options as take
from scope_widgets.cli.conventions import schema
from scope_widgets.cli.conventions.answer import Answer, rows, shown
from scope_widgets.cli.conventions.command_parser import UsageError, add_command
from scope_widgets.cli.output_folder import check_writable, said_of

if TYPE_CHECKING:
    from scope_widgets import Microscope
    from scope_widgets.circuits import Circuit, Task, TaskName

#: what a task says of the answers to one pair
_Tokens: TypeAlias = str | int | list[str | int]

EXAMPLE = "microscope circuits --model demo --task ioi --pairs 8 --edges 24 --out circuit"
ANSWER = {
    "model": schema.MODEL,
    "task": schema.text("its name"),
    "method": schema.text("how it was found"),
    "edges": schema.table("edges of the circuit, the strongest first", "sender", "receiver", "score"),
    "n_edges": schema.whole("how many it has"),
    "faithfulness": schema.number(
        "of the circuit run by itself, on pairs that it was not found on: 1 is the whole model"
    ),
    "files": schema.FILES,
}


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    parser = add_command(
        commands,
        "circuits",
        _run,
        help="find the circuit of a task, run it by itself, and write it as JSON, DOT, SVG, CSV and HTML",
        description="Half of the pairs of prompts are for finding it, the others for the test. edges.csv is the table "
        "of scores of all edges.",
        example=EXAMPLE,
        answer=ANSWER,
    )
    parser.add_argument(
        "--task",
        default="ioi",
        help="ioi, greater_than, induction, agreement, capitals, or a JSON file with clean, corrupted, answer, versus",
    )
    parser.add_argument("--pairs", type=int, default=40, help="half to find the circuit on, half to test it")
    parser.add_argument("--method", default="eap-ig", help="eap-ig, eap, edge-patching, acdc, prune or patching")
    parser.add_argument("--edges", type=int, help="keep so many; else those with 1 %% of the effect or more")
    take.add_seed(parser, "pairs, and of random circuits")
    take.add_out(parser, "the folder to write to", Path("circuit"))
    take.add_model(parser)


def _run(options: argparse.Namespace) -> Answer:
    if options.pairs < 2:
        raise UsageError(f"--pairs is 2 or more: half of them are for the test; got {options.pairs}.")
    check_writable(options.out)
    scope = take.load_model(options)
    from scope_widgets import circuits

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
    files = _write(scope, circuit, task[half:], options.out)
    scores = circuit.top(found.graph.n_edges)
    fields = {
        "model": scope.model_id,
        "task": task.name,
        "method": options.method,
        "edges": rows(scores[scores["included"]]),
        "n_edges": circuit.n_edges,
        "faithfulness": tested.value,
        "files": files,
    }
    lines = [f"{task.name} on {scope.model_id}: {circuit.provenance.note}", shown(scores[:10])]
    return Answer(fields, "\n".join([*lines, f"On {len(task) - half} other pairs: {tested}"]) + said_of(files))


def _most_edges(scope: Microscope) -> int:
    """Return how many edges a model of these sizes can have: runs of it, which show how many it has, take its weights.

    Fewer where MLPs do not read the attention beside them, or blocks are one node.
    """
    from scope_widgets.models.edges.graph import Graph, count_edges

    return count_edges(Graph(scope.n_layers, max(scope.n_heads, 1), max(scope.anatomy.n_kv_heads, 1)))


def _check_edges(edges: int, most: int, scope: Microscope) -> None:
    if not 0 <= edges <= most:
        raise UsageError(f"--edges is 0 to {most:,}, at most so many has {scope.model_id}; got {edges:,}.")


def _write(scope: Microscope, circuit: Circuit, held_out: Task, folder: Path) -> list[str]:
    from scope_widgets import circuits, widgets
    from scope_widgets._files import as_csv, write_text

    texts = {
        "circuit.json": circuit.to_json(),
        "circuit.dot": circuit.to_dot(),
        "circuit.svg": circuits.to_svg(circuit),
        "edges.csv": as_csv(circuit.to_dataframe()),
    }
    files = [write_text(folder / name, text) for name, text in texts.items()]
    files.append(widgets.CircuitGraph(circuit, scope, held_out=held_out).to_html(folder / "circuit.html"))
    return [str(path) for path in files]


def _task(scope: Microscope, name: str, n: int, seed: int) -> Task:
    from scope_widgets import circuits

    if name.endswith(".json"):
        return _task_of_file(scope, Path(name))
    return circuits.task(scope, cast("TaskName", name), n=n, seed=seed)


def _task_of_file(scope: Microscope, path: Path) -> Task:
    from scope_widgets import circuits
    from scope_widgets._json_fields import decode
    from scope_widgets._untrusted import parse_json, read_text, reading

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
