"""Pairs of sentences: CrowS-Pairs, WinoBias, BLiMP, and BBQ's questions as pairs of answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from scope_widgets._untrusted import read_text
from scope_widgets.evals.items import Pair
from scope_widgets.evals.readers.rows import Row

_HALVES = ("type1", "type2")
_NUMBER = re.compile(r"^\s*\d+\s+")
_LETTERS = ("ans0", "ans1", "ans2")
_UNKNOWN = "unknown"


def crows_pairs(rows: list[Row]) -> list[Pair]:
    """Return CrowS-Pairs (Nangia et al. 2020): the more and the less stereotyped sentence.

    A known flaw: many of its pairs are no minimal ones (Blodgett et al. 2021).
    """
    found = []
    for at, row in enumerate(rows):
        name = row.fields.get("") or str(at)
        kind = row.text("bias_type")
        found.append(Pair(str(name), str(name), row.text("sent_more"), row.text("sent_less"), kind=kind))
    return found


def blimp(rows: list[Row]) -> list[Pair]:
    """Return BLiMP (Warstadt et al. 2020): the grammatical and the ungrammatical sentence; a cluster is a paradigm."""
    of_one = len({row.text("UID") for row in rows}) == 1
    found = []
    for at, row in enumerate(rows):
        paradigm = row.text("UID")
        name = f"{paradigm} {row.fields.get('pairID', row.fields.get('pair_id', at))}"
        cluster = name if of_one else paradigm
        found.append(Pair(name, cluster, row.text("sentence_good"), row.text("sentence_bad"), kind=paradigm))
    return found


def winobias(folder: Path) -> list[Pair]:
    """Return WinoBias (Zhao et al. 2018): sentences pro- and anti-stereotypical that differ in a pronoun.

    Of a folder with pro_type1.txt, anti_type1.txt, ...; names that end in .txt.dev or .txt.test, too. A line of one
    file belongs to that of the other.
    """
    found = []
    for half in _HALVES:
        files = [sorted(folder.glob(f"{side}*{half}.txt*")) for side in ("pro", "anti")]
        for pro, anti in zip(*files, strict=False):
            lines = [list(_sentences(path)) for path in (pro, anti)]
            if len(lines[0]) != len(lines[1]):
                raise ValueError(
                    f"{pro.name} has {len(lines[0])} sentences and {anti.name} {len(lines[1])}: each line of one is to "
                    "be the other's with another pronoun."
                )
            for at, (more, less) in enumerate(zip(*lines, strict=True), 1):
                if more != less:
                    name = f"{pro.name} {at}"
                    # two lines that follow each other are of the same two occupations
                    found.append(Pair(name, f"{half} {(at - 1) // 2}", more, less, kind=half))
    if not found:
        raise ValueError(f"{str(folder)!r} has no pairs of files such as pro_type1.txt and anti_type1.txt.")
    return found


def _sentences(path: Path) -> Iterator[str]:
    for line in read_text(path).splitlines():
        if line.strip():
            yield " ".join(_NUMBER.sub("", line).replace("[", "").replace("]", "").split())


def bbq(rows: list[Row]) -> list[Pair]:
    """Return BBQ (Parrish et al. 2022) as pairs: what the stereotype says against what the other person would be.

    Of questions with an ambiguous context, in which neither answer is right. The prompt is context and question. Rows
    that do not say which answer is the stereotype's (`additional_metadata.stereotyped_groups`, `answer_info`) are left
    out, as are questions with a clear context.
    """
    found = []
    for row in rows:
        prompt = f"{row.text('context')} {row.text('question')}"
        answers = [row.text(letter) for letter in _LETTERS]
        ambiguous = row.text("context_condition") == "ambig"
        groups = row.inner("additional_metadata").texts("stereotyped_groups", default=[])
        info = row.inner("answer_info")
        tags = [info.texts(letter)[-1] for letter in _LETTERS]
        of_group = [i for i, tag in enumerate(tags) if tag != _UNKNOWN and _is_of(tag, groups)]
        others = [i for i, tag in enumerate(tags) if tag != _UNKNOWN and i not in of_group]
        if not (ambiguous and len(of_group) == len(others) == 1):
            continue
        negative = row.text("question_polarity") == "neg"
        more, less = (of_group[0], others[0]) if negative else (others[0], of_group[0])
        name = f"{row.fields.get('category', '')} {row.fields.get('example_id', row.where)}".strip()
        cluster = f"{row.fields.get('category', '')} {row.fields.get('question_index', name)}".strip()
        found.append(
            Pair(name, cluster, f" {answers[more]}", f" {answers[less]}", prompt, str(row.fields.get("category", "")))
        )
    if not found:
        raise ValueError(
            f"{rows[0].where.split(',')[0]} has no question with an ambiguous context and a stereotyped answer."
        )
    return found


def _is_of(tag: str, groups: tuple[str, ...]) -> bool:
    """Whether the tag of an answer ("F-Black", "nonOld") is that of a stereotyped group."""
    parts = {tag.lower(), *re.split(r"[-_ ]", tag.lower())}
    return any(group.lower() in parts for group in groups)
