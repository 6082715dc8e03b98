"""Addresses of frames, which know where the root of the site is only when a page is written."""

import os
import re
import shutil
from pathlib import Path


def place(app, pagename, templatename, context, doctree):
    """Put the way to the root into the addresses of frames."""
    if "site-root/" in context.get("body", ""):
        root = "../" * pagename.count("/")
        context["body"] = context["body"].replace("site-root/", root)


def copy(app, error):
    """Put the pages that are in frames, those that some page shows, beside the site."""
    if error:
        return
    views = Path(app.outdir) / "views"
    shutil.rmtree(views, ignore_errors=True)
    views.mkdir()
    front(views / "front.html")
    shown = {name for page in Path(app.outdir).rglob("*.html") for name in _names(page)}
    for name in sorted(shown):
        shutil.copy(Path(os.environ["SCOPE_DOCS_VIEWS"]) / name, views / name)


def front(path):
    """Write the view of the front page."""
    from scope_widgets import Microscope, widgets

    trace = Microscope.load("demo").trace("When Mary and John went to the store, John gave a drink to")
    widgets.AttentionView(trace, selected_heads=[(3, 1)]).to_html(path)


def _names(page):
    """Return the files that the frames of a page show."""
    return re.findall(r'src="(?:\.\./)*views/([0-9a-f]{16}\.html)"', page.read_text(encoding="utf-8"))


def setup(app):
    """Tell Sphinx."""
    app.connect("html-page-context", place)
    app.connect("build-finished", copy)
    return {"parallel_read_safe": True}
