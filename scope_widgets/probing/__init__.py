"""Probes: what a linear reader finds of labels in activations, layer by layer, beside its nulls."""

from scope_widgets.probing.causal_result import CausalTest
from scope_widgets.probing.causal_test import causal_test
from scope_widgets.probing.fit import fit
from scope_widgets.probing.methods import Method
from scope_widgets.probing.probes import Probes

__all__ = ["CausalTest", "Method", "Probes", "causal_test", "fit"]
