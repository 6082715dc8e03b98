"""The transparency score: what documented edges recover, against chance and size."""
