"""`microscope features --index demo --token " Mary"`: find latents, and look at one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from scope_widgets.cli.conventions import options as take
from scope_widgets.cli.conventions import schema
from scope_widgets.cli.conventions.answer import Answer, rows, shown
from scope_widgets.cli.conventions.command_parser import UsageError, add_command

if TYPE_CHECKING:
    from scope_widgets.features import FeatureIndex

EXAMPLE = "microscope features --index demo --rate 0.01 1 --n 10"
_SEARCHES = ("token", "text", "label", "rate", "promotes", "like", "fires_on")
ANSWER = {
    "model": schema.text("the model that the autoencoder is of"),
    "layer": schema.whole("the layer that it is of"),
    "features": schema.table("latents that were found, the best first", "feature", "rate", "max", "top_tokens"),
    "latent": schema.maybe(
        schema.record(
            "with --latent",
            feature=schema.whole("its number"),
            examples=schema.table("where it fires most", "value", "before", "token", "behind"),
            tokens={"type": "array", "description": "tokens that it fires on"},
            logits={"type": "array", "description": "tokens that it promotes and suppresses"},
        )
    ),
}


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    parser = add_command(
        commands,
        "features",
        _run,
        help="find latents of an autoencoder in its index, and show on what one fires and what it promotes",
        description="All conditions hold for the latents that are listed; without any, those that fire most often.",
        example=EXAMPLE,
        answer=ANSWER,
    )
    parser.add_argument("--index", default="demo", help="demo, or a folder that microscope index wrote")
    parser.add_argument("--token", help="among its top tokens")
    parser.add_argument("--text", help="in one of its strongest examples")
    parser.add_argument("--label", help="in its label")
    parser.add_argument("--rate", type=float, nargs=2, metavar=("LOW", "HIGH"), help="share of tokens it fires on")
    parser.add_argument("--promotes", metavar="TOKEN", help="among the tokens that it promotes most")
    parser.add_argument("--like", type=take.at_least(0), metavar="LATENT", help="near another one")
    parser.add_argument("--fires-on", metavar="TEXT", help="on this text; needs --model and --sae")
    parser.add_argument("--sae", help="of --fires-on: the autoencoder, a folder; that of the demo index is known")
    parser.add_argument("--latent", type=take.at_least(0), help="show this one")
    parser.add_argument("--n", type=take.at_least(1), default=20, help="latents, or examples of one")
    take.add_model(parser, remote=False, dry_run=False)


def _run(options: argparse.Namespace) -> Answer:
    asked = {name: getattr(options, name) for name in _SEARCHES if getattr(options, name) is not None}
    if options.latent is not None and asked:
        raise UsageError("--latent shows one latent: leave the conditions out.")
    if "rate" in asked:
        asked["rate"] = tuple(asked["rate"])
    index = _index(options)
    if options.latent is not None:
        return _latent(index, options.latent, options.n)
    if asked:
        table = index.search(**asked, n=options.n)
    else:
        table = index.table.sort_values("rate", ascending=False, kind="stable")[: options.n]
    fields = {**_of(index), "features": rows(table), "latent": None}
    return Answer(fields, f"{index!r}\n{shown(table) if len(table) else 'No latent fulfils this.'}")


def _index(options: argparse.Namespace) -> FeatureIndex:
    from scope_widgets import features

    if options.fires_on is None:
        return features.FeatureIndex.load(options.index)
    sae = None if options.sae is None else features.load(options.sae)
    return features.FeatureIndex.load(options.index, scope=take.load_model(options), sae=sae)


def _of(index: FeatureIndex) -> dict[str, Any]:
    return {"model": index.manifest.model, "layer": index.manifest.layer}


def _latent(index: FeatureIndex, latent: int, n: int) -> Answer:
    about, examples = index.rows([latent]), index.top(latent, n)
    tokens, logits = index.tokens(latent), index.logits(latent)
    of_it = {"feature": latent, "examples": rows(examples), "tokens": rows(tokens), "logits": rows(logits)}
    fields = {**_of(index), "features": rows(about), "latent": of_it}
    parts = (about, examples, tokens, logits)
    return Answer(fields, "\n\n".join(shown(part) for part in parts if len(part)))
