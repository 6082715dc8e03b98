"""`runs`: the runs below a folder, as a table."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scope_widgets._untrusted import check_name
from scope_widgets.tracking import run_folder
from scope_widgets.tracking.recorded_run import load

if TYPE_CHECKING:
    import pandas as pd

#: folders that are looked through, and how deep below the given one
_MOST, _DEEPEST = 100_000, 8
#: columns of config and of logged values, beyond which a table shows nothing
_COLUMNS = 200
#: columns that every run has, and how those of its config begin
_OWN, _CONFIG = ("name", "status", "error", "begun", "seconds", "events", "folder"), "config."


def runs(folder: str | Path) -> pd.DataFrame:
    """Return the runs in and below a folder, the last begun first.

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    DataFrame
        A row a run: name, status, error, begun, seconds, events, folder (relative); then `config.<name>` for numbers
        and texts of the config, and the last value of each number that was logged, as `logged.<name>` where another
        column has its name. Of a folder that cannot be read the status is "damaged".

    Raises
    ------
    FileNotFoundError
        Where there is no such folder.

    Examples
    --------
    >>> for rate in (0.1, 0.2):
    ...     with tracking.run(folder / str(rate), config={"rate": rate}) as run:
    ...         run.log({"loss": 1 - rate})
    >>> tracking.runs(folder).sort_values("name")[["name", "status", "config.rate", "loss"]].values.tolist()
    [['0.1', 'done', 0.1, 0.9], ['0.2', 'done', 0.2, 0.8]]
    """
    import pandas as pd

    folder = check_name(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {str(folder)!r} with runs.")
    rows = [_row(one, folder) for one in _folders(folder)]
    seen = dict.fromkeys(name for row in rows for name in row if name not in _OWN)
    names = sorted(seen, key=lambda name: not name.startswith(_CONFIG))  # those of the config first
    found = pd.DataFrame(rows, columns=[*_OWN, *names[:_COLUMNS]])
    return found.sort_values("begun", ascending=False, kind="stable", na_position="last", ignore_index=True)


def fingerprint(folder: Path) -> int:
    """Return a number that is another one when a run in or below a folder came, went, or was written to.

    Only names, sizes and times of change are looked at: it takes milliseconds where reading the runs takes seconds.

    Raises
    ------
    FileNotFoundError
        Where there is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {str(folder)!r} with runs.")
    seen: list[tuple[str, int, int]] = []
    for one in _folders(folder):
        for name in (run_folder.RUN, run_folder.EVENTS):
            with suppress(OSError):  # it is being written, or removed
                about = (one / name).stat()
                seen.append((str(one / name), about.st_mtime_ns, about.st_size))
    return hash(tuple(seen))


def _folders(top: Path) -> Iterator[Path]:
    """Yield the folders of runs; what lies within a run is its own."""
    for at, (path, below, files) in enumerate(os.walk(top)):
        if at == _MOST:
            raise ValueError(f"{str(top)!r} has more than {_MOST:,} folders below it: give one nearer to the runs.")
        below.sort()
        if run_folder.EVENTS in files:
            below[:] = [one for one in below if one not in (run_folder.TABLES, run_folder.FIGURES, run_folder.FILES)]
            yield Path(path)
        if len(Path(path).relative_to(top).parts) >= _DEEPEST:
            below.clear()


def _row(folder: Path, top: Path) -> dict[str, Any]:
    where = str(folder.relative_to(top))
    try:
        run = load(folder)
    except (ValueError, OSError) as error:  # of one that is being removed, say
        return {"name": folder.name, "status": "damaged", "error": str(error), "begun": None, "folder": where}
    row = {name: getattr(run, name) for name in ("name", "status", "error", "begun", "seconds")}
    config = {f"{_CONFIG}{name}": one for name, one in run.config.items() if isinstance(one, (bool, int, float, str))}
    last = {_column(name): one for name, one in run.last.items() if isinstance(one, (int, float))}
    return {**row, "events": len(run.events) + run.left_out, "folder": where, **config, **last}


def _column(logged: str) -> str:
    """Return the column of a name that was logged, which is none of a run's own or of its config."""
    return f"logged.{logged}" if logged in _OWN or logged.startswith(_CONFIG) else logged
