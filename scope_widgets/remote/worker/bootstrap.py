"""The one function that travels: it runs on the server, where this package is not installed."""

from __future__ import annotations

from typing import Any


def run_with_sources(model: Any, sources: dict[str, str], request: dict[str, Any]) -> Any:
    """Import this package's modules from `sources` for the length of one request, answer it, and leave nothing behind.

    It knows nothing from outside its own body: nnsight ships it as text.

    Parameters
    ----------
    model
        nnsight's model on the server.
    sources : dict of str to str
        Text of each module by its name; what is to run is plain Python over torch, none of it compiled.
    request : dict
        As `execute.answer` takes it.
    """
    import importlib
    import importlib.abc
    import importlib.machinery
    import linecache
    import sys

    class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
        def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]
            if name not in sources:
                return None
            package = any(other.startswith(name + ".") for other in sources)
            return importlib.machinery.ModuleSpec(name, self, is_package=package)

        def create_module(self, spec):  # type: ignore[no-untyped-def]
            return None

        def exec_module(self, module):  # type: ignore[no-untyped-def]
            source, file = sources[module.__name__], "<" + module.__name__ + ">"
            module.__file__ = file
            linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)  # nnsight reads it
            exec(compile(source, file, "exec"), module.__dict__)

    finder = Finder()
    names = {name.partition(".")[0] for name in sources}
    before = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in names}
    sys.meta_path.insert(0, finder)
    try:
        return importlib.import_module(request["execute"]).answer(model, request)
    finally:
        sys.meta_path.remove(finder)
        for name in list(sys.modules):
            if name.partition(".")[0] in names:
                del sys.modules[name]
        sys.modules.update(before)
        for name in sources:
            linecache.cache.pop("<" + name + ">", None)
