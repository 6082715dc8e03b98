"""Where the documentation has a sentence of an error: said below it in a notebook and by `microscope`."""

from __future__ import annotations

import sys
from typing import Any

PAGE = "errors.html"


def place(error: BaseException) -> str:
    """Return where the index of errors has what an error says: the page, and the module that raised it as its anchor.

    Parameters
    ----------
    error : BaseException
        One that was raised.

    Returns
    -------
    str
        An address where `pyproject.toml` names a documentation (`[project.urls]`), else the page of one; empty where
        the error was not raised in this package: its sentence is another's.

    Examples
    --------
    >>> from scope_widgets._check_choice import checked_count
    >>> try:
    ...     checked_count("n", 0)
    ... except ValueError as error:
    ...     place(error).rpartition("#")[2]
    '_check_choice'
    """
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    module = step.tb_frame.f_globals.get("__name__", "") if step is not None else ""
    package, _, inside = module.partition(".")
    return f"{_documentation()}{PAGE}#{inside}" if package == "scope_widgets" and inside else ""


def see(error: BaseException) -> str:
    """Return a sentence that says where an error is explained; empty for those of others."""
    where = place(error)
    return where and f"See {where}{'' if '://' in where else ' in the docs'}."


def tell_in_notebooks() -> None:
    """Say it below each error of a cell, where IPython runs cells; elsewhere nothing is changed."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        shell.events.register("post_run_cell", _tell)


def _tell(result: Any) -> None:
    said = see(result.error_in_exec) if result.error_in_exec is not None else ""
    if said:
        print(said, file=sys.stderr)


def _documentation() -> str:
    """Return the address of the documentation with a slash at its end; empty where none is known."""
    from importlib import metadata  # which `import scope_widgets` does without

    try:
        urls = metadata.metadata("scope-widgets").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        return ""
    named = dict(url.split(", ", 1) for url in urls)
    return named["Documentation"].rstrip("/") + "/" if "Documentation" in named else ""
