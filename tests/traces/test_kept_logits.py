"""A trace that keeps the logits of the last position alone, or none."""

import pytest
import torch

from scope_widgets import Microscope, Trace, heads, lens
from scope_widgets.traces.not_captured import NotCapturedError
from tests.support.fake_transport import fake_remote
from tests.support.tiny_models import CONFIGS, tiny_model, tiny_tokenizer

IDS = [3, 17, 5, 44, 9, 17, 5, 80, 12, 3]
PROMPTS = [IDS, [7, 8, 9], [4, 5, 6, 7, 8]]


def scope_of(family):
    return Microscope.for_model(tiny_model(family), tiny_tokenizer(), family)


def last(model, prompt):
    with torch.no_grad():
        return model(torch.tensor([prompt])).logits[0, -1]


def close(a, b):
    torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", CONFIGS)
def test_last_logits_are_those_of_each_prompt_alone(family):
    scope = scope_of(family)
    several = scope.trace(PROMPTS, logits="last")
    assert several.last_logits.shape == (3, 96)
    for i, prompt in enumerate(PROMPTS):
        expected = last(scope.model, prompt)
        for found in (
            several.last_logits[i],
            several[i].last_logits,
            scope.trace(PROMPTS).last_logits[i],
            scope.trace(prompt, logits="last").last_logits,
            scope.trace(prompt).last_logits,
        ):
            close(found, expected)
    for layer in range(scope.n_layers + 1):
        close(several[1].residual(layer), scope.trace(PROMPTS[1]).residual(layer))


def test_what_was_not_kept_gets_a_sentence():
    scope = scope_of("llama")
    some, none = scope.trace(IDS, logits="last"), scope.trace(IDS, logits=None)
    with pytest.raises(
        NotCapturedError, match=r"kept the logits of the last position alone .last_logits.. Trace again"
    ):
        _ = some.logits
    for ask in (lambda: none.logits, lambda: none.last_logits, lambda: scope.trace(IDS).attention_only().logits):
        with pytest.raises(NotCapturedError, match="kept no logits. Trace again with logits="):
            ask()
    for analysis in (lambda: lens.logit_lens(some), lambda: lens.direct_logit_attribution(none, answer=5, versus=6)):
        with pytest.raises(NotCapturedError, match="Trace again with logits='all'"):
            analysis()
    assert torch.equal(none.residual(1), scope.trace(IDS).residual(1))
    assert heads.score(none).to_dataframe().equals(heads.score(scope.trace(IDS)).to_dataframe())
    with pytest.raises(ValueError, match="logits= is one of all, last, or None; got 'some'"):
        scope.trace(IDS, logits="some")
    with pytest.raises(ValueError, match="logits= is one of all, last, or None"), scope.watch(logits=2):
        pass


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("kept", ["last", None])
def test_files_round_trip(tmp_path, batch, kept):
    trace = scope_of("gemma2").trace(PROMPTS if batch else IDS, logits=kept)
    trace.save(tmp_path / "folder")
    trace.to_npz(tmp_path / "trace.npz")
    for again in (
        Trace.load(tmp_path / "folder"),
        Trace.from_npz(tmp_path / "trace.npz"),
        Trace.from_json(trace.to_json()),
    ):
        with pytest.raises(NotCapturedError):
            _ = again.logits
        if kept is None:
            assert again.kept_logits is None
        else:
            assert torch.equal(again.last_logits, trace.last_logits)


@torch.no_grad()
def test_watched_calls():
    scope = scope_of("llama")
    width = max(map(len, PROMPTS))
    left = torch.tensor([[0] * (width - len(row)) + row for row in PROMPTS])
    right = torch.tensor([row + [0] * (width - len(row)) for row in PROMPTS])
    for ids in (left, right):
        with scope.watch(logits="last") as trace:
            scope.model(ids, attention_mask=(ids > 0).long())
        with scope.watch() as whole:
            scope.model(ids, attention_mask=(ids > 0).long())
        for i, prompt in enumerate(PROMPTS):
            close(trace.last_logits[i], last(scope.model, prompt))
            close(whole.last_logits[i], last(scope.model, prompt))
        with pytest.raises(NotCapturedError):
            _ = trace.logits
    with scope.watch(logits="last") as trace:
        scope.generate("w5 w6 w7", max_new_tokens=3)
    close(trace.last_logits, last(scope.model, [5, 6, 7]))
    with scope.watch(logits="last") as trace:
        scope.model(right, attention_mask=(right > 0).long(), logits_to_keep=1)
    assert trace.last_logits.isnan().any(-1).tolist() == [False, True, True], "the call left these out"
    with scope.watch(logits=None) as trace:
        scope.model(right[:1])
    assert trace.kept_logits is None


@pytest.mark.parametrize("prompt", [IDS, PROMPTS])
def test_a_remote_trace(prompt):
    local = scope_of("llama")
    remote = fake_remote(local)
    trace = remote.trace(prompt, capture=("residual",), logits="last")
    with pytest.raises(NotCapturedError, match="last position alone"):
        _ = trace.logits
    with pytest.raises(NotCapturedError, match="does not keep all logits"):
        trace.fetch("logits")
    asked = len(remote.transport.asked)
    close(trace.last_logits, local.trace(prompt).last_logits)
    _ = trace.last_logits
    assert len(remote.transport.asked) == asked + 1
    close(trace[0].last_logits, local.trace(prompt)[0].last_logits)
    whole = remote.trace(prompt)
    close(whole.last_logits, local.trace(prompt).last_logits)
    torch.testing.assert_close(whole.logits, local.trace(prompt).logits, equal_nan=True)
    close(whole.last_logits, local.trace(prompt).last_logits)
    with pytest.raises(NotCapturedError):
        _ = remote.trace(prompt, logits=None).last_logits
    with pytest.raises(NotCapturedError):
        remote.trace(IDS, logits=None).fetch("logits")
    if prompt is IDS:
        assert (
            heads.score(remote.trace(IDS, logits=None))
            .to_dataframe()
            .equals(heads.score(local.trace(IDS)).to_dataframe())
        )
        with pytest.raises(NotCapturedError, match="Trace again with logits='all'"):
            lens.logit_lens(remote.trace(IDS, logits="last"))
