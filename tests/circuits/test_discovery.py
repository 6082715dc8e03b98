"""Circuits against a plain implementation with hooks, brute force and NumPy, in all families."""

from dataclasses import replace
from functools import cached_property
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tqdm.auto import tqdm

from scope_widgets import Microscope, ioi
from scope_widgets.circuits import Task, completeness, curve, discover, faithfulness, minimality
from scope_widgets.circuits.discovery.edge_scores import EdgeGradients, score_by_ablation, score_by_gradient
from scope_widgets.circuits.discovery.pruning import take_out
from scope_widgets.circuits.evaluation.circuit_run import CircuitRun
from scope_widgets.circuits.evaluation.edited_circuit import attention_on_first_prompt, measure
from scope_widgets.circuits.evaluation.evaluation_run import EvaluationRun
from scope_widgets.circuits.evaluation.faithfulness import interval
from scope_widgets.models.edges import edge_ablation
from scope_widgets.models.edges.find_edges import graph_of
from scope_widgets.models.edges.graph import Graph
from tests.support.reference_circuits import Plain
from tests.support.tiny_models import CONFIGS, FAMILIES, VOCAB, tiny_tokenizer

#: what differs in how blocks are built
STYLES = {
    **{family: (family, {}) for family in CONFIGS},
    "gpt_neox, one after the other": ("gpt_neox", {"use_parallel_residual": False}),
    "olmo2, biases under the norm": ("olmo2", {"attention_bias": True}),
}


def small_model(style, n_heads=None, seed=0):
    """Two layers; gains, biases and embeddings are random enough that no 1 and no 0 hides an error."""
    family, more = STYLES[style]
    config_class, model_class, options = CONFIGS[family]
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


@pytest.fixture(params=[style for style in sorted(STYLES) if style in FAMILIES or style not in CONFIGS])
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
    for (part, _, _), ablation in zip(trial.parts(), trial._ablations, strict=True):
        of_part = ablation.logits(torch.as_tensor(masks))
        found |= {pair: of_part[:, at] for at, pair in enumerate(part)}
    return torch.stack([found[pair] for pair in sorted(found)], 1)


@pytest.mark.parametrize("budget", [2**28, 2**14])
def test_circuits_are_those_of_plain_hooks(setting, budget, monkeypatch):
    monkeypatch.setattr(edge_ablation, "_MOST_BYTES", budget)
    masks = random_circuits(len(setting.names), (0.05, 0.5, 0.95, 0, 1))
    ours = logits_of(CircuitRun(setting.scope, setting.task), masks)
    for pair in range(len(setting.clean)):
        for at, mask in enumerate(masks):
            close(ours[at, pair], setting.logits(mask, pair))
        for at, ids in ((4, setting.clean[pair]), (3, setting.corrupted[pair])):
            with torch.no_grad():
                close(ours[at, pair], setting.model(input_ids=torch.tensor([ids])).logits[0, -1])


def test_many_pairs_of_many_lengths_keep_their_places():
    lengths = np.random.default_rng(1).integers(2, 9, 40).tolist()
    setting = Setting("llama", lengths=lengths)
    trial = CircuitRun(setting.scope, setting.task)
    mask = random_circuits(len(setting.names), [0.7])
    assert len(list(trial.parts())) == 5  # of eight
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
    trial = CircuitRun(setting.scope, replace(setting.task, metric=metric))
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
    ours = score_by_gradient(trial, steps, tqdm(disable=True))
    np.testing.assert_allclose(ours, expected, atol=1e-4 * np.abs(expected).max())


# --- cutting --------------------------------------------------------------------------------------------------------


