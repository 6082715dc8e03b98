"""Latents of the demo's SAE that fire on one name, found on some prompts; what clamping them does on others."""

from collections import Counter

import numpy as np

from scope_widgets import features, steering
from scope_widgets._provenance import Provenance
from scope_widgets.models.execution.read_activations import read_activations
from scripts import demo_language as language
from scripts import demo_words as words


def name_latents(demo):
    """On other prompts: the latent that tells a name from all else best, by name, and the largest of each latent."""
    sae = features.load("demo")
    prompts = language.held_out_ioi_prompts(200, seed=3)
    ids = [demo.tokenizer(prompt.text)["input_ids"] for prompt in prompts]
    point = ("residual", sae.layer)
    found = read_activations(demo, ids, [point])[point]
    rows = [one[1 : len(row)] for one, row in zip(found, ids, strict=True)]
    said = [word for prompt in prompts for word in prompt.words]
    said, codes = np.array(said), sae.encode(np.concatenate(rows)).to_dense().numpy()
    fires, named = codes > 0, {}
    for name in words.NAMES:
        if (here := said == name).sum() >= 3:
            tells = fires[here].mean(0) - fires[~here].mean(0)
            if tells.max() > 0.8:
                named[name] = int(tells.argmax())
    shared = Counter(named.values())  # of those that stand for two names one may be lowered
    named = {name: j for name, j in named.items() if shared[j] == 1}
    assert len(named) > 20
    return named, codes.max(0)


def rises(demo, latents, n):
    """By how much a name's logit rises `[prompt, (its latent, another, a random direction)]` on held-out prompts.

    Each adds, where the indirect object stands, a vector as long as that of the name's latent at its largest.
    """
    sae = features.load("demo")
    named, largest = latents
    draw = np.random.default_rng(0)
    found = []
    for prompt in language.held_out_ioi_prompts(n, seed=11):
        name = draw.choice([one for one in named if one not in (prompt.io, prompt.s)])
        j, other = named[name], int(draw.choice(np.flatnonzero(largest > 0)))
        length = largest[j] * float(sae.W_dec[j].norm())
        at = prompt.words.index(prompt.io) + 1
        vector = draw.standard_normal(sae.d_in)
        ids = demo.tokenizer(prompt.text)["input_ids"]
        unit = vector / np.linalg.norm(vector)
        stray = steering.Direction("stray", sae.layer, unit, length, 1.0, Provenance("demo"))
        given = [
            steering.ClampFeature(sae, j, float("nan"), (at, at + 1), label=name),
            steering.ClampFeature(sae, other, float("nan"), (at, at + 1)),
            steering.AddDirection(stray, 0.0, (at, at + 1)),
        ]
        session = steering.Session(demo, ids, given)
        strengths = [largest[j], length / float(sae.W_dec[other].norm()), 1.0]
        rows = np.tile(session.neutral, (3, 1))
        np.fill_diagonal(rows, strengths)
        token = demo.tokenizer(name, add_special_tokens=False)["input_ids"][-1]
        found.append([float(one.logits[token] - one.unsteered.logits[token]) for one in session.grid(rows.tolist())])
    return np.array(found)
