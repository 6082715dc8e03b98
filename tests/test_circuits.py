"""Circuits against a plain implementation with hooks, brute force and NumPy, in all families."""

from dataclasses import replace
from functools import cached_property

import numpy as np
import pytest
import torch
from tqdm.auto import tqdm

from scope_widgets import Microscope
from scope_widgets.circuits import Task
from scope_widgets.circuits.scoring import by_cutting, by_gradient
from scope_widgets.circuits.trial import Trial
from scope_widgets.models import mixing
from scope_widgets.models.graph import Graph
from scope_widgets.models.mixing import graph_of

from plain_circuits import Plain
from tiny_models import FAMILIES, VOCAB, tiny_tokenizer

#: what differs in how blocks are built
STYLES = {
    **{family: (family, {}) for family in FAMILIES},
    "gpt_neox, one after the other": ("gpt_neox", {"use_parallel_residual": False}),
    "olmo2, biases under the norm": ("olmo2", {"attention_bias": True}),
}


def small_model(style, n_heads=None, seed=0):
    """Two layers; gains, biases and embeddings are random enough that no 1 and no 0 hides an error."""
    family, more = STYLES[style]
    config_class, model_class, options = FAMILIES[family]
    options = {**options, **more}
    if n_heads:
        options["n_head" if family == "gpt2" else "num_attention_heads"] = n_heads
    layers = next(name for name in ("num_hidden_layers", "n_layer", "num_layers") if name in options)
    options[layers] = 2
    if family == "gpt_neo":
        options["attention_types"] = [[["global", "local"], 1]]
    torch.manual_seed(seed)
    model = model_class._from_config(config_class(**options)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.4)
            else:
                parameter.mul_(20.0 if "emb" in name or "wte" in name or "wpe" in name else 6.0)
    return model


def pairs_of(lengths, seed=0):
    rng = np.random.default_rng(seed)
    clean = [rng.integers(3, VOCAB, n).tolist() for n in lengths]
    corrupted = [rng.integers(3, VOCAB, n).tolist() for n in lengths]
    return clean, corrupted


class Setting:
    """A model with its microscope, its plain twin, and a task; what the plain twin finds is kept."""

    def __init__(self, style, lengths=(5, 8, 6), seed=0, n_heads=None, **options):
        self.model = small_model(style, n_heads, seed)
        self.scope = Microscope.for_model(self.model, tiny_tokenizer())
        self.plain = Plain(self.model)
        self.clean, self.corrupted = pairs_of(lengths, seed)
        self.task = Task.of(self.scope, self.clean, self.corrupted, "w7", "w9", **options)
        self.graph = graph_of(self.scope)
        self.names = [self.graph.names(edge) for edge in range(self.graph.n_edges)]
        self._found = {}

    @cached_property
    @torch.no_grad()
    def sent(self):
        """What every node writes on each corrupted prompt."""
        return [self.plain.run(ids)[1] for ids in self.corrupted]

    def logits(self, mask, pair):
        """Of a circuit on a pair, by plain hooks, counterfactual ablation."""
        key = (pair, mask.tobytes())
        if key not in self._found:
            edges = [name for name, there in zip(self.names, mask, strict=True) if there]
            self._found[key] = self.plain.circuit(self.clean[pair], edges, self.sent[pair])
        return self._found[key]

    def metric(self, mask):
        """The mean logit difference of a circuit."""
        logits = [self.logits(np.asarray(mask), pair) for pair in range(len(self.clean))]
        return float(np.mean([float(one[7] - one[9]) for one in logits]))

    def faithfulness(self, mask):
        full, empty = (self.metric(np.full(len(self.names), there)) for there in (True, False))
        return (self.metric(mask) - empty) / (full - empty)

    def without(self, mask, nodes):
        """The edges of a mask less those out of some nodes."""
        return np.array([there and name[0] not in nodes for name, there in zip(self.names, mask, strict=True)])


_settings = {}


@pytest.fixture(params=sorted(STYLES))
def setting(request):
    return _settings.setdefault(request.param, Setting(request.param))


@pytest.fixture(scope="module")
def small():
    """Few enough edges for everything to be run one by one."""
    return Setting("gpt2", lengths=(5, 7), n_heads=2, seed=2)


