"""Files of questions, sentences and texts that others published, as suites."""
