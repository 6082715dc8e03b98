"""`RemoteMicroscope`: a model on an NDIF server under the microscope."""

from __future__ import annotations

import builtins
import importlib
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from scope_widgets._provenance import Provenance
from scope_widgets.models.architecture.anatomy import Anatomy
from scope_widgets.models.execution.nnsight_trace import TransformersModel, run_there, trace_there
from scope_widgets.models.loading import ModelNotFoundError
from scope_widgets.models.microscope import Microscope, _arranged, _blanked
from scope_widgets.models.tokens import encode, pad, token_texts
from scope_widgets.remote import serialization as wire
from scope_widgets.remote import source_bundle as parcel
from scope_widgets.remote.client import response_cache as kept
from scope_widgets.remote.client.job import JobStatus, Line, Listener
from scope_widgets.remote.client.progress import told
from scope_widgets.remote.client.server import Server
from scope_widgets.remote.errors import NoAnswerError, RemoteError, TooLargeError
from scope_widgets.remote.trace import RemoteTrace
from scope_widgets.remote.worker.bootstrap import there
from scope_widgets.remote.worker.read_activations import Wanted, arranged, plan, read
from scope_widgets.traces.attention_scoring import Scoring
from scope_widgets.traces.trace import SITES

ANSWERING = "scope_widgets.remote.worker.execute"
#: seconds between two tries to reach a server that was lost
_LATE = 1.0
#: bytes that one request may bring back
MOST_BYTES = 1_000_000_000


