"""`microscope eval --sae demo --texts texts.txt`: how well an autoencoder stands for the activations."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from scope_widgets.cli.conventions import options as take
from scope_widgets.cli.conventions import schema
from scope_widgets.cli.conventions.answer import Answer, rows, shown
from scope_widgets.cli.conventions.command_parser import UsageError, add_command
from scope_widgets.cli.output_folder import check_writable, said_of, write_result

EXAMPLE = "microscope eval --model demo --sae demo --texts texts.txt"
ANSWER = {
    "model": schema.MODEL,
    "sae": schema.text("the autoencoder"),
    "layer": schema.whole("its layer"),
    "measures": schema.table(
        "each measure with its 95 % interval, and of random latents, as `features.evaluate`",
        *("measure", "value", "low", "high", "random", "meaning"),
    ),
    "tokens": schema.whole("tokens that were measured"),
    "files": schema.FILES,
}


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    parser = add_command(
        commands,
        "eval",
        _run,
        help="measure an autoencoder or transcoder: variance explained, L0, loss recovered, dead latents",
        description="On texts, or on those of a recording, beside random latents. For the behaviour of a model, also "
        "before and after a change, there is microscope evals.",
        example=EXAMPLE,
        answer=ANSWER,
    )
    parser.add_argument("--sae", "--sae-path", required=True, metavar="PATH", help="demo, or a folder or file of one")
    source = parser.add_mutually_exclusive_group(required=True)
    take.add_texts(source, "a .jsonl or .parquet file, or one of a text a line")
    source.add_argument(
        "--recording", "--activations", type=Path, metavar="FOLDER", help="texts of a recording (trace --texts --out)"
    )
    take.add_column(parser)
    parser.add_argument("--max-tokens", type=take.at_least(1), default=65536, metavar="N", help="so many at most")
    take.add_layers(parser, "the layer that it is of, where it does not say so: one")
    take.add_seed(parser, "intervals and random latents")
    take.add_out(parser, "folder for scores.json, .csv and .html", None, "--output")
    take.add_model(parser)


def _run(options: argparse.Namespace) -> Answer:
    if options.layers is not None and len(options.layers) != 1:
        raise UsageError("--layers names the one layer that the autoencoder is of.")
    if options.out is not None:
        check_writable(options.out)
    from scope_widgets import features

    texts = _texts(options)
    sae = features.load(options.sae)
    sae = sae if options.layers is None else _at_layer(sae, options.layers[0])
    scope = take.load_model(options)
    scores = features.evaluate(
        scope, sae, texts, max_tokens=options.max_tokens, column=options.column, seed=options.seed
    )
    table = scores.to_dataframe()
    files = write_result(options.out, "scores", scores)
    fields = {
        "model": scope.model_id,
        "sae": str(options.sae),
        "layer": sae.layer,
        "measures": rows(table),
        "tokens": scores.n_tokens,
        "files": files,
    }
    text = f"{sae!r}\n{shown(table.drop(columns=['randomised', 'meaning']))}"
    return Answer(fields, f"{text}\n{scores.n_tokens:,} tokens of {scores.n_documents:,} texts{said_of(files)}")


def _texts(options: argparse.Namespace) -> Any:
    if options.recording is None:
        return take.texts_of(options)
    from scope_widgets import features

    return list(features.Recording.load(options.recording).samples["text"])[: options.max_samples]


def _at_layer(sae: Any, layer: int) -> Any:
    """Return the autoencoder, which is of this layer or does not say of which."""
    from dataclasses import replace

    if sae.layer not in (None, layer):
        raise ValueError(f"{sae!r} is of layer {sae.layer}, not of --layers {layer}.")
    return replace(sae, layer=layer) if sae.layer is None else sae
