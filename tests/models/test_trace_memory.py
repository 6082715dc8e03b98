"""The memory that a trace and a run take, counted storage by storage: no more than a fifth above what was asked for."""

import weakref

import torch
import transformers as hf
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from scope_widgets import Microscope
from tests.support.tiny_models import tiny_tokenizer


class PeakOfTensors(TorchDispatchMode):
    """Bytes of the tensors that are made in a block and live at once, at the most."""

    def __init__(self):
        super().__init__()
        self.now = self.peak = 0
        self._known = weakref.WeakSet()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for value in tree_leaves(out):
            if isinstance(value, torch.Tensor):
                self._note(value.untyped_storage())
        return out

    def _note(self, storage):
        if storage in self._known:
            return
        self._known.add(storage)
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._gone, size)

    def _gone(self, size):
        self.now -= size


def gemma(vocabulary=262_144, layers=26):
    """A narrow model with the layers, heads and vocabulary of Gemma 3 1B."""
    config = hf.Gemma3TextConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=2048,
        sliding_window=512,
    )
    torch.manual_seed(0)
    return Microscope.for_model(hf.Gemma3ForCausalLM(config).eval(), tiny_tokenizer())


def size(tensors):
    return sum(value.untyped_storage().nbytes() for value in tensors)


def test_a_trace_takes_what_was_asked_for():
    scope = gemma()
    ids = torch.arange(3, 1027).tolist()
    scope.trace(ids[:4])  # what is made once
    with PeakOfTensors() as counted:
        trace = scope.trace(ids, capture=("attention",), logits="last")
    asked = size([*trace.values["attention"], trace.last_logits])
    assert asked > 4 * 26 * 4 * 1024**2
    assert counted.peak <= 1.2 * asked
    assert scope.estimate(ids, capture=("attention",), logits="last").total == asked
    assert scope.estimate(ids, capture=("attention",)).logits == 1024 * scope.estimate(ids, logits="last").logits
    assert scope.estimate(ids, logits=None).logits == 0


def test_a_run_unembeds_one_position_of_each_prompt():
    scope = gemma(20_000, 2)
    prompts = [[5 + i] * (4 + i // 2) for i in range(40)]
    scope.run(prompts[:1])
    with PeakOfTensors() as counted:
        run = scope.run(prompts)
    kept = size([run.logits, *run._masks.values(), *(value for layers in run.values.values() for value in layers)])
    assert counted.peak <= kept + 2 * size([run.logits])
    for i in (0, 17, 39):
        with torch.no_grad():
            expected = scope.model(torch.tensor([prompts[i]])).logits[0, -1]
        torch.testing.assert_close(run.logits[i], expected, atol=1e-4, rtol=1e-4)
