"""The options that several commands have: said once, with one meaning."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scope_widgets import Microscope

#: number types that a model can be loaded in, by torch's names
DTYPES = ("float32", "bfloat16", "float16")


def add_model(parser: argparse.ArgumentParser, *, remote: bool = True, dry_run: bool = True) -> None:
    """Add --model, --device, --dtype, and where they have a meaning --remote and --dry-run."""
    group = parser.add_argument_group("the model")
    group.add_argument("--model", default="demo", help="demo, a folder, a .gguf file or a hub id")
    group.add_argument("--device", help="where it is put, such as cuda; the CPU by default")
    group.add_argument("--dtype", choices=DTYPES, help="its numbers; as its weights were saved by default")
    if remote:
        group.add_argument("--remote", action="store_true", help="run it on the NDIF server of NDIF_HOST, NDIF_API_KEY")
    if dry_run:
        group.add_argument("--dry-run", action="store_true", help="say what memory it takes, and do nothing")


def load_model(options: argparse.Namespace) -> Microscope:
    """Return the model that the options of `add_model` name."""
    from scope_widgets import Microscope  # seconds: only where there is something to do

    remote = getattr(options, "remote", False)
    scope: Microscope = Microscope.load(options.model, device=options.device, dtype=options.dtype, remote=remote)
    return scope


def add_out(parser: argparse.ArgumentParser, help: str, default: Path | None = None, *former: str) -> None:
    """Add --out, a folder or a file."""
    parser.add_argument("--out", *former, type=Path, default=default, metavar="PATH", help=help)


def add_seed(parser: argparse.ArgumentParser, of: str) -> None:
    """Add --seed, which says what it is of."""
    parser.add_argument("--seed", type=at_least(0), default=0, help=f"of {of}")


def add_layers(parser: argparse.ArgumentParser, help: str, **more: Any) -> None:
    """Add --layers 0,6,11; --layer is another name of it, as in earlier tools."""
    parser.add_argument("--layers", "--layer", type=layers, metavar="0,6,11", help=help, **more)


def add_texts(group: Any, help: str, *former: str) -> None:
    """Add --texts, a file; the column of its texts is `add_column`."""
    group.add_argument("--texts", *former, type=Path, metavar="FILE", help=help)


def add_column(parser: argparse.ArgumentParser) -> None:
    """Add --column and --max-samples, which are of --texts."""
    parser.add_argument("--column", default="text", help="where a .jsonl or .parquet file has its texts")
    parser.add_argument("--max-samples", type=at_least(1), metavar="N", help="read so many of --texts at most")


def texts_of(options: argparse.Namespace) -> Any:
    """Return the texts of --texts, cut off after --max-samples: a path, or a list."""
    from itertools import islice

    from scope_widgets.features.recording.texts import texts_of as read

    if not options.texts.is_file():
        raise FileNotFoundError(f"There is no file {str(options.texts)!r}: --texts names a file of texts.")
    if options.max_samples is None:
        return options.texts
    return list(islice(read(options.texts, options.column), options.max_samples))


def chosen(table: Any, layers: tuple[int, ...] | None) -> Any:
    """Return the rows of a table that are of these layers; all where none are named."""
    return table if layers is None else table[table["layer"].isin(layers)]


# --- what an option's text must be ------------------------------------------------------------------------------------


def at_least(low: int) -> Callable[[str], int]:
    """Return a type of options: whole numbers from `low`.

    Examples
    --------
    >>> at_least(1)("12")
    12
    """

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if value < low:
            raise argparse.ArgumentTypeError(f"it is a whole number from {low}; got {text!r}")
        return value

    return read


def address(text: str) -> str:
    """Return the address of a server.

    Raises
    ------
    argparse.ArgumentTypeError
        For something else, or one with a name and password in it.

    Examples
    --------
    >>> address("http://10.0.0.7:5001")
    'http://10.0.0.7:5001'
    """
    if not text.startswith(("http://", "https://")) or "@" in text or any(char.isspace() for char in text):
        raise argparse.ArgumentTypeError(f"it is an address such as http://10.0.0.7:5001; got {text[:60]!r}")
    return text.rstrip("/")


def layers(text: str) -> tuple[int, ...]:
    """Return layers by their numbers and ranges.

    Raises
    ------
    argparse.ArgumentTypeError
        For something else.

    Examples
    --------
    >>> layers("0,6,9-11")
    (0, 6, 9, 10, 11)
    """
    found: list[int] = []
    for part in text.split(","):
        low, dash, high = part.strip().partition("-")
        if not low.isdecimal() or (dash and not high.isdecimal()) or (dash and not int(low) <= int(high) < 10_000):
            raise argparse.ArgumentTypeError(f"layers are numbers and ranges such as 0,6,9-11; got {text!r}")
        found += range(int(low), int(high) + 1) if dash else [int(low)]
    return tuple(dict.fromkeys(found))
