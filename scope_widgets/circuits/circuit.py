"""Where `Circuit` stood before features were nodes, too: it is in `experiments/circuit/`."""

from scope_widgets.experiments.circuit.circuit import Circuit, Mask, touching

__all__ = ["Circuit", "Mask", "touching"]
