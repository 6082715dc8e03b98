"""Docstrings: their sections, and names in backticks, which become links where something public is called so.

Where nothing is, they are code: an argument, a shape. Every reference that a page asks for by its role must be there.
"""

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.ext.napoleon import Config, NumpyDocstring
from sphinx.util.docutils import SphinxRole
from sphinx.util.nodes import make_refnode

ROOT = "scope_widgets."
#: types stay words: "Tensor of int [position]" has more to say than a link
SETTINGS = Config(
    napoleon_use_param=False,
    napoleon_use_rtype=False,
    napoleon_custom_sections=[("Attributes", "params_style"), ("Raises", "params_style")],
)


class Name(SphinxRole):
    """A name in backticks."""

    def run(self):
        """Return a reference to be looked up when all pages are read."""
        context = {key: self.env.ref_context.get(key) for key in ("py:module", "py:class")}
        inside = nodes.literal(self.rawtext, self.text, classes=["name"])
        found = pending_xref(
            self.rawtext, inside, refdomain="", reftype="name", reftarget=self.text, refdoc=self.env.docname, **context
        )
        return [found], []


def link(app, env, node, contnode):
    """Return a link to what is called so in the class or module around or in the package, or the name as code."""
    if node.get("reftype") != "name":
        return None
    objects = env.get_domain("py").objects
    target = node["reftarget"].removesuffix("()")
    module, inside = node.get("py:module") or "", node.get("py:class") or ""
    for name in (f"{module}.{inside}.{target}", f"{module}.{target}", ROOT + target):
        if name in objects:
            found = objects[name]
            return make_refnode(app.builder, node["refdoc"], found.docname, found.node_id, contnode, name)
    return contnode


def sections(app, what, name, obj, options, lines):
    """Turn NumPy's sections into lists; a property is read as a function, not as "type: sentence"."""
    kind = "function" if what in ("attribute", "data", "property") else what
    lines[:] = NumpyDocstring(lines, SETTINGS, app, kind, name, obj, options).lines()


def setup(app):
    """Tell Sphinx."""
    app.add_role("name", Name())
    app.connect("missing-reference", link)
    app.connect("autodoc-process-docstring", sections)
    return {"parallel_read_safe": True}
