"""`known_facts`: a few facts that language models know."""

from __future__ import annotations

from scope_widgets.heads.factual_recall.fact_set import FactSet
from scope_widgets.heads.factual_recall.facts import Fact

# none ends in its subject: every previous-token head would attend to the subject
_TEMPLATES = {
    "capital": "The capital of {subject} is the city of",
    "country": "The city of {subject} lies in the country of",
    "language": "The language that most people in {subject} speak is",
    "continent": "The country of {subject} lies on the continent of",
}

_FACTS = {
    "capital": """France Paris, Germany Berlin, Italy Rome, Spain Madrid, Japan Tokyo, Russia Moscow, Egypt Cairo,
        Greece Athens, Poland Warsaw, Austria Vienna, Norway Oslo, Ireland Dublin""",
    "country": """Munich Germany, Lyon France, Barcelona Spain, Milan Italy, Osaka Japan, Mumbai India, Shanghai China,
        Sydney Australia, Toronto Canada, Istanbul Turkey""",
    "language": """Germany German, France French, Italy Italian, Japan Japanese, Portugal Portuguese,
        Brazil Portuguese, Mexico Spanish, Argentina Spanish, Egypt Arabic, Greece Greek, Poland Polish,
        Sweden Swedish""",
    "continent": """Kenya Africa, Nigeria Africa, Ghana Africa, Japan Asia, India Asia, Vietnam Asia, Poland Europe,
        Sweden Europe, Belgium Europe, Portugal Europe""",
}


def known_facts() -> FactSet:
    """Return 44 facts of four relations: capital, country (of a city), language, continent.

    Returns
    -------
    FactSet

    Examples
    --------
    >>> facts = heads.known_facts()
    >>> facts
    FactSet(44 facts: capital, country, language, continent)
    >>> facts.prompts()[0].text
    'The capital of France is the city of'
    """
    pairs = [(relation, *pair.split()) for relation, text in _FACTS.items() for pair in text.split(",")]
    return FactSet([Fact(subject, relation, answer) for relation, subject, answer in pairs], _TEMPLATES)
