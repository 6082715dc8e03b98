"""The shipped tasks: how pairs are made, whatever the tokenizer, and that real models do them."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers as hf
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from scope_widgets import circuits, ioi
from scope_widgets.circuits.tasks.vocabulary import AGREEMENT, CAPITALS, CITIES, COMMON, EVENTS, LASTED, NOUNS, VERBS
from scope_widgets.circuits.tasks.years import years_of
from scope_widgets.experiments.statistics.prompt_groups import groups_by_length
from scope_widgets.experiments.task import SUMMED
from tests.support.tiny_models import tiny_tokenizer

_WORDS = [
    *EVENTS,
    *COMMON,
    *(word for some in NOUNS.values() for noun in some for word in noun),
    *(word for verb in VERBS for word in verb),
    *(word for pair in CAPITALS for word in pair),
]
_SENTENCES = [text.replace("{", "").replace("}", "") for text in (*AGREEMENT, *CITIES, LASTED)]
_TEXTS = [*_SENTENCES, *(f"The {word}" for word in _WORDS)] * 20
_CENTURIES = [f"in {century} " for century in range(11, 18)]
#: GPT-2 has all these as one token, so that "00" follows on no " 17"
_WHOLE = [*(f"{century}00" for century in range(11, 18)), "1776"]
#: what makes " 17" and "32" tokens
_PAIRS = [*(_CENTURIES * 200), *([f"a{i:02}" for i in range(100)] * 20), *([f"in {c}" for c in _WHOLE] * 100)]
_THREES = r"\p{N}{1,3}| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def bpe(pieces, numbers, *, before="", after=""):
    """Train a byte-level tokenizer that divides a text as `pieces` does."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pieces
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=4000,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*_TEXTS, *numbers], trainer)
    ends = [("<s>", 0), ("</s>", 1)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{before} $A {after}".strip(), special_tokens=ends)
    return hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")


def bytes_of(*first, regex=True):
    return pre_tokenizers.Sequence([*first, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=regex)])


def by_twos(**ends):
    """Like GPT-2's."""
    return bpe(bytes_of(), _PAIRS, **ends)


def one_by_one(**ends):
    """Like SmolLM2's."""
    return bpe(bytes_of(pre_tokenizers.Digits(individual_digits=True)), [], **ends)


def by_threes(**ends):
    """Like Llama 3's."""
    numbers = [f"in {number}" for number in range(100, 1000)] * 20
    return bpe(bytes_of(pre_tokenizers.Split(Regex(_THREES), "isolated"), regex=False), numbers, **ends)


