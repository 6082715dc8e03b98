"""`Recording`: activations on disk, mapped, with the table of their rows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from scope_widgets._files import sha256_of
from scope_widgets._untrusted import check_name, reading
from scope_widgets.features.recording.batches import shuffled_batches
from scope_widgets.features.recording.manifest import Manifest
from scope_widgets.features.recording.mapped_rows import MappedRows
from scope_widgets.features.recording.parquet import write_parquet
from scope_widgets.features.recording.shards import COLUMNS, name_of, read_shard, texts_of_bytes

if TYPE_CHECKING:
    import pandas as pd


class Recording:
    """Activations of many texts in a folder, as `features.record` writes them.

    Attributes
    ----------
    folder : Path
    manifest : Manifest
        What it is of.

    Examples
    --------
    >>> rec = features.record(scope, ["Mary gave John a book"], layers=[2], folder=folder)
    >>> rec.rows(2).shape, list(rec.table)
    ((5, 128), ['sample_id', 'token_pos', 'token_id', 'split'])
    """

    def __init__(self, folder: Path, manifest: Manifest | None = None) -> None:
        if not isinstance(manifest, Manifest):
            raise TypeError(f"A recording of a folder is read by features.Recording.load({str(folder)!r}).")
        self.folder, self.manifest = folder, manifest
        self._left_out: set[int] = set()  # numbers of shards
        self._checked: set[Path] = set()  # files that were compared with their digest

    @classmethod
    def load(cls, folder: str | Path, *, skip_damaged: bool = False) -> Recording:
        """Return the recording of a folder.

        Parameters
        ----------
        folder : str or Path
        skip_damaged : bool, default False
            Leave out shards that are missing or not as they were written. By default what is read of one is refused.

        Raises
        ------
        FileNotFoundError, ValueError
            Where there is none, or its manifest is damaged.
        """
        recording = cls(check_name(folder), Manifest.read(check_name(folder)))
        if skip_damaged:
            damaged = set(recording.damaged())
            shards = recording.manifest.shards
            recording._left_out = {at for at, path in enumerate(recording.paths()) if path in damaged}
            recording.manifest.shards = [one for at, one in enumerate(shards) if at not in recording._left_out]
        return recording

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.manifest.n_rows

    def __repr__(self) -> str:
        """Say what it is of."""
        m = self.manifest
        layers = ", ".join(map(str, m.layers))
        state = "" if m.complete else ", not complete"
        return (
            f"Recording({m.n_rows:,} rows of width {m.d}, {' and '.join(m.widths)} of layer {layers} of {m.model}, "
            f"{m.n_samples:,} samples{state})"
        )

    @property
    def layers(self) -> list[int]:
        """Layers that it holds."""
        return self.manifest.layers

    def rows(self, layer: int, site: str | None = None) -> MappedRows:
        """Return the activations of a layer `[row, d]`, which are read where they are indexed.

        Parameters
        ----------
        layer : int
        site : str, optional
            That of the recording by default; it may be its target.
        """
        site = self.manifest.site if site is None else site
        if site not in self.manifest.widths:
            raise ValueError(f"{site!r} was not recorded; there is {' and '.join(self.manifest.widths)}.")
        if layer not in self.manifest.layers:
            have = ", ".join(map(str, self.manifest.layers))
            raise ValueError(f"Layer {layer!r} was not recorded; there are {have}.")
        d = self.manifest.widths[site]
        name = f"{site}.{layer}"
        parts = [part[name] for part in self.tensors([name])]
        dtype = getattr(torch, self.manifest.dtype)
        if other := [one for one in parts if one.dtype != dtype or one.shape[1:] != (d,)]:
            raise ValueError(
                f"The manifest of {str(self.folder)!r} says rows of width {d} in {dtype}, a shard has "
                f"{tuple(other[0].shape)} in {other[0].dtype}: it is damaged, features.record writes it anew."
            )
        return MappedRows(parts, d, dtype)

    @cached_property
    def table(self) -> pd.DataFrame:
        """Sample, position, token and split of each row: sample_id, token_pos, token_id, split."""
        import pandas as pd

        parts = list(self.tensors(list(COLUMNS)))
        columns = {
            name: np.concatenate([part[name].numpy() for part in parts]) if parts else np.zeros(0, dtype=np.int64)
            for name in COLUMNS
        }
        columns["split"] = np.where(columns["split"] == 1, "validation", "train")
        return pd.DataFrame(columns)

    @cached_property
    def samples(self) -> pd.DataFrame:
        """The text of each sample, the number of its text, and where it begins in it."""
        import pandas as pd

        found: dict[str, list[Any]] = {"document": [], "start": [], "text": []}
        for part in self.tensors(["document", "start", "text", "text_bytes"]):
            found["document"] += part["document"].tolist()
            found["start"] += part["start"].tolist()
            found["text"] += texts_of_bytes(part)
        return pd.DataFrame(found)

    def paths(self) -> list[Path]:
        """Return the files of its shards."""
        numbers = range(len(self.manifest.shards) + len(self._left_out))
        return [self.folder / name_of(number) for number in numbers if number not in self._left_out]

    def tensors(self, names: list[str]) -> Iterator[dict[str, Tensor]]:
        """Yield tensors of each shard, which are mapped, not read, until they are used.

        The whole file is read once, to compare it with its digest.

        Raises
        ------
        ValueError
            Where a shard is missing, or not as it was written.
        """
        for path, shard in zip(self.paths(), self.manifest.shards, strict=True):
            what = (
                f"{str(path)!r} is damaged (Recording.load(folder, skip_damaged=True) reads the others, "
                "features.record with the same arguments writes it anew)"
            )
            with reading(what):
                if path not in self._checked:
                    if sha256_of(path) != shard.sha256:
                        raise ValueError("it is not what was written")
                    self._checked.add(path)
                found = read_shard(path, names, shard.rows, shard.samples)
            yield found

    def take_as_checked(self) -> None:
        """Read its files without comparing them with their digests: another process has, just now."""
        self._checked.update(self.paths())

    def damaged(self) -> list[Path]:
        """Return the shards that are missing, or not as they were written."""
        return [
            path
            for path, shard in zip(self.paths(), self.manifest.shards, strict=True)
            if not path.is_file() or sha256_of(path) != shard.sha256
        ]

    def to_parquet(self, folder: str | Path) -> Path:
        """Write it as Parquet: `rows.parquet` and `samples.parquet`, for other tools.

        Rows have sample_id, token_pos, token_id, activation (a list of float32; where there is a target, its rows are
        in a column "target"), layer_idx, text_snippet (the first 200 characters of the sample) and split, a layer of a
        shard after the other; samples have sample_id, document, start and text. What was written is never written
        again, and memory holds a part of a shard.

        Parameters
        ----------
        folder : str or Path
            It is made where it is missing; the two files are replaced, whole or not at all.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        ValueError
            Where a shard is missing, or not as it was written.
        ImportError
            Without pyarrow.

        Examples
        --------
        >>> rec = features.record(scope, ["Mary gave John a book"], layers=[2], folder=folder)
        >>> sorted(path.name for path in rec.to_parquet(folder / "parquet").iterdir())
        ['rows.parquet', 'samples.parquet']
        """
        write_parquet(self.manifest, self.tensors, Path(folder))
        return Path(folder)

    def batches(
        self,
        layer: int,
        *,
        batch: int = 4096,
        seed: int = 0,
        window: int = 2**18,
        split: str | None = "train",
        epochs: int | None = 1,
    ) -> Iterator[Tensor]:
        """Yield rows of a layer in a random order, a batch `[row, d]` at a time.

        Blocks of 256 rows that lie side by side are drawn from the whole recording into a window, and the rows of a
        window are shuffled: memory holds one window, the disk is read in pieces. Rows of one block come in the same
        window: with `w` blocks in it a row's neighbour in a batch is of its own block with a chance of about `1 / w`,
        in place of `256 / rows`.

        Parameters
        ----------
        layer : int
        batch : int, default 4096
            Rows of a batch; what is left over at the end of all is left out.
        seed : int, default 0
        window : int
            Rows that are shuffled together.
        split : "train", "validation" or None, default "train"
            Which rows; None: all.
        epochs : int, default 1
            How often all rows come; None: without end.
        """
        chosen = None if split is None else np.flatnonzero(self.table["split"].to_numpy() == split)
        yield from shuffled_batches(self.rows(layer), chosen, batch, seed, window, epochs)
