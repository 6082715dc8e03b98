"""The manifest of a recording: what it is of, and which shards are whole."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from scope_widgets._check_choice import choices
from scope_widgets._files import write_text
from scope_widgets._provenance import versions
from scope_widgets._untrusted import check_count, opening, parse_json, read_text, reading

MANIFEST = "manifest.json"
RecordedSite = Literal["residual", "attention_out", "mlp_in", "mlp_out", "neurons", "z"]
DTYPES = ("float16", "bfloat16", "float32")
#: rows of a recording, samples of it, and shards
_MOST = 10**13
_MOST_SHARDS = 10**7


@dataclass
class Shard:
    """A whole shard.

    Attributes
    ----------
    rows, samples : int
    skipped : int
        Rows of special tokens that were left out.
    sha256 : str
        Of its file.
    texts : str
        SHA-256 of the token ids of all samples up to its end.
    """

    rows: int
    samples: int
    skipped: int
    sha256: str
    texts: str


@dataclass
class Manifest:
    """What a recording is of.

    Attributes
    ----------
    model : str
    revision : str or None
    site : str
    layers : list of int
    d : int
        Width of a row.
    dtype : str
    context : int
        Tokens of a sample at most.
    packed : bool
    special_tokens : bool
        Whether rows of special tokens are kept.
    max_tokens : int or None
    part : list of int
        `[rank, world]`: of every `world` texts this recording has number `rank`.
    shards : list of Shard
    complete : bool
    versions : dict
    target : str or None
        A second site of the same layers, what a transcoder is to write.
    d_target : int or None
        Width of its rows.
    """

    model: str
    revision: str | None
    site: str
    layers: list[int]
    d: int
    dtype: str
    context: int
    packed: bool
    special_tokens: bool
    max_tokens: int | None
    part: list[int]
    shards: list[Shard] = field(default_factory=list)
    complete: bool = False
    versions: dict[str, str] = field(default_factory=versions)
    target: str | None = None
    d_target: int | None = None

    @property
    def widths(self) -> dict[str, int]:
        """Width of a row of each site."""
        return {self.site: self.d} | ({} if self.target is None else {self.target: self.d_target or 0})

    @property
    def n_rows(self) -> int:
        """Rows of all whole shards."""
        return sum(one.rows for one in self.shards)

    @property
    def n_samples(self) -> int:
        """Samples of all whole shards."""
        return sum(one.samples for one in self.shards)

    @property
    def skipped(self) -> int:
        """Rows of special tokens that were left out."""
        return sum(one.skipped for one in self.shards)

    def settings(self) -> dict[str, Any]:
        """Return what must be equal for a recording to be gone on with."""
        left_out = ("shards", "complete", "versions", *(("target", "d_target") if self.target is None else ()))
        return {name: value for name, value in asdict(self).items() if name not in left_out}

    def write(self, folder: Path) -> None:
        """Write it, whole or not at all."""
        write_text(folder / MANIFEST, json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Return the manifest of a folder.

        Raises
        ------
        FileNotFoundError, ValueError
            Where there is none, or it is damaged.
        """
        path = folder / MANIFEST
        if not path.is_file():
            raise FileNotFoundError(f"There is no recording in {str(folder)!r}: it has no {MANIFEST}.")
        with reading(f"{str(path)!r} is no manifest of a recording"):
            return cls._of(parse_json(read_text(path)))

    @classmethod
    def _of(cls, given: Any) -> Manifest:
        names = {one.name for one in fields(cls)}
        if not isinstance(given, dict) or set(given) not in (names, names - {"target", "d_target"}):
            raise ValueError("it has other entries")
        target = given.get("target")
        sites = choices(RecordedSite)
        if given["site"] not in sites or target not in (None, *sites) or target == given["site"]:
            raise ValueError(f"its target is {opening(target)}, its site {opening(given['site'])}")
        if target is not None:
            check_count("d_target", given["d_target"], 10**6)
        kinds = {"model": str, "packed": bool, "special_tokens": bool, "complete": bool, "versions": dict}
        for name, kind in kinds.items():
            if not isinstance(given[name], kind):
                raise ValueError(f"{name} is {opening(given[name])}")
        if given["dtype"] not in DTYPES or not isinstance(given["revision"], (str, type(None))):
            raise ValueError(f"its dtype is {opening(given['dtype'])}, its revision {opening(given['revision'])}")
        for name, limit in (("d", 10**6), ("context", 10**8)):
            check_count(name, given[name], limit)
        if given["max_tokens"] is not None:
            check_count("max_tokens", given["max_tokens"], _MOST)
        for name, length in (("layers", None), ("part", 2)):
            value = given[name]
            if not isinstance(value, list) or not value or (length and len(value) != length) or len(value) > 10_000:
                raise ValueError(f"{name} is {opening(value)}")
            for one in value:
                check_count(name, one)
        if not isinstance(given["shards"], list) or len(given["shards"]) > _MOST_SHARDS:
            raise ValueError("its shards are no list")
        return cls(**{**given, "shards": [_shard(one) for one in given["shards"]]})


def _shard(given: Any) -> Shard:
    if not isinstance(given, dict) or set(given) != {"rows", "samples", "skipped", "sha256", "texts"}:
        raise ValueError("a shard has other entries")
    for name in ("rows", "samples", "skipped"):
        check_count(name, given[name], _MOST)
    if not all(isinstance(given[name], str) and len(given[name]) == 64 for name in ("sha256", "texts")):
        raise ValueError("a shard has no digests")
    return Shard(**given)
