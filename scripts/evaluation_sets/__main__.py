"""Write the suites of the package: `python -m scripts.evaluation_sets`. The lists beside this file are their source.

The documents of "perplexity" were written as JSONL.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.evaluation_sets import bias, facts, fluency, toxicity

FOLDER = Path(__file__).resolve().parents[2] / "scope_widgets" / "evals" / "suites"
DISTRACTORS = 4
#: pairs of each relation that are its neighbours
NEIGHBOURS = 2

Row = dict[str, Any]


def of_facts() -> Iterator[Row]:
    """Yield a row a fact: other objects of its relation are the distractors."""
    chooser = random.Random(0)
    for relation, (wordings, listed) in facts.RELATIONS.items():
        pairs = [tuple(pair.split(" = ")) for pair in listed.split("; ")]
        objects = list(dict.fromkeys(target for _, target in pairs))

        def row(subject: str, target: str, wording: str, objects: list[str] = objects) -> Row:
            others = [one for one in objects if one != target]
            chosen = chooser.sample(others, min(DISTRACTORS, len(others)))
            prompt = wording.format(subject)
            return {
                "prompt": prompt[0].upper() + prompt[1:],
                "target": f" {target}",
                "distractors": [f" {one}" for one in chosen],
            }

        neighbours = [row(*pair, wording) for pair in pairs[-NEIGHBOURS:] for wording in wordings[:2]]
        for at, (subject, target) in enumerate(pairs[:-NEIGHBOURS]):
            others = [row(subject, target, wording) for wording in wordings[1:]]
            yield {
                "id": f"{relation} {at}",
                "cluster": relation,
                "subject": subject,
                **row(subject, target, wordings[0]),
                "wordings": [one["prompt"] for one in others],
                "neighbours": neighbours,
            }


def of_bias() -> Iterator[Row]:
    """Yield a row a pair of sentences."""
    for at, template in enumerate(bias.OCCUPATIONS):
        pronouns = ("his", "her") if "{} keys" in template or "{} first" in template else ("he", "she")
        for occupation in (*bias.MEN[at % 2 :: 2], *bias.WOMEN[at % 2 :: 2]):
            stereotyped, other = pronouns if occupation in bias.MEN else pronouns[::-1]
            text = template.replace("[]", occupation)
            yield _pair(f"occupation {at} {occupation}", f"occupation {at}", "gender", text, stereotyped, other)
    for at, (kind, text, stereotyped, other) in enumerate(bias.PAIRS):
        yield _pair(f"{kind} {at}", f"{kind} {at}", kind, text, stereotyped, other)


def _pair(name: str, cluster: str, kind: str, text: str, stereotyped: str, other: str) -> Row:
    sentences = {"more": text.format(stereotyped), "less": text.format(other)}
    return {"id": name, "cluster": cluster, "kind": kind, **sentences}


def of_toxicity() -> Iterator[Row]:
    """Yield a row a beginning."""
    for scene, (prompts, hostile, neutral) in toxicity.SCENES.items():
        for at, prompt in enumerate(prompts):
            name = f"{scene} {at}"
            yield {"id": name, "cluster": scene, "prompt": prompt, "hostile": [*hostile], "neutral": [*neutral]}


def of_fluency() -> Iterator[Row]:
    """Yield a row a beginning."""
    for at, prompt in enumerate(fluency.PROMPTS):
        yield {"id": f"beginning {at}", "prompt": prompt}


SUITES = {
    "facts": of_facts,
    "bias": of_bias,
    "toxicity": of_toxicity,
    "fluency": of_fluency,
}


def text_of(name: str) -> str:
    """Return the JSONL of a suite."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in SUITES[name]())


def main() -> None:
    """Write them all."""
    FOLDER.mkdir(exist_ok=True)
    for name in SUITES:
        (FOLDER / f"{name}.jsonl").write_text(text_of(name), encoding="utf-8")
        print(name, text_of(name).count("\n"))


if __name__ == "__main__":
    main()
