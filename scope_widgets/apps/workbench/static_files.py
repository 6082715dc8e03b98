"""The page and its scripts, each under a name that says what is in it, so that a browser keeps it for good."""

from __future__ import annotations

from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response

from scope_widgets.widgets.core.bundle import STATIC, bundle

FOLDER = "static"
#: scripts that are the page's, and not a view's
PAGE_SCRIPT, PAGE_STYLE = "workbench.js", "workbench.css"
_FOR_GOOD = "public, max-age=31536000, immutable"
_TYPES = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Workbench</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{style}">
<script type="module" src="{script}"></script>
</head>
<body><noscript>The workbench needs JavaScript, all of which is this server's own.</noscript></body>
</html>
"""


class StaticFiles:
    """What is served to everybody who knows the address: read once, when the server starts.

    Raises
    ------
    FileNotFoundError
        Where the browser half is not built.
    """

    def __init__(self) -> None:
        bundle("workbench")  # says how to build it
        self._files: dict[str, tuple[bytes, str]] = {}
        self._names: dict[str, str] = {}
        for path in sorted(STATIC.iterdir()):
            stem, _, kind = path.name.rpartition(".")
            if kind in _TYPES:
                data = path.read_bytes()
                name = f"{stem}.{sha256(data).hexdigest()[:16]}.{kind}"
                self._files[name] = data, _TYPES[kind]
                self._names[path.name] = f"{FOLDER}/{name}"
        page = _PAGE.format(style=self._names[PAGE_STYLE], script=self._names[PAGE_SCRIPT])
        self._page = page.encode()

    def addresses(self) -> dict[str, str]:
        """Return the address of each view's bundle, relative to the page."""
        return {name[:-3]: address for name, address in self._names.items() if name.endswith(".js")}

    def is_public(self, path: str) -> bool:
        """Return whether a path is the page or one of its files."""
        return path == "/" or (path.startswith(f"/{FOLDER}/") and path[len(FOLDER) + 2 :] in self._files)

    async def page(self, request: Request) -> Response:
        """Answer with the page, which is the same for everybody and knows nothing."""
        return Response(self._page, media_type="text/html", headers={"cache-control": "no-cache"})

    async def file(self, request: Request) -> Response:
        """Answer with a script or a sheet."""
        found = self._files.get(request.path_params["name"])
        if found is None:
            return Response(status_code=404)
        data, kind = found
        return Response(data, headers={"content-type": kind, "cache-control": _FOR_GOOD})
