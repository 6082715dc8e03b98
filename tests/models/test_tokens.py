"""What people bring as prompts, and how single tokens are shown."""

import numpy as np
import pytest
import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

from scope_widgets import Microscope, circuits, heads, patching, steering
from scope_widgets.models.tokens import encode, encode_with_spans, token_texts
from tests.support.fake_transport import fake_remote
from tests.support.tiny_models import tiny_model, tiny_tokenizer
from tests.support.tokenizers_of_kinds import byte_level_bpe, llama_like

TEMPLATE = (
    "{% if messages[0]['role'] == 'tool' %}{{ raise_exception('no tools') }}{% endif %}<bos>"
    "{% for m in messages %} w9 {{ m['content'] if m['content'] is string else m['content'][0]['text'] }} <eos>"
    "{% endfor %}{% if add_generation_prompt %} w8{% endif %}"
)
CHAT = [{"role": "user", "content": "w3 w4"}]
CHAT_IDS = [1, 9, 3, 4, 2, 8]


def with_bos():
    """A word tokenizer that begins every text with <bos>, as Llama's does, and has a chat template that does too."""
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", 1)]
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


@pytest.fixture
def scope():
    return Microscope.for_model(tiny_model("llama"), with_bos())


@pytest.mark.parametrize("text", ["w3 w4", "<bos> w3 w4", "<bos> <bos> w3 w4"])
def test_no_text_begins_with_two_bos(scope, text):
    for wanted, ids in ((None, [1, 3, 4]), (True, [1, 3, 4]), (False, [3, 4])):
        assert scope.trace(text, prepend_bos=wanted).token_ids.tolist() == ids
        assert encode_with_spans(scope.tokenizer, text, wanted)[0] == ids
    assert scope.run([text]).token_ids.tolist() == [[1, 3, 4]]
    assert steering.Session(scope, text).token_ids == [1, 3, 4]
    assert scope.estimate(text).n_tokens == 3
    assert fake_remote(scope).trace(text).token_ids.tolist() == [1, 3, 4]
    assert heads.subject_positions(scope, text, "w4") == [2]
    assert heads.subject_positions(scope, text, "w4", prepend_bos=False) == [1]


def test_token_ids_are_taken_as_they_are_unless_bos_is_asked_for(scope):
    assert scope.trace([1, 1, 3]).token_ids.tolist() == [1, 1, 3]
    assert scope.trace([1, 1, 3], prepend_bos=True).token_ids.tolist() == [1, 3]
    assert scope.trace([1, 1, 3], prepend_bos=False).token_ids.tolist() == [3]


def test_a_cls_token_is_not_doubled_either():
    tokenizer = tiny_tokenizer()
    tokenizer.bos_token, tokenizer.cls_token = None, "<bos>"
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", 1)]
    )
    assert encode(tokenizer, "<bos> w3", None)[0] == [[1, 3]]


@pytest.mark.parametrize("text", ["When Mary", "<s>When Mary", "<s> When Mary"])
@pytest.mark.parametrize("make", [llama_like, lambda: byte_level_bpe(bos=True), byte_level_bpe])
def test_spans_are_of_the_tokens_that_encode_gives(make, text):
    tokenizer = make()
    for wanted in (None, True, False):
        (ids,), _, _ = encode(tokenizer, text, wanted)
        same, spans = encode_with_spans(tokenizer, text, wanted)
        assert same == ids
        assert len(spans) == len(ids)
        start, end = spans[-1]
        assert text[start:end].strip() == "Mary"
    assert ids.count(tokenizer.bos_token_id) == 0


def test_chat_messages_are_a_prompt_everywhere(scope):
    remote = fake_remote(scope)
    for prompt in (CHAT, tuple(CHAT), [{"role": "user", "content": [{"type": "text", "text": "w3 w4"}]}]):
        assert scope.trace(prompt).token_ids.tolist() == CHAT_IDS
    expected = scope.tokenizer.apply_chat_template(CHAT, add_generation_prompt=True, return_dict=False)
    assert expected == CHAT_IDS
    trace = scope.trace(CHAT)
    assert trace.prompt == "<bos> w9 w3 w4 <eos> w8", "as the template writes it"
    assert scope.trace([CHAT, CHAT]).token_ids.tolist() == [CHAT_IDS] * 2
    assert scope.trace([CHAT, "w5"])[1].token_ids.tolist() == [1, 5]
    assert scope.trace([*CHAT, {"role": "assistant", "content": "w7"}]).token_ids.tolist() == [*CHAT_IDS[:5], 9, 7, 2]
    assert scope.run(CHAT).token_ids.tolist() == [CHAT_IDS]
    assert scope.generate(CHAT, max_new_tokens=2) == scope.generate(CHAT_IDS, max_new_tokens=2)
    assert scope.estimate(CHAT).n_tokens == 6
    assert remote.trace(CHAT).token_ids.tolist() == CHAT_IDS
    np.testing.assert_array_equal(heads.importance(scope, CHAT)["kl"], heads.importance(scope, CHAT_IDS)["kl"])
    np.testing.assert_array_equal(heads.importance(remote, CHAT)["kl"], heads.importance(scope, CHAT_IDS)["kl"])
    assert scope.trace([CHAT, CHAT]).provenance.prompts == (trace.prompt,) * 2
    other = [{"role": "user", "content": "w5 w4"}]
    chats, ids = (
        steering.direction(scope, positive=[one], negative=[two], layer=1)
        for one, two in ((CHAT, other), (CHAT_IDS, [1, 9, 5, 4, 2, 8]))
    )
    np.testing.assert_array_equal(chats.vector, ids.vector)
    task = circuits.Task.of(scope, CHAT, [other], [7], [8])
    assert (task.clean, task.corrupted) == ([CHAT_IDS], [[1, 9, 5, 4, 2, 8]])
    patched, expected = (
        patching.activations(scope, one, two, answer=7, versus=8).values
        for one, two in ((CHAT, other), (CHAT_IDS, [1, 9, 5, 4, 2, 8]))
    )
    np.testing.assert_array_equal(patched, expected)
    session = steering.Session(scope, CHAT)
    assert session.token_ids == CHAT_IDS
    assert str(CHAT_IDS) in session.code()


