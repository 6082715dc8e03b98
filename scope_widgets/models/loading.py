"""Loading a model: the one in the package, a folder, an adapter on its base, a GGUF file, or a hub id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from safetensors import SafetensorError

from scope_widgets._types import Prompt
from scope_widgets._untrusted import check_name, opening, why
from scope_widgets.models import adapters
from scope_widgets.models.checked_device import check_dtype, checked_device
from scope_widgets.models.checkpoint_sizes import check_config, check_gguf
from scope_widgets.models.tokens import Tokenizer, check_tokenizer

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

DEMO = Path(__file__).parent / "demo"


class ModelNotFoundError(ValueError):
    """A model could not be loaded by its name; the message says what was tried."""


class Loaded(NamedTuple):
    """A model in evaluation mode, its tokenizer, and the name to show: "demo", the folder's or file's, or the hub id.

    A model with an adapter is in PEFT's wrapper, and the name is its base's.
    """

    model: PreTrainedModel
    tokenizer: Tokenizer
    model_id: str


class Options(NamedTuple):
    """How a model is loaded, each as `Microscope.load` takes it."""

    device: str | None = None
    dtype: torch.dtype | str | None = None
    device_map: Any = None
    quantization_config: Any = None
    attn_implementation: str | None = None
    trust_remote_code: bool = False

    def check(self) -> None:
        """Raise ValueError where two of them contradict each other."""
        if self.device is not None and self.device_map is not None:
            raise ValueError(
                f"device={self.device!r} and device_map={self.device_map!r} both say where the model goes: give one."
            )
        if self.device is not None:
            checked_device(self.device)
        if self.dtype not in (None, "auto"):
            check_dtype(self.dtype)

    def check_remote(self, source: Prompt | None) -> None:
        """Raise ValueError where one is given, or a source, for a model on a server."""
        if source is not None:
            raise ValueError(
                "source= is what an encoder reads, and encoder-decoder models are not run on a server: load the model "
                "without remote=True."
            )
        if self != Options():
            raise ValueError(
                f"{', '.join(self._fields[:-1])} and {self._fields[-1]} are the server's choice: leave them out with "
                "remote=True."
            )


def load(name: str | Path, options: Options, *, revision: str | None = None) -> Loaded:
    """Load a language model and its tokenizer.

    Parameters
    ----------
    name : str or Path
        "demo", a folder with a config.json or an adapter_config.json, a .gguf file, or a hub id.
    options : Options
    revision : str, optional
        Branch, tag or commit on the hub.

    Returns
    -------
    Loaded

    Raises
    ------
    ModelNotFoundError
        When there is no such model, or it cannot be read, or lacks tensors.
    TypeError
        For a name that is no text and no path.
    """
    if not isinstance(name, (str, Path)):
        raise TypeError(
            f"A model is loaded by its name: 'demo', a folder, a .gguf file or a hub id; got a {type(name).__name__}. "
            "A model that is loaded already goes in with Microscope.for_model(model, tokenizer)."
        )
    options.check()
    if str(name) == "demo":
        with _without_progress_bar():
            return Loaded(*_from_pretrained(DEMO, options), "demo")
    path = _path(name)
    if path.is_file() and path.suffix == ".gguf":
        return Loaded(*_from_gguf(path, options), path.stem)
    if path.is_dir():
        if not any((path / file).exists() for file in ("config.json", adapters.CONFIG)):
            raise ModelNotFoundError(
                f"The folder {path} holds no model: expected a config.json in it, as save_pretrained() writes, or the "
                f"{adapters.CONFIG} of an adapter."
            )
        source, shown, failed = str(path), path.resolve().name, f"The model in {path} could not be loaded"
    else:
        source = shown = str(name)
        failed = (
            f"No model {source!r}: it is not 'demo', {path.absolute()} is neither a folder with a config.json nor a "
            ".gguf file, and asking the hub for it failed"
        )
    try:
        adapter = adapters.find_adapter(source, revision)
        if adapter is not None:
            return _from_adapter(source, shown, adapter, options, revision)
        return Loaded(*_from_pretrained(source, options, revision), shown)
    except Exception as error:  # the readers raise anything on what is damaged
        raise ModelNotFoundError(f"{failed}: {_reason(error)}") from error


def _path(name: str | Path) -> Path:
    """Return a name as a path; raise ModelNotFoundError where no file and no model can be called so."""
    text = str(name)
    try:
        if not text.strip():
            raise ValueError("it is empty")
        return check_name(text).expanduser()
    except (ValueError, RuntimeError) as error:  # RuntimeError: there is no such home
        raise ModelNotFoundError(
            f"{opening(text)} names no model: {why(error)}. Give 'demo', a folder, a .gguf file or a hub id."
        ) from None


def _from_pretrained(
    source: str | Path, options: Options, revision: str | None = None, **extra: Any
) -> tuple[PreTrainedModel, Tokenizer]:
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    shared = {"revision": revision, "trust_remote_code": options.trust_remote_code, **extra}
    # the header of a GGUF file is slow to read, and is read for the model and its tokenizer already
    config = None if extra else AutoConfig.from_pretrained(source, **shared)
    device_map = options.device_map
    if options.device is not None and (options.quantization_config or getattr(config, "quantization_config", None)):
        device_map = {"": options.device}  # quantised weights cannot be moved afterwards
    placed = {"device_map": device_map, "quantization_config": options.quantization_config,
              "attn_implementation": options.attn_implementation}  # fmt: skip
    auto: Any = AutoModelForCausalLM if config is None else _auto_class(config)
    if config is not None and not getattr(config, "auto_map", None):
        check_config(config, auto, Path(source) if Path(source).is_dir() else None)
    model, found = auto.from_pretrained(
        source,
        dtype=options.dtype or "auto",
        output_loading_info=True,
        **shared,
        **{option: value for option, value in placed.items() if value is not None},
    )
    if missing := sorted(found["missing_keys"]):
        raise ModelNotFoundError(
            f"its weights lack {len(missing)} of the tensors of a {type(model).__name__}, which would be random: "
            f"{', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}. Save the whole model again, or give it to "
            "Microscope.for_model as it is."
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **shared)
        check_tokenizer(tokenizer)
    except Exception as error:  # as of the model
        reason = "there is none." if "backend tokenizer" in str(error) else _reason(error)
        raise ModelNotFoundError(
            f"no tokenizer can be made of what lies beside its weights: {reason} Put one there with "
            "tokenizer.save_pretrained(folder), or give both to Microscope.for_model(model, tokenizer)."
        ) from error
    return (model if options.device is None or device_map is not None else model.to(options.device)).eval(), tokenizer


def _auto_class(config: Any) -> Any:
    """Return the class that loads an architecture: that of decoders, alone or beside encoders, or of encoders."""
    from transformers import (
        AutoModelForCausalLM,
        AutoModelForImageTextToText,
        AutoModelForMaskedLM,
        AutoModelForSeq2SeqLM,
    )
    from transformers.models.auto import modeling_auto

    tables = {
        AutoModelForCausalLM: modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        AutoModelForSeq2SeqLM: modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
        AutoModelForImageTextToText: modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
        AutoModelForMaskedLM: modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    }
    code = getattr(config, "auto_map", None) or {}
    architecture = next(iter(config.architectures or ()), None)
    of_type = [auto for auto, names in tables.items() if config.model_type in names]
    exact = [auto for auto in of_type if architecture in _listed(tables[auto][config.model_type])]
    own = [auto for auto in tables if auto.__name__ in code]
    return next(iter([*own, *exact, *reversed(of_type)]), AutoModelForCausalLM)


def _listed(names: str | Sequence[str]) -> Sequence[str]:
    return (names,) if isinstance(names, str) else names


def _from_adapter(source: str, shown: str, adapter: adapters.Adapter, options: Options, revision: str | None) -> Loaded:
    if find_spec("peft") is None:
        raise ModelNotFoundError(
            "it is an adapter; reading it needs one more package: pip install 'scope-widgets[peft]'."
        )
    base = load(adapter.base, options, revision=adapter.revision)
    model = adapters.put_on(base.model, source, shown.rsplit("/", 1)[-1], revision)
    return Loaded(model, _own_tokenizer(source, base, revision), base.model_id)


def _own_tokenizer(source: str, base: Loaded, revision: str | None) -> Tokenizer:
    """Return the tokenizer that an adapter was saved with, which may know more tokens; without one its base's."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            source, revision=revision, config=base.model.config, trust_remote_code=False
        )
        check_tokenizer(tokenizer)  # where the adapter has none, transformers may make one that knows no words
        return tokenizer
    except (OSError, ValueError):
        return base.tokenizer


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


