"""Edits of a model's weights, and a version number of them."""