def random_circuits(n_edges, shares, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([rng.random(n_edges) < share for share in shares])


def close(ours, expected, tolerance=1e-4):
    np.testing.assert_allclose(ours, expected, atol=tolerance, rtol=tolerance)


# --- circuits run alone ---------------------------------------------------------------------------------------------


def test_edges_are_those_of_a_list_written_out(setting):
    assert sorted(setting.names) == sorted(setting.plain.edges)
    assert setting.graph.senders == setting.plain.senders


def test_gpt2_smalls_counts():
    graph = Graph(12, 12, 12)
    assert len(graph.senders) + 1 == 158
    assert graph.n_edges == 32_491


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox"])
def test_an_mlp_set_to_nothing_does_not_change_the_graph(family):
    model = small_model(family)
    before = graph_of(Microscope.for_model(model, tiny_tokenizer()))
    with torch.no_grad():
        for parameter in Plain(model).blocks[0].mlp.parameters():
            parameter.zero_()
    state = torch.get_rng_state()
    assert graph_of(Microscope.for_model(model, tiny_tokenizer())) == before
    assert torch.equal(torch.get_rng_state(), state)
    assert before.parallel == (family == "gpt_neox")


def logits_of(trial, masks):
    """`[circuit, pair, vocabulary]`, whatever parts the trial made."""
    found = {}
    for (part, _, _), mixer in zip(trial.parts(), trial._mixers, strict=True):
        of_part = mixer.logits(torch.as_tensor(masks))
        found |= {pair: of_part[:, at] for at, pair in enumerate(part)}
    return torch.stack([found[pair] for pair in sorted(found)], 1)


@pytest.mark.parametrize("budget", [2**28, 2**14])
def test_circuits_are_those_of_plain_hooks(setting, budget, monkeypatch):
    monkeypatch.setattr(mixing, "BUDGET", budget)
    masks = random_circuits(len(setting.names), (0.05, 0.5, 0.95, 0, 1))
    ours = logits_of(Trial(setting.scope, setting.task), masks)
    for pair in range(len(setting.clean)):
        for at, mask in enumerate(masks):
            close(ours[at, pair], setting.logits(mask, pair))
        for at, ids in ((4, setting.clean[pair]), (3, setting.corrupted[pair])):
            with torch.no_grad():
                close(ours[at, pair], setting.model(input_ids=torch.tensor([ids])).logits[0, -1])


def test_many_pairs_of_many_lengths_keep_their_places():
    lengths = np.random.default_rng(1).integers(2, 9, 40).tolist()
    setting = Setting("llama", lengths=lengths)
    trial = Trial(setting.scope, setting.task)
    mask = random_circuits(len(setting.names), [0.7])
    assert len(list(trial.parts())) == 2
    expected = torch.stack([setting.logits(mask[0], pair) for pair in range(40)])
    close(trial.measure(mask)[0], expected[:, 7] - expected[:, 9])
    close(
        trial.full,
        [
            setting.model(input_ids=torch.tensor([ids])).logits[0, -1, [7, 9]].diff().neg().item()
            for ids in setting.clean
        ],
    )


# --- gradients ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [0, 3])
def test_eap_is_the_derivative_by_a_gate_on_every_edge(setting, steps):
    metric = "log_probability" if steps else "logit_difference"
    trial = Trial(setting.scope, replace(setting.task, metric=metric))
    expected = np.zeros(len(setting.names))
    for clean, there in zip(setting.clean, setting.sent, strict=True):
        with torch.no_grad():
            here = setting.plain.run(clean)[1]
        changes = {name: there[name] - here[name] for name in here}
        # the last step is the clean run, the first one a step from the corrupted
        for share in np.arange(1, steps + 1) / steps if steps else [1.0]:
            embeddings = there["input"] + float(share) * (here["input"] - there["input"])
            found = setting.plain.gate_gradients(
                clean, changes, lambda x: -(x.log_softmax(-1)[7] if steps else x[7] - x[9]), embeddings
            )
            expected += np.array([found[name] for name in setting.names]) / max(1, steps) / len(setting.clean)
    ours = by_gradient(trial, steps, tqdm(disable=True))
    np.testing.assert_allclose(ours, expected, atol=1e-4 * np.abs(expected).max())


# --- cutting --------------------------------------------------------------------------------------------------------


def test_edge_patching_is_that_of_plain_hooks(setting):
    trial = Trial(setting.scope, setting.task[:1])
    edges = np.random.default_rng(0).permutation(len(setting.names))[:20]
    ours = by_cutting(trial, edges, tqdm(disable=True))[:, 0]
    full = setting.logits(np.ones(len(setting.names), dtype=bool), 0)
    for edge, effect in zip(edges, ours, strict=True):
        mask = np.ones(len(setting.names), dtype=bool)
        mask[edge] = False
        cut = setting.logits(mask, 0)
        close(effect, float(full[7] - full[9] - cut[7] + cut[9]))
