"""`Direction`: a direction in the residual stream of one layer."""

from __future__ import annotations

import json
import math
from base64 import b64decode, b64encode
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from scope_widgets._files import replacing
from scope_widgets._json_fields import decode, encode
from scope_widgets._provenance import Provenance
from scope_widgets._python_code import is_literal
from scope_widgets._result import Result
from scope_widgets._types import Array
from scope_widgets._untrusted import check_name, check_text, opening, parse_json, reading
from scope_widgets.experiments.same_model import is_same_model
from scope_widgets.models.microscope import Microscope

if TYPE_CHECKING:
    import pandas as pd

_FORMAT = "scope-widgets direction 1"
#: the arguments of `steering.direction` that a recipe may have: they are written out as Python
RECIPE = frozenset(("positive", "negative", "method", "positions", "answer", "versus", "head"))


@dataclass(frozen=True, eq=False, repr=False)
class Direction(Result):
    """A direction of the residual stream, as `steering.direction` finds it.

    Attributes
    ----------
    name : str
    layer : int
        It is one of the residual stream that enters block `layer`; `n_layers`: that enters the final norm.
    vector : ndarray of float32 [d_model]
        Of length 1.
    scale : float
        The typical (median) norm of that residual stream, or of an SAE's latent the norm of its decoder row: to add
        the direction with strength 1 is to add a vector of that length.
    length : float
        How long the vector was when it was found, in units of `scale`.
    recipe : dict
        Arguments of `steering.direction` that find it again; empty for a vector that was given.
    provenance : Provenance

    Raises
    ------
    ValueError
        For a vector that is not finite or not of length 1, or other fields that are none of a direction.

    Examples
    --------
    >>> names = steering.direction(scope, answer=" Mary", versus=" John", layer=2, name="names")
    >>> names.vector.shape == (scope.d_model,)
    True
    >>> names.to_dataframe()[["name", "layer"]].values.tolist()
    [['names', 2]]
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.steering:direction"

    name: str
    layer: int
    vector: Array
    scale: float
    length: float
    provenance: Provenance
    recipe: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        vector = np.array(self.vector, dtype=np.float32)
        if vector.ndim != 1 or not np.isfinite(vector).all() or abs(np.linalg.norm(vector) - 1) > 1e-3:
            raise ValueError(
                f"A Direction holds one finite vector of length 1, not an array of shape {list(vector.shape)}"
                f"{'' if vector.ndim != 1 else f' and length {np.linalg.norm(vector):.4g}'}. "
                "Make one of any vector with steering.direction(scope, vector=..., layer=...)."
            )
        vector.flags.writeable = False
        object.__setattr__(self, "vector", vector)
        whole = isinstance(self.layer, Integral) and self.layer >= 0
        measured = all(isinstance(one, Real) and math.isfinite(one) and one >= 0 for one in (self.scale, self.length))
        if not (whole and measured and self.scale > 0 and isinstance(self.name, str) and isinstance(self.recipe, dict)):
            raise ValueError(
                "A Direction has a name, a layer from 0 on, a positive scale, a length, and a recipe (a dict); got "
                f"{self.name!r}, {self.layer!r}, {self.scale!r}, {self.length!r} and {self.recipe!r}."
            )
        for text in (self.name, repr(self.recipe)):
            check_text(text)
        if not RECIPE.issuperset(self.recipe) or not all(map(is_literal, self.recipe.values())):
            raise ValueError(
                "The recipe of a Direction holds arguments of steering.direction that are texts, numbers or lists of "
                f"them ({', '.join(sorted(RECIPE))}); got {self.recipe!r}."
            )

    @property
    def d_model(self) -> int:
        """Width of the residual stream that it is of."""
        return len(self.vector)

    def cosine(self, other: Direction) -> float:
        """Return the cosine of the angle to another direction of the same width."""
        if other.d_model != self.d_model:
            raise ValueError(f"Directions of {self.d_model} and {other.d_model} numbers have no angle between them.")
        return float(self.vector @ other.vector)

    def check(self, scope: Microscope) -> None:
        """Raise ValueError where the direction is not one of this model."""
        if self.d_model != scope.d_model:
            raise ValueError(
                f"{self} has {self.d_model} numbers and the residual stream of {scope.model_id} {scope.d_model}: it is "
                "of another model."
            )
        if not 0 <= self.layer <= scope.n_layers:
            raise ValueError(f"{self} is of layer {self.layer}; {scope.model_id} has 0 to {scope.n_layers}.")
        if self.provenance.model and not is_same_model(self.provenance.model, scope.model_id):
            raise ValueError(
                f"{self} was found in {self.provenance.model} and the model at hand is {scope.model_id}. Where both "
                "share a residual stream, as a model and its fine-tune do, say direction.moved_to(scope)."
            )

    def moved_to(self, scope: Microscope) -> Direction:
        """Return this direction as one of another model of the same width, such as a fine-tune of its own."""
        moved = replace(
            self, provenance=replace(self.provenance, model=scope.model_id, revision=scope.revision), recipe={}
        )
        moved.check(scope)
        return moved

    # -- files

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Direction:
        recipe = fields.get("recipe")
        if isinstance(recipe, dict) and "position" in recipe:  # its former name
            recipe["positions"] = recipe.pop("position")
        return super()._from_fields(fields)

    def save(self, path: str | Path) -> Path:
        """Write it as safetensors, with all but the vector as JSON in the header, and return the path."""
        from safetensors.numpy import save_file

        about = json.loads(self.to_json())
        del about["vector"]
        with replacing(path) as new:
            save_file({"vector": np.array(self.vector)}, str(new), {"format": _FORMAT, "about": json.dumps(about)})
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Direction:
        """Return the direction that `save` wrote.

        Raises
        ------
        FileNotFoundError, ValueError
            When there is no such file, or it is not a direction.
        """
        from safetensors import safe_open

        if not check_name(path).is_file():
            raise FileNotFoundError(f"There is no file {str(path)!r} to read a direction from.")
        with reading(f"{str(path)!r} is not a direction that save() wrote"):
            with safe_open(str(path), "numpy") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != _FORMAT:
                    raise ValueError(f"its format is {opening(metadata.get('format'))} and not {_FORMAT!r}")
                vector = file.get_tensor("vector")
            return cls._of_parts(metadata["about"], vector)

    # -- code

    def code(self) -> str:
        """Return a Python expression that makes this direction again, in terms of `steering` and `scope`."""
        if self.recipe:
            arguments = {"layer": self.layer, **self.recipe, "name": self.name}
            return f"steering.direction(scope, {', '.join(f'{key}={value!r}' for key, value in arguments.items())})"
        about = json.loads(self.to_json())
        about["vector"] = b64encode(np.asarray(self.vector, dtype="<f4").tobytes()).decode()
        return f"steering.Direction.from_code({json.dumps(about)!r})"

    @classmethod
    def from_code(cls, text: str) -> Direction:
        """Return the direction of the text in an expression that `code` returned."""
        with reading("This text is not a direction that code() wrote"):
            return cls._of_parts(text)

    @classmethod
    def _of_parts(cls, text: str, vector: Array | None = None) -> Direction:
        """Return the direction of a JSON text, its vector apart or written in it as base64."""
        about = decode(parse_json(text), dict[str, Any], "it")
        if vector is None:
            vector = np.frombuffer(b64decode(decode(about["vector"], str, "vector"), validate=True), dtype="<f4")
        return cls.from_json(json.dumps({**about, "vector": encode(vector)}))

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table of one row: name, layer, d_model, scale, length, and how it was found."""
        import pandas as pd

        row = {"name": self.name, "layer": self.layer, "d_model": self.d_model, "scale": self.scale}
        return pd.DataFrame([{**row, "length": self.length, "found": self.provenance.note}])

    def __repr__(self) -> str:
        """Say which it is."""
        return f"Direction({self.name!r}, layer {self.layer}, length {self.length:.3g} x {self.scale:.3g})"
