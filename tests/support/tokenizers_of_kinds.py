"""Tokenizers of several kinds and scopes that have nothing else."""

from types import SimpleNamespace

import transformers as hf
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from scope_widgets.ioi.dataset.first_names import NAMES
from scope_widgets.ioi.dataset.templates import FILLERS, TEMPLATES

JOHN_AND_MARY = "When John and Mary went to the store, Mary gave a bottle of milk to"


def byte_level_bpe(
    bos: bool = False, vocab_size: int = 1200, names: tuple[str, ...] = NAMES
) -> hf.PreTrainedTokenizerFast:
    """Train a tokenizer like GPT-2's on our own words."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    words = " ".join(w for some in FILLERS.values() for w in some)
    texts = [*TEMPLATES, JOHN_AND_MARY, *(f"and {name} and {name}, {words}" for name in names), "Mary and"] * 20
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>")


def llama_like() -> hf.PreTrainedTokenizerFast:
    """Train a tokenizer that puts a space before every text by itself, and a token before that."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first")
    words = " ".join([*NAMES, *(w for some in FILLERS.values() for w in some), JOHN_AND_MARY, *TEMPLATES])
    trainer = trainers.BpeTrainer(vocab_size=1500, special_tokens=["<unk>", "<s>"], show_progress=False)
    tokenizer.train_from_iterator([words.replace(",", " ,")] * 20, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", unk_token="<unk>")


def word_level(words: list[str], *, lower: bool = False) -> hf.PreTrainedTokenizerFast:
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys(["<unk>", *words]))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if lower:
        tokenizer.normalizer = normalizers.Lowercase()
    return hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


def scope_of(tokenizer: hf.PreTrainedTokenizerBase) -> SimpleNamespace:
    return SimpleNamespace(tokenizer=tokenizer, model_id="some", revision=None, calls=())
