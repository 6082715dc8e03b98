"""Forwards of a model: recorded, edited, continued from the middle, one at a time."""
