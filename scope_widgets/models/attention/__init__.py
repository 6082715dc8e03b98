"""How attention is computed, shown and changed, whatever way a family computes it."""
