"""What a model would take of the memory, before it is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scope_widgets._untrusted import opening, parse_json, read_text
from scope_widgets.models.loading import DEMO
from scope_widgets.models.memory_estimate import format_bytes, free_host_memory

#: beside the weights, for a forward and what is kept of it: a share of them, and bytes
_SHARE, _MORE = 0.2, 200_000_000
#: GGUF files hold numbers in some 4 to 8 bits, and are loaded as float32
_GGUF_FACTOR = 8
_WEIGHTS = (".safetensors", ".bin", ".gguf")


@dataclass(frozen=True)
class LoadEstimate:
    """The memory that loading a model takes.

    Attributes
    ----------
    name : str
    weights, needed, available : int
        Bytes of the weights; those with what a forward takes; and bytes of the machine that are free.
    """

    name: str
    weights: int
    needed: int
    available: int

    @property
    def fits(self) -> bool:
        """Whether there is memory for it."""
        return self.needed <= self.available

    @property
    def advice(self) -> str:
        """What to do, as a sentence."""
        room = f"{format_bytes(self.available)} are free"
        if self.fits:
            return f"It takes about {format_bytes(self.needed)}, and {room}."
        return (
            f"it takes about {format_bytes(self.needed)} ({format_bytes(self.weights)} of them its weights), and "
            f"{room}: unload another model, load a smaller one or run it on NDIF."
        )


def estimate_load(name: str | Path) -> LoadEstimate:
    """Estimate the memory that loading a model takes, by the sizes of its files.

    Parameters
    ----------
    name : str or Path
        "demo", a folder, a .gguf file, or a hub id, whose sizes the hub is asked for.

    Raises
    ------
    ValueError
        Where the sizes are not to be found.

    Examples
    --------
    >>> estimate_load("demo").fits
    True
    """
    path = Path(DEMO) if str(name) == "demo" else Path(name)
    if path.is_file():
        weights = path.stat().st_size * (_GGUF_FACTOR if path.suffix == ".gguf" else 1)
    elif path.is_dir():
        weights = _of_folder(path)
    else:
        weights = _of_hub(str(name))
    return LoadEstimate(str(name), weights, int(weights * (1 + _SHARE)) + _MORE, free_host_memory())


def _of_folder(folder: Path) -> int:
    index = folder / "model.safetensors.index.json"
    names: Any = None
    if index.is_file():
        names = set(parse_json(read_text(index))["weight_map"].values())
    elif (folder / "model.safetensors").is_file():
        names = {"model.safetensors"}
    files = [one for one in folder.iterdir() if one.suffix in _WEIGHTS and (names is None or one.name in names)]
    if not files:
        raise ValueError(f"The folder {opening(folder.name)} holds no weights.")
    return sum(one.stat().st_size for one in files)


def _of_hub(name: str) -> int:
    from huggingface_hub import HfApi

    try:
        files = HfApi().model_info(name, files_metadata=True, timeout=20).siblings or []
    except Exception as error:
        raise ValueError(f"The hub does not say how large {opening(name)} is ({type(error).__name__}).") from None
    sizes = {one.rfilename: one.size or 0 for one in files if "/" not in one.rfilename}
    whole = [size for file, size in sizes.items() if file.endswith(".safetensors")]
    found = sum(whole) or sum(size for file, size in sizes.items() if file.endswith(_WEIGHTS))
    if not found:
        raise ValueError(f"The hub has no weights of {opening(name)}.")
    return found
