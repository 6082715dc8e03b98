"""Write js/src/generated/traits.ts: the traits of every view as TypeScript types.

The browser reads and writes a trait by its name, as a string. Its model is typed by what this script generates, so
that a trait that is renamed, or has another type, no longer compiles. ``make traits`` writes the file; ``make lint``
runs this script with ``--check``, which fails when the file is not what the traits of today make.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import traitlets

from scope_widgets import widgets
from scope_widgets.widgets.core.view import View
from scope_widgets.widgets.workbench.panels.framed_page import FramedPage
from scope_widgets.widgets.workbench.workbench_bar import WorkbenchBar

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "js" / "src" / "generated" / "traits.ts"

HEADER = """\
/** The traits of every view. Generated from scope_widgets/widgets by `make traits`: change the traits there. */
import type { Bytes } from "../core/bytes";
"""


def views() -> list[type[View]]:
    """Return the classes of all public views, and of the bar of the workbench."""
    public = [getattr(widgets, name) for name in widgets.__all__]
    return [*(item for item in public if isinstance(item, type) and issubclass(item, View)), WorkbenchBar, FramedPage]


def typescript(classes: Sequence[type[View]]) -> str:
    """Return the TypeScript of the traits that all views share and of those that each adds."""
    every: list[type[View]] = [View, *classes]
    return HEADER + "".join("\n" + interface(cls) for cls in every)


def interface(cls: type[View]) -> str:
    """Return the interface of the traits that a class adds to those of `View`."""
    shared = {} if cls is View else synced(View)
    lines = [f"export interface {cls.__name__}Traits {'' if cls is View else 'extends ViewTraits '}{{"]
    for name, trait in synced(cls).items():
        if name in shared:
            continue
        if trait.help:
            lines.append(f"  /** {trait.help} */")
        lines.append(f"  {'readonly ' if trait.read_only else ''}{name}: {type_of(trait)};")
    return "\n".join([*lines, "}", ""])


def synced(cls: type[View]) -> dict[str, traitlets.TraitType[Any, Any]]:
    """Return the traits that reach the browser, in the order of their definition, without ipywidgets' own."""
    found: dict[str, traitlets.TraitType[Any, Any]] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("ipywidgets") or not issubclass(base, traitlets.HasTraits):
            continue
        traits = {name: trait for name, trait in vars(base).items() if isinstance(trait, traitlets.TraitType)}
        found |= {name: trait for name, trait in traits.items() if trait.metadata.get("sync") and name[0] != "_"}
    return found


def type_of(trait: traitlets.TraitType[Any, Any]) -> str:
    """Return the TypeScript type of a trait's value as JSON brings it.

    Raises
    ------
    TypeError
        For a kind of trait that this script does not know.
    """
    plain = _plain_type(trait)
    return f"{plain} | null" if trait.allow_none and plain != "any" else plain


def _plain_type(trait: traitlets.TraitType[Any, Any]) -> str:
    if type(trait) in (traitlets.TraitType, traitlets.Any):
        return "any"  # checked by a validator of the view; the browser says what it is where it reads it
    if isinstance(trait, traitlets.Enum):
        return " | ".join(json.dumps(value) for value in trait.values or ())
    if isinstance(trait, traitlets.List):
        item = "any" if trait._trait is None else type_of(trait._trait)
        if 0 < trait._minlen == trait._maxlen:
            return f"[{', '.join([item] * trait._minlen)}]"
        return f"({item})[]" if "|" in item else f"{item}[]"
    if isinstance(trait, traitlets.Dict):
        value = trait._value_trait
        return f"Record<string, {type_of(value) if isinstance(value, traitlets.TraitType) else 'any'}>"
    for kind, name in _SCALARS.items():
        if isinstance(trait, kind):
            return name
    raise TypeError(
        f"The trait {trait.name!r} is a {type(trait).__name__}, and no TypeScript type is known for that kind: "
        f"add it to scripts/{Path(__file__).name}."
    )


_SCALARS: dict[type[traitlets.TraitType[Any, Any]], str] = {
    traitlets.Unicode: "string",
    traitlets.Bool: "boolean",
    traitlets.Int: "number",
    traitlets.Float: "number",
    traitlets.Bytes: "Bytes",
}


def difference(text: str, classes: Sequence[type[View]]) -> str:
    """Return which lines of a generated file are not those of today's traits, "" where it is up to date."""
    before, now = text.splitlines(), typescript(classes).splitlines()
    lines = [f"- {line.strip()}" for line in before if line not in now]
    lines += [f"+ {line.strip()}" for line in now if line not in before]
    return "\n".join(lines or (["(other order)"] if before != now else []))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file, or with ``--check`` return 1 where it is not up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the file is not up to date")
    if not parser.parse_args(arguments).check:
        TARGET.parent.mkdir(exist_ok=True)
        TARGET.write_text(typescript(views()), encoding="utf-8")
        return 0
    changed = difference(TARGET.read_text(encoding="utf-8") if TARGET.exists() else "", views())
    if changed:
        print(
            f"{TARGET.relative_to(ROOT)} is not what the views' traits are now: run `make traits`.\n{changed}",
            file=sys.stderr,
        )
    return int(bool(changed))


if __name__ == "__main__":
    raise SystemExit(main())
