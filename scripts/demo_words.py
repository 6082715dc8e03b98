"""Word lists and sentence templates of the synthetic English of the demo model.

Everything here is data. The generators are in ``demo_language``. A template is a string with slots in
braces; ``{A}`` and ``{B}`` are the two names of an opening in the order in which they are read, ``{S}`` the
name that comes a second time and ``{IO}`` the other one, which is the answer.
"""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FEMALE_NAMES: tuple[str, ...] = _words(
    "Mary Anna Alice Amy Amanda Andrea Angela Ashley Beth Carol Claire Clara Diana Emily Emma Erin Eva Grace "
    "Hannah Heather Helen Jane Jennifer Jessica Julia Karen Kate Katie Kelly Laura Lauren Lily Linda Lisa Lucy "
    "Maria Megan Melissa Michelle Nancy Nicole Nina Nora Olivia Rachel Rebecca Rosa Ruth Samantha Sarah Sophie "
    "Stephanie Susan Tina Vanessa Victoria Violet Vivian Wendy Zoe"
)
MALE_NAMES: tuple[str, ...] = _words(
    "John Aaron Adam Alan Alex Andrew Anthony Arthur Ben Bill Bob Brian Carl Charles Chris Daniel David Edward "
    "Eric Frank Fred George Greg Henry Hugo Ian Jack Jacob James Jason Jeremy Joe Jonathan Joseph Joshua Justin "
    "Kevin Kyle Leo Luke Mark Martin Matthew Max Michael Nathan Nicholas Oscar Patrick Paul Peter Richard Robert "
    "Ryan Sam Scott Sean Simon Stephen Steven Thomas Tim Tom Tyler Victor Walter William"
)
NAMES: tuple[str, ...] = tuple(sorted(FEMALE_NAMES + MALE_NAMES))

PLACES: tuple[str, ...] = _words(
    "store shop market school park garden house office station hospital restaurant library museum cafe zoo farm "
    "beach river lake forest bridge church castle harbor theater cinema gym bakery bank hotel kitchen village "
    "city town square field mountain island airport factory"
)
OBJECTS: tuple[str, ...] = _words(
    "drink ball book ring bone computer necklace snack basketball kiss letter key cup hat coat bag box flower "
    "pencil pen camera guitar lamp map clock knife spoon plate bottle basket blanket ticket coin candle mirror "
    "rope toy kite cake cookie sandwich banana pear lemon drum phone radio watch bike wallet card photo gift "
    "present shirt scarf glove jacket towel chair painting newspaper"
)
ADJECTIVES: tuple[str, ...] = _words(
    "red blue green black white yellow old new small big heavy light dirty clean broken shiny strange lovely "
    "cheap expensive round wooden golden soft warm cold wet dry"
)
PERSON_ADJECTIVES: tuple[str, ...] = _words(
    "young old tall short happy sad tired hungry brave kind clever lazy quiet angry rich poor famous busy"
)
MALE_PERSONS: tuple[str, ...] = _words("king prince father brother uncle waiter boy man grandfather son")
FEMALE_PERSONS: tuple[str, ...] = _words("queen princess mother sister aunt waitress girl woman grandmother daughter")
OTHER_PERSONS: tuple[str, ...] = _words(
    "teacher farmer doctor baker driver painter sailor soldier student singer neighbor gardener"
)
#: singular and plural, for the sentences in which the verb agrees with its subject
ANIMALS: tuple[tuple[str, str], ...] = (
    ("dog", "dogs"), ("cat", "cats"), ("bird", "birds"), ("horse", "horses"), ("cow", "cows"),
    ("duck", "ducks"), ("rabbit", "rabbits"), ("lion", "lions"), ("bear", "bears"), ("goat", "goats"),
    ("boy", "boys"), ("girl", "girls"), ("farmer", "farmers"), ("teacher", "teachers"),
)  # fmt: skip
AGREEING_VERBS: tuple[tuple[str, str], ...] = (
    ("runs", "run"), ("sleeps", "sleep"), ("jumps", "jump"), ("waits", "wait"), ("swims", "swim"),
    ("sings", "sing"), ("plays", "play"), ("is", "are"), ("has", "have"), ("likes", "like"),
)  # fmt: skip
TIMES: tuple[str, ...] = _words("morning evening afternoon summer winter spring autumn night week")

#: verbs of giving: both the training endings and the held-out ones take theirs from here, so that no word of a
#: held-out template is new to the model, only its use
GIVING_VERBS: tuple[str, ...] = _words(
    "gave handed passed offered sent brought showed sold returned lent mailed threw delivered carried"
)
MAKING_VERBS: tuple[str, ...] = _words("bought made found got fetched ordered prepared kept chose picked")
SPEECH_VERBS: tuple[str, ...] = _words("talked spoke waved smiled nodded whispered listened wrote pointed")
TAKING_VERBS: tuple[str, ...] = _words(
    "saw took lost broke wanted liked hid cleaned opened painted needed noticed forgot washed dropped"
)