def test_chat_messages_that_cannot_be_written_get_a_sentence(scope):
    for messages, message in (
        ([{"role": "tool", "content": "w3"}], "chat template does not take these messages: no tools"),
        ([{"role": "user", "content": [{"type": "image"}]}], "of text alone; got content of type 'image'"),
    ):
        with pytest.raises(ValueError, match=message):
            scope.trace(messages)
    with pytest.raises(TypeError, match="A prompt is a text"):
        scope.trace([{"content": "w3"}])
    scope.tokenizer.chat_template = None
    with pytest.raises(ValueError, match="this tokenizer has no chat template"):
        scope.trace(CHAT)


def test_what_a_tokenizer_returns_is_a_prompt_without_its_padding(scope):
    remote = fake_remote(scope)
    one = scope.tokenizer("w3 w4")
    assert scope.trace(one).token_ids.tolist() == [1, 3, 4]
    assert scope.trace(one).logits.ndim == 2
    assert steering.Session(scope, scope.tokenizer("w3 w4", return_tensors="pt")).token_ids == [1, 3, 4]
    for side in ("left", "right"):
        scope.tokenizer.padding_side = side
        for form in ("pt", "np", None):
            both = scope.tokenizer(["w3 w4 w5", "w6"], return_tensors=form, padding=True)
            trace = scope.trace(both)
            assert [trace[0].token_ids.tolist(), trace[1].token_ids.tolist()] == [[1, 3, 4, 5], [1, 6]]
            torch.testing.assert_close(trace[1].logits, scope.trace("w6").logits, rtol=1e-5, atol=1e-5)
        assert remote.trace(both)[1].token_ids.tolist() == [1, 6]
        np.testing.assert_array_equal(scope.run(both).logits.numpy(), scope.run([[1, 3, 4, 5], [1, 6]]).logits.numpy())
    alone = scope.tokenizer("w3 w4", return_tensors="pt")
    np.testing.assert_array_equal(heads.importance(scope, alone)["kl"], heads.importance(scope, "w3 w4")["kl"])
    np.testing.assert_array_equal(heads.importance(remote, alone)["kl"], heads.importance(scope, "w3 w4")["kl"])
    assert scope.generate(alone, max_new_tokens=2) == scope.generate("w3 w4", max_new_tokens=2)
    left, right = (
        steering.direction(scope, positive=one, negative=[[1, 7], [1, 8]], layer=1).vector
        for one in (both, [[1, 3, 4, 5], [1, 6]])
    )
    np.testing.assert_array_equal(left, right)
    assert scope.trace({"input_ids": [3, 4]}).token_ids.tolist() == [3, 4]


@pytest.mark.parametrize(
    ("prompt", "error", "message"),
    [
        ({"ids": [3]}, TypeError, "got a dict of ids"),
        ({"input_ids": [3], "pixel_values": [0.0]}, ValueError, "pixel_values beside its tokens"),
        ({"input_ids": [[3, 4]], "attention_mask": [[1]]}, ValueError, "another shape than its input_ids"),
        ({"input_ids": []}, ValueError, "prompt is empty"),
        ({"input_ids": [[3]], "attention_mask": [[0]]}, ValueError, "prompt is empty"),
        ({"input_ids": [3.5]}, TypeError, "got 3.5 where a token id was expected"),
        ([], ValueError, "prompt is empty"),
        ([[]], ValueError, "prompt is empty"),
        ("a \ud83d b", ValueError, "'\\\\ud83d' at character 2, which is half a character"),
        (["w3", "\udc80"], ValueError, "half a character"),
        ([3, 96], ValueError, "must be 0 to 95"),
        ({"input_ids": [96]}, ValueError, "must be 0 to 95"),
        (torch.tensor([[3.0, 4.0]]), TypeError, "got 3.0 where a token id was expected"),
        (torch.tensor(3), TypeError, "A prompt is a text"),
    ],
)
def test_what_is_no_prompt_gets_a_sentence(prompt, error, message):
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    for taken in (scope.trace, scope.run, scope.generate, scope.estimate, lambda one: steering.Session(scope, one)):
        with pytest.raises(error, match=message):
            taken(prompt)


def test_tokens_of_which_nothing_would_be_seen_are_named():
    texts = {
        "\u200d": "<U+200D>",
        " \ufe0f": " <U+FE0F>",
        "\u3164\u200b": "<U+3164><U+200B>",
        "\x07": "<U+0007>",
        "\U000e0067": "<U+E0067>",
        " ": " ",
        "\n": "\n",
        "\u3000": "\u3000",
        "a\u200d": "a\u200d",
        "👩‍🚀": "👩‍🚀",
        "<eos>": "<eos>",
    }
    tokenizer = Tokenizer(models.WordLevel({text: i for i, text in enumerate(texts)}, unk_token="a\u200d"))
    fast = hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>")
    assert token_texts(fast, range(len(texts))) == list(texts.values())

    byte_level = Tokenizer(models.BPE({"âĢį": 0, "âĢ": 1}, []))
    byte_level.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    byte_level.decoder = decoders.ByteLevel()
    fast = hf.PreTrainedTokenizerFast(tokenizer_object=byte_level)
    assert token_texts(fast, [0, 1]) == ["<U+200D>", "<0xE2><0x80>"]
