"""Ablation: what is left of a behaviour when components or attention are taken out."""