# --- IOI -------------------------------------------------------------------------------------------------
#: subordinate clauses, read before a comma
TRAIN_CLAUSES: tuple[str, ...] = (
    "When {A} and {B} went to the {place}",
    "When {A} and {B} were at the {place}",
    "When {A} and {B} got a {object} at the {place}",
    "When {A} met {B} at the {place}",
    "When {A} came to the {place} with {B}",
    "When {A} saw {B} near the {place}",
    "After {A} and {B} went to the {place}",
    "After {A} and {B} left the {place}",
    "After {A} and {B} found a {object} at the {place}",
    "After {A} had a long talk with {B}",
    "After {A} visited {B} at the {place}",
    "After the {adj} {object} of {A} fell on {B}",
    "While {A} and {B} were working at the {place}",
    "While {A} and {B} were playing in the {place}",
    "While {A} was walking to the {place} with {B}",
    "While {A} was waiting for {B} at the {place}",
    "While {A} and {B} sat in the {adj} {place}",
    "Because {A} and {B} were friends",
    "Because {A} liked {B}",
    "Because {A} was a friend of {B}",
    "Since {A} and {B} wanted to go to the {place}",
    "Since {A} knew {B} from the {place}",
    "Since {A} and {B} liked the same {object}",
    "Before {A} and {B} left the {place}",
    "Before {A} went home with {B}",
    "As {A} and {B} came out of the {place}",
    "As {A} was looking at {B}",
    "Although {A} and {B} were tired",
    "Although {A} did not know {B}",
    "As soon as {A} and {B} arrived at the {place}",
    "Every time {A} and {B} went to the {place}",
)
#: whole sentences, read before one of the connectors
TRAIN_SENTENCES: tuple[str, ...] = (
    "{A} and {B} went to the {place}",
    "{A} and {B} were working at the {place}",
    "{A} and {B} had a long argument",
    "{A} and {B} had a lot of fun at the {place}",
    "{A} and {B} found a {adj} {object} in the {place}",
    "{A} and {B} were thinking about going to the {place}",
    "Then , {A} and {B} went to the {place}",
    "Then , {A} and {B} had a long argument",
    "Then , {A} and {B} were at the {place}",
    "Friends {A} and {B} found a {object} at the {place}",
    "The friends {A} and {B} walked to the {place}",
    "In the {time} , {A} and {B} went to the {place}",
    "In the {time} {A} saw {B} at the {place}",
    "One day {A} and {B} played at the {place}",
    "One day {A} visited {B} in the {place}",
    "{A} met {B} at the {place}",
    "{A} came to the {place} with {B}",
    "{A} lived near {B}",
    "{A} wanted to see {B} and went to the {place}",
    "{A} was standing next to {B}",
    "At the {place} {A} and {B} saw a {adj} {object}",
    "At the {place} {A} sat next to {B}",
    "There was a {object} for {A} and {B} at the {place}",
    "The {person} took {A} and {B} to the {place}",
    "The {person} told {A} and {B} about the {object}",
    "The {adj} {place} was full when {A} and {B} came in",
    "It was cold and {A} and {B} stayed in the {place}",
    "A {person} saw {A} and {B} at the {place}",
    "The {person} was talking to {A} and {B}",
    "Both {A} and {B} liked the {adj} {object}",
    "Yesterday {A} and {B} worked in the {place}",
)
TRAIN_CONNECTORS: tuple[str, ...] = (
    ".", ".", ", and", ". Then", ". Then ,", ". Later ,", ". Afterwards ,", ", and afterwards",
    ", and then", ", but", ", so", ". But", ". So", ". At the {place}", ". The next day ,", ". At first",
    ". In the {time} ,", ". At the end ,", ". The {object} was {adj} .", ". It was a {adj} {place} .",
)  # fmt: skip
#: after a clause's comma, and rarely: a second clause that takes the names further from the answer
TRAIN_DISTRACTORS: tuple[str, ...] = (
    "in the {time} ,", "at the {place} ,", "and the {person} was at home ,", "without the {person} ,",
    "and it was very cold ,", "with the {adj} {object} ,", "near the {adj} {place} ,",
)  # fmt: skip
#: sentences between opening and ending
TRAIN_INSERTS: tuple[str, ...] = (
    "The {object} was {adj}",
    "It was a {adj} {time}",
    "The {person} was {adj}",
    "The {person} saw the {adj} {object}",
    "There was a {object} near the {place}",
    "A {person} came to the {place}",
)
TRAIN_ENDINGS: tuple[str, ...] = (
    "{S} gave a {object} to {IO}",
    "{S} gave the {object} to {IO}",
    "{S} gave the {adj} {object} to {IO}",
    "{S} gave it to {IO}",
    "{S} wanted to give a {object} to {IO}",
    "{S} decided to give the {object} to {IO}",
    "{S} decided to give it to {IO}",
    "{S} handed a {adj} {object} to {IO}",
    "{S} handed the {object} to {IO}",
    "{S} offered a {object} to {IO}",
    "{S} wanted to offer the {adj} {object} to {IO}",
    "{S} sent a {object} from the {place} to {IO}",
    "{S} brought the {object} to {IO}",
    "{S} took a {object} and brought it to {IO}",
    "{S} showed the {adj} {object} to {IO}",
    "{S} sold a {adj} {object} to {IO}",
    "{S} lent a {object} to {IO}",
    "{S} threw the {object} to {IO}",
    "{S} said to {IO}",
    "{S} said hello to {IO}",
    "{S} talked to {IO}",
    "{S} smiled at {IO}",
    "{S} waved to {IO}",
    "{S} looked at {IO}",
    "{S} wrote a letter to {IO}",
    "{S} bought a {object} for {IO}",
    "{S} made a {adj} {object} for {IO}",
    "{S} found the {object} for {IO}",
    "{S} got a {object} at the {place} for {IO}",
    "{S} wanted to play with {IO}",
    "{S} had a long talk with {IO}",
    "{S} went home with {IO}",
    "{S} took the {object} from {IO}",
    "{S} got a {adj} {object} from {IO}",
    "{S} opened the {object} and gave it to {IO}",
    "{S} told the {person} about {IO}",
)

