"""Build the documentation site: ``make docs``, into build/docs/site, without a network where the system can do that.

The pages are a copy of docs/ with the notebooks and the changelog in it, so that links hold on a repository's pages and
on the site. What was run is kept in build/docs/cache and run again when its code changes; ``--fresh`` runs all.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("SCOPE_DOCS_BUILD", ROOT / "build" / "docs"))
SITE = BUILD / "site"
#: where a page's links to files outside docs/ lead on the site; a link to any other file becomes its name
ELSEWHERE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
}
#: pages whose blocks are run on the site, where live views stand in place of the stills that a repository shows
LIVE = ("tour.md",)
_STILL = re.compile(r"!\[[^\]]*\]\(pictures/\w+\.svg\)\n\n")
_LINK = re.compile(r"(!?)\[((?:[^\]\[]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
#: starts the lower half of a process without any network but its own, which kernels talk over
_LOOPBACK = (
    "import fcntl, socket, struct; s = socket.socket(); fcntl.ioctl(s, 0x8914, struct.pack('16sh', b'lo', 1 | 64))"
)


def main() -> int:
    """Build; return 1 where something is wrong with a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fresh", action="store_true", help="run every page again")
    parser.add_argument("--network", action="store_true", help="do not take the network away")
    options = parser.parse_args()
    if options.fresh:
        shutil.rmtree(BUILD, ignore_errors=True)
    source = stage(BUILD / "source")
    environment = {
        **os.environ,
        "SCOPE_DOCS_ROOT": str(ROOT),
        "SCOPE_DOCS_CACHE": str(BUILD / "cache"),
        "SCOPE_DOCS_VIEWS": str(BUILD / "views"),
        "IPYTHONDIR": str(BUILD / "ipython"),
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
    }
    startup = BUILD / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "docs" / "_kernel" / "live_views.py", startup / "00_live_views.py")
    command = [sys.executable, "-m", "sphinx", "-n", "-W", "--keep-going", "-q", "-b", "html", str(source), str(SITE)]
    if not options.network and isolated():
        print("built without a network", flush=True)
        command = [
            "unshare",
            "-rn",
            sys.executable,
            "-c",
            f"{_LOOPBACK}; import os, sys; os.execv(sys.argv[1], sys.argv[1:])",
            *command,
        ]
    return subprocess.run(command, env=environment, cwd=ROOT).returncode


def isolated() -> bool:
    """Return whether the system lets this process be without a network."""
    return (
        bool(shutil.which("unshare"))
        and subprocess.run(["unshare", "-rn", sys.executable, "-c", _LOOPBACK], capture_output=True).returncode == 0
    )


def stage(folder: Path) -> Path:
    """Copy the pages, with links that hold on the site; files that have not changed keep their date."""
    pages = {path.relative_to(ROOT / "docs"): path for path in (ROOT / "docs").rglob("*") if path.is_file()}
    pages |= {Path("notebooks") / path.name: path for path in (ROOT / "notebooks").glob("*.ipynb")}
    pages |= {Path("changelog.md"): ROOT / "CHANGELOG.md"}
    for to, path in pages.items():
        if "__pycache__" in to.parts:
            continue
        data = path.read_bytes()
        if to.suffix in (".md", ".ipynb"):
            text = links(data.decode(), path, to)
            data = (live(text) if str(to) in LIVE else text).encode()
        target = folder / to
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_bytes() != data:
            target.write_bytes(data)
    for old in [path for path in folder.rglob("*") if path.is_file()]:
        inside = old.relative_to(folder)
        if inside not in pages and inside.parts[0] != "api":
            old.unlink()
    return folder


def live(text: str) -> str:
    """Return a page with its blocks as cells that are run, and without stills of what they show."""
    cells = _STILL.sub("", text).replace("```python\n", "```{code-cell} python\n")
    return f"---\nfile_format: mystnb\nkernelspec: {{name: python3}}\n---\n{cells}"


def links(text: str, path: Path, to: Path) -> str:
    """Return a page's text with its links to other files as they are on the site."""

    def changed(match: re.Match[str]) -> str:
        picture, said, address = match.groups()
        if re.match(r"\w+:|#", address):
            return match[0]
        file, _, anchor = address.partition("#")
        target = (path.parent / file).resolve()
        inside = os.path.relpath(target, ROOT)
        for where in (f"{inside}#{anchor}", inside):
            if where in ELSEWHERE:
                return f"{picture}[{said}]({_from(to, Path(ELSEWHERE[where]))})"
        if target.is_dir() and (target / "README.md").exists():
            target, inside = target / "README.md", f"{inside}/README.md"
        if inside.startswith("docs/"):
            place = Path(inside).relative_to("docs")
        elif inside.startswith("notebooks/") and inside.endswith(".ipynb"):
            place = Path(inside)
        else:
            return f"{said} (`{inside}`)" if f"`{inside}`" != said else said
        return f"{picture}[{said}]({_from(to, place)}{'#' * bool(anchor)}{anchor})"

    return _LINK.sub(changed, text)


def _from(page: Path, place: Path) -> str:
    return os.path.relpath(place, page.parent)


if __name__ == "__main__":
    sys.exit(main())
