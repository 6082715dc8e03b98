"""What a model is, written down: entries with claims that are run, their verification and the score."""
