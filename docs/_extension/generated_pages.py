"""Pages made of what is measured and written elsewhere: the API reference, errors."""

import ast
import os
from pathlib import Path

ROOT = Path(os.environ["SCOPE_DOCS_ROOT"])
ROOMS = [
    "heads",
    "lens",
    "patching",
    "ioi",
    "circuits",
    "steering",
    "editing",
    "features",
    "probing",
    "geometry",
    "evals",
    "report",
    "plots",
    "tracking",
    "widgets",
]


def api_page(room):
    """Return the reference of one room."""
    module = f"scope_widgets.{room}"
    return f"# {room}\n\n```{{eval-rst}}\n.. automodule:: {module}\n```\n"


def write(app):
    """Write the pages into the copy of the sources that is built."""
    source = Path(app.srcdir)
    for room in ROOMS:
        _write(source / "api" / f"{room}.md", api_page(room))
    decisions = source / "decisions" / "README.md"
    pages = "\n".join(sorted(path.stem for path in decisions.parent.glob("*.md") if path != decisions))
    said = decisions.read_text(encoding="utf-8").partition("\n```{toctree}")[0]
    _write(decisions, f"{said}\n```{{toctree}}\n:hidden:\n\n{pages}\n```\n")
    before, _, rest = (source / "errors.md").read_text(encoding="utf-8").partition("<!-- errors -->")
    _write(source / "errors.md", before + errors() + rest.partition("<!-- end of errors -->")[2])


def errors():
    """Return the sentences of errors, by the module that raises them; what is filled in stands as ⟨...⟩.

    Each module has the anchor that `scope_widgets._error_index` gives for its errors.
    """
    package, lines = ROOT / "scope_widgets", []
    files = sorted(package.rglob("*.py"), key=lambda path: (path.parent == package, path))
    for path in files:
        raised = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Raise)]
        if not raised:
            continue
        module = ".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__")
        room = module.partition(".")[0] if path.parent != package else "everywhere"
        if f"\n## {room}\n" not in lines:
            lines.append(f"\n## {room}\n")
        rows = sorted({said for node in raised if (said := _sentence(node.exc))})
        lines.append(f'\n<a id="{module}"></a>**{module}**\n')
        lines += [f"- `{kind}`: {said}" for kind, said in rows] or ["- A sentence that is put together elsewhere."]
    return "\n".join(lines)


def _sentence(raised):
    """Return class and sentence of what is raised; None where the sentence is made elsewhere."""
    if not isinstance(raised, ast.Call) or not raised.args:
        return None
    text = _text(raised.args[0])
    if not text or len(text.replace("⟨…⟩", "")) < 20:
        return None
    text = " ".join(text.split()).replace("\\", "\\\\")
    for character in "*_`<>[]$#":
        text = text.replace(character, f"\\{character}")
    return ast.unparse(raised.func).rpartition(".")[2], text


def _text(node):
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "⟨…⟩" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text(node.left), _text(node.right)
        return (left or "⟨…⟩") + (right or "⟨…⟩")
    return None


def _write(path, text):
    path.parent.mkdir(exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def setup(app):
    """Tell Sphinx."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
