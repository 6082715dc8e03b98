"""The folder of an index: arrays by latent, what they are of, and the texts of the tokens in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from scope_widgets._files import replacing, write_text
from scope_widgets._provenance import versions
from scope_widgets._untrusted import check_count, check_name, opening, parse_json, read_text, reading
from scope_widgets.features.indexing.examples import N_TOP, OF_EACH, QUARTERS
from scope_widgets.features.indexing.random_contexts import WINDOW, RandomContexts

MANIFEST, ARRAYS, CONTEXTS = "index.json", "latents.safetensors", "contexts.safetensors"
TOKENS, LABELS = "tokens.json", "labels.json"
#: tokens, neighbours and partners that are kept of each latent, and bins of its activations
N_LISTED, N_BINS = 10, 16
_EXAMPLES = N_TOP + QUARTERS * OF_EACH

#: the arrays: dtype, and shape behind the axis of latents. Examples are the strongest, then those of each quarter; of
#: `example_fires` bit i says whether the latent fires on token i of the window.
LAYOUT: Mapping[str, tuple[torch.dtype, tuple[int, ...]]] = {
    "count": (torch.int64, ()),
    "mean": (torch.float32, ()),
    "max": (torch.float32, ()),
    "histogram": (torch.int32, (N_BINS,)),
    "example_row": (torch.int64, (_EXAMPLES,)),
    "example_sample": (torch.int32, (_EXAMPLES,)),
    "example_position": (torch.int32, (_EXAMPLES,)),
    "example_value": (torch.float32, (_EXAMPLES,)),
    "example_window": (torch.int32, (_EXAMPLES, WINDOW)),
    "example_fires": (torch.int32, (_EXAMPLES,)),
    "token": (torch.int32, (N_LISTED,)),
    "token_count": (torch.int32, (N_LISTED,)),
    "token_lift": (torch.float32, (N_LISTED,)),
    "neighbour": (torch.int32, (N_LISTED,)),
    "neighbour_cosine": (torch.float32, (N_LISTED,)),
    "promoted": (torch.int32, (N_LISTED,)),
    "promoted_by": (torch.float32, (N_LISTED,)),
    "suppressed": (torch.int32, (N_LISTED,)),
    "suppressed_by": (torch.float32, (N_LISTED,)),
    "partner": (torch.int32, (N_LISTED,)),
    "partner_together": (torch.int32, (N_LISTED,)),
    "count_of_partners": (torch.int64, ()),
}
#: most latents of an index, and recordings
_MOST, _MOST_RECORDINGS = 2**24, 10**5


@dataclass
class IndexedRecording:
    """A recording that an index is of.

    Attributes
    ----------
    folder : str
        Seen from the folder of the index, so that both may move together.
    digest : str
        Of what it holds.
    """

    folder: str
    digest: str


@dataclass
class IndexManifest:
    """What an index is of.

    Attributes
    ----------
    model : str
    revision : str or None
    site : str
    layer : int
    d_sae : int
    n_tokens : int
        Rows that were encoded.
    n_samples : int
    n_partner_rows : int
        Rows, spread evenly, in which it was counted which latents fire together.
    recordings : list of IndexedRecording
        Those whose rows were encoded, in their order.
    versions : dict of str to str
    """

    model: str
    revision: str | None
    site: str
    layer: int
    d_sae: int
    n_tokens: int
    n_samples: int
    n_partner_rows: int
    recordings: list[IndexedRecording]
    versions: dict[str, str] = field(default_factory=versions)


def empty_arrays(d_sae: int) -> dict[str, Tensor]:
    """Return the arrays of latents that never fire: -1 where something is named, else 0."""
    named = {"token", "neighbour", "promoted", "suppressed", "partner"}
    named |= {f"example_{name}" for name in ("row", "sample", "position", "window")}
    return {
        name: torch.full((d_sae, *shape), -1 if name in named else 0, dtype=dtype)
        for name, (dtype, shape) in LAYOUT.items()
    }


def write_index(
    folder: Path,
    manifest: IndexManifest,
    arrays: dict[str, Tensor],
    contexts: RandomContexts,
    texts: dict[int, str],
) -> None:
    """Write an index; the manifest comes last, so that without it there is none. Labels of an earlier one go."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    (folder / LABELS).unlink(missing_ok=True)
    for name, tensors in ((ARRAYS, arrays), (CONTEXTS, contexts.tensors())):
        with replacing(folder / name) as new:
            save_file({key: value.contiguous() for key, value in tensors.items()}, str(new))
    ids = sorted(texts)
    write_text(folder / TOKENS, json.dumps({"ids": ids, "texts": [texts[one] for one in ids]}))
    write_text(folder / MANIFEST, json.dumps(asdict(manifest), indent=1))


