"""What a whole word is, in scripts with case, without, and without spaces."""

import unicodedata

import pytest
import transformers as hf
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from scope_widgets import heads


def qwen_like(*texts):
    """Byte-level BPE that composes characters first, as Qwen's, trained so that each word of `texts` is a token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([unicodedata.normalize("NFC", text) for text in texts] * 20, trainer)
    return hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def test_a_name_inside_of_a_longer_arabic_word_is_none():
    prompt = "السلام عليكم من علي في"
    tokenizer = qwen_like("السلام", " علي", "كم", " من", " في")
    assert len(tokenizer(prompt)["input_ids"]) == 6
    assert heads.subject_positions(tokenizer, prompt, "علي") == [4]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("subject_form", ["NFC", "NFD"])
@pytest.mark.parametrize(
    ("prompt", "subject", "times"),
    [
        ("السلام عليكم من علي في", "علي", 1),
        ("דנה ודני ודן ודנה", "דנה", 1),  # Hebrew
        ("राम और रामायण", "राम", 1),  # Devanagari
        ("서울 서울은 서울", "서울", 2),  # Korean: a particle makes it another word
        ("მერი და მერია", "მერი", 1),  # Georgian
        ("José Joséphine Jose", "José", 1),
        ("José Joséphine Jose", "Jose", 1),
        ("Việt Nam, Việt-Nam", "Việt Nam", 1),
        ("Ann's Anna _Ann_ l'Ann (Ann) Ann’s", "Ann", 5),
        ("法国的首都", "法国", 1),
        ("トムとトムソン", "トム", 1),  # Katakana runs are words
        ("เมืองไทย", "ไทย", 1),  # Thai is written without spaces, and is not known to part
        ("in 1732 17320", "1732", 1),
        ("a 👩‍🚀 b", "👩‍🚀", 1),
        ("a 👩‍🚀 b", "👩", 0),
        ("می‌خواهم خواهم", "خواهم", 1),  # Persian: a non-joiner does not end a word
        ("aa aaa", "a", 0),
        ("Mary Ann Mary Ann Mary", "Mary Ann Mary", 2),
    ],
)
def test_whole_words(prompt, subject, times, form, subject_form):
    written, wanted = unicodedata.normalize(form, prompt), unicodedata.normalize(subject_form, subject)
    tokenizer = qwen_like()
    if not times:
        with pytest.raises(ValueError, match="as a whole word; it is there inside of"):
            heads.subject_positions(tokenizer, written, wanted)
        return
    at = heads.subject_positions(tokenizer, written, wanted)
    offsets = tokenizer(written, return_offsets_mapping=True)["offset_mapping"]
    covered = {i for token in at for i in range(*offsets[token])}
    for i, char in enumerate(written):  # an accent that is composed by the tokenizer counts as its letter there
        covered |= {i} if i - 1 in covered and (unicodedata.combining(char) or "\u1160" <= char <= "\u11ff") else set()
    pieces = "".join(written[i] if i in covered else "\0" for i in range(len(written))).split("\0")
    found = [unicodedata.normalize("NFC", piece) for piece in pieces if piece]
    expected = unicodedata.normalize("NFC", subject)
    if "Mary" in subject:  # they overlap
        assert found == ["Mary Ann Mary Ann Mary"]
    else:
        assert [piece.strip() for piece in found] == [expected] * times


def test_the_longer_word_is_named():
    with pytest.raises(ValueError, match="'Hel' is not in .* as a whole word; it is there inside of 'Helsinkiä'"):
        heads.subject_positions(qwen_like(), "asuu Helsinkiä", "Hel")
    with pytest.raises(ValueError, match=r"as a whole word\.$"):
        heads.subject_positions(qwen_like(), "asuu Helsinkiä", "Rome")
