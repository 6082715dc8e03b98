"""What every result shares: where it came from, its JSON, and the widget that shows it."""

from __future__ import annotations

import dataclasses
import importlib
import json
import platform
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from typing_extensions import Self

#: characters of one field that a repr writes out
_LONGEST = 80

#: versions of what is not installed here: a server computes with our text, and was told whose
told: dict[str, str] = {}


@cache
def versions() -> dict[str, str]:
    """Give the versions of what a figure depends on."""
    found = {"python": platform.python_version(), **told}
    for package in ("scope-widgets", "torch", "transformers", "nnsight", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True)
class Provenance:
    """Where a result came from.

    Attributes
    ----------
    model : str
        Hub id or folder name; "local" where the user's own model has none.
    revision : str or None
        Commit of the weights where they came from a hub.
    prompts : tuple of str
    seed : int or None
        None where nothing was random.
    ablation : str or None
        What was taken away, over what and at which positions; None where nothing was.
    note : str
        Anything else that a reader must know, as a sentence.
    versions : dict
        Versions of this package and of those it computes with.
    """

    model: str
    revision: str | None = None
    prompts: tuple[str, ...] = ()
    seed: int | None = None
    ablation: str | None = None
    note: str = ""
    versions: dict[str, str] = field(default_factory=versions)

    def lines(self) -> list[str]:
        """Say it in a few lines, as a caption."""
        model = self.model if self.revision is None else f"{self.model} at {self.revision[:12]}"
        shown = f"{len(self.prompts)} prompts" if len(self.prompts) > 1 else " ".join(self.prompts)[:200]
        parts = [model, shown, "" if self.seed is None else f"seed {self.seed}", self.ablation or "", self.note]
        used = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        return [part for part in [*parts, used] if part]


class Shown:
    """Mixin of what displays as a widget, named as a string so that this floor does not import the widgets."""

    view: ClassVar[str]

    def widget(self, **options: Any) -> Any:
        """Make the widget that shows this."""
        module, name = self.view.split(":")
        return getattr(importlib.import_module(module), name)(self, **options)

    def to_html(self, path: str | Path) -> Path:
        """Write the widget as one HTML file that works without a network and without a kernel."""
        written: Path = self.widget().to_html(path)
        return written

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.widget()._repr_mimebundle_(**options)


class Result(Shown):
    """Mixin of the frozen dataclasses that analyses give: numbers, names and a provenance.

    Their decorator says `repr=False`: thousands of numbers in a row help nobody.
    """

    def __repr__(self) -> str:
        """Name the fields, long ones by their size."""
        fields = ", ".join(f"{f.name}={_brief(getattr(self, f.name))}" for f in dataclasses.fields(self))  # type: ignore[arg-type]
        return f"{type(self).__name__}({fields})"

    def to_json(self) -> str:
        """Write this result as JSON, arrays with their dtype and shape, NaN as null, infinities as words."""
        fields = {f.name: _encode(getattr(self, f.name)) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        return json.dumps({"result": type(self).__name__, **fields}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError
            When the text is not JSON of this kind of result.
        """
        try:
            fields = json.loads(text)
            if fields.pop("result") != cls.__name__:
                raise KeyError
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError):
            raise ValueError(
                f"This text is not a {cls.__name__} written by to_json(): it begins {text[:40]!r}."
            ) from None
        try:
            fields = {name: _decode(value) for name, value in fields.items()}
            origin = fields["provenance"]
            fields["provenance"] = Provenance(**{**origin, "prompts": tuple(origin["prompts"])})
            return cls(**fields)
        except (KeyError, TypeError, ValueError):
            raise ValueError(
                f"This {cls.__name__} is damaged: it lacks fields, or arrays have other numbers than their shapes say."
            ) from None


def _brief(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"<{value.dtype} {list(value.shape)}>"
    if isinstance(value, Provenance):
        return f"<{value.model}, {len(value.prompts)} prompts>"
    text = repr(value)
    return text if len(text) <= _LONGEST else f"<{type(value).__name__} of {len(value)}>"


def _encode(value: Any) -> Any:
    if isinstance(value, float) and not np.isfinite(value):
        value = np.array(value)
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.name, "shape": list(value.shape), "values": plain(value.ravel().tolist())}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): _encode(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_encode(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def plain(numbers: list[Any]) -> list[Any]:
    """Write numbers as JSON knows them: NaN as None, infinities as "inf" and "-inf"."""
    return [(None if x != x else str(x)) if isinstance(x, float) and not np.isfinite(x) else x for x in numbers]


def numbers(plain: list[Any]) -> list[Any]:
    """Read what `plain` wrote."""
    return [np.nan if x is None else float(x) if isinstance(x, str) else x for x in plain]


def _decode(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"dtype", "shape", "values"}:
        return np.array(numbers(value["values"]), dtype=value["dtype"]).reshape(value["shape"])[()]
    if isinstance(value, dict):
        return {key: _decode(item) for key, item in value.items()}
    return [_decode(item) for item in value] if isinstance(value, list) else value
