"""A circuit run alone, and compared with the whole model."""
