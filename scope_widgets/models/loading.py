"""Loading a model: the one in the package, a folder, a GGUF file, or a hub id."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scope_widgets.models.tokens import Tokenizer

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

DEMO = Path(__file__).parent / "demo"


class ModelNotFoundError(ValueError):
    """A model could not be loaded by its name; the message says what was tried."""


def load(
    name: str | Path, *, dtype: torch.dtype | str | None, revision: str | None, device: str | None
) -> tuple[PreTrainedModel, Tokenizer, str]:
    """Load a causal language model and its tokenizer.

    Parameters
    ----------
    name : str or Path
        "demo", a folder with a config.json, a .gguf file, or a hub id.
    dtype : torch.dtype or str, optional
        None: the one that the weights are stored in.
    revision : str, optional
        Branch, tag or commit on the hub.
    device : str, optional
        None: the CPU.

    Returns
    -------
    model : PreTrainedModel
        In evaluation mode.
    tokenizer : PreTrainedTokenizerBase
    model_id : str
        The name to show: "demo", the folder's or file's, or the hub id.

    Raises
    ------
    ModelNotFoundError
        When there is no such model, or it cannot be read.
    """
    if str(name) == "demo":
        with _without_progress_bar():
            return *_from_pretrained(DEMO, dtype, device), "demo"
    path = Path(name).expanduser()
    if path.is_file() and path.suffix == ".gguf":
        return *_from_gguf(path, dtype, device), path.stem
    if path.is_dir():
        if not (path / "config.json").exists():
            raise ModelNotFoundError(
                f"The folder {path} holds no model: expected a config.json in it, as save_pretrained() writes."
            )
        try:
            return *_from_pretrained(path, dtype, device), path.resolve().name
        except (OSError, ValueError) as error:
            raise ModelNotFoundError(f"The model in {path} could not be loaded: {_first_line(error)}") from error
    try:
        return *_from_pretrained(name, dtype, device, revision), str(name)
    except (OSError, ValueError) as error:
        raise ModelNotFoundError(
            f"No model {str(name)!r}: it is not 'demo', {path.absolute()} is neither a folder with a config.json nor a "
            f".gguf file, and asking the hub for it failed: {_first_line(error)}"
        ) from error


def _from_pretrained(
    source: str | Path, dtype: torch.dtype | str | None, device: str | None, revision: str | None = None, **extra: Any
) -> tuple[PreTrainedModel, Tokenizer]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model: Any = AutoModelForCausalLM.from_pretrained(source, dtype=dtype or "auto", revision=revision, **extra)
    tokenizer = AutoTokenizer.from_pretrained(source, revision=revision, **extra)
    return (model if device is None else model.to(device)).eval(), tokenizer


@contextmanager
def _without_progress_bar() -> Iterator[None]:
    """Load without transformers' progress bar, which is not worth a line for a model this small."""
    from transformers.utils import logging as hf_logging

    logging: Any = hf_logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _from_gguf(path: Path, dtype: torch.dtype | str | None, device: str | None) -> tuple[PreTrainedModel, Tokenizer]:
    try:
        import gguf  # noqa: F401
    except ImportError as error:
        raise ModelNotFoundError(
            f"{path.name} is a GGUF file; reading it needs two more packages: pip install 'scope-widgets[gguf]'."
        ) from error
    try:
        return _from_pretrained(path.parent, dtype or "float32", device, gguf_file=path.name)
    except Exception as error:  # the readers raise anything on a damaged file
        raise ModelNotFoundError(f"{path} could not be read as a GGUF model: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
