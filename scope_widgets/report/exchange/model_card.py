"""A section for a model's card: what is documented of it, and the score as a model-index that hubs read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from scope_widgets.report.pages.markdown import summary

if TYPE_CHECKING:
    from scope_widgets.report.documentation import Documentation


def to_model_card(documentation: Documentation) -> str:
    """Return a section for a model card: YAML with a model-index of the scores, and the summary as Markdown.

    Put what is between the lines of dashes into the card's own YAML, and the rest anywhere below.

    Parameters
    ----------
    documentation : Documentation
        Verified.

    Raises
    ------
    ValueError
        Where it is not verified.

    Examples
    --------
    >>> from scope_widgets import report
    >>> card = report.to_model_card(report.document(scope, []).verify(scope))
    >>> card.splitlines()[:2]
    ['---', 'model-index:']
    """
    score = documentation.score
    if score is None:
        raise ValueError("This documentation has no score yet: verify it first, documentation.verify(scope).")
    dataset = f"scope-widgets suite {score.suite}"
    lines = [
        "---",
        "model-index:",
        f"- name: {json.dumps(documentation.model_id)}",
        "  results:",
    ]
    for name, value in [("all behaviours", score.value), *((one.behaviour, one.low) for one in score.behaviours)]:
        lines += [
            "  - task:",
            "      type: text-generation",
            "    dataset:",
            f"      name: {json.dumps(f'{dataset}, {name}')}",
            "      type: scope-widgets",
            "    metrics:",
            "    - type: transparency",
            f"      name: {json.dumps('Transparency (lower end of the 95 % interval)')}",
            f"      value: {value:.4f}",
        ]
    # JSON's texts are YAML's; the summary's heading goes a level down, below the card's own
    return "\n".join([*lines, "---", "", "## What is known of its insides", "", _below(documentation)])


def _below(documentation: Documentation) -> str:
    return summary(documentation).partition("\n")[2].lstrip("\n")
