"""Forwards of a model: recorded, edited, continued from the middle, changed for as long as a block runs."""
