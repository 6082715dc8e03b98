"""`RemoteMicroscope`: a model that runs elsewhere under the microscope."""

from __future__ import annotations

import builtins
import importlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

from scope_widgets._job import Job, JobStatus, Steps, show
from scope_widgets._progress import tqdm
from scope_widgets._provenance import Provenance
from scope_widgets._reproducing_calls import python_call
from scope_widgets._result import Result, made_with
from scope_widgets._types import Prompt, Prompts
from scope_widgets.models.architecture.anatomy import Anatomy, UnsupportedModelError
from scope_widgets.models.architecture.rotary_types import rotary_by_length
from scope_widgets.models.attention.attention_function import uses_attention_interface
from scope_widgets.models.execution.activation_edits import Edits, HookPoint
from scope_widgets.models.execution.assemble_trace import arrange, blank_padding, prompt_texts
from scope_widgets.models.execution.model_validation import is_tested
from scope_widgets.models.execution.nnsight_trace import TransformersModel
from scope_widgets.models.loading import ModelNotFoundError
from scope_widgets.models.microscope import LocalMicroscope, Microscope
from scope_widgets.models.run_arguments import check_token_ids, checked_logits
from scope_widgets.models.tokens import as_given, encode, pad, token_texts
from scope_widgets.remote import serialization
from scope_widgets.remote.client.request import Listener
from scope_widgets.remote.client.response_cache import CacheEntry, ResponseCache, cache_folder, key_of
from scope_widgets.remote.client.running_models import running_models
from scope_widgets.remote.client.server_connection import Server
from scope_widgets.remote.client.transport import JobFailed, NdifTransport, Transport, paced
from scope_widgets.remote.errors import RemoteError, TooLargeError, understanding
from scope_widgets.remote.source_bundle import digest, sources_of
from scope_widgets.remote.trace import RemoteTrace
from scope_widgets.remote.worker import execute
from scope_widgets.remote.worker.read_activations import Wanted, arranged, plan
from scope_widgets.remote.worker.trace_quantities import trace_quantities
from scope_widgets.traces.attention_scoring import AttentionScoring
from scope_widgets.traces.not_captured import NotCapturedError
from scope_widgets.traces.trace import TRACE_SITES
from scope_widgets.traces.trace_data import KeptLogits

P = ParamSpec("P")
T = TypeVar("T")

#: quantities that a family may scale, gate or norm
_MEASURED = frozenset({"z", "attention_out", "mlp_out"})
#: bytes of a request whose size is said
_LARGE = 10**6
#: quantities `[position, d]` that nnsight's trace shows
_READ_PLAINLY = frozenset({"residual", "attention_out", "mlp_out"})


def load(name: str, revision: str | None, host: str | None, api_key: str | None, timeout: float) -> RemoteMicroscope:
    """Return the microscope of a model on an NDIF server; its configuration and tokenizer come from the hub."""
    server = Server.of(host, api_key, timeout)
    del api_key  # a traceback shows the variables of its frames to whoever reads a notebook
    described, tokenizer, commit = _described(name, revision)
    transport = NdifTransport(server, described, name)
    folder = cache_folder()
    cache = None if folder is None else ResponseCache(folder)
    return RemoteMicroscope(described, tokenizer, name, commit, transport, cache)


