"""Paths of the earlier interpretability workbench: training of autoencoders."""

from __future__ import annotations

import math
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from scope_widgets._json_values import json_value
from scope_widgets.apps.workbench.api.access import Client, TheApi
from scope_widgets.apps.workbench.api.fields import Id, Index, Number
from scope_widgets.apps.workbench.api.job_answers import begun
from scope_widgets.apps.workbench.api.json_body import CheckedRoute
from scope_widgets.apps.workbench.api.problems import Problem, refusals
from scope_widgets.apps.workbench.api.routes.jobs import cancel
from scope_widgets.apps.workbench.api.work import MOST_LATENTS, MOST_STEPS, TRAINING, TrainSAE, count_rows
from scope_widgets.features import SAE

router = APIRouter(route_class=CheckedRoute)

#: what that server's training took, and ours has no use for: the number of latents that fire is given, `k`
IGNORED = ("sparsity_coef", "tied_weights", "activation_fn")
#: latents that fire in a row, where there are as many
_K = 32
_STATES = {"queued": "pending", "cancelling": "running", "done": "completed"}


class Training(BaseModel):
    """What is trained: names of the workspace in the place of paths."""

    layer_idx: Index
    activation_data_path: Annotated[str, Field(min_length=1, max_length=200)]
    output_dir: Annotated[str, Field(min_length=1, max_length=180)] = "trained"
    latent_dim: Annotated[int | None, Field(ge=1, le=MOST_LATENTS)] = None
    sparsity_coef: Number | None = None
    learning_rate: Annotated[Number | None, Field(gt=0, le=1)] = None
    max_epochs: Annotated[int, Field(ge=1, le=10_000)] = 10
    tied_weights: bool | None = None
    activation_fn: Annotated[str | None, Field(max_length=40)] = None
    max_samples: Annotated[int | None, Field(ge=1, le=1_000_000_000)] = None
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 2048


@router.post("/sae/train")
async def train(asked: Training, api: TheApi, client: Client) -> dict[str, Any]:
    """Begin to train an autoencoder of texts, or of rows of activations (.npy)."""
    return await _trained(asked, api, client)


@router.post("/sae/train-fast")
async def train_fast(asked: Training, api: TheApi, client: Client) -> dict[str, Any]:
    """Begin to train; there is one way of training here, which is the fast one."""
    return await _trained(asked, api, client)


@router.get("/sae/training/status/{job}")
async def status(job: Id, api: TheApi) -> dict[str, Any]:
    """Return how far a training is."""
    record, said = api.job(job)
    return training_status(said, record.result)


@router.get("/sae/training/jobs")
async def trainings(api: TheApi) -> list[dict[str, Any]]:
    """Return all trainings that are remembered."""
    return [training_status(said) for _, said in api.feed.all() if said["queue"] == TRAINING]


@router.delete("/sae/training/{job}")
async def stop(job: Id, api: TheApi) -> dict[str, Any]:
    """Stop a training."""
    said = cancel(api, job)
    return training_status({**said, "state": "cancelled" if said["state"] == "cancelling" else said["state"]})


@router.post("/sae/load-trained")
async def load_trained(api: TheApi, job_id: Annotated[str, Query(min_length=1, max_length=200)]) -> dict[str, Any]:
    """Load what a training made."""
    _, said = api.job(job_id)
    if said["state"] != "done" or said["queue"] != TRAINING:
        raise Problem(409, f"This training is {said['state']}: there is nothing to load.")
    stored = await api.load_sae(str(said["name"]).removeprefix("training "), None)
    return {"status": "loaded", "id": stored.id, "layer_idx": stored.sae.layer, "num_features": stored.sae.d_sae}


def training_status(said: dict[str, Any], result: Any = None) -> dict[str, Any]:
    """Return a training as that server had it."""
    last = {}
    if isinstance(result, SAE):
        last = {name: json_value(values[-1]) for name, values in result.history.items() if len(values)}
    return {
        "job_id": said["id"],
        "status": _STATES.get(said["state"], said["state"]),
        "progress": 1.0 if said["state"] == "done" else said["done"] / max(1, said["total"]),
        "step": said["done"],
        "total_steps": said["total"],
        "message": said["text"],
        "error": said["error"] or None,
        "metrics": last,
    }


async def _trained(asked: Training, api: TheApi, client: Client) -> dict[str, Any]:
    steps = None
    if asked.activation_data_path.endswith(".npy"):
        with refusals():
            n = min(count_rows(api.workspace.files, asked.activation_data_path), asked.max_samples or MOST_STEPS)
        steps = min(MOST_STEPS, asked.max_epochs * math.ceil(n / asked.batch_size))
    whole = TrainSAE(
        name=asked.output_dir,
        layer=asked.layer_idx,
        file=asked.activation_data_path,
        d_sae=asked.latent_dim,
        k=min(_K, asked.latent_dim or _K),
        learning_rate=asked.learning_rate,
        max_tokens=asked.max_samples,
        batch=asked.batch_size,
        steps=steps,
    )
    record = await begun(api, whole, client)
    ignored = [name for name in IGNORED if getattr(asked, name) is not None]
    return {"job_id": record.id, "status": "started", "ignored": ignored}
