"""The REST API of the workbench, /api/v1, and the socket of programs; see docs/workbench_api.md."""
