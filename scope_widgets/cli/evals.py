"""`microscope evals --model demo --suites facts,bias --steer direction.safetensors`: a model before and after."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scope_widgets.cli.conventions import options as take
from scope_widgets.cli.conventions import schema
from scope_widgets.cli.conventions.answer import Answer, rows, shown
from scope_widgets.cli.conventions.command_parser import UsageError, add_command

if TYPE_CHECKING:
    from scope_widgets import Microscope

EXAMPLE = "microscope evals --model demo --suites bias,perplexity --n 5"
_CHANGED = ["metric", "before", "after", "difference", "low", "high", "p", "bound", "verdict"]
ANSWER = {
    "model": schema.MODEL,
    "metrics": schema.table("a row a metric: its value and interval, or before, after and verdict", "metric"),
    "summary": schema.text("with --steer or --patch: what changed, what is kept, what is not shown; else empty"),
    "result": schema.record("all of it, as `EvalResult.from_json` or `Comparison.from_json` reads it"),
    "files": schema.FILES,
}


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    parser = add_command(
        commands,
        "evals",
        _run,
        help="measure a model on facts, bias, toxicity, perplexity and fluency, also before and after a change",
        description="With --steer or --patch the model is measured before and after: what changed, what is kept, and "
        "what is not shown. Without, as it is.",
        example=EXAMPLE,
        answer=ANSWER,
    )
    parser.add_argument(
        "--suites",
        help="names and files, separated by commas: facts, bias, toxicity, perplexity, fluency (default: these)",
    )
    change = parser.add_mutually_exclusive_group()
    change.add_argument("--steer", type=Path, help="a file of a direction, as Direction.save writes it, which is added")
    change.add_argument("--patch", type=Path, help="a folder of a patch, as FeaturePatch.export writes it")
    parser.add_argument("--strength", type=float, help="of --steer, in units of the stream's norm (default: 0.2)")
    parser.add_argument("--n", type=int, help="so many items of each suite; all by default")
    parser.add_argument("--samples", type=int, default=4, help="texts of each beginning of toxicity")
    take.add_seed(parser, "items, samples and intervals")
    take.add_out(parser, "a file to write the result to, as JSON")
    take.add_model(parser)


def _run(options: argparse.Namespace) -> Answer:
    if options.strength is not None and options.steer is None:
        raise UsageError("--strength is that of --steer; give a direction with --steer.")
    if options.out is not None and not options.out.absolute().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {str(options.out.absolute().parent)!r} to write --out in.")
    suites = None if options.suites is None else [one.strip() for one in options.suites.split(",") if one.strip()]
    scope = take.load_model(options)
    import json

    from scope_widgets import evals
    from scope_widgets._files import write_text

    settings = {"n": options.n, "samples": options.samples, "seed": options.seed}
    change = _change(scope, options)
    done: Any
    if change is None:
        done = evals.run(scope, suites, **settings)
        table, summary = done.to_dataframe(), ""
    else:
        done = evals.compare(scope, suites, change, **settings)
        table, summary = done.to_dataframe()[_CHANGED], done.text()
    result = done.to_json()
    files = [] if options.out is None else [str(write_text(options.out, result))]
    lines = [shown(table), *done.provenance.lines()[:-1], summary, *(f"Written to {one}" for one in files)]
    fields = {"model": scope.model_id, "metrics": rows(table), "summary": summary, "files": files}
    return Answer({**fields, "result": json.loads(result)}, "\n".join(line for line in lines if line))


def _change(scope: Microscope, options: argparse.Namespace) -> Any:
    from scope_widgets import editing, steering

    if options.steer is not None:
        direction = steering.Direction.load(options.steer)
        return steering.AddDirection(direction, 0.2 if options.strength is None else options.strength)
    return None if options.patch is None else editing.FeaturePatch.load(scope, options.patch)
