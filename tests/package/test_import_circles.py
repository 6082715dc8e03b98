"""No module imports itself by way of others, be it lazily or for types alone."""

import grimp
import networkx


def test_no_module_is_on_a_circle_of_imports():
    modules = grimp.build_graph("scope_widgets", cache_dir=None)
    # what is compiled is no module that is read: its imports are taken for those of its package
    modules.remove_import(importer="scope_widgets._kernels._compiled", imported="scope_widgets._kernels")
    arrows = ((one, other) for one in modules.modules for other in modules.find_modules_directly_imported_by(one))
    circles = networkx.strongly_connected_components(networkx.DiGraph(arrows))
    assert not [sorted(circle) for circle in circles if len(circle) > 1]
