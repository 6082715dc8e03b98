"""A circuit as a drawing: DOT for Graphviz, and SVG."""
