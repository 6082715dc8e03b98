"""Sphinx's settings. `make docs` (`scripts/build_docs.py`) runs them on a copy of this folder, with notebooks."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = Path(os.environ["SCOPE_DOCS_ROOT"])
sys.path[:0] = [str(ROOT), str(HERE / "_extension")]

from scope_widgets import __version__ as release

project = "scope-widgets"
author = copyright = "The scope-widgets developers"
extensions = ["myst_nb", "sphinx.ext.autodoc", "docstrings", "generated_pages", "frames", "mathml"]
exclude_patterns = ["_extension", "_kernel"]

# pages
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
myst_dmath_double_inline = True

# notebooks: run once, and again when their code changes; a view is its saved page in a frame (_kernel/live_views.py)
nb_execution_mode = "cache"
nb_execution_cache_path = os.environ["SCOPE_DOCS_CACHE"]
nb_execution_excludepatterns = ["**/remote.ipynb", "**/*smollm2.ipynb", "**/before_and_after.ipynb"]
nb_execution_timeout = 900
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_execution_show_tb = True
nb_output_stderr = "remove"
nb_ipywidgets_js = {}  # from a CDN otherwise, and there is no kernel
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]

# the reference: types stand in the docstrings, in words with shapes
autodoc_typehints = "none"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "imported-members": True}
default_role = "name"

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = f"scope-widgets {release}"
html_context = {"default_mode": "auto"}
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"*": []}  # pages that have none below them: a sidebar of sections would be empty
