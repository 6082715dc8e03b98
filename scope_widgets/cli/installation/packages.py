"""Python and the packages: whether they are those that this version needs, and what the extras would bring."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from scope_widgets._version import __version__
from scope_widgets.cli.installation.finding import Finding

NAME = "scope-widgets"

#: what each extra is for; `test` is for those who change this package
EXTRAS = {
    "features": "recordings as Parquet files",
    "figures": "figures as PDF and PNG",
    "gguf": "models in .gguf files",
    "peft": "patches as PEFT adapters",
    "projection": "maps of activations by UMAP and t-SNE",
    "quantised": "models in 8 and 4 bits",
    "ray": "recording by several machines",
    "fabric": "training on several processors",
    "ui": "the workbench in a browser: microscope ui",
    "crosscheck": "a comparison with TransformerLens",
}


def packages() -> list[Finding]:
    """Return what is found of Python, this package and those that it needs.

    Returns
    -------
    list of Finding
    """
    where = Path(sys.modules["scope_widgets"].__file__ or "").parent
    return [
        Finding("Python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        Finding(NAME, "ok", f"{__version__} in {where}"),
        *_needed(),
        *_extras(),
        _demo(where),
    ]


def _needed() -> Iterator[Finding]:
    from packaging.requirements import Requirement

    try:
        requirements = [Requirement(text) for text in metadata.requires(NAME) or []]
    except metadata.PackageNotFoundError:
        yield Finding(
            "dependencies",
            "note",
            "this is a folder with the sources, not an installed package",
            f"Install it, so that versions can be compared: pip install {NAME}, or pip install -e . in the folder.",
        )
        return
    for one in requirements:
        if one.marker is not None and not one.marker.evaluate({"extra": ""}):
            continue
        version = version_of(one.name)
        if version is None:
            yield Finding(one.name, "missing", "not installed", f"Install it: pip install '{one}'.")
        elif not one.specifier.contains(version, prereleases=True):
            yield Finding(
                one.name, "missing", f"{version}, and {one.specifier} is needed", f"Install it: pip install '{one}'."
            )
        else:
            yield Finding(one.name, "ok", version)


def _extras() -> Iterator[Finding]:
    """Say of each extra whether what it names is there."""
    from packaging.requirements import Requirement

    try:
        requirements = [Requirement(text) for text in metadata.requires(NAME) or []]
    except metadata.PackageNotFoundError:
        return
    for extra, use in EXTRAS.items():
        named = [one.name for one in requirements if _is_of(one.marker, extra)]
        missing = [name for name in named if version_of(name) is None]
        if named and missing:
            do = f"For {use}: pip install '{NAME}[{extra}]'."
            yield Finding(f"extra {extra}", "note", f"without {', '.join(missing)}", do)
        elif named:
            yield Finding(f"extra {extra}", "ok", ", ".join(f"{name} {version_of(name)}" for name in named))


def _is_of(marker: object, extra: str) -> bool:
    from packaging.markers import Marker

    return isinstance(marker, Marker) and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""})


def version_of(name: str) -> str | None:
    """Return the version of an installed package, or None where it is not installed.

    Parameters
    ----------
    name : str
        As it is installed by.

    Returns
    -------
    str or None
    """
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _demo(where: Path) -> Finding:
    files = [where / "models" / "demo" / "model.safetensors", where / "features" / "demo" / "sae_weights.safetensors"]
    if missing := [path.name for path in files if not path.is_file()]:
        return Finding(
            "demo model", "missing", f"without {', '.join(missing)}", f"Install again: pip install -I {NAME}."
        )
    return Finding("demo model", "ok", 'Microscope.load("demo") and features.load("demo") work without a network')
