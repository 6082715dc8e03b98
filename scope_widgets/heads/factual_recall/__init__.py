"""Facts, the prompts that ask for them, and the heads that attend to their subjects."""
