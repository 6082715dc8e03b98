"""`Microscope`: a model that can be traced, watched and run."""

from __future__ import annotations

import importlib
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar, overload

import torch
from torch import Tensor

from scope_widgets._job import Job
from scope_widgets._reproducing_calls import python_call
from scope_widgets._types import Prompt, Prompts
from scope_widgets.models import adapters, loading
from scope_widgets.models.architecture.anatomy import Anatomy, UnsupportedModelError
from scope_widgets.models.architecture.module_lookup import named
from scope_widgets.models.attention.attention_function import uses_attention_interface
from scope_widgets.models.encoder_decoder.source import EncodedSource, decoder_tokenizer, encoded
from scope_widgets.models.execution.activation_edits import (
    Editor,
    Edits,
    HookPoint,
    check_edits,
    returning_a_value,
)
from scope_widgets.models.execution.assemble_trace import assemble_trace
from scope_widgets.models.execution.cached_run import CachedRun, ResumeMode
from scope_widgets.models.execution.call_recorder import recording
from scope_widgets.models.execution.model_validation import is_tested, measured
from scope_widgets.models.execution.nnsight_model import NNsightModel
from scope_widgets.models.execution.read_activations import read_activations
from scope_widgets.models.execution.recorder import Recorder, record
from scope_widgets.models.execution.resume_mode import measured_resume_mode
from scope_widgets.models.guards.locks import exclusive, held
from scope_widgets.models.guards.module_hooks import is_hooked
from scope_widgets.models.guards.restore_on_exit import finish_broken, recording_gradients, with_block
from scope_widgets.models.input_device import input_device
from scope_widgets.models.memory_estimate import Estimate, estimate_for
from scope_widgets.models.remote_dispatch import call_in_process, local_steps
from scope_widgets.models.run_arguments import check_token_ids, checked_logits, wanted_sites
from scope_widgets.models.tokens import as_given, check_tokenizer, encode, pad
from scope_widgets.models.weights.weight_version import weights_state, weights_version
from scope_widgets.traces.pending_trace import PendingTrace
from scope_widgets.traces.trace import Trace
from scope_widgets.traces.trace_data import KeptLogits

P = ParamSpec("P")
T = TypeVar("T")

#: what only this package uses
_INTERNAL = frozenset({"call", "calls", "has_gradients", "interactive", "weights_version", "wrapped"})
#: the microscope of models on a server, which no module of this floor imports
_REMOTE = "scope_widgets.remote.microscope"