class RemoteMicroscope(Microscope):
    """A model that runs elsewhere; here are its shapes, its tokenizer and no weights.

    Made by `Microscope.load(name, remote=True)`. Analyses run beside the model, in one request, and send their
    results; answers are kept on disk.

    Parameters
    ----------
    described
        nnsight's model without weights.
    tokenizer
    model_id : str
    revision : str or None
    transport : Transport
        What carries the requests.
    cache : ResponseCache, optional
        Where answers are kept; nowhere by default.

    Attributes
    ----------
    transport : Transport
    listener : callable or None
        Called with each `JobStatus` of a request that is waited for; None shows a progress bar.
    most_bytes : int
        What one request may bring back.
    """

    interactive = False

    def __init__(
        self,
        described: Any,
        tokenizer: Any,
        model_id: str,
        revision: str | None,
        transport: Transport,
        cache: ResponseCache | None = None,
    ) -> None:
        self._nnsight = described
        self.model = described._module
        self.tokenizer = tokenizer
        self.model_id = model_id
        self.revision = revision
        self.transport = transport
        _require_no_encoder(model_id, self.model.config)
        self.anatomy = Anatomy.of(self.model)
        self.listener: Listener | None = None
        self._cache = cache
        self.calls = (python_call("Microscope.load", ("name", model_id), revision=revision, remote=True),)
        self._identity = [transport.address, described.to_model_key(), revision]

    @cached_property
    def _is_tested(self) -> bool:
        return is_tested(self.model)  # its class is built anew for that

    @property
    def most_bytes(self) -> int:
        """What one request may bring back."""
        return self.transport.server.most_bytes

    @most_bytes.setter
    def most_bytes(self, most: int) -> None:
        self.transport.server.most_bytes = most

    def __repr__(self) -> str:
        """Say which model it is, its sizes and where it runs."""
        return f"{super().__repr__()[:-1]}, on {self.transport.address})"

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and hasattr(LocalMicroscope, name):
            raise AttributeError(
                f"{self.model_id} runs on {self.transport.address}, and {name}() needs the model in this process: load "
                "it without remote=True, or call the analysis itself, which runs beside the model."
            )
        raise AttributeError(f"A microscope has no {name!r}.")

    # --- what it does -----------------------------------------------------------------------------------------------

    def trace(
        self,
        prompt: Prompts,
        *,
        capture: Sequence[str] | None = None,
        modules: Sequence[str] = (),
        logits: KeptLogits = "all",
        prepend_bos: bool | None = None,
    ) -> RemoteTrace:
        """Return a trace of a prompt, or several, see `Microscope.trace`.

        With `capture` those quantities come at once; without, each when it is asked for. See `RemoteTrace`.
        """
        if modules:
            raise ValueError("modules= is not there for a remote model; use capture=, or scope.nnsight().")
        rows, texts, several = encode(self.tokenizer, prompt, prepend_bos)
        check_token_ids(self, rows)
        kept, sites = checked_logits(logits), None if capture is None else _checked_sites(capture)
        trace = self.trace_of(rows, texts, several, sites, kept, as_given(prompt, rows), prepend_bos)
        return trace if capture is None else trace.fetch(*trace.captured)

    def logits(self, token_ids: Tensor, edits: Edits | None = None) -> Tensor:
        """Run token ids `[batch, position]` beside the model, see `Microscope.logits`."""
        return self.call(LocalMicroscope.logits, (self, token_ids), {"edits": edits})

    def read_activations(self, rows: list[list[int]], points: Sequence[HookPoint]) -> dict[HookPoint, Tensor]:
        """Read places beside the model, see `Microscope.read_activations`.

        Where nnsight's own trace shows them the text of our modules does not travel, which is more than a prompt's
        activations.
        """
        made = self._read_plainly(rows, points)
        if made is None:
            return self.call(LocalMicroscope.read_activations, (self, rows, list(points)), {})
        request, found = made
        return found(self._answer(request))

    def submit_read(self, rows: list[list[int]], points: Sequence[HookPoint]) -> Job[dict[HookPoint, Tensor]]:
        """Return the job of `read_activations`, see `Microscope.submit_read`."""
        made = self._read_plainly(rows, points)
        if made is None:
            return self.submit(LocalMicroscope.read_activations, self, rows, list(points))  # type: ignore[arg-type]
        request, found = made

        def steps() -> Steps[dict[HookPoint, Tensor]]:
            yield JobStatus("waiting")
            return found((yield from self._stored_answer(request)))

        return Job(paced(steps()))

    def _read_plainly(
        self, rows: list[list[int]], points: Sequence[HookPoint]
    ) -> tuple[dict[str, Any], Callable[[Any], dict[HookPoint, Tensor]]] | None:
        """Return a request for places that nnsight's own trace shows and what they are in its answer; else None."""
        check_token_ids(self, rows)
        trace = self.trace_of(rows, [None] * len(rows), True, tuple(dict(points)), None)
        wanted = list(dict.fromkeys(Wanted(*point) for point in points))
        plainly = {site for site, _ in points} <= _READ_PLAINLY
        if not plainly or self._seen_beside_the_model_only(trace.mask, wanted):
            return None
        self._check_size(wanted, trace.token_ids.shape)
        request, arrange_all = self._reading(trace, wanted)
        return request, lambda answer: {(one.site, one.layer): x for one, x in arrange_all(answer)[0].items()}

    def generate(self, prompt: Prompt, *, max_new_tokens: int = 20, **options: Any) -> str:
        """Continue a prompt beside the model, see `Microscope.generate`."""
        return self.call(LocalMicroscope.generate, (self, prompt), {"max_new_tokens": max_new_tokens, **options})

    def weights_version(self) -> int:
        """Return the same number always: nobody changes the weights there."""
        return -1

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Job[T]:
        """Return the job of a call, see `Microscope.submit`.

        The server stores the answer for an hour, so that it survives a lost connection and a kernel that is
        restarted: the same call goes on with the job that is under way.
        """
        return Job(paced(self._stored(function, args, kwargs)))

    def call(self, function: Callable[..., T], args: Sequence[Any], kwargs: Mapping[str, Any]) -> T:
        """Call a function of this package beside the model; return what it returns.

        Raises
        ------
        RemoteError
            Where the request fails; and whatever the function raises.
        """
        answer = self._answer(self._request(function, args, kwargs))
        return self._result(answer, [*args, *kwargs.values()])  # type: ignore[no-any-return]

    def running_models(self) -> list[str]:
        """Return the hub ids of the models that the server has deployed.

        Raises
        ------
        RemoteError
            Where it does not say so within some seconds.
        """
        return running_models(self.transport.server)

    @contextmanager
    def nnsight(self) -> Iterator[Any]:
        """Yield the nnsight model; of your own is `model.trace(prompt, backend=scope.transport.backend())`."""
        yield self._nnsight

    # --- requests ---------------------------------------------------------------------------------------------------

    def _request(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        request = {
            "function": serialization.name_of(function),
            "args": serialization.pack(list(args), self, functions=True),
            "kwargs": serialization.pack(dict(kwargs), self, functions=True),
            "model_id": self.model_id,
            "revision": self.revision,
            "most": self.most_bytes,
            "execute": execute.__name__,
        }
        return {**request, "sources": digest(sources_of(request))}

    def _answer(self, request: dict[str, Any]) -> Any:
        """Return the answer to a request from the disk, or from the server."""
        entry = self._cache_entry(request)
        found = entry.find()
        if found is not None:
            return found
        with tqdm(delay=1.0, leave=False, total=0, disable=self.listener is not None) as bar:
            listener = self.listener or (lambda status: show(bar, status))
            if large := _large(request):
                listener(large)
            answer = self.transport.ask(request, listener)
        entry.keep(answer)
        return answer

    def _stored(self, function: Callable[..., T], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Steps[T]:
        """Ask for a stored answer, a step a look."""
        yield JobStatus("waiting")  # whoever only begins a job does not wait for the network
        answer = yield from self._stored_answer(self._request(function, args, kwargs))
        return self._result(answer, [*args, *kwargs.values()])  # type: ignore[no-any-return]

    def _stored_answer(self, request: dict[str, Any]) -> Steps[Any]:
        """Return the answer to a request, stored there for an hour; a step a look."""
        entry = self._cache_entry(request)
        answer, job = entry.find(), entry.job()
        while answer is None:
            if job is None:
                if large := _large(request):
                    yield large
                job = yield from self.transport.begin(request)
                entry.keep_job(job)
            try:
                answer = yield from self.transport.poll(job)
            except JobFailed as ended:
                entry.forget_job()
                raise ended.__cause__ from None  # type: ignore[misc]
            job = None
            if answer is not None:
                entry.keep(answer)
        return answer

    def _result(self, answer: dict[str, Any], given: Sequence[Any]) -> Any:
        with understanding(self.transport.address):
            if "raised" in answer:
                failed: Exception | None = _error(*map(str, answer["raised"]))
            elif "too_large" in answer:
                failed = TooLargeError(
                    f"The result has {answer['too_large'] / 1e6:,.0f} MB and one request may bring "
                    f"{self.most_bytes / 1e6:,.0f} MB. Ask for less, or raise scope.most_bytes."
                )
            else:
                failed, result = None, serialization.unpack(answer["result"], self)
                several = type(result) is tuple
                parts = [self._made_here(one, given) for one in (result if several else [result])]
                result = tuple(parts) if several else parts[0]
                sentences = list(map(str, answer["warnings"]))
        if failed is not None:
            raise failed
        for sentence in sentences:
            warnings.warn(sentence, stacklevel=4)
        return result

    def _made_here(self, result: Any, given: Sequence[Any]) -> Any:
        """Return a result with the calls that make it from here; the model was loaded, and its trace made, there too.

        `given` are the arguments of the call that made it.
        """
        if not isinstance(result, Result):
            return result
        result.to_dataframe()  # which needs all its parts, and that they fit together
        calls = [call for call in result.provenance.calls if not call.startswith("Microscope.load(")]
        before = next((one.provenance.calls for one in given if isinstance(one, RemoteTrace)), self.calls)
        if calls[:1] and calls[0].startswith("scope.trace(") and len(before) > 1:
            del calls[0]
        provenance = replace(result.provenance, calls=(*before, *calls) if result.provenance.calls else ())
        return made_with(replace(result, provenance=provenance), self)  # type: ignore[type-var]

    def _cache_entry(self, request: dict[str, Any]) -> CacheEntry:
        return CacheEntry(self._cache, key_of([self._identity, request]))

    # --- traces -----------------------------------------------------------------------------------------------------

    def trace_of(
        self,
        rows: list[list[int]],
        texts: Sequence[str | None],
        several: bool,
        capture: tuple[str, ...] | None,
        logits: KeptLogits,
        prompt: Prompts | None = None,
        prepend_bos: bool | None = None,
    ) -> RemoteTrace:
        """Return a trace of prompts, of which nothing has been fetched; `prompt` is how they were given."""
        given = (rows if several else rows[0]) if prompt is None else prompt
        options = {"capture": capture, "logits": logits, "prepend_bos": prepend_bos}
        ids, mask = pad(rows, torch.device("cpu"))
        tokens = [token_texts(self.tokenizer, row) for row in rows]
        return RemoteTrace(
            TRACE_SITES if capture is None else capture,
            capture,
            logits,
            token_ids=ids if several else ids[0],
            mask=mask if several else mask[0],
            tokens=tokens if several else tokens[0],
            n_layers=self.n_layers,
            n_heads=self.n_heads,
            n_kv_heads=self.anatomy.n_kv_heads,
            provenance=Provenance(
                model=self.model_id,
                revision=self.revision,
                prompts=prompt_texts(self.tokenizer, rows, texts),
                calls=(*self.calls, python_call("scope.trace", ("prompt", given), **options)),
            ),
            modules={},
            scope=self,
        )

    def read_quantities(
        self, trace: RemoteTrace, wanted: Sequence[Wanted]
    ) -> tuple[dict[Wanted, Tensor], dict[int, AttentionScoring]]:
        """Fetch quantities of a trace with one request."""
        ids, mask = (value.reshape(-1, trace.mask.shape[-1]) for value in (trace.token_ids, trace.mask))
        self._check_size(wanted, ids.shape)
        if self._seen_beside_the_model_only(mask, wanted):
            rows = [row[kept].tolist() for row, kept in zip(ids, mask, strict=True)]
            read, scoring = trace_quantities(self, rows, [(one.site, one.layer, one.head) for one in wanted])
            return dict(zip(wanted, read if trace.batched else [one[0] for one in read], strict=True)), scoring
        request, arrange_all = self._reading(trace, wanted)
        return arrange_all(self._answer(request))

    def _reading(
        self, trace: RemoteTrace, wanted: Sequence[Wanted]
    ) -> tuple[dict[str, Any], Callable[[Any], tuple[dict[Wanted, Tensor], dict[int, AttentionScoring]]]]:
        """Return the request for quantities that nnsight's own trace shows, and what makes them of its answer."""
        ids, mask = (value.reshape(-1, trace.mask.shape[-1]) for value in (trace.token_ids, trace.mask))
        of_model = ("logits", "last_logits")
        if lacking := [one for one in wanted if one.site not in of_model and not self.anatomy.has(one.site, one.layer)]:
            raise NotCapturedError(self.anatomy.missing(lacking[0].site, lacking[0].layer))
        asked = plan(self.model, self.anatomy, wanted, [length - 1 for length in trace.lengths])
        by_name = {f"{one.site}.{one.layer}": one for one in wanted}

        def arrange_all(found: Any) -> tuple[dict[Wanted, Tensor], dict[int, AttentionScoring]]:
            scoring = {}
            values: dict[Wanted, Tensor] = {}
            with understanding(self.transport.address):
                for name, path, side, _ in asked:
                    one, value = by_name[name], found[name]
                    if one.site == "last_logits":
                        values[one] = value
                    elif one.site == "logits":
                        values[one] = blank_padding(value, mask)
                    else:
                        shaped = arranged(self.anatomy, one.site, value, ids.shape, one.head)
                        values[one] = arrange(one.site, shaped, mask)
                    if len(values[one]) != len(ids):
                        raise ValueError(f"{name} is of {len(values[one])} prompts and not of {len(ids)}")
                    if side.isdigit():
                        scoring[one.layer] = _scoring(found["scoring " + path], mask)
            if not trace.batched:
                values = {one: value[0] for one, value in values.items()}
            return values, scoring

        return {"read": [list(one) for one in asked], "input_ids": ids, "attention_mask": mask.long()}, arrange_all

    def _seen_beside_the_model_only(self, mask: Tensor, wanted: Sequence[Wanted]) -> bool:
        """Whether a trace of prompts `[batch, position]` shows what reading modules does not."""
        unsure = not self._is_tested and bool({one.site for one in wanted} & _MEASURED)
        several_lengths = bool((mask.sum(1) != mask.shape[1]).any())
        by_length = several_lengths and bool(rotary_by_length(self.model.config))
        inside = bool({one.site for one in wanted} & {"q", "k", "v"})
        return unsure or by_length or (inside and not uses_attention_interface(self.model))

    def _check_size(self, wanted: Sequence[Wanted], shape: torch.Size) -> None:
        a = self.anatomy
        width = {"q": a.n_heads * a.d_head, "k": a.n_kv_heads * a.d_head, "z": a.n_heads * a.d_head,
                 "logits": a.d_vocab}  # fmt: skip
        width["v"] = width["k"]
        size = 4 * sum(
            shape[0] * a.d_vocab
            if one.site == "last_logits"
            else shape.numel() * (a.d_head if one.head is not None else width.get(one.site, a.d_model))
            for one in wanted
        )
        if size > self.most_bytes:
            raise TooLargeError(
                f"This would bring {size / 1e6:,.0f} MB and one request may bring {self.most_bytes / 1e6:,.0f} MB. "
                "Ask for single layers (trace.residual(3)), give the trace to an analysis, which runs beside the "
                "model, or raise scope.most_bytes."
            )


def _large(request: dict[str, Any]) -> JobStatus | None:
    """Return what is said of a request that takes a while to send; None of others."""
    size = serialization.n_bytes(request)
    return JobStatus("waiting", f"sending {size / 1e6:,.0f} MB to the server") if size >= _LARGE else None


def _checked_sites(capture: Sequence[str]) -> tuple[str, ...]:
    wanted = (capture,) if isinstance(capture, str) else tuple(capture)
    if unknown := set(wanted) - set(TRACE_SITES):
        raise ValueError(
            f"capture= got {', '.join(sorted(map(repr, unknown)))}; the quantities known are {', '.join(TRACE_SITES)}."
        )
    return wanted


def _described(name: str, revision: str | None) -> tuple[Any, Any, str | None]:
    """Return nnsight's model without weights, the tokenizer, and the commit where it is known."""
    from huggingface_hub import try_to_load_from_cache
    from transformers import AutoConfig, AutoTokenizer

    if name == "demo":
        raise ModelNotFoundError("The demo model is in this package and on no server: load it without remote=True.")
    try:
        _require_no_encoder(name, AutoConfig.from_pretrained(name, revision=revision))
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
        options = {} if revision is None else {"revision": revision}
        model = TransformersModel(name, task="text-generation", tokenizer=tokenizer, **options)
    except UnsupportedModelError:
        raise
    except (OSError, ValueError) as error:
        line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ModelNotFoundError(
            f"No model {name!r} on the hub, where its configuration and tokenizer are read from: {line}"
        ) from error
    config = try_to_load_from_cache(name, "config.json", revision=revision)
    return model, tokenizer, Path(config).parent.name if isinstance(config, str) else revision


def _require_no_encoder(name: str, config: Any) -> None:
    if getattr(config, "is_encoder_decoder", False):
        raise UnsupportedModelError(
            f"{name} is an encoder and a decoder, which are not run on a server: load it without "
            "remote=True, with source= for what its encoder reads."
        )


def _error(module: str, name: str, message: str) -> Exception:
    """Return the error again that a function raised there: one of Python's or of this package."""
    kind: Any = getattr(builtins, name, None)
    if module.startswith("scope_widgets."):
        kind = getattr(importlib.import_module(module), name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            return kind(message)
        except TypeError:
            pass
    return RemoteError(f"On the server: {name}: {message}")


def _scoring(found: Sequence[Any], mask: Tensor) -> AttentionScoring:
    """Return how scores are made, of what `worker.read_activations` found."""
    scaling, softcap, window, sinks, seen = found
    if isinstance(seen, bool):
        size = mask.shape[1]
        ones = torch.ones(1, 1, size, size, dtype=torch.bool)
        seen = ones.tril() if seen else ones
    added = torch.zeros(seen.shape).masked_fill_(~seen, -torch.inf)
    of_mask = AttentionScoring.of_mask(added, mask, window)
    return of_mask.with_scores(scaling=scaling, softcap=softcap, sinks=sinks)
