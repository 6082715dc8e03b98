"""Traces: recorded forwards, as tokens and tensors, and their files."""