class Microscope(ABC):
    """A causal language model under the microscope.

    Make one with `Microscope.load` or `Microscope.for_model`. The model is left as it is: what a trace needs is put on
    for its duration and taken off again, also after an error. Its weights change only where you ask for it
    (`scope_widgets.editing`). A model in this process is a `LocalMicroscope`, which can also `watch` and `run`.

    Attributes
    ----------
    model : torch.nn.Module
        The Hugging Face model; of a model that runs elsewhere its shapes, without numbers.
    tokenizer
        Its tokenizer.
    model_id : str
        Hub id, folder name, or "local".
    revision : str or None
        Commit of the weights where they came from a hub.
    anatomy : Anatomy
        Its parts and sizes under uniform names; of an encoder-decoder model those of its decoder.
    source : EncodedSource or None
        What the encoder of an encoder-decoder model reads: `source.tokens`, `source.token_ids`.
    """

    model: Any
    tokenizer: Any
    model_id: str
    revision: str | None
    anatomy: Anatomy
    source: EncodedSource | None = None
    #: whether an answer comes soon enough to follow a slider that is dragged
    interactive: bool = True
    #: whether gradients can be taken
    has_gradients: bool = True
    #: the Python call that loads it again, as long as its weights are those that were loaded; else empty
    calls: tuple[str, ...] = ()

    # --- how to get one ---------------------------------------------------------------------------------------------

    @overload
    @classmethod
    def load(
        cls,
        name: str | Path,
        *,
        device: str | None = None,
        dtype: Any = None,
        revision: str | None = None,
        device_map: Any = None,
        quantization_config: Any = None,
        attn_implementation: str | None = None,
        trust_remote_code: bool = False,
        remote: Literal[False] = False,
        source: Prompt | None = None,
    ) -> LocalMicroscope: ...
    @overload
    @classmethod
    def load(
        cls,
        name: str | Path,
        *,
        remote: bool,
        device: str | None = None,
        dtype: Any = None,
        revision: str | None = None,
        device_map: Any = None,
        quantization_config: Any = None,
        attn_implementation: str | None = None,
        trust_remote_code: bool = False,
        host: str | None = None,
        api_key: str | None = None,
        timeout: float = 600.0,
        source: Prompt | None = None,
    ) -> Microscope: ...
    @classmethod
    def load(
        cls,
        name: str | Path,
        *,
        device: str | None = None,
        dtype: Any = None,
        revision: str | None = None,
        device_map: Any = None,
        quantization_config: Any = None,
        attn_implementation: str | None = None,
        trust_remote_code: bool = False,
        remote: bool = False,
        host: str | None = None,
        api_key: str | None = None,
        timeout: float = 600.0,
        source: Prompt | None = None,
    ) -> Microscope:
        """Load a model.

        Parameters
        ----------
        name : str or Path
            "demo" (the small model in this package), a folder, a .gguf file, or a hub id; of an adapter (LoRA) too,
            which is loaded on its base.
        device : str, optional
            Where to put it, such as "cuda"; the CPU by default.
        dtype : optional
            Such as "float32"; as the weights were saved by default.
        revision : str, optional
            Commit, tag or branch on the hub.
        device_map, quantization_config, attn_implementation : optional
            As transformers' `from_pretrained` takes them. What needs single matrices refuses quantised ones.
        trust_remote_code : bool, default False
            Run Python code that lies beside the weights; where there is such, a model is refused without.
        remote : bool, default False
            Run it on an NDIF server instead of loading it, see docs/remote.md.
        host, api_key : str, optional
            The server's address and your key; NDIF_HOST and NDIF_API_KEY by default.
        timeout : float, default 600.0
            Seconds that one request to the server may take, its queue included.
        source : str or token ids, optional
            What the encoder of an encoder-decoder model reads, see `for_model`.

        Raises
        ------
        ModelNotFoundError
            When there is no such model, or its weights are not whole; says what was tried.
        UnsupportedModelError
            When the model is of a family that this package does not know, or an encoder-decoder model without a source.

        Examples
        --------
        >>> Microscope.load("demo")
        Microscope(demo, 4 layers, 4 heads, d_model 128)
        """
        options = loading.Options(
            device, dtype, device_map, quantization_config, attn_implementation, trust_remote_code
        )
        if remote:
            options.check_remote(source)
            return importlib.import_module(_REMOTE).load(str(name), revision, host, api_key, timeout)  # type: ignore[no-any-return]
        model, tokenizer, model_id = loading.load(name, options, revision=revision)
        commit = getattr(model.config, "_commit_hash", None)
        scope = LocalMicroscope(model, tokenizer, model_id, commit, source=source)
        said = {**options._asdict(), "dtype": None if dtype is None else str(dtype).removeprefix("torch.")}
        del said["trust_remote_code"]
        scope._remember_load(
            python_call("Microscope.load", ("name", str(name)), **said, revision=commit or revision, source=source)
        )
        return scope

    @classmethod
    def for_model(
        cls, model: Any, tokenizer: Any, model_id: str | None = None, *, source: Prompt | None = None
    ) -> LocalMicroscope:
        """Put a model under the microscope that is loaded already.

        Parameters
        ----------
        model : torch.nn.Module
            A Hugging Face causal language model or encoder-decoder model, PEFT's wrapper around one, or what
            `torch.compile` returned for one.
        tokenizer
            Its tokenizer.
        model_id : str, optional
            Its name in provenances; the one it was loaded by by default. Give one for a model whose adapter was merged:
            its weights do not say so. Adapters on its layers are added to the name.
        source : str or token ids, optional
            What the encoder of an encoder-decoder model (T5, BART) reads, once. Prompts are then what its decoder
            reads: texts begin with the decoder's start token, token ids are taken as they are. The parts are the
            decoder's; its attention over the source is `trace.cross_attention(layer)`, with `trace.source_tokens`.

        Raises
        ------
        UnsupportedModelError
            When the model is of a family that this package does not know, or an encoder-decoder model without a source.
        ValueError
            For a source where there is no encoder, or one that it cannot read.

        Examples
        --------
        >>> scope = Microscope.for_model(t5, tokenizer, source="to German: The house")  # doctest: +SKIP
        >>> scope.trace("Das Haus").cross_attention(0).shape  # [head, position, source position]  # doctest: +SKIP
        torch.Size([8, 3, 9])
        """
        name = model_id or getattr(getattr(model, "config", None), "_name_or_path", "") or "local"
        return LocalMicroscope(model, tokenizer, name, source=source)

    # --- what it is -------------------------------------------------------------------------------------------------

    @property
    def n_layers(self) -> int:
        """Number of blocks."""
        return self.anatomy.n_layers

    @property
    def n_heads(self) -> int:
        """Number of query heads of each block."""
        return self.anatomy.n_heads

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return self.anatomy.d_model

    def __repr__(self) -> str:
        """Say which model it is and its sizes."""
        a = self.anatomy
        kv = "" if a.n_kv_heads == a.n_heads else f" over {a.n_kv_heads} key-value heads"
        return f"Microscope({self.model_id}, {a.n_layers} layers, {a.n_heads} heads{kv}, d_model {a.d_model})"

    def __dir__(self) -> list[str]:
        """Return what is public."""
        return sorted(name for name in super().__dir__() if not name.startswith("_") and name not in _INTERNAL)

    # --- what it does -----------------------------------------------------------------------------------------------

    @abstractmethod
    def trace(
        self,
        prompt: Prompts,
        *,
        capture: Sequence[str] | None = None,
        modules: Sequence[str] = (),
        logits: KeptLogits = "all",
        prepend_bos: bool | None = None,
    ) -> Trace:
        """Run the model on a prompt, or several, and record what happens inside.

        Parameters
        ----------
        prompt : str, list of str, chat messages, token ids (list, list of lists, tensor), or what a tokenizer returned
            Several prompts give a trace with a batch axis. Chat messages, `[{"role": "user", "content": ...}]`, are
            written by the tokenizer's chat template.
        capture : sequence of str, optional
            Of "residual", "q", "k", "v", "attention", "z", "attention_out", "mlp_out"; all of them by default,
            but patterns that would take more than 512 MB are then computed only when they are asked for. Of an
            encoder-decoder model also "cross_attention" and "cross_attention_out".
        modules : sequence of str, default ()
            Names of modules, `*` for anything ("model.layers.*.mlp"), whose outputs are kept in `trace.modules`.
        logits : "all", "last" or None, default "all"
            Whose logits are computed and kept: of all positions, of the last of each prompt, or none. Of 1,000 tokens
            and a vocabulary of 262,144 all are 1 GB.
        prepend_bos : bool, optional
            Begin with the beginning-of-sequence token or not; as the tokenizer does by default. No text ever begins
            with two.

        Raises
        ------
        ValueError
            For an empty prompt, one that is longer than the context, a token id that the model lacks, an unknown
            quantity or module, or a model in training mode.

        Examples
        --------
        >>> trace = scope.trace("When Mary and John went to the store")
        >>> trace.attention(2).shape  # [head, query, key]
        torch.Size([4, 9, 9])
        """

    @abstractmethod
    def logits(self, token_ids: Tensor, edits: Edits | None = None) -> Tensor:
        """Run token ids `[batch, position]` of equal length, with changes inside.

        Parameters
        ----------
        token_ids : Tensor of int [batch, position]
        edits : mapping of (site, layer) to callable, optional
            Each gets a value as a trace arranges it, with the batch axis, and gives the new one: of "residual" (also
            that of layer `n_layers`), "q", "k", "v", "scores" (what the softmax gets), "attention", "z",
            "attention_out", "mlp_in" (what the MLP gets), "neurons" (what its last matrix gets), "mlp_out".

        Returns
        -------
        Tensor [batch, position, vocabulary]

        Raises
        ------
        TypeError
            For edits that are no functions by (site, layer).
        ValueError
            For what is no such tensor, a place that the model lacks, or an edit that returns no value in the shape that
            it got.

        Examples
        --------
        >>> ids = scope.trace("the horse").token_ids[None]
        >>> without = scope.logits(ids, {("mlp_out", 0): torch.zeros_like})
        >>> without.shape[:2] == ids.shape
        True
        """

    @abstractmethod
    def read_activations(self, rows: list[list[int]], points: Sequence[HookPoint]) -> dict[HookPoint, Tensor]:
        """Run prompts as far as the deepest of some places, and return what is there.

        Parameters
        ----------
        rows : list of list of int
            Token ids of each prompt.
        points : sequence of (site, layer)
            Of "residual" (also that of layer `n_layers`), "attention_out", "mlp_in", "mlp_out", "neurons", "z".

        Returns
        -------
        dict of (site, layer) to Tensor [prompt, position, d]
            Of z `[prompt, position, head, d_head]`; behind the end of a shorter prompt it means nothing.

        Examples
        --------
        >>> ids = scope.trace("the horse").token_ids.tolist()
        >>> scope.read_activations([ids], [("mlp_in", 1)])["mlp_in", 1].shape[:2] == (1, len(ids))
        True
        """

    @abstractmethod
    def submit_read(self, rows: list[list[int]], points: Sequence[HookPoint]) -> Job[dict[HookPoint, Tensor]]:
        """Return the job of `read_activations`, for who does not wait for the model.

        Parameters
        ----------
        rows : list of list of int
        points : sequence of (site, layer)

        Examples
        --------
        >>> ids = scope.trace("the horse").token_ids.tolist()
        >>> list(scope.submit_read([ids], [("residual", 2)]).result())
        [('residual', 2)]
        """

    @abstractmethod
    def generate(self, prompt: Prompt, *, max_new_tokens: int = 20, **options: Any) -> str:
        """Continue a prompt and return the new text only.

        Parameters
        ----------
        prompt : str, chat messages, or token ids
        max_new_tokens : int, default 20
        **options
            As transformers' `generate` takes them; greedily unless `do_sample=True` is among them.

        Raises
        ------
        UnsupportedModelError
            For a model that does not write texts, such as an encoder.

        Examples
        --------
        >>> scope.generate("When Mary and John went to the store, John gave a drink to", max_new_tokens=1)
        'Mary'
        """

    @abstractmethod
    def nnsight(self) -> AbstractContextManager[Any]:
        """Yield the nnsight model for traces of your own: `with scope.nnsight() as model, model.trace(prompt): ...`.

        Its modules have uniform names beside their own: `layers`, `self_attention`, `embed`, `final_norm`, `unembed`.
        """

    @abstractmethod
    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Job[T]:
        """Return the job of a call of an analysis with this model, to be gone through in steps.

        Parameters
        ----------
        function : callable
            Of this package, taking this microscope or what belongs to it (a trace, a session).

        Returns
        -------
        Job
            Iterating gives a `JobStatus` a step, `.result()` the function's result, `.cancel()` ends it.

        Examples
        --------
        >>> job = scope.submit(heads.score, scope.trace("one two one two"))
        >>> job.result().to_dataframe().shape[0] == scope.n_layers * scope.n_heads
        True
        """

    @abstractmethod
    def call(self, function: Callable[..., T], args: Sequence[Any], kwargs: Mapping[str, Any]) -> T:
        """Return what a remotable function returns that is called beside the model."""

    @abstractmethod
    def weights_version(self) -> int:
        """Return a number that changes when the weights do."""

    def estimate(
        self,
        prompt: int | Prompts,
        *,
        capture: Sequence[str] | None = None,
        logits: KeptLogits = "all",
        available: int | None = None,
    ) -> Estimate:
        """Say what a trace would take, without running it: bytes, peak memory, and how to go about it.

        Parameters
        ----------
        prompt : int, or str, list of str, or token ids
            A number of tokens, or what `trace` would be given.
        capture, logits : optional
            As in `trace`.
        available : int, optional
            Bytes that model and trace may take, of a remote model bytes to download; by default what is free where
            the model is, or 1 GB to download.

        Raises
        ------
        ValueError
            For what `trace` refuses, or where the system does not say how much memory is free.

        Examples
        --------
        >>> scope.estimate(64).strategy
        'in_memory'
        """
        rows = [[0] * prompt] if isinstance(prompt, int) else encode(self.tokenizer, prompt, None)[0]
        check_token_ids(self, rows)
        lengths = [len(row) for row in rows]
        wanted = wanted_sites(capture, self.anatomy, torch.empty(len(rows), max(lengths), device="meta"))
        return estimate_for(self.model, self.anatomy, lengths, wanted, checked_logits(logits), available)


