"""Train the sparse autoencoder of the demo model that ships in the package.

Run in the checkout::

    python -m scripts.train_demo_sae --out scope_widgets/features/demo

It records the demo model on text that `demo_language` makes up, trains, measures on other text, and writes the weights
(SAELens's layout) and a card with the figures. It takes some minutes on one core.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from scope_widgets import Microscope, features
from scope_widgets._files import write_text
from scripts import demo_language as language

LAYER, D_SAE, K, STEPS = 3, 512, 12, 4000
TRAINING_TEXTS, OTHER_TEXTS = 16_000, 800

CARD = """\
# A sparse autoencoder of the demo model

`features.load("demo")`: {d_sae} latents on the residual stream before layer {layer}, counted from 0, of
`Microscope.load("demo")`, made by `scripts/train_demo_sae.py`: BatchTopK, k = {k}, {steps:,} steps of 2,048 rows, of
{rows:,} that were recorded on {texts:,} texts of `scripts/demo_language.py` (IOI sentences, stories, paragraphs).
Activations are taken as they are.

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
    """Train, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    out: Path = parser.parse_args().out
    torch.set_num_threads(1)
    scope = Microscope.load("demo")
    with tempfile.TemporaryDirectory() as folder:
        recording = features.record(scope, texts(TRAINING_TEXTS, seed=1), layers=[LAYER], folder=folder)
        sae = features.train(recording, d_sae=D_SAE, k=K, steps=STEPS)
        rows = len(recording)
    sae.save(out)
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


if __name__ == "__main__":
    main()
