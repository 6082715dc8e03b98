"""`microscope trace "When Mary and John"`: record a forward, or with --texts activations of many."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from scope_widgets.cli.conventions import options as take
from scope_widgets.cli.conventions import schema
from scope_widgets.cli.conventions.answer import Answer, rows, shown
from scope_widgets.cli.conventions.command_parser import UsageError, add_command
from scope_widgets.cli.output_folder import check_writable, said_of

if TYPE_CHECKING:
    from scope_widgets import Microscope

EXAMPLE = 'microscope trace --model demo "When Mary and John went to the store, John gave a drink to"'

_NEXT = schema.record(
    "a likely next token",
    token=schema.text("its text"),
    token_id=schema.whole("its id"),
    probability=schema.number("0 to 1"),
)
ANSWER = {
    "model": schema.MODEL,
    "prompts": schema.listed(
        schema.record(
            "a prompt",
            prompt=schema.text("its text"),
            tokens=schema.listed({"type": "string"}, "texts of its tokens"),
            token_ids=schema.listed({"type": "integer"}, "their ids"),
            predictions=schema.listed(_NEXT, "the likeliest next tokens, the likeliest first"),
            table=schema.table(
                "of each layer and position: what the model would say next if it stopped there, as `lens.logit_lens`",
                *("layer", "position", "token", "top_token", "probability", "entropy", "kl"),
            ),
        ),
        "in their order; empty with --texts",
    ),
    "recording": schema.maybe(
        schema.record(
            "what was recorded of --texts",
            layers=schema.listed({"type": "integer"}, "the blocks"),
            site=schema.text("residual or another place"),
            tokens=schema.whole("rows of each layer"),
            samples=schema.whole("texts, or parts of long ones"),
        )
    ),
    "files": schema.FILES,
}


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    parser = add_command(
        commands,
        "trace",
        _run,
        help="run a model on prompts and record what happens inside, or activations of many texts",
        description="With prompts: what the model would say next at each layer and position; --out keeps the whole "
        "trace of one prompt, for Trace.load. With --texts: activations of some layers, to train on; the same command "
        "goes on where it was stopped.",
        example=EXAMPLE,
        answer=ANSWER,
    )
    parser.add_argument("prompt", nargs="*", help="one or several texts")
    take.add_texts(parser, "in place of prompts: a .jsonl or .parquet file, or one of a text a line", "--dataset")
    take.add_column(parser)
    parser.add_argument("--max-tokens", type=take.at_least(1), metavar="N", help="of --texts: record so many at most")
    parser.add_argument("--site", default="residual", help="of --texts: residual, attention_out, mlp_in, mlp_out, ...")
    take.add_layers(parser, "layers that are shown, or with --texts recorded; all by default")
    parser.add_argument("--top", type=take.at_least(1), default=5, metavar="N", help="likely next tokens that are said")
    take.add_out(parser, "folder of the trace, or of the recording")
    take.add_model(parser)


def _run(options: argparse.Namespace) -> Answer:
    if bool(options.prompt) == (options.texts is not None):
        raise UsageError("Give one prompt or more, or a file of texts, --texts: one of the two.")
    if options.texts is not None and options.out is None:
        raise UsageError("With --texts say where the recording goes: --out FOLDER.")
    if len(options.prompt) > 1 and options.out is not None:
        raise UsageError("--out keeps the trace of one prompt: give one, or record several by --texts FILE.")
    if options.out is not None:
        check_writable(options.out)
    return _traced(options) if options.prompt else _recorded(options)


def _traced(options: argparse.Namespace) -> Answer:
    scope = take.load_model(options)
    prompts, parts = [], []
    for prompt in options.prompt:
        found, text = _one(scope, prompt, options)
        prompts.append(found)
        parts.append(text)
    files = sorted(str(path) for path in options.out.iterdir()) if options.out else []
    fields = {"model": scope.model_id, "prompts": prompts, "recording": None, "files": files}
    return Answer(fields, "\n\n".join(parts) + said_of(files))


def _one(scope: Microscope, prompt: str, options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from scope_widgets import lens

    trace = scope.trace(prompt) if options.out else scope.trace(prompt, capture=("residual",))
    if options.out is not None:
        trace.save(options.out)
    found = lens.logit_lens(trace, n=options.top, scope=scope)
    best = zip(found.top_ids[-1, -1], found.top_probabilities[-1, -1], strict=True)
    predictions = [{"token": found.text(i), "token_id": int(i), "probability": float(p)} for i, p in best]
    table = take.chosen(found.to_dataframe(), options.layers)
    last = table[table["position"] == len(trace.tokens) - 1]
    said = ", ".join(f"{one['token']!r} {one['probability']:.3f}" for one in predictions)
    text = f"{prompt!r}, {len(trace.tokens)} tokens; next: {said}\nAt the last token, layer by layer:\n{shown(last)}"
    fields = {"prompt": prompt, "tokens": list(trace.tokens), "token_ids": trace.token_ids.tolist()}
    return {**fields, "predictions": predictions, "table": rows(table)}, text


def _recorded(options: argparse.Namespace) -> Answer:
    texts = take.texts_of(options)
    scope = take.load_model(options)
    from scope_widgets import features

    rec = features.record(
        scope,
        texts,
        layers=options.layers or range(scope.n_layers),
        site=options.site,
        column=options.column,
        max_tokens=options.max_tokens,
        folder=options.out,
    )
    files = [str(path) for path in rec.paths()]
    of_it = {"layers": rec.layers, "site": options.site, "tokens": len(rec), "samples": len(rec.samples)}
    fields = {"model": scope.model_id, "prompts": [], "recording": of_it, "files": files}
    return Answer(fields, f"{rec!r}\nWritten to {options.out}; features.Recording.load({str(options.out)!r}) reads it")
