"""Indirect-object identification: prompts, and the heads that do it, found by what they cause."""
