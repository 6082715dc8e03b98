"""`save`: a figure as one HTML file that works without a network, or as PNG, SVG or PDF where kaleido is installed."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape, unescape
from importlib.util import find_spec
from pathlib import Path

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from scope_widgets._files import replacing, write_text
from scope_widgets._untrusted import check_name

_IMAGES = (".png", ".svg", ".pdf", ".jpg", ".jpeg", ".webp")
#: what plotly.js draws by WebGL, whose programs it compiles from text
_GL = ("scattergl", "scatter3d", "heatmapgl", "mesh3d", "surface")

# Nothing may be fetched or sent, and no script may run but the two of this page, which are named by their hashes.
_POLICY = (
    "default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
    "base-uri 'none'; form-action 'none'"
)
_DRAW = """
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const figure = read("figure");
Plotly.newPlot("plot", figure.data, figure.layout, {
  responsive: true, displaylogo: false, scrollZoom: false,
  toImageButtonOptions: { format: "svg", filename: document.title },
});
"""
_STYLE = """
body { margin: 16px auto; max-width: 1200px; padding: 0 16px; font: 11px/16px system-ui, sans-serif; }
p { margin: 8px 0 0; overflow-wrap: anywhere; opacity: .75; white-space: pre-wrap; }
"""


def save(figure: go.Figure, path: str | Path) -> Path:
    """Write a figure as a file; the end of its name says which kind.

    Parameters
    ----------
    figure : plotly.graph_objects.Figure
    path : str or Path
        ".html": one page (5 MB, with plotly.js in it) that is drawn without a network, below the figure where it came
        from; nothing may be loaded into it. ".png", ".svg", ".pdf", ".jpg" and ".webp" need the package kaleido and a
        Chromium. It is replaced when it exists.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ValueError
        For another kind of file.
    ModuleNotFoundError
        For an image where kaleido is not installed.
    FileNotFoundError
        When the folder of `path` is not there.

    Examples
    --------
    >>> figure = scope.trace("When Mary and John went to the store").plot(3, 1)
    >>> folder.mkdir(exist_ok=True)
    >>> plots.save(figure, folder / "attention.html").stat().st_size > 10**6
    True
    """
    path = check_name(path)
    kind = path.suffix.lower()
    if kind == ".html":
        return write_text(path, page(figure))
    if kind not in _IMAGES:
        raise ValueError(
            f"A figure is saved as .html or as an image ({', '.join(_IMAGES)}); {path.name!r} does not say which."
        )
    if find_spec("kaleido") is None:
        raise ModuleNotFoundError(
            f"{path.name!r} needs the package kaleido, which is not installed: pip install 'scope-widgets[plots]'. "
            f"{path.with_suffix('.html').name!r} needs nothing, and has a button that saves an SVG."
        )
    drawn = figure.to_image(format=kind[1:].replace("jpeg", "jpg"), scale=2)
    with replacing(path) as new:
        new.write_bytes(drawn)
    return path


def page(figure: go.Figure) -> str:
    """Return the text of the page that `save` writes."""
    about = figure.layout.meta if isinstance(figure.layout.meta, dict) else {}
    # literal for plotly where they are ours; whatever they are, no markup here
    title, *caption = (
        escape(unescape(str(one))) for one in (about.get("title", "scope-widgets"), *about.get("caption", ()))
    )
    ground, ink = figure.layout.template.layout.paper_bgcolor, figure.layout.template.layout.font.color
    uses_gl = any(one.type in _GL for one in figure.data)
    scripts = [get_plotlyjs(), _DRAW]
    hashes = [f"'sha256-{b64encode(sha256(one.encode()).digest()).decode()}'" for one in scripts]
    policy = _POLICY.format(scripts=" ".join([*hashes, *(["'unsafe-eval'"] if uses_gl else [])]))
    data = figure.to_json().replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title>",
            f"<style>body {{ background: {ground or '#fff'}; color: {ink or '#1c1e21'}; }}{_STYLE}</style>",
            "</head><body>",
            '<div id="plot"></div>',
            "<p>{}</p>".format("\n".join(caption)),
            f'<script type="application/json" id="figure">{data}</script>',
            *(f"<script>{one}</script>" for one in scripts),
            "</body></html>\n",
        ]
    )
