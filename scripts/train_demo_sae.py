"""Train the sparse autoencoder of the demo model that ships in the package, and index what its latents fire on.

Run in the checkout::

    python -m scripts.train_demo_sae --out scope_widgets/features/demo

It records the demo model on text that `demo_language` makes up, trains, measures on other text, and writes the weights
(SAELens's layout), a card with the figures, and the index of a third text with labels. It takes some minutes on one
core; `--only-index` keeps the weights that are there, and takes seconds.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import torch

from scope_widgets import Microscope, features
from scope_widgets._files import replacing, write_text
from scripts import demo_language as language
from scripts.round_weights import round_file

LAYER, D_SAE, K, STEPS = 3, 512, 12, 4000
TRAINING_TEXTS, OTHER_TEXTS, INDEXED_TEXTS = 16_000, 800, 800

CARD = """\
# A sparse autoencoder of the demo model

`features.load("demo")`: {d_sae} latents on the residual stream before layer {layer}, counted from 0, of
`Microscope.load("demo")`, made by `scripts/train_demo_sae.py`: BatchTopK, k = {k}, {steps:,} steps of 2,048 rows, of
{rows:,} that were recorded on {texts:,} texts of `scripts/demo_language.py` (IOI sentences, stories, paragraphs).
Activations are taken as they are. Weights are rounded to 16 bits of mantissa (`scripts/round_weights.py`).

On {tokens:,} tokens of {documents:,} texts that were drawn anew (`features.evaluate`; 95 % intervals over texts;
random: as many random latents, as many of which fire):

| measure | value | 95 % interval | random |
|---|---|---|---|
{table}

It is an instrument for demonstrations and tests, as the model is. `tests/features/test_demo_sae.py` scores its latents
against what the text's generator knows: names, places, the number of a noun, the second mention of a name.
"""
#: measures of the card
_SHOWN = ("variance_explained", "nats_lost", "ce_score_mean", "kl", "l0", "dead_share")


def texts(n: int, seed: int) -> Iterator[str]:
    """Yield made-up texts: IOI sentences, stories, paragraphs."""
    rng = random.Random(seed)
    for _ in range(n):
        kind = rng.random()
        if kind < 0.35:
            words = language.ioi_text(rng)[0]
        elif kind < 0.5:
            words = language.story_text(rng)[0]
        else:
            words = language.paragraph(rng)
        yield language.render(words)


def main() -> None:
    """Do what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only-index", action="store_true", help="of the weights that are there")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    scope = Microscope.load("demo")
    if not arguments.only_index:
        write_sae(scope, arguments.out)
    write_index(scope, arguments.out)


def write_sae(scope: Microscope, out: Path) -> None:
    """Train, measure and write."""
    with tempfile.TemporaryDirectory() as folder:
        recording = features.record(scope, texts(TRAINING_TEXTS, seed=1), layers=[LAYER], folder=folder)
        sae = features.train(recording, d_sae=D_SAE, k=K, steps=STEPS)
        rows = len(recording)
    sae.save(out)
    round_file(out / "sae_weights.safetensors")
    sae = features.load(str(out))
    scores = features.evaluate(scope, sae, list(texts(OTHER_TEXTS, seed=2)), max_tokens=20_000)
    table = [
        f"| {name} | {scores.values[name]:.4f} | {scores.low.get(name, torch.nan):.4f} to "
        f"{scores.high.get(name, torch.nan):.4f} | {scores.random[name]:.4f} |"
        for name in _SHOWN
    ]
    about = {"d_sae": D_SAE, "layer": LAYER, "k": K, "steps": STEPS, "rows": rows, "texts": TRAINING_TEXTS}
    about |= {"tokens": scores.n_tokens, "documents": scores.n_documents}
    write_text(out / "README.md", CARD.format(**about, table="\n".join(table)))
    print(scores)


def write_index(scope: Microscope, out: Path) -> None:
    """Index text that is drawn anew, label, and write both in one archive."""
    sae = features.load(out)
    with tempfile.TemporaryDirectory() as kept:
        folder = Path(kept)
        recording = features.record(scope, texts(INDEXED_TEXTS, seed=3), layers=[LAYER], folder=folder / "recording")
        labels = features.label(features.index(scope, sae, recording, folder=folder / "index"))
        with replacing(out / "index.zip") as new, zipfile.ZipFile(new, "w", zipfile.ZIP_LZMA) as archive:
            for path in sorted((folder / "index").iterdir()):
                archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes(), zipfile.ZIP_LZMA)
    print(labels)


if __name__ == "__main__":
    main()
