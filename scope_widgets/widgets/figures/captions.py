"""What captions say of the model, the prompts and numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from scope_widgets._provenance import Provenance

_LONGEST = 400


def origin(model: str, prompts: Sequence[str]) -> str:
    """Return a sentence that names the model and the prompts."""
    shown = [quoted(prompt) for prompt in prompts[:2]]
    said = f"Model {model}"
    if len(prompts) == 1:
        return f"{said}; prompt {shown[0]}."
    return f"{said}; {len(prompts):,} prompts, the first {shown[0]}." if prompts else f"{said}."


def model_name(model: str) -> str:
    """Return the last part of the name or path of a model."""
    return model.rstrip("/").rsplit("/", 1)[-1]


def quoted(prompt: str) -> str:
    """Return a prompt in quotation marks, cut where it is very long."""
    text = " ".join(str(prompt).split())
    return f"“{text if len(text) <= _LONGEST else text[: _LONGEST - 1] + '…'}”"


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with a true minus, and a dash for what is missing."""
    return "–" if value is None or value != value else f"{value:.{digits}g}".replace("-", "−")


def counted(count: int, what: str) -> str:
    """Return "1 head" and "3 heads"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def made_of(provenance: Provenance) -> list[str]:
    """Return what provenance says beside model and prompts."""
    seed = "" if provenance.seed is None else f"Seed {provenance.seed}."
    ablation = f"Ablation: {provenance.ablation}." if provenance.ablation else ""
    note = re.sub("(?<=[a-z])_(?=[a-z])", " ", provenance.note).rstrip(".") + "." if provenance.note else ""
    note = note[:1].upper() + note[1:]
    return [part for part in (ablation, note, seed) if part]
