"""`microscope index --sae demo --texts texts.txt --out index`: on what each latent fires."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from scope_widgets.cli.conventions import options as take
from scope_widgets.cli.conventions import schema
from scope_widgets.cli.conventions.answer import Answer
from scope_widgets.cli.conventions.command_parser import add_command
from scope_widgets.cli.output_folder import check_writable, said_of

if TYPE_CHECKING:
    from scope_widgets.features.recording.manifest import RecordedSite

EXAMPLE = "microscope index --model demo --sae demo --texts texts.txt --out index"
ANSWER = {
    "model": schema.MODEL,
    "sae": schema.text("the autoencoder"),
    "latents": schema.whole("how many it has"),
    "dead": schema.whole("latents that never fired"),
    "tokens": schema.whole("tokens that were encoded"),
    "labelled": schema.whole("latents with a label; 0 without --label"),
    "files": schema.FILES,
}


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    parser = add_command(
        commands,
        "index",
        _run,
        help="write the index of an autoencoder's latents: rates, strongest examples, tokens, neighbours",
        description="microscope features and microscope ui --sae-dir show it. Texts are recorded beneath --out, in the "
        "folder recording, and the same command goes on where it was stopped.",
        example=EXAMPLE,
        answer=ANSWER,
    )
    parser.add_argument("--sae", "--sae-path", required=True, metavar="PATH", help="demo, or a folder or file of one")
    source = parser.add_mutually_exclusive_group(required=True)
    take.add_texts(source, "a .jsonl or .parquet file, or one of a text a line")
    source.add_argument("--recording", "--activations", type=Path, metavar="FOLDER", help="what trace --texts wrote")
    take.add_column(parser)
    parser.add_argument("--max-tokens", type=take.at_least(1), metavar="N", help="of --texts: so many at most")
    parser.add_argument("--label", action="store_true", help="label latents too, each with its score and its null")
    take.add_seed(parser, "examples and nulls")
    take.add_out(parser, "the folder to write to", Path("index"))
    take.add_model(parser)


def _run(options: argparse.Namespace) -> Answer:
    check_writable(options.out)
    from scope_widgets import features

    texts = None if options.texts is None else take.texts_of(options)
    sae = features.load(options.sae)
    scope = take.load_model(options)
    if texts is None:
        rec = features.Recording.load(options.recording)
    else:
        if sae.layer is None:
            raise ValueError(f"{sae!r} does not say of which layer it is: record it by trace, and give --recording.")
        rec = features.record(
            scope,
            texts,
            layers=sae.layer,
            site=cast("RecordedSite", sae.site),
            column=options.column,
            max_tokens=options.max_tokens,
            folder=options.out / "recording",
        )
    index = features.index(scope, sae, rec, folder=options.out, seed=options.seed)
    labels = features.label(index, seed=options.seed) if options.label else None
    files = sorted(str(path) for path in options.out.iterdir() if path.is_file())
    fields = {
        "model": scope.model_id,
        "sae": str(options.sae),
        "latents": len(index),
        "dead": index.table["dead"].sum(),
        "tokens": index.manifest.n_tokens,
        "labelled": 0 if labels is None else len(labels.feature),
        "files": files,
    }
    return Answer(fields, f"{index!r}{said_of(files)}\nmicroscope features --index {options.out} shows it")
