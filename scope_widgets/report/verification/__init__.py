"""Verification: every entry tested on prompts that its discovery did not use."""
