"""Steering every way of generating: what it goes on with is what decoding without a cache does under a plain hook."""

from contextlib import contextmanager

import pytest
import torch
import transformers as hf

from scope_widgets import steering
from tests.support import reference_steering as plain
from tests.support.steering_examples import scope_of, some_direction
from tests.support.tiny_models import tiny_model

PROMPT = [5, 9, 31, 44, 5, 9, 5, 9]
PROMPTS = [PROMPT, [31, 5, 9, 5, 9], [7, 8, 40, 7, 8, 40]]
FAMILIES = ["gpt2", "llama", "gemma3", "opt"]
LAYER, STRENGTH = 1, 1.5
AT = ["last", (-3, -1)]
KNOWN = {}


def inputs_of(prompts):
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(row)) + row for row in prompts])
    return {"input_ids": ids, "attention_mask": (ids > 0).long()}


@contextmanager
def hooked(scope, at, rows, whole=True):
    """A plain hook on whole forwards, or such as each go on from the last; `rows` are (padding on the left, length)."""
    direction = some_direction(scope, LAYER)
    vector = STRENGTH * direction.scale * torch.tensor(direction.vector)
    columns = [0]

    def add(_, args, kwargs):
        value = args[0] if args else kwargs["hidden_states"]
        each = [row for row in rows for _ in range(len(value) // len(rows))]  # beams of a prompt stand together
        columns[0] = value.shape[1] + (0 if whole else columns[0])
        new = value + plain.where(at, each, columns[0])[:, -value.shape[1] :, None] * vector
        return ((new, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": new})

    handle = plain.blocks(scope.model)[LAYER].register_forward_pre_hook(add, with_kwargs=True)
    yield
    handle.remove()


def expected(scope, prompts, at, **options):
    key = repr((scope.model_id, prompts, at, {name: options[name] for name in options if name != "past_key_values"}))
    if key not in KNOWN or "past_key_values" in options:
        inputs = inputs_of(prompts) | {"use_cache": "past_key_values" in options}
        width = inputs["input_ids"].shape[1]
        with hooked(scope, at, [(width - len(row), len(row)) for row in prompts], not inputs["use_cache"]):
            found = scope.model.generate(**inputs, **options, do_sample=False, eos_token_id=None)
        KNOWN[key] = found[:, width:].tolist()
    return KNOWN[key]


def found(scope, prompts, at, inputs=None, **options):
    inputs = inputs_of(prompts) if inputs is None else inputs
    added = steering.AddDirection(some_direction(scope, LAYER), STRENGTH, at)
    with steering.steer(scope, added):
        found = scope.model.generate(**inputs, **options, do_sample=False, eos_token_id=None)
    assert "generate" not in vars(scope.model)
    return found[:, -options["max_new_tokens"] :].tolist()


def fp8(scope):
    return hf.cache_utils.QuantizedCache("fp8", scope.model.config.get_text_config())


ONE = {
    "drafts from the prompt": {"prompt_lookup_num_tokens": 3},
    "a static cache": {"cache_implementation": "static"},
    "a static cache in parts": {"cache_implementation": "static", "prefill_chunk_size": 3},
    "parts": {"prefill_chunk_size": 3},
    "parts of one token": {"prefill_chunk_size": 1},
    "no cache": {"use_cache": False},
    "beams": {"num_beams": 3, "num_return_sequences": 2},
    "beams on a static cache": {"num_beams": 3, "cache_implementation": "static"},
    "beams in parts": {"num_beams": 2, "prefill_chunk_size": 3},
}
SEVERAL = {name: options for name, options in ONE.items() if "lookup" not in str(options)}


def beams(options):
    return {name: value for name, value in options.items() if "num" in name and "lookup" not in name}


@torch.no_grad()
def test_drafts_as_they_were_reported_to_go_wrong():
    scope = scope_of("gpt2")
    plural = steering.direction(scope, positive=[[5, 9], [5, 10]], negative=[[6, 9], [6, 10]], layer=1)
    options = {"max_new_tokens": 8, "do_sample": False, "eos_token_id": None}
    for way in ({}, {"prompt_lookup_num_tokens": 3}, {"use_cache": False}):
        with steering.steer(scope, steering.AddDirection(plural, 1.5, "last")):
            found = scope.model.generate(torch.tensor([PROMPT]), **options, **way)
        assert found[0, 8:].tolist() == [92, 60, 10, 92, 92, 66, 92, 66]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("way", ONE)
@torch.no_grad()
def test_one_prompt(family, way):
    scope, options = scope_of(family), {"max_new_tokens": 8}
    for at in AT:
        ours = found(scope, [PROMPT], at, **options, **ONE[way])
        assert ours == expected(scope, [PROMPT], at, **options, **beams(ONE[way])), at


@pytest.mark.parametrize("family", ["gpt2", "gemma3"])
@pytest.mark.parametrize("way", SEVERAL)
@torch.no_grad()
def test_prompts_with_padding_on_the_left(family, way):
    scope, options = scope_of(family), {"max_new_tokens": 6}
    for at in AT:
        ours = found(scope, PROMPTS, at, **options, **SEVERAL[way])
        assert ours == expected(scope, PROMPTS, at, **options, **beams(SEVERAL[way])), at


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma3"])
@torch.no_grad()
def test_drafts_of_another_model_and_of_the_model_itself(family):
    scope, options = scope_of(family), {"max_new_tokens": 8}
    for at in AT:
        assert found(scope, [PROMPT], at, **options, assistant_model=tiny_model(family, seed=1)) == expected(
            scope, [PROMPT], at, **options
        )
        assert found(scope, [PROMPT], at, **options, assistant_model=scope.model) == expected(
            scope, [PROMPT], at, **options
        )


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@torch.no_grad()
def test_a_quantised_cache(family):
    scope, options = scope_of(family), {"max_new_tokens": 4}
    for at in AT:
        for prompts in ([PROMPT], PROMPTS):
            ours = found(scope, prompts, at, past_key_values=fp8(scope), **options)
            # its rounding is that of the cache: a plain hook that counts the columns says what is right
            assert ours == expected(scope, prompts, at, past_key_values=fp8(scope), **options), at


@torch.no_grad()
def test_what_generate_is_given_in_other_forms():
    scope, options = scope_of("llama"), {"max_new_tokens": 6}
    ids = torch.tensor([PROMPT])
    theirs = expected(scope, [PROMPT], "last", **options)
    embedded = {"inputs_embeds": scope.model.get_input_embeddings()(ids)}
    config = hf.GenerationConfig(prompt_lookup_num_tokens=2)
    assert found(scope, [PROMPT], "last", {"inputs": ids}, **options) == theirs
    assert found(scope, [PROMPT], "last", embedded, **options) == theirs
    assert found(scope, [PROMPT], "last", {"inputs": ids, "generation_config": config}, **options) == theirs
    padded = {"input_ids": inputs_of(PROMPTS)["input_ids"]}  # the mask is read from the padding token
    assert found(scope, PROMPTS, (-3, -1), padded, **options) == expected(scope, PROMPTS, (-3, -1), **options)


@pytest.mark.parametrize("at", AT)
@torch.no_grad()
def test_a_cache_that_is_gone_on_with(at):
    scope = scope_of("llama")
    added = steering.AddDirection(some_direction(scope, LAYER), STRENGTH, at)
    ids, options = torch.tensor([PROMPT]), {"max_new_tokens": 3, "do_sample": False, "return_dict_in_generate": True}
    theirs = expected(scope, [PROMPT], at, max_new_tokens=6)[0]
    prefix = scope.model(ids[:, :2], use_cache=True).past_key_values  # nothing is steered there
    with steering.steer(scope, added):
        first = scope.model.generate(ids, past_key_values=prefix, **options)
        assert first.sequences[0, 8:].tolist() == theirs[:3]
        token, written = first.sequences[:, -1:], []
        for _ in range(3):  # in a loop of one's own
            token = scope.model(token, past_key_values=first.past_key_values).logits[:, -1:].argmax(-1)
            written.append(int(token))
    assert written == theirs[3:]


@pytest.mark.parametrize("at", AT)
@torch.no_grad()
def test_two_caches_in_turn(at):
    scope = scope_of("llama")
    added = steering.AddDirection(some_direction(scope, LAYER), STRENGTH, at)
    with steering.steer(scope, added):
        runs = [scope.model(torch.tensor([row]), use_cache=True) for row in PROMPTS]
        caches = [run.past_key_values for run in runs]
        tokens = [run.logits[:, -1:].argmax(-1) for run in runs]
        written = [[int(token)] for token in tokens]
        for _ in range(3):
            for i, cache in enumerate(caches):
                tokens[i] = scope.model(tokens[i], past_key_values=cache).logits[:, -1:].argmax(-1)
                written[i].append(int(tokens[i]))
    assert written == [expected(scope, [row], at, max_new_tokens=4)[0] for row in PROMPTS]


@torch.no_grad()
def test_guidance_runs_a_prompt_of_its_own():
    scope, options = scope_of("llama"), {"max_new_tokens": 4, "guidance_scale": 1.5}
    other = torch.tensor([[44, 45, 46]])
    added = steering.AddDirection(some_direction(scope, LAYER), STRENGTH, "last")
    options |= {"negative_prompt_ids": other, "do_sample": False, "eos_token_id": None}
    with steering.steer(scope, added):
        ours = scope.model.generate(torch.tensor([PROMPT]), **options)[0, 8:].tolist()
        with pytest.raises(ValueError, match="does not show where the prompt ends"):
            scope.model.generate(torch.tensor([PROMPT]), use_cache=False, **options)
    written = []
    for _ in range(4):
        logits = []
        for prompt in (PROMPT, other[0].tolist()):
            with hooked(scope, "last", [(0, len(prompt))]):
                logits.append(
                    scope.model(torch.tensor([prompt + written]), use_cache=False).logits[0, -1].log_softmax(-1)
                )
        written.append(int((1.5 * (logits[0] - logits[1]) + logits[1]).argmax()))
    assert ours == written


@torch.no_grad()
def test_where_the_prompt_ends_is_not_guessed():
    scope, ids = scope_of("llama"), torch.tensor([PROMPT])
    before = scope.model(ids[:, :4], use_cache=True).past_key_values
    direction = some_direction(scope, LAYER)
    for at in AT:
        with steering.steer(scope, steering.AddDirection(direction, STRENGTH, at)):
            for call in (
                lambda: scope.model(ids[:, 4:], past_key_values=before),  # of before the block
                lambda: scope.model(ids[:, 4:5], past_key_values=before),
                lambda: scope.model(ids[:, 4:], past_key_values=scope.model(ids[:, :4]).past_key_values),
            ):
                with pytest.raises(ValueError, match="'last' or over a span.*model.generate or scope.generate"):
                    call()
    square = torch.ones(1, 1, 8, 8, dtype=torch.bool).tril()
    for at in ("last", (2, None)):
        with (
            steering.steer(scope, steering.AddDirection(direction, STRENGTH, at)),
            pytest.raises(ValueError, match="mask that is not .row, position."),
        ):
            scope.model(ids, attention_mask=square)
    with steering.steer(scope, steering.AddDirection(direction, STRENGTH, "all")):  # nothing to be known
        scope.model(ids[:, 4:], past_key_values=before)
        scope.model(ids, attention_mask=square.to(scope.model.dtype).log())
    with (
        steering.steer(scope, steering.AddDirection(direction, STRENGTH, "all")),
        pytest.raises(RuntimeError, match="Continuous batching .* use generate"),
    ):
        scope.model.generate_batch([PROMPT])


def test_a_user_who_has_a_generate_of_his_own_gets_it_back():
    scope = scope_of("gpt2")
    own = scope.model.generate
    scope.model.generate = lambda *args, **kwargs: own(*args, **kwargs)
    mine = scope.model.generate
    with steering.steer(scope, steering.ScaleHead(1, 2, 0.0)):
        scope.model.generate(torch.tensor([PROMPT]), max_new_tokens=1)
    assert scope.model.generate is mine
    del scope.model.generate
