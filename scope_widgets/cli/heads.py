"""`microscope heads "When Mary and John"`: what each attention head does."""

from __future__ import annotations

import argparse
from typing import Any

from scope_widgets.cli.conventions import options as take
from scope_widgets.cli.conventions import schema
from scope_widgets.cli.conventions.answer import Answer, rows, shown
from scope_widgets.cli.conventions.command_parser import UsageError, add_command
from scope_widgets.cli.output_folder import check_writable, said_of, write_result

EXAMPLE = "microscope heads --model demo --repeated"
ANSWER = {
    "model": schema.MODEL,
    "scores": schema.table("a row a head, a column a statistic, as `heads.score`", "layer", "head", "induction"),
    "labels": schema.table(
        "heads with a name, and the score, threshold and null that justify it, as `heads.label`",
        *("layer", "head", "label", "score", "threshold"),
    ),
    "files": schema.FILES,
}


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    parser = add_command(
        commands,
        "heads",
        _run,
        help="score every attention head: induction, previous token, entropy and the rest",
        description="On prompts, or with --repeated on random tokens that come twice, where induction shows. Heads "
        "that score above a threshold, and above chance, are named.",
        example=EXAMPLE,
        answer=ANSWER,
    )
    parser.add_argument("prompt", nargs="*", help="one or several texts")
    parser.add_argument("--repeated", action="store_true", help="on random tokens that are repeated, in place of texts")
    parser.add_argument("--n", type=take.at_least(1), default=4, help="of --repeated: so many sequences")
    take.add_layers(parser, "layers that are shown; all by default")
    take.add_seed(parser, "random tokens and the null")
    take.add_out(parser, "folder for scores.json, .csv and .html")
    take.add_model(parser)


def _run(options: argparse.Namespace) -> Answer:
    if bool(options.prompt) == options.repeated:
        raise UsageError("Give one prompt or more, or --repeated: one of the two.")
    if options.out is not None:
        check_writable(options.out)
    scope = take.load_model(options)
    from scope_widgets import heads

    if options.repeated:
        scores = heads.score_repeated_tokens(scope, n=options.n, seed=options.seed)
    else:
        prompts = options.prompt[0] if len(options.prompt) == 1 else options.prompt
        scores = heads.score(scope.trace(prompts, logits=None), seed=options.seed)
    labels = heads.label(scores)
    files = write_result(options.out, "scores", scores)
    of_heads, named = (take.chosen(one.to_dataframe(), options.layers) for one in (scores, labels))
    fields = {"model": scope.model_id, "scores": rows(of_heads), "labels": rows(named), "files": files}
    said = shown(named[["layer", "head", "label", "score", "threshold"]]) if len(named) else "No head has a name."
    return Answer(fields, f"{shown(of_heads)}\n\n{said}{said_of(files)}")
