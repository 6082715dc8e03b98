"""What jobs do, as steps: each is a call of the library."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal

from pydantic import Field

from scope_widgets import circuits, features, ioi
from scope_widgets._bar_steps import steps_of_bars
from scope_widgets._job import Steps
from scope_widgets._untrusted import npy_array, npy_header, opening, reading
from scope_widgets.apps.workbench.api.fields import Given, Index, ModelName, Name, Number, OfModel, Seed, Text
from scope_widgets.apps.workbench.api.problems import Problem
from scope_widgets.apps.workbench.files import Files
from scope_widgets.features.recording.manifest import RecordedSite
from scope_widgets.models.remote_dispatch import submit_aside

#: texts that a request brings itself; more are a file of the workspace
MOST_TEXTS = 5000
#: latents and steps that one training has at most
MOST_LATENTS, MOST_STEPS = 2**20, 10_000_000
#: whose queue training waits in: one at a time on a server
TRAINING = "training"


class LoadModel(Given):
    """Load a model: "demo", one of the workspace, or of the hub where the server allows it."""

    kind: Literal["load_model"] = "load_model"
    name: ModelName


class FindCircuit(Given):
    """Find the circuit of a task: `circuits.discover`."""

    kind: Literal["circuit"] = "circuit"
    model: OfModel = None
    task: circuits.TaskName = "ioi"
    n: Annotated[int, Field(ge=2, le=500, description="Pairs of prompts.")] = 50
    method: circuits.Method = "eap-ig"
    ablation: Literal["counterfactual", "mean", "resample", "zero"] = "counterfactual"
    min_effect: Annotated[Number, Field(ge=0, le=1)] = 0.01
    steps: Annotated[int, Field(ge=1, le=100)] = 5
    keep: Annotated[int | None, Field(ge=1, le=1_000_000, description="Edges to keep, the strongest.")] = None
    seed: Seed = 0


class FindIOI(Given):
    """Find the heads that do indirect-object identification: `ioi.detect` on `ioi.prompts`."""

    kind: Literal["ioi"] = "ioi"
    model: OfModel = None
    n: Annotated[int, Field(ge=8, le=500, description="Prompts.")] = 50
    order: Literal["both", "ABBA", "BABA"] = "both"
    min_effect: Annotated[Number, Field(ge=0, le=1)] = 0.02
    min_direct: Annotated[Number, Field(ge=0, le=1)] = 0.05
    alpha: Annotated[Number, Field(gt=0, lt=1)] = 0.05
    seed: Seed = 0


class FindProvenance(Given):
    """Find what makes a latent fire: `features.provenance` on prompts, or on the latent's strongest examples."""

    kind: Literal["provenance"] = "provenance"
    sae: Annotated[str, Field(max_length=200)]
    feature: Index
    prompts: Annotated[list[Text] | None, Field(min_length=1, max_length=64)] = None
    depth: Annotated[int, Field(ge=1, le=4)] = 2
    candidates: Annotated[int, Field(ge=1, le=200)] = 20
    follow: Annotated[int, Field(ge=1, le=50)] = 5
    draws: Annotated[int, Field(ge=1, le=200)] = 20
    seed: Seed = 0


class TrainSAE(Given):
    """Record the activations of texts, and train an autoencoder of them: `features.record`, `features.train`.

    The same request again goes on where a run was stopped, also by the end of the server.
    """

    kind: Literal["train_sae"] = "train_sae"
    name: Annotated[Name, Field(description="Of the folder of the workspace that the autoencoder is written to.")]
    model: OfModel = None
    layer: Index
    site: RecordedSite = "residual"
    texts: Annotated[list[Text] | None, Field(min_length=1, max_length=MOST_TEXTS)] = None
    file: Annotated[
        Name | None,
        Field(
            description="Of the workspace: a .jsonl, .parquet or .txt file of texts, or an .npy file of activations."
        ),
    ] = None
    max_tokens: Annotated[int | None, Field(ge=1, le=1_000_000_000)] = None
    d_sae: Annotated[int | None, Field(ge=1, le=MOST_LATENTS)] = None
    k: Annotated[int, Field(ge=1, le=4096)] = 32
    architecture: Literal["batch_topk", "topk", "matryoshka", "jumprelu", "gated"] = "batch_topk"
    steps: Annotated[int | None, Field(ge=1, le=MOST_STEPS)] = None
    batch: Annotated[int, Field(ge=1, le=65_536)] = 2048
    learning_rate: Annotated[Number | None, Field(gt=0, le=1)] = None
    index: Annotated[bool, Field(description="Make the index of its latents too.")] = False
    seed: Seed = 0


