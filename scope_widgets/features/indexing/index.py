"""`index`: what each latent fires on, from one pass over a recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from scope_widgets._progress import tqdm
from scope_widgets.features.indexing.by_latent import by_latent
from scope_widgets.features.indexing.coactivation import partners
from scope_widgets.features.indexing.directions import neighbours, promoted
from scope_widgets.features.indexing.examples import Contexts
from scope_widgets.features.indexing.feature_index import FeatureIndex
from scope_widgets.features.indexing.files import N_LISTED, IndexManifest, empty_arrays, write_index
from scope_widgets.features.indexing.summaries import summarise
from scope_widgets.features.recording.recording import Recording
from scope_widgets.features.sae.sae import SAE
from scope_widgets.features.sae.sparse_codes import SparseCodes
from scope_widgets.models.microscope import LocalMicroscope, Microscope
from scope_widgets.models.tokens import token_texts

#: rows that are encoded at once, and most rows in which it is counted which latents fire together
_ROWS, _PARTNER_ROWS = 2**13, 2**15


def index(
    scope: Microscope, sae: SAE, rec: Recording, *, folder: str | Path, seed: int = 0, progress: bool = True
) -> FeatureIndex:
    """Encode the rows of a recording and write down what each latent fires on.

    Of each latent: how often and how strongly it fires, the strongest examples and some of each quarter of its
    activations (without near-copies), the tokens that it fires on more often than on others, its nearest decoder rows,
    the tokens that it promotes through the unembedding, and the latents that fire with it. The folder takes less than
    5 kB a latent. Memory holds the codes of all rows: 8 bytes for each latent that fires in a row, some times over.

    Parameters
    ----------
    scope : Microscope
        The model of the recording, for the texts of tokens and its unembedding; of one on a server, and of sites that
        are not as wide as the residual stream, it is not known what latents promote.
    sae : SAE
    rec : Recording
        Of its site, with its layer.
    folder : str or Path
        An index that is there is replaced.
    seed : int, default 0
        Of the examples of each quarter.
    progress : bool, default True

    Returns
    -------
    FeatureIndex

    Raises
    ------
    ValueError
        For an SAE that does not say its layer, or a recording of another model or place.

    Examples
    --------
    >>> rec = features.record(scope, ["Mary gave John a book", "the dog runs"] * 20, layers=2, folder=folder / "rec")
    >>> sae = features.train(rec, layer=2, d_sae=64, k=4, steps=20, batch=64)
    >>> index = features.index(scope, sae, rec, folder=folder / "index")
    >>> list(index.table)
    ['feature', 'rate', 'mean', 'max', 'dead', 'top_tokens']
    >>> len(features.FeatureIndex.load(folder / "index"))
    64
    """
    layer = _checked(scope, sae, rec)
    codes = _codes(sae, rec, layer, progress)
    arrays = empty_arrays(sae.d_sae)
    table = rec.table
    token_ids = table["token_id"].to_numpy()
    sorted_codes = by_latent(codes)
    contexts = Contexts(table["sample_id"].to_numpy(), token_ids)
    summarise(arrays, sorted_codes, contexts, token_ids, table["token_pos"].to_numpy(), seed, progress)
    arrays["neighbour"], arrays["neighbour_cosine"] = neighbours(sae.W_dec, N_LISTED)
    if isinstance(scope, LocalMicroscope) and sae.W_dec.shape[1] == scope.d_model and sae.output_site != "z":
        for name, value in promoted(scope, sae.W_dec, N_LISTED).items():
            arrays[name][:, : value.shape[1]] = value
    some = _some_rows(codes)
    found = partners(some, N_LISTED)
    for name, array in zip(("partner", "partner_together", "count_of_partners"), found, strict=True):
        arrays[name] = torch.from_numpy(array)
    manifest = IndexManifest(
        model=rec.manifest.model,
        revision=rec.manifest.revision,
        site=sae.site,
        layer=layer,
        d_sae=sae.d_sae,
        n_tokens=len(codes),
        n_samples=rec.manifest.n_samples,
        n_partner_rows=len(some),
    )
    named = ("example_window", "token", "promoted", "suppressed")
    ids = np.unique(np.concatenate([np.unique(arrays[name].numpy()) for name in named]))
    ids = ids[ids >= 0]
    texts = dict(zip(ids.tolist(), token_texts(scope.tokenizer, ids.tolist()), strict=True))
    write_index(Path(folder), manifest, arrays, texts)
    return FeatureIndex.load(folder, scope=scope, sae=sae)


def _checked(scope: Microscope, sae: SAE, rec: Recording) -> int:
    """Return the layer; raise ValueError where the three do not belong together."""
    if sae.layer is None:
        raise ValueError(f"{sae!r} does not say of which layer it is: dataclasses.replace(sae, layer=...).")
    if rec.manifest.model != scope.model_id:
        raise ValueError(f"{rec!r} is of {rec.manifest.model}; the model given is {scope.model_id}.")
    if rec.manifest.site != sae.site or sae.layer not in rec.manifest.layers:
        raise ValueError(f"{sae!r} is of {sae.site!r} of layer {sae.layer}, which {rec!r} does not hold.")
    if not len(rec):
        raise ValueError(f"{rec!r} has no rows.")
    return sae.layer


def _codes(sae: SAE, rec: Recording, layer: int, progress: bool) -> SparseCodes:
    rows, parts = rec.rows(layer), []
    with tqdm(total=len(rec), unit=" rows", disable=not progress, leave=False) as bar:
        for start in range(0, len(rec), _ROWS):
            some = sae.encode(rows[start : start + _ROWS].float())
            parts.append(SparseCodes(some.indptr.cpu(), some.indices.cpu().int(), some.values.cpu().float(), sae.d_sae))
            bar.update(len(some))
    return SparseCodes.joined(parts)


def _some_rows(codes: SparseCodes) -> SparseCodes:
    """Return all rows, or blocks of them that are spread evenly."""
    if len(codes) <= _PARTNER_ROWS:
        return codes
    starts = np.linspace(0, len(codes) - 256, _PARTNER_ROWS // 256).astype(int)
    return SparseCodes.joined([codes[start : start + 256] for start in starts.tolist()])
