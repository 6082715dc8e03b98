"""Sparse probing: how much of a class a few latents know."""
