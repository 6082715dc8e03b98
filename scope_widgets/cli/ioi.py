"""`microscope ioi --n 100`: the heads that do indirect-object identification."""

from __future__ import annotations

import argparse
from typing import Any

from scope_widgets.cli.conventions import options as take
from scope_widgets.cli.conventions import schema
from scope_widgets.cli.conventions.answer import Answer, rows, shown
from scope_widgets.cli.conventions.command_parser import add_command
from scope_widgets.cli.output_folder import check_writable, said_of, write_result

EXAMPLE = "microscope ioi --model demo --n 40"
_SHOWN = ["layer", "head", "class", "effect", "low", "high", "p"]
ANSWER = {
    "model": schema.MODEL,
    "heads": schema.table("the heads found with their evidence, as `ioi.detect`", *_SHOWN),
    "logit_difference": schema.number("of the model on these prompts, the mean: right name less wrong one"),
    "message": schema.text("why something was not looked for; else empty"),
    "comparison": schema.maybe(
        schema.table("with --compare: agreement class by class", "class", "precision", "recall", "f1")
    ),
    "files": schema.FILES,
}


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    parser = add_command(
        commands,
        "ioi",
        _run,
        help="find the heads that do indirect-object identification, each with its effect, interval and p",
        description='"When Mary and John went to the store, John gave a drink to": the heads that make the model say '
        "Mary, by class, from path patching and ablation on prompts that are drawn.",
        example=EXAMPLE,
        answer=ANSWER,
    )
    parser.add_argument("--n", type=take.at_least(1), default=100, help="prompts")
    parser.add_argument("--compare", metavar="MODEL", help="with the published heads of this model: gpt2")
    take.add_seed(parser, "prompts, intervals and random heads")
    take.add_out(parser, "folder for ioi.json, .csv and .html, and heads.dot")
    take.add_model(parser)


def _run(options: argparse.Namespace) -> Answer:
    if options.out is not None:
        check_writable(options.out)
    scope = take.load_model(options)
    from scope_widgets import ioi
    from scope_widgets._files import write_text

    if options.compare is not None:
        ioi.known(options.compare)  # says which there are, before the work
    found = ioi.detect(scope, ioi.prompts(scope, n=options.n, seed=options.seed), seed=options.seed)
    table = found.to_dataframe()
    comparison = None if options.compare is None else found.compare(options.compare).to_dataframe()
    files = write_result(options.out, "ioi", found)
    if options.out is not None:
        files.append(str(write_text(options.out / "heads.dot", found.to_dot())))
    fields = {
        "model": scope.model_id,
        "heads": rows(table),
        "logit_difference": found.logit_difference.mean(),
        "message": found.message,
        "comparison": None if comparison is None else rows(comparison),
        "files": files,
    }
    parts = [shown(table[_SHOWN]) if len(table) else "No head was found.", found.message]
    parts += [] if comparison is None else [shown(comparison)]
    return Answer(fields, "\n".join(part for part in parts if part) + said_of(files))