def _from_gguf(path: Path, options: Options) -> tuple[PreTrainedModel, Tokenizer]:
    if find_spec("gguf") is None:
        raise ModelNotFoundError(
            f"{path.name} is a GGUF file; reading it needs two more packages: pip install 'scope-widgets[gguf]'."
        )
    try:
        check_gguf(path)
        with TemporaryDirectory() as folder:  # where no tokenizer.json lies beside it, which would be taken for its own
            _link(path, Path(folder) / path.name)
            options = options._replace(dtype=options.dtype or "float32")
            model, tokenizer = _from_pretrained(folder, options, gguf_file=path.name)
    except Exception as error:  # the readers raise anything on a damaged file
        raise ModelNotFoundError(f"{path} could not be read as a GGUF model: {_reason(error)}") from error
    model.config._name_or_path = model.name_or_path = tokenizer.name_or_path = str(path)
    return model, tokenizer


def _link(path: Path, name: Path) -> None:
    for link in (Path.symlink_to, Path.hardlink_to):  # Windows allows the first to few users
        try:
            link(name, path.resolve())
            return
        except OSError:
            continue
    copyfile(path, name)


def _reason(error: Exception) -> str:
    if "trust_remote_code" in str(error):
        return (
            "it has Python code of its own, which runs with all your rights. Where you have read it and trust it, say "
            "trust_remote_code=True, or load the model yourself and give it to Microscope.for_model."
        )
    if "ignore_mismatched_sizes" in str(error):
        return "its weights have other shapes than its config.json says."
    words = [*dict.fromkeys(line.strip() for line in str(error).splitlines() if line.strip())][:3]
    said = " ".join(words) or "it is damaged"
    known = isinstance(error, (OSError, ValueError, RuntimeError, ImportError, SafetensorError))
    said = said if known and not isinstance(error, RecursionError) else f"{type(error).__name__}: {said}"
    return said if said.endswith((".", "!", "?")) else f"{said}."