def metaspace():
    """Like Llama 2's: it puts a space before every text by itself, and a token before that."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(prepend_scheme="first"), digits])
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first")
    trainer = trainers.BpeTrainer(vocab_size=4000, special_tokens=["<unk>", "<s>"], show_progress=False)
    tokenizer.train_from_iterator([*_TEXTS, "in 0123456789"], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", unk_token="<unk>")


def word_level(text):
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys(["<unk>", *text.split()]))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


def scope_of(tokenizer):
    return SimpleNamespace(tokenizer=tokenizer, model_id="some", revision=None, calls=())


KINDS = {
    "twos": by_twos,
    "ones": one_by_one,
    "threes": by_threes,
    "twos with bos": lambda: by_twos(before="<s>"),
    "metaspace": metaspace,
}


@pytest.fixture(scope="module", params=list(KINDS))
def scope(request):
    return scope_of(KINDS[request.param]())


def texts(scope, rows):
    return [scope.tokenizer.decode(row, skip_special_tokens=True).strip() for row in rows]


def changes(task):
    """Positions at which each pair differs."""
    for clean, corrupted in zip(task.clean, task.corrupted, strict=True):
        yield [at for at, (one, other) in enumerate(zip(clean, corrupted, strict=True)) if one != other]


def check(scope, task, n):
    """Check what holds for every task."""
    assert len(task) == n
    assert task.model_id == scope.model_id
    assert len({tuple(row) for row in task.clean}) == n
    lengths = {}
    for row, group in zip(task.clean, task.groups, strict=True):
        assert lengths.setdefault(group, len(row)) == len(row)
    for right, wrong in zip(task.answer, task.versus, strict=True):
        assert right
        assert wrong
        assert set(right).isdisjoint(wrong)
    assert all(changes(task))
    special = set(scope.tokenizer.all_special_ids)
    before = scope.tokenizer("The")["input_ids"][: -len(scope.tokenizer("The", add_special_tokens=False)["input_ids"])]
    for row in (*task.clean, *task.corrupted):
        assert row[: len(before)] == before
        assert special.isdisjoint(row[len(before) :])


def same(one, other):
    return all(getattr(one, name) == getattr(other, name) for name in ("clean", "corrupted", "answer", "versus"))


# --- all of them ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(circuits.TASKS))
@settings(max_examples=6, deadline=None)
@given(n=st.integers(1, 60), seed=st.integers(0, 2**32))
def test_pairs_are_pairs(scope, name, n, seed):
    task = circuits.task(scope, name, n=n, seed=seed)
    assert task.name == name
    check(scope, task, n)
    # as the same texts are read by the tokenizer
    if name != "induction":
        for row in (*task.clean, *task.corrupted):
            text = scope.tokenizer.decode(row, skip_special_tokens=True)
            assert scope.tokenizer(text)["input_ids"] == row


@pytest.mark.parametrize("name", list(circuits.TASKS))
def test_a_seed_gives_the_same_again(scope, name):
    make = circuits.TASKS[name]
    whole = make(scope, n=60, seed=3)
    assert same(whole, make(scope, n=60, seed=3))
    assert same(whole[:20], make(scope, n=20, seed=3))
    assert not same(whole, make(scope, n=60, seed=4))
    counts = Counter(whole.groups).values()
    assert name == "capitals" or max(counts) - min(counts) <= 1


def test_there_are_enough_words_of_ours():
    assert len(CAPITALS) == len({country for country, _ in CAPITALS}) == len({city for _, city in CAPITALS}) >= 40
    assert all(len(set(some)) == len(some) >= 20 for some in NOUNS.values())
    assert len(AGREEMENT) == len(set(AGREEMENT)) >= 8
    assert len(EVENTS) == len(set(EVENTS)) >= 20


# --- greater-than ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "shown", "width", "low"), [("twos", 2, 2, "01"), ("ones", 2, 1, "0"), ("threes", 3, 1, "0")]
)
def test_how_years_are_written_is_found(kind, shown, width, low):
    years = years_of(KINDS[kind]())
    assert {len(year) for year, _ in years.starts} == {shown}
    assert list(years.tokens) == [str(i).zfill(width) for i in range(10**width)]
    assert (years.low, years.rest) == (low, "9" * (4 - shown - width))
    assert all(low < piece < "9" * width for _, piece in years.starts)
    if kind == "twos":  # nothing decides in a year of one token
        assert ("17", "76") not in years.starts
        assert ("16", "76") in years.starts


def test_later_years_are_right_and_others_wrong(scope):
    task = circuits.greater_than(scope, n=50)
    assert task.metric == SUMMED
    piece = {token: text for text, token in years_of(scope.tokenizer).tokens.items()}
    assert len(piece) in (10, 100)
    for at, (clean, corrupted) in enumerate(zip(texts(scope, task.clean), texts(scope, task.corrupted), strict=True)):
        event, start, shown = clean[4:].split(" ")[0], clean.split(" ")[6], clean.split(" ")[-1]
        assert clean == LASTED.format(event=event, start=start, shown=shown)
        assert event in EVENTS
        assert start.startswith(shown)
        # whatever digits may follow the one that decides
        assert all(int((shown + piece[token]).ljust(4, "0")) > int(start) for token in task.answer[at])
        assert all(int((shown + piece[token]).ljust(4, "9")) <= int(start) for token in task.versus[at])
        assert {*task.answer[at], *task.versus[at]} == set(piece)
        low = shown + ("01" if len(piece) == 100 else "0" + "9" * (3 - len(shown)))
        assert corrupted == clean.replace(start, low)
    assert all(len(at) == 1 for at in changes(task))


# --- induction ------------------------------------------------------------------------------------------------------


def test_what_came_before_comes_again_and_not_in_the_corrupted(scope):
    task = circuits.induction(scope, n=40)
    before = len(task.clean[0]) - 19
    for clean, corrupted, [answer], [versus] in zip(task.clean, task.corrupted, task.answer, task.versus, strict=True):
        clean, corrupted = clean[before:], corrupted[before:]
        context, again = clean[:16], clean[16:]
        assert len(set(context)) == 16
        start = context.index(again[0])
        assert context[start : start + 4] == [*again, answer]
        assert versus in context
        assert versus in corrupted
        assert versus not in [*again, answer]
        assert len(set(corrupted)) == len(corrupted)
        assert answer not in corrupted
        assert corrupted[16:] == again
    assert [at[0] - before for at in changes(task)] == [2, 4, 6, 8] * 10
    assert all(len(at) == 4 for at in changes(task))
    assert {word for row in task.clean for word in texts(scope, [[token] for token in row[before:]])} <= set(COMMON)


def test_words_of_the_vocabulary_where_it_has_few_of_ours():
    others = [f"word{i}" for i in range(20)]
    some = scope_of(word_level(" ".join([*COMMON[:19], *others])))
    task = circuits.induction(some, n=50)
    check(some, task, 50)
    assert {word for row in task.clean for word in some.tokenizer.convert_ids_to_tokens(row)} >= {*others, *COMMON[:19]}
    some = scope_of(tiny_tokenizer())
    check(some, circuits.induction(some, n=50), 50)


# --- agreement ------------------------------------------------------------------------------------------------------


def test_the_verb_goes_with_the_subject(scope):
    task = circuits.agreement(scope, n=200)
    singular = {noun[0] for some in NOUNS.values() for noun in some}
    of = dict(noun for some in NOUNS.values() for noun in some)
    form = {f" {word}": number for verb in VERBS for number, word in enumerate(verb)}
    seen = Counter()
    rows = zip(texts(scope, task.clean), texts(scope, task.corrupted), task.answer, task.versus, strict=True)
    for clean, corrupted, right, wrong in rows:
        words = clean.split(" ")
        nouns = [word for word in words if word in singular or word in of.values()]
        assert len(nouns) == 2
        subject, attractor = nouns
        other = of[subject] if subject in singular else {v: k for k, v in of.items()}[subject]
        assert corrupted.split(" ") == [other if word == subject else word for word in words]
        verb, versus = (" " + scope.tokenizer.decode(one).strip() for one in (right, wrong))
        assert (verb.strip(), versus.strip()) in {*VERBS, *(pair[::-1] for pair in VERBS)}
        assert form[verb] == (subject not in singular) != form[versus]
        seen[(subject in singular, attractor in singular, verb)] += 1
    assert len(seen) == 2 * 2 * len(VERBS)  # both numbers of subject and attractor, with each verb
    assert all(len(at) == 1 for at in changes(task))
    assert len(set(task.groups)) == len(AGREEMENT)


# --- capitals -------------------------------------------------------------------------------------------------------


def test_capitals_are_those_of_the_countries(scope):
    task = circuits.capitals(scope, n=150)
    capital = dict(CAPITALS)
    fixed = [template.split("{country}") for template in CITIES]
    rows = zip(texts(scope, task.clean), texts(scope, task.corrupted), task.answer, task.versus, strict=True)
    for clean, corrupted, right, wrong in rows:
        [(head, tail)] = [(head, tail) for head, tail in fixed if clean.startswith(head) and clean.endswith(tail)]
        for text, token in ((clean, right), (corrupted, wrong)):
            assert text.startswith(head)
            assert text.endswith(tail)
            country = text[len(head) : len(text) - len(tail)]
            assert scope.tokenizer.decode(token).strip() == capital[country]
    # countries of two tokens are groups of their own
    assert len({len(row) for row in task.clean}) > 1
    assert len(set(task.groups)) > len(CITIES)


# --- what cannot be made ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(circuits.TASKS))
def test_numbers_of_pairs(demo, name):
    make = circuits.TASKS[name]
    for n in (0, -2):
        with pytest.raises(ValueError, match=f"n={n} would be a task without pairs"):
            make(demo, n=n)
    for n in (True, 2.5, "3"):
        with pytest.raises(TypeError, match="n= is the number of pairs; got"):
            make(demo, n=n)


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("greater_than", "The war", "needs the words of 'The {event} lasted from .*, such as 'war', and"),
        ("greater_than", LASTED.replace("{event}", "war"), "writes years .*; this one makes the | year | <unk>"),
        ("induction", "key keys", "needs 20 words of one token each, and this tokenizer has 2"),
        ("agreement", "The near keys key lamp lamps", "nouns that are one token in both numbers, such as 'key'"),
        ("agreement", "The near keys lamp is are", "'key' and 'keys', and the verbs 'is' and 'are'"),
        ("agreement", "key keys lamp lamps is are", "the words of a sentence such as 'The {thing} near the {thing}'"),
        ("capitals", "The capital of France is the city Paris", "two countries of as many tokens"),
    ],
)
def test_words_that_are_lacking_are_said(name, words, message):
    with pytest.raises(ValueError, match=f"The task '{name}' .*{message.replace('|', '[|]')}.*Task.of"):
        circuits.task(scope_of(word_level(words)), name)


def test_more_pairs_than_there_are():
    some = scope_of(word_level("The capital of France is the city of Paris Italy Rome Spain Madrid"))
    check(some, circuits.capitals(some, n=3), 3)
    with pytest.raises(ValueError, match=r"n=4 pairs of the task 'capitals' are more than the 3 different ones"):
        circuits.capitals(some, n=4)


def test_a_tokenizer_that_ends_its_texts():
    ending = scope_of(one_by_one(after="</s>"))
    for name in circuits.TASKS:
        with pytest.raises(ValueError, match="ends a text with '</s>', so that no answer can come next"):
            circuits.task(ending, name)


def test_names_of_tasks(demo):
    with pytest.raises(ValueError, match="no task 'capital'; there are greater_than, induction, agreement, capitals"):
        circuits.task(demo, "capital")
    with pytest.raises(TypeError, match="task= is a Task, such as .* or the name of one .greater_than, .*; got 3"):
        circuits.discover(demo, 3)


def test_groups_have_one_length():
    assert groups_by_length([], []) == []
    assert groups_by_length([2, 0, 2, 2, 0, 2], [[1], [1], [1, 2], [1], [1, 2], [3, 4]]) == [2, 0, 3, 2, 4, 3]


# --- models ---------------------------------------------------------------------------------------------------------


def measured(scope, task):
    """Give the metric of the clean and the corrupted prompts."""
    last = []
    for rows in (task.clean, task.corrupted):
        logits = scope.trace(rows, capture=()).logits
        last.append(logits[torch.arange(len(rows)), torch.tensor([len(row) - 1 for row in rows])])
    metric = task.measure(scope, last[0])
    return [metric.of(logits, torch.arange(len(task))).double().numpy() for logits in last]


def test_the_demo_model_does_what_its_words_carry(demo):
    task = circuits.induction(demo)
    check(demo, task, 50)
    clean, corrupted = measured(demo, task)
    assert (clean > corrupted).all()
    assert (clean > 0).mean() >= 0.96
    check(demo, circuits.agreement(demo), 50)  # its words carry this one too, but it has not learned to agree
    for name in ("greater_than", "capitals"):
        with pytest.raises(ValueError, match=f"The task '{name}' needs"):
            circuits.task(demo, name)


def test_ioi_is_a_task(demo):
    prompts = ioi.prompts(demo, n=30, seed=1)
    task = prompts.task("abc")
    check(demo, task, 30)
    assert task.name == "ioi"
    assert task.clean == prompts.token_ids
    assert task.corrupted == prompts.corrupted("abc", 0).token_ids
    assert [one for [one] in task.answer] == prompts.io_ids.tolist()
    assert [one for [one] in task.versus] == prompts.subject_ids.tolist()
    assert task.groups == prompts.template
    assert prompts.task("abc", 1).corrupted != task.corrupted
    assert prompts.task("s2_io").corrupted == prompts.corrupted("s2_io").token_ids
    clean, corrupted = measured(demo, task)
    assert (clean > 0).all()
    assert abs(corrupted.mean()) < 0.3 * clean.mean()  # names that are not there: whatever the model thinks of them
    clean, corrupted = measured(demo, prompts.task("s2_io"))
    assert (clean > corrupted).all()
    with pytest.raises(ValueError, match="has no prompts"):
        prompts[:0].task()
    with pytest.raises(ValueError, match="corruption= is one of abc, io, s, s2_io, swap"):
        prompts.task("other")


@pytest.mark.smollm2
@pytest.mark.heavy
@pytest.mark.parametrize("name", [*circuits.TASKS, "ioi"])
def test_smollm2_does_the_tasks(smollm2, name):
    task = ioi.prompts(smollm2, n=50).task() if name == "ioi" else circuits.task(smollm2, name)
    check(smollm2, task, 50)
    clean, corrupted = measured(smollm2, task)
    print(f"{name}: {clean.mean():.3f} clean, {corrupted.mean():.3f} corrupted, {(clean > corrupted).mean():.2f}")
    assert (clean > corrupted).mean() >= 0.94
    assert (clean > 0).mean() >= 0.9
    assert clean.mean() > 0.5 > np.median(corrupted)
