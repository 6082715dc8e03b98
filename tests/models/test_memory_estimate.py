"""What a trace takes is said before it is run: held against traces, and against the memory that they took."""

from __future__ import annotations

import re

import pytest
import torch
import transformers as hf

from scope_widgets import Microscope
from scope_widgets.models.memory_estimate import DOWNLOAD_BYTES, Shape, estimate, format_bytes
from scope_widgets.traces.trace import TRACE_SITES
from tests.support.tiny_models import CONFIGS, tiny_model, tiny_tokenizer

GB = 10**9
SEVENTY_B = Shape(
    n_layers=80,
    n_heads=64,
    n_kv_heads=8,
    d_model=8192,
    d_head=128,
    d_vocab=128256,
    d_mlp=28672,
    weights=141 * GB,
    itemsize=2,
    qk_itemsize=2,
)
DEFAULT = tuple(site for site in TRACE_SITES if site != "attention")  # of a prompt whose patterns pass 512 MB


def size(tensor):
    return tensor.nelement() * tensor.element_size()


def measured(trace):
    parts = {site: sum(map(size, layers)) for site, layers in trace.values.items()}
    return parts, size(trace.logits)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", CONFIGS)
def test_bytes_are_those_of_a_trace(family, dtype):
    scope = Microscope.for_model(tiny_model(family).to(dtype), tiny_tokenizer())
    for prompt in ([3, 4, 5], list(range(3, 60)), [[3, 4, 5, 6], [5, 6]]):
        for capture in (None, ("attention", "k"), "residual", ()):
            trace, said = scope.trace(prompt, capture=capture), scope.estimate(prompt, capture=capture)
            parts, logits = measured(trace)
            assert dict(said.captured) == parts
            assert said.logits == logits
            assert said.total == sum(parts.values()) + logits
            assert (said.n_prompts, said.n_tokens) == (len(trace), max(trace.lengths))


def test_the_demo_model():
    scope = Microscope.load("demo")
    prompt = "When Mary and John went to the store"
    said = scope.estimate(prompt)
    parts, logits = measured(scope.trace(prompt))
    assert said.total == pytest.approx(sum(parts.values()) + logits, rel=0.1)
    assert said.weights == sum(map(size, (*scope.model.parameters(), *scope.model.buffers())))
    assert said.strategy == "in_memory"
    assert said.available > said.peak > said.weights + said.total
    assert said == scope.estimate(len(scope.trace(prompt).tokens), available=said.available)


def test_patterns_that_a_trace_does_not_store_by_default_are_not_counted(monkeypatch):
    monkeypatch.setattr("scope_widgets.models.run_arguments.ATTENTION_BYTES", 1000)
    scope = Microscope.load("demo")
    assert tuple(scope.estimate(40).captured) == scope.trace([3] * 40).captured == DEFAULT


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2"])
@pytest.mark.parametrize("capture", [None, ("residual",), ("attention",)])
@pytest.mark.parametrize("prompt", [[3] * 300, [[3] * 150, [4] * 40]])
def test_peak_is_about_what_torch_allocates(family, dtype, capture, prompt):
    config_class, model_class, options = CONFIGS[family]
    wide = {"n_embd": 128, "n_positions": 512} if family == "gpt2" else {"hidden_size": 128, "intermediate_size": 400}
    config = config_class(**{**options, "max_position_embeddings": 512, **wide})
    scope = Microscope.for_model(model_class._from_config(config).to(dtype).eval(), tiny_tokenizer())
    scope.trace(prompt, capture=capture)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        trace = scope.trace(prompt, capture=capture)
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    live = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()
        most = max(most, live)
    assert most > sum(measured(trace)[0].values())
    said = scope.estimate(prompt, capture=capture)
    assert 0.75 < (said.peak - said.weights) / most < 1.4


