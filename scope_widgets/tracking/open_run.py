"""`Run`: a run that is under way, and writes its folder."""

from __future__ import annotations

import atexit
import errno
import json
import os
import platform
import threading
import time
import warnings
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

from scope_widgets._check_choice import is_whole
from scope_widgets._files import write_text
from scope_widgets._provenance import versions
from scope_widgets.tracking import run_folder
from scope_widgets.tracking.adapters.adapter import Adapter
from scope_widgets.tracking.adapters.open_adapters import Options, check_adapters, open_adapters
from scope_widgets.tracking.events import EventWriter
from scope_widgets.tracking.figures import write_figure
from scope_widgets.tracking.plain_values import not_finite, plain
from scope_widgets.tracking.process import this_process
from scope_widgets.tracking.stored_files import store
from scope_widgets.tracking.tables import as_frame, write_table

#: seconds between two signs of life
HEARTBEAT = 15.0

#: those that were begun in this process and have not ended, the last one last
_open: list[Run] = []


class Run:
    """A run that is under way: what `tracking.run` returns. All that it notes is in its folder when a method returns.

    Attributes
    ----------
    folder : Path
    name : str
    config : dict
        As it is noted.

    Examples
    --------
    >>> run = tracking.run(folder, config={"layer": 2})
    >>> run.log({"loss": 0.5})
    >>> run.end()
    >>> tracking.load(folder).status
    'done'
    """

    def __init__(self, folder: str | Path, name: str | None, config: Any, adapters: Options) -> None:
        self.config: dict[str, Any] = _dict(config)
        chosen = check_adapters(adapters)
        self.folder = run_folder.begin(folder)
        self.name = self.folder.resolve().name if name is None else str(name)
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._step = -1
        self._about: dict[str, Any] = {
            "format": run_folder.FORMAT,
            "name": self.name,
            "status": "running",
            "error": "",
            "begun": _now(),
            "ended": None,
            "heartbeat": time.time(),
            "process": this_process(),
            "provenance": {"versions": versions(), "platform": platform.platform(), "cores": os.cpu_count()},
            "adapters": list(chosen),
            "config": self.config,
        }
        try:
            self._write_about()
        except BaseException:  # nothing is left that is no run
            (self.folder / run_folder.EVENTS).unlink()
            raise
        self._events = EventWriter(self.folder / run_folder.EVENTS)
        self._adapters: dict[str, Adapter] = {}
        try:
            self._adapters = open_adapters(chosen, self.folder, self.name, self.config)
        except BaseException as error:
            self._end("failed", str(error))
            raise
        _open.append(self)
        threading.Thread(target=self._beat, name="run's heartbeat", daemon=True).start()
        atexit.register(self._at_exit)

    def __repr__(self) -> str:
        """Say which it is, and how it stands."""
        return f"Run({self.name!r}, {self._about['status']}, in {str(self.folder)!r})"

    # --- what is noted ----------------------------------------------------------------------------------------------

    def log(self, values: dict[str, Any], *, step: int | None = None) -> None:
        """Note values, such as those of a step of training: one line of events.jsonl.

        Where the disk is full they wait in memory, with a warning, and are written with the next ones.

        Parameters
        ----------
        values : dict
            Numbers, texts, bools, and lists, dicts, arrays and tensors of them; NaN and infinities too.
        step : int, optional
            By default one more than that of the values before, from 0.

        Raises
        ------
        TypeError, ValueError
            For values that are none of these, or more than 1 MiB; a step that is no whole number.
        RuntimeError
            Where the run has ended.
        """
        if not isinstance(values, dict):
            raise TypeError(f"run.log() takes a dict of values, such as {{'loss': 0.5}}; got {type(values).__name__}.")
        if step is not None and not is_whole(step):
            raise ValueError(f"step= is a whole number; got {step!r}.")
        found = {str(name): plain(value, str(name)) for name, value in values.items()}
        odd = not_finite(values)
        with self._lock:
            step = self._step + 1 if step is None else int(step)
            self._note("log", step=step, values=found, **({"not_finite": odd} if odd else {}))
            self._step = step
        self._tell("log", found | {name: float(word) for name, word in odd.items()}, step)

    def add_config(self, config: Any) -> None:
        """Note more of the config: what is only known when the run is under way.

        Parameters
        ----------
        config : dict
            Of the names that it has already the values are replaced.
        """
        with self._lock:
            more = _dict(config)
            self.config |= more
            self._write_about()
        self._tell("config", more)

    def table(self, name: str, table: Any) -> None:
        """Write a table: Parquet, or lines of JSON where pyarrow is not installed. One of the same name is replaced.

        Parameters
        ----------
        name : str
        table : DataFrame, result, dict of columns, or list of dicts

        Raises
        ------
        TypeError, ValueError
            For what is no table, or a name that no file can have everywhere.
        OSError
            Where it cannot be written.
        """
        run_folder.check_name("table", name)
        frame = as_frame(table)
        path = self._written("table", name, lambda: write_table(self._subfolder(run_folder.TABLES), name, frame))
        self._note("table", name=name, file=path.name, rows=len(frame))
        self._tell("table", name, frame)

    def figure(self, name: str, figure: Any) -> None:
        """Write a figure: a page that needs no network, or a picture. One of the same name is replaced.

        Parameters
        ----------
        name : str
        figure : result, view, figure of plotly or matplotlib, or path
            Of a result its numbers are written beside it, as JSON.

        Raises
        ------
        TypeError, ValueError
            For what is no figure, or a name that no file can have everywhere.
        OSError
            Where it cannot be written.
        """
        run_folder.check_name("figure", name)
        path = self._written("figure", name, lambda: write_figure(self._subfolder(run_folder.FIGURES), name, figure))
        self._note("figure", name=name, file=path.name)
        self._tell("file", name, path)

    def file(self, path: str | Path, *, name: str | None = None) -> str:
        """Copy a file into the run, once for the same content, and return its SHA-256.

        Parameters
        ----------
        path : str or Path
        name : str, optional
            That of the file by default.

        Raises
        ------
        FileNotFoundError, ValueError
            Where there is no such file, or it is a folder.
        OSError
            Where it cannot be written.
        """
        called = run_folder.check_name("file", Path(path).name if name is None else name)
        with self._lock:
            stored, size = self._written("file", called, lambda: store(self._subfolder(run_folder.FILES), path))
        self._note("file", name=called, file=stored, bytes=size)
        self._tell("file", called, Path(path))
        return str(stored[:64])

    # --- how it ends ------------------------------------------------------------------------------------------------

    def end(self) -> None:
        """End a run that is no `with` block, as "done". What ended already stays as it is.

        Raises
        ------
        OSError
            Where events still could not be written: make room, and call it again.
        """
        self._end("done", "")

    def __enter__(self) -> Run:
        """Return the run."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """End the run: "done", or "failed" with what went wrong."""
        if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
            self._end("done", "")
            return
        said = "stopped by Ctrl-C" if type(error) is KeyboardInterrupt else f"{type(error).__name__}: {error}"
        try:
            self._end("failed", said[:2000])
        except OSError as unwritten:
            warnings.warn(str(unwritten), stacklevel=2)  # that of the block goes on

    def _end(self, status: str, error: str) -> None:
        with self._lock:
            if self._about["status"] != "running" or not self._is_own:
                return
            self._events.flush()
            if self._events.n_waiting:
                raise OSError(
                    errno.ENOSPC,
                    f"{self._events.n_waiting:,} events of the run in {str(self.folder)!r} could not be written: make "
                    "room and call run.end().",
                )
            ended = {"status": status, "error": error, "ended": _now(), "heartbeat": time.time()}
            self._written("end", status, lambda: self._write_about(**ended))
            self._about |= ended
            if self in _open:
                _open.remove(self)
            self._ended.set()
            self._events.sync()
            self._events.close()
        atexit.unregister(self._at_exit)
        self._tell("end", status)

    def _at_exit(self) -> None:
        try:
            self._end("failed", "its process ended before run.end(): use `with tracking.run(...) as run:`")
        except OSError as error:
            warnings.warn(str(error), stacklevel=2)

    # --- writing ----------------------------------------------------------------------------------------------------

    @property
    def _is_own(self) -> bool:
        """Whether this is the process that began it, and not a fork of it."""
        return bool(self._about["process"]["pid"] == os.getpid())

    def _note(self, kind: str, **about: Any) -> None:
        if self._about["status"] != "running":
            raise RuntimeError(f"The run in {str(self.folder)!r} has ended: begin another one, in a folder of its own.")
        self._events.add({"time": round(time.time(), 3), "kind": kind, **about})

    def _subfolder(self, name: str) -> Path:
        if self._about["status"] != "running":
            self._note(name)  # says that it has ended
        (self.folder / name).mkdir(exist_ok=True)
        return self.folder / name

    def _forked(self) -> None:
        """Have locks of its own in the child of a fork: a thread that is not there may hold those of the parent."""
        self._lock = threading.RLock()
        self._events.unlock()

    def _written(self, what: str, name: str, write: Callable[[], Any]) -> Any:
        """Return what a function returns that writes; say what it was of where the system does not let it."""
        try:
            return write()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise OSError(
                error.errno,
                f"The {what} {name!r} of the run in {str(self.folder)!r} cannot be written "
                f"({error.strerror or error}). All that was noted before is there: make room and call it again.",
            ) from error

    def _write_about(self, **changes: Any) -> None:
        with self._lock:
            text = json.dumps(self._about | changes, indent=1, allow_nan=False, ensure_ascii=False)
            write_text(self.folder / run_folder.RUN, text)

    def _beat(self) -> None:
        """Write a sign of life every few seconds, for readers on other machines."""
        while not self._ended.wait(HEARTBEAT):
            with self._lock:
                if self._about["status"] != "running":
                    return
                try:
                    self._write_about(heartbeat=time.time())
                    self._events.flush()
                    self._events.sync()
                except OSError:
                    continue  # a full disk: whoever logs is told

    def _tell(self, method: str, *arguments: Any) -> None:
        """Tell the adapters; what goes wrong there is a warning, once for each."""
        for name, adapter in list(self._adapters.items()) if self._is_own else ():
            try:
                getattr(adapter, method)(*arguments)
            except Exception as error:
                if method != "end":
                    del self._adapters[name]
                warnings.warn(
                    f"{name} takes no more of {self.name!r}, and its folder does: {type(error).__name__}: {error}",
                    stacklevel=3,
                )


def _after_fork() -> None:
    for run in _open:
        run._forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def current() -> Run | None:
    """Return the run that this process has open, the one that was begun last; None where there is none.

    Functions that have something to note, such as `features.train`, note it there.

    Examples
    --------
    >>> tracking.current() is None
    True
    >>> with tracking.run(folder) as run:
    ...     tracking.current() is run
    True
    """
    return next((run for run in reversed(_open) if run._is_own), None)


def _dict(config: Any) -> dict[str, Any]:
    found = {} if config is None else plain(config, "config")
    if not isinstance(found, dict):
        raise TypeError(f"config= is a dict, a dataclass or a Namespace of argparse; got {type(config).__name__}.")
    return found


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
