"""`microscope steer "the horse" --positive "the dogs" --negative "the dog" --layer 3`: change what a model says."""

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

EXAMPLE = 'microscope steer "the horse" --positive "the dogs" --negative "the dog" --layers 3 --strength 0 0.3 0.6'
ANSWER = {
    "model": schema.MODEL,
    "intervention": schema.text("what was done, such as: add plural"),
    "steered": schema.listed(
        schema.record(
            "at one strength",
            strength=schema.number("as given"),
            kl=schema.number("divergence of the steered distribution from the model's own, in nats"),
            tokens=schema.table("likely next tokens of either", "token", "probability", "unsteered", "rank"),
            text=schema.text("how the prompt goes on"),
        ),
        "one for each --strength",
    ),
    "files": schema.FILES,
}


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    parser = add_command(
        commands,
        "steer",
        _run,
        help="add a direction or set a latent of an autoencoder, and see what the model says instead",
        description="A direction comes from texts (--positive, --negative, --layers), from a file (--direction), or is "
        "a latent of an autoencoder (--sae, --latent), whose activation --strength then is.",
        example=EXAMPLE,
        answer=ANSWER,
    )
    parser.add_argument("prompt", help="a text")
    parser.add_argument("--positive", nargs="+", metavar="TEXT", help="texts with what the direction is of")
    parser.add_argument("--negative", nargs="+", metavar="TEXT", help="texts without it")
    take.add_layers(parser, "the layer of --positive and --negative: one")
    parser.add_argument("--direction", type=Path, metavar="FILE", help="a file of a direction, as --save writes it")
    parser.add_argument("--sae", help="demo, or a folder of an autoencoder")
    parser.add_argument("--latent", type=take.at_least(0), help="of --sae: its number")
    parser.add_argument(
        "--strength",
        type=float,
        nargs="+",
        default=[0.2],
        help="in units of the stream's norm; of a latent its value",
    )
    parser.add_argument("--tokens", type=take.at_least(1), default=20, metavar="N", help="tokens that are written")
    parser.add_argument("--top", type=take.at_least(1), default=5, metavar="N", help="likely next tokens that are said")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the direction to this file (.safetensors)")
    take.add_model(parser)


def _run(options: argparse.Namespace) -> Answer:
    ways = {"--positive": options.positive, "--direction": options.direction, "--sae": options.sae}
    if sum(value is not None for value in ways.values()) != 1:
        raise UsageError(f"Give one of {', '.join(ways)}: what to steer with.")
    if options.positive and (not options.negative or len(options.layers or ()) != 1):
        raise UsageError("With --positive give --negative texts too, and one layer, --layers 3.")
    if (options.sae is None) != (options.latent is None):
        raise UsageError("--sae and --latent go together: the autoencoder, and which of its latents.")
    if options.save is not None and options.sae is not None:
        raise UsageError("--save is of a direction; a latent is in its autoencoder already.")
    scope = take.load_model(options)
    from scope_widgets import steering

    change = _change(scope, options)
    files = [] if options.save is None else [str(change.direction.save(options.save))]
    session = steering.Session(scope, options.prompt, [change])
    strengths = [[value] for value in options.strength]
    texts = list(session.continuations(strengths, max_new_tokens=options.tokens))[-1]
    found, parts = [], []
    for strength, result, text in zip(options.strength, session.grid(strengths), texts, strict=True):
        table = result.to_dataframe(options.top)
        found.append({"strength": strength, "kl": result.kl, "tokens": rows(table), "text": text})
        parts.append(f"{change.name} {strength:g}, KL {result.kl:.3f} nats: {text!r}\n{shown(table)}")
    said = "" if not files else f"\nWritten to {files[0]}"
    fields = {"model": scope.model_id, "intervention": change.name, "steered": found, "files": files}
    return Answer(fields, "\n\n".join(parts) + said)


def _change(scope: Microscope, options: argparse.Namespace) -> Any:
    from scope_widgets import features, steering

    if options.sae is not None:
        return steering.ClampFeature(features.load(options.sae), options.latent, options.strength[0])
    if options.direction is not None:
        direction = steering.Direction.load(options.direction)
    else:
        direction = steering.direction(
            scope, positive=options.positive, negative=options.negative, layer=options.layers[0]
        )
    return steering.AddDirection(direction, options.strength[0])
