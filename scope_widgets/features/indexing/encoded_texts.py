"""`encode_texts`: which latents fire on the tokens of many texts, encoded where the model is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from scope_widgets._check_choice import checked_count
from scope_widgets._progress import tqdm
from scope_widgets._types import Array
from scope_widgets._untrusted import opening
from scope_widgets.experiments.massive_activations import largest_of_norms
from scope_widgets.features.recording.record import Precision, manifest_of, special_ids
from scope_widgets.features.recording.samples import Sample, samples_of
from scope_widgets.features.recording.texts import Texts, texts_of
from scope_widgets.features.sae.check_model import warn_of_another_model
from scope_widgets.features.sae.encoder import encoder_of
from scope_widgets.features.sae.sae import SAE
from scope_widgets.features.sae.sparse_codes import SparseCodes
from scope_widgets.models.execution.activation_edits import HookPoint
from scope_widgets.models.execution.token_batches import batches_of
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable

if TYPE_CHECKING:
    import pandas as pd

#: rows whose norms say which are massive
NORM_ROWS = 4096


@dataclass(frozen=True, eq=False)
class EncodedTexts:
    """Which latents fire on the tokens of many texts: what an index is made of, without the activations.

    Attributes
    ----------
    codes : SparseCodes [row, latent]
        Nothing fires on tokens of massive norm.
    table : DataFrame
        Of each row sample_id, token_pos and token_id.
    n_samples : int
    model : str
    revision : str or None
    site : str
    layer : int
    """

    codes: SparseCodes
    table: pd.DataFrame
    n_samples: int
    model: str
    revision: str | None
    site: str
    layer: int

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.codes)

    def __repr__(self) -> str:
        """Say what they are of."""
        return (
            f"EncodedTexts({len(self):,} rows of {self.n_samples:,} samples, {self.codes.n_latents:,} latents of "
            f"{self.site} of layer {self.layer} of {self.model})"
        )


def encode_texts(
    scope: Microscope,
    sae: SAE,
    texts: Texts,
    *,
    dtype: Precision = "float16",
    max_tokens: int | None = None,
    context: int | None = None,
    packed: bool = False,
    special_tokens: bool = False,
    column: str = "text",
    tokens_at_once: int = 2**18,
    progress: bool = True,
) -> EncodedTexts:
    """Run texts, encode the activations where the model is, and keep the codes alone, for `features.index`.

    The index is that of a recording of these texts, which is not written: for a model on a server, from which codes
    come (8 bytes for each latent that fires on a token) and no activations, and where there is no disk for them.
    Of each request the encoder is a part, so that few large ones send least.

    Parameters
    ----------
    scope : Microscope
    sae : SAE
        That says its layer.
    texts : list or iterator of str or of token ids, path, or data set
        As `features.record` takes them.
    dtype : str, default "float16"
        To which activations are rounded before they are encoded, as `features.record` does.
    max_tokens : int, optional
        Rows to keep; all by default.
    context : int, optional
        Tokens of a sample; by default 256, or the model's context where that is less. A longer text is cut.
    packed : bool, default False
        Put texts one after the other so that every sample is full.
    special_tokens : bool, default False
        Keep the rows of special tokens too.
    column : str, default "text"
        Where the texts are in a file or data set.
    tokens_at_once : int, default 262144
        Of one request, about: fewer where a server gives each too little time.
    progress : bool, default True
        Show a bar of rows.

    Returns
    -------
    EncodedTexts

    Raises
    ------
    TypeError
        For what is no SAE.
    ValueError
        For an SAE of another width or that does not say its layer, and for texts without a token.

    Examples
    --------
    >>> sae = features.load("demo")
    >>> encoded = features.encode_texts(scope, sae, ["Mary gave John a book", "the dog runs"] * 20)
    >>> index = features.index(scope, sae, encoded, folder=folder / "index")
    >>> index.manifest.n_tokens == len(encoded)
    True
    """
    if not isinstance(sae, SAE):
        raise TypeError(f"sae= is an SAE, such as features.load(folder); got {opening(sae)}.")
    if sae.layer is None:
        raise ValueError(f"{sae!r} does not say of which layer it is: dataclasses.replace(sae, layer=...).")
    checked_count("tokens_at_once", tokens_at_once)
    warn_of_another_model(scope.model_id, sae)
    manifest = manifest_of(
        scope,
        layers=sae.layer,
        site=sae.site,  # type: ignore[arg-type]
        target=None,
        dtype=dtype,
        max_tokens=max_tokens,
        context=context,
        packed=packed,
        special_tokens=special_tokens,
    )
    if manifest.d != sae.d_in:
        raise ValueError(f"{sae!r} reads rows of width {sae.d_in}; those of {scope.model_id} are of {manifest.d}.")
    special, encoder = special_ids(scope, manifest), encoder_of(sae)
    samples = samples_of(texts_of(texts, column), scope.tokenizer, manifest.context, packed=packed)
    parts: list[tuple[SparseCodes, Tensor]] = []
    tables: list[Array] = []
    n_rows = n_samples = 0
    with tqdm(total=max_tokens, unit=" rows", disable=not progress, leave=False) as bar:
        for some in _requests(samples, special, tokens_at_once, max_tokens):
            ids = [one.token_ids for one in some]
            codes, norms = _encoded(scope, ids, (sae.site, sae.layer), encoder, special, dtype, progress)
            tables.append(_table(ids, special, n_samples))
            parts.append((codes, norms))
            n_rows, n_samples = n_rows + len(codes), n_samples + len(some)
            bar.update(len(codes))
    if not n_rows:
        raise ValueError("No text has a token to encode: all are empty, or hold special tokens only.")
    return _joined(parts, np.concatenate(tables, 1), n_samples, max_tokens, scope, sae)


@remotable
def _encoded(
    scope: Microscope,
    rows: list[list[int]],
    point: HookPoint,
    encoder: SAE,
    special: list[int],
    dtype: str,
    progress: bool,
) -> tuple[SparseCodes, Tensor]:
    """Return the codes of prompts without special tokens, one prompt after the other, and the norm of each row."""
    parts: dict[int, tuple[SparseCodes, Tensor]] = {}
    with tqdm(total=sum(map(len, rows)), desc="encoding", unit=" rows", disable=not progress, leave=False) as bar:
        for batch in batches_of(rows):
            values = scope.read_activations([rows[at] for at in batch], [point])[point].flatten(2)
            kept = [torch.from_numpy(~np.isin(rows[at], special)).to(values.device) for at in batch]
            x = torch.cat([value[: len(one)][one] for value, one in zip(values, kept, strict=True)])
            x = x.to(getattr(torch, dtype)).float()
            if not x.isfinite().all():
                raise ValueError(
                    f"Activations of {point[0]} of layer {point[1]} hold a number that is not finite; it may be too "
                    "large for float16: take dtype='bfloat16' or 'float32'."
                )
            if encoder.W_enc.device != x.device:
                encoder = encoder.to(x.device)
            found = encoder.encode(x)
            small = found.indptr.cpu(), found.indices.int().cpu(), found.values.detach().float().cpu()
            codes, norms, start = SparseCodes(*small, found.n_latents), x.norm(dim=-1).cpu(), 0
            for at, one in zip(batch, kept, strict=True):
                end = start + int(one.sum())
                parts[at] = codes[start:end], norms[start:end]
                start = end
            bar.update(sum(len(rows[at]) for at in batch))
    each = [parts[at] for at in range(len(rows))]
    return SparseCodes.joined([codes for codes, _ in each]), torch.cat([norms for _, norms in each])


def _requests(
    samples: Iterable[Sample], special: list[int], tokens_at_once: int, most: int | None
) -> Iterator[list[Sample]]:
    """Yield the samples of each request, until there are rows enough."""
    some: list[Sample] = []
    tokens = rows = 0
    for one in samples:
        if most is not None and rows >= most:
            break
        some.append(one)
        tokens += len(one.token_ids)
        rows += int((~np.isin(one.token_ids, special)).sum())
        if tokens >= tokens_at_once:
            yield some
            some, tokens = [], 0
    if some:
        yield some


def _table(ids: list[list[int]], special: list[int], first: int) -> Array:
    """Return sample, position and token of each row, int64 `[3, row]`."""
    parts = []
    for at, row in enumerate(ids):
        there = np.flatnonzero(~np.isin(row, special))
        parts.append(np.stack([np.full(len(there), first + at), there, np.array(row, dtype=np.int64)[there]]))
    return np.concatenate(parts, 1)


def _joined(
    parts: list[tuple[SparseCodes, Tensor]],
    table: Array,
    n_samples: int,
    most: int | None,
    scope: Microscope,
    sae: SAE,
) -> EncodedTexts:
    import pandas as pd

    codes = SparseCodes.joined([one for one, _ in parts])[:most]
    norms = torch.cat([one for _, one in parts])[:most]
    massive = norms > largest_of_norms(norms[:: max(1, len(norms) // NORM_ROWS)])
    assert sae.layer is not None
    columns: dict[str, Any] = dict(zip(("sample_id", "token_pos", "token_id"), table[:, :most], strict=True))
    return EncodedTexts(
        codes=codes.without_rows(massive) if massive.any() else codes,
        table=pd.DataFrame(columns),
        n_samples=n_samples,
        model=scope.model_id,
        revision=scope.revision,
        site=sae.site,
        layer=sae.layer,
    )
