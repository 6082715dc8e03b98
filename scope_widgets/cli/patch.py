"""`microscope patch --clean ... --corrupted ... --answer " Mary"`: which activations carry an answer."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from scope_widgets.cli.conventions import options as take
from scope_widgets.cli.conventions import schema
from scope_widgets.cli.conventions.answer import Answer, rows, shown
from scope_widgets.cli.conventions.command_parser import add_command
from scope_widgets.cli.output_folder import check_writable, said_of, write_result

EXAMPLE = (
    'microscope patch --clean "When Mary and John went to the store, John gave a drink to" --corrupted '
    '"When Mary and John went to the store, Mary gave a drink to" --answer " Mary" --versus " John" --positions all'
)
#: words of `patching`, whose modules are imported when they are needed
METHODS = ("activations", "attribution")
OVER = ("residual", "attention_out", "mlp_out", "head", "q", "k", "v", "attention")
POSITIONS = ("each", "all")
DIRECTIONS = ("denoising", "noising")
ANSWER = {
    "model": schema.MODEL,
    "metric": schema.text("what is measured, such as logit_difference"),
    "clean": schema.listed({"type": ["number", "null"]}, "the metric of each clean run"),
    "corrupted": schema.listed({"type": ["number", "null"]}, "the metric of each corrupted run"),
    "effects": schema.table("a row a cell: 0 nothing changed, 1 the other run's metric", "layer", "effect"),
    "message": schema.text("what a reader must know; else empty"),
    "files": schema.FILES,
}


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    parser = add_command(
        commands,
        "patch",
        _run,
        help="patch activations of a clean run into a corrupted one, and say which bring the answer back",
        description="Both prompts have as many tokens. Ctrl-C keeps the cells that are done in --out, and --resume "
        "goes on from them.",
        example=EXAMPLE,
        answer=ANSWER,
    )
    parser.add_argument("--clean", required=True, help="the prompt with the answer")
    parser.add_argument("--corrupted", required=True, help="the prompt without it")
    parser.add_argument("--answer", help='the right token, with its space: " Mary"; without it KL is measured')
    parser.add_argument("--versus", help="the token that it is compared with")
    parser.add_argument("--over", choices=OVER, default="head", help="what is patched")
    parser.add_argument("--positions", choices=POSITIONS, default="each", help="one by one, or all at once")
    parser.add_argument("--direction", choices=DIRECTIONS, default="denoising", help="which run is patched into which")
    parser.add_argument(
        "--method", choices=METHODS, default="activations", help="runs of each cell, or the gradient's estimate"
    )
    parser.add_argument("--resume", type=Path, metavar="FILE", help="effects.json or interrupted.json of a call")
    parser.add_argument("--top", type=take.at_least(1), default=10, metavar="N", help="cells that are shown")
    take.add_layers(parser, "layers that are shown; all by default")
    take.add_out(parser, "folder for effects.json, .csv and .html")
    take.add_model(parser)


def _run(options: argparse.Namespace) -> Answer:
    if options.out is not None:
        check_writable(options.out)
    resume = None
    if options.resume is not None:
        from scope_widgets._untrusted import read_text
        from scope_widgets.patching import PatchingResult

        resume = PatchingResult.from_json(read_text(options.resume))
    scope = take.load_model(options)
    from scope_widgets import patching

    names = ("answer", "versus", "over", "positions", "direction")
    asked: dict[str, Any] = {name: getattr(options, name) for name in names}
    if options.method == "attribution":
        result = patching.attribution(scope, options.clean, options.corrupted, **asked)
    else:
        result = patching.activations(scope, options.clean, options.corrupted, resume=resume, **asked)
    files = write_result(options.out, "effects", result)
    fields = {
        "model": scope.model_id,
        "metric": result.metric,
        "clean": result.clean,
        "corrupted": result.corrupted,
        "effects": rows(take.chosen(result.to_dataframe(), options.layers)),
        "message": result.message,
        "files": files,
    }
    best = take.chosen(result.top(result.values.size), options.layers)[: options.top]
    text = f"{result.metric}: clean {result.clean.mean():.4g}, corrupted {result.corrupted.mean():.4g}\n{shown(best)}"
    return Answer(fields, "\n".join(one for one in (text, result.message) if one) + said_of(files))