def test_edge_patching_is_that_of_plain_hooks(setting):
    trial = CircuitRun(setting.scope, setting.task[:1])
    edges = np.random.default_rng(0).permutation(len(setting.names))[:20]
    ours = score_by_ablation(trial, edges, tqdm(disable=True))[:, 0]
    full = setting.logits(np.ones(len(setting.names), dtype=bool), 0)
    for edge, effect in zip(edges, ours, strict=True):
        mask = np.ones(len(setting.names), dtype=bool)
        mask[edge] = False
        cut = setting.logits(mask, 0)
        close(effect, float(full[7] - full[9] - cut[7] + cut[9]))


# --- taking out one after the other ---------------------------------------------------------------------------------


def test_acdc_is_one_edge_after_the_other(small):
    n = len(small.names)
    included, scores = np.ones(n, dtype=bool), np.zeros(n)
    threshold = 0.05 * abs(small.metric(included) - small.metric(~included))
    for edge in reversed(range(n)):
        without = included.copy()
        without[edge] = False
        scores[edge] = small.metric(included) - small.metric(without)
        if abs(scores[edge]) < threshold:
            included = without
    found = discover(small.scope, small.task, "acdc", min_effect=0.05)
    assert 3 < included.sum() < n - 3
    assert np.array_equal(found.included, included)
    close(found.scores, scores)


def test_pruning_is_one_node_after_the_other(small):
    included = np.ones(len(small.names), dtype=bool)
    effects = [small.metric(included) - small.metric(small.without(included, [node])) for node in small.plain.senders]
    left = [small.plain.senders[at] for at in np.argsort(np.abs(effects), kind="stable")]
    while True:
        needed = []
        for node in left:
            without = small.without(included, [node])
            if small.faithfulness(without) >= 0.8:
                included = without
            else:
                needed.append(node)
        if needed == left:
            break
        left = needed
    found = discover(small.scope, small.task, "prune", target=0.8)
    # an edge into a node that is out does nothing, and stays in a mask that looks only at senders
    writers = [name[0] for name, there in zip(small.names, included, strict=True) if there]
    assert found.nodes == [node for node in small.plain.senders if node in writers]
    assert 0 < len(found.nodes) < len(small.plain.senders)
    assert faithfulness(small.scope, found).value == pytest.approx(small.faithfulness(included), abs=1e-4)

    patched = discover(small.scope, small.task, "patching", min_effect=0.0)
    size = dict(zip(small.plain.senders, np.abs(effects), strict=True))
    sign = dict(zip(small.plain.senders, np.sign(effects), strict=True))
    expected = [min(size[u], size.get(v.split("<")[0], np.inf)) * sign[u] for u, v in small.names]
    close(patched.scores, expected)


def test_steps_measured_together_are_those_of_one_after_the_other():
    for seed in range(60):
        rng = np.random.default_rng(seed)
        n, limit = int(rng.integers(1, 40)), float(rng.uniform(0, 3))
        weights, pairs = rng.normal(size=n), rng.normal(size=(n, n)) * 0.3

        def measure(circuits, weights=weights, pairs=pairs):
            x = circuits.astype(float)
            return (x @ weights + ((x @ pairs) * x).sum(-1))[:, None]

        def spared(before, after, limit=limit):
            return abs(float((before - after)[0])) < limit

        parts = [np.array([at]) for at in rng.permutation(n)]
        expected, needed = np.ones(n, dtype=bool), []
        for at, part in enumerate(parts):
            without = expected.copy()
            without[part] = False
            if spared(*measure(np.stack([expected, without]))):
                expected = without
            else:
                needed.append(at)
        found, kept, done, runs = take_out(np.ones(n, dtype=bool), parts, measure, spared, lambda: None)
        assert np.array_equal(found, expected)
        assert kept == needed
        assert runs >= done == n