JobRequest = Annotated[LoadModel | FindCircuit | FindIOI | FindProvenance | TrainSAE, Field(discriminator="kind")]


def find_circuit(scope: Any, asked: FindCircuit) -> Steps[Any]:
    """Go through the search for a circuit."""

    def search() -> Any:
        task = circuits.task(scope, asked.task, n=asked.n, seed=asked.seed)
        found = circuits.discover(
            scope,
            task,
            asked.method,
            ablation=asked.ablation,
            min_effect=asked.min_effect,
            steps=asked.steps,
            seed=asked.seed,
        )
        return found if asked.keep is None else found.keep(n_edges=asked.keep)

    return steps_of_bars(search)


def find_ioi(scope: Any, asked: FindIOI) -> Steps[Any]:
    """Go through the search for the heads of IOI."""

    def search() -> Any:
        prompts = ioi.prompts(scope, n=asked.n, seed=asked.seed, order=asked.order)
        return ioi.detect(
            scope,
            prompts,
            min_effect=asked.min_effect,
            min_direct=asked.min_direct,
            alpha=asked.alpha,
            seed=asked.seed,
        )

    return steps_of_bars(search)


def find_provenance(scope: Any, stored: Any, asked: FindProvenance) -> Steps[Any]:
    """Go through the search for what makes a latent fire."""
    prompts: Any = asked.prompts
    if prompts is None:
        if stored.index is None:
            raise Problem(422, "This autoencoder has no index with examples: give prompts.")
        prompts = stored.index.prompts(asked.feature)
        if not prompts:
            raise Problem(422, "This latent never fired in the text of its index: give prompts.")
    return submit_aside(
        features.provenance,
        scope,
        stored.sae,
        stored.sae.layer,
        asked.feature,
        prompts,
        depth=asked.depth,
        candidates=asked.candidates,
        follow=asked.follow,
        draws=asked.draws,
        seed=asked.seed,
    ).follow()


def count_rows(files: Files, name: str) -> int:
    """Return how many rows an .npy file of the workspace holds, `[row, d]`; raise ValueError where it holds others."""
    with files.existing(name).open("rb") as file, reading(f"{opening(name)} is no .npy file of rows"):
        shape, _, dtype = npy_header(file, os.fstat(file.fileno()).st_size)
        if len(shape) != 2 or dtype.kind != "f":
            raise ValueError(f"it is an array of {dtype.name} with {len(shape)} axes")
    return shape[0]


def _rows(files: Files, name: str) -> Any:
    """Return the rows of an .npy file, `[row, d]`."""
    count_rows(files, name)  # it may be another one by now
    data = files.read(name)
    with reading(f"{opening(name)} is no .npy file of rows"):
        return npy_array(data)


def train_sae(scope: Any, asked: TrainSAE, files: Files) -> Steps[Any]:
    """Go through recording and training.

    Raises
    ------
    ValueError
        For names that are none, or without texts.
    """
    folder = files.path(asked.name)
    recording, index = files.path(f"{asked.name}.recording"), files.path(f"{asked.name}.index")
    if (asked.texts is None) == (asked.file is None):
        raise ValueError("Give texts, or the file of the workspace that holds them.")
    source: Any = asked.texts
    are_rows = asked.file is not None and asked.file.endswith(".npy")
    if asked.file is not None:
        files.check(asked.file)
        source = files.path(asked.file)
        if are_rows:
            count_rows(files, asked.file)
    if are_rows and asked.index:
        raise ValueError("An index needs texts: rows of activations alone do not say what tokens they are of.")
    if folder.is_file():
        raise ValueError(f"{opening(asked.name)} is a file of the workspace: give another name.")

    def train() -> Any:
        if are_rows:
            rec: Any = _rows(files, str(asked.file))[: asked.max_tokens]
        else:
            rec = features.record(
                scope, source, layers=asked.layer, site=asked.site, folder=recording, max_tokens=asked.max_tokens
            )
        sae = features.train(
            rec,
            layer=asked.layer,
            d_sae=asked.d_sae,
            k=asked.k,
            architecture=asked.architecture,
            steps=asked.steps,
            batch=asked.batch,
            learning_rate=asked.learning_rate,
            seed=asked.seed,
            folder=folder,
        )
        if asked.index:
            features.index(scope, sae, rec, folder=index)
        return sae

    return steps_of_bars(train)
