"""Presets: strengths under a name, kept by what each slider is, so that another prompt can have them too."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_FORMAT = "scope-widgets steering presets 1"
_IDENTITY = ("kind", "name", "layer", "at")

Preset = dict[str, dict[str, Any]]


def text_of(presets: Mapping[str, Preset], sliders: Sequence[Mapping[str, Any]], model: str) -> str:
    """Write presets as JSON."""
    known = {slider["key"]: {name: slider[name] for name in _IDENTITY} for slider in sliders}
    written = {
        name: [
            {**known[key], "strength": strength, "enabled": preset["enabled"].get(key, True)}
            for key, strength in preset["strengths"].items()
            if key in known
        ]
        for name, preset in presets.items()
    }
    return json.dumps({"format": _FORMAT, "model": model, "presets": written}, indent=1, allow_nan=False)


def read(given: str | Path, sliders: Sequence[Mapping[str, Any]], model: str) -> dict[str, Preset]:
    """Read what `text_of` wrote: the text itself, or the path of a file.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        With a sentence, for text that is something else, of another model, or for sliders that are not there.
    """
    text = given if isinstance(given, str) and given.lstrip().startswith("{") else Path(given).read_text("utf-8")
    try:
        found = json.loads(text)
        if found["format"] != _FORMAT:
            raise ValueError
        origin, presets = str(found["model"]), dict(found["presets"])
        entries = {str(name): [dict(entry) for entry in preset] for name, preset in presets.items()}
        own = {name: _own(preset, sliders) for name, preset in entries.items()}
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"This is not JSON of presets that a SteeringPanel wrote: it begins {text[:40]!r}.") from None
    if origin != model:
        raise ValueError(f"These presets are of {origin}, and this panel steers {model}.")
    missing = {_words(entry): None for _, lacking in own.values() for entry in lacking}
    if missing:
        raise ValueError(
            f"These presets need {', '.join(missing)}, which this panel lacks: give it what they move, and load again."
        )
    return {name: preset for name, (preset, _) in own.items()}


def _own(entries: list[dict[str, Any]], sliders: Sequence[Mapping[str, Any]]) -> tuple[Preset, list[dict[str, Any]]]:
    """Give a preset by the keys of these sliders, and what is not among them."""
    left = list(sliders)
    preset: Preset = {"strengths": {}, "enabled": {}}
    missing = []
    for entry in entries:
        slider = next((one for one in left if all(one[name] == entry[name] for name in _IDENTITY)), None)
        if slider is None:
            missing.append(entry)
            continue
        left.remove(slider)
        preset["strengths"][slider["key"]] = None if entry["strength"] is None else float(entry["strength"])
        preset["enabled"][slider["key"]] = bool(entry["enabled"])
    return preset, missing


def _words(entry: Mapping[str, Any]) -> str:
    return f"'{entry['name']}' (layer {entry['layer']}, {entry['at']})"