# --- what edges carry that are out ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ablation", ["mean", "resample", "zero"])
@pytest.mark.parametrize("style", ["llama", "gemma2", "opt"])
def test_ablations_are_those_of_numpy(style, ablation):
    groups = [0, 1, 0, 0, 1, 0, 1]
    setting = Setting(style, lengths=(5, 5, 5, 7, 5, 7, 7), groups=groups)
    keys = list(zip(groups, map(len, setting.clean), strict=True))
    mask = random_circuits(len(setting.names), [0.6])
    trial = CircuitRun(setting.scope, setting.task, ablation, seed=3)
    given = {pair: value[:, at] for part, _, value in trial.parts() for at, pair in enumerate(part)}
    drawn = set()
    for pair, key in enumerate(keys):
        kin = [other for other, theirs in enumerate(keys) if theirs == key]
        length = len(setting.clean[pair])
        if ablation == "resample":
            ours = given[pair][:, :length]
            theirs = [torch.stack(list(setting.sent[other].values())) for other in kin]
            which = [bool(torch.allclose(ours, one, atol=1e-4)) for one in theirs].index(True)
            assert kin[which] != pair or len(kin) == 1
            drawn.add((pair, kin[which]))
            replaced = setting.sent[kin[which]]
        else:
            replaced = {
                node: torch.tensor(np.mean([setting.sent[other][node].numpy() for other in kin], 0))
                * (ablation == "mean")
                for node in setting.plain.senders
            }
        edges = [name for name, there in zip(setting.names, mask[0], strict=True) if there]
        for found, those in ((trial.measure(mask)[0], edges), (trial.empty, [])):
            logits = setting.plain.circuit(setting.clean[pair], those, replaced)
            close(found[pair], float(logits[7] - logits[9]))
    assert (len(drawn) == 7) == (ablation == "resample")
    assert ("of 1 to 2 prompts" in trial.sentence) == (ablation != "zero")
    assert ablation in trial.sentence
    whole = circuit_of(setting, np.ones(len(setting.names), dtype=bool))
    for circuit, value in ((whole, 1), (whole.keep(0), 0)):
        measured = faithfulness(setting.scope, circuit, ablation=ablation)
        assert measured.value == pytest.approx(value, abs=1e-4)
        assert ablation in repr(measured)


def circuit_of(setting, included, scores=None):
    """A circuit as a person gives it."""
    found = discover(setting.scope, setting.task[:2], "eap")
    scores = found.scores if scores is None else scores
    return replace(found, included=included, scores=scores, task=setting.task, method="given")


# --- evaluation -----------------------------------------------------------------------------------------------------


def test_faithfulness_is_that_of_plain_hooks(small):
    mask = random_circuits(len(small.names), [0.8])[0]
    measured = faithfulness(small.scope, circuit_of(small, mask), draws=3)
    assert measured.value == pytest.approx(small.faithfulness(mask), abs=1e-4)
    assert measured.difference == pytest.approx(abs(small.metric(mask | True) - small.metric(mask)), abs=1e-4)
    assert measured.low <= measured.value <= measured.high
    assert len(measured.random) == 3
    assert (measured.n_edges, measured.n_all) == (mask.sum(), len(mask))
    assert "counterfactual" in repr(measured)
    assert "random circuits" in repr(measured)


def test_the_interval_is_a_bootstrap_over_pairs():
    rng = np.random.default_rng(0)
    full, empty = rng.normal(3, 1, 50), rng.normal(0, 1, 50)
    metric = 0.7 * full + 0.3 * empty + rng.normal(0, 0.5, 50)
    low, high = interval(SimpleNamespace(full=full, empty=empty, floor=1e-9, message=""), metric, seed=0)
    drawn = []
    for _ in range(4000):
        some = rng.integers(0, 50, 50)
        drawn.append((metric[some].mean() - empty[some].mean()) / (full[some].mean() - empty[some].mean()))
    np.testing.assert_allclose([low, high], np.percentile(drawn, [2.5, 97.5]), atol=0.01)
    assert interval(SimpleNamespace(full=full, empty=empty, floor=1e-9, message=""), full, seed=0) == pytest.approx(
        (1, 1)
    )