#: any of these verbs with any of these prepositions makes an opening; "ran into" is held out
MEETING_VERBS: tuple[str, ...] = _words(
    "walked ran came went sat played worked looked spoke talked waved smiled pointed lived stayed listened wrote"
)
MEETING_PREPOSITIONS: tuple[str, ...] = _words(
    "with near behind around at to from against into about after before by off over under through across for on"
)

# Held out: no opening, connector or ending below is in the lists above.
HELD_OUT_CLAUSES: tuple[str, ...] = (
    "When {A} ran into {B} at the {place}",
    "After {A} and {B} had fun at the {place}",
    "While {A} was talking to {B} in the {place}",
    "Because {A} and {B} worked at the same {place}",
    "Since {A} came home with {B}",
    "Before {A} and {B} walked into the {adj} {place}",
    "As {A} and {B} were looking for a {object}",
    "Although {A} lived near {B}",
    "When the {person} told {A} about {B}",
    "After {A} sat with {B} near the {place}",
    "As soon as {A} was home with {B}",
)
HELD_OUT_SENTENCES: tuple[str, ...] = (
    "{A} and {B} arrived at the {place} in the {time}",
    "{A} wanted to go to the {place} with {B}",
    "One {time} {A} and {B} visited the {adj} {place}",
    "The {person} knew {A} and {B}",
    "Then {A} was waiting near the {place} for {B}",
    "There were {A} and {B} next to the {adj} {object}",
    "{A} had a {adj} {object} and {B} had a {object}",
    "In the {place} there were {A} and {B}",
    "The {object} was for {A} and {B}",
)
HELD_OUT_CONNECTORS: tuple[str, ...] = (". Soon", ". After that ,", ", and in the end", ". One {time}")
HELD_OUT_ENDINGS: tuple[str, ...] = (
    "{S} passed a {object} to {IO}",
    "{S} wanted to show the {adj} {object} to {IO}",
    "{S} returned the {object} to {IO}",
    "{S} mailed a {adj} {object} to {IO}",
    "{S} carried the {object} and the {object2} to {IO}",
    "{S} fetched a {object} for {IO}",
    "{S} ordered a {object} from the {place} for {IO}",
    "{S} whispered to {IO}",
    "{S} decided to sell it to {IO}",
    "{S} walked to the {place} with {IO}",
    "{S} offered it to {IO}",
    "{S} picked a {object} for {IO}",
    "{S} nodded to {IO}",
    "{S} wrote about the {place} to {IO}",
)
#: three names, of which two come again: the third is the answer
TRIPLE_SENTENCES: tuple[str, ...] = (
    "{A} , {B} and {C} went to the {place}",
    "When {A} , {B} and {C} were at the {place}",
    "After {A} , {B} and {C} found a {object}",
    "The {person} saw {A} and {B} with {C}",
    "{A} came to the {place} with {B} and {C}",
)

#: words of everyday prompts that the grammar itself may not use; they take part in the repeated sequences
EXTRA_WORDS: tuple[str, ...] = _words(
    "a an the The A An I you we they it he she his her him them their my your our He She They We It You My "
    "This That this that these those who what where why how which and or but not no yes never always often "
    "very too also just only again here there now today tomorrow soon up down over under between behind "
    "around through across against about after before during until by of off on onto into in inside outside "
    "one two three four five six seven eight nine ten first second last next other another each all some "
    "any many much more most few less do does did done go goes gone come comes say says see sees think "
    "thinks thought know knows want wants make makes take takes give gives use used work works call called "
    "try tried ask asked need feel felt become leave left put mean keep let begin began help show hear "
    "heard move live believe happen must can could will would shall should may might been being be was were "
    "had day year time way thing things world life hand part child children eye head water room door money "
    "story fact month lot right left good great little long large high different same early late important "
    "public bad able best better sure free full"
)
