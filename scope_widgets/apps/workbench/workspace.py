"""What a server has: a folder of files, models, their autoencoders, jobs, and the thread on which all runs."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from scope_widgets._bar_steps import steps_of_bars, wait_for_stopped
from scope_widgets._job import Job, Steps
from scope_widgets._untrusted import opening
from scope_widgets.apps.workbench.files import Files
from scope_widgets.apps.workbench.jobs import Jobs, Record
from scope_widgets.apps.workbench.kernel import Kernel

if TYPE_CHECKING:  # torch is imported when a model is loaded: the server answers before
    from scope_widgets.features import FeatureIndex
    from scope_widgets.models.load_estimate import LoadEstimate

DEMO = "demo"
#: seconds that work which was stopped is waited for
_PATIENCE_S = 10.0
#: bytes of a layout that is read
MOST_LAYOUT = 2**20
#: where the layout of the page that changed last is kept
LAST_LAYOUT = "last.layout.json"
#: models that are held at once
MOST_MODELS = 4
#: seconds after which a model that nobody uses makes room where another one is asked for
IDLE_S = 1800.0
#: the queue of whoever has models loaded: one after the other
LOADING = "loading"


class Workspace:
    """Models, files and jobs of one server.

    Parameters
    ----------
    folder : Path
        Whose files pages and programs may read and write, by their names; models in it are loaded by name.
    model : str, default "demo"
        The model of a new page: a name that `Microscope.load` knows. It is for whoever starts the server to choose, and
        may be a path anywhere.
    sae_dir : Path, optional
        Folder of a `FeatureIndex`, or of several, by model.
    allow_hub : bool, default False
        Whether pages and programs may have models fetched from the hub.
    load_options : dict, optional
        Those of `Microscope.load`, such as ``device``.
    remote : bool, default False
        Whether models of the hub run on an NDIF server; the demo model, and those of the workspace, run here.
    host : str, optional
        Its address; NDIF_HOST by default. The key is read from NDIF_API_KEY, and kept nowhere else.

    Attributes
    ----------
    kernel : Kernel
        ``await workspace.kernel.run(function, ...)`` runs something on the models' thread.
    files : Files
    jobs : Jobs
    models : dict of str to Microscope
        Those that are loaded.
    used : dict of str to float
        When each was last asked for.
    unloaded : list of callable
        Each is told, on the kernel's thread, the name of a model that was given up.

    Examples
    --------
    >>> workspace = Workspace(folder)  # doctest: +SKIP
    >>> app = create_app(workspace, token="secret", hosts=["127.0.0.1:8000"])  # doctest: +SKIP
    """

    def __init__(
        self,
        folder: Path,
        model: str = DEMO,
        *,
        sae_dir: Path | None = None,
        allow_hub: bool = False,
        load_options: dict[str, Any] | None = None,
        remote: bool = False,
        host: str | None = None,
    ) -> None:
        self.files = Files(folder)
        self.remote, self.host, self._given = remote, host, model
        self.default, self.sae_dir, self.allow_hub = model, sae_dir, allow_hub
        self.load_options = load_options or {}
        self.kernel = Kernel()
        self.jobs = Jobs()
        self.models: dict[str, Any] = {}
        self.used: dict[str, float] = {}
        self.unloaded: list[Callable[[str], None]] = []
        #: each returns the names of models that somebody looks at
        self.shown: list[Callable[[], set[str]]] = []
        self._indexes: dict[str, FeatureIndex] = {}
        self._numbers: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        self._count = count()
        self._loading = threading.Lock()
        #: done when the model of a new page is there
        self.started: Future[None] = Future()

    def start(self) -> None:
        """Load the model of a new page; whoever starts the server hears what is wrong with it."""
        scope = self._load(self.default)
        self.default = self._add(scope)
        if not self.started.done():
            self.started.set_result(None)

    def begin(self) -> None:
        """Have `start` done on the models' thread, and do not wait: `started` says when, and what went wrong."""
        self.kernel.soon(self._try_to_start)

    def _try_to_start(self) -> None:
        try:
            self.start()
        except BaseException as problem:
            if not self.started.done():
                self.started.set_exception(problem)

    async def ready(self) -> None:
        """Wait until the model of a new page is there."""
        await asyncio.shield(asyncio.wrap_future(self.started))

    def close(self) -> None:
        """Stop all jobs and end the thread of the models."""
        self.kernel.close(self.jobs.stop_all)
        wait_for_stopped(_PATIENCE_S)

    # -- work

    def submit(
        self, name: str, function: Callable[..., Any], *args: Any, scope: Any, client: str = "", **kwargs: Any
    ) -> Record:
        """Begin a job of a function of this package in the queue of its model; call it on the kernel's thread.

        Parameters
        ----------
        name : str
            What is done, for a person.
        function : callable
            As `scope.submit` takes it, with its arguments.
        scope : Microscope
        client : str, default ""
            Who asks: turns are fair over clients.
        """
        from scope_widgets.models.remote_dispatch import submit_aside

        return self.jobs.submit(
            name,
            lambda: submit_aside(function, *args, **kwargs).follow(),
            client=client,
            model=str(scope.model_id),
        )

    # -- layouts

    def keep_layout(self, text: str) -> None:
        """Write the layout of a page into the workspace: the server may end without a word."""
        with suppress(OSError):  # a disk that is full ends no page
            self.files.write(LAST_LAYOUT, text.encode())

    def last_layout(self) -> str:
        """Return the layout that was kept last, by this server or one before it; "" where there is none."""
        with suppress(OSError, ValueError):
            return self.files.read(LAST_LAYOUT, MOST_LAYOUT).decode()
        return ""

    # -- models

    def scope(self, name: str) -> Any:
        """Return a model that is loaded.

        Raises
        ------
        KeyError
            Where it is not; the message is a sentence.
        """
        if name not in self.models:
            raise KeyError(f"The model {opening(name)} is not loaded: there are {', '.join(self.models)}.")
        self.used[name] = time.monotonic()
        return self.models[name]

    def number(self, scope: Any) -> int:
        """Return which load of this server a model is of: another one of the same name has another number."""
        if scope not in self._numbers:
            self._numbers.setdefault(scope, next(self._count))
        return self._numbers[scope]

    def estimate(self, name: str) -> LoadEstimate:
        """Return what a model that a page or program names would take of the memory.

        Raises
        ------
        ValueError
            For a name that is not to be loaded here, see `check_name`.
        """
        return self._estimate(self.check_name(name))

    def check_name(self, name: str) -> str:
        """Return what `Microscope.load` takes for a name that came from outside: never a path.

        Raises
        ------
        ValueError
            Where it is neither "demo", nor a model in the workspace, nor allowed from the hub.
        """
        if name == DEMO:
            return name
        if isinstance(name, str) and "/" not in name:
            path = self.files.path(name)
            if path.is_dir() or (path.is_file() and path.suffix == ".gguf"):
                return str(path)
        elif isinstance(name, str) and self.allow_hub and name.count("/") == 1:
            for part in name.split("/"):
                self.files.path(part)  # a name such as a hub has, and no path
            if not Path(name).exists():
                return name
        hub = "" if self.allow_hub else ", and this server was started without --allow-hub"
        raise ValueError(f"{opening(name)} is neither 'demo' nor a model in the workspace{hub}.")

    def load(self, name: str, client: str = "") -> Steps[Any]:
        """Load a model that a page or program names, when it is its turn.

        Raises
        ------
        ValueError
            For a name that is not to be loaded here, or a model that is too large.
        QueueFullError
            Where too many wait.
        """
        if name in self.models:
            return self.scope(name)
        self.check_name(name)
        return (yield from self.jobs.queue(LOADING).in_turn(client, self.loading(name)))

    def loading(self, name: str) -> Steps[Any]:
        """Load a model, where there is memory for it; for whoever has the turn of the queue `LOADING`.

        Raises
        ------
        ValueError
            As `load`.
        """
        if name in self.models:
            return self.scope(name)  # whoever was before has loaded it
        given = self.check_name(name)
        self.unload_idle(IDLE_S)
        yield from self._make_room(name, given)
        scope = yield from steps_of_bars(lambda: self._load(given), f"loading {name[:60]}")
        return self.scope(self._add(scope))

    def _make_room(self, name: str, given: str) -> Steps[None]:
        """Give up models that nobody uses, one after the other, until there is room for another one."""
        while True:
            # aside: the hub may have to be asked
            estimate = yield from steps_of_bars(lambda: self._estimate(given), f"looking how large {name[:60]} is")
            if len(self.models) < MOST_MODELS and estimate.fits:
                return
            idle = self.idle()
            if not idle and len(self.models) >= MOST_MODELS:
                raise ValueError(
                    f"{MOST_MODELS} models are loaded and in use: close one of {', '.join(self.models)} first."
                )
            if not idle:
                raise ValueError(f"{opening(name)} is not loaded: {estimate.advice}")
            self.unload(idle[0])
            gc.collect()

    def _add(self, scope: Any) -> str:
        """Hold a model, and return its name."""
        name = str(scope.model_id)
        self.models[name], self.used[name] = scope, time.monotonic()
        self.number(scope)
        return name

    def unload(self, name: str) -> None:
        """Forget a model, with its index; `unloaded` hears of it. Call it on the kernel's thread.

        Raises
        ------
        KeyError
            Where it is not loaded.
        ValueError
            For the model of new pages.
        """
        self.scope(name)
        if name == self.default:
            raise ValueError("This is the model that new pages begin with: it stays.")
        del self.models[name]
        self.used.pop(name, None)
        self._indexes.pop(name, None)
        for told in list(self.unloaded):
            told(name)

    def idle(self, seconds: float = 0.0) -> list[str]:
        """Return the models that may be given up, the one that was not used for longest first.

        They are not that of new pages, no page shows them, no job of them goes on or waits, and nobody asked for them
        in the last `seconds`. Call it on the kernel's thread.
        """
        used = {self.default}.union(*(shown() for shown in self.shown))
        until = time.monotonic() - seconds
        idle = [name for name in self.models if name not in used and not self.jobs.busy(name)]
        return sorted((name for name in idle if self.used.get(name, 0.0) <= until), key=lambda one: self.used[one])

    def unload_idle(self, seconds: float = 0.0) -> None:
        """Forget the models that are `idle`."""
        for name in self.idle(seconds):
            self.unload(name)

    def index(self, scope: Any) -> FeatureIndex:
        """Return the features of a model.

        Raises
        ------
        ValueError
            Where there are none.
        """
        name = str(scope.model_id)
        if name not in self._indexes:
            self._indexes[name] = self._find_index(scope, name)
        return self._indexes[name]

    def _find_index(self, scope: Any, name: str) -> FeatureIndex:
        from scope_widgets.features import FeatureIndex

        if self.sae_dir is not None:
            own = self.sae_dir / name.rsplit("/", 1)[-1]
            return FeatureIndex.load(own if own.is_dir() else self.sae_dir, scope=scope)
        if name == DEMO:
            return FeatureIndex.load(DEMO, scope=scope)
        raise ValueError(
            f"There is no index of features of {opening(name)}: make one with features.index(..., folder=) and start "
            "the server with --sae-dir and that folder."
        )

    def _load(self, name: str) -> Any:
        from scope_widgets import Microscope

        with self._loading:
            if self._runs_there(name):
                return Microscope.load(name, remote=True, host=self.host)
            return Microscope.load(name, **self.load_options)

    def _runs_there(self, given: str) -> bool:
        """Whether what `check_name` returned, or the command line named, is a model that runs on the server."""
        return self.remote and (given == self._given or (given != DEMO and not Path(given).exists()))

    def _estimate(self, given: str) -> LoadEstimate:
        return _nothing(given) if self._runs_there(given) else _estimate(given)

    # -- a server elsewhere

    def server_of(self, scope: Any) -> str:
        """Return the address of the server that a model runs on; "" for one in this process."""
        return "" if getattr(scope, "interactive", True) else str(scope.transport.address)

    def running_there(self) -> list[str]:
        """Return the models that the server runs and that may be loaded, beside those that are; it may take seconds.

        Raises
        ------
        RuntimeError
            Where the server does not say so; the message says what to do.
        """
        there = [one for one in list(self.models.values()) if self.server_of(one)]
        if not there or not self.allow_hub:
            return []
        return [name for name in there[0].running_models() if name not in self.models]


def _estimate(given: str) -> LoadEstimate:
    from scope_widgets.models.load_estimate import estimate_load

    return estimate_load(given)


def _nothing(given: str) -> LoadEstimate:
    """Return what a model takes whose weights are elsewhere."""
    from scope_widgets.models.load_estimate import LoadEstimate
    from scope_widgets.models.memory_estimate import free_host_memory

    return LoadEstimate(given, 0, 0, free_host_memory())


async def wait_for(kernel: Kernel, steps: Callable[[], Steps[Any]]) -> Any:
    """Go through steps on the kernel's thread, others having their turn between two, and return their result."""

    async def go() -> Any:
        job = Job(steps())
        try:
            for status in job:
                await asyncio.sleep(status.pause)
        except asyncio.CancelledError:
            job.stop()
            while not job.done:  # until its thread has ended it has its turn
                await asyncio.sleep(job.status.pause)
                with suppress(Exception):
                    next(job)
            raise
        return job.result()

    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(go(), kernel.loop))
