"""--dry-run: the memory that a command would take, and nothing done."""

from __future__ import annotations

import argparse

from scope_widgets.cli.conventions.answer import Answer


def dry_run(options: argparse.Namespace) -> Answer | None:
    """Return what --dry-run answers, None where it was not asked for."""
    if not getattr(options, "dry_run", False):
        return None
    from scope_widgets.models.load_estimate import estimate_load

    found = estimate_load(options.model)
    fields = {name: getattr(found, name) for name in ("weights", "needed", "available", "fits", "advice")}
    return Answer({"dry_run": True, "model": found.name, **fields}, f"{found.name}: {found.advice}")