class LocalMicroscope(Microscope):
    """A model in this process under the microscope."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        model_id: str = "local",
        revision: str | None = None,
        *,
        source: Prompt | None = None,
    ) -> None:
        # what torch.compile(model) was given, without PEFT's wrapper
        self.model = model = adapters.without_wrapper(getattr(model, "_orig_mod", model))
        self.tokenizer = self._own_tokenizer = tokenizer
        self._name, self._adapters = model_id, ""
        self.revision = revision
        self._static = Anatomy.of(model)
        self._wrapped: NNsightModel | None = None
        self._resume_mode: ResumeMode | None = None
        self._load = (0, ""), ""
        check_tokenizer(tokenizer)
        self.source = encoded(model, tokenizer, source)
        if self.source is not None:
            self.tokenizer = decoder_tokenizer(model, tokenizer)
        self.anatomy = measured(model, self._static, self.source)

    def _remember_load(self, call: str) -> None:
        self._load = (weights_state(self.model), adapters.adapter_names(self.model)), call

    @property
    def calls(self) -> tuple[str, ...]:  # type: ignore[override]
        """The call that loads it again; empty for a model that was given, or is not as it was loaded.

        That is: weights were written, adapters put on or taken off, or there are hooks, as those of `steering.steer`.
        """
        loaded, call = self._load
        if (
            not call
            or loaded != (weights_state(self.model), adapters.adapter_names(self.model))
            or is_hooked(self.model)
        ):
            return ()
        return (call,)

    @property
    def model_id(self) -> str:  # type: ignore[override]
        """Its name, after a plus the adapters on its layers as they are now, and what its encoder reads."""
        # where one has gone it was merged into the weights, or taken off, and which of them nobody can tell
        self._adapters = adapters.adapter_names(self.model) or self._adapters
        name = f"{self._name} + {self._adapters}" if self._adapters else self._name
        return name if self.source is None else f"{name} reading {textwrap.shorten(self.source.text, 60)!r}"

    # --- what it does -----------------------------------------------------------------------------------------------

    def trace(
        self,
        prompt: Prompts,
        *,
        capture: Sequence[str] | None = None,
        modules: Sequence[str] = (),
        logits: KeptLogits = "all",
        prepend_bos: bool | None = None,
    ) -> Trace:
        """Run the model on a prompt, or several, and record what happens inside, see `Microscope.trace`."""
        rows, texts, several = encode(self.tokenizer, prompt, prepend_bos)
        check_token_ids(self, rows)
        if self.model.training:
            raise ValueError("The model is in training mode, so dropout would change every trace: call model.eval().")
        ids, mask = pad(rows, input_device(self.model))
        keep = checked_logits(logits)
        at = None if keep == "all" else mask.sum(-1) - 1
        with exclusive(self.model, whole=True):
            wrapped = self._under_nnsight()
            recorder = Recorder(self.anatomy, wanted_sites(capture, self.anatomy, ids), named(self.model, modules))
            found = record(wrapped, self.model, recorder, {"input_ids": ids, "attention_mask": mask.long()}, at)
        kept = {"all": found, "last": found[:, 0], None: None}[keep]
        trace = assemble_trace(self, recorder, ids, mask, kept, texts, self.model_id, self.revision)
        trace = trace if several else trace[0]
        options = {"capture": capture, "modules": modules, "logits": logits, "prepend_bos": prepend_bos}
        calls = (*self.calls, python_call("scope.trace", ("prompt", as_given(prompt, rows)), **options))
        return replace(trace, provenance=replace(trace.provenance, calls=calls))

    @with_block
    def watch(
        self, *, capture: Sequence[str] | None = None, modules: Sequence[str] = (), logits: KeptLogits = "all"
    ) -> Iterator[Trace]:
        """Record the forward that the user runs inside: `with scope.watch() as trace: model(**inputs)`.

        The first whole forward of the block in this thread is recorded; `trace` is a `Trace` when the block ends.
        `capture`, `modules` and `logits` are those of `trace`, except that patterns are stored whatever their size, and
        that logits which the call leaves out are NaN. What torch.compile has compiled runs uncompiled in the block.

        Raises
        ------
        ValueError
            When the block ends and no forward was run, or one that is no whole forward of token ids.
        """
        wanted, watched, keep = wanted_sites(capture, self.anatomy), PendingTrace(), checked_logits(logits)
        with exclusive(self.model, watching=True):
            self._find_parts()
            recorder = Recorder(self.anatomy, wanted, named(self.model, modules))
            with recording(self.model, recorder) as seen:
                yield watched
        ids, mask, kept = seen.call(keep, self.source)
        trace = assemble_trace(self, recorder, ids, mask, kept, [None] * len(ids), self.model_id, self.revision)
        watched.become(trace if len(ids) > 1 else trace[0])

    def logits(self, token_ids: Tensor, edits: Edits | None = None) -> Tensor:
        """Run token ids `[batch, position]` with changes inside, see `Microscope.logits`."""
        if not isinstance(token_ids, torch.Tensor) or token_ids.ndim != 2:
            shape = getattr(token_ids, "shape", None)
            what = f"a {type(token_ids).__name__}" if shape is None else f"a tensor of shape {tuple(shape)}"
            raise ValueError(
                f"Expected token ids [batch, position], got {what}. Those of a prompt are "
                "scope.trace(prompt).token_ids[None]."
            )
        check_token_ids(self, token_ids.tolist())
        edits = edits or {}
        check_edits(edits, self.anatomy)
        with self.wrapped() as wrapped:
            inputs = {"input_ids": token_ids.to(input_device(self.model))}
            return Editor(wrapped, self.model, self.anatomy, returning_a_value(edits)).logits(inputs)

    def read_activations(self, rows: list[list[int]], points: Sequence[HookPoint]) -> dict[HookPoint, Tensor]:
        """Return what is at some places in prompts, see `Microscope.read_activations`."""
        return read_activations(self, rows, points)

    def submit_read(self, rows: list[list[int]], points: Sequence[HookPoint]) -> Job[dict[HookPoint, Tensor]]:
        """Return the job of `read_activations`, see `Microscope.submit_read`."""
        return self.submit(LocalMicroscope.read_activations, self, rows, points)

    def generate(self, prompt: Prompt, *, max_new_tokens: int = 20, **options: Any) -> str:
        """Continue a prompt, see `Microscope.generate`."""
        rows, _, _ = encode(self.tokenizer, prompt, None)
        if len(rows) > 1:
            raise ValueError(f"generate() continues one prompt; got {len(rows)}.")
        if not hasattr(self.model, "generate"):
            raise UnsupportedModelError(
                f"{type(self.model).__name__} does not continue texts. What it says at each token of a prompt is in "
                "scope.trace(prompt).logits."
            )
        check_token_ids(self, rows)
        ids, mask = pad(rows, input_device(self.model))
        options = {"do_sample": False, "pad_token_id": self.tokenizer.pad_token_id or 0, **options}
        if self.source is None:
            inputs = {"inputs": ids, "attention_mask": mask.long()}
        else:  # told that the prompt's first token is the start token, generate puts none before it
            inputs = {"inputs": torch.tensor([self.source.token_ids], device=ids.device), "decoder_input_ids": ids}
            options = {"num_beams": 1, "decoder_start_token_id": int(ids[0, 0]), **options}
        with held(self.model), recording_gradients(False):
            finish_broken()
            out = self.model.generate(**inputs, max_new_tokens=max_new_tokens, **options)
        return str(self.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True))

    def run(self, prompts: Prompts, capture: Sequence[str] = (), edits: Edits | None = None) -> CachedRun:
        """Run prompts so that they can be run again from the middle, see `CachedRun`.

        Parameters
        ----------
        prompts : str, list of str, chat messages, or token ids
        capture : sequence of str, default ()
            Quantities to keep beside those that running again needs.
        edits : mapping of (site, layer) to callable, optional
            As in `logits`; what is kept is kept after them.
        """
        rows, _, _ = encode(self.tokenizer, prompts, None)
        check_token_ids(self, rows)
        return CachedRun(self, rows, capture, edits or {}, self._measured_resume_mode())

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Job[T]:
        """Return the job of a call, whose steps run here, see `Microscope.submit`."""
        return Job(local_steps(function, args, kwargs))

    def call(self, function: Callable[..., T], args: Sequence[Any], kwargs: Mapping[str, Any]) -> T:
        """Return what a function returns."""
        return call_in_process(function, args, dict(kwargs))

    def weights_version(self) -> int:
        """Return a number that changes when the weights do."""
        return weights_version(self.model)

    @with_block
    def wrapped(self) -> Iterator[NNsightModel]:
        """Yield the model under nnsight, held by this thread alone."""
        with exclusive(self.model):
            yield self._under_nnsight()

    @with_block
    def nnsight(self) -> Iterator[Any]:
        """Yield the nnsight model, see `Microscope.nnsight`."""
        with self.wrapped() as wrapped, wrapped.controllers():
            yield wrapped.nnsight

    # --- inside -----------------------------------------------------------------------------------------------------

    def _under_nnsight(self) -> NNsightModel:
        """Give the model under nnsight, wrapped anew where its modules have changed."""
        if self._wrapped is None or not self._wrapped.current:
            self._find_parts()
            self._wrapped = NNsightModel(self.model, self._own_tokenizer, self.anatomy, self.source)
        return self._wrapped

    def _find_parts(self) -> None:
        """Find the parts again: a user may replace modules at any time."""
        static = Anatomy.of(self.model)
        if static != self._static:
            self._static, self.anatomy, self._resume_mode = static, measured(self.model, static, self.source), None

    def _measured_resume_mode(self) -> ResumeMode:
        """Return how runs are resumed in the middle, found at the first of them."""
        with self.wrapped():  # finds the parts, where they have changed
            if self._resume_mode is None and is_tested(self.model) and uses_attention_interface(self.model):
                self._resume_mode = "positions"
            if self._resume_mode is None:
                name = type(self.model).__name__
                self._resume_mode = measured_resume_mode(
                    lambda rows, mode: CachedRun(self, rows, (), {}, mode), self.logits, self.anatomy, name
                )
            return self._resume_mode


def loaded(scope: Microscope, what: str = "this") -> LocalMicroscope:
    """Return `scope` for what needs its model in this process.

    Raises
    ------
    NotImplementedError
        Where it is not: says that `what` needs it.
    """
    if isinstance(scope, LocalMicroscope):
        return scope
    raise NotImplementedError(
        f"{scope!r} has no weights in this process, and {what} needs them. Load the model without remote=True, or use "
        "an analysis, which runs beside the model."
    )
