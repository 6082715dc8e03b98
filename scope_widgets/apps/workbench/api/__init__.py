"""The REST API of the workbench, /api/v1, and the socket of programs; see docs/workbench_api.md."""

from scope_widgets.apps.workbench.api.install import install

__all__ = ["install"]
