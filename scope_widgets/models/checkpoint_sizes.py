"""Whether a checkpoint is as large as its config or header says, before a model of that size is made."""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch

from scope_widgets._untrusted import opening, parse_json, read_text

#: the most layers of a model whose weights are not at hand
MOST_LAYERS = 10_000
#: parameters that a model may have beyond four times what its weights hold: those are tied, or made anew
_MORE = 10_000_000
#: what a config must have at least one of, where it has it
_COUNTS = ("num_hidden_layers", "num_attention_heads", "num_key_value_heads", "hidden_size", "vocab_size")
#: types of numbers in a GGUF header, and those of bools, texts and arrays
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9
#: sizes that every GGUF header says: for others a reader takes those of the first model of the family, as 32 layers
_SAID = ("block_count", "embedding_length")
#: sizes in a GGUF header that are an axis of some tensor
_AXES = ("embedding_length", "feed_forward_length", "attention.head_count", "attention.head_count_kv", "vocab_size")


class Held(NamedTuple):
    """What weights hold: tensors, and numbers in them."""

    tensors: int
    numbers: int


def check_config(config: Any, auto: Any, folder: Path | None) -> None:
    """Raise ValueError where a config describes no model, or another than the weights in its folder are of.

    Parameters
    ----------
    config : PretrainedConfig
    auto
        The class of transformers that makes its model.
    folder : Path or None
        Where the weights are; None where they have not been fetched.
    """
    text = config.get_text_config()
    for name in _COUNTS:
        value = getattr(text, name, None)
        if isinstance(value, int) and value < 1:
            raise ValueError(f"its config.json says {name} {value}, and a model has one or more")
    held = None if folder is None else weights_of(folder, getattr(config, "transformers_weights", None))
    layers = getattr(text, "num_hidden_layers", None)
    most = MOST_LAYERS if held is None else held.tensors
    if isinstance(layers, int) and layers > most:
        raise ValueError(f"its config.json says {layers:,} layers, and its weights hold {most:,} tensors at most")
    if held is not None and not getattr(config, "quantization_config", None):
        _check_parameters(config, auto, held)


def weights_of(folder: Path, named: str | None = None) -> Held | None:
    """Return what the safetensors files that transformers loads of a folder hold, by their headers; None without them.

    Parameters
    ----------
    folder : Path
        What else lies in it, such as adapters or one part for another program, does not count.
    named : str, optional
        The file, or index, that its config says to load (`transformers_weights`).
    """
    names = (named,) if named else ("model.safetensors", "model.safetensors.index.json")
    first = next((folder / name for name in names if (folder / name).is_file()), None)
    if first is None:
        return None
    files = [first]
    if first.suffix == ".json":
        files = [folder / name for name in sorted(set(parse_json(read_text(first))["weight_map"].values()))]
    if not all(file.is_file() for file in files):
        return None  # loading it says which there is not
    found = [shape for file in files for shape in _shapes(file)]
    return Held(len(found), sum(map(math.prod, found)))


def _shapes(file: Path) -> Iterator[list[int]]:
    with file.open("rb") as opened:
        n = int.from_bytes(opened.read(8), "little")
        header = parse_json(opened.read(n)) if n <= file.stat().st_size else {}
    for name, entry in header.items():
        if name != "__metadata__":
            yield entry["shape"]


def _check_parameters(config: Any, auto: Any, held: Held) -> None:
    try:
        with torch.device("meta"):
            model = auto.from_config(config)
    except (ValueError, KeyError):
        return  # what has code of its own, or is of no known class, is refused when it is loaded
    n = sum(parameter.numel() for parameter in model.parameters())
    if n > 4 * held.numbers + _MORE:
        raise ValueError(
            f"its config.json is of a model of {n:,} parameters, and its weights hold {held.numbers:,}: it is the "
            "config of another model"
        )


def check_gguf(path: Path) -> None:
    """Raise ValueError where the header of a GGUF file says more layers, or wider ones, than its tensors are.

    Raises
    ------
    Exception
        Of the reader, where the header is damaged.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        header = _Header(data)
        magic, version, n_tensors, n_fields = header.take("4sIQQ")
        if magic != b"GGUF" or version not in (2, 3) or max(n_tensors, n_fields) * 8 > len(data):
            raise ValueError("it does not begin as a GGUF file does, or says that it holds more than it can")
        fields = dict(header.field() for _ in range(n_fields))
        shapes = [header.shape() for _ in range(n_tensors)]
    family = fields.get("general.architecture")
    for name in (f"{family}.{size}" for size in _SAID):
        if not isinstance(fields.get(name), int):
            raise ValueError(f"its header does not say {name}")
    longest = max((axis for shape in shapes for axis in shape), default=0)
    for name, value in fields.items():
        if not isinstance(value, int):
            continue
        if name.endswith(".block_count") and not 0 < value <= n_tensors:
            raise ValueError(f"its header says {value:,} layers, and it holds {n_tensors:,} tensors")
        if name.endswith(tuple(f".{axis}" for axis in _AXES)) and not 0 <= value <= longest:
            raise ValueError(f"its header says {name} {value:,}, and its longest tensor has {longest:,}")


class _Header:
    """Reads the header of a GGUF file from its beginning."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data, self._at = data, 0

    def take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{form}", self._data, self._at)
        self._at += struct.calcsize(f"<{form}")
        return values

    def skip(self, n: int) -> None:
        if self._at + n > len(self._data):
            raise ValueError("its header is longer than it is")
        self._at += n

    def text(self) -> str:
        (n,) = self.take("Q")
        begin = self._at
        self.skip(n)
        return self._data[begin : self._at].decode("utf-8", "replace")

    def field(self) -> tuple[str, Any]:
        """Return a field's name and its number or text, None for arrays."""
        name = self.text()
        (kind,) = self.take("I")
        if kind == _TEXT:
            return name, self.text()
        if kind == _ARRAY:
            of, n = self.take("IQ")
            if of in _NUMBERS:
                self.skip(n * struct.calcsize(_NUMBERS[of]))
            elif of == _TEXT:
                for _ in range(n):
                    self.skip(*self.take("Q"))
            else:
                raise ValueError(f"its header holds {opening(name)} of an unknown type")
        elif kind in _NUMBERS:
            (number,) = self.take(_NUMBERS[kind])
            return name, number
        else:
            raise ValueError(f"its header holds {opening(name)} of an unknown type")
        return name, None

    def shape(self) -> tuple[int, ...]:
        """Return the shape of the next tensor."""
        self.text()
        (n,) = self.take("I")
        if n > 8:
            raise ValueError("its header holds a tensor of more than 8 axes")
        shape = self.take(f"{n}Q")
        self.take("IQ")
        return shape
