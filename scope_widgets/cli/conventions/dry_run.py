"""--dry-run: the memory that a command would take, and nothing done."""

from __future__ import annotations

import argparse

from scope_widgets.cli.conventions.answer import Answer
from scope_widgets.cli.conventions.command_parser import UsageError


def dry_run(options: argparse.Namespace) -> Answer | None:
    """Return what --dry-run answers, None where it was not asked for.

    A command that does not always load its model says when in `loads_model`, a function of its options.
    """
    if not getattr(options, "dry_run", False):
        return None
    if getattr(options, "remote", False) or not getattr(options, "loads_model", _always)(options):
        raise UsageError("--dry-run says what loading the model takes, and it is not loaded here: leave it out.")
    from scope_widgets.models.load_estimate import estimate_load

    found = estimate_load(options.model)
    fields = {name: getattr(found, name) for name in ("weights", "needed", "available", "fits", "advice")}
    return Answer({"dry_run": True, "model": found.name, **fields}, f"{found.name}: {found.advice}")


def _always(_: argparse.Namespace) -> bool:
    return True
