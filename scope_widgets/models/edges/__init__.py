"""The edges between components of a model: their graph, their values, their ablation, their gradients."""
