"""Finding a model: the one in the package, a folder, a GGUF file, or a hub id."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DEMO = Path(__file__).parent / "demo"


class ModelNotFoundError(ValueError):
    """No model could be loaded under the name; the message says what was tried."""


def load(name: str | Path, *, dtype: Any, revision: str | None, device: str | None) -> tuple[Any, Any, str]:
    """Load a causal language model and its tokenizer; gives both and the name to show.

    Raises
    ------
    ModelNotFoundError
    """
    if str(name) == "demo":
        with _quietly():
            return *_from(DEMO, dtype, device), "demo"
    path = Path(name).expanduser()
    if path.is_file() and path.suffix == ".gguf":
        return *_from_gguf(path, dtype, device), path.stem
    if path.is_dir():
        if not (path / "config.json").exists():
            raise ModelNotFoundError(
                f"The folder {path} holds no model: expected a config.json in it, as save_pretrained() writes."
            )
        try:
            return *_from(path, dtype, device), path.resolve().name
        except (OSError, ValueError) as error:
            raise ModelNotFoundError(f"The model in {path} could not be loaded: {_first_line(error)}") from error
    try:
        return *_from(name, dtype, device, revision), str(name)
    except (OSError, ValueError) as error:
        raise ModelNotFoundError(
            f"No model {str(name)!r}: it is not 'demo', {path.absolute()} is neither a folder with a config.json nor a "
            f".gguf file, and asking the hub for it failed: {_first_line(error)}"
        ) from error


def _from(source: str | Path, dtype: Any, device: str | None, revision: str | None = None, **extra: Any) -> Any:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model: Any = AutoModelForCausalLM.from_pretrained(source, dtype=dtype or "auto", revision=revision, **extra)
    tokenizer = AutoTokenizer.from_pretrained(source, revision=revision, **extra)
    return (model if device is None else model.to(device)).eval(), tokenizer


@contextmanager
def _quietly() -> Iterator[None]:
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


def _from_gguf(path: Path, dtype: Any, device: str | None) -> Any:
    try:
        import gguf  # noqa: F401
    except ImportError as error:
        raise ModelNotFoundError(
            f"{path.name} is a GGUF file; reading it needs two more packages: pip install 'scope-widgets[gguf]'."
        ) from error
    try:
        return _from(path.parent, dtype or "float32", device, gguf_file=path.name)
    except Exception as error:  # the readers raise whatever a damaged file makes them trip over
        raise ModelNotFoundError(f"{path} could not be read as a GGUF model: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
