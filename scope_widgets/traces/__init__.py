"""Recorded forwards: tokens and arrays, and their files."""
