"""The workbench in a browser tab: `microscope ui`. Needs the extra `scope-widgets[ui]`; see docs/workbench.md."""

from scope_widgets.apps.workbench.app import create_app
from scope_widgets.apps.workbench.serve import serve
from scope_widgets.apps.workbench.workspace import Workspace

__all__ = ["Workspace", "create_app", "serve"]
