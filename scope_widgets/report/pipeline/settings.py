"""`Settings`: what a pipeline is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from scope_widgets._check_choice import checked_count, choices
from scope_widgets._seeds import seed_of
from scope_widgets.experiments.named_tasks import TaskName
from scope_widgets.models.microscope import Microscope

#: pairs of a task at most, and at least
_PAIRS = (8, 40)
#: layers that are recorded where none are asked for
_LAYERS = 8


@dataclass(frozen=True)
class Settings:
    """What a pipeline is asked for.

    Attributes
    ----------
    model : str
        As `Microscope.load` takes it.
    num_samples : int
        Texts that are recorded, and pairs of each task, 8 to 40.
    layers : tuple of int or None
        Layers that are recorded; None: all, or of many 8.
    tasks : tuple of str
        Tasks whose circuits are looked for and documented.
    skip_sae, evals : bool
    texts : str or None
        A file.
    column : str
        Where it has its texts.
    loading : dict
        Options of `Microscope.load`: device, dtype, or where it is.
    seed : int
    """

    model: str = "demo"
    num_samples: int = 200
    layers: tuple[int, ...] | None = None
    tasks: tuple[str, ...] = choices(TaskName)
    skip_sae: bool = False
    evals: bool = False
    texts: str | None = None
    column: str = "text"
    loading: dict[str, Any] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        checked_count("num_samples", self.num_samples)
        seed_of(self.seed)
        known = choices(TaskName)
        if wrong := [one for one in self.tasks if one not in known]:
            raise ValueError(f"There is no task {wrong[0]!r}; there are {', '.join(known)}.")

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Settings:
        """Return settings from JSON data, whose lists become tuples."""
        names = {one.name for one in fields(cls)}
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
        return cls(**{name: value for name, value in values.items() if name in names})

    def to_data(self) -> dict[str, Any]:
        """Return them as JSON data."""
        return asdict(self)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Names of stages that are not asked for."""
        return tuple(name for name, out in (("saes", self.skip_sae), ("evals", not self.evals)) if out)

    @property
    def pairs(self) -> int:
        """Pairs of a task."""
        return min(max(self.num_samples, _PAIRS[0]), _PAIRS[1])

    def layers_of(self, scope: Microscope) -> list[int]:
        """Return the layers to record.

        Raises
        ------
        ValueError
            Where the model does not have one.
        """
        last = scope.n_layers
        if self.layers is None:
            step = max(1, (last - 1) / (_LAYERS - 1))
            return sorted({round(at * step) for at in range(min(last, _LAYERS))})
        if wrong := [one for one in self.layers if not 0 <= one <= last]:
            raise ValueError(
                f"--layers takes 0 to {last} for {scope.model_id} ({last} is what enters the final norm); got "
                f"{wrong[0]}."
            )
        return sorted(set(self.layers))
