"""`microscope train --texts texts.jsonl --layer 2 --out sae`: record activations, and train on them."""

from __future__ import annotations

import argparse
import re
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scope_widgets.cli.conventions import options as take
from scope_widgets.cli.conventions import schema
from scope_widgets.cli.conventions.answer import Answer
from scope_widgets.cli.conventions.command_parser import UsageError, add_command
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


EXAMPLE = "microscope train --texts texts.txt --layer 2 --d-sae 256 --k 8 --steps 50 --out sae"
_SAE = schema.record(
    "an autoencoder",
    folder=schema.text("where it is, for features.load"),
    d_sae=schema.whole("its latents"),
    layer=schema.whole("its layer"),
    site=schema.text("its place"),
    history={
        "type": "object",
        "description": "measures of the steps and of other texts, a list each",
    },
)
ANSWER = {
    "rows": schema.whole("tokens that it was trained on, those for validation too"),
    "saes": schema.listed(_SAE, "one, or one for each size, sparsity and architecture"),
    "files": schema.FILES,
}


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    parser = add_command(
        commands,
        "train",
        _run,
        help="train a sparse autoencoder or a transcoder on the activations of texts, and write it in SAELens's layout",
        description="The same command goes on where it was stopped, bit for bit at the same number of threads.",
        example=EXAMPLE,
        answer=ANSWER,
    )
    source = parser.add_mutually_exclusive_group(required=True)
    take.add_texts(source, "a .jsonl or .parquet file, or one of a text a line")
    source.add_argument(
        "--recording", "--activations", type=Path, metavar="FOLDER", help="what trace --texts wrote, in place of texts"
    )
    take.add_column(parser)
    parser.add_argument("--layer", "--layers", type=int, help="the block; not needed with a recording of one")
    parser.add_argument("--site", help=f"{', '.join(SITES)} (default: residual, with --target mlp_in); of --texts")
    parser.add_argument("--target", help="train a transcoder, which makes this site of the other: mlp_out of mlp_in")
    parser.add_argument("--skip", action="store_true", help="a linear path beside the latents; with --target")
    parser.add_argument("--max-tokens", type=int, help="record so many at most; of --texts")
    several = "; of several each is trained, over one reading"
    parser.add_argument(
        "--d-sae", "--latent-dim", type=int, nargs="+", help=f"latents; by default 8 times the width{several}"
    )
    parser.add_argument("--k", type=int, nargs="+", default=[32], help=f"latents that fire for a token{several}")
    parser.add_argument(
        "--architecture",
        nargs="+",
        default=["batch_topk"],
        help=f"{', '.join(ARCHITECTURES)}{several}",
    )
    parser.add_argument("--steps", type=int, help="by default so many that all tokens come once, and 4,000 at least")
    parser.add_argument("--batch", type=int, default=2048, help="tokens of a step")
    parser.add_argument(
        "--sparsity-coef", type=float, metavar="X", help="taken and left out: here --k says how many latents fire"
    )
    parser.add_argument("--seed", type=int, default=0, help="of first weights and the order of tokens")
    take.add_out(parser, "the folder to write to", Path("sae"))
    take.add_model(parser)
    parser.set_defaults(loads_model=lambda options: options.recording is None)


def _run(options: argparse.Namespace) -> Answer:
    _check(options)
    check_writable(options.out)

    try:
        rec = _recording(options)  # seconds: only where there is something to do
        saes = _trained(options, rec)
    except ValueError as error:
        raise ValueError(with_flags(str(error))) from None
    lines, found, files = [f"{rec!r}"], [], []
    if options.sparsity_coef is not None:
        lines.append("--sparsity-coef is left out: here --k says how many latents fire.")
    for sae, folder in saes:
        weights = "sae" if sae.is_transcoder and sae.activation == "topk" else "sae_weights"
        lines += [f"{sae!r}", *_measures(sae)]
        lines.append(f"Written to {folder}: cfg.json, {weights}.safetensors; features.load({str(folder)!r}) reads it")
        of_it = {"folder": str(folder), "d_sae": sae.d_sae, "layer": sae.layer, "site": sae.site}
        found.append({**of_it, "history": sae.history})
        files += [str(folder / name) for name in ("cfg.json", f"{weights}.safetensors")]
    return Answer({"rows": len(rec), "saes": found, "files": files}, "\n".join(lines))


def _trained(options: argparse.Namespace, rec: Recording) -> list[tuple[SAE, Path]]:
    """Return what is trained and its folder: that of the option, or where there are several one in it for each."""
    from scope_widgets import features
    from scope_widgets.features.training.train_several import folder_name

    names = ("layer", "target", "skip", "steps", "batch", "seed")
    common = {name: getattr(options, name) for name in names}
    sizes = options.d_sae or [None]
    if len(sizes) == len(options.k) == len(options.architecture) == 1:
        one = {"d_sae": sizes[0], "k": options.k[0], "architecture": options.architecture[0]}
        return [(features.train(rec, folder=options.out, device=options.device, **common, **one), options.out)]
    several = {"d_sae": options.d_sae, "k": options.k, "architecture": options.architecture}
    saes = features.train_several(rec, folder=options.out, device=options.device, **common, **several)
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
    """Raise UsageError or OSError for what can be seen to be wrong without a model."""
    for name in _COUNTS:
        for value in _several(getattr(options, name)):
            if value < 1:
                raise UsageError(f"--{name.replace('_', '-')} is a whole number from 1; got {value}.")
    if options.site is None:
        options.site = "residual" if options.target is None else "mlp_in"
    for name, words in (("site", SITES), ("target", SITES), ("architecture", ARCHITECTURES)):
        for value in _several(getattr(options, name)):
            if value not in words:
                raise UsageError(f"--{name} is one of {', '.join(words)}; got {value!r}.")
    if options.texts is not None and options.target == options.site:
        raise UsageError(f"--target is another site than --site {options.site}; without it an autoencoder is trained.")
    if options.skip and options.target is None:
        raise UsageError("--skip is of a transcoder: give --target too.")
    if options.seed < 0:
        raise UsageError(f"--seed is a whole number from 0; got {options.seed}.")
    if options.d_sae is not None and max(options.k) > min(options.d_sae):
        raise UsageError(
            f"--k {max(options.k)} latents cannot fire where there are --d-sae {min(options.d_sae)}: take fewer."
        )
    if options.texts is not None:
        if not options.texts.is_file():
            raise FileNotFoundError(f"There is no file {str(options.texts)!r}: --texts names a file of texts.")
        if options.layer is None:
            raise UsageError("Say which block, --layer: the activations of one are recorded.")


def _several(value: Any) -> list[Any]:
    """Return the values of an option, of which there may be none, one or several."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _recording(options: argparse.Namespace) -> Recording:
    """Return the recording that is given, or that of the texts, which is gone on with in the folder `recording`."""
    from scope_widgets import features
    from scope_widgets.features.recording.record import width_of

    if options.recording is not None:
        return features.Recording.load(options.recording)
    scope = take.load_model(options)
    most = 8 * width_of(scope, options.site)
    if options.d_sae is None and max(options.k) > most:
        raise ValueError(
            f"--k {max(options.k)} latents cannot fire where there are {most}, 8 times the width: take fewer."
        )
    return features.record(
        scope,
        take.texts_of(options),
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