def test_completeness_is_that_of_a_loop(small):
    mask = random_circuits(len(small.names), [0.8])[0]
    circuit = circuit_of(small, mask)
    table = completeness(small.scope, circuit, classes={"two": ["a0.h1", "m1"]}, greedy=3).to_dataframe()
    whole = np.ones(len(mask), dtype=bool)
    for row in table.itertuples():
        expected = [small.metric(small.without(those, row.nodes)) for those in (mask, whole)]
        close([row.circuit, row.model], expected)
        close(row.incompleteness, abs(expected[0] - expected[1]))
    assert table["set"].tolist() == ["nothing", "two", "greedy 1", "greedy 2", "greedy 3"]
    chosen = []
    for nodes in table["nodes"][2:]:
        left = [node for node in circuit.nodes if node not in ("input", *chosen)]
        gaps = [
            np.diff([small.metric(small.without(those, [*chosen, node])) for those in (mask, whole)]) for node in left
        ]
        chosen.append(left[int(np.argmax(np.abs(gaps)))])
        assert nodes == chosen
    by_layer = completeness(small.scope, circuit, greedy=0).to_dataframe()
    assert by_layer["set"].tolist() == ["nothing", "heads of layer 0", "heads of layer 1"]
    assert "counterfactual" in by_layer.attrs["ablation"]


def test_minimality_is_that_of_a_loop(small):
    mask = random_circuits(len(small.names), [0.8])[0]
    circuit = circuit_of(small, mask)
    classes = {"early": ["a0.h0", "a0.h1", "m0"], "late": ["a1.h0", "a1.h1"]}
    table = minimality(small.scope, circuit, classes=classes).to_dataframe().set_index("node")
    scale = abs(small.metric(mask | True) - small.metric(mask & False))
    assert set(table.index) == set(circuit.nodes) - {"input"}
    for node in table.index:
        changes = {}
        for some in ([], *classes.values()):
            peers = [other for other in some if other != node]
            if not some or node in some:
                gone = small.without(mask, peers)
                changes[" ".join(peers)] = abs(small.metric(small.without(gone, [node])) - small.metric(gone))
        close(table.loc[node, "change"], max(changes.values()))
        close(table.loc[node, "share"], max(changes.values()) / scale)
        close(changes[table.loc[node, "without"]], max(changes.values()))
    assert table["change"].is_monotonic_increasing


def test_cpr_and_cmd_are_trapezoids(small):
    scores = np.random.default_rng(0).normal(size=len(small.names))
    circuit = circuit_of(small, np.zeros(len(scores), dtype=bool), scores)
    shares = (0.05, 0.1, 0.3, 0.7, 1)
    found = curve(small.scope, circuit, shares=shares, draws=2)
    order = sorted(range(len(scores)), key=lambda edge: -abs(scores[edge]))
    values = []
    for share in shares:
        mask = np.zeros(len(scores), dtype=bool)
        mask[order[: round(share * len(scores))]] = True
        values.append(small.faithfulness(mask))
    close(found.faithfulness, values)
    assert found.faithfulness[-1] == pytest.approx(1)
    cpr = cmd = 0.0
    for at in range(len(shares) - 1):
        width = shares[at + 1] - shares[at]
        cpr += width * (values[at] + values[at + 1]) / 2
        cmd += width * (abs(1 - values[at]) + abs(1 - values[at + 1])) / 2
    assert found.cpr == pytest.approx(cpr, abs=1e-4)
    assert found.cmd == pytest.approx(cmd, abs=1e-4)
    assert found.random.shape == (2, len(shares))
    np.testing.assert_allclose(found.random[:, -1], 1, atol=1e-4)
    assert "CPR" in repr(found)
    assert list(found.to_dataframe()["n_edges"]) == [round(share * len(scores)) for share in shares]


