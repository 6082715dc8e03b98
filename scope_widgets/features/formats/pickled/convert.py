"""`convert`: an SAE out of a pickle, without running anything of it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from scope_widgets._files import check_folder
from scope_widgets._untrusted import check_name, opening, reading
from scope_widgets.features.formats.check_finite import check_finite
from scope_widgets.features.formats.files import header_of, read_config, read_tensors
from scope_widgets.features.formats.pickled import dictionary_learning, goodfire, openai, qwen_scope, read_pickle
from scope_widgets.features.sae.sae import SAE

_LIBRARIES = (openai, goodfire, qwen_scope, dictionary_learning)


def convert(pickle: str | Path, folder: str | Path, *, k: int | None = None) -> SAE:
    """Read an SAE that `torch.save` wrote, and save it as safetensors, in the layout that `features.load` reads.

    Known are the files of dictionary_learning (`ae.pt`, whose `config.json` beside it says the class), OpenAI's
    sparse_autoencoder, Goodfire and Qwen Scope. A pickle can run code when it is read: another process reads this one,
    with `weights_only=True`, which takes tensors, numbers and texts alone.

    Parameters
    ----------
    pickle : str or Path
        The file. Model, layer and k are read from its path where they stand in it.
    folder : str or Path
        Where the SAE is saved.
    k : int, optional
        How many latents fire, of a TopK whose file does not say it.

    Returns
    -------
    SAE
        `dataclasses.replace(sae, layer=...)` says of which layer it is, where its path does not.

    Raises
    ------
    FileNotFoundError, ValueError
        Where there is no such file, it is no pickle of weights alone, or of a library that is not known.

    Examples
    --------
    >>> features.convert(folder / "ae.pt", folder / "sae")
    Traceback (most recent call last):
    FileNotFoundError: There is no file ...ae.pt': give the file that torch.save wrote.
    """
    path, folder = check_name(pickle), check_folder(folder)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)[:200]!r}: give the file that torch.save wrote.")
    beside = path.with_name("config.json")
    config = read_config(beside, "dictionary_learning") if beside.is_file() else {}
    with tempfile.TemporaryDirectory() as kept:
        weights = Path(kept) / "weights.safetensors"
        _rewrite(path, weights)
        tensors, values = read_tensors(weights), json.loads(header_of(weights).get("values", "{}"))
    with reading(f"{str(path)!r} is no SAE that is known"):
        sae = _sae(tensors, {**config, **values}, str(path.resolve()), k)
    check_finite(sae, str(path))
    sae.save(folder)
    return sae


def _rewrite(path: Path, weights: Path) -> None:
    """Write the tensors of a pickle as safetensors, in another process."""
    program = [sys.executable, "-I", str(read_pickle.__file__), str(path.resolve()), str(weights)]
    done = subprocess.run(program, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise ValueError(
            f"{str(path)!r} is no file of torch.save with tensors, numbers and texts alone, and nothing else is read "
            f"({_reason(path, done.stderr)})."
        )


def _reason(path: Path, stderr: str) -> str:
    """Return why a file was not read, in words of ours: torch's own tell how to read it nevertheless."""
    with path.open("rb") as file:
        begins = file.read(2)
    if begins != b"PK" and begins[:1] != b"\x80":  # a zip file of torch's, or a pickle
        return "it does not begin as such a file"
    if "unsupported" in stderr.lower():
        return "it holds objects of other classes, which may run code, or is another kind of pickle"
    if "MemoryError" in stderr or "allocate memory" in stderr:
        return "it asks for more memory than a file of its size needs"
    return "it is damaged, or holds something else"


def _sae(tensors: Any, config: dict[str, Any], path: str, k: int | None) -> SAE:
    for library in _LIBRARIES:
        if library.is_known(set(tensors)):
            found: SAE = library.sae_of(tensors, config, path, k)
            return found
    raise ValueError(
        f"it holds {opening(', '.join(sorted(tensors)[:8]) or 'no tensors')}; known are dictionary_learning, OpenAI's "
        "sparse_autoencoder, Goodfire and Qwen Scope"
    )