class RemoteMicroscope(Microscope):
    """A model that runs on an NDIF server; here are its shapes, its tokenizer and no weights.

    Made by `Microscope.load(name, remote=True)`. Analyses run there, in one request, and send their results; answers
    are kept on disk. What changes weights, or needs them here, is refused.

    Attributes
    ----------
    server : Server
        The line, with what went over it in `server.traffic`.
    listener : callable or None
        Told each `JobStatus` of a request; None shows a progress bar.
    most_bytes : int
        What one request may bring back.
    """

    def __init__(self, name: str, server: Server, revision: str | None = None) -> None:
        self.server = server
        self.listener: Listener | None = None
        self.most_bytes = MOST_BYTES
        self._nnsight, self.tokenizer, commit = _described(name, revision)
        self.model = self._nnsight._module
        self.model_id = name
        self.revision = commit
        self.remote = True
        self.anatomy = Anatomy.of(self.model)
        self._kept = kept.ResponseCache(kept.folder())
        self._identity = [server.host, self._nnsight.to_model_key(), commit]

    def __repr__(self) -> str:
        """Say which model it is, its sizes and where it runs."""
        return f"{super().__repr__()[:-1]}, on {self.server.host})"

    # --- what it does -----------------------------------------------------------------------------------------------

    def far(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Call a function of this package beside the model; gives what it gives.

        Parameters
        ----------
        function
            Of floors 1 to 3; where this microscope is among the arguments it gets the one that is there.

        Raises
        ------
        RemoteError
            Where the request fails; and whatever the function raises.
        """
        request = self._request(function, args, kwargs)
        return self._result(self._answered(request, lambda line: self._sent(line, request)))

    def far_steps(
        self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Generator[JobStatus, None, Any]:
        """As `far`, for what must not wait: each step looks once; gives the result in the end.

        The server stores the answer for an hour, so that it survives a lost connection and a kernel that is
        restarted: the same call goes on with the job that is under way.
        """
        request = self._request(function, args, kwargs)
        key = kept.key_of([self._identity, request])
        answer = None if key is None else self._kept.find(key)
        job = None if key is None else self._kept.job(key)
        while answer is None:
            line = self.line(stored=True)
            try:
                if job is None:
                    yield from line.sending(lambda line: self._sent(line, request))
                    if key is not None:
                        self._kept.keep_job(key, line.job_id)
                else:
                    line.job_id, job = job, None
                answer = yield from line.polled()
            except NoAnswerError:
                raise  # it may still be under way
            except RemoteError:
                if key is not None and line.ended:
                    self._kept.forget_job(key)
                raise
            if answer is not None:
                self._keep(key, answer)
        return self._result(answer)

    def trace(
        self,
        prompt: str | Sequence[Any] | Tensor,
        *,
        capture: Sequence[str] | None = None,
        modules: Sequence[str] = (),
        prepend_bos: bool | None = None,
    ) -> RemoteTrace:
        """Give a trace of a prompt, or several.

        With `capture` those quantities come at once; without, each when it is asked for. See `RemoteTrace`.
        """
        if modules:
            raise ValueError("modules= is not there for a remote model; use capture=, or scope.nnsight().")
        rows, texts, several = encode(self.tokenizer, prompt, prepend_bos)
        self._check(rows)
        trace = self._remote_trace(rows, texts, several, None if capture is None else self._known(capture))
        return trace if capture is None else trace.fetch(*trace.captured)

    def watch(self, **_: Any) -> Any:
        """Refuse: the user's own calls run on this machine."""
        self._refuse("watch() records calls of a model on this machine", "Use trace(), or scope.nnsight()")

    def run(self, *_: Any, **__: Any) -> Any:
        """Refuse: a run keeps its values where the model is."""
        self._refuse("run() keeps what it computes where the model is", "Call the analysis itself with this scope")

    def here(self, what: str) -> None:
        """Refuse what needs the model on this machine."""
        self._refuse(
            f"{what} needs the model on this machine", "Load it without remote=True, or use a steering.Session"
        )

    def wrapped(self) -> Any:
        """Refuse: there are no weights here."""
        self._refuse("this needs the model's weights on this machine", "Use an analysis that takes remote models")

    @contextmanager
    def nnsight(self) -> Iterator[Any]:
        """Give the nnsight model for requests of your own: `model.trace(prompt, backend=scope.line())`."""
        yield self._nnsight

    def line(self, listener: Listener | None = None, *, stored: bool = False) -> Line:
        """Make a backend of nnsight for one request to this server, with time limits and without pickle."""
        return Line(self._nnsight, self.server, listener or (lambda news: None), stored=stored, model_id=self.model_id)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _refuse(self, why: str, instead: str) -> NoReturn:
        raise NotImplementedError(f"{self.model_id} runs on {self.server.host} and {why}. {instead}.")

    def _known(self, capture: Sequence[str]) -> tuple[str, ...]:
        wanted = (capture,) if isinstance(capture, str) else tuple(capture)
        if unknown := set(wanted) - set(SITES):
            raise ValueError(
                f"capture= got {', '.join(sorted(map(repr, unknown)))}; the quantities known are {', '.join(SITES)}."
            )
        return wanted

    def _remote_trace(
        self, rows: list[list[int]], texts: Sequence[str | None], several: bool, capture: tuple[str, ...] | None
    ) -> RemoteTrace:
        ids, mask = pad(rows, torch.device("cpu"))
        tokens = [token_texts(self.tokenizer, row) for row in rows]
        prompts = [
            self.tokenizer.decode(row, skip_special_tokens=True) if text is None else text
            for row, text in zip(rows, texts, strict=True)
        ]
        return RemoteTrace(
            SITES if capture is None else capture,
            capture,
            token_ids=ids if several else ids[0],
            mask=mask if several else mask[0],
            tokens=tokens if several else tokens[0],
            n_layers=self.n_layers,
            n_heads=self.n_heads,
            n_kv_heads=self.anatomy.n_kv_heads,
            provenance=Provenance(model=self.model_id, revision=self.revision, prompts=tuple(prompts)),
            modules={},
            scope=self,
        )

    def _one_of(self, trace: RemoteTrace, index: int) -> RemoteTrace:
        row = trace.token_ids[index][trace.mask[index]].tolist()
        return self._remote_trace([row], trace.provenance.prompts[index : index + 1], False, trace._capture)

    def _read(self, trace: RemoteTrace, wanted: Sequence[Wanted]) -> tuple[dict[Wanted, Tensor], dict[int, Scoring]]:
        """Fetch quantities of a trace with one request."""
        ids, mask = (value.reshape(-1, trace.mask.shape[-1]) for value in (trace.token_ids, trace.mask))
        self._check_size(wanted, ids.numel())
        asked = plan(self.model, self.anatomy, wanted)
        inputs = {"input_ids": ids, "attention_mask": mask.long()}
        request = {"read": [list(one) for one in asked], **inputs}
        found = self._answered(request, lambda line: trace_there(self._nnsight, line, read, inputs, asked))
        scoring: dict[int, Scoring] = {}
        values: dict[Wanted, Tensor] = {}
        for one, (name, path, side, _) in zip(sorted_like(wanted, asked), asked, strict=True):
            site, value = one.site, found[name]
            if site == "logits":
                values[one] = _blanked(value, mask)
            else:
                values[one] = _arranged(site, arranged(self.anatomy, site, value, ids.shape, one.head), mask)
            if side.isdigit():
                scaling, softcap, window, sinks = found["scoring " + path]
                if sinks:
                    raise NotImplementedError(f"{self.model_id} has attention sinks, which are not computed yet.")
                scoring[one.layer] = Scoring(scaling, softcap, window)
        if not trace.batched:
            values = {one: value[0] for one, value in values.items()}
        return values, scoring

    def _check_size(self, wanted: Sequence[Wanted], n_tokens: int) -> None:
        a = self.anatomy
        width = {"q": a.n_heads * a.d_head, "k": a.n_kv_heads * a.d_head, "z": a.n_heads * a.d_head,
                 "logits": a.d_vocab}  # fmt: skip
        width["v"] = width["k"]
        size = sum(
            4 * n_tokens * (a.d_head if one.head is not None else width.get(one.site, a.d_model)) for one in wanted
        )
        if size > self.most_bytes:
            raise TooLargeError(
                f"This would bring {size / 1e6:,.0f} MB and one request may bring {self.most_bytes / 1e6:,.0f} MB. "
                "Ask for single layers (trace.residual(3)), give the trace to an analysis, which runs beside the "
                "model, or raise scope.most_bytes."
            )

    def _request(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        request = {
            "function": wire.name_of(getattr(function, "__wrapped__", function)),
            "args": wire.pack(list(args), self, functions=True),
            "kwargs": wire.pack(dict(kwargs), self, functions=True),
            "model_id": self.model_id,
            "revision": self.revision,
            "most": self.most_bytes,
        }
        return {**request, "answering": ANSWERING, "sources": parcel.digest(_sources(request))}

    def _sent(self, line: Line, request: dict[str, Any]) -> Any:
        return run_there(self._nnsight, line, there, _sources(request), request)

    def _result(self, answer: dict[str, Any]) -> Any:
        if "raised" in answer:
            raise _error(*answer["raised"])
        if "too_large" in answer:
            raise TooLargeError(
                f"The result has {answer['too_large'] / 1e6:,.0f} MB and one request may bring "
                f"{self.most_bytes / 1e6:,.0f} MB. Ask for less, or raise scope.most_bytes."
            )
        for sentence in answer["warnings"]:
            warnings.warn(sentence, stacklevel=4)
        return wire.unpack(answer["result"], self)

    def _answered(self, request: dict[str, Any], send: Callable[[Line], Any]) -> Any:
        """Give the answer to a request from the disk, or from the server."""
        key = kept.key_of([self._identity, request])
        found = None if key is None else self._kept.find(key)
        if found is not None:
            return found
        with told(self.listener) as listener:
            line = self.line(listener)
            for lost in line.sending(send):
                listener(lost)
                time.sleep(_LATE)
        self._keep(key, line.answer)
        return line.answer

    def _keep(self, key: str | None, answer: dict[str, Any]) -> None:
        if key is None:
            return
        if "raised" in answer or "too_large" in answer:
            self._kept.forget_job(key)
        else:
            self._kept.keep(key, answer)


def _sources(request: dict[str, Any]) -> dict[str, str]:
    """Give the text of the modules that a request needs."""
    return parcel.sources([ANSWERING, *wire.modules(request)])


def sorted_like(wanted: Sequence[Wanted], asked: Sequence[tuple[str, str, str, int | None]]) -> list[Wanted]:
    """Give what was wanted in the order of what was asked."""
    by_name = {f"{one.site}.{one.layer}": one for one in wanted}
    return [by_name[name] for name, *_ in asked]


def _described(name: str, revision: str | None) -> tuple[Any, Any, str | None]:
    """Give nnsight's model without weights, the tokenizer, and the commit where it is known."""
    from huggingface_hub import try_to_load_from_cache
    from transformers import AutoTokenizer

    if name == "demo":
        raise ModelNotFoundError("The demo model is in this package and on no server: load it without remote=True.")
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
        options = {} if revision is None else {"revision": revision}
        model = TransformersModel(name, task="text-generation", tokenizer=tokenizer, **options)
    except (OSError, ValueError) as error:
        line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ModelNotFoundError(
            f"No model {name!r} on the hub, where its configuration and tokenizer are read from: {line}"
        ) from error
    config = try_to_load_from_cache(name, "config.json", revision=revision)
    return model, tokenizer, Path(config).parent.name if isinstance(config, str) else revision


def _error(module: str, name: str, message: str) -> Exception:
    """Make the error again that a function raised there: one of Python's or of this package."""
    kind: Any = getattr(builtins, name, None)
    if module.startswith("scope_widgets."):
        kind = getattr(importlib.import_module(module), name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            return kind(message)
        except TypeError:
            pass
    return RemoteError(f"On the server: {name}: {message}")
