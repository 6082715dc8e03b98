"""Presets: strengths under a name, kept by what each slider is, so that another prompt can have them too."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scope_widgets._json_fields import decode
from scope_widgets._untrusted import opening, parse_json, read_text, reading

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
    is_text = isinstance(given, str) and given.lstrip().startswith("{")
    text = str(given) if is_text else read_text(given)
    what = "This is not JSON" if is_text else f"{str(given)!r} is not JSON"
    with reading(f"{what} of presets that a SteeringPanel wrote (it begins {opening(text)})"):
        found = decode(parse_json(text), dict[str, Any], "it")
        if found.get("format") != _FORMAT:
            raise ValueError(f"its format is {opening(found.get('format'))} and not {_FORMAT!r}")
        origin = decode(found["model"], str, "model")
        entries = decode(found["presets"], dict[str, list[dict[str, Any]]], "presets")
        own = {name: _own(preset, sliders) for name, preset in entries.items()}
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
        preset["strengths"][slider["key"]] = decode(entry["strength"], float | None, "strength")
        preset["enabled"][slider["key"]] = decode(entry["enabled"], bool, "enabled")
    return preset, missing


def _words(entry: Mapping[str, Any]) -> str:
    return f"'{entry['name']}' (layer {entry['layer']}, {entry['at']})"
