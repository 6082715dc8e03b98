"""`microscope evals --model demo --suites facts,bias --steer direction.safetensors`: a model before and after."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scope_widgets._files import write_text

if TYPE_CHECKING:
    from scope_widgets import Microscope


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    parser = commands.add_parser(
        "evals",
        help="measure a model on facts, bias, toxicity, perplexity and fluency, also before and after a change",
        description="With --steer or --patch the model is measured before and after: what changed, what is kept, and "
        "what is not shown. Without, as it is.",
    )
    parser.add_argument("--model", default="demo", help="demo (the default), a folder, a .gguf file or a hub id")
    parser.add_argument(
        "--suites",
        help="names and files, separated by commas: facts, bias, toxicity, perplexity, fluency (default: these)",
    )
    change = parser.add_mutually_exclusive_group()
    change.add_argument("--steer", type=Path, help="a file of a direction, as Direction.save writes it, which is added")
    change.add_argument("--patch", type=Path, help="a folder of a patch, as FeaturePatch.export writes it")
    parser.add_argument("--strength", type=float, help="of --steer, in units of the stream's norm (default: 0.2)")
    parser.add_argument("--n", type=int, help="so many items of each suite; all by default")
    parser.add_argument("--samples", type=int, default=4, help="texts of each beginning of toxicity (default: 4)")
    parser.add_argument("--seed", type=int, default=0, help="of items, samples and intervals (default: 0)")
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table")
    parser.add_argument("--out", type=Path, help="a file to write the JSON to")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if options.strength is not None and options.steer is None:
        raise ValueError("--strength is that of --steer; give a direction with --steer.")
    if options.out is not None and not options.out.absolute().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {str(options.out.absolute().parent)!r} to write --out in.")
    suites = None if options.suites is None else [one.strip() for one in options.suites.split(",") if one.strip()]

    from scope_widgets import Microscope, evals  # seconds: only where there is something to do

    scope = Microscope.load(options.model)
    settings = {"n": options.n, "samples": options.samples, "seed": options.seed}
    change = _change(scope, options)
    done: Any
    if change is None:
        done = evals.run(scope, suites, **settings)
        shown = done.to_dataframe()
    else:
        done = evals.compare(scope, suites, change, **settings)
        shown = done.to_dataframe()[["metric", "before", "after", "difference", "low", "high", "p", "bound", "verdict"]]
    text = done.to_json()
    if options.out is not None:
        write_text(options.out, text)
    if options.json:
        print(text)
        return
    print(shown.to_string(index=False, float_format="{:.4g}".format))
    for line in (*done.provenance.lines()[:-1], *([done.text()] if change is not None else [])):
        print(line)
    if options.out is not None:
        print(f"Written to {options.out}")


def _change(scope: Microscope, options: argparse.Namespace) -> Any:
    from scope_widgets import editing, steering

    if options.steer is not None:
        direction = steering.Direction.load(options.steer)
        return steering.AddDirection(direction, 0.2 if options.strength is None else options.strength)
    return None if options.patch is None else editing.FeaturePatch.load(scope, options.patch)