def test_seventy_billion_parameters():
    with torch.device("meta"):
        config = hf.LlamaConfig(
            hidden_size=8192,
            intermediate_size=28672,
            num_hidden_layers=80,
            num_attention_heads=64,
            num_key_value_heads=8,
            vocab_size=128256,
            max_position_embeddings=8192,
        )
        model = hf.LlamaForCausalLM(config).to(torch.bfloat16).eval()
    scope = Microscope.for_model(model, tiny_tokenizer())
    said = scope.estimate(1024)
    assert said.remote
    assert said.available == DOWNLOAD_BYTES
    assert tuple(said.captured) == DEFAULT
    assert said.captured["residual"] == 81 * 1024 * 8192 * 2
    assert said.captured["k"] == 80 * 1024 * 8 * 128 * 2
    assert said.weights == pytest.approx(141 * GB, rel=0.01)
    assert said.strategy == "selective"
    assert said.recommended == ("k", "v")
    assert "capture=('k', 'v')" in repr(said)
    assert scope.estimate(1024, capture=("attention",)).strategy == "streaming"
    assert scope.estimate(12).strategy == "in_memory"
    assert scope.estimate(1024, available=100 * GB).strategy == "in_memory"


@pytest.mark.parametrize(
    ("available", "capture", "strategy"),
    [
        (80, DEFAULT, "streaming"),  # the weights alone are more
        (148, DEFAULT, "selective"),
        (170, DEFAULT, "in_memory"),
        (170, TRACE_SITES, "selective"),
        (150, ("attention",), "streaming"),
        (640, TRACE_SITES, "in_memory"),
    ],
)
def test_strategies_where_the_model_is_loaded(available, capture, strategy):
    said = estimate(SEVENTY_B, 1024, available=available * GB, capture=capture)
    assert said.strategy == strategy
    assert said.peak > SEVENTY_B.weights + said.total
    if strategy == "in_memory":
        assert set(said.recommended) == set(capture)
        assert said.layers_at_once == 80
        assert said.peak <= said.available
        return
    assert said.layers_at_once < 80
    assert set(said.recommended) < set(capture)
    assert bool(said.recommended) == (strategy == "selective")
    if said.recommended:
        assert estimate(SEVENTY_B, 1024, available=available * GB, capture=said.recommended).strategy == "in_memory"


def test_it_reads_as_sentences():
    text = repr(Microscope.load("demo").estimate([[3] * 100] * 3, available=GB))
    first, second, third = re.split(r"(?<=\.) (?=[A-Z])", text)
    assert first.startswith("7.2 MB in all: attention 1.9 MB, logits 864 kB, residual 768 kB, q 614 kB, ")
    assert first.endswith("; for 3 prompts of up to 100 tokens.")
    assert re.match(r"The model takes [\d.]+ MB at the most, [\d.]+ MB of them its weights\.", second)
    assert third == "Strategy in_memory: It fits into the 1 GB of memory: trace it as it is."
    nothing = estimate(SEVENTY_B, 1024, available=GB)
    assert nothing.layers_at_once == 0
    assert "Not one layer of it fits into the 1 GB of memory beside the weights" in repr(nothing)


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (1500, "1.5 kB"),
        (9_960_000, "10 MB"),
        (99_600_000, "100 MB"),
        (120_000_000, "120 MB"),
        (28 * GB, "28 GB"),
        (10**13, "10 TB"),
    ],
)
def test_bytes_as_a_person_says_them(n_bytes, text):
    assert format_bytes(n_bytes) == text


def test_what_is_refused():
    scope = Microscope.load("demo")
    with pytest.raises(ValueError, match="capture= got 'heat'; the quantities known are residual"):
        scope.estimate(5, capture=("heat",))
    with pytest.raises(ValueError, match="The prompt has 10000 tokens and demo reads at most 256"):
        scope.estimate(10_000)
    with pytest.raises(ValueError, match="one token or more; got 1 of 0 tokens"):
        scope.estimate(0)
