"""A seed that is drawn is recorded: whatever takes `seed=` gives the same again by the seed that its result names."""

import dataclasses
import inspect
import re
from types import SimpleNamespace

import pytest

from scope_widgets import circuits, editing, features, heads, ioi, lens, patching, probing, steering
from tests.package.test_results import FACTS, PROBED, PROMPT, QUESTION, TO_PROBE, probes

MODULES = (circuits, editing, heads, ioi, lens, patching, probing, steering)

#: what draws -> its result, which says by what seed
DRAWS = {
    "circuits.by_position": lambda on, seed: circuits.by_position(on.scope, on.circuit, task=on.few[:1], seed=seed),
    "circuits.completeness": lambda on, seed: circuits.completeness(
        on.scope, on.circuit, task=on.few, greedy=1, seed=seed
    ),
    "circuits.curve": lambda on, seed: circuits.curve(on.scope, on.circuit, shares=(0.1,), draws=2, seed=seed),
    "circuits.discover": lambda on, seed: circuits.discover(on.scope, on.task, "eap", ablation="resample", seed=seed),
    "circuits.faithfulness": lambda on, seed: circuits.faithfulness(on.scope, on.circuit, draws=2, seed=seed),
    "circuits.induction_circuit": lambda on, seed: circuits.induction_circuit(on.scope, seed=seed),
    "circuits.latent_faithfulness": lambda on, seed: circuits.latent_faithfulness(
        on.scope, on.latents, features.load("demo"), draws=2, seed=seed
    ),
    "circuits.minimality": lambda on, seed: circuits.minimality(on.scope, on.circuit, seed=seed),
    "editing.edit_fact": lambda on, seed: on.edit(seed=seed).effect,
    "heads.recall_heads": lambda on, seed: heads.recall_heads(on.scope, FACTS, seed=seed),
    "heads.score": lambda on, seed: heads.score(on.trace, null_draws=5, seed=seed),
    "heads.score_repeated_tokens": lambda on, seed: heads.score_repeated_tokens(
        on.scope, n=1, length=8, null_draws=2, seed=seed
    ),
    "ioi.ablate_heads": lambda on, seed: ioi.ablate_heads(on.scope, on.prompts, [(3, 1)], draws=2, seed=seed),
    "ioi.detect": lambda on, seed: ioi.detect(on.scope, on.prompts, seed=seed),
    "ioi.prompts": lambda on, seed: ioi.prompts(on.scope, n=5, seed=seed),
    "ioi.IOIPrompts.corrupted": lambda on, seed: on.prompts.corrupted("abc", seed),
    "patching.ablate": lambda on, seed: patching.ablate(
        on.scope, PROMPT, [(3, 1)], **QUESTION, ablation="noise", seed=seed
    ),
    "probing.causal_test": lambda on, seed: probing.causal_test(
        on.scope, probes(on.scope), PROBED[:4], answer=" the", versus=" a", draws=2, seed=seed
    ),
    "probing.fit": lambda on, seed: probing.fit(on.scope, *TO_PROBE, layers=[2], permutations=4, seed=seed),
}  # fmt: skip
#: what is drawn is itself what is returned (prompts, pairs of a task, a text), or is recorded by another of these
ALL_OF_IT = {
    "circuits.agreement", "circuits.capitals", "circuits.evaluate", "circuits.greater_than", "circuits.induction",
    "circuits.curve_points", "circuits.task", "heads.FactSet.prompt_pairs", "heads.FactSet.prompts",
    "ioi.IOIPrompts.task", "steering.Session.continuations", "steering.Session.submit_continuations",
}  # fmt: skip


def takes_a_seed():
    """Return what is public and takes `seed=`, by its name."""
    for module in MODULES:
        room = module.__name__.rpartition(".")[2]
        for name in module.__all__:
            one = getattr(module, name)
            parts = {name: one}
            if inspect.isclass(one):
                parts = {f"{name}.{key}": part for key, part in vars(one).items() if inspect.isfunction(part)}
            for part, function in parts.items():
                if callable(function) and "seed" in inspect.signature(function).parameters and "._" not in part:
                    yield f"{room}.{part}"


@pytest.fixture(scope="module")
def on(demo):
    prompts = ioi.prompts(demo, n=11)
    task = prompts.task()
    circuit = circuits.discover(demo, task, "eap").keep(20)

    latents = circuits.discover(demo, task[:4], saes=features.load("demo"), steps=1, n_nodes=6)

    def edit(**options):
        return editing.edit_fact(demo, PROMPT, "Mary", " Anna", steps=1, layer=1, **options)

    return SimpleNamespace(
        scope=demo,
        prompts=prompts,
        task=task,
        few=task[:3],
        circuit=circuit,
        latents=latents,
        trace=demo.trace(PROMPT),
        edit=edit,
    )


def seed_and_rest(found):
    """Return the seed that a result names, and all else of it."""
    if isinstance(found, ioi.IOIPrompts):
        name = "corruption_seed" if found.corruption else "seed"
        return getattr(found, name), dataclasses.replace(found, **{name: 0})
    provenance = found.provenance
    return provenance.seed, re.sub(r'"seed": \d+', "", found.to_json())


def test_everything_that_takes_a_seed_is_here():
    assert set(takes_a_seed()) == {*DRAWS, *ALL_OF_IT}


@pytest.mark.parametrize("name", DRAWS)
def test_a_drawn_seed_is_named_and_gives_the_same_again(on, name):
    seed, found = seed_and_rest(DRAWS[name](on, None))
    assert isinstance(seed, int)
    assert (seed, found) == seed_and_rest(DRAWS[name](on, seed))
    assert seed_and_rest(DRAWS[name](on, None))[0] != seed


@pytest.mark.parametrize("name", ["ioi.detect", "ioi.ablate_heads", "heads.score", "patching.ablate"])
def test_the_largest_seed(on, name):
    assert seed_and_rest(DRAWS[name](on, 2**63 - 1))[0] == 2**63 - 1
