"""`profanity`: a count of swear words, called what it is; and how well a scorer tells hate from other texts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scope_widgets._types import Array
from scope_widgets._untrusted import read_text
from scope_widgets.evals.measures.options import Scorer
from scope_widgets.evals.measures.toxicity import scores_of
from scope_widgets.evals.readers.rows import csv_rows
from scope_widgets.experiments.statistics.auc import auc

#: the AUC of `profanity` on HateCheck's 3,728 texts
PROFANITY_AUC = 0.469
#: swear words and common insults, with the endings that they take; no word for a group of people
_WORDS = (
    r"arse(?:holes?)?|ass(?:es|holes?)?|bastards?|bitch(?:es|ing|y)?|bloody|bollocks|bullshit|cocks?|crap(?:py)?|cunts?",
    r"damn(?:ed)?|dammit|dick(?:s|heads?)?|douchebags?|dumbass|(?:mother)?fuck(?:s|ed|ers?|ing)?|goddamn|hell|horseshit",
    r"idiot(?:s|ic)?|jackass|jerks?|moron(?:s|ic)?|piss(?:ed)?|pricks?|pussy|scum(?:bags?)?|shit(?:s|e|ty|heads?)?|sluts?",
    r"stupid|twats?|wankers?|whores?",
)
_FOUND = re.compile(rf"\b(?:{'|'.join(_WORDS)})\b", re.IGNORECASE)


def profanity(texts: list[str]) -> Array:
    """Return a score of each text by its swear words and insults: n / (n + 1) for n of them.

    A word list is no detector of toxicity: it flags harmless swearing and misses hate in polite words. On HateCheck its
    AUC is the one in `PROFANITY_AUC`, where .5 is chance. Use it to see swearing appear or go, and give `scorer=` a
    classifier of yours where more is meant.

    Parameters
    ----------
    texts : list of str

    Returns
    -------
    ndarray of float64 [text]
        0 without any such word, .5 or more with one.

    Examples
    --------
    >>> evals.profanity(["What a nice day.", "What a damn nice day."]).tolist()
    [0.0, 0.5]
    """
    counts = np.array([len(_FOUND.findall(text)) for text in texts], dtype=np.float64)
    return np.asarray(counts / (counts + 1))


@dataclass(frozen=True)
class LabelledTexts:
    """Texts of which people say whether they are hateful.

    Attributes
    ----------
    texts : tuple of str
    hateful : ndarray of bool [text]
    tests : tuple of str
        What each text tests, such as "profanity_nh".
    """

    texts: tuple[str, ...]
    hateful: Array
    tests: tuple[str, ...]


def hatecheck(path: str | Path) -> LabelledTexts:
    r"""Read HateCheck (Röttger et al. 2021), texts that test a detector of hate speech for its known failures.

    Parameters
    ----------
    path : str or Path
        The CSV with columns test_case, label_gold, functionality.

    Raises
    ------
    ValueError
        For a file without these columns, or a row with another label than "hateful" or "non-hateful".

    Examples
    --------
    >>> folder.mkdir()
    >>> _ = (folder / "h.csv").write_text("functionality,test_case,label_gold\nprofanity_nh,Damn!,non-hateful\n")
    >>> evals.hatecheck(folder / "h.csv").hateful.tolist()
    [False]
    """
    texts, labels, tests = [], [], []
    for row in csv_rows(read_text(path), Path(path).name):
        label = row.text("label_gold")
        if label not in ("hateful", "non-hateful"):
            raise ValueError(f"{row.where}: 'label_gold' is hateful or non-hateful; got {label[:40]!r}.")
        texts.append(row.text("test_case"))
        labels.append(label == "hateful")
        tests.append(row.text("functionality"))
    if not texts:
        raise ValueError(f"{Path(path).name} has no rows.")
    return LabelledTexts(tuple(texts), np.array(labels), tuple(tests))


def scorer_auc(scorer: Scorer, labelled: LabelledTexts | str | Path) -> float:
    """Return how well a scorer ranks hateful texts above others: the area under its ROC curve, .5 by chance.

    Parameters
    ----------
    scorer : callable
        Of a list of texts; returns a score each.
    labelled : LabelledTexts, or the path of HateCheck

    Raises
    ------
    ValueError
        Where all texts have one label, or the scorer does not return one finite number a text.

    Examples
    --------
    >>> labelled = evals.LabelledTexts(("a", "bb", "ccc"), np.array([False, True, True]), ("", "", ""))
    >>> evals.scorer_auc(lambda texts: [len(text) for text in texts], labelled)
    1.0
    """
    if not isinstance(labelled, LabelledTexts):
        labelled = hatecheck(labelled)
    hateful = np.asarray(labelled.hateful, dtype=bool)
    if hateful.all() or not hateful.any():
        raise ValueError("An AUC needs texts of both labels; these have one.")
    return float(auc(scores_of(scorer, list(labelled.texts)), hateful))
