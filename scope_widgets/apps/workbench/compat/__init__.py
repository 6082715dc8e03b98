"""The paths of two earlier servers, answered with real numbers; the table is in docs/workbench_api.md."""

from __future__ import annotations

from fastapi import APIRouter

from scope_widgets.apps.workbench.compat import (
    observatory,
    observatory_models,
    observatory_socket,
    workbench,
    workbench_features,
    workbench_socket,
    workbench_training,
)

#: where the paths of each begin
WORKBENCH, OBSERVATORY = "/compat/workbench", "/compat/observatory"


def routers() -> list[APIRouter]:
    """Return the routers of both, each under its prefix."""
    whole = []
    for prefix, rooms in (
        (WORKBENCH, (workbench, workbench_features, workbench_training, workbench_socket)),
        (OBSERVATORY, (observatory, observatory_models, observatory_socket)),
    ):
        router = APIRouter(prefix=prefix)
        for room in rooms:
            router.include_router(room.router)
        whole.append(router)
    return whole
