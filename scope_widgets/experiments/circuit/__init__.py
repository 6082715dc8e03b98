"""`Circuit`, the edges of a model that do something together, and what its drawings share."""
