"""What all operations share: the workspace, traces, autoencoders, patches, jobs, and turns at a model."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain, count
from typing import Annotated, Any, TypeVar

from fastapi import Depends
from starlette.requests import HTTPConnection

from scope_widgets._bar_steps import steps_of_bars
from scope_widgets._job import Steps
from scope_widgets.apps.workbench.api.infer import Inference, InferenceCache, infer
from scope_widgets.apps.workbench.api.job_feed import JobFeed
from scope_widgets.apps.workbench.api.patch_list import Patch, PatchList
from scope_widgets.apps.workbench.api.problems import Problem, refusals
from scope_widgets.apps.workbench.jobs import Record
from scope_widgets.apps.workbench.workspace import Workspace, wait_for
from scope_widgets.features import SAE, FeatureIndex
from scope_widgets.features import load as load_sae

T = TypeVar("T")

#: traces that are kept, and bytes of them; the oldest are forgotten
MOST_TRACES, MOST_TRACE_BYTES = 64, 2**30
MOST_SAES = 16
MOST_KEYS = 1000
_CLIENT = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass
class StoredTrace:
    """A trace that is kept, with its id, number, and bytes."""

    trace: Any
    text: str
    bytes: int
    number: int
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    created: float = field(default_factory=time.time)


@dataclass
class StoredSAE:
    """An autoencoder with the index of its latents, where there is one; each that is loaded has another number."""

    id: str
    model: str
    sae: SAE
    index: FeatureIndex | None
    number: int = field(default_factory=count().__next__)

    @property
    def latents(self) -> Any:
        """What interventions on its latents are made with: an index knows their labels."""
        return self.sae if self.index is None else self.index


class Api:
    """The state of the API beside that of the workspace; used on the server's thread.

    Parameters
    ----------
    workspace : Workspace
    soon : callable
        Has a function, and its argument, run on the server's thread.

    Attributes
    ----------
    traces : OrderedDict of str to StoredTrace
    patches : PatchList
    answers : InferenceCache
    feed : JobFeed
    """

    def __init__(self, workspace: Workspace, soon: Callable[[Callable[[str], None], str], None]) -> None:
        self.workspace = workspace
        self.traces: OrderedDict[str, StoredTrace] = OrderedDict()
        self.patches, self.answers, self.feed = PatchList(), InferenceCache(), JobFeed(workspace)
        self.started = time.monotonic()
        self._loaded: OrderedDict[str, StoredSAE] = OrderedDict()
        self._indexed: dict[int, StoredSAE] = {}
        self._count = 0
        self._keys: OrderedDict[str, tuple[str, asyncio.Task[Record]]] = OrderedDict()
        self._indexes = ThreadPoolExecutor(1, "scope-index")
        workspace.unloaded.append(lambda model: soon(self._forget, model))

    # -- models

    def scope(self, model: str | None) -> Any:
        """Return a model that is loaded, that of new pages where none is named; raise a `Problem` for another."""
        try:
            return self.workspace.scope(self.workspace.default if model is None else model)
        except KeyError as unknown:
            raise Problem(404, f"{unknown.args[0]} POST /api/v1/models loads one.") from None

    async def unload(self, model: str) -> None:
        """Forget a model with its patches and traces; raise a `Problem` for that of new pages."""
        if model == self.workspace.default:
            raise Problem(409, "This is the model that new pages begin with: it stays.")
        with refusals():
            await self.workspace.kernel.run(self.workspace.unload, model)

    def _forget(self, model: str) -> None:
        """Forget what is of a model that was given up, whoever did so."""
        for patch in [one for one in self.patches.all() if one.model == model]:
            self.patches.remove(patch.id)
        for trace in [one for one in self.traces.values() if one.trace.model_id == model]:
            del self.traces[trace.id]
        self._loaded = OrderedDict((id, one) for id, one in self._loaded.items() if one.model != model)
        self._indexed = {of: one for of, one in self._indexed.items() if one.model != model}
        self.answers.clear()

    async def turn(self, client: str, scope: Any, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a function on the models' thread when it is the client's turn at a model.

        Parameters
        ----------
        client : str
            Turns are fair over clients.
        scope : Microscope

        Raises
        ------
        Problem
            For what the library does not take, and where too many wait.
        """

        def steps() -> Steps[T]:
            if not getattr(scope, "interactive", True):  # a server elsewhere is not waited for on the models' thread
                return (yield from steps_of_bars(lambda: function(*args, **kwargs)))
            return function(*args, **kwargs)

        return await self.go(client, scope, steps)  # type: ignore[no-any-return]

    async def go(self, client: str, scope: Any, steps: Callable[[], Steps[Any]]) -> Any:
        """As `turn`, for work that has steps."""
        jobs, model = self.workspace.jobs, str(scope.model_id)
        with refusals():  # the queue is asked for on the thread of the kernel, which they all are of
            return await wait_for(self.workspace.kernel, lambda: jobs.queue(model).in_turn(client, steps()))

    # -- traces

    def keep(self, trace: Any, text: str, size: int) -> StoredTrace:
        """Keep a trace, and forget the oldest where there are too many."""
        self._count += 1
        stored = StoredTrace(trace, text, size, self._count)
        self.traces[stored.id] = stored
        while len(self.traces) > MOST_TRACES or sum(one.bytes for one in self.traces.values()) > MOST_TRACE_BYTES:
            if len(self.traces) == 1:
                break
            self.traces.popitem(last=False)
        return stored

    def trace(self, id: str) -> StoredTrace:
        """Return a trace, or raise a `Problem`."""
        if id not in self.traces:
            raise Problem(404, "There is no such trace, or it was forgotten for newer ones: POST /api/v1/traces.")
        return self.traces[id]

    # -- autoencoders

    async def saes(self) -> list[StoredSAE]:
        """Return the autoencoders of the models that are loaded, and those of the workspace that were."""
        models = self.workspace.models
        for model, scope in list(models.items()):
            number = self.workspace.number(scope)
            if number not in self._indexed:
                try:
                    index = await self.workspace.kernel.run(self.workspace.index, scope)
                except ValueError:
                    continue
                if number in self._indexed or models.get(model) is not scope:  # another was faster, or gave it up
                    continue
                if index.sae is not None:
                    self._indexed[number] = StoredSAE(self._free_id(model), model, index.sae, index)
        return [*self._indexed.values(), *self._loaded.values()]

    async def sae(self, id: str) -> StoredSAE:
        """Return an autoencoder, or raise a `Problem`."""
        for one in await self.saes():
            if one.id == id:
                return one
        raise Problem(404, "There is no such autoencoder: GET /api/v1/saes lists them, POST loads one.")

    async def aside(self, function: Callable[..., T], *args: Any) -> T:
        """Read an index in the one thread that does so: neither the server nor the models wait for it."""
        return await asyncio.get_running_loop().run_in_executor(self._indexes, function, *args)

    async def load_sae(self, name: str, model: str | None) -> StoredSAE:
        """Load an autoencoder from a folder of the workspace, with its index where one lies beside it."""
        scope = self.scope(model)
        with refusals():
            path = self.workspace.files.path(name)
            if not path.is_dir():
                raise Problem(404, "There is no such folder in the workspace.")
            beside = self.workspace.files.path(f"{name}.index")
        with refusals():
            sae = await self.workspace.kernel.run(load_sae, path, scope=scope)
            index = None
            if beside.is_dir():
                index = await self.workspace.kernel.run(FeatureIndex.load, beside, scope=scope, sae=sae)
        before = self._loaded.pop(name, None)
        id = self._free_id(name) if before is None else before.id
        self._loaded[name] = StoredSAE(id, str(scope.model_id), sae, index)
        if len(self._loaded) > MOST_SAES:
            gone = self._loaded.popitem(last=False)[1]
            for patch in [one for one in self.patches.all() if one.sae == gone.id]:
                self.patches.remove(patch.id)
        self.answers.clear()  # it may have taken the place of another of its name
        return self._loaded[name]

    def _free_id(self, name: str) -> str:
        """Return a name as a part of a path, with a number where another autoencoder is called so."""
        base = re.sub(r"[^A-Za-z0-9_.-]+", "--", name)
        taken = {one.id for one in (*self._indexed.values(), *self._loaded.values())}
        return next(id for id in chain([base], (f"{base}-{n}" for n in count(2))) if id not in taken)

    # -- inference

    async def infer(
        self,
        client: str,
        scope: Any,
        text: str | list[int],
        n: int,
        patches: list[Patch],
        around: Callable[[Callable[[], Inference]], Inference] | None = None,
    ) -> Inference:
        """Return what comes after a text, as the model is and under patches; what is known is not computed again.

        `around` is given what computes the answer, on the models' thread.
        """
        saes = {one.sae: await self.sae(one.sae) for one in patches if one.sae}
        latents = {id: one.latents for id, one in saes.items()}
        key = (
            self.workspace.number(scope),
            text if isinstance(text, str) else tuple(text),
            tuple(one.key for one in patches),
            tuple(one.number for one in saes.values()),
        )
        found = self.answers.get(key)
        cached = found is not None
        if found is None:

            def compute() -> Inference:
                return infer(scope, text, [one.intervention(latents.get(one.sae)) for one in patches])

            found = await self.turn(client, scope, compute if around is None else (lambda: around(compute)))
            self.answers.put(key, found)
        shown = text if isinstance(text, str) else ""
        return found.shortened(n, text=shown, patches=[one.id for one in patches], cached=cached)

    # -- jobs

    async def submit(
        self,
        client: str,
        name: str,
        work: Callable[[], Steps[Any]],
        model: str,
        queue: str | None = None,
        key: str | None = None,
        of: Any = None,
    ) -> Record:
        """Begin a job, or return the one that the same key began.

        Parameters
        ----------
        client, name, model, queue : str
            As `Jobs.submit` takes them.
        work : callable
            Returns the steps.
        key : str, optional
            Of the request (Idempotency-Key).
        of
            What the request asks for: the same key for something else is refused.
        """

        async def begin() -> Record:
            with refusals():
                return await self.workspace.kernel.run(
                    self.workspace.jobs.submit, name, work, client=client, model=model, queue=queue
                )

        if key is None:
            return await begin()
        digest = sha256(repr(of).encode("utf-8", "replace")).hexdigest()
        if key in self._keys:
            known, task = self._keys[key]
            if known != digest:
                raise Problem(422, "This Idempotency-Key was used for another job: take a new one.")
        else:
            task = asyncio.ensure_future(begin())
            self._keys[key] = digest, task
            while len(self._keys) > MOST_KEYS:
                self._keys.popitem(last=False)
        try:
            return await asyncio.shield(task)
        except Exception:
            self._keys.pop(key, None)  # nothing was begun: the same may be tried again
            raise

    def job(self, id: str) -> tuple[Record, dict[str, Any]]:
        """Return a job and what was last told of it, or raise a `Problem`."""
        found = self.feed.get(id)
        if found is None:
            raise Problem(404, "There is no such job, or it was forgotten: GET /api/v1/jobs lists them.")
        return found


def api_of(connection: HTTPConnection) -> Api:
    """Return the state of the API."""
    api: Api = connection.app.state.api
    return api


def client_of(connection: HTTPConnection) -> str:
    """Return who asks, among those for whom turns are fair: the header X-Client, or else the connection."""
    given = connection.headers.get("x-client", "")
    if _CLIENT.fullmatch(given):
        return f"api {given}"
    address = connection.client
    return f"api {address.host}:{address.port}" if address else "api"


TheApi = Annotated[Api, Depends(api_of)]
Client = Annotated[str, Depends(client_of)]
