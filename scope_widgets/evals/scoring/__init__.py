"""What a model makes of texts: log-probabilities of continuations, and continuations of its own."""
