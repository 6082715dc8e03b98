"""`microscope train --texts texts.jsonl --layer 2 --out sae`: record activations, and train on them."""

from __future__ import annotations

import argparse
import re
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scope_widgets.cli.output_folder import check_writable

if TYPE_CHECKING:
    from scope_widgets.features import SAE, Recording

#: options that are numbers from 1
_COUNTS = ("d_sae", "k", "steps", "batch", "max_tokens")
#: words of `features.record` and `features.train`, whose modules are imported when they are needed
SITES = ("residual", "attention_out", "mlp_in", "mlp_out", "neurons", "z")
ARCHITECTURES = ("batch_topk", "topk", "matryoshka", "jumprelu", "gated")
#: arguments as these functions name them in what they say, and the letter behind
_ARGUMENT = re.compile(
    r"\b(model|layers?|site|target|column|max_tokens|d_sae|k|architecture|steps|batch|seed|skip|folder)=(\S?)"
)
#: arguments whose flags have other names
_FLAGS = {"layers": "layer", "folder": "out"}


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    parser = commands.add_parser(
        "train",
        help="train a sparse autoencoder or a transcoder on the activations of texts, and write it in SAELens's layout",
        description="The same command goes on where it was stopped, bit for bit at the same number of threads.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--texts", type=Path, help="a .jsonl or .parquet file, or one of a text a line")
    source.add_argument("--recording", type=Path, help="a folder that features.record wrote, in place of texts")
    parser.add_argument("--column", default="text", help="where a .jsonl or .parquet has its texts (default: text)")
    parser.add_argument(
        "--model", default="demo", help="demo (the default), a folder, a .gguf file or a hub id; of --texts"
    )
    parser.add_argument("--layer", type=int, help="the block; not needed with a recording of one")
    parser.add_argument("--site", help=f"{', '.join(SITES)} (default: residual, with --target mlp_in); of --texts")
    parser.add_argument("--target", help="train a transcoder, which makes this site of the other: mlp_out of mlp_in")
    parser.add_argument("--skip", action="store_true", help="a linear path beside the latents; with --target")
    parser.add_argument("--max-tokens", type=int, help="record so many at most; of --texts")
    several = "; of several each is trained, over one reading"
    parser.add_argument("--d-sae", type=int, nargs="+", help=f"latents; by default 8 times the width{several}")
    parser.add_argument(
        "--k", type=int, nargs="+", default=[32], help=f"latents that fire for a token (default: 32){several}"
    )
    parser.add_argument(
        "--architecture",
        nargs="+",
        default=["batch_topk"],
        help=f"{', '.join(ARCHITECTURES)} (default: batch_topk){several}",
    )
    parser.add_argument("--steps", type=int, help="by default so many that all tokens come once, and 4,000 at least")
    parser.add_argument("--batch", type=int, default=2048, help="tokens of a step (default: 2048)")
    parser.add_argument("--seed", type=int, default=0, help="of first weights and the order of tokens (default: 0)")
    parser.add_argument("--out", type=Path, default=Path("sae"), help="the folder to write to (default: sae)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    _check(options)
    check_writable(options.out)

    try:
        rec = _recording(options)  # seconds: only where there is something to do
        saes = _trained(options, rec)
    except ValueError as error:
        raise ValueError(with_flags(str(error))) from None
    print(f"{rec!r}")
    for sae, folder in saes:
        print(f"{sae!r}")
        for line in _measures(sae):
            print(line)
        weights = "sae" if sae.is_transcoder and sae.activation == "topk" else "sae_weights"
        print(f"Written to {folder}: cfg.json, {weights}.safetensors; features.load({str(folder)!r}) reads it")


def _trained(options: argparse.Namespace, rec: Recording) -> list[tuple[SAE, Path]]:
    """Return what is trained and its folder: that of the option, or where there are several one in it for each."""
    from scope_widgets import features
    from scope_widgets.features.training.train_several import folder_name

    names = ("layer", "target", "skip", "steps", "batch", "seed")
    common = {name: getattr(options, name) for name in names}
    sizes = options.d_sae or [None]
    if len(sizes) == len(options.k) == len(options.architecture) == 1:
        one = {"d_sae": sizes[0], "k": options.k[0], "architecture": options.architecture[0]}
        return [(features.train(rec, folder=options.out, **common, **one), options.out)]
    several = {"d_sae": options.d_sae, "k": options.k, "architecture": options.architecture}
    saes = features.train_several(rec, folder=options.out, **common, **several)
    of_each = product(options.architecture, sizes, options.k)
    return [
        (sae, options.out / folder_name(architecture, sae.d_sae, k))
        for sae, (architecture, _, k) in zip(saes, of_each, strict=True)
    ]


def with_flags(sentence: str) -> str:
    """Return what a function says of its arguments with the flags that they are given by.

    Examples
    --------
    >>> with_flags("steps= is a whole number from 1. Say which one, layer=2, or give column=.")
    '--steps is a whole number from 1. Say which one, --layer 2, or give --column.'
    """

    def flag(found: re.Match[str]) -> str:
        name, behind = found.groups()
        said = _FLAGS.get(name, name).replace("_", "-")
        return f"--{said}{' ' if re.match('[^ .,;:)]', behind) else ''}{behind}"

    return _ARGUMENT.sub(flag, sentence)


def _check(options: argparse.Namespace) -> None:
    """Raise ValueError or OSError for what can be seen to be wrong without a model."""
    for name in _COUNTS:
        for value in _several(getattr(options, name)):
            if value < 1:
                raise ValueError(f"--{name.replace('_', '-')} is a whole number from 1; got {value}.")
    if options.site is None:
        options.site = "residual" if options.target is None else "mlp_in"
    for name, words in (("site", SITES), ("target", SITES), ("architecture", ARCHITECTURES)):
        for value in _several(getattr(options, name)):
            if value not in words:
                raise ValueError(f"--{name} is one of {', '.join(words)}; got {value!r}.")
    if options.texts is not None and options.target == options.site:
        raise ValueError(f"--target is another site than --site {options.site}; without it an autoencoder is trained.")
    if options.skip and options.target is None:
        raise ValueError("--skip is of a transcoder: give --target too.")
    if options.seed < 0:
        raise ValueError(f"--seed is a whole number from 0; got {options.seed}.")
    if options.d_sae is not None and max(options.k) > min(options.d_sae):
        raise ValueError(
            f"--k {max(options.k)} latents cannot fire where there are --d-sae {min(options.d_sae)}: take fewer."
        )
    if options.texts is not None:
        if not options.texts.is_file():
            raise FileNotFoundError(f"There is no file {str(options.texts)!r}: --texts names a file of texts.")
        if options.layer is None:
            raise ValueError("Say which block, --layer: the activations of one are recorded.")


def _several(value: Any) -> list[Any]:
    """Return the values of an option, of which there may be none, one or several."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _recording(options: argparse.Namespace) -> Recording:
    """Return the recording that is given, or that of the texts, which is gone on with in the folder `recording`."""
    from scope_widgets import Microscope, features
    from scope_widgets.features.recording.record import width_of

    if options.recording is not None:
        return features.Recording.load(options.recording)
    scope = Microscope.load(options.model)
    most = 8 * width_of(scope, options.site)
    if options.d_sae is None and max(options.k) > most:
        raise ValueError(
            f"--k {max(options.k)} latents cannot fire where there are {most}, 8 times the width: take fewer."
        )
    return features.record(
        scope,
        options.texts,
        layers=options.layer,
        site=options.site,
        target=options.target,
        column=options.column,
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
