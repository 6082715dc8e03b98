"""`microscope train --texts texts.jsonl --layer 2 --out sae`: record activations, and train an autoencoder on them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scope_widgets.cli.output_folder import check_writable

if TYPE_CHECKING:
    from scope_widgets.features import SAE, Recording

#: options that are numbers from 1
_COUNTS = ("d_sae", "k", "steps", "batch", "max_tokens")


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    parser = commands.add_parser(
        "train",
        help="train a sparse autoencoder on the activations of texts, and write it in SAELens's layout",
        description="The same command goes on where it was stopped.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--texts", type=Path, help="a .jsonl or .parquet file with a column text, or one text a line")
    source.add_argument("--recording", type=Path, help="a folder that features.record wrote, in place of texts")
    parser.add_argument("--model", default="demo", help="demo, a folder, a .gguf file or a hub id; of --texts")
    parser.add_argument("--layer", type=int, help="the block; not needed with a recording of one")
    parser.add_argument("--site", default="residual", help="residual, attention_out, mlp_out, neurons or z; of --texts")
    parser.add_argument("--max-tokens", type=int, help="record so many at most; of --texts")
    parser.add_argument("--d-sae", type=int, help="latents; by default 8 times the width")
    parser.add_argument("--k", type=int, default=32, help="latents that fire for a token")
    parser.add_argument("--architecture", default="batch_topk", help="batch_topk, topk, matryoshka, jumprelu or gated")
    parser.add_argument("--steps", type=int, help="by default so many that all tokens come once, and 4,000 at least")
    parser.add_argument("--batch", type=int, default=2048, help="tokens of a step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("sae"), help="the folder to write to")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    _check(options)
    check_writable(options.out)

    from scope_widgets import features  # seconds: only where there is something to do

    rec = _recording(options)
    sae = features.train(
        rec,
        layer=options.layer,
        d_sae=options.d_sae,
        k=options.k,
        architecture=options.architecture,
        steps=options.steps,
        batch=options.batch,
        seed=options.seed,
        folder=options.out,
    )
    print(f"{rec!r}")
    print(f"{sae!r}")
    for line in _measures(sae):
        print(line)
    print(f"Written to {options.out}: cfg.json, sae_weights.safetensors; features.load({str(options.out)!r}) reads it")


def _check(options: argparse.Namespace) -> None:
    """Raise ValueError or OSError for what can be seen to be wrong without a model."""
    for name in _COUNTS:
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name.replace('_', '-')} is a whole number from 1; got {value}.")
    if options.d_sae is not None and options.k > options.d_sae:
        raise ValueError(f"--k {options.k} latents cannot fire where there are --d-sae {options.d_sae}: take fewer.")
    if options.texts is not None:
        if not options.texts.is_file():
            raise FileNotFoundError(f"There is no file {str(options.texts)!r}: --texts names a file of texts.")
        if options.layer is None:
            raise ValueError("Say which block, --layer: the activations of one are recorded.")


def _recording(options: argparse.Namespace) -> Recording:
    """Return the recording that is given, or that of the texts, which is gone on with in the folder `recording`."""
    from scope_widgets import Microscope, features

    if options.recording is not None:
        return features.Recording.load(options.recording)
    return features.record(
        Microscope.load(options.model),
        options.texts,
        layers=options.layer,
        site=options.site,
        max_tokens=options.max_tokens,
        folder=options.out / "recording",
    )


def _measures(sae: SAE) -> list[str]:
    """Return lines on how training went: the loss where it was measured first and last, and other texts."""
    history = sae.history
    lines = []
    if history.get("loss"):
        begin, end = (f"{history['loss'][at]:.4g} at step {history['step'][at]:,.0f}" for at in (0, -1))
        lines.append(f"loss {begin}, {end}; {history['dead'][-1]:.1%} of the latents are dead")
    if history.get("validation_explained"):
        explained, l0 = history["validation_explained"][-1], history["validation_l0"][-1]
        lines.append(f"on texts that it was not trained on: {explained:.3f} of the variance explained, {l0:.1f} fire")
    return lines
