"""Each pair of docs/from_transformer_lens.md gives the same numbers in both libraries."""

import ast
import copy
import logging
import re

import numpy as np
import pytest
import torch

from scope_widgets import Microscope
from tests.support.paths import ROOT

PAGE = (ROOT / "docs/from_transformer_lens.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.S)
PAIRS = [block for block in BLOCKS if "# scope-widgets\n" in block]


@pytest.fixture(scope="module")
def names():
    """Both models, of the same weights, and what the page says that every pair knows."""
    hub = pytest.importorskip("huggingface_hub.dataclasses")
    log = logging.getLogger("transformers")
    with pytest.MonkeyPatch.context() as changed:  # its import changes other libraries
        changed.setattr(hub, "_validate_simple_type", getattr(hub, "_validate_simple_type", None), raising=False)
        changed.setattr(log, "level", log.level)
        pytest.importorskip(
            "transformer_lens", reason="TransformerLens is not installed: pip install 'scope-widgets[crosscheck]'."
        )
        from transformer_lens.model_bridge.sources import build_bridge_from_module

        scope = Microscope.load("demo")
        own = copy.deepcopy(scope.model)
        own.set_attn_implementation("eager")
        model = build_bridge_from_module(own, type(own).__name__, hf_config=own.config, tokenizer=scope.tokenizer)
        space = {"model": model, "scope": scope}
        exec(next(block for block in BLOCKS if block.startswith("import torch")), space)
        with torch.no_grad():
            space["logits"], space["cache"] = model.run_with_cache(space["prompt"])
            space["trace"] = scope.trace(space["prompt"])
            for block in PAIRS:  # names that later lines of the page have from it
                defined = [one for one in ast.parse(block).body if not isinstance(one, ast.Expr)]
                exec(compile(ast.Module(defined, []), "from_transformer_lens.md", "exec"), space)
            yield space


def last_value(code, names):
    """Run code, and return what its last line is."""
    tree = ast.parse(code)
    tree.body[-1] = ast.copy_location(ast.Assign([ast.Name("_", ast.Store())], tree.body[-1].value), tree.body[-1])
    exec(compile(ast.fix_missing_locations(tree), "from_transformer_lens.md", "exec"), names)
    return names["_"]


def as_array(value):
    return (
        value.detach().double().numpy()
        if isinstance(value, torch.Tensor) and value.is_floating_point()
        else np.asarray(value)
    )


def test_there_are_thirty():
    assert len(PAIRS) >= 30


@pytest.mark.parametrize(
    "pair", PAIRS, ids=lambda pair: pair.split("# scope-widgets\n")[1].strip().splitlines()[-1][:60]
)
def test_both_give_the_same(pair, names):
    theirs, ours = pair.split("# scope-widgets\n")
    theirs, ours = as_array(last_value(theirs, names)), as_array(last_value(ours, names))
    assert theirs.shape == ours.shape
    if theirs.dtype.kind == "f":
        np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=0)
        assert np.abs(theirs).max() > 1e-2  # there is something to compare
    else:
        assert theirs.tolist() == ours.tolist()


ROWS = [line.split("|")[1:3] for line in PAGE.splitlines() if line.startswith("| `") and line.count("|") == 3]
HOOKS = [
    (("attn." if "attn." in theirs and not hook.startswith("attn") else "") + hook, *site)
    for theirs, ours in ROWS
    for hook, site in zip(
        re.findall(r"`([\w.]+)`", theirs.split("(")[0]), re.findall(r'\("(\w+)", (l[ +1]*)\)', ours), strict=True
    )
]


@pytest.mark.parametrize(("hook", "site", "layer"), HOOKS)
def test_a_hook_of_the_table_is_an_edit(hook, site, layer, names):
    model, scope = names["model"], names["scope"]
    ids = scope.trace(names["prompt"]).token_ids[None]
    place = f"blocks.2.{hook}"
    with torch.no_grad():
        theirs = model.run_with_hooks(ids, fwd_hooks=[(place, lambda value, hook: value * 1.5)])
    assert names["cache"][place].shape == _shape_here(scope, ids, site, eval(layer, {"l": 2}))
    ours = scope.logits(ids, {(site, eval(layer, {"l": 2})): lambda value: value * 1.5})
    np.testing.assert_allclose(as_array(ours), as_array(theirs), atol=1e-4, rtol=0)
    assert not torch.allclose(ours, scope.logits(ids), atol=1e-2)


def _shape_here(scope, ids, site, layer):
    seen = []
    scope.logits(ids, {(site, layer): lambda value: seen.append(value.shape) or value})
    return seen[0]


def test_the_table_has_all_places():
    assert len(HOOKS) == 11
