"""A recording as Parquet: rows and samples, written a row group at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from scope_widgets._files import replacing
from scope_widgets.features.recording.manifest import Manifest
from scope_widgets.features.recording.shards import COLUMNS, texts_of_bytes
from scope_widgets.features.recording.texts import pyarrow_parquet

#: numbers of a row group
_NUMBERS = 2**24
#: characters of the text of a row
_SNIPPET = 200


#: tensors of each shard by their names, as `Recording.tensors`
Read: TypeAlias = Callable[[list[str]], Iterator[dict[str, Tensor]]]


def write_parquet(manifest: Manifest, read: Read, folder: Path) -> None:
    """Write `rows.parquet` and `samples.parquet` of a recording's shards, each whole or not at all."""
    parquet = pyarrow_parquet()
    folder.mkdir(parents=True, exist_ok=True)
    for name, groups in (("rows", _row_groups(manifest, read)), ("samples", _sample_groups(read))):
        with replacing(folder / f"{name}.parquet") as new:
            writer = None
            try:
                for group in groups:
                    writer = writer or parquet.ParquetWriter(new, group.schema)
                    writer.write_table(group, row_group_size=max(1, len(group)))
            finally:
                if writer is not None:
                    writer.close()
            if writer is None:
                raise ValueError("This recording has no rows to write.")


def _row_groups(m: Manifest, read: Read) -> Iterator[Any]:
    import pyarrow

    step = max(1, _NUMBERS // sum(m.widths.values()))
    columns = dict(zip(("activation", "target"), m.widths, strict=False))
    first = 0
    values = [f"{site}.{layer}" for site in m.widths for layer in m.layers]
    for shard in read([*COLUMNS, "text", "text_bytes", *values]):
        snippets = pyarrow.array([text[:_SNIPPET] for text in texts_of_bytes(shard)], pyarrow.string())
        for layer in m.layers:
            for start in range(0, len(shard["sample_id"]), step):
                here = slice(start, start + step)
                sample, split = shard["sample_id"][here].numpy(), shard["split"][here].numpy()
                of_text = pyarrow.array((sample - first).astype(np.int32))
                yield pyarrow.table(
                    {
                        "sample_id": sample,
                        "token_pos": shard["token_pos"][here].numpy(),
                        "token_id": shard["token_id"][here].numpy(),
                        **{name: _lists(shard[f"{site}.{layer}"][here]) for name, site in columns.items()},
                        "layer_idx": np.full(len(sample), layer, dtype=np.int32),
                        "text_snippet": pyarrow.DictionaryArray.from_arrays(of_text, snippets),
                        "split": np.where(split == 1, "validation", "train"),
                    }
                )
        first += len(snippets)


def _lists(rows: Tensor) -> Any:
    """Return rows `[row, d]` as lists of one length."""
    import pyarrow

    # float32 for all: few readers know half precision, none bfloat16
    flat = rows.to(torch.float32).contiguous().numpy().ravel()
    return pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flat), rows.shape[1])


def _sample_groups(read: Read) -> Iterator[Any]:
    import pyarrow

    first = 0
    for shard in read(["document", "start", "text", "text_bytes"]):
        texts = texts_of_bytes(shard)
        yield pyarrow.table(
            {
                "sample_id": np.arange(first, first + len(texts)),
                "document": shard["document"].numpy(),
                "start": shard["start"].numpy(),
                "text": pyarrow.array(texts, pyarrow.string()),
            }
        )
        first += len(texts)
