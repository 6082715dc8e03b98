"""The synthetic English that the demo model is trained and measured on.

Three kinds of text come from here: IOI sentences (two names, one of them repeated, and the other one is the
answer), ordinary sentences and small paragraphs, and sequences of random words that repeat. All generators
take a ``random.Random`` and give lists of words; ``render`` makes readable text of them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

from scripts import demo_words as w

PAD, UNK, BOS, EOS = "<pad>", "<unk>", "<bos>", "<eos>"
SPECIAL_TOKENS: tuple[str, ...] = (PAD, UNK, BOS, EOS)
PUNCTUATION: tuple[str, ...] = (",", ".", "?", "!", ":", ";", '"', "'", "-")
NAMES: tuple[str, ...] = w.NAMES
PERSONS: tuple[str, ...] = w.MALE_PERSONS + w.FEMALE_PERSONS + w.OTHER_PERSONS

_WORD = re.compile(r"\{\w+\}|\w+|[^\w\s]")
#: words that may stand anywhere in a noisy sentence; no names
_NOISE: tuple[str, ...] = (*w.EXTRA_WORDS, *w.OBJECTS, *w.PLACES, *w.ADJECTIVES, ",", ".")
_NAME_INDEX = {name: i for i, name in enumerate(w.NAMES)}


@dataclass(frozen=True)
class IOIPrompt:
    """One IOI prompt: the words before the answer, and what the answer is.

    Parameters
    ----------
    words : tuple of str
        The words up to the answer, which is not among them.
    io, s : str
        The indirect object (the answer) and the subject, the name that comes twice.
    order : str
        ``"ABBA"`` where the answer is the first name of the sentence, ``"BABA"`` where it is the second.
    template : str
        The template with its slots still open.
    """

    words: tuple[str, ...]
    io: str
    s: str
    order: str
    template: str

    @property
    def text(self) -> str:
        """The prompt as text, without a blank at the end."""
        return render(self.words)


def split_words(text: str) -> list[str]:
    """Split text into words and punctuation marks, as the demo tokenizer does."""
    return _WORD.findall(text)


def render(words: Sequence[str]) -> str:
    """Join words to text: a blank between words, none before a punctuation mark."""
    return re.sub(r" (?=[,.?!:;])", "", " ".join(words))


def is_held_out_pair(first: str, second: str) -> bool:
    """Say whether two names never meet in a training IOI sentence (one pair in five; order is no matter)."""
    return (_NAME_INDEX[first] + _NAME_INDEX[second]) % 5 == 0


def held_out_pairs() -> list[tuple[str, str]]:
    """Return every held-out pair of names."""
    return [pair for pair in combinations(w.NAMES, 2) if is_held_out_pair(*pair)]


def training_templates() -> list[str]:
    """Return every training template (opening, connector, ending), without the rare distractors."""
    return _templates(w.TRAIN_CLAUSES, w.TRAIN_SENTENCES, w.TRAIN_CONNECTORS, w.TRAIN_ENDINGS)


def held_out_templates() -> list[str]:
    """Return every held-out template; each of its three parts is absent from training."""
    return _templates(w.HELD_OUT_CLAUSES, w.HELD_OUT_SENTENCES, w.HELD_OUT_CONNECTORS, w.HELD_OUT_ENDINGS)


def _templates(
    clauses: Sequence[str], sentences: Sequence[str], connectors: Sequence[str], endings: Sequence[str]
) -> list[str]:
    openings = [f"{clause} ," for clause in clauses]
    openings += [f"{sentence} {connector}" for sentence in sentences for connector in dict.fromkeys(connectors)]
    return [f"{opening} {ending}" for opening in openings for ending in endings]


# --- filling slots ---------------------------------------------------------------------------------------
_FILLERS: dict[str, Sequence[str]] = {
    "{place}": w.PLACES,
    "{object}": w.OBJECTS,
    "{object2}": w.OBJECTS,
    "{adj}": w.ADJECTIVES,
    "{time}": w.TIMES,
    "{person}": PERSONS,
}


def _fill(rng: random.Random, template: str, given: dict[str, str]) -> list[str]:
    words = []
    for part in split_words(template):
        if part in _FILLERS:
            words.append(rng.choice(_FILLERS[part]))
        else:
            words.append(given.get(part, part))
        if len(words) > 1 and words[-2] in ("a", "A") and words[-1][0] in "aeiou":
            words[-2] += "n"
    return words


def _name_pair(rng: random.Random, *, held_out: bool) -> tuple[str, str]:
    while True:
        first, second = rng.sample(w.NAMES, 2)
        if is_held_out_pair(first, second) == held_out:
            return first, second


def _meeting(rng: random.Random) -> str:
    """Return an opening in which the names stand on the two sides of some verb and preposition."""
    verb, preposition = rng.choice(w.MEETING_VERBS), rng.choice(w.MEETING_PREPOSITIONS)
    if (verb, preposition) == ("ran", "into"):
        preposition = "near"
    clause = f"{{A}} {verb} {preposition} {{B}}{rng.choice(('', '', ' at the {place}', ' in the {time}'))}"
    if rng.random() < 0.5:
        return f"{rng.choice(('When', 'After', 'While', 'Because', 'Since', 'Before', 'As', 'Although'))} {clause} ,"
    return f"{clause} {rng.choice(w.TRAIN_CONNECTORS)}"


def _training_template(rng: random.Random) -> str:
    ending = rng.choice(w.TRAIN_ENDINGS)
    kind = rng.random()
    if kind < 0.15:
        opening = _meeting(rng)
    elif kind < 0.55:
        opening = f"{rng.choice(w.TRAIN_CLAUSES)} ,"
        if rng.random() < 0.2:
            opening = f"{opening} {rng.choice(w.TRAIN_DISTRACTORS)}"
    else:
        opening = f"{rng.choice(w.TRAIN_SENTENCES)} {rng.choice(w.TRAIN_CONNECTORS)}"
    if rng.random() < 0.1:
        # what stands before the names must not matter: now and then a sentence is put there
        opening = f"The {{adj}} {{object}} was in the {{place}} . {opening}"
    if opening.endswith(".") and rng.random() < 0.2:
        opening = f"{opening} {rng.choice(w.TRAIN_INSERTS)} ."
    return f"{opening} {ending}"


def _make_prompt(rng: random.Random, template: str, order: str, *, held_out: bool) -> IOIPrompt:
    io, s = _name_pair(rng, held_out=held_out)
    first, second = (io, s) if order == "ABBA" else (s, io)
    body = template.removesuffix("{IO}").strip()
    words = _fill(rng, body, {"{A}": first, "{B}": second, "{S}": s})
    return IOIPrompt(tuple(words), io, s, order, template)


def training_ioi_prompt(rng: random.Random) -> IOIPrompt:
    """Draw one IOI prompt of the training distribution."""
    return _make_prompt(rng, _training_template(rng), rng.choice(("ABBA", "BABA")), held_out=False)


def held_out_ioi_prompts(n: int, seed: int = 0) -> list[IOIPrompt]:
    """Draw IOI prompts with held-out templates and held-out name pairs, ABBA and BABA in turn.

    Parameters
    ----------
    n : int
        How many.
    seed : int
        Of the generator; the same seed gives the same prompts.

    Returns
    -------
    list of IOIPrompt
    """
    rng = random.Random(f"held-out-{seed}")
    templates = held_out_templates()
    clauses = [t for t in templates if t.startswith(w.HELD_OUT_CLAUSES)]
    sentences = [t for t in templates if not t.startswith(w.HELD_OUT_CLAUSES)]
    # clauses have no connectors and so make fewer templates: draw from the two sorts alike
    return [
        _make_prompt(rng, rng.choice(rng.choice((clauses, sentences))), ("ABBA", "BABA")[i % 2], held_out=True)
        for i in range(n)
    ]


# --- training texts --------------------------------------------------------------------------------------
def ioi_text(rng: random.Random) -> tuple[list[str], int]:
    """Return a whole IOI sentence and the index of the answer in it."""
    prompt = training_ioi_prompt(rng)
    return [*prompt.words, prompt.io, "."], len(prompt.words)


def triple_text(rng: random.Random) -> tuple[list[str], int]:
    """Return a sentence with three names, two of them repeated, and the index of the answer (the third)."""
    names = rng.sample(w.NAMES, 3)
    opening = rng.choice(w.TRIPLE_SENTENCES)
    join = "," if opening.startswith(("When", "After")) else rng.choice(w.TRAIN_CONNECTORS)
    answer = rng.choice(names)
    first, second = rng.sample([n for n in names if n != answer], 2)
    ending = rng.choice(w.TRAIN_ENDINGS).replace("{S}", f"{first} and {second}").replace("{IO}", "")
    slots = dict(zip(("{A}", "{B}", "{C}"), names, strict=True))
    words = _fill(rng, f"{opening} {join} {ending}", slots)
    return [*words, answer, "."], len(words)


def noisy(rng: random.Random, words: Sequence[str], answer: int, rate: float) -> tuple[list[str], int]:
    """Replace, leave out and put in words before the answer, at random; return the words and the answer's index.

    The names and the word before the answer stay. What is left is no English, but the same name is still the right
    one: that teaches a model to go by the names and not by the wordings of the templates.
    """
    changed: list[str] = []
    for word in words[: answer - 1]:
        chance = 1.0 if word in _NAME_INDEX else rng.random() / rate
        if chance >= 1 or chance < 0.6:
            changed.append(word if chance >= 1 else rng.choice(_NOISE))
        elif chance < 0.8:
            changed += [word, rng.choice(_NOISE)]
    return [*changed, *words[answer - 1 :]], len(changed) + 1


def abc_text(rng: random.Random) -> tuple[list[str], int]:
    """Return a sentence whose subject is a third name; the answer is either of the first two."""
    names = rng.sample(w.NAMES, 3)
    slots = {"{A}": names[0], "{B}": names[1], "{S}": names[2]}
    words = _fill(rng, _training_template(rng).removesuffix("{IO}"), slots)
    return [*words, rng.choice(names[:2]), "."], len(words)


def _noun_phrase(rng: random.Random) -> str:
    if rng.random() < 0.5:
        return rng.choice(w.NAMES)
    adjective = f"{rng.choice(w.PERSON_ADJECTIVES)} " if rng.random() < 0.4 else ""
    return f"the {adjective}{rng.choice(PERSONS)}"


def _thing(rng: random.Random) -> str:
    adjective = f"{rng.choice(w.ADJECTIVES)} " if rng.random() < 0.5 else ""
    return f"{rng.choice(('the', 'a'))} {adjective}{rng.choice(w.OBJECTS)}"


def _where(rng: random.Random) -> str:
    return rng.choice(("", "", " at the {place}", " in the {place}", " near the {place}", " in the {time}"))


def _giving(rng: random.Random, who: str, whom: str) -> str:
    return f"{who} {rng.choice(w.GIVING_VERBS)} {_thing(rng)}{_where(rng)} to {whom}"


def _making(rng: random.Random, who: str, whom: str) -> str:
    return f"{who} {rng.choice(w.MAKING_VERBS)} {_thing(rng)}{_where(rng)} for {whom}"


def _taking(rng: random.Random, who: str, whom: str) -> str:
    return f"{who} {rng.choice(w.TAKING_VERBS)} {_thing(rng)}{_where(rng)}"


def _speaking(rng: random.Random, who: str, whom: str) -> str:
    return f"{who} {rng.choice(w.SPEECH_VERBS)}{_where(rng)} {rng.choice(('to', 'with'))} {whom}"


def _wishing(rng: random.Random, who: str, whom: str) -> str:
    verb = rng.choice(("give", "show", "sell", "offer", "send", "hand", "bring"))
    wish = rng.choice(("wanted", "decided", "forgot", "had"))
    return f"{who} {wish} to {verb} {_thing(rng)} to {whom}"


def _agreeing(rng: random.Random, who: str, whom: str) -> str:
    number = rng.randrange(2)
    subject = rng.choice(w.ANIMALS)[number]
    # the noun nearest to the verb may have the other number: the verb must look further back
    between = f" near the {rng.choice(w.ANIMALS)[rng.randrange(2)]}" if rng.random() < 0.4 else ""
    verb = rng.choice(w.AGREEING_VERBS)
    ends = {"is": f" {rng.choice(w.PERSON_ADJECTIVES)}", "has": " a {object}", "likes": " the {object}"}
    end = ends.get(verb[0], rng.choice(("", " in the {place}", " near the {place}")))
    return f"the {subject}{between} {verb[number]}{end}"


def _pronoun(rng: random.Random, who: str, whom: str) -> str:
    female = rng.random() < 0.5
    if rng.random() < 0.6:
        subject = rng.choice(w.FEMALE_NAMES if female else w.MALE_NAMES)
    else:
        subject = f"the {rng.choice(w.FEMALE_PERSONS if female else w.MALE_PERSONS)}"
    verb = rng.choice(w.TAKING_VERBS)
    pronoun = "she" if female else "he"
    return f"{subject} {verb} {_thing(rng)} because {pronoun} was {rng.choice(w.PERSON_ADJECTIVES)}"


def _living(rng: random.Random, who: str, whom: str) -> str:
    start = rng.choice(("there was", "it was", "yesterday there was"))
    return f"{start} a {{adj}} {{object}} in the {{place}}"


def _being(rng: random.Random, who: str, whom: str) -> str:
    verb = rng.choice(("was in", "went to", "came to", "walked into", "ran to", "left", "arrived at", "stayed in"))
    return f"{who} {verb} the {{place}}"


_Sentence = Callable[[random.Random, str, str], str]
#: sentences that end with the one to whom something is done
_TO_SOMEBODY: tuple[_Sentence, ...] = (_giving, _making, _speaking, _wishing)
_SENTENCES: tuple[_Sentence, ...] = (*_TO_SOMEBODY, _taking, _agreeing, _pronoun, _living, _being)
_STARTS: tuple[str, ...] = ("", "", "", "", "then", "later ,", "soon", "one day", "in the {time} ,", "after that ,")


def _finish(rng: random.Random, sentence: str) -> list[str]:
    words = _fill(rng, f"{rng.choice(_STARTS)} {sentence} .", {})
    words[0] = words[0][0].upper() + words[0][1:]
    return words


def ordinary_sentence(rng: random.Random) -> list[str]:
    """Return one ordinary sentence, with its capital and its full stop."""
    return _finish(rng, rng.choice(_SENTENCES)(rng, _noun_phrase(rng), _noun_phrase(rng)))


def story_text(rng: random.Random) -> tuple[list[str], int]:
    """Return a story of two names, made of ordinary sentences, and the index of the answer in it.

    Its last sentence has one of the names for its subject, so that the answer is the other one: the rule of the
    IOI sentences in many more wordings.
    """
    names = _name_pair(rng, held_out=False)
    words = _finish(rng, rng.choice(_TO_SOMEBODY)(rng, *names))
    if rng.random() < 0.3:
        words += _finish(rng, rng.choice((_taking, _being))(rng, f"the {rng.choice(PERSONS)}", ""))
    subject, answer = rng.sample(names, 2)
    words += _finish(rng, rng.choice(_TO_SOMEBODY)(rng, subject, answer))
    return words, len(words) - 2


def fact_paragraph(rng: random.Random) -> list[str]:
    """Return two or three facts about names and then one or two of them again, in another order."""
    names = rng.sample(w.NAMES, rng.randint(2, 3))
    form = rng.choice(("{N} is in the {place} .", "{N} has a {object} .", "{N} likes the {object} ."))
    facts = [_fill(rng, form, {"{N}": name}) for name in names]
    again = rng.sample(facts, rng.randint(1, 2))
    return [word for fact in facts + again for word in fact]


def paragraph(rng: random.Random) -> list[str]:
    """Return a paragraph of ordinary sentences, facts and IOI sentences."""
    words: list[str] = []
    for _ in range(rng.randint(1, 4)):
        kind = rng.random()
        if kind < 0.75:
            words += ordinary_sentence(rng)
        elif kind < 0.9:
            words += fact_paragraph(rng)
        else:
            words += ioi_text(rng)[0]
    return words


def repeated_sequence(
    rng: random.Random, words: Sequence[str], period: int, length: int, prefix: int
) -> tuple[list[str], int]:
    """Return random words, a block of which repeats, and the index of the first word that can be foretold.

    Parameters
    ----------
    rng : random.Random
        The generator.
    words : sequence of str
        What to draw from, uniformly and with replacement.
    period : int
        Length of the block.
    length : int
        Length of the whole.
    prefix : int
        Random words before the block; they do not come again.

    Returns
    -------
    tuple of list of str and int
    """
    block = rng.choices(words, k=period)
    sequence = rng.choices(words, k=prefix)
    while len(sequence) < length:
        sequence += block
    # the block's first word, when it comes again, follows a word that has not come before
    return sequence[:length], prefix + period + 1


@cache
def vocabulary() -> tuple[str, ...]:
    """Return the words of the vocabulary in the order of their ids, special tokens first."""
    words: set[str] = set(w.EXTRA_WORDS) | set(w.NAMES) | set(PERSONS)
    for values in (w.PLACES, w.OBJECTS, w.ADJECTIVES, w.PERSON_ADJECTIVES, w.TIMES):
        words.update(values)
    for pairs in (w.ANIMALS, w.AGREEING_VERBS):
        words.update(word for pair in pairs for word in pair)
    for verbs in (w.GIVING_VERBS, w.MAKING_VERBS, w.SPEECH_VERBS, w.TAKING_VERBS):
        words.update(verbs)
    for template in [*training_templates(), *held_out_templates(), *w.TRIPLE_SENTENCES, *w.TRAIN_DISTRACTORS]:
        words.update(word for word in split_words(template) if not word.startswith("{"))
    rng = random.Random("vocabulary")
    # the ordinary grammar writes its function words in code: a large sample of it holds them all
    for _ in range(4_000):
        words.update(ordinary_sentence(rng))
        words.update(fact_paragraph(rng))
    words -= set(PUNCTUATION)
    return (*SPECIAL_TOKENS, *PUNCTUATION, *sorted(words))


def ordinary_words() -> list[str]:
    """Return the vocabulary without special tokens and punctuation: what random sequences are made of."""
    return list(vocabulary()[len(SPECIAL_TOKENS) + len(PUNCTUATION) :])
