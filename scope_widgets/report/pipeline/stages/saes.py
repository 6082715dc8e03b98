"""A sparse autoencoder, and what its latents fire on: the demo model's own, of any other model a small one."""

from __future__ import annotations

from pathlib import Path

from scope_widgets.features.feature_index.feature_index import FeatureIndex
from scope_widgets.features.formats.load import load
from scope_widgets.features.indexing.index import index
from scope_widgets.features.recording.recording import Recording
from scope_widgets.features.sae.sae import SAE
from scope_widgets.features.training.checkpoint import CHECKPOINT
from scope_widgets.features.training.train import train
from scope_widgets.models.microscope import Microscope
from scope_widgets.report.pipeline.stage import Context, Stage

#: latents for each number of a row, latents that fire, steps, rows of a step
_FACTOR, _K, _STEPS, _BATCH = 4, 32, 500, 1024


def _run(given: Context) -> list[str]:
    rec = Recording.load(given.out / "recording")
    sae, note = _sae(given, rec)
    folder = given.work / f"layer-{sae.layer:02d}"
    sae.save(folder)
    index(given.scope, sae, rec, folder=folder / "index", seed=given.settings.seed, progress=False)
    return [note]


def _sae(given: Context, rec: Recording) -> tuple[SAE, str]:
    """Return the autoencoder of a recording, and a note on what it is."""
    if given.scope.model_id == "demo":
        ready = load("demo")
        if ready.layer in rec.layers:
            return ready, f"Of layer {ready.layer}: the one in the package, indexed on what was recorded here."
    layer = rec.layers[len(rec.layers) // 2]
    d_sae = _FACTOR * given.scope.d_model
    sae = train(
        rec,
        layer=layer,
        d_sae=d_sae,
        k=min(_K, d_sae // 8),
        steps=_STEPS,
        batch=given.fewer(min(_BATCH, len(rec)), 64),
        seed=given.settings.seed,
        folder=given.work / f"layer-{layer:02d}",
        progress=False,
    )
    explained = sae.history.get("validation_explained") or sae.history.get("explained") or [float("nan")]
    return sae, (
        f"Of layer {layer}: {d_sae:,} latents, trained for {_STEPS} steps on {len(rec):,} tokens; {explained[-1]:.0%} "
        "of the variance explained. That is a first look: microscope train makes a good one."
    )


def read_saes(scope: Microscope, out: Path) -> dict[SAE, FeatureIndex]:
    """Return the autoencoders that a folder has, with what their latents fire on."""
    found = {}
    for folder in sorted((out / "saes").glob("layer-*")):
        sae = load(folder)
        found[sae] = FeatureIndex.load(folder / "index", scope=scope, sae=sae)
    return found


STAGE = Stage("saes", _run, options=("seed",), inputs=("recording",), folder="saes", aside=(CHECKPOINT,))
