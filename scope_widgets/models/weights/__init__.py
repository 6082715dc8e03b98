"""Changes of a model's weights, and whether they have changed."""
