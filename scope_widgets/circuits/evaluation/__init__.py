"""A circuit run by itself, and compared with the whole model."""
