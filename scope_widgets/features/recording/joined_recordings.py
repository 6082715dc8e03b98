"""`JoinedRecordings`: several recordings of one place, read as one after the other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from scope_widgets._untrusted import opening
from scope_widgets.features.recording.mapped_rows import MappedRows
from scope_widgets.features.recording.recording import Recording

if TYPE_CHECKING:
    import pandas as pd

#: what recordings that are read as one have in common
_ALIKE = ("model", "revision", "site", "d", "dtype")


class JoinedRecordings:
    """Recordings of one place, as if their texts had been recorded together.

    Parameters
    ----------
    parts : sequence of Recording
        One at least, of one model, site, width and dtype.

    Raises
    ------
    ValueError
        Where they are of several, or one is there twice.
    """

    def __init__(self, parts: Sequence[Recording]) -> None:
        if not parts:
            raise ValueError("There is no recording: give one, or a list of some.")
        for one in parts:
            if not isinstance(one, Recording):
                raise TypeError(f"A list of recordings has features.Recording, and here {opening(one)} too.")
        for name in _ALIKE:
            found = list(dict.fromkeys(getattr(one.manifest, name) for one in parts))
            if len(found) > 1:
                raise ValueError(
                    f"Recordings that are read as one have one {name}; these have {found[0]} and {found[1]}."
                )
        if len({digest_of_recording(one) for one in parts}) < len(parts):
            raise ValueError("A recording is there twice: each text would count double.")
        self.parts = list(parts)
        self.manifest = parts[0].manifest

    def __len__(self) -> int:
        """Return the number of rows."""
        return sum(map(len, self.parts))

    def __repr__(self) -> str:
        """Name the parts."""
        return " and ".join(map(repr, self.parts))

    @property
    def layers(self) -> list[int]:
        """Layers that all of them hold."""
        return sorted(set.intersection(*(set(one.manifest.layers) for one in self.parts)))

    @property
    def n_samples(self) -> int:
        """Samples of all."""
        return sum(one.manifest.n_samples for one in self.parts)

    def rows(self, layer: int, site: str | None = None) -> MappedRows:
        """Return the activations of a layer `[row, d]`, which are read where they are indexed, see `Recording.rows`."""
        return MappedRows.joined([one.rows(layer, site) for one in self.parts])

    @cached_property
    def table(self) -> pd.DataFrame:
        """As that of a recording; samples are numbered on."""
        import pandas as pd

        tables, first = [], 0
        for one in self.parts:
            tables.append(one.table.assign(sample_id=one.table["sample_id"] + first))
            first += one.manifest.n_samples
        return pd.concat(tables, ignore_index=True)


def digest_of_recording(recording: Recording) -> str:
    """Return a digest of what a recording holds: its settings and the digests of its shards."""
    manifest = recording.manifest
    settings = {name: value for name, value in manifest.settings().items() if name != "max_tokens"}
    said = json.dumps([settings, [one.sha256 for one in manifest.shards]], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()
