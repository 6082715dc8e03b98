"""What a server has: a folder of files, models, their autoencoders, jobs, and the thread on which all runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scope_widgets._bar_steps import wait_for_stopped
from scope_widgets._job import Job, JobStatus, Steps
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

    Attributes
    ----------
    kernel : Kernel
        ``await workspace.kernel.run(function, ...)`` runs something on the models' thread.
    files : Files
    jobs : Jobs
    models : dict of str to Microscope
        Those that are loaded.

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
    ) -> None:
        self.files = Files(folder)
        self.default, self.sae_dir, self.allow_hub = model, sae_dir, allow_hub
        self.load_options = load_options or {}
        self.kernel = Kernel()
        self.jobs = Jobs()
        self.models: dict[str, Any] = {}
        #: each returns the names of models that somebody looks at
        self.shown: list[Callable[[], set[str]]] = []
        self._indexes: dict[str, FeatureIndex] = {}
        self._loading = threading.Lock()
        self._had_page = False
        #: done when the model of a new page is there
        self.started: Future[None] = Future()

    def start(self) -> None:
        """Load the model of a new page; whoever starts the server hears what is wrong with it."""
        scope = self._load(self.default)
        self.default = str(scope.model_id)
        self.models[self.default] = scope
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

    def layout_before(self) -> str:
        """Return the layout that a server before this one left, for its first page; "" for others, or without."""
        had, self._had_page = self._had_page, True
        with suppress(OSError, ValueError):
            return "" if had else self.files.read(LAST_LAYOUT, MOST_LAYOUT).decode()
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
        return self.models[name]

    def estimate(self, name: str) -> LoadEstimate:
        """Return what a model that a page or program names would take of the memory.

        Raises
        ------
        ValueError
            For a name that is not to be loaded here, see `check_name`.
        """
        from scope_widgets.models.load_estimate import estimate_load

        return estimate_load(self.check_name(name))

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

    def load(self, name: str) -> Steps[Any]:
        """Load a model that a page or program names, where there is memory for it.

        Raises
        ------
        ValueError
            For a name that is not to be loaded here, or a model that is too large.
        """
        if name in self.models:
            return self.models[name]
        from scope_widgets.models.load_estimate import estimate_load

        given = self.check_name(name)
        estimate = estimate_load(given)
        if len(self.models) >= MOST_MODELS or not estimate.fits:
            self.unload_idle()
            estimate = estimate_load(given)
        if len(self.models) >= MOST_MODELS:
            raise ValueError(f"{MOST_MODELS} models are loaded and shown: close one of {', '.join(self.models)} first.")
        if not estimate.fits:
            raise ValueError(f"{opening(name)} is not loaded: {estimate.advice}")
        done: Future[Any] = Future()
        threading.Thread(target=_into, args=(done, self._load, given), daemon=True).start()
        while not done.done():
            yield JobStatus("running", f"loading {name[:60]}", pause=0.05)
        scope = done.result()
        self.models[str(scope.model_id)] = scope
        return scope

    def unload(self, name: str) -> None:
        """Forget a model that no page shows any more.

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
        self._indexes.pop(name, None)

    def unload_idle(self) -> None:
        """Forget the models that no page shows and no job waits for."""
        used = {self.default}.union(*(shown() for shown in self.shown))
        used |= {name for name, queue in self.jobs.queues.items() if queue.length}
        for name in set(self.models) - used:
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
            return Microscope.load(name, **self.load_options)


def _into(done: Future[Any], function: Callable[..., Any], *args: Any) -> None:
    try:
        done.set_result(function(*args))
    except BaseException as error:
        done.set_exception(error)


async def wait_for(kernel: Kernel, steps: Callable[[], Steps[Any]]) -> Any:
    """Go through steps on the kernel's thread, others having their turn between two, and return their result."""
    job = Job(steps())

    async def go() -> Any:
        for status in job:
            await asyncio.sleep(status.pause)
        return job.result()

    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(go(), kernel.loop))