def test_a_measurement_is_what_faithfulness_is(small):
    mask = random_circuits(len(small.names), [0.8])[0]
    circuit = circuit_of(small, mask)
    measurement = EvaluationRun(small.scope, circuit)
    found = measure(measurement, [mask])
    ((value, low, high, metric),) = found.values
    assert low <= value <= high
    assert value == pytest.approx(small.faithfulness(mask), abs=1e-4)
    assert metric == pytest.approx(small.metric(mask), abs=1e-4)
    assert (found.full, found.empty) == pytest.approx((small.metric(mask | True), small.metric(mask & False)), abs=1e-4)
    with torch.no_grad():
        eager = small_model("gpt2", 2, seed=2)
        eager.set_attn_implementation("eager")
        expected = eager(input_ids=torch.tensor([small.clean[0]]), output_attentions=True).attentions[1][0]
    tokens, pattern = attention_on_first_prompt(measurement, 1)
    assert len(tokens) == len(small.clean[0])
    close(pattern, expected.numpy())


def test_rounding_is_not_what_an_input_reads_that_reads_nothing():
    """An RMSNorm makes anything of length 1, also the difference of two sums of the same large numbers."""
    setting = Setting("llama")
    with torch.no_grad():
        setting.model.model.embed_tokens.weight.mul_(1000)
    trial = CircuitRun(setting.scope, setting.task, "zero")
    assert np.array_equal(trial.empty, np.zeros(3))
    masks = random_circuits(len(setting.names), (0.5, 0.5, 0.02))
    masks[:, [name[1].startswith("a1.kv") for name in setting.names]] = False
    width = setting.model.config.hidden_size
    for mask, found in zip(masks, trial.measure(masks), strict=True):
        edges = [name for name, there in zip(setting.names, mask, strict=True) if there]
        for pair, clean in enumerate(setting.clean):
            nothing = dict.fromkeys(setting.plain.senders, torch.zeros(len(clean), width))
            logits = setting.plain.circuit(clean, edges, nothing)
            close(found[pair], float(logits[7] - logits[9]), 1e-3)


@pytest.mark.parametrize("style", ["gpt2", "llama", "gemma2"])
def test_half_precision_is_nearly_the_same(style):
    setting = Setting(style)
    masks = random_circuits(len(setting.names), (0.05, 0.5, 0.95, 1))
    exact = CircuitRun(setting.scope, setting.task)
    metric, scores = exact.measure(masks), score_by_gradient(exact, 2, tqdm(disable=True))
    setting.model.to(torch.bfloat16)
    rough = CircuitRun(setting.scope, setting.task)
    np.testing.assert_allclose(rough.measure(masks), metric, atol=0.1 * np.abs(metric).max())
    np.testing.assert_allclose(rough.measure(masks[3:])[0], rough.full, atol=0.05 * np.abs(metric).max())
    assert np.corrcoef(score_by_gradient(rough, 2, tqdm(disable=True)), scores)[0, 1] > 0.99


@pytest.mark.parametrize("steps", [0, 2])
def test_ctrl_c_keeps_the_gradients_of_the_pairs_that_are_done(demo, monkeypatch, steps):
    task = ioi.prompts(demo, n=40).task()
    shortest = sorted(range(40), key=lambda pair: len(task.clean[pair]))
    columns = ("clean", "corrupted", "answer", "versus", "groups")
    task = replace(task, **{name: [getattr(task, name)[pair] for pair in shortest] for name in columns})
    plain, calls = EdgeGradients.scores, []

    def interrupted(self, *args):
        calls.append(1)
        if len(calls) > max(1, steps):  # the first 8 pairs are one batch
            raise KeyboardInterrupt
        return plain(self, *args)

    method = "eap-ig" if steps else "eap"
    monkeypatch.setattr(EdgeGradients, "scores", interrupted)
    with pytest.raises(KeyboardInterrupt) as raised:
        discover(demo, task, method, steps=max(1, steps))
    monkeypatch.undo()
    whole = discover(demo, task[:8], method, steps=max(1, steps))
    np.testing.assert_allclose(raised.value.result.scores, whole.scores, atol=1e-5)
    assert "Interrupted: the scores are of 8 of 40 pairs" in raised.value.result.provenance.note
