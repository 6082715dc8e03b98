"""Probes: what a linear reader finds of labels in activations, layer by layer, beside its nulls."""