def read_index(folder: str | Path) -> tuple[IndexManifest, dict[str, Tensor], RandomContexts, dict[int, str]]:
    """Return what `write_index` wrote; arrays are mapped, not read.

    Raises
    ------
    FileNotFoundError, ValueError
        Where there is no index, or it is damaged.
    """
    folder = check_name(folder)
    if not (folder / MANIFEST).is_file():
        raise FileNotFoundError(f"There is no index in {str(folder)[:200]!r}: it has no {MANIFEST}.")
    with reading(f"{str(folder / MANIFEST)!r} is no manifest of an index"):
        manifest = _manifest(parse_json(read_text(folder / MANIFEST)))
    with reading(f"{str(folder / ARRAYS)!r} does not hold the arrays of this index"):
        arrays = _arrays(folder / ARRAYS, manifest.d_sae)
    with reading(f"{str(folder / CONTEXTS)!r} does not hold the random contexts of this index"):
        contexts = _contexts(folder / CONTEXTS, manifest.d_sae)
    with reading(f"{str(folder / TOKENS)!r} does not hold the texts of tokens"):
        texts = _texts(parse_json(read_text(folder / TOKENS)))
    return manifest, arrays, contexts, texts


def _manifest(given: Any) -> IndexManifest:
    if not isinstance(given, dict) or set(given) != {one.name for one in fields(IndexManifest)}:
        raise ValueError("it has other entries")
    for name, kind in {"model": str, "site": str, "versions": dict, "revision": (str, type(None))}.items():
        if not isinstance(given[name], kind):  # type: ignore[arg-type]
            raise ValueError(f"{name} is {opening(given[name])}")
    check_count("layer", given["layer"])
    check_count("d_sae", given["d_sae"], _MOST)
    for name in ("n_tokens", "n_samples", "n_partner_rows"):
        check_count(name, given[name], 10**13)
    if not isinstance(given["recordings"], list) or len(given["recordings"]) > _MOST_RECORDINGS:
        raise ValueError("its recordings are no list")
    return IndexManifest(**{**given, "recordings": [_recording(one) for one in given["recordings"]]})


def _recording(given: Any) -> IndexedRecording:
    if not isinstance(given, dict) or set(given) != {"folder", "digest"}:
        raise ValueError("a recording has other entries")
    if not all(isinstance(one, str) for one in given.values()):
        raise ValueError("a recording is no folder and digest")
    return IndexedRecording(**given)


def _arrays(path: Path, d_sae: int) -> dict[str, Tensor]:
    with safe_open(str(path), "pt") as file:
        names = set(file.keys())
        if names != set(LAYOUT):
            raise ValueError(f"it has {opening(next(iter(names ^ set(LAYOUT))))} too much or too little")
        arrays = {name: file.get_tensor(name) for name in LAYOUT}
    for name, (dtype, shape) in LAYOUT.items():
        if arrays[name].dtype != dtype or tuple(arrays[name].shape) != (d_sae, *shape):
            raise ValueError(f"{name} is of {arrays[name].dtype} and shape {tuple(arrays[name].shape)}")
    for name in ("neighbour", "partner"):
        if d_sae and not (arrays[name].min() >= -1 and arrays[name].max() < d_sae):
            raise ValueError(f"{name} names latents that there are not")
    return arrays


def _contexts(path: Path, d_sae: int) -> RandomContexts:
    with safe_open(str(path), "pt") as file:
        return RandomContexts.of_tensors({name: file.get_tensor(name) for name in file.keys()}, d_sae)  # noqa: SIM118


def _texts(given: Any) -> dict[int, str]:
    if not isinstance(given, dict) or set(given) != {"ids", "texts"}:
        raise ValueError("it has other entries")
    ids, texts = given["ids"], given["texts"]
    if not isinstance(ids, list) or not isinstance(texts, list) or len(ids) != len(texts):
        raise ValueError("ids and texts are no lists of one length")
    if not all(type(one) is int and 0 <= one < 2**31 for one in ids) or not all(type(one) is str for one in texts):
        raise ValueError("ids are numbers of tokens, and texts texts")
    return dict(zip(ids, texts, strict=True))
